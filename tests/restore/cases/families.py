# SPDX-License-Identifier: GPL-2.0-only
"""A child's memory when the parent has changed its own mappings since the fork: what can be shared still is."""
import os

import memory
from check import check, done, wait_switch
from memory import ANON, FIXED, NONE, PAGE, PRIVATE, READ, RW

PAGES = 1024
SPARE = 64
FIRST, PARENT, CHILD = range(3)


def number(page):
    return page.to_bytes(8, "little") + b"page"


def region():
    """Pages with numbers, and nothing that is like them next to them."""
    at = memory.mmap((1 + SPARE + PAGES + SPARE) * PAGE, NONE) + (1 + SPARE) * PAGE
    memory.mprotect(at, PAGES * PAGE, RW)
    for page in range(PAGES):
        memory.poke(at + page * PAGE, number(page))
    return at


def more(at, pages):
    """What is mapped beside a mapping becomes part of it."""
    memory.mmap(pages * PAGE, RW, PRIVATE | ANON | FIXED, address=at)
    memory.poke(at, b"more")


def at_page(at, page):
    return at + page * PAGE


# What is done before the fork, or by one of the two after it, by name; how many of the pages can still be shared then.
CHANGES = {
    "grown at its beginning": (PARENT, lambda at: more(at_page(at, -SPARE), SPARE), PAGES),
    "grown at its end": (PARENT, lambda at: more(at_page(at, PAGES), SPARE), PAGES),
    "cut at its end": (PARENT, lambda at: memory.munmap(at_page(at, 900), 124 * PAGE), 900),
    "with a hole": (PARENT, lambda at: memory.munmap(at_page(at, 900), PAGE), 900),
    "made read-only at its end": (PARENT, lambda at: memory.mprotect(at_page(at, 900), 124 * PAGE, READ), 900),
    "made read-only": (PARENT, lambda at: memory.mprotect(at, PAGES * PAGE, READ), PAGES),
    "made inaccessible at its end": (PARENT, lambda at: memory.mprotect(at_page(at, 900), 124 * PAGE, NONE), 900),
    "locked": (FIRST, lambda at: memory.mlock(at, PAGES * PAGE), PAGES),
    "cut at its beginning by the child": (CHILD, lambda at: memory.munmap(at, 100 * PAGE), PAGES - 100),
    "with a hole of the child's": (CHILD, lambda at: memory.munmap(at_page(at, 500), PAGE), PAGES - 1),
    "made read-only in the middle by the child":
        (CHILD, lambda at: memory.mprotect(at_page(at, 500), 10 * PAGE, READ), PAGES),
    "written by the child": (CHILD, lambda at: [memory.poke(at_page(at, page), number(page)) for page in range(50)],
                             PAGES - 50),
}
REGIONS = {name: region() for name in CHANGES}
# beside each other, as an allocator makes its arena writable bit by bit; the child needs more of it than the parent
ARENA = memory.mmap(PAGES * PAGE, NONE)
memory.mprotect(ARENA, 100 * PAGE, RW)
memory.poke(ARENA, b"arena")


def change(who):
    for name, (by, how, _) in CHANGES.items():
        if by == who:
            how(REGIONS[name])


def maps(pid):
    with open(f"/proc/{pid}/maps", encoding="ascii") as lines:
        return [line.split()[:2] for line in lines if "[v" not in line]


def sharing(pid, at):
    mine, its = memory.frames("self", at, PAGES), memory.frames(pid, at, PAGES)
    return sum(a and a == b for a, b in zip(mine, its))


def child(ready, turn):
    change(CHILD)
    memory.mprotect(ARENA + 100 * PAGE, 100 * PAGE, RW)
    memory.poke(ARENA + 199 * PAGE, b"child's")
    os.write(ready, b"1")
    os.read(turn, 1)
    wrong = memory.peek(ARENA + 199 * PAGE, 7) != b"child's" or memory.peek(ARENA, 5) != b"arena"
    for name, at in REGIONS.items():
        for page in range(PAGES):
            there = not (name == "cut at its beginning by the child" and page < 100 or
                         name == "with a hole of the child's" and page == 500)
            wrong |= there and memory.peek(at_page(at, page), PAGE) != number(page) + bytes(PAGE - 12)
    # what it may write to is writable, and the rest is not
    memory.poke(at_page(REGIONS["made read-only"], 3), b"child's")
    memory.poke(at_page(REGIONS["made inaccessible at its end"], 1000), b"child's")
    os._exit(wrong)


change(FIRST)
told, ready = os.pipe()
turn, take = os.pipe()
pid = os.fork()
if not pid:
    child(ready, turn)
os.read(told, 1)
change(PARENT)
was = {who: maps(who) for who in ("self", pid)}
shared = {name: sharing(pid, at) for name, at in REGIONS.items()}
wait_switch()
for name, at in REGIONS.items():
    is_now, right = sharing(pid, at), CHANGES[name][2]
    check(f"shared pages of a mapping {name}: {is_now} of {right}", is_now == right <= shared[name])
for who, name in ("self", "parent"), (pid, "child"):
    # the interpreter's own memory may have grown
    ours = [line for line in was[who] if any(line == other for other in maps(who))]
    check(f"mappings of the {name}", len(ours) > len(was[who]) - 3)
os.write(take, b"1")
check("memory of the child", os.waitpid(pid, 0)[1] == 0)
check("memory of the parent", memory.peek(at_page(REGIONS["grown at its beginning"], -SPARE), 4) == b"more" and
      all(memory.peek(at_page(at, page), 12) == number(page) for at in REGIONS.values() for page in range(899)))
done()
