# SPDX-License-Identifier: GPL-2.0-only
"""The tool's fault points (imgtool/util/faults.def), the stage that each belongs to, and the table of what was cut."""

import os
import re

from lib.common import REPO

STAGES = ["hibernate", "arm", "boot", "verify", "translate", "restore", "commit", "behind the commit", "exact resume",
          "trial", "keep", "revert"]
# Numbers from the first to the second; a change of an image's state (30 to 39) belongs to what goes on.
BY_NUMBER = [(1, 13, "hibernate"), (14, 15, "arm"), (40, 40, "boot"), (41, 41, "verify"), (42, 43, "translate"),
             (44, 52, "restore"), (53, 53, "commit"), (60, 70, "behind the commit"), (80, 85, "exact resume"),
             (90, 99, "trial"), (100, 109, "keep"), (110, 113, "revert"), (114, 114, "keep")]
# By name, why no walk comes to it. All others have to be reached when all walks are taken.
UNREACHED = {}
# What a walk begins with; in the later ones all is of one stage.
BY_WALK = {"hibernate": "hibernate", "switch": "boot", "exact": "boot", "trial": "boot"}
WHOLE_WALKS = {"keep": "keep", "finish": "keep", "revert": "revert", "full": "revert"}


def rows():
    """number: (name, text)"""
    with open(os.path.join(REPO, "imgtool", "util", "faults.def"), encoding="utf-8") as text:
        return {int(number): (name, what)
                for number, name, what in re.findall(r'^FAULT\((\d+), (\w+), "(.*)"\)$', text.read(), re.M)}


class Cut:
    """One power cut: the point's number (None: a moment), what it was called, and the disk that it left."""

    def __init__(self, walk, stage, number, name, medium):
        self.walk, self.stage, self.number, self.name, self.medium = walk, stage, number, name, medium


class Stage:
    """Which stage a walk is in."""

    def __init__(self, walk):
        self.walk = walk
        self.name = WHOLE_WALKS.get(walk) or BY_WALK[walk]

    def reached(self, number):
        if self.walk not in WHOLE_WALKS:
            self.name = next((name for first, last, name in BY_NUMBER if first <= number <= last), self.name)
        return self.name


def _row(head, cuts):
    disks = {id(cut.medium) for cut in cuts}
    booted = [cut for cut in cuts if cut.medium.outcome]
    bad = sum(1 for cut in booted if cut.medium.complaints)
    told = sorted({cut.medium.outcome for cut in booted})
    return "%-46s %4d cuts  %3d disks  %4d booted  %3d failed  %s" % (
        head, len(cuts), len(disks), len(booted), bad, ", ".join(told))


def missed(cuts):
    """Points that no cut was made at though a walk leads there."""
    return [name for number, (name, _) in rows().items()
            if number not in {cut.number for cut in cuts} and name not in UNREACHED]


def table(cuts):
    """By number, then by stage."""
    known = rows()
    out = ["point"]
    for number in sorted({cut.number for cut in cuts if cut.number is not None}):
        name, text = known.get(number, ("?", "?"))
        out.append(_row(f"{number:3d} {text}"[:46], [cut for cut in cuts if cut.number == number]))
    absent = [f"{number} {name}" + (f" ({UNREACHED[name]})" if name in UNREACHED else "")
              for number, (name, _) in known.items() if number not in {cut.number for cut in cuts}]
    if absent:
        out.append("not reached: " + ", ".join(absent))
    out.append("stage")
    for stage in STAGES:
        of_it = [cut for cut in cuts if cut.stage == stage]
        if of_it:
            moments = sum(cut.number is None for cut in of_it)
            out.append(_row(f"{stage} ({len({cut.number for cut in of_it} - {None})} points, {moments} moments)", of_it))
    out.append(_row("all", cuts))
    return "\n".join(out)
