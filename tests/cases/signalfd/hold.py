# SPDX-License-Identifier: GPL-2.0-only
"""signalfd: its mask, and a signal with a value that is waiting to be read from it."""

import os
import signal
import struct

from held import held, same
from libc import buffer, call, fdinfo

SIGNALS = signal.SIGUSR2, signal.SIGWINCH, signal.SIGRTMIN + 3


def mask(signals):
    return buffer(struct.pack("=Q", sum(1 << (number - 1) for number in signals)))


def queue(signo, value):
    info = struct.pack("=iiiiiIq", signo, 0, -1, 0, os.getpid(), os.getuid(), value)  # SI_QUEUE
    call("rt_sigqueueinfo", os.getpid(), signo, buffer(info.ljust(128, b"\0")))


def setup():
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    p = {"fd": call("signalfd4", -1, mask(SIGNALS), 8, os.O_NONBLOCK)}
    p["info"] = fdinfo(p["fd"], "sigmask:")
    for value in 111, 222:
        queue(signal.SIGRTMIN + 3, value)
    return p


def read(p):
    raw = os.read(p["fd"], 128)
    signo, code, pid, uid, value = struct.unpack_from("=I4xiII", raw) + struct.unpack_from("=Q", raw, 48)
    return signo, code, pid, uid, value


def check(p):
    same(fdinfo(p["fd"], "sigmask:"), p["info"], "mask")
    for value in 111, 222:
        same(read(p), (signal.SIGRTMIN + 3, -1, os.getpid(), os.getuid(), value), "queued signal")
    try:
        read(p)
        raise AssertionError("a signal that nobody sent")
    except BlockingIOError:
        pass
    os.kill(os.getpid(), signal.SIGUSR2)
    same(read(p)[0], signal.SIGUSR2, "new signal")


held(setup, check)
