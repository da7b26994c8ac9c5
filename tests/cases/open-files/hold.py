# SPDX-License-Identifier: GPL-2.0-only
"""Files on disk: positions, flags, descriptors that are shared by dup, fork and CLONE_FILES, directories that are
half read, O_PATH, owners of signals, numbers far apart."""

import fcntl
import os
import signal
import struct

import libc
from held import STATE, held, same
from libc import LIBC, buffer, call

libc.NUMBERS.update({"clone": 56, "getdents64": 217})
CLONE_FILES = 0x400
SETSIG, GETSIG, SETOWN_EX, GETOWN_EX = 10, 11, 15, 16
IN_MEMORY = "/run/case-listed"
PLACE = os.path.join(STATE, "place")
FLAGS = {"reader": os.O_RDONLY, "writer": os.O_WRONLY, "both": os.O_RDWR, "append": os.O_RDWR | os.O_APPEND,
         "noatime": os.O_RDONLY | os.O_NOATIME, "direct": os.O_RDWR | os.O_DIRECT, "sync": os.O_WRONLY | os.O_SYNC,
         "dsync": os.O_WRONLY | os.O_DSYNC, "nonblock": os.O_RDONLY | os.O_NONBLOCK, "path": os.O_PATH,
         "closed on exec": os.O_RDONLY | os.O_CLOEXEC}


def names(fd):
    """The next names of a directory, as few as the kernel gives at once for so little room."""
    room = buffer(200)
    length = call("getdents64", fd, room, 200)
    found, at = [], 0
    while at < length:
        size = struct.unpack_from("=H", room.raw, at + 16)[0]
        found.append(room.raw[at + 19:at + size].split(b"\0")[0])
        at += size
    return found


def told(fd):
    st = os.fstat(fd)
    position = None
    with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as info:
        for line in info:
            if line.startswith("pos:"):
                position = int(line.split()[1])
            if line.startswith("flags:"):
                flags = line.split()[1]
    return (os.readlink(f"/proc/self/fd/{fd}"), st.st_ino, st.st_size, st.st_mtime_ns, position, flags)


def partner(flags, run):
    """A child that shares what flags say; it runs, then waits."""
    pid = call("clone", flags | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        try:
            run()
        finally:
            LIBC.syscall(libc.ctypes.c_long(231), libc.ctypes.c_long(0))
    return pid


def wait(number):
    signal.sigwait({number})


def setup():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGHUP, signal.SIGRTMIN + 3})
    os.makedirs(PLACE, exist_ok=True)
    path = os.path.join(PLACE, "file with\nodd name \\ é")
    with open(path, "wb") as out:
        out.write(bytes(range(256)) * 64)
    os.utime(path, ns=(10**18 + 1, 10**18 + 999999999))
    p = {"fds": {}}
    for number, (name, flags) in enumerate(FLAGS.items()):
        fd = p["fds"][name] = os.open(path, flags)
        if name != "path":
            os.lseek(fd, 512 * number, os.SEEK_SET)
    far = fcntl.fcntl(p["fds"]["both"], fcntl.F_DUPFD, 900)
    p["fds"]["far duplicate"] = far
    os.set_inheritable(far, True)
    p["fds"]["behind the end"] = os.open(path, os.O_RDWR)
    os.lseek(p["fds"]["behind the end"], 10**10, os.SEEK_SET)
    # directories
    os.symlink("nowhere", os.path.join(PLACE, "link"))
    for number in range(40):
        with open(os.path.join(PLACE, f"name-{number:02}"), "wb"):
            pass
    p["fds"]["directory"] = p["directory"] = os.open(PLACE, os.O_RDONLY | os.O_DIRECTORY)
    p["names"] = names(p["directory"]) + names(p["directory"])
    # in memory numbers of entries differ from kernel to kernel: but the beginning and the end are the same
    for number in range(3):
        os.makedirs(os.path.join(IN_MEMORY, str(number)), exist_ok=True)
    p["listed"], p["begun"] = os.open(IN_MEMORY, os.O_RDONLY), os.open(IN_MEMORY, os.O_RDONLY)
    while names(p["listed"]):
        pass
    os.lseek(p["begun"], 1, os.SEEK_SET)
    p["fds"]["directory by path"] = os.open(PLACE, os.O_PATH | os.O_DIRECTORY)
    p["fds"]["link by path"] = os.open(os.path.join(PLACE, "link"), os.O_PATH | os.O_NOFOLLOW)
    # who gets SIGIO, and which signal it is
    owned = p["fds"]["both"]
    fcntl.fcntl(owned, SETOWN_EX, struct.pack("=ii", 1, os.getpid()))
    fcntl.fcntl(owned, SETSIG, signal.SIGRTMIN + 3)
    # one whose owner has ended, and one that belongs to a user who may not signal root
    p["orphaned"], p["user's"] = os.open("/dev/null", os.O_RDONLY), os.pipe()
    ended = os.fork()
    if not ended:
        fcntl.fcntl(p["orphaned"], SETOWN_EX, struct.pack("=ii", 1, os.getpid()))
        os._exit(0)
    os.waitpid(ended, 0)
    same(struct.unpack("=ii", fcntl.fcntl(p["orphaned"], GETOWN_EX, bytes(8)))[1], 0, "an owner that has ended")
    fcntl.fcntl(p["user's"][0], SETSIG, signal.SIGRTMIN + 4)
    os.setresuid(65534, 65534, 0)
    fcntl.fcntl(p["user's"][0], SETOWN_EX, struct.pack("=ii", 1, os.getpid()))
    os.setresuid(0, 0, 0)
    # a child that has the files of its parent, one that has its table of them
    p["forked"] = os.fork()
    if not p["forked"]:
        wait(signal.SIGUSR2)
        os.lseek(p["fds"]["reader"], 77, os.SEEK_SET)
        os._exit(0)
    p["same table"] = partner(CLONE_FILES, lambda: (wait(signal.SIGUSR2), os.dup2(p["fds"]["writer"], 555)))
    p["were"] = {name: told(fd) for name, fd in p["fds"].items()}
    return p


