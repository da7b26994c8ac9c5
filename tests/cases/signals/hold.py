# SPDX-License-Identifier: GPL-2.0-only
"""Signals: every handler with its flags and mask, blocked and ignored ones, pending ones of the process and of a thread
with order and values, the signal stack, a process asleep in sigsuspend."""

import ctypes
import os
import signal
import struct
import threading
import time

from held import held, same
from libc import buffer, call

RT = signal.SIGRTMIN + 7
QUEUE = -1  # SI_QUEUE
BLOCKED = {signal.SIGUSR2, signal.SIGURG, RT, RT + 1}
SA_RESTART, SA_NODEFER, SA_ONSTACK = 0x10000000, 0x40000000, 0x08000000


def action(number, new=None):
    """struct kernel_sigaction: handler, flags, restorer, mask."""
    old = buffer(32)
    call("rt_sigaction", number, new, old, 8)
    return struct.unpack("=4Q", old.raw)


def actions():
    return [action(number) for number in range(1, 65)]


def change(number, flags, mask):
    handler, old_flags, restorer, _ = action(number)
    action(number, buffer(struct.pack("=4Q", handler, old_flags | flags, restorer, mask)))


def status():
    with open("/proc/self/status", encoding="ascii") as text:
        return [line for line in text if line.startswith(("SigP", "SigB", "SigI", "SigC", "Shd"))]


def queue(signo, value, tid=None):
    info = buffer(struct.pack("=iiiiiIq", signo, 0, QUEUE, 0, os.getpid(), os.getuid(), value).ljust(128, b"\0"))
    if tid:
        call("rt_tgsigqueueinfo", os.getpid(), tid, signo, info)
    else:
        call("rt_sigqueueinfo", os.getpid(), signo, info)


def take(signals):
    info = buffer(128)
    mask = sum(1 << (number - 1) for number in signals)
    call("rt_sigtimedwait", buffer(struct.pack("=Q", mask)), info, buffer(16), 8)
    return struct.unpack_from("=i4xi4xiIq", info)


def stack():
    raw = buffer(24)
    call("sigaltstack", None, raw)
    return struct.unpack("=Qi4xQ", raw.raw)


def other(p):
    p["tid"] = call("gettid")
    while "ask" not in p:
        time.sleep(0.1)
    p["thread took"] = [take({RT + 1}) for _ in range(2)]


def suspended():
    """Exits when SIGUSR2 comes, which only sigsuspend lets through."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGTERM})
    hits = []
    signal.signal(signal.SIGUSR2, lambda *_: hits.append(1))
    mask = 0xfffffffffffffff & ~(1 << (signal.SIGUSR2 - 1))
    try:
        call("rt_sigsuspend", buffer(struct.pack("=Q", mask)), 8)
    except InterruptedError:
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, set())
        os._exit(7 if hits and {signal.SIGUSR2, signal.SIGTERM} <= blocked else 8)
    os._exit(9)


def setup():
    p = {"hits": []}
    p["child"] = os.fork()
    if not p["child"]:
        suspended()
    for number in signal.SIGHUP, signal.SIGTERM, signal.SIGWINCH, RT + 2:
        signal.signal(number, lambda number, _: p["hits"].append(number))
    change(signal.SIGHUP, SA_RESTART, 1 << 20)
    change(signal.SIGTERM, SA_NODEFER | SA_ONSTACK, 0xff000)
    for number in signal.SIGTTOU, signal.SIGTSTP, RT + 3:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)
    p["memory"] = ctypes.create_string_buffer(65536)
    call("sigaltstack", buffer(struct.pack("=Qi4xQ", ctypes.addressof(p["memory"]), 0, 65536)), None)
    p["thread"] = threading.Thread(target=other, args=[p], daemon=True)
    p["thread"].start()
    while "tid" not in p:
        time.sleep(0.05)
    for value in 10, -20, 30:
        queue(RT, value)
    queue(RT + 1, 41, p["tid"])
    queue(RT + 1, 42, p["tid"])
    os.kill(os.getpid(), signal.SIGUSR2)
    signal.pthread_kill(threading.get_ident(), signal.SIGURG)
    p["was"] = actions(), status(), stack()
    return p


def check(p):
    for is_now, was, what in zip((actions(), status(), stack()), p["was"], ("handlers", "masks", "stack")):
        same(is_now, was, what)
    me = os.getpid(), os.getuid()
    for value in 10, -20, 30:
        same(take({RT}), (RT, QUEUE, *me, value), "queued signal")
    same(take({signal.SIGUSR2})[:4], (signal.SIGUSR2, 0, *me), "pending signal of kill")
    same(take({signal.SIGURG})[:4], (signal.SIGURG, -6, *me), "pending signal of tgkill")
    p["ask"] = True
    p["thread"].join(20)
    same(p["thread took"], [(RT + 1, QUEUE, *me, value) for value in (41, 42)], "the thread's signals")
    for number in signal.SIGHUP, signal.SIGTERM, RT + 2:
        os.kill(os.getpid(), number)
    same(sorted(p["hits"]), sorted([signal.SIGHUP, signal.SIGTERM, RT + 2]), "handlers called")
    os.kill(os.getpid(), signal.SIGTTOU)
    os.kill(p["child"], signal.SIGTERM)
    os.kill(p["child"], signal.SIGUSR2)
    same(os.waitstatus_to_exitcode(os.waitpid(p["child"], 0)[1]), 7, "the process in sigsuspend")


held(setup, check)
