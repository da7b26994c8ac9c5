# SPDX-License-Identifier: GPL-2.0-only
"""Folders that were removed while in use, on disk and on tmpfs: as a working folder, open, by O_PATH; and a file that was
deleted together with its folder."""

import errno
import os
import signal

from held import held, same
from memory import pattern

PLACES = ["/var/tmp/case-removed", "/run/case-removed"]
TIME = 1_222_222_222_000_000_000


def worker(folder):
    """A process whose working folder is gone; it says by its exit status that it may still not make a file there."""
    pid = os.fork()
    if not pid:
        os.chdir(folder)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        os.mkdir("ready")
        signal.sigwait({signal.SIGTERM})
        try:
            os.open("file", os.O_CREAT | os.O_RDWR)
        except FileNotFoundError:
            os._exit(7)
        os._exit(1)
    while not os.path.isdir(f"{folder}/ready"):
        os.sched_yield()
    os.rmdir(f"{folder}/ready")
    return pid


def make(place):
    os.makedirs(f"{place}/sub/below", exist_ok=True)
    os.makedirs(f"{place}/home", exist_ok=True)
    f = {"pid": worker(f"{place}/home")}
    f["file"] = os.open(f"{place}/sub/below/file", os.O_RDWR | os.O_CREAT, 0o640)
    os.write(f["file"], pattern(place, 5000))
    f["folder"] = os.open(f"{place}/sub", os.O_RDONLY | os.O_DIRECTORY)
    f["path"] = os.open(f"{place}/sub/below", os.O_PATH)
    os.fchown(f["folder"], 12, 34)
    os.fchmod(f["folder"], 0o2711)
    os.setxattr(f["folder"], "trusted.case", b"folder")
    os.unlink(f"{place}/sub/below/file")
    for name in "sub/below", "sub", "home":
        os.rmdir(f"{place}/{name}")
    os.utime(f["folder"], ns=(TIME, TIME))
    os.utime(place, ns=(TIME, TIME))
    return f


def setup():
    return {place: make(place) for place in PLACES}


def look(f, place):
    same(os.listdir(place), [], f"names in {place}")
    same(os.stat(place).st_mtime_ns, TIME, f"time of {place}")
    for name, path in ("file", "sub/below/file"), ("folder", "sub"), ("path", "sub/below"):
        same(os.readlink(f"/proc/self/fd/{f[name]}"), f"{place}/{path} (deleted)", f"name of the {name}")
    same(os.pread(f["file"], 6000, 0), pattern(place, 5000), "contents of the file")
    st = os.fstat(f["folder"])
    same((st.st_nlink, st.st_uid, st.st_gid, st.st_mode & 0o7777, st.st_mtime_ns), (0, 12, 34, 0o2711, TIME), "folder")
    same(os.getxattr(f["folder"], "trusted.case"), b"folder", "extended attribute of the folder")
    same(os.listdir(f["folder"]), [], "names in the folder")
    try:
        os.open("file", os.O_CREAT | os.O_RDWR, dir_fd=f["folder"])
        raise AssertionError("a file could be made in a folder that is gone")
    except OSError as error:
        same(error.errno, errno.ENOENT, "error of making a file in it")
    same(os.readlink(f"/proc/{f['pid']}/cwd"), f"{place}/home (deleted)", "working folder")
    os.kill(f["pid"], signal.SIGTERM)
    same(os.waitstatus_to_exitcode(os.waitpid(f["pid"], 0)[1]), 7, "exit status of the process in the folder")


def check(p):
    for place, f in p.items():
        look(f, place)
        for name in "file", "folder", "path":
            os.close(f[name])


held(setup, check)
