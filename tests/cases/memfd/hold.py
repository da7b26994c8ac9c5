# SPDX-License-Identifier: GPL-2.0-only
"""memfd: contents and holes, seals, owner, positions, one mapped by two processes, a private map of one."""

import fcntl
import os
import signal

import memory
from held import held, same
from memory import PAGE, pattern

GET_SEALS = 1034
SIZE = 300 * PAGE + 77


def setup():
    p = {"plain": os.memfd_create("plain", 0)}
    os.ftruncate(p["plain"], SIZE)
    os.pwrite(p["plain"], pattern("a", 5000), 0)
    os.pwrite(p["plain"], pattern("b", 3 * PAGE), 200 * PAGE)
    os.pwrite(p["plain"], b"end", SIZE - 3)
    os.lseek(p["plain"], 1234, os.SEEK_SET)
    p["dup"] = os.dup(p["plain"])
    p["reader"] = os.open(f"/proc/self/fd/{p['plain']}", os.O_RDONLY)
    os.lseek(p["reader"], 99, os.SEEK_SET)
    p["sealed"] = os.memfd_create("odd/name %", os.MFD_ALLOW_SEALING)
    os.write(p["sealed"], pattern("s", 2 * PAGE))
    os.fchown(p["sealed"], 1234, 4321)
    os.fchmod(p["sealed"], 0o640)
    # before the seal, which forbids all that could ever be written to
    reader = os.open(f"/proc/self/fd/{p['sealed']}", os.O_RDONLY)
    p["view"] = memory.mmap(2 * PAGE, memory.READ, memory.SHARED, reader)
    os.close(reader)
    p["seals"] = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
    fcntl.fcntl(p["sealed"], fcntl.F_ADD_SEALS, p["seals"])
    p["map"] = memory.mmap(4 * PAGE, memory.RW, memory.SHARED, p["plain"], 200 * PAGE)
    p["private"] = memory.mmap(2 * PAGE, memory.RW, memory.PRIVATE, p["plain"])
    memory.poke(p["private"] + PAGE, b"mine")
    p["hidden"] = memory.mmap(2 * PAGE, memory.RW, memory.PRIVATE, p["plain"])
    memory.poke(p["hidden"] + PAGE, b"secret")
    memory.mprotect(p["hidden"], 2 * PAGE, memory.NONE)
    # nobody has a descriptor of this one any more
    lost = os.memfd_create("lost", 0)
    os.ftruncate(lost, 8 * PAGE)
    p["lost"] = memory.mmap(8 * PAGE, memory.RW, memory.SHARED, lost)
    os.close(lost)
    memory.poke(p["lost"] + 5 * PAGE, b"found")
    p["child"] = os.fork()
    if not p["child"]:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
        while True:
            signal.sigwait({signal.SIGUSR2})
            memory.poke(p["map"] + 3 * PAGE, b"child saw " + memory.peek(p["map"], 4))
            os.kill(os.getppid(), signal.SIGUSR2)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    return p


def check(p):
    same(os.pread(p["plain"], 5000, 0), pattern("a", 5000), "beginning")
    same(os.pread(p["plain"], 3 * PAGE, 200 * PAGE), pattern("b", 3 * PAGE), "middle")
    same(os.pread(p["plain"], 100, SIZE - 3), b"end", "end")
    same(os.pread(p["plain"], 100 * PAGE, 2 * PAGE), bytes(100 * PAGE), "hole")
    same(os.fstat(p["plain"]).st_size, SIZE, "size")
    assert os.fstat(p["plain"]).st_blocks <= 8 * 16, "the hole has become data"
    same(os.readlink(f"/proc/self/fd/{p['plain']}"), "/memfd:plain (deleted)", "name")
    same(os.lseek(p["plain"], 0, os.SEEK_CUR), 1234, "position")
    os.lseek(p["dup"], 5, os.SEEK_SET)
    same(os.lseek(p["plain"], 0, os.SEEK_CUR), 5, "position shared with the duplicate")
    same(os.lseek(p["reader"], 0, os.SEEK_CUR), 99, "position of another opening")
    same(fcntl.fcntl(p["reader"], fcntl.F_GETFL) & os.O_ACCMODE, os.O_RDONLY, "access of another opening")
    os.pwrite(p["plain"], b"both", 10)
    same(os.pread(p["reader"], 4, 10), b"both", "another opening of the same file")
    same(os.readlink(f"/proc/self/fd/{p['sealed']}"), "/memfd:odd/name % (deleted)", "odd name")
    same(fcntl.fcntl(p["sealed"], GET_SEALS), p["seals"], "seals")
    same(os.pread(p["sealed"], 3 * PAGE, 0), pattern("s", 2 * PAGE), "sealed contents")
    st = os.fstat(p["sealed"])
    same((st.st_uid, st.st_gid, st.st_mode & 0o7777), (1234, 4321, 0o640), "owner and mode")
    try:
        os.pwrite(p["sealed"], b"x", 0)
        raise AssertionError("a sealed file was written to")
    except PermissionError:
        pass
    same(memory.peek(p["private"] + PAGE, 4), b"mine", "private page")
    same(memory.smaps(p["hidden"])["perms"], "---p", "a private mapping that is not accessible now")
    memory.mprotect(p["hidden"], 2 * PAGE, memory.READ)
    file = pattern("a", 5000)
    same(memory.peek(p["hidden"], PAGE + 6), file[:10] + b"both" + file[14:PAGE] + b"secret", "its pages")
    same(memory.peek(p["view"], 2 * PAGE), pattern("s", 2 * PAGE), "a view of the sealed one")
    try:
        memory.mprotect(p["view"], PAGE, memory.RW)
        raise AssertionError("a view of a sealed file became writable")
    except PermissionError:
        pass
    same(os.pread(p["plain"], 4, PAGE), pattern("a", 5000)[PAGE:PAGE + 4], "the file under the private page")
    same(memory.peek(p["lost"] + 5 * PAGE, 5), b"found", "a file that is only mapped")
    same(memory.peek(p["lost"], PAGE), bytes(PAGE), "its hole")
    memory.poke(p["map"], b"ping")
    same(os.pread(p["plain"], 4, 200 * PAGE), b"ping", "the mapping and the descriptor")
    os.kill(p["child"], signal.SIGUSR2)
    signal.sigwait({signal.SIGUSR2})
    same(os.pread(p["plain"], 14, 203 * PAGE), b"child saw ping", "what the child wrote")
    os.kill(p["child"], signal.SIGKILL)


held(setup, check)
