# SPDX-License-Identifier: GPL-2.0-only
"""Kinds of open files, locks, timers, and a shell in a terminal."""
import ctypes
import fcntl
import os
import pty
import select
import signal
import struct
import tempfile
import termios
import time

from check import check, done, wait_switch

libc = ctypes.CDLL(None)
pid, master = pty.fork()
if pid == 0:
    # What is started in the background has these ignored, and so would all that the shell starts.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    os.environ["PS1"] = "$ "
    os.execvp("bash", ["bash", "--norc", "-i"])
fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))


def type_in(text, answer):
    """What the terminal says until it has said @answer."""
    out = b""
    os.write(master, text)
    while answer not in out and select.select([master], [], [], 10)[0]:
        out += os.read(master, 4096)
    return out


type_in(b"sleep 500 &\nX=hello\necho $X, set\n", b"hello, set")
type_in(b"cat | (echo $X, started; sleep 300; cat)\n", b"hello, started")


def in_foreground():
    """Command lines of the processes that the terminal's keys go to."""
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.getpgid(int(name)) == os.tcgetpgrp(master):
                with open(f"/proc/{name}/cmdline", "rb") as text:
                    found.append(text.read())
        except OSError:
            pass
    return found


# The suite describes processes that run: none may be on its way from one program to the next.
while not {b"cat\0", b"sleep\0" + b"300\0"} <= set(in_foreground()):
    time.sleep(0.05)
time.sleep(0.5)
efd = libc.eventfd(5, 0)
tfd = libc.timerfd_create(1, 0)
libc.timerfd_settime(tfd, 0, struct.pack("4q", 0, 0, 3, 0), None)
ep = select.epoll()
ep.register(efd, select.EPOLLIN)
ep.register(tfd, select.EPOLLIN)
folder = tempfile.mkdtemp()
inotify = libc.inotify_init()
watch = libc.inotify_add_watch(inotify, b"/tmp", 0x100)
libc.inotify_rm_watch(inotify, watch)
watch = libc.inotify_add_watch(inotify, b"/tmp", 0x100)
os.read(inotify, 100)
memfd = os.memfd_create("mem", os.MFD_ALLOW_SEALING)
os.write(memfd, b"memfd data")
fcntl.fcntl(memfd, 1033, 2)  # F_SEAL_SHRINK
f = open(folder + "/data", "w+")
f.write("0123456789")
f.flush()
os.lseek(f.fileno(), 4, 0)
copy = os.dup(f.fileno())
fcntl.flock(f, fcntl.LOCK_EX)
f2 = open(folder + "/data2", "w+")
fcntl.lockf(f2, fcntl.LOCK_EX, 10, 5)
# Who named the owner of its signals has ended since.
if not (user := os.fork()):
    os.setresuid(1234, 1234, 1234)
    fcntl.fcntl(f2, 15, struct.pack("ii", 1, os.getppid()))
    os._exit(0)
os.waitpid(user, 0)
named = fcntl.fcntl(f2, 17, bytes(8))
pipe = os.pipe()
os.fchown(pipe[1], 1234, 4321)
os.fchmod(pipe[1], 0o640)
alarm = []
signal.signal(signal.SIGALRM, lambda *a: alarm.append(time.monotonic()))
signal.setitimer(signal.ITIMER_REAL, 4.0)
wait_switch()
check("timers have time left", not alarm and not [a for a, b in ep.poll(0) if a == tfd])
check("eventfd in epoll", [a for a, b in ep.poll(0)] == [efd])
check("eventfd", struct.unpack("q", os.read(efd, 8))[0] == 5)
check("timerfd in epoll", ep.poll(5) == [(tfd, select.EPOLLIN)])
open(tempfile.mktemp(dir="/tmp"), "w").close()
check("inotify", struct.unpack("iIII", os.read(inotify, 100)[:16])[0] == watch)
check("memfd", os.pread(memfd, 100, 0) == b"memfd data")
check("memfd seals", fcntl.fcntl(memfd, 1034) == 2)
check("owner of signals", struct.unpack("ii", fcntl.fcntl(f2, 16, bytes(8))) == (1, os.getpid()))
check("who named the owner", struct.unpack("II", named) == (1234, 1234) and fcntl.fcntl(f2, 17, bytes(8)) == named)
st = os.fstat(pipe[0])
check("pipe's owner", (st.st_uid, st.st_gid, st.st_mode & 0o7777) == (1234, 4321, 0o640))
check("position", os.read(f.fileno(), 2) == b"45")
check("position is shared by dup", os.read(copy, 2) == b"67")
child = os.fork()
if child == 0:
    held = 0
    try:
        fcntl.flock(open(folder + "/data", "r+"), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        held += 1
    try:
        fcntl.lockf(open(folder + "/data2", "r+"), fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 5)
    except OSError:
        held += 2
    os._exit(held)
check("flock and POSIX lock", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3)
while not alarm:
    time.sleep(0.1)
check("interval timer", True)
check("foreground group", os.tcgetpgrp(master) not in (pid, 0))
type_in(b"\x03", b"$ ")
out = type_in(b"echo $X $(stty size); jobs; kill %1; tty\n", b"/dev/pts/0")
check("shell's memory and size", b"hello 33 99" in out)
check("shell's job", b"Running                 sleep 500" in out)
check("shell's terminal", b"/dev/pts/0" in out)
done()
