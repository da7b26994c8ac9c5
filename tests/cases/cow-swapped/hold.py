# SPDX-License-Identifier: GPL-2.0-only
"""Pages that relatives share until one writes, in swap for all of them, for some or for none: each one's own where they
were written, and no more of them than before."""

import os
import signal

import memory
from held import held, same
from memory import PAGE, pattern

PAGES, ZEROS = 8192, 1024	# the last ones have been written to, with zeros
CHILDREN, OWN = 6, 60
LIMIT = 1.1
# What happens to a page is decided by its number modulo this.
KINDS = 8
NOBODY, PARENT, ALL, PARENT_BRIEFLY, CHILDREN_ONLY, ONE_CHILD, CHILD_BRIEFLY, OTHERS_BRIEFLY = range(KINDS)


def content(page):
    return pattern(page, 24) if page < PAGES - ZEROS else bytes(24)


def own(member):
    """Pages that a member of the family writes to: the parent is number 0."""
    return range(member * 300, member * 300 + OWN)


def of_kind(*kinds):
    return [page for page in range(PAGES) if page % KINDS in kinds]


def right(p, member):
    """Whether all of its pages have what this member has written, or else what all had."""
    for page in range(PAGES):
        was = content(page)
        if page in own(member):
            was = b"member %d" % member + was[8:]
        if memory.peek(p["at"] + page * PAGE, PAGE) != was + bytes(PAGE - 24):
            return f"page {page}"
    return ""


def touch(p, pages):
    for page in pages:
        memory.peek(p["at"] + page * PAGE, 1)


def page_out(p, pages):
    for page in pages:
        memory.madvise(p["at"] + page * PAGE, PAGE, "pageout")


def write_own(p, member):
    for page in own(member):
        memory.poke(p["at"] + page * PAGE, b"member %d" % member)


def child(p, member, turn, done):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    os.read(turn, 1)
    touch(p, of_kind(ALL, CHILDREN_ONLY))
    touch(p, [page for page in of_kind(ONE_CHILD, CHILD_BRIEFLY) if page // KINDS % CHILDREN == member - 1])
    page_out(p, of_kind(CHILD_BRIEFLY))
    if member != 1:
        touch(p, of_kind(OTHERS_BRIEFLY))
        page_out(p, of_kind(OTHERS_BRIEFLY))
    write_own(p, member)
    # the last one has a child that does nothing of its own
    grandchild = os.fork() if member == CHILDREN else 1
    if not grandchild:
        os.write(done, b"%16d" % os.getpid())
        while True:
            signal.pause()
    os.write(done, b"%16d" % os.getpid())
    signal.sigwait({signal.SIGUSR2})
    os._exit(1 if right(p, member) else 0)


def setup():
    p = {"at": memory.mmap(PAGES * PAGE), "children": []}
    memory.madvise(p["at"], PAGES * PAGE, "nohugepage")
    for page in range(PAGES):
        memory.poke(p["at"] + page * PAGE, content(page))
    # pages that two processes have are not paged out on demand
    memory.madvise(p["at"], PAGES * PAGE, "pageout")
    memory.push_out()
    gone = memory.swapped("self", p["at"], PAGES)
    assert gone > PAGES * 9 // 10, f"only {gone} pages have been swapped out"
    turns = []
    told, done = os.pipe()
    for member in range(1, CHILDREN + 1):
        turn, take = os.pipe()
        pid = os.fork()
        if not pid:
            child(p, member, turn, done)
        os.close(turn)
        p["children"].append(pid)
        turns.append(take)
    touch(p, of_kind(PARENT, ALL, PARENT_BRIEFLY))
    page_out(p, of_kind(PARENT_BRIEFLY))
    write_own(p, 0)
    family = {os.getpid()}
    for take in turns:
        os.write(take, b"1")
        family.add(int(os.read(told, 16)))
        os.close(take)
    family.add(int(os.read(told, 16)))
    os.close(told)
    os.close(done)
    p["family"] = sorted(family)
    states(p)
    return p


def states(p):
    """There are many pages of each kind: seen by parent and child, by one of them, by none."""
    mine, its = (memory.frames(pid, p["at"], PAGES) for pid in (os.getpid(), p["children"][0]))
    seen = [(bool(a), bool(b)) for a, b in zip(mine, its)]
    for state in (True, True), (True, False), (False, True), (False, False):
        assert seen.count(state) > 300, f"{seen.count(state)} pages are {state} in parent and child"


def pages_in_use(p):
    """How many pages the family has together. One in swap for a process and in memory for another counts twice."""
    return len({entry for pid in p["family"] for entry in memory.pagemap(pid, p["at"], PAGES) if entry})


def check(p):
    is_now, was = pages_in_use(p), PAGES + OWN * (CHILDREN + 1)
    assert is_now <= was * LIMIT, f"the family has {is_now} pages, {is_now / was:.2f} times the {was} that it had"
    same(right(p, 0), "", "the parent's memory")
    for pid in p["children"]:
        os.kill(pid, signal.SIGUSR2)
        same(os.waitpid(pid, 0)[1], 0, f"memory of process {pid}")
    for pid in set(p["family"]) - {os.getpid(), *p["children"]}:
        os.kill(pid, signal.SIGKILL)


held(setup, check)
