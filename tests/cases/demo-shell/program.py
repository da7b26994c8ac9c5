# SPDX-License-Identifier: GPL-2.0-only
"""A shell in a pseudo-terminal with a job in the background: the shell remembers, answers and knows its job."""

import os
import pty
import re
import select
import time

from demo import STATE, NOTES, answer, ask, command_line, kernel, leave_self, load, main, more, same, save, wait_until

TICKS = os.path.join(STATE, "ticks")


def run():
    shell, master = pty.fork()
    if not shell:
        os.environ["PS1"] = "$ "
        os.execvp("bash", ["bash", "--norc", "--noediting", "-i"])

    def say(line):
        """Type a line and read what comes back, up to its end."""
        typed = f"{line}\necho th''at was it\n"
        os.write(master, typed.encode())
        got = ""
        while "that was it\n" not in got:
            if not select.select([master], [], [], 60)[0]:
                return got + " [no more]"
            got += os.read(master, 65536).decode().replace("\r", "")
        return got

    secret = os.urandom(6).hex()
    say(f"remembered={secret}; cd /usr/share")
    say(f"while sleep 0.5; do echo tick >> {TICKS}; done &")

    def report():
        return {"shell": shell, "foreground": os.tcgetpgrp(master),
                "said": say("echo =$remembered= =$$= =$!= =$PWD=; jobs -l"), "remembered": secret}
    answer(report)
    while True:
        time.sleep(1)


def parts(told):
    found = re.search(r"=(\w*)= =(\d*)= =(\d*)= =([^=]*)=\n", told["said"])
    if not found:
        raise SystemExit(f"the shell says:\n{told['said']}")
    same(found[1], told["remembered"], "variable of the shell")
    same(int(found[2]), told["shell"], "PID of the shell")
    same(found[4], "/usr/share", "directory of the shell")
    job = int(found[3])
    if not re.search(rf"\[1\].* {job} Running", told["said"]):
        raise SystemExit(f"job {job} is not known to the shell:\n{told['said']}")
    same(told["foreground"], told["shell"], "foreground process group")
    return job


def stat(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as text:
        fields = text.read().rsplit(")", 1)[1].split()
    return {"parent": int(fields[1]), "group": int(fields[2]), "session": int(fields[3]), "terminal": int(fields[4])}


def ticks():
    return os.path.getsize(TICKS) // 5 if os.path.exists(TICKS) else 0


def start():
    told = leave_self()
    told["job"] = parts(told)
    told["stats"] = [stat(told["shell"]), stat(told["job"])]
    told["tty"] = os.readlink(f"/proc/{told['shell']}/fd/0")
    told["ticks"] = wait_until(ticks, "the job's work")
    save(NOTES, told)


def verify():
    was = load(NOTES)
    pid, shell = was["pid"], was["shell"]
    now = ask(pid)
    for what in "secret", "shell", "remembered":
        same(now[what], was[what], what)
    same(parts(now), was["job"], "PID of the job")
    same(command_line(shell)[0], "bash", "command line of the shell")
    same([stat(shell), stat(was["job"])], was["stats"], "sessions and groups")
    same(os.readlink(f"/proc/{shell}/fd/0"), was["tty"], "terminal")
    more(ticks(), was["ticks"], "work of the job")
    before = ticks()
    wait_until(lambda: ticks() > before + 1, "more work of the job")
    with open(TICKS, encoding="ascii") as text:
        same(set(text.read().split("\n")), {"tick", ""}, "what the job writes")
    save(NOTES, dict(was, ticks=ticks()))
    print(f"PID {shell} on {was['tty']}, in the foreground, remembers {was['remembered']}, its job {was['job']} runs "
          f"({was['ticks']} -> {ticks()} ticks), under {kernel()}")


main(run, start, verify)
