# SPDX-License-Identifier: GPL-2.0-only
"""A parent and 20 children that share 100 MB until one writes: they still do, and memory is used no more than before."""

import os
import signal
import threading
import time

import memory
from demo import NOTES, answer, ask, kernel, leave_self, load, main, same, save, wait_until
from memory import PAGE

PAGES, CHILDREN, OWN = 25600, 20, 10
LIMIT = 1.1


def content(page):
    return memory.pattern(page, 32)


def used():
    """KiB that are not to be had without taking them from somebody, in memory and in swap: before a hibernate pages go
    from one to the other."""
    with open("/proc/meminfo", encoding="ascii") as text:
        info = {line.split()[0]: int(line.split()[1]) for line in text}
    return info["MemTotal:"] - info["MemAvailable:"] + info["SwapTotal:"] - info["SwapFree:"] - info["SwapCached:"]


def child(me, at, request, reply):
    for page in range(me * OWN, me * OWN + OWN):
        memory.poke(at + page * PAGE, b"child %2d" % me)
    turns = 0
    while True:
        os.write(reply, turns.to_bytes(8, "little"))
        os.read(request, 1)
        turns += 1
        # its own pages, all that brothers wrote, and every twentieth of the rest
        pages = list(range(CHILDREN * OWN)) + list(range(CHILDREN * OWN + me, PAGES, CHILDREN))
        for page in pages:
            is_now = memory.peek(at + page * PAGE, 40)
            was = content(page) if page // OWN != me else b"child %2d" % me + content(page)[8:]
            if is_now != was + bytes(8):
                os._exit(1)


def run():
    at = memory.mmap(PAGES * PAGE)
    memory.madvise(at, PAGES * PAGE, "nohugepage")
    for page in range(PAGES):
        memory.poke(at + page * PAGE, content(page))
    family = []
    for me in range(CHILDREN):
        request, ask_it = os.pipe()
        replies, reply = os.pipe()
        pid = os.fork()
        if not pid:
            child(me, at, request, reply)
        os.close(request)
        os.close(reply)
        os.read(replies, 8)
        family.append((pid, ask_it, replies))
    samples = []

    def sample():
        while True:
            samples.append((time.time(), used()))
            del samples[:-600]
            time.sleep(1)

    def report():
        turns = []
        for pid, ask_it, replies in family:
            os.write(ask_it, b"?")
            told = os.read(replies, 8)
            turns.append(int.from_bytes(told, "little") if told else f"process {pid} found its memory changed")
        return {"children": [pid for pid, _, _ in family], "turns": turns, "samples": list(samples)}
    threading.Thread(target=sample, daemon=True).start()
    answer(report)
    while True:
        signal.pause()


def family_size(told):
    """Sum of what each has, shared pages divided among those who share them, in KiB."""
    size = 0
    for pid in [told["pid"]] + told["children"]:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as text:
            size += sum(int(line.split()[1]) for line in text if line.startswith("Pss:"))
    return size


def start():
    told = leave_self()
    # Twice: the questions have made their own pages.
    told = ask(told["pid"])
    size = family_size(told)
    if size < PAGES * PAGE // 1024 or size > 3 * PAGES * PAGE // 1024:
        raise SystemExit(f"the family has {size} KiB, which is not {PAGES * PAGE >> 20} MB shared")
    save(NOTES, dict(told, size=size))


def around_the_gap(samples):
    """Memory used before and after the longest time that nothing was noted: the machine was off."""
    gap = max(range(1, len(samples)), key=lambda at: samples[at][0] - samples[at - 1][0])
    return samples[gap - 1][1], samples[gap:]


def verify():
    was = load(NOTES)
    now = ask(was["pid"])
    size = family_size(now)
    for what in "secret", "children":
        same(now[what], was[what], what)
    same(now["turns"], [turns + 1 for turns in was["turns"]], "answers of the children")
    for pid in now["children"]:
        with open(f"/proc/{pid}/stat", encoding="ascii") as text:
            same(int(text.read().rsplit(")", 1)[1].split()[1]), was["pid"], f"parent of {pid}")
    if size > was["size"] * LIMIT:
        raise SystemExit(f"the family has {size} KiB, {size / was['size']:.2f} times the {was['size']} KiB it had")
    # Samples from after the last questions; a few of the first after the switch, before the other cases are verified.
    since = was["samples"][-1][0]
    after = wait_until(lambda: [told for told in [ask(was["pid"])]
                                if len(around_the_gap([s for s in told["samples"] if s[0] >= since])[1]) > 2], "samples")
    before, after_gap = around_the_gap([s for s in after[0]["samples"] if s[0] >= since])
    later = min(sample[1] for sample in after_gap[:5])
    if later > before * LIMIT:
        raise SystemExit(f"the machine uses {later} KiB, {later / before:.2f} times the {before} KiB before")
    save(NOTES, dict(after[0], size=was["size"]))
    print(f"PID {was['pid']} and {CHILDREN} children, {PAGES * PAGE >> 20} MB right in all, the family has "
          f"{was['size'] >> 10} -> {size >> 10} MB, the machine uses {before >> 10} -> {later >> 10} MB, under {kernel()}")


main(run, start, verify)
