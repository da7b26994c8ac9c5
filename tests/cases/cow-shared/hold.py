# SPDX-License-Identifier: GPL-2.0-only
"""Pages that relatives share until one writes: still shared, still each one's own where they were written, and though the
parent's mapping has become another one since."""

import os
import signal

import memory
from held import held, same
from memory import ANON, FIXED, PAGE, PRIVATE, pattern

PAGES, SPARE = 8192, 16
CHILDREN = 5


def number(page):
    return page.to_bytes(8, "little") + b"page"


def setup():
    first = memory.mmap((SPARE + PAGES) * PAGE)
    p = {"at": first + SPARE * PAGE, "children": []}
    memory.madvise(p["at"], PAGES * PAGE, "nohugepage")
    memory.munmap(first, SPARE * PAGE)
    for page in range(PAGES):
        memory.poke(p["at"] + page * PAGE + page % 4000, number(page))
    ready, done = os.pipe()
    for child in range(CHILDREN):
        pid = os.fork()
        if not pid:
            run_child(p, child, done)
        p["children"].append(pid)
        os.read(ready, 1)
    # what is mapped beside it becomes part of it
    memory.mmap(SPARE * PAGE, flags=PRIVATE | ANON | FIXED, address=first)
    memory.madvise(first, SPARE * PAGE, "nohugepage")
    same(memory.smaps(p["at"])["start"], first, "beginning of the mapping")
    # what the parent writes after the fork is its own
    memory.poke(p["at"] + 100 * PAGE, b"parent")
    p["shared"] = [sharing(p, pid) for pid in p["children"]]
    return p


def run_child(p, child, done):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    for page in range(child * 200, child * 200 + 50):
        memory.poke(p["at"] + page * PAGE, pattern(child, 16))
    if child == 0:
        grandchild = os.fork()
        if not grandchild:
            os.write(done, b"x")
            while True:
                signal.pause()
    else:
        os.write(done, b"x")
    signal.sigwait({signal.SIGUSR2})
    for page in range(PAGES):
        seen = memory.peek(p["at"] + page * PAGE, PAGE)
        if child * 200 <= page < child * 200 + 50:
            # the number may be where the child has written
            right = seen.startswith(pattern(child, 16))
        else:
            right = seen[page % 4000:page % 4000 + 12] == number(page) and seen.count(0) >= PAGE - 12
        if not right:
            os._exit(1)
    os._exit(0)


def sharing(p, pid):
    """How many pages the process has in the same frames as its parent."""
    mine, its = memory.frames("self", p["at"], PAGES), memory.frames(pid, p["at"], PAGES)
    return sum(a and a == b for a, b in zip(mine, its))


def check(p):
    for pid, was in zip(p["children"], p["shared"]):
        is_now = sharing(p, pid)
        assert was > PAGES * 9 // 10, f"only {was} pages were shared at first"
        assert is_now >= was * 19 // 20, f"process {pid} shares {is_now} pages with its parent, not {was}"
    memory.poke(p["at"] + 300 * PAGE, b"after the switch")
    same(memory.peek(p["at"] + 100 * PAGE, 6), b"parent", "the parent's own page")
    for page in range(PAGES):
        if page not in (100, 300):
            same(memory.peek(p["at"] + page * PAGE + page % 4000, 12), number(page), f"page {page}")
    for pid in p["children"]:
        os.kill(pid, signal.SIGUSR2)
        same(os.waitpid(pid, 0)[1], 0, f"memory of process {pid}")


held(setup, check)
