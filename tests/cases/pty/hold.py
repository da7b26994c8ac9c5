# SPDX-License-Identifier: GPL-2.0-only
"""Pseudo-terminals: settings, sizes, unread lines and bytes in both directions, packet mode, lock, closed ends, and a
session with its foreground job."""

import errno
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
import tty

from held import held, same

TIOCPKT, TIOCGPKT, TIOCGPTLCK, TIOCGPTN = 0x5420, 0x80045438, 0x80045439, 0x80045430


def size(fd):
    return struct.unpack("HHHH", fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8)))


def number(fd, request):
    return struct.unpack("i", fcntl.ioctl(fd, request, bytes(4)))[0]


def stuff(fd, *steps):
    """Write until it takes no more, of each size; how much that was."""
    os.set_blocking(fd, False)
    done = 0
    for step in steps:
        refused = 0
        while refused < 10:
            try:
                done += os.write(fd, bytes((done + i) % 251 for i in range(step)))
            except BlockingIOError:
                refused += 1
                time.sleep(0.01)
    return done


def stuffed():
    m, s = pty.openpty()
    tty.setraw(s)
    return m, s


def drain(fd, length):
    got = b""
    while len(got) < length:
        if not select.select([fd], [], [], 5)[0]:
            break
        got += os.read(fd, 65536)
    return got


def setup():
    p = {}
    m, s = p["lines"] = pty.openpty()
    fcntl.ioctl(s, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 5, 6))
    p["name"] = os.ttyname(s)
    os.fchmod(s, 0o622)
    os.fchown(s, 1, 2)
    os.write(m, b"line one\nline two\n\x04half")
    time.sleep(0.3)
    os.write(s, b"to the master\n")
    p["lines settings"] = termios.tcgetattr(s)

    m, s = p["stuffed"] = stuffed()
    p["stuffed in"], p["stuffed out"] = stuff(m, 512), stuff(s, 512)

    # The small buffers of a first time are free for a second, beyond the kernel's limit.
    m, s = p["packed"] = stuffed()
    drain(s, stuff(m, 200))
    drain(m, stuff(s, 200))
    p["packed in"], p["packed out"] = stuff(m, 1792, 256, 1), stuff(s, 1500, 200, 3)
    assert p["packed in"] > 30000, f"a terminal takes {p['packed in']} bytes only"

    m, s = p["stopped"] = pty.openpty()
    os.set_blocking(s, False)
    os.write(m, b"\x13")
    time.sleep(0.3)

    m, s = p["packet"] = pty.openpty()
    settings = termios.tcgetattr(s)
    settings[3] &= ~(termios.ECHO | termios.ICANON)
    settings[6][termios.VMIN], settings[6][termios.VTIME] = 3, 4
    settings[6][termios.VINTR] = b"\x07"
    settings[4] = settings[5] = termios.B9600
    termios.tcsetattr(s, termios.TCSANOW, settings)
    p["packet settings"] = termios.tcgetattr(s)
    fcntl.ioctl(m, TIOCPKT, struct.pack("i", 1))
    termios.tcflow(s, termios.TCOOFF)

    p["locked"] = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)
    m, s = pty.openpty()
    os.close(s)
    p["slave closed"] = m
    m, s = pty.openpty()
    os.close(m)
    p["master closed"] = s

    p["child"], p["session"] = pty.fork()
    if not p["child"]:
        def interrupted(*_):
            os.write(1, b"INTERRUPTED")
            os._exit(9)
        signal.signal(signal.SIGINT, interrupted)
        while True:
            signal.pause()
    while os.tcgetpgrp(p["session"]) != p["child"]:
        time.sleep(0.1)
    time.sleep(0.5)
    return p


def check(p):
    m, s = p["lines"]
    same(size(s), (33, 77, 5, 6), "size at the slave")
    same(size(m), (33, 77, 5, 6), "size at the master")
    same(os.ttyname(s), p["name"], "name")
    same(f"/dev/pts/{number(m, TIOCGPTN)}", p["name"], "number")
    node = os.stat(p["name"])
    same((node.st_uid, node.st_gid, node.st_mode & 0o777), (1, 2, 0o622), "owner and mode")
    same(termios.tcgetattr(s), p["lines settings"], "settings")
    same(drain(m, 35), b"line one\r\nline two\r\nhalfto the master\r\n", "echo and output")
    same(os.read(s, 100), b"line one\n", "first line")
    same(os.read(s, 100), b"line two\n", "second line")
    same(os.read(s, 100), b"", "end of file")
    os.write(m, b" \x7f more\n")
    same(os.read(s, 100), b"half more\n", "line that was half typed")

    m, s = p["stuffed"]
    same(drain(s, p["stuffed in"]), bytes(i % 251 for i in range(p["stuffed in"])), "input, more than fits")
    same(drain(m, p["stuffed out"]), bytes(i % 251 for i in range(p["stuffed out"])), "output, more than fits")

    m, s = p["packed"]
    same(drain(s, p["packed in"]), bytes(i % 251 for i in range(p["packed in"])), "input in small parts")
    same(drain(m, p["packed out"]), bytes(i % 251 for i in range(p["packed out"])), "output in small parts")

    m, s = p["stopped"]
    try:
        os.write(s, b"x")
        raise AssertionError("a terminal stopped with ^S takes output")
    except BlockingIOError:
        pass
    os.write(m, b"\x11")
    time.sleep(0.3)
    same(os.write(s, b"x"), 1, "write to a terminal started with ^Q")

    m, s = p["packet"]
    same(termios.tcgetattr(s), p["packet settings"], "settings of the second")
    same(number(m, TIOCGPKT), 1, "packet mode")
    same(os.read(m, 10), bytes([4]), "TIOCPKT_STOP")
    assert not select.select([], [s], [], 0)[1], "the stopped terminal takes output"
    termios.tcflow(s, termios.TCOON)
    same(os.read(m, 10), bytes([8]), "TIOCPKT_START")
    os.write(s, b"go")
    same(os.read(m, 10), b"\0go", "packet")

    same(number(p["locked"], TIOCGPTLCK), 1, "lock")
    same(number(p["lines"][0], TIOCGPTLCK), 0, "lock of the first")
    try:
        os.read(p["slave closed"], 10)
        raise AssertionError("read from a master whose slave is closed")
    except OSError as error:
        same(error.errno, errno.EIO, "read from a master whose slave is closed")
    same(os.read(p["master closed"], 10), b"", "read from a terminal that was hung up")
    try:
        os.write(p["master closed"], b"x")
        raise AssertionError("write to a terminal that was hung up")
    except OSError as error:
        same(error.errno, errno.EIO, "write to a terminal that was hung up")

    same(os.tcgetpgrp(p["session"]), p["child"], "foreground job")
    with open(f"/proc/{p['child']}/stat", encoding="ascii") as text:
        fields = text.read().rsplit(")", 1)[1].split()
    same(fields[3], str(p["child"]), "session")
    same(int(fields[4]), os.makedev(136, number(p["session"], TIOCGPTN)), "controlling terminal")
    os.write(p["session"], b"\x03")
    got = b""
    while b"INTERRUPTED" not in got:
        got += os.read(p["session"], 100)
    same(os.waitstatus_to_exitcode(os.waitpid(p["child"], 0)[1]), 9, "the child")


held(setup, check)
