# SPDX-License-Identifier: GPL-2.0-only
"""Deleted files in use, on disk and on tmpfs: contents, holes, owner, attributes, sharing, mapped by one process or
shared by two, being run, and a large one."""

import os
import shutil
import signal

import memory
from held import held, same
from memory import PAGE, pattern

DISK, RAM = "/var/tmp/case-unlinked", "/run/case-unlinked"
SPARSE = 30 << 20
MIB, BIG = 1 << 20, 30


def make(folder):
    os.makedirs(folder, exist_ok=True)
    f = {}
    f["fd"] = os.open(f"{folder}/gone", os.O_RDWR | os.O_CREAT, 0o600)
    os.write(f["fd"], pattern(folder, 12345))
    os.fchown(f["fd"], 1234, 4321)
    os.fchmod(f["fd"], 0o4750)
    os.setxattr(f["fd"], "trusted.case", b"kept")
    os.utime(f["fd"], ns=(1_000_000_000_000_000_000, 1_222_222_222_000_000_000))
    os.lseek(f["fd"], 777, os.SEEK_SET)
    f["append"] = os.open(f"{folder}/gone", os.O_WRONLY | os.O_APPEND)
    f["reader"] = os.open(f"{folder}/gone", os.O_RDONLY)
    os.unlink(f"{folder}/gone")
    f["sparse"] = os.open(f"{folder}/sparse", os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(f["sparse"], SPARSE)
    os.pwrite(f["sparse"], b"middle", SPARSE // 2)
    os.unlink(f"{folder}/sparse")
    fd = os.open(f"{folder}/mapped", os.O_RDWR | os.O_CREAT, 0o600)
    os.write(fd, pattern("mapped", 3 * PAGE))
    f["shared"] = memory.mmap(3 * PAGE, memory.RW, memory.SHARED, fd)
    f["private"] = memory.mmap(3 * PAGE, memory.RW, memory.PRIVATE, fd)
    memory.poke(f["private"] + PAGE, b"mine")
    os.close(fd)
    os.unlink(f"{folder}/mapped")
    # the names of others around it
    with open(f"{folder}/stays", "w", encoding="ascii") as out:
        out.write("stays")
    return f


def block(i):
    return i.to_bytes(8, "little") + pattern("big", MIB - 8)


def make_big():
    fd = os.open(f"{DISK}/big", os.O_RDWR | os.O_CREAT, 0o600)
    rest = block(0)[8:]
    for i in range(BIG):
        os.write(fd, i.to_bytes(8, "little") + rest)
    os.unlink(f"{DISK}/big")
    return fd


def sharer(address):
    """A second process with the mapping: it turns around the byte at the start of a page for each byte from the pipe."""
    ask, answer = os.pipe(), os.pipe()
    pid = os.fork()
    if not pid:
        os.close(ask[1])
        while os.read(ask[0], 1):
            memory.poke(address, bytes([memory.peek(address, 1)[0] ^ 0xff]))
            os.write(answer[1], b"!")
        os._exit(0)
    os.close(ask[0])
    return {"pid": pid, "ask": ask[1], "answer": answer[0], "at": address}


def setup():
    p = {"disk": make(DISK), "ram": make(RAM), "big": make_big()}
    fd = os.open(f"{DISK}/both", os.O_RDWR | os.O_CREAT, 0o600)
    os.write(fd, pattern("both", 2 * PAGE))
    at = memory.mmap(2 * PAGE, memory.RW, memory.SHARED, fd)
    os.close(fd)
    p["both"] = sharer(at)
    os.unlink(f"{DISK}/both")
    shutil.copy("/bin/sleep", f"{DISK}/program")
    p["child"] = os.fork()
    if not p["child"]:
        os.execv(f"{DISK}/program", ["program", "100000"])
    while os.readlink(f"/proc/{p['child']}/exe") != f"{DISK}/program":
        os.sched_yield()
    with open(f"{DISK}/program", "rb") as data:
        p["program"] = data.read()
    os.unlink(f"{DISK}/program")
    return p


def look(f, folder):
    same(os.listdir(folder), ["stays"], f"names in {folder}")
    same(os.readlink(f"/proc/self/fd/{f['fd']}"), f"{folder}/gone (deleted)", "name of the deleted file")
    st = os.fstat(f["fd"])
    same((st.st_nlink, st.st_size, st.st_uid, st.st_gid, st.st_mode & 0o7777), (0, 12345, 1234, 4321, 0o4750), "stat")
    same(st.st_mtime_ns, 1_222_222_222_000_000_000, "time of the last change")
    same(os.getxattr(f["fd"], "trusted.case"), b"kept", "extended attribute")
    same(os.lseek(f["fd"], 0, os.SEEK_CUR), 777, "position")
    same(os.pread(f["reader"], 20000, 0), pattern(folder, 12345), "contents")
    os.write(f["append"], b"more")
    same(os.pread(f["reader"], 100, 12345), b"more", "what was appended through another descriptor")
    same(os.fstat(f["sparse"]).st_size, SPARSE, "size of the sparse file")
    same(os.pread(f["sparse"], 8, SPARSE // 2 - 1), b"\0middle\0", "contents of the sparse file")
    assert os.fstat(f["sparse"]).st_blocks <= 64, "the hole has become data"
    whole = pattern("mapped", 3 * PAGE)
    same(memory.peek(f["shared"], 3 * PAGE), whole, "shared mapping")
    same(memory.peek(f["private"], 3 * PAGE), whole[:PAGE] + b"mine" + whole[PAGE + 4:], "private mapping")
    memory.poke(f["shared"], b"through")
    same(memory.peek(f["private"], 7), b"through", "two mappings of one file")
    assert memory.smaps(f["shared"])["path"] == f"{folder}/mapped (deleted)", "path of the mapping"


def look_shared(both):
    whole = pattern("both", 2 * PAGE)
    same(memory.peek(both["at"], 2 * PAGE), whole, "the mapping that two processes share")
    os.write(both["ask"], b"?")
    same(os.read(both["answer"], 1), b"!", "the other process")
    same(memory.peek(both["at"], 1)[0], whole[0] ^ 0xff, "what the other process wrote")
    os.close(both["ask"])
    same(os.waitpid(both["pid"], 0)[1], 0, "how it ended")


def look_big(fd):
    same((os.fstat(fd).st_size, os.fstat(fd).st_nlink), (BIG * MIB, 0), "size and links of the large file")
    rest = block(0)[8:]
    for i in range(BIG):
        assert os.pread(fd, MIB, i * MIB) == i.to_bytes(8, "little") + rest, f"the large file differs in MiB {i}"
    os.close(fd)


def check(p):
    look(p["disk"], DISK)
    look(p["ram"], RAM)
    look_shared(p["both"])
    look_big(p["big"])
    exe = f"/proc/{p['child']}/exe"
    same(os.readlink(exe), f"{DISK}/program (deleted)", "name of the deleted program")
    with open(exe, "rb") as data:
        same(data.read(), p["program"], "the deleted program")
    same(os.waitpid(p["child"], os.WNOHANG), (0, 0), "the process that runs it")
    os.kill(p["child"], signal.SIGTERM)
    same(os.waitpid(p["child"], 0)[1], signal.SIGTERM, "how it ended")


held(setup, check)
