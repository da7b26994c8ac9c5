# SPDX-License-Identifier: GPL-2.0-only
"""epoll: data words, edge-triggered and one-shot entries, an entry whose number is another file's by now, a set within
a set, a process that sleeps in epoll_wait."""

import os
import select
import signal
import struct

from held import held, same
from libc import buffer, call, fdinfo

IN, ET, ONESHOT = select.EPOLLIN, 1 << 31, 1 << 30


def add(epoll, fd, events, data):
    call("epoll_ctl", epoll, 1, fd, buffer(struct.pack("=IQ", events, data)))


def ready(epoll, timeout=0):
    events = buffer(12 * 16)
    count = call("epoll_wait", epoll, events, 16, timeout)
    return sorted(struct.unpack_from("=IQ", events, i * 12) for i in range(count))


def entries(epoll):
    """Number, events and data of the entries; what follows tells of inodes."""
    return [line.split("pos:")[0] for line in fdinfo(epoll, "tfd:")]


def setup():
    p = {name: os.eventfd(0) for name in ("plain", "edge", "once", "moved", "spent", "answer")}
    p["set"] = call("epoll_create1", 0)
    add(p["set"], p["plain"], IN, 0x1122334455667788)
    add(p["set"], p["edge"], IN | ET, 2)
    add(p["set"], p["once"], IN | ONESHOT, 3)
    add(p["set"], p["spent"], IN | ONESHOT, 5)
    os.eventfd_write(p["spent"], 1)
    same(ready(p["set"]), [(IN, 5)], "before")
    # the entry keeps the number that its file had when it was added
    number = p["moved"]
    add(p["set"], number, IN, 4)
    p["moved"] = os.dup(number)
    os.dup2(p["plain"], number)
    p["outer"] = call("epoll_create1", 0o2000000)
    add(p["outer"], p["set"], IN, 6)
    p["entries"] = [entries(p["set"]), entries(p["outer"])]
    p["child set"] = call("epoll_create1", 0)
    p["ask"] = os.eventfd(0)
    add(p["child set"], p["ask"], IN, 7)
    p["child"] = os.fork()
    if not p["child"]:
        while True:
            try:
                for _, data in ready(p["child set"], -1):
                    os.eventfd_write(p["answer"], os.eventfd_read(p["ask"]) + data)
            except InterruptedError:
                pass # what a freeze does to epoll_wait
    return p


def numbers(lists):
    return [[line.split()[1] + line.split("data:")[1] for line in one] for one in lists]


def check(p):
    same(numbers([entries(p["set"]), entries(p["outer"])]), numbers(p["entries"]), "entries")
    same(ready(p["set"]), [], "nothing is ready")
    for name, data in ("plain", 0x1122334455667788), ("moved", 4), ("edge", 2), ("once", 3):
        os.eventfd_write(p[name], 1)
        same(ready(p["outer"]), [(IN, 6)], f"outer set, {name}")
        same(ready(p["set"]), [(IN, data)], name)
        if name in ("edge", "once"):
            same(ready(p["set"]), [], f"{name}, a second time")
        os.eventfd_read(p[name])
    os.eventfd_write(p["once"], 1)
    same(ready(p["set"]), [], "a spent one-shot entry")
    os.eventfd_write(p["ask"], 10)
    same(os.eventfd_read(p["answer"]), 17, "the waiting process's answer")
    os.kill(p["child"], signal.SIGKILL)


held(setup, check)
