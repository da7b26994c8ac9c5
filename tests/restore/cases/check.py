# SPDX-License-Identifier: GPL-2.0-only
"""What the programs under restore say: they check themselves once they are somewhere else."""
import sys
import time


def wait_switch(limit=120):
    """Return when the monotonic clock has made the jump that the test gives it."""
    # read first: the switch may come as soon as it is said
    last = start = time.monotonic()
    print("ready", flush=True)
    while True:
        now = time.monotonic()
        if now - last > 500:
            return
        if now - start > limit:
            print("not ok: never switched", flush=True)
            sys.exit(1)
        last = now
        time.sleep(0.05)


def check(what, good):
    print(("ok: " if good else "not ok: ") + what, flush=True)


def done():
    print("done", flush=True)
    time.sleep(1000)
