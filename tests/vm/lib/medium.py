# SPDX-License-Identifier: GPL-2.0-only
"""A machine's disk as a power cut leaves it: an overlay file copied while QEMU stands still, and what it says.

Killing QEMU leaves its files as they are, so a copy of them is the disk after a cut at that moment. QEMU is run with
cache=writeback: what the guest has flushed is in the file; of what it has not flushed, writes to clusters that are
new in the overlay may be missing, since QEMU writes its tables late. Nothing is torn below 64 KiB, and nothing is
reordered within a cluster."""

import hashlib
import json
import os
import shutil
import struct
import subprocess

STATES = ["none", "writing", "armed", "resuming", "spent", "stale"]
MAGIC = b"OHIBIMG\n"


def overlay(path, backing):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", backing, "-F", "qcow2", path], check=True)


class Medium:
    def __init__(self, source, path, phase, disk):
        shutil.copyfile(source, path)
        self.path, self.phase = path, phase
        self.points = []
        self.acked = 0
        self.key = self._key()
        self.state, self.block = self._state(disk.meta["root_offset"] + disk.meta["root_size"])

    def _key(self):
        """Of what the overlay has changed, wherever in the file it lies."""
        told = subprocess.run(["qemu-img", "map", "-f", "qcow2", "--output=json", self.path], check=True,
                              stdout=subprocess.PIPE).stdout
        digest = hashlib.sha256()
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

    def _state(self, offset):
        """(state in the newer header, state in the boot menu's block); see image_format.h."""
        head = self.path + ".head"
        subprocess.run(["qemu-img", "dd", "-f", "qcow2", "-O", "raw", "bs=16384", f"skip={offset // 16384}",
                        f"count={offset // 16384 + 1}", f"if={self.path}", f"of={head}"], check=True)
        with open(head, "rb") as data:
            raw = data.read(16384)
        os.unlink(head)
        best, state = -1, "none"
        for at in 512, 8192:
            if raw[at:at + 8] == MAGIC:
                generation, number = struct.unpack_from("<QI", raw, at + 16)
                if generation > best:
                    best, state = generation, STATES[number] if number < len(STATES) else str(number)
        block = "none"
        for line in raw[4096:5120].split(b"\n"):
            if line.startswith(b"ohib_state="):
                block = line[11:].decode(errors="replace")
        return state, block

    def waits(self):
        """A machine waits in it: it must come up again, and nothing else."""
        return self.state in ("armed", "resuming") and self.block != "stale"
