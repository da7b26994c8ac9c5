# SPDX-License-Identifier: GPL-2.0-only
"""Read kernels.list, the one list of kernels, and the host's apt sources that it is served from."""

import collections
import glob
import os
import re

from lib.common import HarnessError, REPO

RELEASE = "bookworm"
KERNELS_LIST = os.path.join(REPO, "kernels.list")

Row = collections.namedtuple("Row", "series suite package")
Source = collections.namedtuple("Source", "uri suites components")


def rows():
    """The kernels that are switched on."""
    found = []
    with open(KERNELS_LIST) as text:
        for line in text:
            words = line.split("#")[0].split()
            if len(words) == 4 and words[3] == "on":
                found.append(Row(*words[:3]))
            elif words and (len(words) != 4 or words[3] != "off"):
                raise HarnessError(f"kernels.list: not a row: {line.strip()}")
    return found


def host_sources():
    """The archives of the host's apt configuration, in one-line and in deb822 form."""
    found = []
    for path in ["/etc/apt/sources.list"] + sorted(glob.glob("/etc/apt/sources.list.d/*.list")):
        if os.path.exists(path):
            with open(path) as text:
                for line in text:
                    match = re.match(r"deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)\s+(.+)", line.split("#")[0].strip())
                    if match:
                        found.append(Source(match[1], [match[2]], match[3].split()))
    for path in sorted(glob.glob("/etc/apt/sources.list.d/*.sources")):
        with open(path) as text:
            lines = [line for line in text.read().split("\n") if not line.startswith("#")]
        for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
            fields = {}
            for match in re.finditer(r"^(\S+):((?:.*)(?:\n[ \t].*)*)", stanza, re.M):
                fields[match[1].lower()] = match[2].split()
            if "deb" in fields.get("types", []) and fields.get("enabled", ["yes"]) != ["no"]:
                for uri in fields.get("uris", []):
                    found.append(Source(uri, fields.get("suites", []), fields.get("components", [])))
    return found


def guest_sources(suites):
    """The test machine's sources.list: its release, updates and security, and the suites of the kernels."""
    own = [RELEASE, RELEASE + "-updates", RELEASE + "-security"]
    lines = []
    mirror = None
    have = set()
    for source in host_sources():
        for suite in source.suites:
            if suite not in own + suites or "main" not in source.components or (suite in have):
                continue
            if suite == RELEASE:
                mirror = source.uri
            have.add(suite)
            lines.append(f"deb {source.uri} {suite} main")
    if mirror is None:
        raise HarnessError(f"the host's apt configuration names no mirror of {RELEASE}")
    for suite in suites:
        if suite not in have:
            lines.append(f"deb {mirror} {suite} main")
    return "\n".join(lines) + "\n"
