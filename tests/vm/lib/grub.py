# SPDX-License-Identifier: GPL-2.0-only
"""Put GRUB for BIOS on a disk image without a block device, as grub-bios-setup does on one.

Layout: GRUB manual, "BIOS installation"; the offsets are those of grub-core/boot/i386/pc/boot.S
(kernel_sector at 0x5c, boot_drive at 0x64, the drive check at 0x66) and of diskboot.S (the block list's
first entry, the last 12 bytes of the sector).
"""

import os
import struct
import subprocess

SECTOR = 512
GRUB_DIR = "/usr/lib/grub/i386-pc"


def install(image, first_sector, sectors, workdir):
    """Write boot.img and a core.img that looks for /boot/grub on the second GPT partition."""
    core_path = os.path.join(workdir, "core.img")
    subprocess.run(["grub-mkimage", "-d", GRUB_DIR, "-O", "i386-pc", "-o", core_path,
                    "-p", "(hd0,gpt2)/boot/grub", "biosdisk", "part_gpt", "ext2"], check=True)
    with open(core_path, "rb") as data:
        core = bytearray(data.read())
    with open(os.path.join(GRUB_DIR, "boot.img"), "rb") as data:
        boot = bytearray(data.read(SECTOR))
    if len(core) > sectors * SECTOR:
        raise ValueError("core.img does not fit in the BIOS boot partition")

    struct.pack_into("<Q", boot, 0x5c, first_sector)
    boot[0x64] = 0xff
    boot[0x66:0x68] = b"\x90\x90"
    # Whatever length and segment grub-mkimage put there stay; only the place is ours to say.
    struct.pack_into("<Q", core, SECTOR - 12, first_sector + 1)

    with open(image, "r+b") as disk:
        mbr = bytearray(disk.read(SECTOR))
        # Code before the partition table; the disk signature and the table stay.
        mbr[:0x1b8] = boot[:0x1b8]
        disk.seek(0)
        disk.write(mbr)
        disk.seek(first_sector * SECTOR)
        disk.write(core)
    os.unlink(core_path)


def environment(values):
    """The 1024 bytes of a grubenv file."""
    text = "# GRUB Environment Block\n" + "".join(f"{k}={v}\n" for k, v in values.items())
    return (text + "#" * (1024 - len(text))).encode()
