# SPDX-License-Identifier: GPL-2.0-only
"""A program that computes in AVX registers: all 16 of them, in full width, as if nothing had been."""

import os
import signal
import sys

from demo import STATE, NOTES, command_line, kernel, leave, load, main, more, same, save, wait_until

ANSWER = os.path.join(STATE, "avx")


def ask(pid):
    """Additions made so far and the lanes that are wrong."""
    if os.path.exists(ANSWER):
        os.unlink(ANSWER)
    os.kill(pid, signal.SIGUSR1)

    def told():
        if os.path.exists(ANSWER):
            with open(ANSWER, encoding="ascii") as text:
                return [int(word) for word in text.read().split()]
        return command_line(pid) and None
    return wait_until(told, f"process {pid}")


def start():
    with open("/proc/cpuinfo", encoding="ascii") as text:
        if " avx " not in text.read():
            sys.exit("the CPU has no AVX")
    pid = leave([os.path.join(os.environ["CASE_BIN"], "avx"), ANSWER])
    told = wait_until(lambda: os.path.exists(ANSWER) and ask(pid), "the program")
    same(told[1], 0, "wrong lanes")
    save(NOTES, {"pid": pid, "additions": told[0], "secret": told[2]})


def verify():
    was = load(NOTES)
    pid = was["pid"]
    same(os.path.basename(command_line(pid)[0]), "avx", "command line")
    now = ask(pid)
    again = ask(pid)
    for told in now, again:
        same(told[1], 0, "wrong lanes")
        same(told[2], was["secret"], "secret")
    more(now[0], was["additions"], "additions")
    more(again[0], now[0], "additions by now")
    save(NOTES, {"pid": pid, "additions": again[0], "secret": was["secret"]})
    print(f"PID {pid}, ymm0 to ymm15 right in all 64 lanes, additions {was['additions']} -> {again[0]}, "
          f"under {kernel()}")


main(None, start, verify)
