# SPDX-License-Identifier: GPL-2.0-only
"""Start the virtual machine: which accelerator, which devices, and what its consoles say."""

import ctypes
import fcntl
import os
import re
import signal
import socket
import subprocess
import threading
import time

from lib import grub
from lib.common import CACHE, HarnessError, say

# Lines that no healthy kernel prints.
BAD_LINE = re.compile(rb"BUG:|Oops|[Pp]anic|WARNING: possible|general protection|Call Trace|lockdep|"
                      rb"Internal error|unable to handle|Kernel stack is corrupted")
# Lines that match BAD_LINE and are well: the boot parameters, told in full, and the name of a device.
WELL_LINE = re.compile(rb"Command line:|lockdep is turned off|pvpanic")
# What a kernel says in the first seconds of its boot when it is QEMU that fails: given no time to tick, or when one
# thread of TCG runs a breakpoint that the kernel had put into its text for a moment, and taken back (text_poke_bp).
HOST_FAULT = re.compile(r"IO-APIC \+ timer doesn't work|^\[ +[0-9]\.\d+\] (Oops: )?int3: 0000")
LIBC = ctypes.CDLL(None)
CMDLINE = "console=tty0 console=ttyS0,115200 nomodeset norandmaps watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=180"


# max without SVM: Debian would load kvm_amd, which takes seconds.  Without SVM QEMU 7.2 ends the extended
# CPUID leaves before the one with the address sizes, so that one is asked for: a kernel with 5-level paging
# that does not find it takes its own pointers for invalid.  Without ERMS: TCG moves what "rep movsb" moves byte by
# byte, and a kernel that finds ERMS clears and copies pages so.
TCG_CPU = "max,svm=off,min-xlevel=0x80000008,erms=off"


