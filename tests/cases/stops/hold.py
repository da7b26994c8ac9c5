# SPDX-License-Identifier: GPL-2.0-only
"""Stopped processes: in sigsuspend, all signals blocked but for that; with threads, and signals that come when it goes on;
in a process group that nobody of the session looks after any more."""

import os
import signal
import threading
import time

import libc
from held import held, same
from libc import buffer, call

libc.NUMBERS.update({"tgkill": 234})
ALL = range(1, signal.NSIG)


def state(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as text:
        return text.read().rsplit(") ", 1)[1][0]


def wait_state(pid, wanted):
    for _ in range(600):
        if state(pid) == wanted:
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} is {state(pid)}, not {wanted}")


def child(run):
    pid = os.fork()
    if not pid:
        try:
            run()
        finally:
            os._exit(1)
    return pid


def asleep():
    """As a shell waits for its jobs."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGUSR1, lambda *_: os._exit(5))
    signal.pthread_sigmask(signal.SIG_SETMASK, ALL)
    while True:
        try:
            call("rt_sigsuspend", buffer(8), 8)
        except InterruptedError:
            pass


def with_threads():
    hits = []
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in signal.SIGUSR1, signal.SIGALRM:
        signal.signal(number, lambda number, _: hits.append(number))
    for _ in range(2):
        threading.Thread(target=time.sleep, args=[10**6], daemon=True).start()
    while len(hits) < 2:
        time.sleep(0.05)
    os._exit(6)


def stops_itself():
    os.setpgid(0, 0)
    os.kill(os.getpid(), signal.SIGTSTP)
    os._exit(7)


def leaves():
    """Its child's group had it in the session, and has nobody there from then on."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    left = child(stops_itself)
    os.waitpid(left, os.WUNTRACED)
    os.setsid()
    signal.sigwait({signal.SIGUSR2})
    if state(left) != "T":
        os._exit(2)
    os.kill(left, signal.SIGCONT)
    os._exit(os.waitstatus_to_exitcode(os.waitpid(left, 0)[1]))


def setup():
    p = {"asleep": child(asleep), "threads": child(with_threads), "left": child(leaves)}
    wait_state(p["asleep"], "S")
    time.sleep(1)
    os.kill(p["asleep"], signal.SIGTSTP)
    os.kill(p["threads"], signal.SIGSTOP)
    for name in "asleep", "threads":
        wait_state(p[name], "T")
    for number in signal.SIGUSR1, signal.SIGALRM:
        call("tgkill", p["threads"], p["threads"], number)
    for _ in range(600):
        if os.getsid(p["left"]) == p["left"]:
            return p
        time.sleep(0.05)
    raise AssertionError("the parent does not leave the session")


def check(p):
    for name in "asleep", "threads":
        same(state(p[name]), "T", name)
    told = os.waitid(os.P_PID, p["asleep"], os.WSTOPPED | os.WNOHANG)
    same(told.si_status, signal.SIGTSTP, "what has stopped it")
    os.kill(p["asleep"], signal.SIGCONT)
    time.sleep(0.5)
    same(state(p["asleep"]), "S", "goes on in sigsuspend")
    os.kill(p["asleep"], signal.SIGUSR1)
    os.kill(p["threads"], signal.SIGCONT)
    os.kill(p["left"], signal.SIGUSR2)
    for name, code in ("asleep", 5), ("threads", 6), ("left", 7):
        same(os.waitstatus_to_exitcode(os.waitpid(p[name], 0)[1]), code, name)


held(setup, check)
