# SPDX-License-Identifier: GPL-2.0-only
"""A file on a second disk: held open, read and written on."""
import os

from held import held, same

LINES = "/mnt/lines"


def setup():
    lines = open(LINES, "r+")
    return lines, lines.read()


def check(things):
    lines, content = things
    same(os.path.ismount("/mnt"), True, "/mnt is a mount")
    same(os.path.samestat(os.fstat(lines.fileno()), os.stat(LINES)), True, "the file is the one of the path")
    same(lines.tell(), len(content), "position")
    lines.seek(0)
    same(lines.read(), content, "contents")
    lines.write("after\n")
    lines.flush()
    os.fsync(lines.fileno())


held(setup, check)
