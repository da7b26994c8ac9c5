# SPDX-License-Identifier: GPL-2.0-only
"""Memory mappings by address, and what the kernel tells of them."""

import ctypes
import hashlib
import os
import struct

PAGE = 4096
NONE, READ, WRITE, EXEC = 0, 1, 2, 4
RW = READ | WRITE
SHARED, PRIVATE, FIXED, ANON, GROWSDOWN, NORESERVE = 1, 2, 0x10, 0x20, 0x100, 0x4000
MADV = {"random": 1, "sequential": 2, "dontneed": 4, "dontfork": 10, "mergeable": 12, "hugepage": 14, "nohugepage": 15,
        "dontdump": 16, "wipeonfork": 18, "pageout": 21, "collapse": 25}
LIBC = ctypes.CDLL(None, use_errno=True)
LONG = ctypes.c_long
LIBC.mmap.restype = ctypes.c_void_p


def checked(result, what):
    if result in (-1, 2**64 - 1):
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def mmap(length, prot=RW, flags=PRIVATE | ANON, fd=-1, offset=0, address=0):
    """The address of a new mapping."""
    return checked(LIBC.mmap(ctypes.c_void_p(address), LONG(length), prot, flags, fd, LONG(offset)), "mmap")


def munmap(address, length):
    checked(LIBC.munmap(ctypes.c_void_p(address), LONG(length)), "munmap")


def madvise(address, length, how):
    checked(LIBC.madvise(ctypes.c_void_p(address), LONG(length), MADV[how]), f"madvise {how}")


def mprotect(address, length, prot):
    checked(LIBC.mprotect(ctypes.c_void_p(address), LONG(length), prot), "mprotect")


def mlock(address, length, onfault=False):
    if onfault:
        checked(LIBC.syscall(LONG(325), LONG(address), LONG(length), LONG(1)), "mlock2")
    else:
        checked(LIBC.mlock(ctypes.c_void_p(address), LONG(length)), "mlock")


def peek(address, length):
    return ctypes.string_at(address, length)


def poke(address, data):
    ctypes.memmove(address, data, len(data))


def pattern(seed, length):
    """Bytes that are the same for the same seed, and look random."""
    return hashlib.shake_128(str(seed).encode()).digest(length)


def smaps(address, pid="self"):
    """The mapping that an address is in: range, perms, path, VmFlags as a set, and the numbers in KiB."""
    found = None
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            words = line.split(maxsplit=5)
            if not words[0].endswith(":"):
                start, end = (int(word, 16) for word in words[0].split("-"))
                if found:
                    break
                if start <= address < end:
                    found = {"start": start, "end": end, "perms": words[1], "offset": int(words[2], 16),
                             "path": words[5].strip() if len(words) > 5 else ""}
            elif found and words[0] == "VmFlags:":
                found["flags"] = set(line.split()[1:])
            elif found and words[-1] == "kB":
                found[words[0][:-1]] = int(words[1])
    assert found, f"nothing is mapped at {address:#x}"
    return found


def pagemap(pid, address, pages):
    """What each page is in: its frame or its place in swap, and which of the two; 0: neither."""
    with open(f"/proc/{pid}/pagemap", "rb") as table:
        table.seek(address // PAGE * 8)
        entries = struct.unpack(f"={pages}Q", table.read(pages * 8))
    return [entry & (3 << 62 | (1 << 55) - 1) if entry >> 62 else 0 for entry in entries]


def frames(pid, address, pages):
    """For each page its frame number; 0: not in memory."""
    return [entry & (1 << 55) - 1 if entry >> 63 else 0 for entry in pagemap(pid, address, pages)]


def swapped(pid, address, pages):
    """How many of the pages are in swap."""
    return sum(entry >> 62 & 1 for entry in pagemap(pid, address, pages))


def push_out():
    """Fill memory until what was paged out has left the swap cache too, then give it back."""
    pid = os.fork()
    if not pid:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as out:
            out.write("1000")
        with open("/proc/meminfo", encoding="ascii") as lines:
            free = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
        size = (free + 64 * 1024) * 1024
        hog = mmap(size)
        for at in range(0, size, PAGE):
            poke(hog + at, b"hog")
        os._exit(0)
    os.waitpid(pid, 0)
