# SPDX-License-Identifier: GPL-2.0-only
"""What goes wrong besides the power: steps that fail, a reloader that dies, a disk that cannot be written or read."""

MIB = 1 << 20
OLD, NEW, ORDINARY = "old machine resumed", "new machine resumed", "ordinary boot"
REFUSED = "refused"


class Scenario:
    """@name for people and --scenarios; @place is where it begins: "ready" (a running machine that is told to
    @orders), "armed" (a suspended one), "tried" (one on trial, told @orders). @fault goes wrong in the reloader,
    or in QEMU's disk: @disk has rows of (read or write, byte behind the overlay partition's beginning or its name,
    once). @wanted must come of it after @power_ons, and @says be on the console or said by the tool, and
    @why be the reason that `overlayctl status` gives in the end. @waits: the image
    could not even be told that a machine booted past it (udev finds no partition there that cannot be read); then only
    the super blocks tell."""

    def __init__(self, key, name, place, wanted, power_ons, fault=None, orders=(), disk=(), says="", why="", waits=False):
        self.key, self.name, self.place, self.wanted, self.power_ons = key, name, place, wanted, power_ons
        self.fault, self.orders, self.disk, self.says, self.why, self.waits = fault, list(orders), disk, says, why, waits


SCENARIOS = [
    Scenario("PAGES", "a page cannot be written", "ready", REFUSED, 1, orders=["hibernate PAGES:2:fail"],
             says="fault point PAGES"),
    Scenario("HEADER", "a header cannot be written while arming", "ready", REFUSED, 1, orders=["hibernate HEADER:4:fail"],
             says="writing the header"),
    Scenario("SYMBOLS", "symbols cannot be written", "ready", REFUSED, 1, orders=["hibernate SYMBOLS:1:fail"],
             says="fault point SYMBOLS"),
    Scenario("PROCESS", "a process cannot be made", "armed", OLD, 1, fault="PROCESS:3:fail",
             why="fault point PROCESS"),
    Scenario("MACHINE", "the reloader dies in each switch", "armed", OLD, 4, fault="MACHINE:1:crash",
             why="did not come to its end"),
    Scenario("ATTEMPT", "the reloader dies in each attempt", "armed", ORDINARY, 7, fault="ATTEMPT:1:crash"),
    Scenario("DESCRIPTORS", "the machine cannot be brought up behind the commit", "armed", ORDINARY, 2,
             fault="DESCRIPTORS:2:fail"),
    Scenario("io-write", "the device fails while pages are written", "ready", REFUSED, 1, orders=["hibernate none"],
             disk=[("write", 16 * MIB, False)], says="writing pages: Input/output error"),
    Scenario("io-read-once", "pages cannot be read once", "armed", OLD, 1, disk=[("read", 16 * MIB, True)],
             says="cannot resume: .*Input/output error", why="Input/output error"),
    Scenario("io-read", "pages cannot be read", "armed", ORDINARY, 2, disk=[("read", 16 * MIB, False)],
             says="cannot resume: .*Input/output error", why="Input/output error"),
    Scenario("too-small", "the device is far too small", "ready", REFUSED, 1, orders=["trim none 8", "hibernate none"],
             says="MB are too few for"),
    Scenario("io-header", "no header can be written", "ready", REFUSED, 1, orders=["hibernate none"],
             disk=[("write", 512, False), ("write", 8192, False)], says="writing the header"),
    Scenario("io-unreadable", "the header cannot be read", "armed", ORDINARY, 1,
             disk=[("read", 512, False), ("read", 8192, False)], says="no device PARTUUID=.*: booting normally", waits=True),
    Scenario("io-layer", "a trial's layer cannot be written", "tried", OLD, 2, orders=["fill none"],
             disk=[("write", "layer", False)], says="what was written is lost"),
    Scenario("KEEP_HANDOVER", "a merge cannot begin, and begins again", "tried", NEW, 1,
             orders=["keep KEEP_SUSPENDED:1:fail", "keep none"], says="cannot become snapshot-merge"),
]


def chosen(names):
    """Those whose keys are named; all, none."""
    if names == "none":
        return []
    return [row for row in SCENARIOS if names == "all" or row.key in names.split(",")]
