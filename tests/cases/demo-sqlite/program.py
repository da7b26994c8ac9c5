# SPDX-License-Identifier: GPL-2.0-only
"""A database writer in a loop: the database is whole, no acknowledged row is lost, and it goes on."""

import hashlib
import os
import sqlite3
import time

from demo import STATE, NOTES, answer, ask, kernel, leave_self, load, main, more, open_file, same, save, wait_until

DATABASE = os.path.join(STATE, "rows.db")


def content(number):
    return hashlib.sha256(b"row %d" % number).hexdigest() * 4


def run():
    database = sqlite3.connect(DATABASE, isolation_level=None)
    database.execute("create table rows (number integer primary key, content text not null)")
    acknowledged = 0
    files = [fd for fd in os.listdir("/proc/self/fd") if os.path.realpath(f"/proc/self/fd/{fd}") == DATABASE]
    answer(lambda: {"acknowledged": acknowledged, "fd": int(files[0])})
    while True:
        database.execute("begin immediate")
        database.execute("insert into rows values (?, ?)", (acknowledged + 1, content(acknowledged + 1)))
        database.execute("commit")
        acknowledged += 1
        time.sleep(0.1)


def start():
    told = leave_self()
    told["file"] = open_file(told["pid"], told["fd"])
    save(NOTES, told)


def verify():
    was = load(NOTES)
    pid = was["pid"]
    now = ask(pid)
    same(now["secret"], was["secret"], "secret")
    file = open_file(pid, now["fd"])
    same((file["path"], file["inode"]), (was["file"]["path"], was["file"]["inode"]), "open file")
    more(now["acknowledged"], was["acknowledged"], "acknowledged rows")
    wait_until(lambda: ask(pid)["acknowledged"] > now["acknowledged"] + 5, "more rows")
    again = ask(pid)
    database = sqlite3.connect(DATABASE, timeout=120)
    same(database.execute("pragma integrity_check").fetchall(), [("ok",)], "integrity check")
    rows = database.execute("select number, content from rows order by number").fetchall()
    if len(rows) < again["acknowledged"]:
        raise SystemExit(f"{again['acknowledged']} rows were acknowledged, {len(rows)} are there")
    same(rows, [(number, content(number)) for number in range(1, len(rows) + 1)], "rows")
    save(NOTES, dict(again, file=was["file"]))
    print(f"PID {pid}, same open database, integrity_check ok, all {again['acknowledged']} acknowledged rows there "
          f"and right ({was['acknowledged']} at first), under {kernel()}")


main(run, start, verify)
