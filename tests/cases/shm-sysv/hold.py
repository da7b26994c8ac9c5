# SPDX-License-Identifier: GPL-2.0-only
"""SysV shared memory: ids and keys, owner and mode, one that nobody has attached, one that is to go, a locked one,
who made one, an attach of which parts are left."""

import ctypes
import os
import signal

import memory
from held import held, same
from memory import LIBC, PAGE, checked, pattern

KEY, LONELY, PRIVATE = 0x5eed0001, 0x5eed0002, 0
RMID, STAT, LOCK = 0, 2, 11
RDONLY = 0o10000
LIBC.shmat.restype = ctypes.c_void_p


def get(key, size, flags):
    return checked(LIBC.shmget(key, ctypes.c_size_t(size), flags), "shmget")


def attach(number, flags=0):
    return checked(LIBC.shmat(number, None, flags), "shmat")


def stat(number):
    """key, uid, gid, mode, size, attaches of struct shmid_ds."""
    raw = ctypes.create_string_buffer(256)
    checked(LIBC.shmctl(number, STAT, raw), "shmctl IPC_STAT")
    words = memoryview(raw.raw)
    return (int.from_bytes(words[0:4], "little"), int.from_bytes(words[4:8], "little"),
            int.from_bytes(words[8:12], "little"), int.from_bytes(words[20:22], "little"),
            int.from_bytes(words[48:56], "little"), int.from_bytes(words[88:96], "little"))


def maps(address, length):
    """What is mapped in a range: start, end, protection, offset."""
    with open("/proc/self/maps", encoding="utf-8") as lines:
        found = [line.split()[:3] for line in lines]
    found = [[int(word, 16) for word in line[0].split("-")] + line[1:] for line in found]
    return [line for line in found if line[0] < address + length and line[1] > address]


def parts(p):
    same(maps(p["parts"], 8 * PAGE), p["parts maps"], "mappings of the attach in parts")
    seen = b"".join(memory.peek(p["parts"] + page * PAGE, PAGE) for page in (0, 1, 3, 4, 5, 6))
    was = pattern("parts", 8 * PAGE)
    same(seen, was[:2 * PAGE] + was[3 * PAGE:7 * PAGE], "contents of the attach in parts")
    memory.mprotect(p["parts"] + 4 * PAGE, PAGE, memory.RW)
    memory.poke(p["parts"] + 4 * PAGE, b"again")
    same(stat(p["parts id"])[5], p["parts attaches"], "attaches of the segment in parts")
    checked(LIBC.shmdt(ctypes.c_void_p(p["parts"])), "shmdt")
    same(stat(p["parts id"])[5], 0, "attaches of the segment in parts, detached")
    there = attach(p["parts id"])
    same(memory.peek(there, 8 * PAGE), was[:4 * PAGE] + b"again" + was[4 * PAGE + 5:], "contents of the whole segment")
    LIBC.shmdt(ctypes.c_void_p(there))
    LIBC.shmctl(p["parts id"], RMID, None)


def creators(number):
    """cuid, cgid, cpid of struct shmid_ds."""
    raw = ctypes.create_string_buffer(256)
    checked(LIBC.shmctl(number, STAT, raw), "shmctl IPC_STAT")
    return [int.from_bytes(raw.raw[at:at + 4], "little") for at in (12, 16, 80)]


def setup():
    p = {"id": get(KEY, 10 * PAGE + 100, 0o1640), "lonely": get(LONELY, 3 * PAGE, 0o1600)}
    p["at"], p["read"] = attach(p["id"]), attach(p["id"], RDONLY)
    memory.poke(p["at"] + 123, pattern("shm", 5 * PAGE))
    p["creators"] = creators(p["lonely"])
    there = attach(p["lonely"])
    memory.poke(there + PAGE, pattern("lonely", PAGE))
    LIBC.shmdt(ctypes.c_void_p(there))
    gone = get(PRIVATE, 2 * PAGE, 0o1600)
    p["gone"], p["gone id"] = attach(gone), gone
    memory.poke(p["gone"], b"going")
    checked(LIBC.shmctl(gone, RMID, None), "shmctl IPC_RMID")
    # an attach with a hole, a part that cannot be written now, and without its end
    p["parts id"] = get(PRIVATE, 8 * PAGE, 0o1600)
    p["parts"] = attach(p["parts id"])
    memory.poke(p["parts"], pattern("parts", 8 * PAGE))
    memory.munmap(p["parts"] + 2 * PAGE, PAGE)
    memory.mprotect(p["parts"] + 4 * PAGE, PAGE, memory.READ)
    memory.munmap(p["parts"] + 7 * PAGE, PAGE)
    p["parts attaches"] = stat(p["parts id"])[5]
    p["parts maps"] = maps(p["parts"], 8 * PAGE)
    locked = get(PRIVATE, PAGE, 0o1600)
    checked(LIBC.shmctl(locked, LOCK, None), "shmctl SHM_LOCK")
    p["locked"] = locked
    p["child"] = os.fork()
    if not p["child"]:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
        while True:
            signal.sigwait({signal.SIGUSR2})
            memory.poke(p["at"] + 8 * PAGE, memory.peek(p["at"] + 123, 8) + memory.peek(p["gone"], 5))
            os.kill(os.getppid(), signal.SIGUSR2)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    return p


def check(p):
    same(get(KEY, 0, 0), p["id"], "id of the key")
    same(stat(p["id"])[1:], (0, 0, 0o640, 10 * PAGE + 100, 4), "uid, gid, mode, size and attaches")
    same(memory.peek(p["at"] + 123, 5 * PAGE), pattern("shm", 5 * PAGE), "contents")
    same(memory.smaps(p["read"])["perms"], "r--s", "the read-only attach")
    same(memory.peek(p["read"] + 123, 100), pattern("shm", 100), "contents through the read-only attach")
    same(get(LONELY, 0, 0), p["lonely"], "id of the segment that nobody has attached")
    there = attach(p["lonely"])
    same(memory.peek(there, 2 * PAGE), bytes(PAGE) + pattern("lonely", PAGE), "its contents")
    same(creators(p["lonely"]), p["creators"], "creator of a segment")
    same(stat(p["locked"])[3] & 0o2000, 0o2000, "SHM_LOCKED")
    same(memory.peek(p["gone"], 5), b"going", "contents of the segment that is to go")
    same(stat(p["gone id"])[3] & 0o1000, 0o1000, "SHM_DEST")
    os.kill(p["child"], signal.SIGUSR2)
    signal.sigwait({signal.SIGUSR2})
    same(memory.peek(p["read"] + 8 * PAGE, 13), pattern("shm", 8) + b"going", "what the child wrote")
    os.kill(p["child"], signal.SIGKILL)
    os.waitpid(p["child"], 0)
    parts(p)
    LIBC.shmdt(ctypes.c_void_p(p["gone"]))
    try:
        stat(p["gone id"])
        raise AssertionError("the segment that is to go has not gone with its last user")
    except OSError:
        pass
    for number in p["id"], p["lonely"], p["locked"]:
        LIBC.shmctl(number, RMID, None)


held(setup, check)
