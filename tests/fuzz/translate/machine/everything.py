# SPDX-License-Identifier: GPL-2.0-only
"""A machine that is small and has nearly every kind of object: two processes that hold what the cases in cases/ (links to those
of tests/cases) set up, and a few things more.  Both are called `everything`."""

import glob
import os
import runpy
import signal
import sys
import threading
import time
import traceback

import held
import libc
import memory
from memory import PAGE, pattern

HERE = os.path.dirname(os.path.abspath(__file__))
STATE = os.environ.get("CASE_STATE", "/var/tmp/case-state")
libc.NUMBERS.update({"prctl": 157, "mount": 165})
NAME = 15


def tmpfs():
    """A tree with one file of each sort."""
    os.makedirs("/mnt/small/", exist_ok=True)
    libc.call("mount", libc.buffer(b"none\0"), libc.buffer(b"/mnt/small\0"), libc.buffer(b"tmpfs\0"), 0, libc.buffer(b"size=1m\0"))
    with open("/mnt/small/file", "wb") as out:
        out.write(pattern("file", 3 * PAGE))
    os.link("/mnt/small/file", "/mnt/small/same")
    os.setxattr("/mnt/small/file", "trusted.case", b"kept")
    os.symlink("file", "/mnt/small/link")
    os.symlink("/long" * 100, "/mnt/small/long")
    os.mknod("/mnt/small/null", 0o20666, os.makedev(1, 3))


def deleted(path):
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.write(fd, pattern(path, 2 * PAGE + 5))
    os.unlink(path)


def swapped():
    at = memory.mmap(100 * PAGE)
    memory.poke(at, pattern("swap", 100 * PAGE))
    memory.madvise(at, 100 * PAGE, "pageout")


def relatives():
    """One that sleeps with a time limit, one that has ended, one stopped."""
    if not os.fork():
        time.sleep(3000)
    if not os.fork():
        os._exit(7)
    stopped = os.fork()
    if not stopped:
        signal.pause()
    os.kill(stopped, signal.SIGSTOP)


def more():
    tmpfs()
    deleted("/var/tmp/deleted")
    deleted("/dev/shm/deleted")
    swapped()
    relatives()
    for path in "/dev/tty3", "/dev/ttyS0", "/dev/null":
        os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    os.open("/proc/self/maps", os.O_RDONLY)
    threading.Thread(target=time.sleep, args=[4000], daemon=True).start()


def hold():
    os.setsid()
    null = os.open("/dev/null", os.O_RDWR)
    log = os.open(os.path.join(STATE, "log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for fd, to in (0, null), (1, log), (2, log):
        os.dup2(to, fd)
    libc.call("prctl", NAME, libc.buffer(b"everything\0"), 0, 0, 0)
    # what the timers and pending signals of one case send is not to end the others
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    things = []
    held.held = lambda setup, check: things.append(setup())
    for path in sorted(glob.glob(os.path.join(HERE, "cases", "*.py"))):
        sys.argv = [path]
        things.append(runpy.run_path(path))
    more()
    held.write(os.path.join(STATE, "ready"), "\n")
    while True:
        signal.pause()


def main():
    os.makedirs(STATE, exist_ok=True)
    pid = os.fork()
    if not pid:
        try:
            hold()
        except BaseException:  # pylint: disable=broad-except
            traceback.print_exc()
        os._exit(1)
    while not os.path.exists(os.path.join(STATE, "ready")):
        time.sleep(0.1)
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            print(f"ended with {status:#x}")
            with open(os.path.join(STATE, "log"), encoding="utf-8") as text:
                sys.exit(text.read())


main()
