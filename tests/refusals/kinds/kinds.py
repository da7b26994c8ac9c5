# SPDX-License-Identifier: GPL-2.0-only
"""One process for each kind that cannot be carried. `overlayctl check` must name each by its PID, and say why; and a
hibernate must leave them all as they were."""

import ctypes
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys

from refused import refusals

STATE = os.environ.get("CASE_STATE", "/var/tmp/case-state")
NOTES = os.path.join(STATE, "kinds")
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
NEW = {"mount": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "user": 0x10000000,
       "network": 0x40000000, "pid": 0x20000000, "time": 0x80}


class Missing(Exception):
    """This kernel has no such thing."""


def call(number, *args):
    result = LIBC.syscall(ctypes.c_long(number), *[arg if isinstance(arg, (bytes, ctypes.Array)) else ctypes.c_long(arg)
                                                   for arg in args])
    if result < 0:
        raise Missing(os.strerror(ctypes.get_errno()))
    return result


def held_by(function):
    """What the function makes is never closed."""
    def run():
        kept.append(function())
    return run


kept = []


def tcp_connection():
    listener = socket.create_server(("127.0.0.1", 0))
    kept.append(socket.create_connection(listener.getsockname()))
    kept.append(listener.accept()[0])


def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    return s


def device(path):
    def run():
        try:
            kept.append(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        except OSError as error:
            raise Missing(str(error)) from None
    return run


def traced():
    """The child is traced; both wait."""
    pid = os.fork()
    if not pid:
        LIBC.ptrace(0, 0, 0, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def shared_folder():
    pid = call(56, 0x200 | signal.SIGCHLD, 0, 0, 0, 0)
    if not pid:
        while True:
            signal.pause()
    return pid


def seccomp():
    LIBC.prctl(38, 1, 0, 0, 0)
    # one instruction: allow
    program = ctypes.create_string_buffer(b"\x06\0\0\0\0\0\xff\x7f")
    fprog = (ctypes.c_uint64 * 2)(1, ctypes.addressof(program))
    call(157, 22, 2, ctypes.addressof(fprog), 0, 0)


def lease():
    path = os.path.join(STATE, "leased")
    open(path, "w", encoding="ascii").close()
    fd = os.open(path, os.O_RDONLY)
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    return fd


def notify():
    fd = os.open(STATE, os.O_RDONLY)
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    fcntl.fcntl(fd, fcntl.F_NOTIFY, fcntl.DN_MULTISHOT | fcntl.DN_RENAME)
    return fd


def io_uring():
    return call(425, 4, ctypes.create_string_buffer(120))


def aio():
    return call(206, 8, ctypes.addressof(slot))


slot = ctypes.create_string_buffer(8)


def landlock():
    access = ctypes.create_string_buffer((1).to_bytes(8, "little"))
    fd = call(444, access, 8, 0)
    return fd


def bpf_map():
    attr = ctypes.create_string_buffer(b"".join(value.to_bytes(4, "little") for value in (2, 4, 8, 1)) + bytes(112))
    return call(321, 0, attr, 128)


def perf():
    attr = ctypes.create_string_buffer((1).to_bytes(4, "little") + (120).to_bytes(4, "little") + bytes(112))
    return call(298, attr, 0, -1, -1, 0)


def queue():
    return call(240, b"overlayctl-test", os.O_CREAT | os.O_RDWR, 0o600, 0)


def unshare(name):
    return lambda: call(272, NEW[name])


def child_in(name):
    """The child is in a namespace that was made for it."""
    def run():
        call(272, NEW[name])
        if not os.fork():
            while True:
                signal.pause()
    return run


def cgroup():
    folder = os.path.join(STATE, "cgroups")
    os.makedirs(folder, exist_ok=True)
    if LIBC.mount(b"cgroup2", folder.encode(), b"cgroup2", ctypes.c_ulong(0), None):
        raise Missing(os.strerror(ctypes.get_errno()))
    os.mkdir(os.path.join(folder, "group-of-a-case"))
    with open(os.path.join(folder, "group-of-a-case", "cgroup.procs"), "w", encoding="ascii") as procs:
        procs.write(str(os.getpid()))


def mempolicy():
    mask = ctypes.create_string_buffer((1).to_bytes(8, "little"))
    call(238, 1, mask, 64)


def ports():
    call(173, 0x80, 1, 1)


def mount_tmpfs(name):
    path = os.path.join(STATE, name)
    os.makedirs(path, exist_ok=True)
    call(165, b"tmpfs", path.encode(), b"tmpfs", 0, 0)
    return path


def lazily_unmounted():
    path = mount_tmpfs("unmounted")
    os.chdir(path)
    call(166, path.encode(), 2)


def tree_of_its_own():
    """A clone of a mount, that is mounted nowhere."""
    return call(428, -100, STATE.encode(), 1)


def hidden_folder():
    path = os.path.join(STATE, "hidden")
    os.makedirs(path, exist_ok=True)
    fd = os.open(path, os.O_RDONLY)
    mount_tmpfs("hidden")
    return fd


def hidden_file():
    path = mount_tmpfs("over")
    opened = open(os.path.join(path, "file"), "w", encoding="ascii")
    mount_tmpfs("over")
    return opened


def packet():
    return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)


def pressure(path):
    """Told when somebody has waited for a processor for 0.2 of 2 seconds."""
    def run():
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        os.write(fd, b"some 200000 2000000\0")
        return fd
    return held_by(run)


def half_listed():
    """A folder of a tmpfs, its first entries read."""
    folder = "/run/overlayctl-listed"
    os.makedirs(folder, exist_ok=True)
    for i in range(20):
        open(f"{folder}/{i}", "w", encoding="ascii").close()
    fd = os.open(folder, os.O_RDONLY)
    call(217, fd, ctypes.create_string_buffer(200), 200)
    return fd


def spent():
    """A one-shot entry of a pipe that has been told of."""
    pipe = os.pipe()
    os.write(pipe[1], b"x")
    epoll = select.epoll()
    epoll.register(pipe[0], select.EPOLLIN | select.EPOLLONESHOT)
    epoll.poll(0)
    return pipe, epoll


def epoll_in_message():
    """Nobody has the set but a message that nobody reads."""
    pair = socket.socketpair()
    epoll = call(291, 0)
    socket.send_fds(pair[0], [b"x"], [epoll])
    os.close(epoll)
    return pair


def late_timer():
    """Numbers of timers rise: this one is behind those that can be counted up to."""
    number = ctypes.create_string_buffer(4)
    for _ in range(100001):
        call(222, 1, 0, number)
        call(226, int.from_bytes(number, "little"))
    call(222, 1, 0, number)


def idmapped():
    """A folder that is mounted on another one, where root is user 100000."""
    source, target = (os.path.join(STATE, name) for name in ("its-own", "idmapped"))
    for path in source, target:
        os.makedirs(path, exist_ok=True)
    pid = call(56, NEW["user"] | signal.SIGCHLD, 0, 0, 0, 0)
    if not pid:
        while True:
            signal.pause()
    try:
        for name in "uid_map", "gid_map":
            with open(f"/proc/{pid}/{name}", "w", encoding="ascii") as ids:
                ids.write("0 100000 65536")
        users = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
        tree = call(428, -100, source.encode(), 1)
        set_idmap, empty_path, from_empty_path = 0x100000, 0x1000, 4
        call(442, tree, b"", empty_path, b"".join(n.to_bytes(8, "little") for n in (set_idmap, 0, 0, users)), 32)
        call(429, tree, b"", -100, target.encode(), from_empty_path)
        os.close(tree)
        os.close(users)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def accounting():
    path = os.path.join(STATE, "accounting")
    open(path, "w", encoding="ascii").close()
    return path.encode()


def loop():
    """A loop device that nobody mounts."""
    path = os.path.join(STATE, "looped")
    with open(path, "wb") as out:
        out.truncate(1 << 20)
    subprocess.run(["losetup", "-f", path], check=True)


def user_key(name, seconds):
    """A key of the user; 0 seconds: for good. What has expired the kernel collects minutes later."""
    user_ring, set_timeout = -4, 15
    key = call(248, b"user", name, b"secret", 6, user_ring)
    call(250, set_timeout, key, seconds)


# kind: (what makes it, a part of the reason)
KINDS = {
    "tcp-listen": (held_by(lambda: socket.create_server(("127.0.0.1", 0))), "listens on"),
    "tcp-talk": (tcp_connection, "TCP connection"),
    "udp": (held_by(udp), "UDP"),
    "raw": (held_by(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)), "socket"),
    "packet": (held_by(packet), "packet socket"),
    "crypto-sock": (held_by(lambda: socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)), "address family"),
    "io_uring": (held_by(io_uring), "io_uring"),
    "aio": (aio, "AIO"),
    "userfaultfd": (held_by(lambda: call(323, 0)), "userfaultfd"),
    "fanotify": (held_by(lambda: call(300, 0, 0)), "fanotify"),
    "perf": (held_by(perf), "perf"),
    "bpf": (held_by(bpf_map), "bpf"),
    "landlock": (held_by(landlock), "ruleset"),
    "mqueue": (held_by(queue), "mqueue"),
    "lease": (held_by(lease), "lease"),
    "dnotify": (held_by(notify), "F_NOTIFY"),
    "seccomp": (seccomp, "seccomp"),
    "ptrace": (traced, "traced"),
    "clone-fs": (shared_folder, "CLONE_FS"),
    "mempolicy": (mempolicy, "NUMA"),
    "cgroup": (cgroup, 'in cgroup "group-of-a-case"'),
    "ioperm": (ports, "ioperm"),
    "epoll-in-message": (held_by(epoll_in_message), "message"),
    "epoll-spent": (held_by(spent), "spent"),
    "psi": (pressure("/proc/pressure/cpu"), "pressure"),
    "psi-cgroup": (pressure("/sys/fs/cgroup/cpu.pressure"), "pressure"),
    "half-listed": (held_by(half_listed), "listed in part"),
    "umount-lazy": (lazily_unmounted, "not in the mount tree"),
    "open-tree": (held_by(tree_of_its_own), "not in the mount tree"),
    "hidden-folder": (held_by(hidden_folder), "hidden"),
    "hidden-file": (held_by(hidden_file), "hidden"),
    "timer-number": (late_timer, "given again"),
    "block-device": (device("/dev/vda"), "of its kind"),
    "mem": (device("/dev/mem"), "of its kind"),
    "rtc": (device("/dev/rtc0"), "of its kind"),
    "loop": (device("/dev/loop-control"), "of its kind"),
    "input": (device("/dev/input/event0"), "of its kind"),
    "tun": (device("/dev/net/tun"), "of its kind"),
    "fuse": (device("/dev/fuse"), "of its kind"),
}
KINDS.update({"ns-" + name: (unshare(name), name + (" (for children)" if name == "time" else "") + " namespace") for name in NEW})
KINDS.update({"in-ns-" + name: (child_in(name), name + " namespace") for name in ("pid", "time")})

