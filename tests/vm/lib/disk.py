# SPDX-License-Identifier: GPL-2.0-only
"""Build and cache the machine's disks.

A disk is a folder in the cache: disk.raw, meta.json and the kernels with their initramfs (for direct boot).
Three layers, each made from the one before: base (Debian and the kernels), extra packages, the tool.
"""

import glob
import json
import os
import shutil
import subprocess
import tempfile
import uuid

from lib import grub, kernels
from lib.common import CACHE, HarnessError, MIB, REPO, VM_DIR, hash_tree, locked, run, say

KEEP_LAYERS = 6
ROOT_MIB, OVERLAY_MIB, SWAP_MIB = 6144, 2048, 512


class Disk:
    """A built disk."""

    def __init__(self, folder):
        self.folder = folder
        self.image = os.path.join(folder, "disk.raw")
        with open(os.path.join(folder, "meta.json")) as text:
            self.meta = json.load(text)

    def release(self, series):
        """The kernel release of a series (6.1 -> 6.1.0-56-amd64)."""
        try:
            return self.meta["kernels"][series]
        except KeyError:
            raise HarnessError(f"no kernel {series} in kernels.list; "
                               f"there are {', '.join(self.meta['kernels'])}") from None

    def kernel(self, series):
        return os.path.join(self.folder, "vmlinuz-" + self.release(series))

    def initrd(self, series):
        return os.path.join(self.folder, "initrd.img-" + self.release(series))

    def menu_entry(self, series):
        """The id of the kernel's entry in the menu that update-grub writes."""
        return "gnulinux-advanced-{0}>gnulinux-{1}-advanced-{0}".format(
            self.meta["root_uuid"], self.release(series))


def packages():
    with open(os.path.join(VM_DIR, "packages.list")) as text:
        return [line.strip() for line in text if line.strip() and not line.startswith("#")]


def in_disk(folder, meta, command, *options, log):
    run([os.path.join(VM_DIR, "in-disk"), os.path.join(folder, "disk.raw"), str(meta["root_offset"]),
         str(meta["root_size"]), meta["root_uuid"], *options, "--", *command], log=log)