def accelerator(disk):
    """kvm where a stock kernel boots under it, else tcg; the verdict is cached for this host kernel."""
    if os.environ.get("VM_ACCEL"):
        return os.environ["VM_ACCEL"]
    verdict = os.path.join(CACHE, "accel-" + os.uname().release)
    if os.path.exists(verdict):
        with open(verdict) as text:
            return text.read().strip()
    accel = "tcg"
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        series = min(disk.meta["kernels"])
        # Without an initramfs a kernel that works panics for want of a root file system within seconds.
        with subprocess.Popen(
                ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-m", "512", "-smp", "2", "-nodefaults",
                 "-display", "none", "-no-reboot", "-serial", "stdio", "-kernel", disk.kernel(series),
                 "-append", "console=ttyS0 panic=-1"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as probe:
            try:
                out = probe.communicate(timeout=20)[0]
            except subprocess.TimeoutExpired:
                probe.kill()
                out = probe.communicate()[0]
        if b"Unable to mount root fs" in out:
            accel = "kvm"
    with open(verdict + ".new", "w") as text:
        text.write(accel + "\n")
    os.rename(verdict + ".new", verdict)
    say(f"virtual machines run under {accel}")
    return accel


# This process's place; kept until it ends, because who makes the tool's layer starts another machine soon.
held_slot = None


def take_slot():
    """Wait for one of the host's places for a machine: two virtual CPUs each need two real ones.

    Whoever came first gets the next: the one in front holds the turn, and the kernel queues the others for it."""
    global held_slot
    if held_slot:
        return
    slots = int(os.environ.get("VM_SLOTS") or max(1, (os.cpu_count() or 2) // 2 + 1))
    with open(os.path.join(CACHE, "slot-turn.lock"), "w") as turn:
        told = False
        try:
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for other virtual machines to end")
            told = True
            fcntl.flock(turn, fcntl.LOCK_EX)
        while True:
            for n in range(slots):
                slot = open(os.path.join(CACHE, f"slot-{n}.lock"), "w")
                try:
                    fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    held_slot = slot
                    return
                except BlockingIOError:
                    slot.close()
            if not told:
                say("waiting for another virtual machine to end")
                told = True
            time.sleep(0.2)


def die_with_parent():
    """In the child: no machine outlives the harness, however that ends (prctl PR_SET_PDEATHSIG)."""
    LIBC.prctl(1, signal.SIGTERM)


class Line:
    """One of the machine's serial lines, to be typed at. It stays open as long as the machine is on, and what comes is
    read (the log has it): QEMU's port may hang for good when its line is closed or full while the machine writes."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)
        threading.Thread(target=self.drain, daemon=True).start()

    def drain(self):
        try:
            while self.socket.recv(65536):
                pass
        except OSError:
            pass

    def type(self, text):
        self.socket.sendall(text.encode())


class Machine:
    """One machine: its run disk (an overlay that is thrown away) and, while it is on, its process.

    in_place: no overlay, what the machine writes is written to the disk itself; image: an overlay that is there."""

    def __init__(self, disk, folder, mem=1024, smp=2, cpu=None, interactive=False, in_place=False, image=None):
        self.disk, self.folder = disk, folder
        self.mem, self.smp, self.interactive = mem, smp, interactive
        self.cpu = cpu or os.environ.get("VM_CPU") or TCG_CPU
        self.accel = accelerator(disk)
        self.image = disk.image if in_place else image or os.path.join(folder, "run.qcow2")
        self.cache = "unsafe"
        self.nic = "virtio-net-pci"
        # Transfers that fail: ("read" or "write", a byte of the disk, once or always).
        self.disk_errors = []
        # More arguments for QEMU, and what stands in for the file that the second serial port writes to.
        self.extra = []
        self.port = None
        self.format = "raw" if in_place else "qcow2"
        self.orders = self.results = None
        self.process = self.console = None
        self.powered_on = 0
        take_slot()
        if not in_place and not image:
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", disk.image, "-F", "raw", self.image],
                           check=True)

    def serial_log(self):
        return os.path.join(self.folder, f"console-{self.powered_on}.log")

    def serial_socket(self):
        return os.path.join(self.folder, f"console-{self.powered_on}.socket")

    def type(self, text):
        """As if it were typed at the serial console."""
        if not self.console:
            self.console = Line(self.serial_socket())
        self.console.type(text)

    def port_log(self):
        return os.path.join(self.folder, f"port-{self.powered_on}.log")

    def choose(self, series):
        """Make a kernel the one that GRUB boots by default."""
        env = os.path.join(self.folder, "grubenv")
        with open(env, "wb") as out:
            out.write(grub.environment({"saved_entry": self.disk.menu_entry(series)}))
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -q -s {env} {self.disk.meta['grubenv_offset']} 1024",
                        self.image], check=True)

    def root_drive(self):
        if not self.disk_errors:
            return f"if=none,id=root,format={self.format},file={self.image},cache={self.cache},discard=unmap"
        words = ["if=none,id=root,driver=blkdebug,werror=report,rerror=report", f"cache={self.cache}",
                 f"image.driver={self.format}", "image.file.driver=file", f"image.file.filename={self.image}"]
        for n, (how, byte, once) in enumerate(self.disk_errors):
            words.append(f"inject-error.{n}.event=none,inject-error.{n}.iotype={how},inject-error.{n}.errno=5,"
                         f"inject-error.{n}.sector={byte // 512},inject-error.{n}.once={'on' if once else 'off'}")
        return ",".join(words)

    def power_on(self, direct=None, append=""):
        """Start QEMU: through the disk's GRUB, or with the kernel of a series loaded directly."""
        self.powered_on += 1
        self.console = None
        cpu = self.cpu if self.accel == "tcg" else "host,migratable=no"
        argv = ["qemu-system-x86_64", "-machine", "q35,vmport=off", "-nodefaults", "-no-user-config", "-cpu", cpu,
                "-accel", "tcg,thread=multi" if self.accel == "tcg" else self.accel,
                "-smp", str(self.smp), "-m", str(self.mem), "-rtc", "base=utc", "-no-reboot",
                "-display", "none", "-device", "VGA,addr=2.0",
                "-netdev", "user,id=net,restrict=on", "-device", self.nic + ",netdev=net,addr=3.0,romfile=",
                "-drive", self.root_drive(),
                "-device", "virtio-blk-pci,drive=root,serial=root,addr=4.0,bootindex=1"]
        if self.orders:
            argv += ["-drive", f"if=none,id=orders,format=raw,file={self.orders},readonly=on",
                     "-device", "virtio-blk-pci,drive=orders,serial=orders,addr=5.0"]
        if self.results:
            argv += ["-drive", f"if=none,id=results,format=raw,file={self.results},cache=unsafe",
                     "-device", "virtio-blk-pci,drive=results,serial=results,addr=6.0"]
        if self.interactive:
            argv += ["-chardev", "stdio,id=console,signal=off,mux=on,logfile=" + self.serial_log(),
                     "-mon", "chardev=console,mode=readline"]
        else:
            argv += ["-chardev", f"socket,id=console,path={self.serial_socket()},server=on,wait=off,"
                     f"logfile={self.serial_log()}"]
        argv += ["-serial", "chardev:console",
                 "-chardev", self.port or "file,id=port,path=" + self.port_log(), "-serial", "chardev:port"]
        argv += self.extra
        if direct:
            argv += ["-kernel", self.disk.kernel(direct), "-initrd", self.disk.initrd(direct),
                     "-append", f"root={self.disk.root()} ro {CMDLINE} {append}".strip()]
        if self.interactive:
            self.process = subprocess.Popen(argv, preexec_fn=die_with_parent)
            return
        with open(os.path.join(self.folder, f"qemu-{self.powered_on}.log"), "w") as err:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=err, stderr=err,
                                            preexec_fn=die_with_parent)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def power_off(self):
        """Pull the plug."""
        if self.running():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def cut(self):
        """A power cut: not even QEMU gets to know."""
        if self.running():
            self.process.kill()
            self.process.wait()

    def close(self):
        self.power_off()


class Follower:
    """Reads a log that a machine is writing, line by line; an unfinished last line waits for its end."""

    def __init__(self, path):
        self.path = path
        self.file = None
        self.rest = b""

    def chunk(self):
        if self.file is None:
            if not os.path.exists(self.path):
                return b""
            self.file = open(self.path, "rb")
        return self.file.read()

    def lines(self):
        self.rest += self.chunk()
        *lines, self.rest = self.rest.split(b"\n")
        return [line.rstrip(b"\r") for line in lines]


def bad_lines(path):
    """What the kernel complained of in a console log."""
    if not os.path.exists(path):
        raise HarnessError(f"no console log {path}")
    with open(path, "rb") as data:
        return [line.decode(errors="replace") for line in re.split(rb"[\r\n]+", data.read())
                if BAD_LINE.search(line) and not WELL_LINE.search(line)]
