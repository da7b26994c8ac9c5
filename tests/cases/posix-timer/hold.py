# SPDX-License-Identifier: GPL-2.0-only
"""POSIX timers: their numbers, with a gap; clocks, intervals, a date, signals with values, one for a thread, one
without a signal, CPU time of which some is used up, a disarmed one."""

import signal
import struct
import threading
import time

from held import held, same
from libc import buffer, call, near, seconds, spec

REALTIME, MONOTONIC, PROCESS_CPU, THREAD_CPU, BOOTTIME = 0, 1, 2, 3, 7
SIGNAL, NONE, THREAD_ID = 0, 1, 4
ABSTIME = 1
RT = signal.SIGRTMIN + 5
# Seconds of CPU time that have gone; and how many more may, by what asks for the time left.
USED, MARGIN = 2.5, 1


def create(clock, notify=SIGNAL, signo=RT, value=0, tid=0):
    number = buffer(4)
    call("timer_create", clock, buffer(struct.pack("=qiii", value, signo, notify, tid).ljust(64, b"\0")), number)
    return struct.unpack("=i", number.raw)[0]


def arm(timer, value, interval=0.0, flags=0):
    call("timer_settime", timer, flags, spec(interval, value), None)


def get(timer):
    now = buffer(32)
    call("timer_gettime", timer, now)
    interval, left = seconds(now)
    return left, interval


def take(timeout):
    """Number, code, timer and value of the next signal."""
    info = buffer(128)
    call("rt_sigtimedwait", buffer(struct.pack("=Q", 1 << (RT - 1))), info, spec(timeout), 8)
    signo, code, timer, value = struct.unpack_from("=i4xi4xi4xQ", info)
    return signo, code, timer, value


def listed():
    with open("/proc/self/timers", encoding="ascii") as text:
        return [line.strip() for line in text if not line.startswith("ClockID: -")]


def setup():
    signal.pthread_sigmask(signal.SIG_BLOCK, {RT})
    p = {}
    threading.Thread(target=other, args=[p], daemon=True).start()
    while "thread timer" not in p:
        time.sleep(0.05)
    p["long"] = create(MONOTONIC, value=0x123456789ab)
    gap = create(MONOTONIC)
    p["date"] = create(REALTIME, signo=signal.SIGUSR2)
    call("timer_delete", gap)
    p["beat"] = create(BOOTTIME, value=77)
    p["quiet"] = create(MONOTONIC, NONE)
    p["off"] = create(REALTIME)
    p["cpu"] = create(PROCESS_CPU)
    p["thread cpu"] = create(THREAD_CPU)
    arm(p["long"], 4000, 30)
    arm(p["date"], time.time() + 5000, 20, ABSTIME)
    arm(p["beat"], 900, 0.5)
    arm(p["quiet"], 2000)
    arm(p["cpu"], 800)
    arm(p["thread cpu"], 700, 3)
    now = time.clock_gettime(time.CLOCK_MONOTONIC)
    p["ends"] = {"long": now + 4000, "quiet": now + 2000, "thread timer": now + 1500}
    p["date end"] = time.time() + 5000
    p["beat end"] = time.clock_gettime(time.CLOCK_BOOTTIME) + 900
    p["listed"] = listed()
    while get(p["cpu"])[0] > 800 - USED or get(p["thread cpu"])[0] > 700 - USED:
        sum(range(10000))
    p["cpu left"] = {name: get(p[name]) for name in ("cpu", "thread cpu")}
    return p


def other(p):
    number = create(MONOTONIC, THREAD_ID, RT, 99, call("gettid"))
    arm(number, 1500)
    p["thread timer"] = number
    threading.Event().wait()


def check(p):
    same(listed(), p["listed"], "/proc/self/timers")
    for name, end in p["ends"].items():
        near(time.clock_gettime(time.CLOCK_MONOTONIC) + get(p[name])[0], end, f"end of {name}")
    near(time.time() + get(p["date"])[0], p["date end"], "date")
    near(time.clock_gettime(time.CLOCK_BOOTTIME) + get(p["beat"])[0], p["beat end"], "end by CLOCK_BOOTTIME")
    same([get(p[name])[1] for name in ("long", "date", "beat", "quiet")], [30.0, 20.0, 0.5, 0.0], "intervals")
    same(get(p["off"]), (0.0, 0.0), "disarmed timer")
    for name, was in p["cpu left"].items():
        left, interval = get(p[name])
        near(left, was[0], f"left of {name}", MARGIN)
        same(interval, was[1], f"interval of {name}")
    arm(p["beat"], 0.2, 0.2)
    for _ in range(2):
        same(take(20), (RT, -2, p["beat"], 77), "signal of the beat")  # SI_TIMER
    arm(p["beat"], 0)
    arm(p["long"], 0.1)
    same(take(20), (RT, -2, p["long"], 0x123456789ab), "signal of the long timer")
    arm(p["cpu"], 0.05)
    until = time.monotonic() + 20
    while RT not in signal.sigpending() and time.monotonic() < until:
        pass
    same(take(1)[:3], (RT, -2, p["cpu"]), "signal of CPU time")


held(setup, check)
