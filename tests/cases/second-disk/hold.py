# SPDX-License-Identifier: GPL-2.0-only
"""A file on a second disk: held open, read and written on."""
import os

from held import held, same

LINES = "/mnt/lines"


def setup():
    return open(LINES, "r+")


def check(lines):
    same(os.path.ismount("/mnt"), True, "/mnt is a mount")
    same(os.path.samestat(os.fstat(lines.fileno()), os.stat(LINES)), True, "the file is the one of the path")
    lines.seek(0)
    same(lines.readline(), "before\n", "what was written before")
    lines.seek(0, os.SEEK_END)
    lines.write("after\n")
    lines.flush()
    os.fsync(lines.fileno())


held(setup, check)
