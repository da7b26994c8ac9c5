# SPDX-License-Identifier: GPL-2.0-only
"""Processor state: general registers and flags, x87, SSE, the base of gs, restartable sequences, robust mutexes."""

import os
import signal
import subprocess
import time

from held import STATE, held, same

ANSWER = os.path.join(STATE, "cpu.answer")


def lines(count):
    for _ in range(2000):
        if os.path.exists(ANSWER):
            with open(ANSWER, encoding="ascii") as text:
                said = text.read().split("\n")[:-1]
            if len(said) >= count:
                return said
        time.sleep(0.1)
    raise AssertionError("the program says nothing")


def setup():
    if os.path.exists(ANSWER):
        os.unlink(ANSWER)
    program = subprocess.Popen([os.path.join(os.environ["CASE_BIN"], "cpu"), ANSWER])
    same(lines(1), ["up"], "the program")
    return program


def check(program):
    assert program.poll() is None, f"the program has ended with {program.returncode}"
    program.send_signal(signal.SIGUSR1)
    same(lines(2)[1], "ok", "the program")
    same(program.wait(), 0, "its end")


held(setup, check)
