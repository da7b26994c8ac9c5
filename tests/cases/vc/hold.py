# SPDX-License-Identifier: GPL-2.0-only
"""Virtual consoles: what stands on the screen, the cursor, settings, the keyboard's mode, and which one is shown; lines that
were typed and not read, and output that is stopped, by a program and by ^S."""

import fcntl
import os
import select
import struct
import termios

from held import held, same

TTY, OTHER = "/dev/tty8", "/dev/tty9"
KDGKBMODE, KDSKBMODE, K_MEDIUMRAW = 0x4B44, 0x4B45, 2
KDGKBMETA, KDSKBMETA, K_METABIT = 0x4B62, 0x4B63, 3
VT_GETSTATE, VT_ACTIVATE, VT_WAITACTIVE = 0x5603, 0x5606, 0x5607


def screen():
    with open("/dev/vcsa8", "rb") as cells:
        return cells.read()


def shown(fd):
    return struct.unpack("HHH", fcntl.ioctl(fd, VT_GETSTATE, bytes(6)))[0]


def number(fd, request):
    return struct.unpack("i", fcntl.ioctl(fd, request, bytes(4)))[0]


def typed(fd, data):
    for byte in data:
        fcntl.ioctl(fd, termios.TIOCSTI, bytes([byte]))


def lines(fd):
    """All that can be read, line by line."""
    found = []
    while select.select([fd], [], [], 0)[0]:
        found.append(os.read(fd, 100))
    return found


def takes_output(fd):
    return bool(select.select([], [fd], [], 0)[1])


def setup():
    fd = os.open(TTY, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    os.write(fd, b"\033[2J\033[3;5Hplain \033[31;44mred on blue\033[0m \033[1mbold\033[0m\r\nline four\033[11;41H")
    settings = termios.tcgetattr(fd)
    settings[3] &= ~termios.ECHO
    settings[6][termios.VQUIT] = b"\x1d"
    termios.tcsetattr(fd, termios.TCSANOW, settings)
    fcntl.ioctl(fd, KDSKBMODE, K_MEDIUMRAW)
    fcntl.ioctl(fd, KDSKBMETA, K_METABIT)
    p = {"fd": fd, "settings": termios.tcgetattr(fd), "screen": screen(), "was shown": shown(fd)}
    assert b"p\x07l\x07a\x07i\x07n\x07" in p["screen"], "the text is not on the screen"
    typed(fd, b"first line\nsecond line\nha")
    termios.tcflow(fd, termios.TCOOFF)
    p["other"] = os.open(OTHER, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    typed(p["other"], b"\x13")
    for which in fd, p["other"]:
        assert not takes_output(which), "a stopped console takes output"
    fcntl.ioctl(fd, VT_ACTIVATE, 3)
    fcntl.ioctl(fd, VT_WAITACTIVE, 3)
    return p


def check(p):
    fd = p["fd"]
    same(os.ttyname(fd), TTY, "name")
    same(termios.tcgetattr(fd), p["settings"], "settings")
    same(number(fd, KDGKBMODE), K_MEDIUMRAW, "keyboard mode")
    same(number(fd, KDGKBMETA), K_METABIT, "meta key")
    now = screen()
    if now[:2] == p["screen"][:2]:
        same(now[2:4], p["screen"][2:4], "cursor")
        same(now[4:], p["screen"][4:], "screen")
    else: # the next kernel's screen has another size: what was written is to be there
        rows = [now[i + 4:i + 4 + now[1] * 2:2] for i in range(0, now[0] * now[1] * 2, now[1] * 2)]
        assert any(b"plain red on blue bold" in row for row in rows), "the text is gone"
    assert not takes_output(fd), "output that tcflow() stopped goes on"
    termios.tcflow(fd, termios.TCOON)
    same(os.write(fd, b"!"), 1, "write to a console that is started again")
    typed(fd, b"lf a line\n")
    same(lines(fd), [b"first line\n", b"second line\n", b"half a line\n"], "what was typed")
    assert not takes_output(p["other"]), "output that ^S stopped goes on"
    typed(p["other"], b"\x11")
    same(os.write(p["other"], b"!"), 1, "write to a console that ^Q has started again")
    same(shown(fd), 3, "the console that is shown")
    fcntl.ioctl(fd, VT_ACTIVATE, p["was shown"])


held(setup, check)
