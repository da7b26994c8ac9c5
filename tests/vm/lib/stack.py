# SPDX-License-Identifier: GPL-2.0-only
"""A machine whose root lies on md (RAID 1), LUKS, LVM, or one on the other, with /boot beside it.

The host may have no device-mapper, so the machine makes it itself: the ordinary disk is booted and copied onto a
second one. Layers are named from the bottom up: luks-lvm is what Debian's installer makes of an encrypted disk."""

import os
import struct
import subprocess
import uuid

from lib import disk, grub
from lib.common import HarnessError, MIB, VM_DIR, hash_tree, run, say

VERSION = 1
PACKAGES = {"md": ["mdadm"], "luks": ["cryptsetup"], "lvm": ["lvm2"]}
# bios, boot, overlay, swap, root, mirror
SIZES = [1, 512, 2048, 512, 4608, 4608]
ROOT = 4
LINUX, BIOS = "0FC63DAF-8483-4772-8E79-3D69D8477DE4", "21686148-6449-6E6F-744E-656564454649"
PASSPHRASE = "the key of the disk"


def layers(name):
    found = name.split("-")
    if not set(found) <= set(PACKAGES) or len(set(found)) < len(found):
        raise HarnessError(f"--root {name}: layers are {', '.join(PACKAGES)}, joined by '-', from the bottom up")
    return found


def packages(name, others):
    """The Debian packages that such a machine needs besides."""
    wanted = [package for layer in layers(name) for package in PACKAGES[layer]]
    if "luks" in layers(name) and "dracut" not in others:
        wanted.append("cryptsetup-initramfs")
    return others + [package for package in wanted if package not in others]


def settings(meta):
    return (f"layers='{' '.join(meta['layers'])}'\npassphrase='{meta.get('passphrase', '')}'\n"
            f"root_uuid={meta['root_uuid']}\ncrypt_options='{meta.get('crypt_options', '')}'\n")


def places():
    """Where the partitions begin, in MiB."""
    return [1 + sum(SIZES[:i]) for i in range(len(SIZES))]


def make_image(path, work):
    table = "label: gpt\n"
    names = ["bios", "boot", "overlay", "swap", "root", "mirror"]
    for name, start, size in zip(names, places(), SIZES):
        table += f"start={start}MiB, size={size}MiB, type={BIOS if name == 'bios' else LINUX}, name={name}\n"
    with open(path, "wb") as out:
        out.truncate((places()[-1] + SIZES[-1] + 1) * MIB)
    run(["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", path], input=table, text=True)
    grub.install(path, places()[0] * MIB // grub.SECTOR, MIB // grub.SECTOR, work)


def with_root(plain, name, crypt_options=""):
    """The disk `plain`, which has packages(), with its root on the layers `name`; crypt_options: more of crypttab's."""
    def build(work, log):
        say(f"building the machine's root on {name} (some minutes, once)")
        image = os.path.join(work, "disk.raw")
        make_image(image, work)
        at = places()
        meta = {"root_uuid": str(uuid.uuid4()), "kernels": plain.meta["kernels"], "layers": layers(name),
                "root_offset": at[ROOT] * MIB, "root_size": sum(SIZES[ROOT:]) * MIB,
                "boot_offset": at[1] * MIB, "overlay_offset": at[2] * MIB}
        if "luks" in meta["layers"]:
            meta["passphrase"] = PASSPHRASE
            meta["crypt_options"] = crypt_options
        said = disk.work_bare(plain, work, log, "stack", [("settings", settings(meta))], target=image)
        meta["root"] = next(line[5:] for line in said.splitlines() if line.startswith("root "))
        disk.note(work, meta, log)
    agent = os.path.join(VM_DIR, "agents", "stack")
    key = "-".join([os.path.basename(plain.folder), str(VERSION), name, crypt_options, hash_tree(agent)])
    return disk.cached("root-" + uuid.uuid5(uuid.NAMESPACE_OID, key).hex[:16], build)


def mirror_differs(image):
    """Where the two halves of a RAID 1 with metadata 1.2 (struct mdp_superblock_1) are not the same; None: nowhere."""
    starts = [start * MIB for start in places()[ROOT:]]
    with open(image, "rb") as one, open(image, "rb") as other:
        one.seek(starts[0] + 4096)
        head = one.read(256)
        first, sectors = struct.unpack_from("<QQ", head, 128)
        if struct.unpack_from("<I", head)[0] != 0xa92b4efc:
            return 0
        one.seek(starts[0] + first * 512)
        other.seek(starts[1] + first * 512)
        for at in range(0, sectors * 512, MIB):
            if one.read(MIB) != other.read(MIB):
                return at
    return None


def check(used, plain, folder, raw):
    """What is wrong with the file systems of the image `raw`, looked at by the disk `plain`; empty: nothing."""
    meta = used.meta
    os.mkdir(folder)
    if "md" in meta["layers"]:
        differs = mirror_differs(raw)
        if differs is not None:
            return f"the halves of the mirror differ at {differs}"
    try:
        disk.work_bare(plain, folder, os.path.join(folder, "fsck.log"), "fsck", [("settings", settings(meta))],
                       target=raw)
    except HarnessError as error:
        return str(error)
    return ""
