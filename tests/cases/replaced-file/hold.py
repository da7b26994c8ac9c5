# SPDX-License-Identifier: GPL-2.0-only
"""Files that an upgrade has put another in the place of, a program that runs among them, and one that still has another
name."""

import os
import shutil
import signal

import memory
from held import held, same
from memory import PAGE, pattern

FOLDER = "/var/tmp/case-replaced"


def write(path, data):
    with open(path, "wb") as out:
        out.write(data)


def setup():
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.makedirs(FOLDER)
    os.chdir(FOLDER)
    p = {}
    write("config", b"old config\n")
    p["config"] = os.open("config", os.O_RDWR)
    write("config.new", b"new config, and longer\n")
    os.rename("config.new", "config")
    # as dpkg does: a link for the way back, the new one over the name, then the link goes
    write("library", pattern("old", 8 * PAGE))
    fd = os.open("library", os.O_RDONLY)
    p["text"] = memory.mmap(4 * PAGE, memory.READ | memory.EXEC, memory.PRIVATE, fd)
    p["data"] = memory.mmap(4 * PAGE, memory.RW, memory.PRIVATE, fd, 4 * PAGE)
    os.close(fd)
    memory.poke(p["data"] + PAGE, b"relocated")
    os.link("library", "library.dpkg-tmp")
    write("library.dpkg-new", pattern("new", 9 * PAGE))
    os.rename("library.dpkg-new", "library")
    os.unlink("library.dpkg-tmp")
    # mapped again after the upgrade: the new one
    fd = os.open("library", os.O_RDONLY)
    p["new"] = memory.mmap(4 * PAGE, memory.READ, memory.PRIVATE, fd)
    os.close(fd)
    shutil.copy("/bin/sleep", "daemon")
    p["daemon"] = os.fork()
    if not p["daemon"]:
        os.execv(f"{FOLDER}/daemon", ["daemon", "100000"])
    while os.readlink(f"/proc/{p['daemon']}/exe") != f"{FOLDER}/daemon":
        os.sched_yield()
    write("daemon.new", b"another program")
    os.rename("daemon.new", "daemon")
    # two names; the one that it was opened by is gone
    write("first", b"linked")
    os.link("first", "second")
    p["linked"] = os.open("first", os.O_RDWR)
    os.unlink("first")
    os.chdir("/")
    return p


def check(p):
    old, new = pattern("old", 8 * PAGE), pattern("new", 9 * PAGE)
    same(sorted(os.listdir(FOLDER)), ["config", "daemon", "library", "second"], "names")
    same(os.pread(p["config"], 100, 0), b"old config\n", "the old file")
    same(os.fstat(p["config"]).st_nlink, 0, "its links")
    same(os.readlink(f"/proc/self/fd/{p['config']}"), f"{FOLDER}/config (deleted)", "its name")
    os.pwrite(p["config"], b"OLD", 0)
    with open(f"{FOLDER}/config", "rb") as data:
        same(data.read(), b"new config, and longer\n", "the new file")
    same(memory.peek(p["text"], 4 * PAGE), old[:4 * PAGE], "text of the old library")
    data = old[4 * PAGE:5 * PAGE] + b"relocated" + old[5 * PAGE + 9:]
    same(memory.peek(p["data"], 4 * PAGE), data, "data of the old library")
    same(memory.smaps(p["text"])["perms"], "r-xp", "rights of the text")
    same(memory.smaps(p["text"])["path"], f"{FOLDER}/library (deleted)", "path of the text")
    same(memory.peek(p["new"], 4 * PAGE), new[:4 * PAGE], "the new library")
    same(memory.smaps(p["new"])["path"], f"{FOLDER}/library", "path of the new library")
    with open(f"{FOLDER}/daemon", "rb") as data:
        same(data.read(), b"another program", "the new program")
    exe = f"/proc/{p['daemon']}/exe"
    same(os.readlink(exe), f"{FOLDER}/daemon (deleted)", "name of the old program")
    with open(exe, "rb") as data, open("/bin/sleep", "rb") as origin:
        same(data.read(), origin.read(), "the old program")
    os.kill(p["daemon"], signal.SIGTERM)
    same(os.waitpid(p["daemon"], 0)[1], signal.SIGTERM, "how it ended")
    same(os.readlink(f"/proc/self/fd/{p['linked']}"), f"{FOLDER}/first (deleted)", "name of the linked file")
    os.pwrite(p["linked"], b"LINK", 0)
    with open(f"{FOLDER}/second", "rb") as data:
        same(data.read(), b"LINKed", "the file under its other name")
    same(os.fstat(p["linked"]).st_nlink, 1, "links of the file that has another name")


held(setup, check)
