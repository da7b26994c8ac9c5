# SPDX-License-Identifier: GPL-2.0-only
"""Deleted files with more contents than an image keeps: refused by process and descriptor, and as before after it."""

import os

from held import held, same
from refused import is_refused

PATH, MIB = "/var/tmp/case-too-much", 1 << 20


def setup():
    fd = os.open(PATH, os.O_RDWR | os.O_CREAT, 0o600)
    os.posix_fallocate(fd, 0, 257 * MIB)
    os.pwrite(fd, b"end", 257 * MIB - 3)
    os.unlink(PATH)
    return fd


def check(fd):
    same(os.pread(fd, 3, 257 * MIB - 3), b"end", "contents")
    same(os.fstat(fd).st_nlink, 0, "links")
    is_refused(os.getpid(), f"fd {fd}", "more than 256 MB together")
    os.close(fd)


held(setup, check)
