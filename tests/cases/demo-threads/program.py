# SPDX-License-Identifier: GPL-2.0-only
"""A Python program with threads and 200 MB of data: same data, same threads, same open file, and it goes on."""

import os
import random
import threading
import time
import zlib

from demo import STATE, NOTES, answer, ask, command_line, kernel, leave_self, load, main, more, open_file, same, save

RECORDS, RECORD, THREADS = 3200, 65536, 4


def run():
    chance = random.Random(1)
    data = {f"record {n}": {"bytes": chance.randbytes(RECORD), "seen": 0} for n in range(RECORDS)}
    sums = {name: zlib.crc32(record["bytes"]) for name, record in data.items()}
    turns, wrong, idents = [0] * THREADS, [], [0] * THREADS
    log = open(os.path.join(STATE, "log"), "w", buffering=1, encoding="ascii")

    def worker(me):
        idents[me] = threading.get_native_id()
        mine = random.Random(me)
        while True:
            name = f"record {mine.randrange(RECORDS)}"
            if zlib.crc32(data[name]["bytes"]) != sums[name]:
                wrong.append(name)
            data[name]["seen"] += 1
            turns[me] += 1
            time.sleep(0.05)

    def report():
        whole = 0
        for record in data.values():
            whole = zlib.crc32(record["bytes"], whole)
        return {"checksum": whole, "bytes": sum(len(record["bytes"]) for record in data.values()),
                "turns": list(turns), "threads": list(idents), "wrong": wrong, "log": log.fileno()}

    for me in range(THREADS):
        threading.Thread(target=worker, args=(me,), daemon=True).start()
    while not all(turns):
        time.sleep(0.05)
    answer(report)
    while True:
        log.write(f"{sum(turns)}\n")
        time.sleep(0.2)


def start():
    told = leave_self()
    told["file"] = open_file(told["pid"], told["log"])
    save(NOTES, told)


def verify():
    was = load(NOTES)
    pid = was["pid"]
    same(command_line(pid)[-1], "run", "command line")
    now = ask(pid)
    for what in "secret", "checksum", "bytes", "threads", "log":
        same(now[what], was[what], what)
    same(now["bytes"], RECORDS * RECORD, "size")
    same(now["wrong"], [], "records that a thread found damaged")
    same(sorted(int(tid) for tid in os.listdir(f"/proc/{pid}/task")), sorted(was["threads"] + [pid]), "threads")
    now["file"] = open_file(pid, now["log"])
    for what in "path", "inode":
        same(now["file"][what], was["file"][what], "open file")
    more(now["file"]["position"], was["file"]["position"], "position in the open file")
    again = ask(pid)
    for me in range(THREADS):
        more(now["turns"][me], was["turns"][me], f"turns of thread {me}")
        more(again["turns"][me], now["turns"][me], f"turns of thread {me} by now")
    with open(was["file"]["path"], encoding="ascii") as text:
        lines = [int(line) for line in text.read().split("\n")[:-1]]
    same(lines, sorted(lines), "order of the lines in the file")
    save(NOTES, dict(again, file=now["file"]))
    print(f"PID {pid} and its {THREADS} threads, {now['bytes'] >> 20} MB with checksum {now['checksum']:08x} as before, "
          f"log file open at byte {now['file']['position']}, turns {sum(was['turns'])} -> {sum(again['turns'])}, "
          f"under {kernel()}")


main(run, start, verify)
