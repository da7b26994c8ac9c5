# SPDX-License-Identifier: GPL-2.0-only
"""pidfd: of a child, of a process that is no relative, of itself; signals through them, and their end."""

import os
import select
import signal

from held import held, same
from libc import fdinfo


def sleeper():
    pid = os.fork()
    if not pid:
        while True:
            signal.pause()
    return pid


def orphan():
    """A process whose parent has ended."""
    out, into = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(into, str(sleeper()).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    found = int(os.read(out, 20))
    os.close(out)
    os.close(into)
    return found


def setup():
    p = {"child": sleeper(), "orphan": orphan(), "self": os.getpid(), "zombie": os.fork()}
    if not p["zombie"]:
        os._exit(5)
    p["fds"] = {name: os.pidfd_open(pid) for name, pid in p.items()}
    return p


def over(fd, timeout):
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(timeout))


def check(p):
    for name, fd in p["fds"].items():
        same(fdinfo(fd, "Pid:"), [f"Pid:\t{p[name]}"], name)
        same(os.get_inheritable(fd), False, f"close-on-exec of {name}")
    same(over(p["fds"]["child"], 0), False, "the child has ended")
    same(over(p["fds"]["zombie"], 0), True, "the zombie has not ended")
    signal.pidfd_send_signal(p["fds"]["child"], signal.SIGTERM)
    assert over(p["fds"]["child"], 20000), "the child's end is not told"
    status = os.waitid(os.P_PIDFD, p["fds"]["child"], os.WEXITED)
    same((status.si_pid, status.si_status), (p["child"], signal.SIGTERM), "the child's end")
    same(os.waitid(os.P_PIDFD, p["fds"]["zombie"], os.WEXITED).si_status, 5, "the zombie's status")
    signal.pidfd_send_signal(p["fds"]["orphan"], signal.SIGKILL)
    assert over(p["fds"]["orphan"], 20000), "the orphan's end is not told"
    signal.pidfd_send_signal(p["fds"]["self"], 0)


held(setup, check)
