# SPDX-License-Identifier: GPL-2.0-only
"""Pipes: data in flight, packets, sizes, a full one, one without writers, one without readers, one between two
processes of which one sleeps in read()."""

import fcntl
import os

from held import held, same

F_SETPIPE_SZ, F_GETPIPE_SZ = 1031, 1032


def pattern(length):
    return bytes((i * 7 + i // 251) & 255 for i in range(length))


def owner(fd):
    told = os.fstat(fd)
    return told.st_uid, told.st_gid, told.st_mode & 0o7777


def setup():
    p = {}
    p["data"] = os.pipe()
    os.write(p["data"][1], pattern(9000))
    p["sized"] = os.pipe()
    fcntl.fcntl(p["sized"][1], F_SETPIPE_SZ, 1 << 18)
    os.write(p["sized"][1], pattern(200000))
    p["packets"] = os.pipe2(os.O_DIRECT)
    for word in b"one", b"two", b"t" * 3000:
        os.write(p["packets"][1], word)
    p["full"] = os.pipe2(os.O_NONBLOCK)
    p["full bytes"] = 0
    try:
        while True:
            p["full bytes"] += os.write(p["full"][1], b"f" * 4096)
    except BlockingIOError:
        pass
    p["spliced"] = os.pipe()
    with open("/etc/passwd", "rb") as file:
        p["spliced bytes"] = os.splice(file.fileno(), p["spliced"][1], 100)
        file.seek(0)
        p["spliced data"] = file.read(p["spliced bytes"])
    p["no writer"] = os.pipe()
    os.write(p["no writer"][1], b"last words")
    os.close(p["no writer"][1])
    p["no reader"] = os.pipe()
    os.close(p["no reader"][0])
    p["to child"], p["from child"] = os.pipe(), os.pipe()
    p["dup"] = os.dup(p["to child"][1])
    p["child"] = os.fork()
    if not p["child"]:
        os.close(p["to child"][1])
        os.close(p["dup"])
        while True:
            word = os.read(p["to child"][0], 100)
            if not word:
                os._exit(7)
            os.write(p["from child"][1], word.upper())
    os.close(p["to child"][0])
    os.close(p["from child"][1])
    p["inodes"] = os.fstat(p["data"][0]).st_ino == os.fstat(p["data"][1]).st_ino
    # one that was made by somebody else: /dev/fd/N is opened by who may
    os.setresgid(-1, 65534, -1)
    os.setresuid(-1, 65534, -1)
    p["nobody's"] = os.pipe()
    os.setresuid(-1, 0, -1)
    os.setresgid(-1, 0, -1)
    os.fchmod(p["nobody's"][0], 0o640)
    p["owner"] = owner(p["nobody's"][1])
    same(p["owner"], (65534, 65534, 0o640), "owner at first")
    return p


def check(p):
    same(os.read(p["data"][0], 10000), pattern(9000), "data")
    same(fcntl.fcntl(p["data"][0], F_GETPIPE_SZ), 65536, "size")
    same(fcntl.fcntl(p["sized"][0], F_GETPIPE_SZ), 1 << 18, "changed size")
    got = b""
    while len(got) < 200000:
        got += os.read(p["sized"][0], 65536)
    same(got, pattern(200000), "data in the large pipe")
    assert fcntl.fcntl(p["packets"][1], fcntl.F_GETFL) & os.O_DIRECT, "packets: O_DIRECT is lost"
    same([os.read(p["packets"][0], 4000) for _ in range(3)], [b"one", b"two", b"t" * 3000], "packets")
    try:
        os.write(p["full"][1], b"f" * 4096)
        raise AssertionError("the full pipe is not full")
    except BlockingIOError:
        pass
    got = b""
    while len(got) < p["full bytes"]:
        got += os.read(p["full"][0], 65536)
    same(got, b"f" * p["full bytes"], "the full pipe")
    same(os.read(p["spliced"][0], 4000), p["spliced data"], "spliced")
    same(os.read(p["no writer"][0], 100), b"last words", "pipe without a writer")
    same(os.read(p["no writer"][0], 100), b"", "end of the pipe without a writer")
    try:
        os.write(p["no reader"][1], b"x")
        raise AssertionError("a pipe without a reader takes data")
    except BrokenPipeError:
        pass
    same(os.fstat(p["data"][0]).st_ino == os.fstat(p["data"][1]).st_ino, p["inodes"], "two ends")
    same(owner(p["nobody's"][1]), p["owner"], "owner and mode")
    same(owner(p["data"][1]), (0, 0, 0o600), "root's owner and mode")
    os.write(p["dup"], b"hello")
    same(os.read(p["from child"][0], 100), b"HELLO", "the child's answer")
    os.close(p["dup"])
    os.close(p["to child"][1])
    same(os.waitstatus_to_exitcode(os.waitpid(p["child"], 0)[1]), 7, "the child's end of file")


held(setup, check)
