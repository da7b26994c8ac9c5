# SPDX-License-Identifier: GPL-2.0-only
"""System calls that Python has no function for."""

import ctypes
import os
import struct

NUMBERS = {
    "poll": 7, "rt_sigaction": 13, "select": 23, "nanosleep": 35, "getitimer": 36, "setitimer": 38, "gettid": 186,
    "futex": 202, "timer_create": 222, "timer_settime": 223, "timer_gettime": 224, "timer_getoverrun": 225, "timer_delete": 226,
    "clock_nanosleep": 230, "epoll_ctl": 233, "inotify_add_watch": 254, "inotify_rm_watch": 255,
    "timerfd_settime": 286, "timerfd_create": 283, "timerfd_gettime": 287, "signalfd4": 289, "epoll_create1": 291,
    "inotify_init1": 294, "rt_tgsigqueueinfo": 297, "rt_sigtimedwait": 128, "rt_sigqueueinfo": 129,
    "sigaltstack": 131, "rt_sigsuspend": 130, "epoll_pwait2": 441, "epoll_wait": 232,
}
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long


def call(name, *args):
    """The result of a system call; OSError when it fails.  Arguments are integers, None and buffers."""
    raw = [arg if arg is None or isinstance(arg, ctypes.Array) else ctypes.c_long(arg) for arg in args]
    result = LIBC.syscall(ctypes.c_long(NUMBERS[name]), *raw)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def buffer(data):
    """A buffer that a system call may write to; an integer is its size."""
    return ctypes.create_string_buffer(data, data if isinstance(data, int) else len(data))


def spec(*seconds):
    """One or more struct timespec."""
    words = []
    for value in seconds:
        words += [int(value), int(value % 1 * 1e9)]
    return buffer(struct.pack(f"={len(words)}q", *words))


def seconds(spec_buffer):
    """The times of one or more struct timespec."""
    words = struct.unpack(f"={len(spec_buffer) // 8}q", spec_buffer.raw)
    return [words[i] + words[i + 1] / 1e9 for i in range(0, len(words), 2)]


def near(is_now, was, what, margin=2.0):
    assert abs(is_now - was) <= margin, f"{what}: {is_now}, not {was}"


def fdinfo(fd, *keys):
    """The lines of a descriptor's fdinfo that begin with one of the keys."""
    with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as info:
        return sorted(line.rstrip() for line in info if line.startswith(keys))
