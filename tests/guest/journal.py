# SPDX-License-Identifier: GPL-2.0-only
"""A program that loses nothing: each record is on the disk before it is acknowledged on the second serial port.

journal.py write    append records until the end of days: a number, the kernel's release and a checksum in each line
journal.py check    "COUNT ok RELEASE:COUNT ...", the records in a row under each kernel, or what is wrong"""

import binascii
import os
import sys
import time

PORT = "/dev/ttyS1"
FILE = "journal"


def record(number, release):
    text = f"{number:08d} {release} " + "x" * 40
    return f"{text} {binascii.crc32(text.encode()):08x}\n".encode()


def write():
    number = 0
    out = os.open(FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    while True:
        number += 1
        os.write(out, record(number, os.uname().release))
        os.fsync(out)
        # Not held open: it is the harness's.
        port = os.open(PORT, os.O_WRONLY | os.O_NOCTTY)
        os.write(port, f"@vm ack {number}\n".encode())
        os.close(port)
        time.sleep(0.2)


def check(data):
    """(number of whole records, [[release, count], ...] in their order, what is wrong or None)"""
    runs = []
    # The last one may have been cut short before it was acknowledged.
    whole = data.split(b"\n")[:-1]
    for number, line in enumerate(whole, 1):
        words = line.decode(errors="replace").split(" ")
        release = words[1] if len(words) > 1 else ""
        if line + b"\n" != record(number, release):
            return number - 1, runs, f"line {number} is {line[:80]!r}"
        if not runs or runs[-1][0] != release:
            runs.append([release, 0])
        runs[-1][1] += 1
    return len(whole), runs, None


def main():
    if sys.argv[1] == "write":
        write()
    with open(FILE, "rb") as data:
        count, runs, wrong = check(data.read())
    print(count, wrong or "ok", *(f"{release}:{n}" for release, n in runs))


if __name__ == "__main__":
    main()
