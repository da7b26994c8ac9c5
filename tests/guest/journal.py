# SPDX-License-Identifier: GPL-2.0-only
"""A program that loses nothing: each record is on the disk before it is acknowledged on the second serial port.

journal.py write    append records until the end of days, a number and a checksum in each line
journal.py check    "COUNT ok", or what is wrong with the file"""

import binascii
import os
import sys
import time

PORT = "/dev/ttyS1"
FILE = "journal"


def record(number):
    text = f"{number:08d} " + "x" * 40
    return f"{text} {binascii.crc32(text.encode()):08x}\n".encode()


def write():
    number = 0
    out = os.open(FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    while True:
        number += 1
        os.write(out, record(number))
        os.fsync(out)
        # Not held open: it is the harness's.
        port = os.open(PORT, os.O_WRONLY | os.O_NOCTTY)
        os.write(port, f"@vm ack {number}\n".encode())
        os.close(port)
        time.sleep(0.2)


def check():
    with open(FILE, "rb") as data:
        lines = data.read().split(b"\n")
    # The last one may have been cut short before it was acknowledged.
    whole = lines[:-1]
    for number, line in enumerate(whole, 1):
        if line + b"\n" != record(number):
            print(f"{number - 1} line {number} is {line[:80]!r}")
            return
    print(f"{len(whole)} ok")


check() if sys.argv[1] == "check" else write()
