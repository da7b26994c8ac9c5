# SPDX-License-Identifier: GPL-2.0-only
"""Mappings of files: private with changed pages, shared, read-only, executable, inaccessible, behind the file's end."""

import os

import memory
from held import held, same
from memory import EXEC, NONE, PAGE, PRIVATE, READ, RW, SHARED, pattern

PATH, RAM = "/var/tmp/case-maps", "/run/case-maps"
SIZE = 20 * PAGE + 100


def make(path):
    with open(path, "wb") as out:
        out.write(pattern(path, SIZE))
    f = {"path": path, "fd": os.open(path, os.O_RDWR)}
    reader = os.open(path, os.O_RDONLY)
    f["private"] = memory.mmap(21 * PAGE, RW, PRIVATE, reader)
    memory.poke(f["private"] + 3 * PAGE + 5, b"changed")
    memory.poke(f["private"] + 20 * PAGE + 200, b"behind the end")
    f["shared"] = memory.mmap(10 * PAGE, RW, SHARED, f["fd"], 5 * PAGE)
    memory.poke(f["shared"] + PAGE, b"written")
    f["view"] = memory.mmap(5 * PAGE, READ, SHARED, reader, 5 * PAGE)
    # /run is mounted noexec
    f["text"] = memory.mmap(2 * PAGE, READ | EXEC if path == PATH else READ, PRIVATE, reader, PAGE)
    f["hidden"] = memory.mmap(4 * PAGE, RW, PRIVATE, reader)
    memory.poke(f["hidden"] + PAGE, b"secret")
    memory.mprotect(f["hidden"], 4 * PAGE, NONE)
    os.close(reader)
    return f


def setup():
    p = {"disk": make(PATH), "ram": make(RAM)}
    zero = os.open("/dev/zero", os.O_RDWR)
    p["zero"] = memory.mmap(4 * PAGE, RW, PRIVATE, zero)
    os.close(zero)
    memory.poke(p["zero"] + PAGE, b"private zero")
    # changed in the cache only when the machine stops: must reach the disk
    os.pwrite(p["disk"]["fd"], b"dirty", 18 * PAGE)
    return p


def look(f):
    data = bytearray(pattern(f["path"], SIZE))
    data[6 * PAGE:6 * PAGE + 7] = b"written"
    if f["path"] == PATH:
        data[18 * PAGE:18 * PAGE + 5] = b"dirty"
    same(os.pread(f["fd"], SIZE, 0), bytes(data), "the file")
    mine = bytearray(data)
    mine[3 * PAGE + 5:3 * PAGE + 12] = b"changed"
    same(memory.peek(f["private"], SIZE), bytes(mine), "private mapping")
    same(memory.peek(f["private"] + 20 * PAGE + 200, 14), b"behind the end", "behind the file's end")
    same(memory.peek(f["shared"], 10 * PAGE), bytes(data[5 * PAGE:15 * PAGE]), "shared mapping")
    same(memory.peek(f["text"], 2 * PAGE), bytes(data[PAGE:3 * PAGE]), "executable mapping")
    rights = {"private": "rw-p", "shared": "rw-s", "view": "r--s", "hidden": "---p",
              "text": "r-xp" if f["path"] == PATH else "r--p"}
    for name, perms in rights.items():
        seen = memory.smaps(f[name])
        same((seen["perms"], seen["path"]), (perms, f["path"]), name)
    same(memory.smaps(f["shared"])["offset"], 5 * PAGE, "offset of the shared mapping")
    memory.poke(f["shared"] + 2 * PAGE, b"again")
    same(os.pread(f["fd"], 5, 7 * PAGE), b"again", "the file after a write through the mapping")
    same(memory.peek(f["view"] + 2 * PAGE, 5), b"again", "the reader's view of it")
    same(memory.peek(f["private"] + 7 * PAGE, 5), b"again", "an unchanged page of the private mapping")
    memory.mprotect(f["hidden"], 4 * PAGE, READ)
    same(memory.peek(f["hidden"] + PAGE, 6), b"secret", "what the inaccessible mapping held")
    try:
        memory.mprotect(f["view"], PAGE, RW)
        raise AssertionError("a mapping of a read-only descriptor became writable")
    except PermissionError:
        pass


def check(p):
    look(p["disk"])
    look(p["ram"])
    same(memory.peek(p["zero"], 2 * PAGE), bytes(PAGE) + b"private zero" + bytes(PAGE - 12), "private /dev/zero")


held(setup, check)
