# SPDX-License-Identifier: GPL-2.0-only
"""Build and cache the machine's disks.

A disk is a folder in the cache: disk.raw, meta.json and the kernels with their initramfs (for direct boot).
Three layers, each made from the one before: base (Debian and the kernels), extra packages, the tool.
"""

import fcntl
import glob
import json
import os
import shutil
import subprocess
import tempfile
import uuid

from lib import base as debian, kernels, orders, qemu, watch
from lib.common import CACHE, HarnessError, REPO, Timeout, VM_DIR, hash_tree, locked, run, say

KEEP_LAYERS = 6
# Debian's default is `most`: 38 MB that are packed for each build and unpacked under TCG at each boot.
INITRAMFS = os.environ.get("VM_INITRAMFS") or "list"
# To be counted up when finish() makes something else of the same parts.
LAYER_VERSION = 1
PROVISION = os.path.join(VM_DIR, "agents", "provision")
PROVISION_SECONDS = 600


class Disk:
    """A built disk."""

    def __init__(self, folder):
        self.folder = folder
        self.image = os.path.join(folder, "disk.raw")
        # Held while the disk is in use, against being pruned.
        self.held = open(os.path.join(folder, "meta.json"))
        fcntl.flock(self.held, fcntl.LOCK_SH)
        self.meta = json.load(self.held)

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

    def root(self):
        """root= of the kernel's command line."""
        return self.meta.get("root") or "UUID=" + self.meta["root_uuid"]


def in_disk(folder, meta, command, *options, log):
    run([os.path.join(VM_DIR, "in-disk"), os.path.join(folder, "disk.raw"), str(meta["root_offset"]),
         str(meta["root_size"]), meta["root_uuid"], *options, "--", *command], log=log)


def remake(depmod, in_machine=False):
    """A script that regenerates what a boot reads, in the disk's own system."""
    # a chroot does not show what the machine's disk needs
    needs = "" if in_machine else " --filesystems ext4 --add-drivers 'virtio_pci virtio_blk ext4'"
    return ("set -e\n"
            "initramfs()\n"
            "{\n"
            + ("	depmod -a $1\n" if depmod else "") +
            "	if command -v dracut > /dev/null; then\n"
            f"		dracut --force --hostonly{needs} /boot/initrd.img-$1 $1\n"
            "	elif [ -e /boot/initrd.img-$1 ]; then\n"
            "		update-initramfs -u -k $1\n"
            "	else\n"
            "		update-initramfs -c -k $1\n"
            "	fi\n"
            "}\n"
            "if [ -d /etc/initramfs-tools/conf.d ]; then\n"
            f"	echo MODULES={INITRAMFS} > /etc/initramfs-tools/conf.d/vm-modules\n"
            "fi\n"
            # side by side: in the machine each takes a minute
            "for release in $(cut -d' ' -f2 /etc/vm-kernels); do\n"
            "	initramfs $release &\n"
            "	jobs=\"$jobs $!\"\n"
            "done\n"
            "for job in $jobs; do\n"
            "	wait $job\n"
            "done\n"
            "test -s /boot/grub/grubenv || grub-editenv /boot/grub/grubenv create\n"
            "update-grub\n")


def has_modules(tree):
    return bool(tree and glob.glob(os.path.join(tree, "**", "lib", "modules"), recursive=True))


def finish(folder, meta, log, tree=None, image_file=0):
    """Copy a tree in, regenerate what a boot reads and note where it is; the last step of every layer.

    image_file: make /overlay.image, of so many MB."""
    create = f"overlayctl image create --size={image_file} /overlay.image || exit\n" if image_file else ""
    in_disk(folder, meta, ["sh", "-c", create + remake(has_modules(tree))], *(["--tree", tree] if tree else []), log=log)
    note(folder, meta, log)


