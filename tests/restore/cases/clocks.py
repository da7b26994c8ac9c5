# SPDX-License-Identifier: GPL-2.0-only
"""Clocks by way of the vDSO, while threads are busy in it."""
import ctypes
import threading
import time

from check import check, done, wait_switch


def spin():
    while True:
        time.perf_counter()


for _ in range(2):
    threading.Thread(target=spin, daemon=True).start()
wait_switch()
libc = ctypes.CDLL(None)
vdso, raw = time.monotonic(), (ctypes.c_long * 2)()
libc.syscall(228, 1, raw)  # clock_gettime without the vDSO
check("monotonic is what the kernel says", abs(raw[0] + raw[1] / 1e9 - vdso) < 2)
vdso = time.time()
libc.syscall(228, 0, raw)
check("so is realtime", abs(raw[0] + raw[1] / 1e9 - vdso) < 2)
a = time.monotonic()
time.sleep(0.2)
check("time goes on", 0.15 < time.monotonic() - a < 5)
done()