# It is a child of the process, the next PID, that is refused.
IN_CHILD = {"ptrace", "clone-fs", "in-ns-pid", "in-ns-time"}


def hold(name, done):
    with open("/proc/self/comm", "w", encoding="ascii") as comm:
        comm.write(name)
    try:
        KINDS[name][0]()
        os.write(done, b"+")
    except (Missing, OSError) as error:
        os.write(done, f"-{error}".encode())
    os.close(done)
    while True:
        signal.pause()


def start():
    os.makedirs(STATE, exist_ok=True)
    os.system("ip link set lo up; modprobe -a tun fuse loop af_alg 2>/dev/null; "
              "mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup")
    null = os.open("/dev/null", os.O_RDWR)
    pids, missing = {}, []
    for name in KINDS:
        reader, writer = os.pipe()
        pid = os.fork()
        if not pid:
            os.setsid()
            for fd in 0, 1, 2:
                os.dup2(null, fd)
            hold(name, writer)
        os.close(writer)
        said = os.read(reader, 200).decode()
        os.close(reader)
        if said == "+":
            pids[name] = pid
        else:
            missing.append(f"{name} cannot be made: {said[1:]}")
    idmapped()
    call(163, accounting())
    loop()
    os.makedirs("/sys/fs/cgroup/of-nobody")
    user_key(b"overlayctl-stays", 0)
    user_key(b"overlayctl-expires", 1)
    with open(NOTES, "w", encoding="ascii") as out:
        json.dump(pids, out)
    # every kernel that is tested has them all
    if missing:
        sys.exit("\n".join(missing))


