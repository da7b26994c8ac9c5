# SPDX-License-Identifier: GPL-2.0-only
"""Pages in swap: right on trial, with swap off and nobody able to turn it on, and right in the old machine again."""

import glob
import subprocess

import memory
from held import held, same
from memory import PAGE, pattern

PAGES = 3000


def on_trial():
    names = [open(path, encoding="ascii").read() for path in glob.glob("/sys/block/dm-*/dm/name")]
    return "overlayctl-trial\n" in names


def areas():
    with open("/proc/swaps", encoding="utf-8") as lines:
        return [line.split()[0] for line in list(lines)[1:]]


def setup():
    where = memory.mmap(PAGES * PAGE)
    memory.poke(where, pattern("swapped", PAGES * PAGE))
    if not on_trial():
        assert areas(), "the machine has no swap"
        memory.madvise(where, PAGES * PAGE, "pageout")
    return where, areas()


def check(things):
    where, were = things
    if on_trial():
        same(areas(), [], "swap areas in use")
        for area in were:
            same(subprocess.run(["swapon", area], check=False, capture_output=True).returncode != 0, True,
                 f"swap on {area} is refused")
    else:
        same(areas(), were or areas(), "swap areas in use")
    same(memory.peek(where, PAGES * PAGE), pattern("swapped", PAGES * PAGE), "memory")


held(setup, check)
