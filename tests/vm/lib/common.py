# SPDX-License-Identifier: GPL-2.0-only
"""Paths, processes and locks that all parts of the virtual-machine harness share."""

import contextlib
import fcntl
import glob
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time

VM_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
REPO = os.path.dirname(os.path.dirname(VM_DIR))
CACHE = os.environ.get("OVERLAYCTL_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "overlayctl")
MIB = 1 << 20
KEEP_LOGS = 60


class HarnessError(Exception):
    """What the harness cannot do, told to the user without a traceback."""


class Timeout(HarnessError):
    """The machine gave no sign of life for too long."""


def say(text):
    print(f"vm: {text}", file=sys.stderr, flush=True)


def begin():
    """Prepare for a run: become root (disks need loop devices and mounts), end tidily, clear the cache's litter."""
    if os.geteuid() != 0:
        keep = f"OVERLAYCTL_CACHE={CACHE}"
        os.execvp("sudo", ["sudo", keep, sys.executable] + sys.argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.makedirs(CACHE, exist_ok=True)
    for kind in ("run", "switch", "faults", "shell", "install", "base", "packages", "root", "tool"):
        # What a killed run left behind.
        for path in glob.glob(os.path.join(CACHE, kind + "*.????????")):
            if os.path.getmtime(path) < time.time() - 86400:
                shutil.rmtree(path, ignore_errors=True)
    logs = sorted(glob.glob(os.path.join(CACHE, "logs", "*")), key=os.path.getmtime)
    for path in logs[:-KEEP_LOGS]:
        shutil.rmtree(path, ignore_errors=True) if os.path.isdir(path) else os.unlink(path)


def run(argv, log=None, **kwargs):
    """Run argv; its output goes to the file `log`, whose end the error shows."""
    if log is None:
        return subprocess.run(argv, check=True, **kwargs)
    with open(log, "ab") as out:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, **kwargs)
    if done.returncode != 0:
        with open(log, errors="replace") as text:
            tail = "".join(text.readlines()[-25:])
        raise HarnessError(f"{os.path.basename(argv[0])} ended with {done.returncode}; {log} ends:\n{tail}")
    return done


@contextlib.contextmanager
def locked(name):
    """Hold the cache's lock `name`: one builder of a disk at a time, the others find it built."""
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, name + ".lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process that builds {name}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def hash_tree(*paths):
    """A key for what is in files and folders: names, modes, link targets and contents."""
    digest = hashlib.sha256()
    for top in paths:
        if os.path.isdir(top):
            names = [os.path.join(d, n) for d, dirs, files in os.walk(top) for n in dirs + files
                     if "__pycache__" not in os.path.join(d, n)]
        else:
            names = [top]
        for name in sorted(names):
            st = os.lstat(name)
            digest.update(f"{os.path.relpath(name, top)}\0{st.st_mode:o}\0".encode())
            if os.path.islink(name):
                digest.update(os.readlink(name).encode())
            elif os.path.isfile(name):
                with open(name, "rb") as data:
                    digest.update(data.read())
    return digest.hexdigest()[:16]


class Stages:
    """Times of the stages of a run, said as they end."""

    def __init__(self, tell=say):
        self.tell = tell
        self.rows = []
        self.began = time.monotonic()

    def done(self, name):
        now = time.monotonic()
        self.rows.append((name, now - self.began))
        self.tell(f"{name}: {now - self.began:.1f} s")
        self.began = now

    def table(self):
        width = max((len(name) for name, _ in self.rows), default=0)
        lines = [f"  {name:<{width}}  {took:7.1f} s" for name, took in self.rows]
        lines.append(f"  {'total':<{width}}  {sum(t for _, t in self.rows):7.1f} s")
        return "\n".join(lines)
