# SPDX-License-Identifier: GPL-2.0-only
"""O_TMPFILE on disk and on tmpfs: contents and owner; one may still be given a name, one that was O_EXCL may not."""

import os

from held import held, same
from memory import LIBC, pattern

PLACES = ["/var/tmp", "/dev/shm"]
AT_FDCWD, SYMLINK_FOLLOW = -100, 0x400


def make(place):
    f = {"fd": os.open(place, os.O_TMPFILE | os.O_RDWR, 0o640)}
    os.write(f["fd"], pattern(place, 54321))
    os.fchown(f["fd"], 77, 88)
    os.lseek(f["fd"], 1000, os.SEEK_SET)
    f["reader"] = os.open(f"/proc/self/fd/{f['fd']}", os.O_RDONLY)
    f["private"] = os.open(place, os.O_TMPFILE | os.O_EXCL | os.O_RDWR, 0o600)
    os.write(f["private"], b"private")
    return f


def setup():
    for place in PLACES:
        if os.path.exists(f"{place}/case-named"):
            os.unlink(f"{place}/case-named")
    return {place: make(place) for place in PLACES}


def link(fd, path):
    return LIBC.linkat(AT_FDCWD, f"/proc/self/fd/{fd}".encode(), AT_FDCWD, path.encode(), SYMLINK_FOLLOW)


def check(p):
    for place, f in p.items():
        st = os.fstat(f["fd"])
        same((st.st_nlink, st.st_uid, st.st_gid, st.st_mode & 0o7777, st.st_size), (0, 77, 88, 0o640, 54321), place)
        same(os.lseek(f["fd"], 0, os.SEEK_CUR), 1000, "position")
        same(os.pread(f["reader"], 60000, 0), pattern(place, 54321), "contents")
        same(os.pread(f["private"], 100, 0), b"private", "contents of the private one")
        assert link(f["private"], f"{place}/case-named") < 0, "an O_EXCL file could be given a name"
        same(link(f["fd"], f"{place}/case-named"), 0, f"linkat in {place}")
        os.pwrite(f["fd"], b"named", 0)
        with open(f"{place}/case-named", "rb") as data:
            same(data.read(), b"named" + pattern(place, 54321)[5:], "contents under the name")
        os.unlink(f"{place}/case-named")


held(setup, check)
