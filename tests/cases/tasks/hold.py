# SPDX-License-Identifier: GPL-2.0-only
"""Processes: the tree with sessions, groups and reparented children, threads, zombies, names, arguments,
environment, directories, a subreaper, the signal upon the parent's death."""

import ctypes
import os
import signal
import threading
import time

import libc
from held import held, same
from libc import call

libc.NUMBERS.update({"prctl": 157})
NAME, DEATH_SIGNAL, SUBREAPER = 15, 1, 36
# state, parent, group, session, terminal, foreground group; signal upon exit
STAT = (0, 1, 2, 3, 4, 5, 35)


def prctl(option, arg):
    return call("prctl", option, arg, 0, 0, 0)


def read(path):
    try:
        with open(path, "rb") as text:
            return text.read()
    except (ProcessLookupError, FileNotFoundError):
        return b""


def link(path):
    try:
        return os.readlink(path)
    except OSError as error:
        return error.errno


def told(pid):
    """What /proc tells of a process and its threads."""
    stat = read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    seen = {"stat": [stat[i] for i in STAT], "cmdline": read(f"/proc/{pid}/cmdline"),
            "environ": read(f"/proc/{pid}/environ")}
    for name in "exe", "cwd", "root":
        seen[name] = link(f"/proc/{pid}/{name}")
    for tid in sorted(os.listdir(f"/proc/{pid}/task"), key=int):
        state = read(f"/proc/{pid}/task/{tid}/stat").rpartition(b")")[2].split()[0]
        seen["thread " + tid] = (read(f"/proc/{pid}/task/{tid}/comm"), state == b"Z",
                                 sorted(read(f"/proc/{pid}/task/{tid}/children").split()))
    if seen["stat"][0] in (b"R", b"D"):
        seen["stat"][0] = b"S"
    return seen


def zombie(how):
    """A child that has ended and waits to be waited for."""
    pid = os.fork()
    if not pid:
        how()
        os._exit(7)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return pid


def killed(number):
    os.kill(os.getpid(), number)


def sleeper(prepare):
    """A child that prepares, says so, and then sleeps."""
    ready, done = os.pipe()
    pid = os.fork()
    if not pid:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        told_pid = prepare() or 0
        os.write(done, told_pid.to_bytes(4, "little"))
        os.close(done)
        while True:
            signal.pause()
    os.close(done)
    answer = int.from_bytes(os.read(ready, 4), "little")
    os.close(ready)
    return pid, answer


def wanderer():
    """Another directory and another root, a group of its own, and a name that would break a line."""
    os.setpgid(0, 0)
    os.chroot("/usr")
    os.chdir("/share/doc")
    prctl(NAME, ctypes.addressof(ctypes.create_string_buffer(b"a ) b\n(c")))


def threads():
    def wait(number):
        prctl(NAME, ctypes.addressof(ctypes.create_string_buffer(b"thread %d" % number)))
        ready.release()
        threading.Event().wait()
    ready = threading.Semaphore(0)
    for number in range(5):
        threading.Thread(target=wait, args=[number], daemon=True).start()
    for number in range(5):
        ready.acquire()
    return zombie(lambda: None)


def orphan_maker():
    """A session, in which a child makes a grandchild and dies of it; the subreaper gets the grandchild."""
    os.setsid()
    child = sleeper(lambda: sleeper(lambda: os.setpgid(0, 0))[0])
    os.kill(child[0], signal.SIGTERM)
    os.waitpid(child[0], 0)
    return child[1]


def mourner():
    """A child that gets a signal when this one dies."""
    def prepare():
        signal.signal(signal.SIGUSR2, lambda *_: os._exit(33))
        prctl(DEATH_SIGNAL, signal.SIGUSR2)
    return sleeper(prepare)[0]


def setup():
    prctl(SUBREAPER, 1)
    p = {"exited": zombie(lambda: None), "quit": zombie(lambda: killed(signal.SIGKILL))}
    p["wanderer"] = sleeper(wanderer)[0]
    p["threads"], p["its zombie"] = sleeper(threads)
    p["leader"], p["orphan"] = sleeper(orphan_maker)
    p["parent"], p["mourner"] = sleeper(mourner)
    env = {"NUMBER": "7", "EMPTY": "", "ODD": "a=b\nc"}
    p["program"] = os.spawnve(os.P_NOWAIT, "/usr/bin/sleep", ["an odd name", "100000"], env)
    while b"an odd name" not in read(f"/proc/{p['program']}/cmdline"):
        time.sleep(0.05)
    time.sleep(0.5)
    p["self"] = os.getpid()
    p["were"] = {name: told(pid) for name, pid in p.items()}
    return p


def ended(pid, status, what):
    same(os.waitpid(pid, 0)[1], status, what)


def check(p):
    for name, was in p["were"].items():
        is_now = told(p[name])
        same(is_now.keys(), was.keys(), f"{name}: threads")
        for key in was:
            same(is_now[key], was[key], f"{name}: {key}")
    ended(p["exited"], 7 << 8, "one that has exited")
    ended(p["quit"], signal.SIGKILL, "one that was killed")
    os.kill(p["parent"], signal.SIGTERM)
    ended(p["parent"], signal.SIGTERM, "a parent")
    ended(p["mourner"], 33 << 8, "its child, upon the signal that it wanted")
    for name in "wanderer", "threads", "program", "orphan", "leader":
        os.kill(p[name], signal.SIGKILL)
        ended(p[name], signal.SIGKILL, name)
    ended(p["its zombie"], 7 << 8, "the zombie of the one with threads")
    try:
        os.waitpid(-1, 0)
        raise AssertionError("there is a child too many")
    except ChildProcessError:
        pass


held(setup, check)
