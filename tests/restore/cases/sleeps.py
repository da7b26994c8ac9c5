# SPDX-License-Identifier: GPL-2.0-only
"""Calls with a time limit, each in a thread, go on with the time they had left, and only once."""
import ctypes
import os
import select
import threading
import time

from check import check, done, wait_switch

libc = ctypes.CDLL(None)
LIMIT = 3
results = {}
r, w = os.pipe()
poll = select.poll()
poll.register(r, select.POLLIN)
epfd = libc.epoll_create1(0)
ts = (ctypes.c_long * 2)(LIMIT, 0)
events = ctypes.create_string_buffer(120)
pollfd = (ctypes.c_int * 2)(r, 1)
word = ctypes.c_int(0)
sigset = ctypes.c_ulong(1 << 11)
sem = libc.semget(0, 1, 0o1600)
sembuf = (ctypes.c_short * 3)(0, -1, 0)
calls = {
    "nanosleep": lambda: libc.syscall(35, ts, None),
    "clock_nanosleep": lambda: libc.syscall(230, 1, 0, ts, None),
    "poll": lambda: libc.syscall(7, pollfd, 1, LIMIT * 1000),
    "select": lambda: select.select([r], [], [], LIMIT),
    "epoll_wait": lambda: libc.syscall(232, epfd, events, 10, LIMIT * 1000),
    "futex": lambda: libc.syscall(202, ctypes.byref(word), 0, 0, ts, None, 0),
    "rt_sigtimedwait": lambda: libc.syscall(128, ctypes.byref(sigset), None, ts, 8),
    "semtimedop": lambda: libc.syscall(220, sem, sembuf, 1, ts),
}


def run(name):
    start = time.monotonic()
    ret = calls[name]()
    results[name] = (time.monotonic() - start, ret)


for name in calls:
    threading.Thread(target=run, args=(name,), daemon=True).start()
wait_switch()
check("none has ended early", not results)
time.sleep(LIMIT + 1.5)
libc.semctl(sem, 0, 0)
for name in calls:
    took, ret = results.get(name, (0, None))
    check("%s took %.1f s, returned %s" % (name, took, ret),
          1000 + LIMIT - 0.5 < took < 1000 + LIMIT + 2)
done()
