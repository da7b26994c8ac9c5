# SPDX-License-Identifier: GPL-2.0-only
"""What the programs of the demo have in common: they run for good, and tell of themselves when asked.

A program calls main(run, start, verify).  `run` is the program that lives through the switch: it calls answer(report),
and whenever it gets SIGUSR1 writes what report() returns, a dictionary, to a file.  A secret that only its memory holds
is in each answer: a program that was started anew cannot know it.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import time

STATE = os.environ.get("CASE_STATE", "/var/tmp/case-state")
ANSWER = os.path.join(STATE, "answer")
NOTES = os.path.join(STATE, "notes")
PATIENCE = 150


def save(path, what):
    with open(path + ".new", "w", encoding="utf-8") as out:
        json.dump(what, out)
    os.rename(path + ".new", path)


def load(path):
    with open(path, encoding="utf-8") as text:
        return json.load(text)


def wait_until(told, what):
    """What told() returns, once that is something."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = told()
        if found:
            return found
        time.sleep(0.05)
    sys.exit(f"{what}: nothing in {PATIENCE} s")


def answer(report):
    """Answer from now on; in the program."""
    secret = secrets.token_hex(8)
    signal.signal(signal.SIGUSR1, lambda *_: save(ANSWER, dict(report(), secret=secret, pid=os.getpid())))
    save(os.path.join(STATE, "up"), os.getpid())


def ask(pid):
    """What the program says now."""
    if os.path.exists(ANSWER):
        os.unlink(ANSWER)
    os.kill(pid, signal.SIGUSR1)

    def told():
        if os.path.exists(ANSWER):
            return load(ANSWER)
        if not os.path.exists(f"/proc/{pid}"):
            sys.exit(f"process {pid} has died of the question")
        return None
    return wait_until(told, f"process {pid}")


def leave(argv):
    """Start a program that stays when the case's start has ended; its PID."""
    os.makedirs(STATE, exist_ok=True)
    with open(os.path.join(STATE, "output"), "wb") as out:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True).pid


def leave_self():
    """Start this case's program; its first answer."""
    pid = leave([sys.executable, "-B", os.path.abspath(sys.argv[0]), "run"])

    def up():
        if os.waitpid(pid, os.WNOHANG) != (0, 0):
            with open(os.path.join(STATE, "output"), encoding="utf-8") as text:
                sys.exit(text.read() or "the program has ended")
        return os.path.exists(os.path.join(STATE, "up"))
    wait_until(up, "the program")
    return ask(pid)


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as text:
            return text.read().decode().split("\0")[:-1]
    except FileNotFoundError:
        sys.exit(f"process {pid} is gone")


def open_file(pid, fd):
    """Which file a descriptor of a process is, and where it stands."""
    st = os.stat(f"/proc/{pid}/fd/{fd}")
    with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as text:
        position = int(text.readline().split()[1])
    return {"path": os.readlink(f"/proc/{pid}/fd/{fd}"), "inode": st.st_ino, "position": position}


def same(is_now, was, what):
    if is_now != was:
        sys.exit(f"{what}: {is_now!r}, not {was!r}")


def more(is_now, was, what):
    if not is_now > was:
        sys.exit(f"{what}: {is_now!r}, no more than {was!r}")


def kernel():
    return os.uname().release


def main(run, start, verify):
    action = {"run": run, "start": start, "verify": verify}.get("".join(sys.argv[1:2]))
    if not action:
        sys.exit("usage: run|start|verify")
    action()
