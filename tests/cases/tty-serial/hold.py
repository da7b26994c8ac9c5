# SPDX-License-Identifier: GPL-2.0-only
"""The serial console as a program with other wishes has it: settings, size, and the name it was opened by. And a serial
line that nobody else uses: lines that have come and were not read, output that is stopped and was not sent."""

import fcntl
import os
import select
import struct
import termios
import time

from held import held, same

LINE = "/dev/ttyS2"
TIOCGEXCL, TIOCM_LOOP = 0x80045440, 0x8000
UNSENT = b"way" * 30


def size(fd):
    return struct.unpack("HHHH", fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8)))


def number(fd, request):
    return struct.unpack("i", fcntl.ioctl(fd, request, bytes(4)))[0]


def typed(fd, data):
    for byte in data:
        fcntl.ioctl(fd, termios.TIOCSTI, bytes([byte]))


def read_line(fd):
    """A line that has come, or comes soon."""
    assert select.select([fd], [], [], 20)[0], "no line comes"
    return os.read(fd, 1000)


def setup_line():
    fd = os.open(LINE, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    settings = termios.tcgetattr(fd)
    settings[0] = termios.IXON
    settings[1] = 0
    settings[2] = termios.CS8 | termios.CREAD | termios.CLOCAL
    settings[3] = termios.ICANON
    settings[4] = settings[5] = termios.B57600
    settings[6][termios.VEOL] = b"@"
    termios.tcsetattr(fd, termios.TCSANOW, settings)
    typed(fd, b"first line\nended otherwise@\x04half")
    termios.tcflow(fd, termios.TCOOFF)
    same(os.write(fd, UNSENT), len(UNSENT), "write to a line that is stopped")
    fcntl.ioctl(fd, termios.TIOCEXCL)
    return {"line": fd, "line settings": termios.tcgetattr(fd), "line rdev": os.fstat(fd).st_rdev}


def check_line(p):
    fd = p["line"]
    same(os.fstat(fd).st_rdev, p["line rdev"], "device of the line")
    same(os.readlink(f"/proc/self/fd/{fd}"), LINE, "name of the line")
    same(termios.tcgetattr(fd), p["line settings"], "settings of the line")
    same(number(fd, TIOCGEXCL), 1, "exclusive use of the line")
    same(number(fd, termios.TIOCOUTQ), len(UNSENT), "bytes not sent")
    same([os.read(fd, 100) for _ in range(3)], [b"first line\n", b"ended otherwise@", b""], "lines that were not read")
    # what is sent from now on comes back
    fcntl.ioctl(fd, termios.TIOCMBIS, struct.pack("i", TIOCM_LOOP))
    time.sleep(0.5)
    same(number(fd, termios.TIOCOUTQ), len(UNSENT), "bytes not sent, a moment later")
    termios.tcflow(fd, termios.TCOON)
    os.write(fd, b"\n")
    same(read_line(fd), b"half" + UNSENT + b"\n", "half a line, and what was sent to its end")
    typed(fd, b"\x13")
    os.write(fd, b"goes on\n")
    time.sleep(0.5)
    same(number(fd, termios.TIOCOUTQ), 8, "bytes not sent behind ^S")
    typed(fd, b"\x11")
    same(read_line(fd), b"goes on\n", "what was sent behind ^Q")
    fcntl.ioctl(fd, termios.TIOCMBIC, struct.pack("i", TIOCM_LOOP))
    fcntl.ioctl(fd, termios.TIOCNXCL)


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
    return {**setup_line(), "fd": fd, "settings": termios.tcgetattr(fd), "rdev": os.fstat(fd).st_rdev, "console": console,
            "console rdev": os.fstat(console).st_rdev}


def check(p):
    fd = p["fd"]
    same(os.fstat(fd).st_rdev, p["rdev"], "device")
    same(os.readlink(f"/proc/self/fd/{fd}"), "/dev/ttyS0", "name")
    same(termios.tcgetattr(fd), p["settings"], "settings")
    same(size(fd), (51, 133, 0, 0), "size")
    assert fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK, "O_NONBLOCK is lost"
    os.write(fd, b"tty-serial: still here\r\n")
    same(os.fstat(p["console"]).st_rdev, p["console rdev"], "device of the console")
    os.write(p["console"], b"tty-serial: console, too\r\n")
    check_line(p)


held(setup, check)
