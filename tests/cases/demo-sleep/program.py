# SPDX-License-Identifier: GPL-2.0-only
"""sleep 3600: the same process, still asleep."""

import os

from demo import NOTES, command_line, kernel, leave, load, main, same, save, wait_until

# nanosleep, clock_nanosleep, restart_syscall: what a sleep is in, on x86-64
SLEEPS = {"35", "230", "219"}


def asleep(pid):
    with open(f"/proc/{pid}/syscall", encoding="ascii") as text:
        return text.read().split()[0] in SLEEPS


def about(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as text:
        fields = text.read().rsplit(")", 1)[1].split()
    with open(f"/proc/{pid}/maps", encoding="ascii") as text:
        lines = text.readlines()
    # the pages of the kernel are where this kernel wants them
    maps = [line.split()[:2] for line in lines if "[v" not in line]
    kernels = [line.split()[0] for line in lines if "[v" in line]
    return {"command": command_line(pid), "exe": os.readlink(f"/proc/{pid}/exe"), "ids": fields[2:4],
            "maps": maps}, kernels


def start():
    pid = leave(["sleep", "3600"])
    wait_until(lambda: command_line(pid)[:1] == ["sleep"] and asleep(pid), "sleep")
    was, kernels = about(pid)
    save(NOTES, dict(was, pid=pid, kernels=kernels))


def verify():
    was = load(NOTES)
    pid, kernels = was.pop("pid"), was.pop("kernels")
    now, _ = about(pid)
    # where another kernel's pages do not fit, the old ones stay in their places as memory of the process, without a name
    now["maps"] = [line for line in now["maps"] if line[0] not in kernels]
    same(now, was, "process")
    if not asleep(pid):
        raise SystemExit(f"process {pid} is not asleep")
    print(f"PID {pid}, {' '.join(was['command'])}, {len(was['maps'])} mappings where they were, still asleep, "
          f"under {kernel()}")


main(None, start, verify)
