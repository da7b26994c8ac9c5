# SPDX-License-Identifier: GPL-2.0-only
"""Make the machine's disk from Debian packages: GPT, GRUB, root file system, overlay and swap partition.

A change here or in guest/ builds the base disk anew, for minutes; what is done per layer is in disk.py."""

import os
import shutil
import subprocess
import uuid

from lib import grub, kernels
from lib.common import MIB, VM_DIR, run

ROOT_MIB, OVERLAY_MIB, SWAP_MIB = 6144, 2048, 512


def packages():
    with open(os.path.join(VM_DIR, "packages.list")) as text:
        return [line.strip() for line in text if line.strip() and not line.startswith("#")]


def build_root(root, work, log):
    """A root file system from packages."""
    wanted = kernels.rows()
    sources = os.path.join(work, "sources.list")
    with open(sources, "w") as out:
        out.write(kernels.guest_sources([row.suite for row in wanted]))
    aptopts = []
    dump = subprocess.run(["apt-config", "dump"], check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in dump.splitlines():
        # How the host reaches its mirror (proxies, snapshots past their validity) holds for the guest.
        if line.startswith("Acquire::") and "IndexTargets" not in line and not line.endswith('"";'):
            aptopts += ["--aptopt", line]
    for row in wanted:
        if row.suite not in (kernels.RELEASE, kernels.RELEASE + "-backports"):
            # Nothing but what is asked for by name comes from another release.
            pin = f"Package: *\\nPin: release n={row.suite}\\nPin-Priority: 100\\n"
            aptopts += ["--setup-hook", f'printf "{pin}" > "$1/etc/apt/preferences.d/vm-{row.suite}"']
    env = dict(os.environ, KERNELS=" ".join(":".join(row) for row in wanted))
    run(["mmdebstrap", "--mode=root", "--variant=minbase", "--include=" + ",".join(packages()),
         f"--customize-hook={os.path.join(VM_DIR, 'guest', 'customize')} \"$1\"",
         *aptopts, kernels.RELEASE, root, sources], log=log, env=env)


def build(work, log):
    """Make work/disk.raw and return what its users need to know of it."""
    root = os.path.join(work, "root")
    build_root(root, work, log)
    meta = {"root_uuid": str(uuid.uuid4()), "kernels": {}}
    swap_uuid = str(uuid.uuid4())
    with open(os.path.join(root, "etc", "fstab"), "w") as out:
        out.write(f"UUID={meta['root_uuid']} / ext4 errors=remount-ro 0 1\nUUID={swap_uuid} none swap sw 0 0\n")
    with open(os.path.join(root, "etc", "vm-kernels")) as text:
        meta["kernels"] = dict(line.split() for line in text)
    # As the Debian installer does; stock hibernation is what the tool is measured against.
    with open(os.path.join(root, "etc", "initramfs-tools", "conf.d", "resume"), "w") as out:
        out.write(f"RESUME=UUID={swap_uuid}\n")
    grub_dir = os.path.join(root, "boot", "grub")
    shutil.copytree(grub.GRUB_DIR, os.path.join(grub_dir, "i386-pc"), dirs_exist_ok=True)

    image = os.path.join(work, "disk.raw")
    places = {}
    start = 1
    table = "label: gpt\n"
    for name, size, kind in (("bios", 1, "21686148-6449-6E6F-744E-656564454649"),
                             ("root", ROOT_MIB, "0FC63DAF-8483-4772-8E79-3D69D8477DE4"),
                             ("overlay", OVERLAY_MIB, "0FC63DAF-8483-4772-8E79-3D69D8477DE4"),
                             ("swap", SWAP_MIB, "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F")):
        places[name] = start
        table += f"start={start}MiB, size={size}MiB, type={kind}, name={name}\n"
        start += size
    with open(image, "wb") as out:
        out.truncate((start + 1) * MIB)
    run(["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", image], input=table, text=True)
    meta["root_offset"], meta["root_size"] = places["root"] * MIB, ROOT_MIB * MIB
    run(["mkfs.ext4", "-q", "-F", "-b", "4096", "-L", "root", "-U", meta["root_uuid"], "-d", root,
         "-E", f"offset={meta['root_offset']}", image, f"{ROOT_MIB}M"], log=log)
    shutil.rmtree(root)
    swap = os.path.join(work, "swap")
    with open(swap, "wb") as out:
        out.truncate(SWAP_MIB * MIB)
    run(["mkswap", "-q", "-U", swap_uuid, swap], log=log)
    run(["dd", f"if={swap}", f"of={image}", "bs=1M", f"seek={places['swap']}", "conv=notrunc,sparse"], log=log)
    os.unlink(swap)
    grub.install(image, places["bios"] * MIB // grub.SECTOR, MIB // grub.SECTOR, work)
    return meta