def note(folder, meta, log):
    """Take the kernels out and write meta.json; debugfs needs no mount for it."""
    fs = f"{os.path.join(folder, 'disk.raw')}?offset={meta.get('boot_offset', meta['root_offset'])}"
    boot = "" if "boot_offset" in meta else "/boot"
    for release in meta["kernels"].values():
        for name in ("vmlinuz-", "initrd.img-"):
            path = os.path.join(folder, name + release)
            run(["debugfs", "-R", f"dump {boot}/{name}{release} {path}", fs], log=log)
            if not os.path.getsize(path):
                raise HarnessError(f"no /boot/{name}{release} in the disk, see {log}")
    block = subprocess.run(["debugfs", "-R", f"bmap {boot}/grub/grubenv 0", fs], check=True,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    meta["grubenv_offset"] = meta.get("boot_offset", meta["root_offset"]) + 4096 * int(block)
    with open(os.path.join(folder, "meta.json"), "w") as out:
        json.dump(meta, out, indent=1)


def prune(prefix):
    """Keep the newest disks of a layer, and those in use."""
    folders = sorted(glob.glob(os.path.join(CACHE, prefix + "-*", "meta.json")), key=os.path.getmtime)
    for path in folders[:-KEEP_LAYERS]:
        with open(path) as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
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
    os.utime(os.path.join(folder, "meta.json"))
    found = Disk(folder)
    prune(name.split("-")[0])
    return found


def base():
    key = hash_tree(kernels.KERNELS_LIST, os.path.join(VM_DIR, "packages.list"), os.path.join(VM_DIR, "guest"),
                    os.path.join(VM_DIR, "lib", "base.py"), os.path.join(VM_DIR, "lib", "grub.py"))

    def build(work, log):
        say("building the machine's disk from Debian packages (2 to 4 minutes, once)")
        finish(work, debian.build(work, log), log)
    return cached(f"base-{INITRAMFS}-{LAYER_VERSION}-{key}", build)


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
    key = os.path.basename(disk.folder) + "-" + "-".join([str(LAYER_VERSION)] + sorted(names))
    return cached("packages-" + uuid.uuid5(uuid.NAMESPACE_OID, key).hex[:16], build)


def answers(meta):
    """What is to be typed when the machine asks for its disk's passphrase."""
    if not meta.get("passphrase"):
        return []
    return [(r"Please unlock disk|Caching passphrase|Please enter passphrase for disk|Enter passphrase for /dev/", meta["passphrase"])]


def work_bare(disk, folder, log, agent, texts=(), tree=None, target=None, in_place=False):
    """Boot a disk without its init and let an agent do something, which says `@vm exit 0` and switches off; returns
    what it said. target: an image that it finds as the disk "results"."""
    machine = qemu.Machine(disk, folder, 768, in_place=in_place)
    try:
        order = orders.Orders(os.path.join(folder, "orders.tar"))
        order.add_agent(agent)
        for name, text in texts:
            order.add_text(name, text)
        if tree:
            order.add(tree, "tree")
        machine.orders = order.finish()
        machine.results = target
        machine.power_on(min(disk.meta["kernels"]), "init=/usr/local/sbin/vm-bare")
        follow = watch.Watch(machine, PROVISION_SECONDS, answers=answers(disk.meta))
        ended = None
        try:
            while (found := follow.next()) is not None:
                ended = next((words for words, _ in found if words[0] == "exit"), ended)
        except Timeout:
            pass
        with open(machine.port_log(), errors="replace") as text:
            said = text.read()
        with open(log, "a") as out:
            out.write(said)
        if ended != ["exit", "0"] or machine.running():
            shutil.copy(machine.serial_log(), os.path.join(CACHE, agent + ".console.log"))
            raise HarnessError(f"the machine did not do its part (see {agent}.console.log):\n{said[-3000:]}")
        return said
    finally:
        machine.close()
        for name in os.listdir(folder):
            if name.startswith(("orders.", "console-", "port-", "qemu-", "run.qcow2")):
                os.unlink(os.path.join(folder, name))


def with_tool(disk, tree=None, etc=(), make=(), image_file=0):
    """The disk with the tool installed by `make install` (with more arguments), or with the given install tree; etc:
    (name, text) of files in its /etc; image_file: the image is in a file of so many MB."""
    made = None
    if tree is None:
        made = tree = tempfile.mkdtemp(prefix="install.", dir=CACHE)
        os.chmod(made, 0o755)
    try:
        if made:
            run(["make", "-s", "-C", REPO, "install", "DESTDIR=" + tree, *make], stdout=subprocess.DEVNULL)
            for name, text in etc:
                path = os.path.join(tree, "etc", name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w") as out:
                    out.write(text + "\n")

        def build(work, log):
            say("installing the tool in the machine")
            copy(disk, work)
            meta = dict(disk.meta)
            if "layers" in meta:
                # Only the machine itself can put its root together.
                note(work, meta, log)
                work_bare(Disk(work), work, log, "provision", [("remake", remake(has_modules(tree), True))], tree,
                          in_place=True)
                note(work, meta, log)
            else:
                finish(work, meta, log, tree, image_file)
                # There alone are the disk's partitions to be seen.
                work_bare(Disk(work), work, log, "provision", in_place=True)
        key = "-".join([os.path.basename(disk.folder), str(LAYER_VERSION), hash_tree(tree), hash_tree(PROVISION)] +
                       ([str(image_file)] if image_file else []))
        return cached("tool-" + uuid.uuid5(uuid.NAMESPACE_OID, key).hex[:16], build)
    finally:
        if made:
            shutil.rmtree(made)
