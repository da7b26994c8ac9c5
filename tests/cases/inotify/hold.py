# SPDX-License-Identifier: GPL-2.0-only
"""inotify: watches of directories and files with their numbers, a gap in the numbers, a file whose name has been
dropped from memory.  One that has unread events says that it has lost some, as inotify does."""

import os
import select
import shutil
import stat
import struct

from held import held, same
from libc import buffer, call, fdinfo

ROOT = "/var/tmp/case-inotify"
DEVICE = "/dev/case-inotify"
CREATE, MODIFY, ATTRIB, CLOSE_WRITE, ONESHOT = 0x100, 0x2, 0x4, 0x8, 1 << 31


def watch(fd, path, mask):
    return call("inotify_add_watch", fd, buffer(path.encode() + b"\0"), mask)


def put(path):
    with open(path, "a", encoding="ascii") as file:
        file.write("x")


def events(fd, timeout):
    found = []
    while select.select([fd], [], [], timeout)[0]:
        raw = os.read(fd, 65536)
        while raw:
            wd, mask, _, length = struct.unpack_from("=iIII", raw)
            found.append((wd, mask, raw[16:16 + length].rstrip(b"\0").decode()))
            raw = raw[16 + length:]
    return found


def watches(fd):
    """Number and mask of each; inodes of file systems in memory change."""
    return [(line.split()[1], line.split(" mask:")[1].split()[0]) for line in fdinfo(fd, "inotify")]


def setup():
    for folder in ROOT, "/run/case-inotify":
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
    for name in "file", "once", "dropped":
        put(f"{ROOT}/{name}")
    fd = call("inotify_init1", os.O_NONBLOCK)
    p = {"fd": fd, "dir": watch(fd, ROOT, CREATE)}
    p["gap"] = watch(fd, "/usr", CREATE)
    p["file"] = watch(fd, f"{ROOT}/file", MODIFY | CLOSE_WRITE)
    p["run"] = watch(fd, "/run/case-inotify", CREATE)
    if not os.path.exists(DEVICE):
        os.mknod(DEVICE, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    p["dev"] = watch(fd, DEVICE, ATTRIB)
    p["once"] = watch(fd, f"{ROOT}/once", MODIFY | ONESHOT)
    p["dropped"] = watch(fd, f"{ROOT}/dropped", MODIFY)
    p["last"] = watch(fd, "/etc", CREATE)
    call("inotify_rm_watch", fd, p["gap"])
    call("inotify_rm_watch", fd, p["last"])
    events(fd, 0.1)
    p["watches"] = watches(fd)
    p["late"] = call("inotify_init1", os.O_NONBLOCK)
    p["late watch"] = watch(p["late"], f"{ROOT}/file", ATTRIB)
    os.chmod(f"{ROOT}/file", 0o640)
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as caches:
        caches.write("2")
    return p


def check(p):
    fd = p["fd"]
    same(events(fd, 0), [], "events that nobody caused")
    same(watches(fd), p["watches"], "watches")
    put(f"{ROOT}/new file")
    put("/run/case-inotify/other")
    same(events(fd, 0.2), [(p["dir"], CREATE, "new file"), (p["run"], CREATE, "other")], "new files")
    put(f"{ROOT}/file")
    same(events(fd, 0.2), [(p["file"], MODIFY, ""), (p["file"], CLOSE_WRITE, "")], "a changed file")
    put(f"{ROOT}/dropped")
    same(events(fd, 0.2), [(p["dropped"], MODIFY, "")], "a changed file whose name was not in memory")
    put(f"{ROOT}/once")
    same(events(fd, 0.2), [(p["once"], MODIFY, ""), (p["once"], 0x8000, "")], "a one-shot watch")
    os.utime(DEVICE)
    same(events(fd, 0.2), [(p["dev"], ATTRIB, "")], "a device node")
    same(watch(fd, "/usr", CREATE), p["last"] + 1, "number of the next watch")
    assert events(p["late"], 0) in ([(-1, 0x4000, "")], [(p["late watch"], ATTRIB, "")]), "unread events"
    os.chmod(f"{ROOT}/file", 0o600)
    same(events(p["late"], 0.2), [(p["late watch"], ATTRIB, "")], "what comes after them")


held(setup, check)
