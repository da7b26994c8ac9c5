# SPDX-License-Identifier: GPL-2.0-only
"""Event counters: values, a semaphore, one shared by dup and by fork, one that a process waits on, a full one."""

import os
import signal

from held import held, same

FULL = (1 << 64) - 2


def setup():
    p = {"five": os.eventfd(5, os.EFD_NONBLOCK), "three": os.eventfd(3, os.EFD_SEMAPHORE)}
    p["empty"] = os.eventfd(0, os.EFD_NONBLOCK)
    p["full"] = os.eventfd(0, os.EFD_NONBLOCK)
    os.eventfd_write(p["full"], FULL)
    p["dup"] = os.dup(p["five"])
    p["ask"], p["answer"] = os.eventfd(0), os.eventfd(0)
    p["child"] = os.fork()
    if not p["child"]:
        while True:
            os.eventfd_write(p["answer"], os.eventfd_read(p["ask"]) * 2)
    return p


def blocks(call, *args):
    try:
        call(*args)
    except BlockingIOError:
        return True
    return False


def check(p):
    same(os.eventfd_read(p["dup"]), 5, "counter, read through a duplicate")
    assert blocks(os.eventfd_read, p["five"]), "the counter is not shared with its duplicate"
    same([os.eventfd_read(p["three"]) for _ in range(3)], [1, 1, 1], "semaphore")
    assert not os.get_blocking(p["empty"]) and blocks(os.eventfd_read, p["empty"]), "the empty counter"
    assert blocks(os.eventfd_write, p["full"], 1), "the full counter takes more"
    same(os.eventfd_read(p["full"]), FULL, "full counter")
    os.eventfd_write(p["ask"], 21)
    same(os.eventfd_read(p["answer"]), 42, "the waiting process's answer")
    os.kill(p["child"], signal.SIGKILL)


held(setup, check)
