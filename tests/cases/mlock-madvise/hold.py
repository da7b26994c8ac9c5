# SPDX-License-Identifier: GPL-2.0-only
"""What a program has told the kernel about its memory: locks, advice, mlockall for what is still to come."""

import os
import signal

import memory
from held import held, same
from memory import ANON, PAGE, PRIVATE, READ, RW, LIBC, checked, pattern

CURRENT, FUTURE = 1, 2
ADVICE = ["dontfork", "wipeonfork", "dontdump", "hugepage", "nohugepage", "mergeable", "sequential", "random"]
# set by the kernel as a page is touched, or by a build option; told by some kernels only (see lock_on_fault)
NOT_COMPARED = {"sd", "??", "lf"}


def mapped(prot=RW, flags=PRIVATE | ANON):
    at = memory.mmap(8 * PAGE + 2 * PAGE, memory.NONE, PRIVATE | ANON)
    memory.mmap(8 * PAGE, prot, flags | memory.FIXED, address=at + PAGE)
    memory.poke(at + PAGE, pattern("advice", 3 * PAGE))
    return at + PAGE


def told(at):
    seen = memory.smaps(at)
    return {"flags": sorted(seen["flags"] - NOT_COMPARED), "perms": seen["perms"], "locked": seen["Locked"],
            "range": (seen["start"], seen["end"])}


def lock_on_fault(at):
    """Of 8 pages only those touched are there and locked, and one that is touched now is so at once."""
    same(memory.smaps(at)["Rss"], 12, "pages there of those locked on fault")
    same(memory.smaps(at)["Locked"], 12, "pages locked on fault")
    memory.poke(at + 6 * PAGE, b"touched")
    same(memory.smaps(at)["Locked"], 16, "pages locked on fault when one more is touched")


def setup():
    p = {}
    for how in ADVICE:
        p[how] = mapped()
        try:
            memory.madvise(p[how], 8 * PAGE, how)
        except OSError:
            memory.munmap(p.pop(how), 8 * PAGE)  # the kernel is built without it
    p["locked"], p["on fault"] = mapped(), mapped()
    memory.mlock(p["locked"], 8 * PAGE)
    memory.mlock(p["on fault"], 8 * PAGE, onfault=True)
    p["part"] = mapped()
    memory.mlock(p["part"] + 2 * PAGE, 3 * PAGE)
    p["no reserve"] = mapped(flags=PRIVATE | ANON | memory.NORESERVE)
    p["stack"] = mapped(flags=PRIVATE | ANON | memory.GROWSDOWN)
    p["both"] = mapped()
    memory.madvise(p["both"], 8 * PAGE, "dontdump")
    memory.mlock(p["both"], 8 * PAGE)
    memory.mprotect(p["both"], 8 * PAGE, READ)
    out, into = os.pipe()
    p["pipe"], p["child"] = out, os.fork()
    if not p["child"]:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
        checked(LIBC.mlockall(CURRENT | FUTURE), "mlockall")
        os.write(into, b"r")
        signal.sigwait({signal.SIGUSR2})
        at = memory.mmap(4 * PAGE)
        os.write(into, b"y" if memory.smaps(at)["Locked"] == 16 else b"n")
        os._exit(0)
    os.read(out, 1)
    return {"at": p, "told": {name: told(at) for name, at in p.items() if name not in ("pipe", "child")},
            "part": [told(p["part"] + page * PAGE) for page in (0, 2, 5)]}


def check(p):
    for name, was in p["told"].items():
        at = p["at"][name]
        same(told(at), was, name)
        same(memory.peek(at, 4 * PAGE), pattern("advice", 3 * PAGE) + bytes(PAGE), f"contents of {name}")
    lock_on_fault(p["at"]["on fault"])
    same([told(p["at"]["part"] + page * PAGE) for page in (0, 2, 5)], p["part"], "mapping that is locked in part")
    os.kill(p["at"]["child"], signal.SIGUSR2)
    same(os.read(p["at"]["pipe"], 1), b"y", "memory mapped after mlockall(MCL_FUTURE) is locked")
    os.waitpid(p["at"]["child"], 0)


held(setup, check)
