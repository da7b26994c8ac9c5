# SPDX-License-Identifier: GPL-2.0-only
"""Relatives, threads, shared memory, a zombie, a stopped child, a daemon of a dead session."""
import ctypes
import mmap
import os
import hashlib
import signal
import struct
import subprocess
import sys
import threading
import time

from check import check, done, wait_switch

data = [b"x" * 1000 + str(i).encode() for i in range(20000)]


def digest():
    return hashlib.md5(b"".join(data)).hexdigest()


before = digest()
shared = mmap.mmap(-1, 1 << 20)
r, w = os.pipe()
os.write(w, b"in the pipe")
sub = subprocess.Popen(["sh", "-c", "sleep 1000 & exec setsid sleep 1001"], start_new_session=True)
kids = []
for i in range(3):
    pid = os.fork()
    if pid == 0:
        while True:
            time.sleep(0.02)
            shared[i] = (shared[i] + 1) % 256 if digest() == before else 0
    kids.append(pid)
zombie = os.fork()
if zombie == 0:
    os._exit(7)
nobodys = os.fork()
if nobodys == 0:
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    os._exit(8)
killed = os.fork()
if killed == 0:
    os.kill(os.getpid(), signal.SIGTERM)
shot = os.fork()
if shot == 0:
    os.kill(os.getpid(), signal.SIGKILL)
stopped = os.fork()
if stopped == 0:
    os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(3)
seen_stop = os.fork()
if seen_stop == 0:
    os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(4)
os.waitpid(seen_stop, os.WUNTRACED)
starter = os.fork()
if starter == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            time.sleep(0.05)
            shared[200] = os.getppid() == 1 and os.getsid(0) == starter_sid if (
                starter_sid := os.getsid(0)) else 0
            shared[201] = (shared[201] + 1) % 256
    os._exit(0)
os.waitpid(starter, 0)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGRTMIN])
ticks = [0, 0]


def tick(i):
    while True:
        time.sleep(0.02)
        ticks[i] += 1


for i in range(2):
    threading.Thread(target=tick, args=(i,), daemon=True).start()


def capabilities():
    with open(f"/proc/{keeper}/status") as status:
        return [line for line in status if line.startswith("Cap")]


# A capability that is inheritable still, and no more in the bounding set.
keeper = os.fork()
if keeper == 0:
    libc = ctypes.CDLL(None)
    header, data = ctypes.create_string_buffer(struct.pack("=Ii", 0x20080522, 0)), ctypes.create_string_buffer(24)
    libc.capget(header, data)
    sets = list(struct.unpack("=6I", data.raw))
    sets[2] |= 1 << 13
    libc.capset(header, ctypes.create_string_buffer(struct.pack("=6I", *sets)))
    libc.prctl(24, 13, 0, 0, 0)
    signal.pause()
    os._exit(0)
time.sleep(0.3)
had = capabilities()
chld = []
signal.signal(signal.SIGCHLD, lambda *a: chld.append(1))
os.kill(os.getpid(), signal.SIGUSR2)
seen = None
while seen != len(chld):
    seen = len(chld)
    time.sleep(1)
chld.clear()
old_ticks = list(ticks)
old_shared = [shared[i] for i in range(3)] + [shared[201]]
wait_switch()
check("no signal that nobody sent", not chld)
time.sleep(0.5)
check("memory", digest() == before)
check("threads go on", all(b > a for a, b in zip(old_ticks, ticks)))
check("children go on over shared memory",
      all(a != b for a, b in zip(old_shared, [shared[i] for i in range(3)])))
check("a daemon keeps its dead session", shared[200] == 1 and shared[201] != old_shared[3])
check("pipe", os.read(r, 100) == b"in the pipe")
check("pending signal", signal.sigpending() == {signal.SIGUSR2})
check("zombie", os.waitstatus_to_exitcode(os.waitpid(zombie, 0)[1]) == 7)
whose = os.waitid(os.P_PID, nobodys, os.WEXITED)
check("another user's zombie", whose.si_uid == 65534 and whose.si_status == 8)
check("zombie of a signal", os.waitstatus_to_exitcode(os.waitpid(killed, 0)[1]) == -15)
check("zombie of SIGKILL", os.waitstatus_to_exitcode(os.waitpid(shot, 0)[1]) == -9)
pid, status = os.waitpid(stopped, os.WUNTRACED | os.WNOHANG)
check("stopped child is told", pid == stopped and os.WIFSTOPPED(status))
os.kill(stopped, signal.SIGCONT)
check("stopped child goes on", os.waitstatus_to_exitcode(os.waitpid(stopped, 0)[1]) == 3)
os.kill(seen_stop, signal.SIGCONT)
check("stopped child that was told goes on",
      os.waitstatus_to_exitcode(os.waitpid(seen_stop, 0)[1]) == 4)
check("inheritable capability outside the bounding set", had == capabilities() and
      int(had[0].split()[1], 16) & ~int(had[3].split()[1], 16) & 1 << 13)
check("session of a child", os.getsid(sub.pid) == sub.pid)
done()
