# SPDX-License-Identifier: GPL-2.0-only
"""Sleeps: processes that sleep in system calls of every kind wake when they would have, none early, none anew.  The long
ones are interrupted at the end and tell what they had left; one has been stopped and continued, one is stopped."""

import errno
import mmap
import os
import signal
import struct
import time

from held import held, same
from libc import buffer, call, near, seconds, spec

SHORT, LONG = 120, 3000
MARGIN = 4
# What select has left is written when it is frozen, and counts from when it goes on: the kernel's own way.  In a switch
# only what passes between freeze and snapshot is lost by that.
FROZEN, FROZEN_EXACT = 10, 30
REALTIME, MONOTONIC, BOOTTIME = 0, 1, 7
ABSTIME = 1
WAIT, WAIT_BITSET, PRIVATE = 0, 9, 128


def now(clock=time.CLOCK_MONOTONIC):
    return time.clock_gettime(clock)


def outcome(name, *args):
    try:
        return call(name, *args)
    except OSError as error:
        return -error.errno


def word():
    return buffer(struct.pack("=I", 0))


def select_left():
    tv = buffer(struct.pack("=qq", LONG, 0))
    result = outcome("select", 0, None, None, None, tv)
    return result, (lambda t: t[0] + t[1] / 1e6)(struct.unpack("=qq", tv.raw))


def remainder(name, *args):
    left = spec(0)
    return outcome(name, *args, spec(LONG), left), seconds(left)[0]


def usr2_mask():
    return buffer(struct.pack("=Q", 1 << (signal.SIGRTMIN + 1)))


# (result, nothing) of each when its time is over
ENDING = {
    "nanosleep": (0, lambda: outcome("nanosleep", spec(SHORT), None)),
    "clock_nanosleep": (0, lambda: outcome("clock_nanosleep", REALTIME, 0, spec(SHORT), None)),
    "until": (0, lambda: outcome("clock_nanosleep", MONOTONIC, ABSTIME, spec(now() + SHORT), None)),
    "futex": (-errno.ETIMEDOUT, lambda: outcome("futex", word(), WAIT | PRIVATE, 0, spec(SHORT), None, 0)),
    "futex until": (-errno.ETIMEDOUT,
                    lambda: outcome("futex", word(), WAIT_BITSET | PRIVATE, 0, spec(now() + SHORT), None, -1)),
    "sigtimedwait": (-errno.EAGAIN, lambda: outcome("rt_sigtimedwait", usr2_mask(), None, spec(SHORT), 8)),
    "poll": (0, lambda: outcome("poll", None, 0, SHORT * 1000)),
    "select": (0, lambda: outcome("select", 0, None, None, None, buffer(struct.pack("=qq", SHORT, 0)))),
    "continued": (0, lambda: outcome("nanosleep", spec(SHORT), None)),
    "python": (None, lambda: time.sleep(SHORT)),
}
# (result, time left) of each when it is interrupted
INTERRUPTED = {
    "nanosleep": lambda: remainder("nanosleep"),
    "clock_nanosleep": lambda: remainder("clock_nanosleep", MONOTONIC, 0),
    "boottime": lambda: remainder("clock_nanosleep", BOOTTIME, 0),
    "select": select_left,
    "stopped": lambda: remainder("nanosleep"),
}


def sleeper(page, sleep):
    """The child's last words: when it woke, and what its call said."""
    signal.signal(signal.SIGUSR2, lambda *_: None)
    clock = time.CLOCK_BOOTTIME if sleep is INTERRUPTED["boottime"] else time.CLOCK_MONOTONIC
    page[0:8] = struct.pack("=d", now(clock))
    result = sleep()
    words = result if isinstance(result, tuple) else (-1 if result is None else result, 0.0)
    page[8:32] = struct.pack("=dqd", now(clock), *words)
    os._exit(0)


def begin(sleep):
    page = mmap.mmap(-1, 4096)
    pid = os.fork()
    if not pid:
        sleeper(page, sleep)
    while not struct.unpack("=d", page[0:8])[0]:
        time.sleep(0.01)
    return pid, page, struct.unpack("=d", page[0:8])[0]


def exact(p):
    """Put back as it was, and not switched."""
    return p["release"] == os.uname().release


def woken_by_thaw(p):
    """A kernel before 6.7 wakes what it froze asleep (8f0eed4a78a8): sigtimedwait returns EINTR."""
    return exact(p) and tuple(int(n) for n in p["release"].split("-")[0].split(".")[:2]) < (6, 7)


def margin(p, name):
    if name != "select":
        return MARGIN
    return FROZEN_EXACT if exact(p) else FROZEN


def setup():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGRTMIN + 1})
    p = {"release": os.uname().release, "ending": {name: begin(sleep) for name, (_, sleep) in ENDING.items()}}
    p["interrupted"] = {name: begin(sleep) for name, sleep in INTERRUPTED.items()}
    time.sleep(0.5)
    os.kill(p["ending"]["continued"][0], signal.SIGSTOP)
    os.kill(p["interrupted"]["stopped"][0], signal.SIGSTOP)
    time.sleep(0.5)
    os.kill(p["ending"]["continued"][0], signal.SIGCONT)
    return p


def check(p):
    left = {}
    os.kill(p["interrupted"]["stopped"][0], signal.SIGCONT)
    time.sleep(0.3)
    for name, (pid, page, began) in p["interrupted"].items():
        os.kill(pid, signal.SIGUSR2)
        same(os.waitpid(pid, 0)[1], 0, f"{name} ends")
        at, result, rest = struct.unpack("=dqd", page[8:32])
        same(result, -errno.EINTR, f"interrupted {name}")
        left[name] = at + rest - began - LONG
    for name, difference in left.items():
        near(difference, 0, f"{name}: end by its time left", margin(p, name))
    for name, (pid, page, began) in p["ending"].items():
        same(os.waitpid(pid, 0)[1], 0, f"{name} ends")
        at, result, _ = struct.unpack("=dqd", page[8:32])
        expected = ENDING[name][0]
        if name == "sigtimedwait" and woken_by_thaw(p):
            same(result, -errno.EINTR, f"result of {name}")
            assert 0 < at - began < SHORT, f"time asleep in {name}: {at - began}"
            continue
        same(result, -1 if expected is None else expected, f"result of {name}")
        near(at - began, SHORT, f"time asleep in {name}", margin(p, name))


held(setup, check)
