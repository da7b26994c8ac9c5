# SPDX-License-Identifier: GPL-2.0-only
"""Choose an entry of GRUB's menu at the serial console, as somebody who sits there does: look what is highlighted, go
down, press return."""

import re
import time

from lib import qemu
from lib.common import HarnessError

DOWN, RETURN = "\x1b[B", "\r"
# A redrawn menu highlights its old entry and the new one more than once: the last counts when so long nothing came.
STILL_SECONDS = 0.4
# No answer to a key in this time: it is at its end, or the key was lost.
KEY_SECONDS = 10
# The highlighted entry is drawn inverse, with a star before it. (The emulated port now and then says a byte twice.)
HIGHLIGHTED = re.compile(rb"\x1b\[7m\x1b\[\d+;\d+HH?\*\*?([^\x1b\r\n]*?) *\x1b")


class Menu:
    def __init__(self, machine):
        self.machine = machine
        self.screen = qemu.Follower(machine.serial_log())
        self.said = b""

    def highlighted(self, seconds, but=None):
        """What is highlighted by what has come since the last call, if it is not @but; None when nothing is."""
        deadline = time.monotonic() + seconds
        still = None
        while self.machine.running() and time.monotonic() < deadline:
            more = self.screen.chunk()
            self.said += more
            found = HIGHLIGHTED.findall(self.said)
            at = found[-1].decode(errors="replace") if found else but
            if more or at == but:
                still = time.monotonic() + STILL_SECONDS
            elif time.monotonic() > still:
                self.said = b""
                return at
            time.sleep(0.05)
        return None

    def choose(self, path, seconds):
        """@path: titles, of a submenu and of what is in it; @seconds: until there is a menu. Returns what was highlighted
        first, which would have been chosen on its own."""
        first = at = self.highlighted(seconds)
        for title in path:
            passed = []
            while at != title:
                if at is None:
                    raise HarnessError(f"the boot menu has no entry {title}, but {', '.join(passed) or 'none'}")
                passed.append(at)
                self.machine.type(DOWN)
                at = self.highlighted(KEY_SECONDS, at)
            self.machine.type(RETURN)
            if title != path[-1]:
                at = self.highlighted(KEY_SECONDS)
        return first
