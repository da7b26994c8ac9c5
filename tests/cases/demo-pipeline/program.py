# SPDX-License-Identifier: GPL-2.0-only
"""A pipeline with data in flight: seq | sed | a slow reader.  No line is lost, doubled or out of order."""

import fcntl
import os
import struct
import subprocess
import termios
import time

from demo import STATE, NOTES, answer, ask, command_line, kernel, leave_self, load, main, more, same, save, wait_until

OUT = os.path.join(STATE, "lines")


def run():
    """The reader, and the shell's part: to start the others."""
    first = subprocess.Popen(["seq", "1", "100000000"], stdout=subprocess.PIPE)
    second = subprocess.Popen(["sed", "s/.*/line &/"], stdin=first.stdout, stdout=subprocess.PIPE)
    first.stdout.close()
    source = second.stdout.fileno()
    count = 0

    def report():
        waiting = struct.unpack("i", fcntl.ioctl(source, termios.FIONREAD, bytes(4)))[0]
        return {"bytes": count, "in flight": waiting, "pids": [first.pid, second.pid]}
    answer(report)
    with open(OUT, "wb", buffering=0) as out:
        while True:
            data = os.read(source, 100)
            if not data:
                raise SystemExit("the pipeline has ended")
            out.write(data)
            count += len(data)
            time.sleep(0.05)


def start():
    told = leave_self()
    full = wait_until(lambda: [told for told in [ask(told["pid"])] if told["in flight"] > 60000], "a full pipe")
    save(NOTES, full[0])


def verify():
    was = load(NOTES)
    pid = was["pid"]
    now = ask(pid)
    for what in "secret", "pids":
        same(now[what], was[what], what)
    same(command_line(was["pids"][0]), ["seq", "1", "100000000"], "first of the pipeline")
    same(command_line(was["pids"][1])[0], "sed", "second of the pipeline")
    more(now["bytes"], was["bytes"], "bytes read")
    again = wait_until(lambda: [told for told in [ask(pid)] if told["bytes"] > now["bytes"] + 1000], "more bytes")[0]
    with open(OUT, "rb") as text:
        lines = text.read().split(b"\n")[:-1]
    same(lines, [b"line %d" % number for number in range(1, len(lines) + 1)], "lines")
    # More is on its way.
    more(again["in flight"], 0, "bytes in flight")
    save(NOTES, again)
    print(f"PIDs {was['pids'][0]} | {was['pids'][1]} | {pid}, {was['in flight']} bytes in flight went on, "
          f"{len(lines)} lines in order, none lost or doubled, under {kernel()}")


main(run, start, verify)
