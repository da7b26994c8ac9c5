# SPDX-License-Identifier: GPL-2.0-only
"""Addresses, routes, rules, neighbours and an interface's settings, set beside what the machine booted with; after a
switch all that ip(8) tells must be the same, lifetimes must have gone on and not begun again."""

import json
import os
import subprocess
import sys
import time

STATE = os.environ.get("CASE_STATE", "/var/tmp/case-state")

SETUP = """
link set {nic} down
link set {nic} mtu 1400 alias case-network txqueuelen 500
link property add dev {nic} altname casenet0
link set {nic} up
address add 10.0.2.15/24 brd + dev {nic}
address add 10.0.2.16/24 dev {nic} label {nic}:1
address add 10.9.0.1/16 dev {nic} valid_lft 5000 preferred_lft 4000 noprefixroute
-6 address add fd00:5::1/64 dev {nic} nodad
-6 address add fd00:5::2/64 dev {nic} nodad valid_lft 3000 preferred_lft 2000
route add default via 10.0.2.2
route add 192.168.0.0/16 via 10.0.2.3 metric 5 mtu 1300
route add blackhole 172.16.0.0/12
route add 10.77.0.0/16 via 10.0.2.7 src 10.0.2.16
route add 10.5.0.0/16 table 77 nexthop via 10.0.2.4 weight 2 nexthop via 10.0.2.5
route add default via 10.0.2.9 table 100
-6 route add default via fd00:5::99 metric 4000
-6 route add 2001:db8::/32 via fd00:5::98 expires 2000
nexthop add id 5 via 10.0.2.8 dev {nic}
route add 10.78.0.0/16 nhid 5
rule add from 10.9.0.0/16 lookup 100 priority 1000
rule add fwmark 3/7 iif {nic} blackhole
-6 rule add to fd01::/16 lookup 77
neighbour add 10.0.2.4 lladdr 02:00:00:00:00:04 dev {nic} nud permanent
neighbour add proxy 10.0.2.44 dev {nic}
-6 neighbour add fd00:5::77 lladdr 02:00:00:00:00:07 dev {nic}
addrlabel add prefix fd55::/16 label 42
"""
# What the boot may have set already.
PERHAPS = ("address add 10.0.2.15", "route add default via 10.0.2.2\n")

# What ip(8) is asked; what of the answers is a clock.
ASKED = ("address", "route show table all", "-6 route show table all", "rule", "-6 rule", "neighbour show nud permanent",
         "neighbour show proxy", "nexthop", "addrlabel")
CLOCKS = ("valid_life_time", "preferred_life_time", "expires")
FOREVER = 0xffffffff
# A router may have been heard again meanwhile.
RENEWED = ('"mngtmpaddr": true', '"protocol": "ra"', '"protocol": "kernel"')


def ip(words, check=True):
    return subprocess.run(["ip"] + words.split(), check=check, stdout=subprocess.PIPE, text=True).stdout


def answers():
    """{question: {an object without its clocks: its clocks}}"""
    found = {}
    for question in ASKED:
        objects = {}
        for item in json.loads(ip("-j " + question) or "[]"):
            parts = item.pop("addr_info", [])
            for part in [item] + [dict(part, of=item.get("ifname")) for part in parts]:
                clocks = {key: part.pop(key) for key in CLOCKS if key in part}
                objects[json.dumps(part, sort_keys=True)] = clocks
        found[question] = objects
    return found


def start():
    nics = [name for name in os.listdir("/sys/class/net") if os.path.exists(f"/sys/class/net/{name}/device")]
    for line in SETUP.format(nic=sorted(nics)[0]).strip().splitlines():
        ip(line, check=not (line + "\n").startswith(PERHAPS))
    # An address is checked for duplicates first; routers are heard and answer.
    for _ in range(20):
        time.sleep(1)
        if "tentative" not in ip("address"):
            break
    os.makedirs(STATE, exist_ok=True)
    with open(os.path.join(STATE, "answers"), "w", encoding="utf-8") as out:
        json.dump({"time": time.time(), "release": os.uname().release, "answers": answers()}, out)
    return 0


def verify():
    with open(os.path.join(STATE, "answers"), encoding="utf-8") as data:
        before = json.load(data)
    now, gone, bad, n = answers(), time.time() - before["time"], 0, 0
    for question, objects in before["answers"].items():
        for item in sorted(set(objects) | set(now[question])):
            n += 1
            if item not in now[question]:
                print(f"{question}: gone: {item}")
                bad = 1
                continue
            if item not in objects:
                print(f"{question}: new: {item}")
                bad = 1
                continue
            for key, then in objects[item].items():
                left = now[question][item].get(key, FOREVER)
                wanted = then if then == FOREVER else then - gone
                # A kernel that is put back as it was does not count the time that it was off.
                if wanted < left <= then and before["release"] == os.uname().release:
                    continue
                if left > wanted and any(mark in item for mark in RENEWED):
                    continue
                if abs(left - wanted) > 60:
                    print(f"{question}: {key} is {left}, not about {wanted:.0f}: {item}")
                    bad = 1
    print(f"{n} objects")
    # And packets go through: the gateway is QEMU's.
    if subprocess.run(["ping", "-c", "1", "-W", "5", "10.0.2.2"], check=False, stdout=subprocess.PIPE).returncode:
        print("the gateway does not answer")
        bad = 1
    return bad if n >= 30 else 1


sys.exit(start() if sys.argv[1] == "start" else verify())
