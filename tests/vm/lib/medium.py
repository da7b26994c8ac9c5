# SPDX-License-Identifier: GPL-2.0-only
"""A machine's disk as a power cut leaves it: an overlay file copied while QEMU stands still, and what it says.

Killing QEMU leaves its files as they are, so a copy of them is the disk after a cut at that moment. QEMU is run with
cache=writeback: what the guest has flushed is in the file; of what it has not flushed, writes to clusters that are
new in the overlay may be missing, since QEMU writes its tables late. Nothing is torn below 64 KiB, and nothing is
reordered within a cluster."""

import hashlib
import json
import os
import re
import shutil
import struct
import subprocess

from lib.common import REPO

MAGIC = b"OHIBIMG\n"


def state_names():
    """The value on disk of each state: imgtool/image/states.def."""
    with open(os.path.join(REPO, "imgtool", "image", "states.def"), encoding="utf-8") as text:
        return {int(value): name for value, name in re.findall(r'^STATE\(\w+, (\d+), "(.*?)"\)', text.read(), re.M)}


def overlay(path, backing):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", backing, "-F", "qcow2", path], check=True)


def read(image, offset, length):
    """Bytes of a machine's disk; @offset in whole KiB."""
    part = image + ".part"
    subprocess.run(["qemu-img", "dd", "-f", "qcow2", "-O", "raw", "bs=1024", f"skip={offset // 1024}",
                    f"count={offset // 1024 + (length + 1023) // 1024}", f"if={image}", f"of={part}"], check=True)
    with open(part, "rb") as data:
        raw = data.read(length)
    os.unlink(part)
    return raw


class Header:
    """What an image says of itself: the state in the newer header, and in the boot menu's block; image_format.h."""

    def __init__(self, image, disk):
        raw = read(image, disk.meta["root_offset"] + disk.meta["root_size"], 16384)
        best = -1
        self.state, self.layer = "none", 0
        for at in 512, 8192:
            if raw[at:at + 8] != MAGIC:
                continue
            generation, number = struct.unpack_from("<QI", raw, at + 16)
            if generation > best:
                best, self.state = generation, state_names().get(number, str(number))
                self.layer = struct.unpack_from("<Q", raw, at + 2816)[0]
        self.block = "none"
        for line in raw[4096:5120].split(b"\n"):
            if line.startswith(b"ohib_state="):
                self.block = line[11:].decode(errors="replace")

    def on_trial(self):
        return self.state in ("trial", "reverting")

    def waits(self):
        """A machine waits in it: it must come up again, and nothing else."""
        return (self.on_trial() or self.state in ("armed", "resuming")) and self.block != "stale"


class Medium(Header):
    def __init__(self, source, path, phase, disk):
        shutil.copyfile(source, path)
        super().__init__(path, disk)
        self.path, self.phase = path, phase
        self.cuts = []
        self.acked = 0
        # None until it was booted
        self.outcome = None
        self.complaints = []
        self.key = self._key()

    def _key(self):
        """Of what the overlay has changed, wherever in the file it lies, and of what it lies over."""
        told = subprocess.run(["qemu-img", "map", "-f", "qcow2", "--output=json", self.path], check=True,
                              stdout=subprocess.PIPE).stdout
        info = subprocess.run(["qemu-img", "info", "--output=json", self.path], check=True, stdout=subprocess.PIPE).stdout
        digest = hashlib.sha256(json.loads(info)["backing-filename"].encode())
        with open(self.path, "rb") as data:
            for extent in json.loads(told):
                if extent["depth"] or not extent["present"]:
                    continue
                digest.update(struct.pack("<QQ?", extent["start"], extent["length"], extent["zero"]))
                if extent["data"]:
                    data.seek(extent["offset"])
                    left = extent["length"]
                    while left:
                        part = data.read(min(left, 1 << 20))
                        digest.update(part)
                        left -= len(part) or left
        return digest.hexdigest()
