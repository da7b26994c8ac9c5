# SPDX-License-Identifier: GPL-2.0-only
"""File locks: flock, POSIX locks of two processes on one open file, OFD locks; what was not locked is free."""

import fcntl
import os
import signal
import struct

from held import held, same

PATH = "/var/tmp/case-locks"
OFD_GETLK, OFD_SETLK = 36, 37
READ, WRITE, FREE = fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK


def lock(command, fd, kind, start, length):
    raw = fcntl.fcntl(fd, command, struct.pack("hhqqi4x", kind, 0, start, length, 0))
    kind, _, start, length, pid = struct.unpack("hhqqi4x", raw)
    return (kind, start, length, pid) if kind != FREE else (FREE,)


def in_child(work):
    """What another process gets from work()."""
    out, into = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(into, repr(work()).encode())
        os._exit(0)
    os.close(into)
    os.waitpid(pid, 0)
    said = os.read(out, 4096).decode()
    os.close(out)
    return eval(said)  # pylint: disable=eval-used


def flocked(path, how):
    fd = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(fd)


def setup():
    p = {"posix": os.open(PATH, os.O_RDWR | os.O_CREAT, 0o600), "ofd": os.open(PATH, os.O_RDWR)}
    os.ftruncate(p["posix"], 10000)
    lock(fcntl.F_SETLK, p["posix"], READ, 100, 50)
    lock(fcntl.F_SETLK, p["posix"], WRITE, 5000, 0)
    lock(OFD_SETLK, p["ofd"], WRITE, 300, 10)
    p["exclusive"] = os.open(PATH + ".ex", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(p["exclusive"], fcntl.LOCK_EX)
    p["shared"] = [os.open(PATH + ".sh", os.O_RDWR | os.O_CREAT, 0o600) for _ in range(2)]
    for fd in p["shared"]:
        fcntl.flock(fd, fcntl.LOCK_SH)
    p["folder"] = os.open("/run", os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(p["folder"], fcntl.LOCK_SH)
    out, into = os.pipe()
    p["child"] = os.fork()
    if not p["child"]:
        lock(fcntl.F_SETLK, p["posix"], WRITE, 700, 7)
        for fd in p["exclusive"], *p["shared"], p["folder"], out:
            os.close(fd)
        os.write(into, b"x")
        os.close(into)
        while True:
            signal.pause()
    os.read(out, 1)
    os.close(out)
    os.close(into)
    return p


def seen(kind, start, length):
    def look():
        fd = os.open(PATH, os.O_RDWR)
        return lock(fcntl.F_GETLK, fd, kind, start, length)

    return in_child(look)


def check(p):
    me = os.getpid()
    same(seen(WRITE, 0, 200), (READ, 100, 50, me), "POSIX read lock")
    same(seen(READ, 0, 200), (FREE,), "a second reader")
    same(seen(READ, 9000, 1), (WRITE, 5000, 0, me), "POSIX write lock")
    same(seen(READ, 690, 40), (WRITE, 700, 7, p["child"]), "POSIX lock of the child")
    same(seen(READ, 250, 100), (WRITE, 300, 10, -1), "OFD lock")
    same(seen(WRITE, 1000, 3000), (FREE,), "between the locks")
    same(lock(fcntl.F_GETLK, p["posix"], WRITE, 100, 50), (FREE,), "the owner's own view")
    assert flocked(PATH + ".ex", fcntl.LOCK_SH), "the exclusive flock is gone"
    assert not flocked(PATH + ".sh", fcntl.LOCK_SH), "the shared flock is exclusive"
    assert flocked(PATH + ".sh", fcntl.LOCK_EX), "the shared flock is gone"
    os.close(p["shared"][0])
    assert flocked(PATH + ".sh", fcntl.LOCK_EX), "the second shared flock is gone"
    os.close(p["shared"][1])
    assert not flocked(PATH + ".sh", fcntl.LOCK_EX), "a flock that nobody holds"
    fd = os.open("/run", os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        raise AssertionError("the flock on a folder is gone")
    except BlockingIOError:
        pass
    os.kill(p["child"], signal.SIGKILL)
    os.waitpid(p["child"], 0)
    same(seen(READ, 690, 40), (FREE,), "a lock of the child that has ended")


held(setup, check)
