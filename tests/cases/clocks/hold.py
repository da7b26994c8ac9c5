# SPDX-License-Identifier: GPL-2.0-only
"""Clocks: the wall clock is right, the others go on where they were, by the vDSO, by system call, and for a child. The time
that the machine was off is in the boot clock, and not in the monotonic one. (Without a hibernate there is no such time.)
The hardware's clock is an hour ahead of the wall clock, as where it keeps the time of a zone."""

import os
import struct
import time

import libc
from held import held
from libc import buffer, call, seconds

libc.NUMBERS.update({"clock_gettime": 228, "gettimeofday": 96, "time": 201})
# No machine writes its memory, goes off, passes the boot menu and boots a kernel in less.
LEAST_OFF = 3
BEHIND = 3600
CLOCKS = {"real": 0, "monotonic": 1, "raw": 4, "real coarse": 5, "monotonic coarse": 6, "boot": 7}


def by_call(clock):
    room = buffer(16)
    call("clock_gettime", clock, room)
    return seconds(room)[0]


def now():
    return {name: time.clock_gettime(clock) for name, clock in CLOCKS.items()}


def hardware_clock():
    """Seconds since 1970 by the machine's battery-backed clock, taken for UTC."""
    with open("/sys/class/rtc/rtc0/since_epoch", encoding="ascii") as text:
        return int(text.read())


def setup():
    # once: what else waits for the wall clock is told when it is set
    if abs(time.time() + BEHIND - hardware_clock()) > 5:
        time.clock_settime(time.CLOCK_REALTIME, hardware_clock() - BEHIND)
    return {"before": now(), "ahead": time.time() - hardware_clock()}


def check(p):
    for name, clock in CLOCKS.items():
        a, b, c = time.clock_gettime(clock), by_call(clock), time.clock_gettime(clock)
        assert a <= b + 0.02 and b <= c + 0.02 and c - a < 5, f"{name}: vDSO {a}, call {b}, vDSO {c}"
    was, is_now = p["before"], now()
    gone = {name: is_now[name] - was[name] for name in CLOCKS}
    for name, seconds_gone in gone.items():
        assert seconds_gone > 0, f"{name} went {seconds_gone} s"
    for name in "monotonic", "boot":
        coarse = gone.get(name + " coarse", gone[name])
        assert abs(coarse - gone[name]) < 0.1, f"{name}: {gone[name]} s, coarse {coarse} s"
    assert abs(gone["raw"] - gone["monotonic"]) < 2, f"raw {gone['raw']} s, monotonic {gone['monotonic']} s"
    assert abs(gone["boot"] - gone["real"]) < 3, f"boot clock {gone['boot']} s, wall clock {gone['real']} s"
    off = gone["boot"] - gone["monotonic"]
    assert off > LEAST_OFF, f"monotonic {gone['monotonic']} s, boot {gone['boot']} s: the machine was off for {off} s only"
    ahead = time.time() - hardware_clock()
    assert abs(ahead - p["ahead"]) < 3, f"the wall clock is ahead of the hardware's by {ahead} s, not {p['ahead']} s"
    # a child has the same clocks
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(writer, struct.pack("=2d", time.monotonic(), time.clock_gettime(7)))
        os._exit(0)
    child = struct.unpack("=2d", os.read(reader, 16))
    os.waitpid(pid, 0)
    for name, at in zip(("monotonic", "boot"), child):
        assert 0 <= at - is_now[name] < 20, f"{name} of a child: {at}, here {is_now[name]}"
    with open("/proc/uptime", encoding="ascii") as text:
        uptime = float(text.read().split()[0])
    assert abs(uptime - time.clock_gettime(7)) < 2, f"uptime {uptime} s, boot clock {time.clock_gettime(7)} s"


held(setup, check)
