# SPDX-License-Identifier: GPL-2.0-only
"""SysV semaphores and a message queue, which are refused one by one, by number and key: they must be as they were after the refusal."""

import ctypes
import os

from demo import NOTES, kernel, load, main, same, save
from refused import is_refused

LIBC = ctypes.CDLL(None, use_errno=True)
CREATE, RMID, GETVAL, SETVAL, NOWAIT = 0o1000, 0, 12, 16, 0o4000
SEM_KEY, QUEUE_KEY = 0x5eed0011, 0x5eed0012


class Message(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_long), ("text", ctypes.c_char * 16)]


def checked(result, what):
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def start():
    os.makedirs(os.path.dirname(NOTES), exist_ok=True)
    sem = checked(LIBC.semget(SEM_KEY, 3, CREATE | 0o600), "semget")
    queue = checked(LIBC.msgget(QUEUE_KEY, CREATE | 0o600), "msgget")
    checked(LIBC.semctl(sem, 1, SETVAL, 42), "semctl")
    checked(LIBC.msgsnd(queue, ctypes.byref(Message(7, b"still here")), 16, NOWAIT), "msgsnd")
    save(NOTES, {"sem": sem, "queue": queue, "kernel": kernel()})


def verify():
    was, got = load(NOTES), Message()
    same(LIBC.semget(SEM_KEY, 0, 0), was["sem"], "semaphore set of the key")
    same(LIBC.semctl(was["sem"], 1, GETVAL, 0), 42, "value of a semaphore")
    same(LIBC.msgget(QUEUE_KEY, 0), was["queue"], "queue of the key")
    checked(LIBC.msgrcv(was["queue"], ctypes.byref(got), 16, 0, NOWAIT), "msgrcv")
    same((got.kind, got.text), (7, b"still here"), "message")
    checked(LIBC.msgsnd(was["queue"], ctypes.byref(got), 16, NOWAIT), "msgsnd")
    same(kernel(), was["kernel"], "kernel")
    is_refused(0, f"SysV semaphore set {was['sem']} (key {SEM_KEY:#x})", "cannot be carried")
    is_refused(0, f"SysV message queue {was['queue']} (key {QUEUE_KEY:#x})", "cannot be carried")
    print(f"semaphore set {was['sem']} and queue {was['queue']} are as they were and refused, under {kernel()}")


main(None, start, verify)