def verify():
    with open(NOTES, encoding="ascii") as text:
        pids = json.load(text)
    told = refusals()
    wrong = []
    for name, pid in pids.items():
        reasons = [row["object"] + ": " + row["reason"] for row in told if row["pid"] == pid + (name in IN_CHILD)]
        if not any(KINDS[name][1].lower() in reason.lower() for reason in reasons):
            wrong.append(f"{name}: PID {pid} is refused for {reasons or 'nothing'}")
        if not os.path.exists(f"/proc/{pid}"):
            wrong.append(f"{name}: PID {pid} is gone")
    for thing, reason in ("/idmapped", "idmapped"), ("accounting", "is on"), ("/dev/loop", "set up"), ("cgroups", "below the root"):
        if not any(thing in row["object"] and reason in row["reason"] for row in told):
            wrong.append(f"{thing} is refused for nothing")
    keys = [row["reason"] for row in told if "key ring" in row["object"]]
    if len(keys) != 1 or "overlayctl-stays" not in keys[0]:
        wrong.append(f"of the keys one stays and one has expired; refused is {keys}")
    # the machine is to be shut down cleanly
    call(163, 0)
    subprocess.run(["losetup", "-D"], check=True)
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(pids)} kinds are refused, and the processes are there: {', '.join(sorted(pids))}")


if sys.argv[1:] not in (["start"], ["verify"]):
    sys.exit("usage: kinds.py start|verify")
globals()[sys.argv[1]]()