def finish(folder, meta, log):
    """Regenerate what a boot reads and note where it is; the last step of every layer."""
    env = os.path.join(folder, "grubenv")
    with open(env, "wb") as out:
        out.write(grub.environment({}))
    export = os.path.join(folder, "export")
    script = os.path.join(folder, "finish.sh")
    shutil.rmtree(export, ignore_errors=True)
    os.makedirs(os.path.join(export, "root"))
    with open(script, "w") as out:
        out.write("set -e\nupdate-initramfs -u -k all\n"
                  "test -s /boot/grub/grubenv || cp /root/grubenv /boot/grub/grubenv\n"
                  "rm -f /root/grubenv\nupdate-grub\n")
    shutil.copy(env, os.path.join(export, "root", "grubenv"))
    with open(script) as text:
        in_disk(folder, meta, ["sh", "-c", text.read()], "--tree", export, log=log)
    shutil.rmtree(export)
    os.unlink(script)
    os.unlink(env)

    # Read with debugfs: no mount needed to take files out or to find where grubenv's block is.
    fs = f"{os.path.join(folder, 'disk.raw')}?offset={meta['root_offset']}"
    for release in meta["kernels"].values():
        for name in ("vmlinuz-", "initrd.img-"):
            path = os.path.join(folder, name + release)
            run(["debugfs", "-R", f"dump /boot/{name}{release} {path}", fs], log=log)
            if not os.path.getsize(path):
                raise HarnessError(f"no /boot/{name}{release} in the disk, see {log}")
    block = subprocess.run(["debugfs", "-R", "bmap /boot/grub/grubenv 0", fs], check=True,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    meta["grubenv_offset"] = meta["root_offset"] + 4096 * int(block)
    with open(os.path.join(folder, "meta.json"), "w") as out:
        json.dump(meta, out, indent=1)


def prune(prefix):
    """Keep the newest layers; a disk in use stays readable to the process that has it open."""
    folders = sorted(glob.glob(os.path.join(CACHE, prefix + "-*", "meta.json")), key=os.path.getmtime)
    for path in folders[:-KEEP_LAYERS]:
        shutil.rmtree(os.path.dirname(path), ignore_errors=True)


def cached(name, build):
    """The disk `name`, built by build(folder, log) when the cache has none."""
    folder = os.path.join(CACHE, name)
    if not os.path.exists(os.path.join(folder, "meta.json")):
        with locked(name):
            if not os.path.exists(os.path.join(folder, "meta.json")):
                shutil.rmtree(folder, ignore_errors=True)
                work = tempfile.mkdtemp(prefix=name + ".", dir=CACHE)
                os.chmod(work, 0o755)
                try:
                    build(work, os.path.join(work, "build.log"))
                    os.rename(work, folder)
                except BaseException:
                    kept = os.path.join(CACHE, name + ".failed.log")
                    if os.path.exists(os.path.join(work, "build.log")):
                        os.replace(os.path.join(work, "build.log"), kept)
                        say(f"the log of the failed build is {kept}")
                    shutil.rmtree(work, ignore_errors=True)
                    raise
                finally:
                    os.path.exists(os.path.join(CACHE, name + ".lock")) and \
                        os.unlink(os.path.join(CACHE, name + ".lock"))
    os.utime(os.path.join(folder, "meta.json"))
    prune(name.split("-")[0])
    return Disk(folder)


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
            aptopts += ["--setup-hook", f'mkdir -p "$1/etc/apt/preferences.d"; printf "Package: *\\nPin: release n={row.suite}\\nPin-Priority: 100\\n" > "$1/etc/apt/preferences.d/vm-{row.suite}"']
    env = dict(os.environ, KERNELS=" ".join(":".join(row) for row in wanted))
    run(["mmdebstrap", "--mode=root", "--variant=minbase", "--include=" + ",".join(packages()),
         f"--customize-hook={os.path.join(VM_DIR, 'guest', 'customize')} \"$1\"",
         *aptopts, kernels.RELEASE, root, sources], log=log, env=env)


def build_base(work, log):
    say("building the machine's disk from Debian packages (2 to 4 minutes, once)")
    root = os.path.join(work, "root")
    build_root(root, work, log)
    meta = {"root_uuid": str(uuid.uuid4()), "kernels": {}}
    swap_uuid = str(uuid.uuid4())
    with open(os.path.join(root, "etc", "fstab"), "w") as out:
        out.write(f"UUID={meta['root_uuid']} / ext4 errors=remount-ro 0 1\nUUID={swap_uuid} none swap sw 0 0\n")
    with open(os.path.join(root, "etc", "vm-kernels")) as text:
        meta["kernels"] = dict(line.split() for line in text)
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
    finish(work, meta, log)


def base():
    key = hash_tree(kernels.KERNELS_LIST, os.path.join(VM_DIR, "packages.list"), os.path.join(VM_DIR, "guest"),
                    os.path.join(VM_DIR, "in-disk"), os.path.join(VM_DIR, "lib", "disk.py"),
                    os.path.join(VM_DIR, "lib", "grub.py"))
    return cached("base-" + key, build_base)


def copy(disk, work):
    run(["cp", "--sparse=always", "--reflink=auto", disk.image, os.path.join(work, "disk.raw")])


def with_packages(disk, names):
    """The disk with more Debian packages installed."""
    def build(work, log):
        say(f"installing {' '.join(names)} in the machine")
        copy(disk, work)
        in_disk(work, disk.meta, ["sh", "-c", 'apt-get -q update && apt-get -q -y --no-install-recommends install "$@"'
                                  ' && apt-get clean && rm -rf /var/lib/apt/lists/*', "sh", *names],
                "--network", log=log)
        finish(work, dict(disk.meta), log)
    key = os.path.basename(disk.folder) + "-" + "-".join(sorted(names))
    return cached("packages-" + uuid.uuid5(uuid.NAMESPACE_OID, key).hex[:16], build)


def with_tool(disk, tree=None):
    """The disk with the tool installed by `make install`, or with the given install tree."""
    made = None
    if tree is None:
        made = tree = tempfile.mkdtemp(prefix="install.", dir=CACHE)
        os.chmod(made, 0o755)
    try:
        if made:
            run(["make", "-s", "-C", REPO, "install", "DESTDIR=" + tree], stdout=subprocess.DEVNULL)

        def build(work, log):
            say("installing the tool in the machine")
            copy(disk, work)
            in_disk(work, disk.meta, ["depmod", "-a", disk.meta["kernels"][min(disk.meta["kernels"])]],
                    "--tree", tree, log=log)
            finish(work, dict(disk.meta), log)
        key = os.path.basename(disk.folder) + "-" + hash_tree(tree)
        return cached("tool-" + uuid.uuid5(uuid.NAMESPACE_OID, key).hex[:16], build)
    finally:
        if made:
            shutil.rmtree(made)
