# SPDX-License-Identifier: GPL-2.0-only
"""A census of the machine: init, what it has started until it began to run the cases (udevd, the daemons, the gettys), and
who runs them. Each is there still, the same and not one like it: numbers, names, ids, folders, environment, descriptors,
and the bytes that the kernel gave its program when that began.

What comes and goes is left out: what is not init's child (udevd's workers, cron's jobs), and what began after that, the
processes of other cases. Of the one who runs the cases no descriptors are compared. A descriptor more than before may only
be a log: rsyslogd opens one when its first line comes."""

import hashlib
import json
import os
import re
import struct
import sys
import time

STATE = os.environ.get("CASE_STATE", "/var/tmp/case-state")
NOTES = os.path.join(STATE, "census")
# Without these it is no census of a machine.
DAEMONS = {"init", "systemd-udevd", "rsyslogd", "cron", "getty"}
SECONDS = 60
PARENT, GROUP, SESSION, TERMINAL, FOREGROUND, BEGAN = 1, 2, 3, 4, 5, 19
AT_RANDOM = 25


def read(pid, name):
    with open(f"/proc/{pid}/{name}", "rb") as data:
        return data.read()


def stat(pid):
    return read(pid, "stat").decode(errors="replace").rpartition(")")[2].split()


def numbers():
    """All processes, with what stat has of each behind its name."""
    found = {}
    for name in os.listdir("/proc"):
        try:
            if name.isdigit():
                found[int(name)] = stat(name)
        except (ProcessLookupError, FileNotFoundError):
            pass
    return found


def random_bytes(pid):
    """Where a program finds 16 random bytes of the kernel's, and which: each that is started has others."""
    pairs = struct.iter_unpack("=QQ", read(pid, "auxv"))
    address = next(value for key, value in pairs if key == AT_RANDOM)
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        return f"{address:#x}: {memory.read(16).hex()}"


def descriptors(pid):
    found = {}
    for fd in sorted(os.listdir(f"/proc/{pid}/fd"), key=int):
        flags = re.search(rb"flags:\t(\d+)", read(pid, "fdinfo/" + fd))[1].decode()
        found[fd] = [os.readlink(f"/proc/{pid}/fd/{fd}"), flags]
    return found


def told(pid, with_descriptors):
    now = stat(pid)
    facts = dict(zip(("parent", "group", "session", "terminal", "foreground group"), now[PARENT:FOREGROUND + 1]))
    for line in read(pid, "status").decode(errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name in ("Name", "Uid", "Gid", "Groups", "Umask"):
            facts[name] = value.split()
    for link in "exe", "cwd", "root":
        facts[link] = os.readlink(f"/proc/{pid}/{link}")
    facts["command line"] = read(pid, "cmdline").decode(errors="replace").split("\0")
    facts["environment"] = hashlib.sha256(read(pid, "environ")).hexdigest()
    facts["bytes of the kernel's"] = random_bytes(pid)
    if with_descriptors:
        facts["descriptors"] = descriptors(pid)
    return facts


def with_numbers_of_its_own(fds):
    """pipe:[4711] by the order in which they come: the number is the kernel's, which of them are one is the process's."""
    seen = {}
    plain = {}
    for fd, (target, flags) in fds.items():
        numbered = re.fullmatch(r"(\w+):\[\d+\]", target)
        if numbered:
            target = f"{numbered[1]} {seen.setdefault(target, len(seen))}"
        plain[fd] = [target, flags]
    return plain


def runner(found):
    """The child of init that this comes from."""
    pid = os.getpid()
    while int(found[pid][PARENT]) != 1:
        pid = int(found[pid][PARENT])
    return pid


def busy(found, pids):
    """Has one of them children of its own at work, for which it may hold descriptors?"""
    return any(int(fields[PARENT]) in pids and int(fields[PARENT]) != 1 for fields in found.values())


def look():
    """The census, and whether all stand still; the runner has no descriptors in it."""
    found = numbers()
    last = runner(found)
    pids = [1] + sorted(pid for pid, fields in found.items()
                        if int(fields[PARENT]) == 1 and int(fields[BEGAN]) <= int(found[last][BEGAN]))
    quiet = not busy(found, set(pids) - {last})
    return {str(pid): told(pid, pid != last) for pid in pids}, quiet


def start():
    os.makedirs(STATE, exist_ok=True)
    end = time.monotonic() + SECONDS
    before, quiet, now = None, False, {}
    while not quiet or before != now or not DAEMONS <= {facts["Name"][0] for facts in now.values()}:
        if time.monotonic() > end:
            sys.exit(f"the machine does not come to rest: {[facts['Name'] for facts in now.values()]}")
        time.sleep(1.5)
        before = now
        try:
            now, quiet = look()
        except (ProcessLookupError, FileNotFoundError):
            quiet = False
    with open(NOTES, "w", encoding="utf-8") as out:
        json.dump(now, out)


def compare(who, was, is_now):
    """What is not as it was."""
    for name, value in was.items():
        if name != "descriptors":
            if is_now[name] != value:
                yield f"{who}: {name}: {is_now[name]!r}, not {value!r}"
            continue
        for fd, (target, _) in is_now[name].items():
            if fd not in value and not target.startswith("/var/log/"):
                yield f"{who}: descriptor {fd} more: {target}"
        kept = with_numbers_of_its_own({fd: is_now[name][fd] for fd in value if fd in is_now[name]})
        for fd, what in with_numbers_of_its_own(value).items():
            if kept.get(fd) != what:
                yield f"{who}: descriptor {fd}: {kept.get(fd, 'none')}, not {what}"


def differences(was):
    found = numbers()
    wrong = []
    for pid, facts in was.items():
        who = f"{facts['Name'][0]} (PID {pid})"
        try:
            wrong += compare(who, facts, told(int(pid), "descriptors" in facts))
        except (OSError, StopIteration) as error:
            wrong.append(f"{who}: {error or 'a zombie'}")
    programs = [facts["exe"] for facts in was.values() if "descriptors" in facts]
    now = []
    for pid in [1] + [pid for pid, fields in found.items() if int(fields[PARENT]) == 1]:
        try:
            now.append(os.readlink(f"/proc/{pid}/exe"))
        except OSError:
            pass
    for exe in sorted(set(programs)):
        if now.count(exe) != programs.count(exe):
            wrong.append(f"{now.count(exe)} processes of {exe}, not {programs.count(exe)}")
    return wrong


def verify():
    with open(NOTES, encoding="utf-8") as text:
        was = json.load(text)
    end = time.monotonic() + SECONDS
    wrong = differences(was)
    # a daemon that is at work may hold something for a moment
    while wrong and time.monotonic() < end:
        time.sleep(1)
        wrong = differences(was)
    if wrong:
        sys.exit("\n".join(wrong))
    names = [facts["Name"][0] for facts in was.values()]
    print(f"{len(was)} processes are there as they were: " +
          ", ".join(f"{names.count(name)} {name}" for name in sorted(set(names))))


if sys.argv[1:] not in (["start"], ["verify"]):
    sys.exit("usage: census.py start|verify")
globals()[sys.argv[1]]()
