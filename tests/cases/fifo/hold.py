# SPDX-License-Identifier: GPL-2.0-only
"""FIFOs on the disk and on a tmpfs: unread data, ends, one that has been deleted, others who open the name later."""

import fcntl
import os

from held import held, same

NAMES = "/var/tmp/case-fifo", "/run/case-fifo"


def setup():
    p = {}
    for name in NAMES:
        if os.path.exists(name):
            os.unlink(name)
        os.mkfifo(name, 0o640)
        os.chmod(name, 0o620)
        fd = os.open(name, os.O_RDWR)
        fcntl.fcntl(fd, 1031, 1 << 17)
        os.write(fd, b"in flight through " + name.encode())
        p[name] = fd, os.open(name, os.O_WRONLY), os.stat(name).st_ino
    gone = NAMES[1] + ".gone"
    os.mkfifo(gone)
    os.chown(gone, 1234, 4321)
    os.chmod(gone, 0o620)
    p["gone"] = os.open(gone, os.O_RDONLY | os.O_NONBLOCK), os.open(gone, os.O_WRONLY)
    os.write(p["gone"][1], b"nameless")
    os.unlink(gone)
    lonely = NAMES[1] + ".lonely"
    if os.path.exists(lonely):
        os.unlink(lonely)
    os.mkfifo(lonely)
    p["lonely"] = os.open(lonely, os.O_RDONLY | os.O_NONBLOCK)
    return p


def check(p):
    for name in NAMES:
        fd, writer, ino = p[name]
        same(os.readlink(f"/proc/self/fd/{fd}"), name, "name")
        same(os.fstat(fd).st_ino, os.stat(name).st_ino, "file behind the name")
        if name.startswith("/var"):
            same(os.fstat(fd).st_ino, ino, "inode")
        same(os.stat(name).st_mode & 0o7777, 0o620, "mode")
        same(fcntl.fcntl(fd, 1032), 1 << 17, "size")
        later = os.open(name, os.O_WRONLY | os.O_NONBLOCK)
        os.write(writer, b"|")
        os.write(later, b"later")
        same(os.read(fd, 1000), b"in flight through " + name.encode() + b"|later", "data")
        os.unlink(name)
    same(os.read(p["gone"][0], 100), b"nameless", "data of the deleted FIFO")
    st = os.fstat(p["gone"][0])
    same((st.st_uid, st.st_gid, st.st_mode & 0o7777), (1234, 4321, 0o620), "owner of the deleted FIFO")
    assert os.readlink(f"/proc/self/fd/{p['gone'][0]}").endswith(" (deleted)"), "the deleted FIFO has a name"
    same(os.read(p["lonely"], 10), b"", "FIFO that nobody writes to")
    os.unlink(NAMES[1] + ".lonely")


held(setup, check)
