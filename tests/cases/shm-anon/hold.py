# SPDX-License-Identifier: GPL-2.0-only
"""Shared anonymous memory: between parent and child, two of them, parts of one, /dev/zero, a reader's view."""

import os
import signal

import memory
from held import held, same
from memory import ANON, PAGE, READ, RW, SHARED, pattern

PAGES = 64


def answer(p):
    """The child: doubles a number in the first memory, copies a word into the second."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    while True:
        signal.sigwait({signal.SIGUSR2})
        number = int.from_bytes(memory.peek(p["one"], 8), "little")
        memory.poke(p["one"] + 8, (number * 2).to_bytes(8, "little"))
        memory.poke(p["two"] + 7 * PAGE, memory.peek(p["one"] + PAGE, 16))
        os.kill(os.getppid(), signal.SIGUSR2)


def setup():
    p = {name: memory.mmap(PAGES * PAGE, RW, SHARED | ANON) for name in ("one", "two", "parts")}
    memory.poke(p["one"] + PAGE, pattern("one", 20 * PAGE))
    memory.poke(p["two"] + 40 * PAGE, pattern("two", 5 * PAGE))
    memory.poke(p["parts"], pattern("parts", PAGES * PAGE))
    memory.munmap(p["parts"] + 10 * PAGE, 20 * PAGE)
    memory.mprotect(p["parts"] + 40 * PAGE, 4 * PAGE, READ)
    zero = os.open("/dev/zero", os.O_RDWR)
    p["zero"] = memory.mmap(4 * PAGE, RW, SHARED, zero)
    os.close(zero)
    memory.poke(p["zero"] + PAGE, b"not zero")
    p["child"] = os.fork()
    if not p["child"]:
        answer(p)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    return p


def check(p):
    same(memory.peek(p["one"] + PAGE, 20 * PAGE), pattern("one", 20 * PAGE), "first memory")
    same(memory.peek(p["one"] + 30 * PAGE, PAGE), bytes(PAGE), "what was never written")
    same(memory.peek(p["two"] + 40 * PAGE, 5 * PAGE), pattern("two", 5 * PAGE), "second memory")
    whole = pattern("parts", PAGES * PAGE)
    same(memory.peek(p["parts"], 10 * PAGE), whole[:10 * PAGE], "part before the gap")
    same(memory.peek(p["parts"] + 30 * PAGE, 34 * PAGE), whole[30 * PAGE:], "parts behind the gap")
    same(memory.smaps(p["parts"] + 40 * PAGE)["perms"], "r--s", "the read-only part")
    same(memory.smaps(p["parts"] + 44 * PAGE)["perms"], "rw-s", "the part behind it")
    same(memory.peek(p["zero"], 2 * PAGE), bytes(PAGE) + b"not zero" + bytes(PAGE - 8), "shared /dev/zero")
    memory.poke(p["one"], (21).to_bytes(8, "little"))
    os.kill(p["child"], signal.SIGUSR2)
    signal.sigwait({signal.SIGUSR2})
    same(int.from_bytes(memory.peek(p["one"] + 8, 8), "little"), 42, "the child's answer")
    same(memory.peek(p["two"] + 7 * PAGE, 16), pattern("one", 16), "what the child copied")
    os.kill(p["child"], signal.SIGKILL)


held(setup, check)
