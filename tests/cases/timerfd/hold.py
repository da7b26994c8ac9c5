# SPDX-License-Identifier: GPL-2.0-only
"""timerfd: one-shot and periodic timers of several clocks, relative and of a date, a disarmed one, unread ticks."""

import errno
import os
import select
import struct
import time

from held import held, same
from libc import buffer, call, near, seconds, spec

REALTIME, MONOTONIC, BOOTTIME, BOOTTIME_ALARM = 0, 1, 7, 9
ABSTIME, CANCEL_ON_SET = 1, 2


def timer(clock, flags, value, interval=0.0):
    fd = call("timerfd_create", clock, os.O_NONBLOCK)
    call("timerfd_settime", fd, flags, spec(interval, value), None)
    return fd


def left(fd):
    now = buffer(32)
    call("timerfd_gettime", fd, now)
    return seconds(now)[1]


def ticks(fd):
    return struct.unpack("=Q", os.read(fd, 8))[0]


def cancelled(fd):
    """Was the clock set since this was asked last?"""
    try:
        ticks(fd)
    except BlockingIOError:
        return False
    except OSError as error:
        same(error.errno, errno.ECANCELED, "reading the timer of a date")
        return True
    raise AssertionError("the date is here already")


def setup():
    now = time.clock_gettime
    p = {
        "shot": timer(MONOTONIC, 0, 5000),
        "period": timer(BOOTTIME, 0, 4000, 12.5),
        "date": timer(REALTIME, ABSTIME | CANCEL_ON_SET, now(time.CLOCK_REALTIME) + 6000, 60),
        "moment": timer(MONOTONIC, ABSTIME, now(time.CLOCK_MONOTONIC) + 3000),
        "alarm": timer(BOOTTIME_ALARM, 0, 2000),
        "disarmed": timer(MONOTONIC, 0, 0),
        "fired": timer(MONOTONIC, 0, 0.01),
        "beat": timer(MONOTONIC, 0, 0.01, 0.5),
    }
    p["began"] = now(time.CLOCK_MONOTONIC)
    p["end"] = p["began"] + left(p["shot"])
    p["boot end"] = now(time.CLOCK_BOOTTIME) + left(p["period"])
    p["alarm end"] = now(time.CLOCK_BOOTTIME) + left(p["alarm"])
    p["date end"] = now(time.CLOCK_REALTIME) + left(p["date"])
    p["moment end"] = now(time.CLOCK_MONOTONIC) + left(p["moment"])
    select.select([p["beat"]], [], [], 5)
    select.select([p["fired"]], [], [], 5)
    return p


def check(p):
    now = time.clock_gettime
    count, mono = ticks(p["beat"]), now(time.CLOCK_MONOTONIC)
    near(count, (mono - p["began"]) / 0.5, "ticks of the beat", 6)
    near(now(time.CLOCK_MONOTONIC) + left(p["shot"]), p["end"], "end")
    near(now(time.CLOCK_BOOTTIME) + left(p["period"]), p["boot end"], "end by CLOCK_BOOTTIME")
    near(now(time.CLOCK_BOOTTIME) + left(p["alarm"]), p["alarm end"], "end by CLOCK_BOOTTIME_ALARM")
    near(now(time.CLOCK_REALTIME) + left(p["date"]), p["date end"], "date")
    assert cancelled(p["date"]), "whoever waits for the clock to be set did not hear of the time that was slept through"
    near(now(time.CLOCK_MONOTONIC) + left(p["moment"]), p["moment end"], "moment")
    same(left(p["disarmed"]), 0.0, "disarmed timer")
    same((left(p["fired"]), ticks(p["fired"])), (0.0, 1), "timer that has fired")
    old = buffer(32)
    call("timerfd_settime", p["period"], 0, spec(0, 1000), old)
    near(seconds(old)[0], 12.5, "period", 0.001)
    call("timerfd_settime", p["shot"], 0, spec(0, 0.2), None)
    assert select.select([p["shot"]], [], [], 10)[0], "the timer does not fire"
    before = ticks(p["beat"]) if select.select([p["beat"]], [], [], 5)[0] else 0
    assert before, "the beat has stopped"


held(setup, check)
