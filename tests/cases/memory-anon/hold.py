# SPDX-License-Identifier: GPL-2.0-only
"""Private anonymous memory: protections, untouched pages, the heap's end, the stack, huge pages, code made at run time,
very many mappings, the lowest addresses."""

import ctypes
import threading
import time

import memory
from held import held, same
from memory import ANON, EXEC, FIXED, GROWSDOWN, LIBC, NONE, NORESERVE, PAGE, PRIVATE, READ, RW, pattern

LIBC.sbrk.restype = ctypes.c_void_p
HUGE = 2 << 20
MANY = 1500
# mov eax, 4711; ret
CODE = b"\xb8\x67\x12\x00\x00\xc3"
NOT_COMPARED = {"??", "sd"}


def heap_end():
    return LIBC.sbrk(ctypes.c_long(0))


def area(at):
    seen = memory.smaps(at)
    return seen["start"], seen["end"], seen["perms"], sorted(seen["flags"] - NOT_COMPARED)


def deep(levels):
    """A deep pile of frames."""
    return 0 if not levels else 1 + deep(levels - 1)


def whole(at, want):
    """As much in huge pages as before; less only when there was no such room left, which the kernel counts."""
    have = memory.smaps(at)["AnonHugePages"]
    if have >= want:
        return
    with open("/proc/vmstat", encoding="ascii") as text:
        counts = dict(line.split() for line in text)
    assert int(counts["thp_fault_fallback"]), f"{have} KiB in huge pages, not {want}, and no want of room"
    for _ in range(30):
        with open("/proc/sys/vm/compact_memory", "w", encoding="ascii") as file:
            file.write("1")
        try:
            memory.madvise(at, want << 10, "collapse")
            break
        except OSError:  # pages that somebody uses just now
            time.sleep(1)
    same(memory.smaps(at)["AnonHugePages"], want, "KiB in huge pages, once there is room")


def setup():
    p = {"sparse": memory.mmap(4096 * PAGE), "same": {}}
    for page in range(0, 4096, 97):
        memory.poke(p["sparse"] + page * PAGE, pattern(page, 64))
    p["rss"] = memory.smaps(p["sparse"])["Rss"]
    # between two that are different, so that it is a mapping of its own
    p["zero"] = memory.mmap(66 * PAGE, NONE) + PAGE
    memory.mprotect(p["zero"], 64 * PAGE, RW)
    memory.peek(p["zero"], 64 * PAGE)  # the zero page
    p["hidden"] = memory.mmap(4 * PAGE)
    memory.poke(p["hidden"], pattern("hidden", 4 * PAGE))
    memory.mprotect(p["hidden"], 4 * PAGE, NONE)
    p["code"] = memory.mmap(PAGE)
    memory.poke(p["code"], CODE)
    memory.mprotect(p["code"], PAGE, READ | EXEC)
    p["down"] = memory.mmap(PAGE, RW, PRIVATE | ANON | GROWSDOWN | FIXED, address=0x100000000)
    memory.poke(p["down"], pattern("down", PAGE))
    p["low"] = memory.mmap(PAGE, RW, PRIVATE | ANON | FIXED, address=0x10000)
    memory.poke(p["low"], b"low")
    p["reserved"] = memory.mmap(1 << 40, RW, PRIVATE | ANON | NORESERVE)
    memory.poke(p["reserved"] + (1 << 39), b"far away")
    p["heap"] = LIBC.sbrk(ctypes.c_long(10 * PAGE + 123))
    memory.poke(p["heap"], pattern("heap", 10 * PAGE))
    p["heap end"] = heap_end()
    huge = memory.mmap(4 * HUGE)
    p["huge"] = (huge + HUGE - 1) & -HUGE
    memory.madvise(p["huge"], 2 * HUGE, "hugepage")
    memory.poke(p["huge"], pattern("huge", 2 * HUGE))
    p["huge KiB"] = memory.smaps(p["huge"])["AnonHugePages"]
    p["many"] = memory.mmap(MANY * 2 * PAGE)
    for number in range(MANY):
        at = p["many"] + number * 2 * PAGE
        memory.poke(at, number.to_bytes(4, "little"))
        memory.mprotect(at, PAGE, READ)
    p["stack"] = deep(900)
    same(memory.smaps(p["zero"])["Anonymous"], 0, "memory that zero pages take at first")
    for name in "sparse", "zero", "hidden", "code", "down", "low", "reserved", "huge", "many":
        p["same"][name] = area(p[name])
    return p


def check(p):
    for name, was in p["same"].items():
        same(area(p[name]), was, name)
    for page in range(4096):
        want = pattern(page, 64) if page % 97 == 0 else bytes(64)
        if page % 97 == 0:
            same(memory.peek(p["sparse"] + page * PAGE, 64), want, f"page {page}")
    rss = memory.smaps(p["sparse"])["Rss"]
    assert rss <= p["rss"], f"pages that nobody has touched were made: {rss} KiB, not {p['rss']}"
    same(memory.peek(p["sparse"] + PAGE, PAGE), bytes(PAGE), "a page that nobody has touched")
    same(memory.peek(p["zero"], 64 * PAGE), bytes(64 * PAGE), "zero pages")
    assert memory.smaps(p["zero"])["Anonymous"] == 0, "zero pages take memory"
    memory.mprotect(p["hidden"], 4 * PAGE, READ)
    same(memory.peek(p["hidden"], 4 * PAGE), pattern("hidden", 4 * PAGE), "what cannot be read")
    same(ctypes.CFUNCTYPE(ctypes.c_int)(p["code"])(), 4711, "code made at run time")
    same(memory.peek(p["down"], PAGE), pattern("down", PAGE), "what grows downwards")
    memory.poke(p["down"] - 100, b"grown")
    same(memory.peek(p["down"] - 100, 5), b"grown", "what has grown")
    same(memory.peek(p["low"], 3), b"low", "a low address")
    same(memory.peek(p["reserved"] + (1 << 39), 8), b"far away", "a page in much that is empty")
    same(memory.peek(p["heap"], 10 * PAGE), pattern("heap", 10 * PAGE), "the heap")
    end = heap_end()
    assert end >= p["heap end"], f"the heap's end is {end:#x}, below {p['heap end']:#x}"
    more = LIBC.sbrk(ctypes.c_long(5 * PAGE))
    same(more, end, "the heap, growing")
    memory.poke(more, bytes(5 * PAGE))
    same(memory.peek(p["huge"], 2 * HUGE), pattern("huge", 2 * HUGE), "huge pages")
    whole(p["huge"], p["huge KiB"])
    for number in range(MANY):
        same(memory.peek(p["many"] + number * 2 * PAGE, 4), number.to_bytes(4, "little"), f"mapping {number}")
    same(deep(950), 950, "the stack")
    grown = []
    other = threading.Thread(target=lambda: grown.append(deep(800)))
    other.start()
    other.join()
    same(grown, [800], "a new thread's stack")


held(setup, check)
