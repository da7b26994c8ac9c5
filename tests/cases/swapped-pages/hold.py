# SPDX-License-Identifier: GPL-2.0-only
"""Pages that are in swap: of a process and its child, shared ones, a tmpfs file's, those of a SysV segment that nobody
has attached, pages of zeros, a locked one's peer."""

import ctypes
import os
import signal

import memory
from held import held, same
from memory import ANON, LIBC, PAGE, RW, SHARED, checked, pattern

PAGES = 2000
FILE = "/dev/shm/case-swapped"
RMID, SHM_INFO = 0, 14


def zeros_in_between():
    return pattern("anon", 1000 * PAGE) + bytes(500 * PAGE) + pattern("more", 500 * PAGE)


def used():
    with open("/proc/meminfo", encoding="ascii") as lines:
        numbers = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return numbers["SwapTotal"] - numbers["SwapFree"]


def areas():
    with open("/proc/swaps", encoding="utf-8") as lines:
        return [(line.split()[0], line.split()[-1]) for line in list(lines)[1:]]


LIBC.shmat.restype = ctypes.c_void_p


def attached(number):
    return checked(LIBC.shmat(number, None, 0), "shmat")


def detach(address):
    checked(LIBC.shmdt(ctypes.c_void_p(address)), "shmdt")


def segment():
    number = checked(LIBC.shmget(0, ctypes.c_size_t(300 * PAGE), 0o1600), "shmget")
    there = attached(number)
    memory.poke(there, pattern("segment", 300 * PAGE))
    memory.madvise(there, 300 * PAGE, "pageout")
    detach(there)
    return number


def segments_swapped():
    """Pages: shm_swp of struct shm_info."""
    raw = ctypes.create_string_buffer(128)
    checked(LIBC.shmctl(0, SHM_INFO, raw), "shmctl SHM_INFO")
    return int.from_bytes(raw.raw[24:32], "little")


def setup():
    assert areas(), "the machine has no swap"
    p = {"areas": areas()}
    p["anon"] = memory.mmap(PAGES * PAGE)
    memory.poke(p["anon"], zeros_in_between())
    p["shared"] = memory.mmap(500 * PAGE, RW, SHARED | ANON)
    memory.poke(p["shared"], pattern("shared", 500 * PAGE))
    p["fd"] = os.open(FILE, os.O_RDWR | os.O_CREAT, 0o600)
    os.write(p["fd"], pattern("file", 300 * PAGE))
    p["file"] = memory.mmap(300 * PAGE, RW, SHARED, p["fd"])
    memory.peek(p["file"], 300 * PAGE)
    p["segment"] = segment()
    # pages that two processes have are not paged out on demand
    memory.madvise(p["anon"], PAGES * PAGE, "pageout")
    p["child"] = os.fork()
    if not p["child"]:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
        memory.poke(p["anon"] + 10 * PAGE, b"child's")
        memory.madvise(p["anon"], PAGES * PAGE, "pageout")
        signal.sigwait({signal.SIGUSR2})
        right = memory.peek(p["anon"] + 11 * PAGE, 9 * PAGE) == zeros_in_between()[11 * PAGE:20 * PAGE]
        os._exit(0 if right and memory.peek(p["anon"] + 10 * PAGE, 7) == b"child's" else 1)
    for what, pages in ("anon", PAGES), ("shared", 500), ("file", 300):
        memory.madvise(p[what], pages * PAGE, "pageout")
    memory.push_out()
    assert used() > 4000, "hardly anything has been swapped out"
    assert segments_swapped() >= 200, "hardly anything of the segment has been swapped out"
    return p


def check(p):
    same(memory.peek(p["anon"], PAGES * PAGE), zeros_in_between(), "private memory")
    same(memory.peek(p["shared"], 500 * PAGE), pattern("shared", 500 * PAGE), "shared memory")
    same(os.pread(p["fd"], 300 * PAGE, 0), pattern("file", 300 * PAGE), "file on tmpfs")
    there = attached(p["segment"])
    same(memory.peek(there, 300 * PAGE), pattern("segment", 300 * PAGE), "SysV segment")
    detach(there)
    LIBC.shmctl(p["segment"], RMID, None)
    memory.poke(p["file"] + PAGE, b"still one")
    same(os.pread(p["fd"], 9, PAGE), b"still one", "the mapping and the file")
    os.kill(p["child"], signal.SIGUSR2)
    same(os.waitpid(p["child"], 0)[1], 0, "the child's memory")
    same(areas(), p["areas"], "swap areas in use and their priorities")
    os.unlink(FILE)


held(setup, check)
