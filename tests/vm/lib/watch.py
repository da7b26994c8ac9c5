# SPDX-License-Identifier: GPL-2.0-only
"""Follow a machine through its power cycles: the agent's messages, and what the kernel complains of."""

import re
import sys
import time

from lib import qemu
from lib.common import HarnessError, Timeout


class Watch:
    """Yields the agent's messages as (words, text); text is what came with a "text" message."""

    def __init__(self, machine, stage_timeout, show_console=False, answers=()):
        """answers: (pattern, text) to be typed when a line of the console matches, ended or not: the kernel may
        have said something behind a prompt; each once, in their order, and the last one again and again."""
        self.machine = machine
        # Seconds without a sign of life; without a message of the agent it may be three times as long.
        self.stage_timeout = stage_timeout
        self.show_console = show_console
        # A panic is what is wanted.
        self.may_panic = False
        # A pattern of lines that the kernel is to say, though they look like a complaint.
        self.well = None
        self.answers = list(answers)
        # The first line of the console that nobody has looked at for a prompt.
        self.unasked = 0
        self.bad = []
        self.console_text = []
        # Lines of the console, messages and power-ons, with the time when they were seen.
        self.times = []
        self.text = None
        self.text_name = None
        self.attach()

    def attach(self):
        """Follow the logs of the power-on that has just been made."""
        self.console = qemu.Follower(self.machine.serial_log())
        self.port = qemu.Follower(self.machine.port_log())
        self.times.append((time.monotonic(), "@vm power-on"))
        self.heard()

    def heard(self):
        """A message has come."""
        self.deadline = time.monotonic() + self.stage_timeout
        self.last_deadline = time.monotonic() + 3 * self.stage_timeout

    def look_at_console(self):
        for line in self.console.lines():
            shown = re.sub(rb"\x1b[\[(][0-9;?]*[A-Za-z]|[^\x20-\x7e]", b"", line).decode()
            self.console_text.append(shown)
            self.times.append((time.monotonic(), shown))
            self.deadline = max(self.deadline, min(time.monotonic() + self.stage_timeout, self.last_deadline))
            if self.show_console and shown.strip():
                print("  | " + shown[:150], flush=True)
            if qemu.BAD_LINE.search(line) and not qemu.WELL_LINE.search(line) and not self.may_panic and \
                    not (self.well and re.search(self.well, shown)):
                self.bad.append(shown)
                if b"anic" in line:
                    # Let the rest of the report arrive, then do not wait for the timeout.
                    self.deadline = self.last_deadline = time.monotonic() + 5

    def answer(self):
        """Type what is asked for."""
        while self.answers and self.unasked <= len(self.console_text):
            ended = self.unasked < len(self.console_text)
            line = self.console_text[self.unasked] if ended else self.console.rest.decode(errors="replace")
            asked = next((row for row in self.answers if re.search(row[0], line)), None)
            if asked:
                self.machine.type(asked[1] + "\n")
                if sum(row[0] == asked[0] for row in self.answers) > 1:
                    self.answers.remove(asked)
            elif not ended:
                break
            self.unasked += 1

    def messages(self):
        """What has arrived since the last call."""
        found = []
        self.look_at_console()
        self.answer()
        for raw in self.port.lines():
            line = raw.decode(errors="replace")
            if line.startswith("@vm text "):
                self.text_name, self.text = line[9:], []
            elif line == "@vm end":
                found.append((["text", self.text_name], "\n".join(self.text or []).rstrip("\n")))
                self.text = None
            elif self.text is not None:
                self.text.append(line)
            elif line.startswith("@vm "):
                found.append((line.split()[1:], None))
                self.times.append((time.monotonic(), line))
        if found:
            self.heard()
        return found

    def next(self):
        """The next messages, or None when the machine has gone off."""
        while True:
            alive = self.machine.running()
            found = self.messages()
            if found:
                return found
            if not alive:
                self.times.append((time.monotonic(), "@vm power-off"))
                return None
            if time.monotonic() > self.deadline:
                if any("anic" in line for line in self.bad):
                    raise HarnessError("the kernel panicked")
                raise Timeout(f"nothing happened for {self.stage_timeout:.0f} s")
            sys.stdout.flush()
            time.sleep(0.05)
