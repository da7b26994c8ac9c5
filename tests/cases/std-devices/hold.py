# SPDX-License-Identifier: GPL-2.0-only
"""The devices that every program has: null, zero, full, random, urandom, kmsg, tty, console, ptmx."""

import errno
import os
import pty
import time

from held import held, same

NAMES = "null", "zero", "full", "random", "urandom", "kmsg", "console"


def setup():
    p = {"child": 0}
    for name in NAMES:
        p[name] = os.open(f"/dev/{name}", (os.O_RDWR if name != "console" else os.O_WRONLY) | os.O_NOCTTY)
        p[name + " rdev"] = os.fstat(p[name]).st_rdev
    p["child"], p["ptmx"] = pty.fork()
    if not p["child"]: # whose /dev/tty is the slave
        tty = os.open("/dev/tty", os.O_RDWR)
        os.write(tty, b"ready\n")
        word = os.read(tty, 100)
        os.write(tty, b"got " + word)
        time.sleep(0.5)
        os._exit(3)
    got = b""
    while not got.endswith(b"\n"):
        got += os.read(p["ptmx"], 100)
    same(got, b"ready\r\n", "the child's terminal")
    return p


def check(p):
    for name in NAMES:
        same(os.fstat(p[name]).st_rdev, p[name + " rdev"], f"device of {name}")
        same(os.readlink(f"/proc/self/fd/{p[name]}"), f"/dev/{name}", "name")
    same(os.read(p["null"], 10), b"", "null")
    same(os.write(p["null"], b"x" * 1000), 1000, "null")
    same(os.read(p["zero"], 10), bytes(10), "zero")
    same(os.read(p["full"], 10), bytes(10), "full")
    try:
        os.write(p["full"], b"x")
        raise AssertionError("full takes data")
    except OSError as error:
        same(error.errno, errno.ENOSPC, "full")
    for name in "random", "urandom":
        assert os.read(p[name], 32) != os.read(p[name], 32), f"{name} repeats itself"
    os.write(p["kmsg"], b"std-devices: still here\n")
    os.write(p["console"], b"std-devices: still here\r\n")
    os.write(p["ptmx"], b"word\n")
    got = b""
    while b"got word" not in got:
        got += os.read(p["ptmx"], 100)
    same(os.waitstatus_to_exitcode(os.waitpid(p["child"], 0)[1]), 3, "the child at /dev/tty")


held(setup, check)
