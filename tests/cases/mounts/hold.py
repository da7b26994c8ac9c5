# SPDX-License-Identifier: GPL-2.0-only
"""The mount tree: options of mounts and of file systems, binds of folders and files, one over another, the root's
device a second time, shared, slave, private and unbindable ones, and that they still propagate."""

import os
import re
import subprocess

from held import STATE, held, same

PLACE = os.path.join(STATE, "mounts")


def mount(*words):
    subprocess.run(["mount", *words], check=True)


def at(*names):
    path = os.path.join(PLACE, *names)
    return path


def folder(*names):
    os.makedirs(at(*names), exist_ok=True)
    return at(*names)


def table():
    """mountinfo without what a kernel numbers anew: ids become positions, groups of peers what they have in common."""
    rows = []
    with open("/proc/self/mountinfo", encoding="utf-8") as lines:
        for line in lines:
            left, _, right = line.rstrip("\n").partition(" - ")
            number, parent, _, root, point, options, *tags = left.split(" ")
            if not point.startswith("/mnt/"):  # those of others
                rows.append([number, parent, root, point, options, tags, right])
    places = {row[0]: position for position, row in enumerate(rows)}
    groups = {}
    for position, row in enumerate(rows):
        for tag in row[5]:
            name, _, group = tag.partition(":")
            groups.setdefault(group, set()).add((position, name))
    told = []
    for position, (number, parent, root, point, options, tags, right) in enumerate(rows):
        peers = []
        for tag in tags:
            name, _, group = tag.partition(":")
            peers.append((name, sorted(groups[group]) if group else None))
        # how much /dev may hold is the kernel's own reckoning
        if right.startswith("devtmpfs "):
            right = re.sub(r"(size|nr_inodes)=\w+,", "", right)
        told.append((point, root, places.get(parent), options, sorted(peers, key=str), right))
    return told


def setup():
    subprocess.run(["umount", "-R", PLACE], stderr=subprocess.DEVNULL, check=False)
    folder()
    mount("-t", "tmpfs", "-o", "size=3m,nr_inodes=200,mode=751,nosuid,nodev,relatime", "an odd source", PLACE)
    mount("--make-private", PLACE)
    with open(at("file"), "w", encoding="ascii") as out:
        out.write("contents")
    mount("-t", "tmpfs", "-o", "noexec,noatime,size=100k", "odd\tname\\", folder("a space é"))
    mount("--bind", "/etc", folder("etc"))
    mount("-o", "remount,bind,ro,noexec,nosuid", at("etc"))
    open(at("hosts"), "w", encoding="ascii").close()
    mount("--bind", "/etc/hostname", at("hosts"))
    # one over another
    folder("over")
    mount("-t", "tmpfs", "below", at("over"))
    with open(at("over", "below"), "w", encoding="ascii") as out:
        out.write("below")
    mount("-t", "tmpfs", "above", at("over"))
    # the file system of the root a second time, a folder of it
    mount("--bind", "/usr/share", folder("share"))
    mount("-o", "remount,bind,ro", at("share"))
    mount("-t", "proc", "-o", "hidepid=2,nosuid", "proc", folder("proc"))
    # peers, slaves, and a slave that has peers of its own
    mount("-t", "tmpfs", "peers", folder("peer 1"))
    mount("--make-shared", at("peer 1"))
    os.makedirs(at("peer 1", "inner"))
    mount("--bind", at("peer 1"), folder("peer 2"))
    mount("--bind", at("peer 1"), folder("slave"))
    mount("--make-slave", at("slave"))
    mount("--bind", at("peer 1"), folder("both"))
    mount("--make-slave", at("both"))
    mount("--make-shared", at("both"))
    mount("--bind", at("both"), folder("both 2"))
    mount("--bind", at("etc"), folder("alone"))
    mount("--make-unbindable", at("alone"))
    mount("-t", "tmpfs", "inner", at("peer 1", "inner"))
    return table()


def check(was):
    is_now = table()
    same([row[0] for row in is_now], [row[0] for row in was], "mount points, in order")
    for now, then in zip(is_now, was):
        same(now[:5], then[:5], now[0])
        # a limit that was the kernel's own reckoning is told once it is another kernel's
        told = [option for option in now[5].split(",")
                if not option.startswith(("size=", "nr_inodes=")) or option.split("=")[0] + "=" in then[5]]
        same(",".join(told), then[5], f"file system of {now[0]}")
    with open(at("file"), encoding="ascii") as text:
        same(text.read(), "contents", "a file in a tmpfs")
    for place in "peer 2", "slave", "both", "both 2":
        assert os.path.ismount(at(place, "inner")), f"{place}: the inner mount is missing"
    # from a peer to all of them, and nothing back from the slave
    subprocess.run(["umount", at("peer 2", "inner")], check=True)
    for place in "peer 1", "slave", "both", "both 2":
        assert not os.path.ismount(at(place, "inner")), f"{place}: the inner mount has stayed"
    mount("-t", "tmpfs", "x", at("slave", "inner"))
    assert not os.path.ismount(at("peer 1", "inner")), "a slave's mount has come to its master"
    mount("-t", "tmpfs", "x", at("both", "inner"))
    assert os.path.ismount(at("both 2", "inner")), "a mount has not come to the peer"
    assert not os.path.ismount(at("peer 1", "inner")), "a slave's mount has come to its master"
    try:
        mount_fails = subprocess.run(["mount", "--bind", at("alone"), at("over")], stderr=subprocess.DEVNULL, check=False)
        assert mount_fails.returncode, "what is unbindable could be bound"
    finally:
        subprocess.run(["umount", at("over")], check=True)
    with open(at("over", "below"), encoding="ascii") as text:
        same(text.read(), "below", "the mount below another")
    try:
        open(at("etc", "x"), "w", encoding="ascii").close()
        raise AssertionError("a read-only bind was written to")
    except OSError:
        pass
    subprocess.run(["umount", "-R", PLACE], check=True)


held(setup, check)
