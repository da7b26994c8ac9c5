# SPDX-License-Identifier: GPL-2.0-only
"""The serial console as a program with other wishes has it: settings, size, and the name it was opened by."""

import fcntl
import os
import struct
import termios

from held import held, same


def size(fd):
    return struct.unpack("HHHH", fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8)))


def setup():
    fd = os.open("/dev/ttyS0", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    settings = termios.tcgetattr(fd)
    settings[6][termios.VKILL] = b"\x18"
    settings[6][termios.VLNEXT] = b"\x0e"
    settings[6][termios.VMIN] = 5
    settings[0] |= termios.IGNPAR
    settings[1] |= termios.TAB3
    termios.tcsetattr(fd, termios.TCSANOW, settings)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 51, 133, 0, 0))
    console = os.open("/dev/console", os.O_WRONLY | os.O_NOCTTY)
    return {"fd": fd, "settings": termios.tcgetattr(fd), "rdev": os.fstat(fd).st_rdev, "console": console,
            "console rdev": os.fstat(console).st_rdev}


def check(p):
    fd = p["fd"]
    same(os.fstat(fd).st_rdev, p["rdev"], "device")
    same(os.readlink(f"/proc/self/fd/{fd}"), "/dev/ttyS0", "name")
    same(termios.tcgetattr(fd), p["settings"], "settings")
    same(size(fd), (51, 133, 0, 0), "size")
    assert fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK, "O_NONBLOCK is lost"
    try:
        os.read(fd, 1)
    except BlockingIOError:
        pass
    os.write(fd, b"tty-serial: still here\r\n")
    same(os.fstat(p["console"]).st_rdev, p["console rdev"], "device of the console")
    os.write(p["console"], b"tty-serial: console, too\r\n")


held(setup, check)
