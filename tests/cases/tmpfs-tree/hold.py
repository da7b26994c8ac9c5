# SPDX-License-Identifier: GPL-2.0-only
"""Trees in memory: a tmpfs and a ramfs of our own and files in /run and /dev/shm, with everything that a file has."""

import fcntl
import os
import shutil
import socket
import stat
import struct
import subprocess
import zlib

from held import held, same
from memory import PAGE, pattern

ROOT, RAM = "/mnt/case-tmpfs", "/mnt/case-ramfs"
PLACES = [ROOT, RAM, "/run/case-tree", "/dev/shm/case-tree"]
SETFLAGS, GETFLAGS = 0x40086602, 0x80086601
APPEND, NODUMP = 0x20, 0x40


def flags_of(path):
    fd = os.open(path, os.O_RDONLY)
    raw = bytearray(8)
    try:
        fcntl.ioctl(fd, GETFLAGS, raw)
    except OSError:
        return 0
    finally:
        os.close(fd)
    return int.from_bytes(raw[:4], "little")


def set_flags(path, flags):
    fd = os.open(path, os.O_RDONLY)
    fcntl.ioctl(fd, SETFLAGS, struct.pack("=q", flags))
    os.close(fd)


def xattrs(path):
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)}


def look(path):
    st = os.lstat(path)
    seen = {"mode": oct(st.st_mode), "owner": (st.st_uid, st.st_gid), "links": st.st_nlink, "mtime": st.st_mtime_ns,
            "xattrs": xattrs(path)}
    if stat.S_ISREG(st.st_mode):
        with open(path, "rb") as data:
            seen["contents"] = (st.st_size, zlib.crc32(data.read()))
        seen["flags"] = flags_of(path) & (APPEND | NODUMP)
    elif stat.S_ISLNK(st.st_mode):
        seen["target"] = os.readlink(path)
    elif stat.S_ISCHR(st.st_mode) or stat.S_ISBLK(st.st_mode):
        seen["device"] = (os.major(st.st_rdev), os.minor(st.st_rdev))
    elif stat.S_ISDIR(st.st_mode):
        seen["flags"] = flags_of(path) & (APPEND | NODUMP)
    return seen


def scan():
    seen = {}
    for place in PLACES:
        seen[place] = look(place)
        for folder, folders, files in os.walk(place):
            for name in folders + files:
                path = os.path.join(folder, name)
                seen[path] = look(path)
    return seen


def fill(place):
    os.makedirs(f"{place}/a/b/c", exist_ok=True)
    for name, data in ("empty", b""), ("small", b"small\n"), ("big", pattern(place, 300 * PAGE + 5)):
        with open(f"{place}/{name}", "wb") as out:
            out.write(data)
    with open(f"{place}/sparse", "wb") as out:
        out.truncate(40 << 20)
        out.seek(20 << 20)
        out.write(b"middle")
    os.link(f"{place}/big", f"{place}/a/b/big too")
    os.symlink("small", f"{place}/short")
    os.symlink("/" + "long/" * 100, f"{place}/long")
    os.symlink("no\nsuch \\ file", f"{place}/a/odd \n name")
    os.mkfifo(f"{place}/fifo", 0o620)
    os.mknod(f"{place}/null", 0o20666, os.makedev(1, 3))
    os.mknod(f"{place}/block", 0o60640, os.makedev(7, 200))
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(f"{place}/socket")
    for number in range(200):
        with open(f"{place}/a/b/c/{number}", "w", encoding="ascii") as out:
            out.write(str(number) * number)
    os.chown(f"{place}/small", 1000, 2000)
    os.chmod(f"{place}/small", 0o4751)
    os.chown(f"{place}/short", 5, 6, follow_symlinks=False)
    os.chmod(f"{place}/a", 0o2775)
    os.chmod(f"{place}/a/b", 0o1777)
    for path in f"{place}/big", f"{place}/a/b/c":
        os.utime(path, ns=(1_000_000_000_123_456_789, 1_111_111_111_222_222_222))


def attributes(place):
    """What ramfs has not."""
    os.setxattr(f"{place}/big", "trusted.case", b"a\0b")
    os.setxattr(f"{place}/a", "trusted.case", b"x" * 500)
    acl = [(1, 6, -1), (2, 5, 1000), (4, 4, -1), (8, 6, 2000), (16, 7, -1), (32, 0, -1)]
    raw = struct.pack("=I", 2) + b"".join(struct.pack("=HHi", *entry) for entry in acl)
    os.setxattr(f"{place}/big", "system.posix_acl_access", raw)
    os.setxattr(f"{place}/a", "system.posix_acl_default", raw)
    set_flags(f"{place}/small", APPEND)
    set_flags(f"{place}/a", NODUMP)


def clear():
    """What an earlier round has left."""
    for place in ROOT, RAM:
        while os.path.ismount(place):
            subprocess.run(["umount", place], check=True)
    for place in PLACES:
        if os.path.exists(f"{place}/small"):
            set_flags(f"{place}/small", 0)
        shutil.rmtree(place, ignore_errors=True)


def setup():
    clear()
    for place in ROOT, RAM:
        os.makedirs(place, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=50m,nr_inodes=4321,mode=1755,uid=11,gid=22,noexec", "case", ROOT],
                   check=True)
    subprocess.run(["mount", "-t", "ramfs", "case", RAM], check=True)
    for place in PLACES:
        fill(place)
    for place in ROOT, "/run/case-tree":
        attributes(place)
    # unlinked and open: must not come back as a name
    p = {"gone": os.open(f"{ROOT}/gone", os.O_RDWR | os.O_CREAT)}
    os.unlink(f"{ROOT}/gone")
    vfs = os.statvfs(ROOT)
    p["sizes"] = (vfs.f_blocks, vfs.f_files, vfs.f_flag)
    p["seen"] = scan()
    return p


def check(p):
    is_now, was = scan(), p["seen"]
    same(sorted(set(is_now) ^ set(was)), [], "names that are new or gone")
    for path in was:
        same(is_now[path], was[path], path)
    for place in PLACES:
        assert os.path.samefile(f"{place}/big", f"{place}/a/b/big too"), f"{place}: a hard link has come apart"
        # ramfs counts none
        blocks = os.stat(f"{place}/sparse").st_blocks
        assert place == RAM or blocks <= 4096, f"{place}: a hole has become data"
    vfs = os.statvfs(ROOT)
    same((vfs.f_blocks, vfs.f_files, vfs.f_flag), p["sizes"], "size, inodes and flags of the tmpfs")
    try:
        with open(f"{ROOT}/small", "w", encoding="ascii"):
            raise AssertionError("an append-only file could be truncated")
    except PermissionError:
        pass


held(setup, check)
