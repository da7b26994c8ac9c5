# SPDX-License-Identifier: GPL-2.0-only
"""A process that holds something over a switch of the kernel and is asked afterwards whether it still has it.

A case's hold.py calls held(setup, check).  `hold.py start` leaves a daemon behind that has called setup(); `hold.py
verify` has it call check(what setup returned), which raises when something is not as it was, and leaves a new daemon
behind for the next round.  $CASE_STATE is a folder for the pid and the verdict.
"""

import os
import signal
import sys
import time
import traceback

STATE = os.environ.get("CASE_STATE", "/var/tmp/case-state")
PID = os.path.join(STATE, "pid")
VERDICT = os.path.join(STATE, "verdict")
SECONDS = 200


def write(path, text):
    with open(path + ".new", "w", encoding="utf-8") as out:
        out.write(text)
    os.rename(path + ".new", path)


def hold(setup, check):
    os.setsid()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    null = os.open("/dev/null", os.O_RDWR)
    for fd in 0, 1, 2:
        os.dup2(null, fd)
    try:
        things = setup()
        write(PID, f"{os.getpid()}\n")
        signal.sigwait({signal.SIGUSR1})
        check(things)
        verdict = "ok"
    except BaseException:  # pylint: disable=broad-except
        verdict = traceback.format_exc()
    write(VERDICT, verdict + "\n")


def wait_for(path, pid):
    for _ in range(SECONDS * 10):
        if os.path.exists(path):
            return
        time.sleep(0.1)
    sys.exit(f"process {pid} says nothing")


def start(setup, check):
    os.makedirs(STATE, exist_ok=True)
    for path in PID, VERDICT:
        if os.path.exists(path):
            os.unlink(path)
    if os.fork() == 0:
        if os.fork() == 0:
            hold(setup, check)
        os._exit(0)
    os.wait()
    for _ in range(SECONDS * 10):
        if os.path.exists(VERDICT):
            with open(VERDICT, encoding="utf-8") as text:
                sys.exit(text.read())
        if os.path.exists(PID):
            return
        time.sleep(0.1)
    sys.exit("the process is not ready")


def verify(setup, check):
    with open(PID, encoding="utf-8") as text:
        pid = int(text.read())
    with open(f"/proc/{pid}/cmdline", "rb") as cmdline:
        if b"hold.py" not in cmdline.read():
            sys.exit(f"process {pid} is another one")
    os.kill(pid, signal.SIGUSR1)
    wait_for(VERDICT, pid)
    with open(VERDICT, encoding="utf-8") as text:
        verdict = text.read().strip()
    print(verdict)
    if verdict != "ok":
        sys.exit(1)
    while os.path.exists(f"/proc/{pid}"):
        time.sleep(0.1)
    start(setup, check)


def held(setup, check):
    if sys.argv[1:] == ["start"]:
        start(setup, check)
    elif sys.argv[1:] == ["verify"]:
        verify(setup, check)
    else:
        sys.exit("usage: hold.py start|verify")


def same(is_now, was, what):
    assert is_now == was, f"{what}: {is_now!r}, not {was!r}"