def finish(pid):
    os.kill(pid, signal.SIGUSR2)
    same(os.waitpid(pid, 0)[1], 0, "a child's end")


def check(p):
    for name, fd in p["fds"].items():
        same(told(fd), p["were"][name], name)
    fds = p["fds"]
    same(os.read(fds["reader"], 4), bytes([0, 1, 2, 3]), "contents at the position")
    os.lseek(fds["far duplicate"], 1234, os.SEEK_SET)
    same(os.lseek(fds["both"], 0, os.SEEK_CUR), 1234, "position shared with a duplicate")
    same(os.lseek(fds["append"], 0, os.SEEK_CUR), 512 * 3, "position of another opening")
    same(struct.unpack("=ii", fcntl.fcntl(fds["both"], GETOWN_EX, bytes(8))), (1, os.getpid()), "owner of signals")
    same(struct.unpack("=ii", fcntl.fcntl(p["orphaned"], GETOWN_EX, bytes(8)))[1], 0, "an owner that has ended")
    # sigio_perm(): nobody's file may not signal root, whose ids this process has
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGRTMIN + 4})
    fcntl.fcntl(p["user's"][0], fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    os.write(p["user's"][1], b"x")
    assert signal.SIGRTMIN + 4 not in signal.sigpending(), "a user's file signals root"
    same(fcntl.fcntl(fds["both"], GETSIG), signal.SIGRTMIN + 3, "the signal")
    seen = list(p["names"])
    while more := names(p["directory"]):
        seen += more
    same(len(set(seen)), len(seen), "names that were read twice")
    same(sorted(name.decode() for name in seen), sorted(os.listdir(PLACE) + [".", ".."]), "names")
    same(names(p["listed"]), [], "names behind the end")
    os.lseek(p["listed"], 0, os.SEEK_SET)
    same(sorted(names(p["listed"])), [b".", b"..", b"0", b"1", b"2"], "names of a directory in memory")
    same(sorted(names(p["begun"])), [b"..", b"0", b"1", b"2"], "names but the first")
    os.close(p["listed"])
    os.close(p["begun"])
    finish(p["forked"])
    same(os.lseek(fds["reader"], 0, os.SEEK_CUR), 77, "position shared with a child")
    finish(p["same table"])
    same(os.fstat(555).st_ino, os.fstat(fds["writer"]).st_ino, "a descriptor that the partner has made")
    for fd in set(fds.values()) | {555}:
        os.close(fd)
    for name in os.listdir(PLACE):
        os.unlink(os.path.join(PLACE, name))


held(setup, check)
