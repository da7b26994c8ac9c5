# SPDX-License-Identifier: GPL-2.0-only
"""Interval timers: real, virtual and profiling ones, of which some time has gone, and a process whose timer beats while it
waits for it."""

import mmap
import os
import signal
import struct
import time

from held import held, same
from libc import near


# Seconds of CPU time that have gone; and how many more may, by what asks for the time left.
USED, MARGIN = 2.5, 1


def beat(count):
    def tick(*_):
        count[0:8] = struct.pack("=Q", struct.unpack("=Q", count[0:8])[0] + 1)

    signal.signal(signal.SIGALRM, tick)
    signal.setitimer(signal.ITIMER_REAL, 0.3, 0.3)
    while True:
        signal.pause()


def beats(p):
    return struct.unpack("=Q", p["count"][0:8])[0]


def setup():
    p = {"count": mmap.mmap(-1, 4096)}
    p["child"] = os.fork()
    if not p["child"]:
        beat(p["count"])
    signal.setitimer(signal.ITIMER_REAL, 3000, 40)
    signal.setitimer(signal.ITIMER_VIRTUAL, 500, 7)
    signal.setitimer(signal.ITIMER_PROF, 600)
    p["end"] = time.clock_gettime(time.CLOCK_MONOTONIC) + 3000
    while signal.getitimer(signal.ITIMER_VIRTUAL)[0] > 500 - USED or signal.getitimer(signal.ITIMER_PROF)[0] > 600 - USED:
        sum(range(10000))
    while not beats(p):
        time.sleep(0.1)
    p["virtual"], p["prof"] = signal.getitimer(signal.ITIMER_VIRTUAL), signal.getitimer(signal.ITIMER_PROF)
    return p


def check(p):
    left, interval = signal.getitimer(signal.ITIMER_REAL)
    near(time.clock_gettime(time.CLOCK_MONOTONIC) + left, p["end"], "end of ITIMER_REAL")
    near(interval, 40, "interval of ITIMER_REAL", 0.001)
    for name, which in ("virtual", signal.ITIMER_VIRTUAL), ("prof", signal.ITIMER_PROF):
        left, interval = signal.getitimer(which)
        near(left, p[name][0], f"CPU time left, {name}", MARGIN)
        same(interval, p[name][1], f"interval, {name}")
    before = beats(p)
    time.sleep(2)
    near(beats(p) - before, 2 / 0.3, "beats in two seconds", 3)
    signal.signal(signal.SIGPROF, lambda *_: p.update(prof=True))
    signal.setitimer(signal.ITIMER_PROF, 0.05)
    until = time.monotonic() + 20
    while "prof" not in p and time.monotonic() < until:
        pass
    assert "prof" in p, "ITIMER_PROF does not fire"
    os.kill(p["child"], signal.SIGKILL)


held(setup, check)
