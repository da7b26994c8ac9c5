# SPDX-License-Identifier: GPL-2.0-only
"""What prctl, /proc and the scheduler's calls set of a process: in one process as root with a thread, in a child that
has given away most of its rights, and in one whose name, death signal and OOM score are its own; and who may trace whom."""

import ctypes
import os
import resource
import signal
import struct
import threading
import time

import libc
from held import held, same
from libc import LIBC, buffer, call

libc.NUMBERS.update({"capget": 125, "capset": 126, "personality": 135, "prctl": 157, "ioprio_set": 251, "ioprio_get": 252,
                     "membarrier": 324, "ptrace": 101, "sched_setattr": 314, "sched_getattr": 315})

MEMBARRIERS = {"private": (16, 8), "sync core": (64, 32), "rseq": (256, 128)}
GETTERS = {"secure bits": 27, "timer slack": 30, "memory failure": 34, "no new privileges": 39,
           "transparent huge pages": 42, "I/O flusher": 58}
ATTACH, DETACH, PR_SET_PTRACER = 16, 17, 0x59616D61
STATUS = ("Name", "Umask", "Uid", "Gid", "Groups", "Cap", "NoNewPrivs", "Cpus_allowed:", "THP")


def prctl(option, *args):
    return call("prctl", option, *(list(args) + [0] * (4 - len(args))))


def read(name):
    with open(f"/proc/thread-self/{name}" if os.path.exists(f"/proc/thread-self/{name}") else f"/proc/self/{name}",
              encoding="ascii") as text:
        return text.read().strip()


def write(name, value):
    with open(f"/proc/self/{name}", "w", encoding="ascii") as out:
        out.write(str(value))


def sysctl(name, value):
    """Set it; what it was."""
    with open("/proc/sys/" + name, "r+", encoding="ascii") as text:
        was = text.read().strip()
        # elsewhere than at its beginning it takes no number
        text.seek(0)
        text.write(value)
    return was


def barriers():
    """Which expedited barriers may be issued: those that the process has registered for."""
    may = {}
    for name, (_, command) in MEMBARRIERS.items():
        try:
            may[name] = call("membarrier", command, 0, 0) == 0
        except OSError:
            may[name] = False
    return may


def speculation():
    return [LIBC.prctl(52, which, 0, 0, 0) for which in (0, 1, 2)]


def pointed(option):
    """What prctl writes where its second argument points to."""
    value = ctypes.c_int()
    prctl(option, ctypes.addressof(value))
    return value.value


def attributes():
    now = {name: LIBC.prctl(number, 0, 0, 0, 0) for name, number in GETTERS.items()}
    now["death signal"] = pointed(2)
    now["subreaper"] = pointed(37)
    now["status"] = [line for line in read("status").splitlines() if line.startswith(STATUS)]
    for name in "coredump_filter", "loginuid", "oom_score_adj", "comm", "limits", "personality":
        now[name] = read(name)
    now["autogroup"] = read("autogroup").split()[-1] if os.path.exists("/proc/self/autogroup") else ""
    now["I/O priority"] = call("ioprio_get", 1, 0)
    now["nice"] = os.getpriority(os.PRIO_PROCESS, 0)
    now["policy"] = os.sched_getscheduler(0), os.sched_getparam(0).sched_priority
    now["CPUs"] = os.sched_getaffinity(0)
    now["barriers"] = barriers()
    now["speculation"] = speculation()
    now["dumpable"] = prctl(3)
    return now


def compare(is_now, was, who):
    for name, value in was.items():
        same(is_now[name], value, f"{name} of {who}")


def thread(p):
    """A thread's own: name, I/O priority, scheduling, timer slack."""
    libc_name = buffer(b"second\0")
    LIBC.prctl(15, libc_name, 0, 0, 0)
    call("ioprio_set", 1, 0, 3 << 13)
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    os.setpriority(os.PRIO_PROCESS, libc.call("gettid"), 9)
    prctl(29, 333333)
    p["thread was"] = attributes()
    while "ask" not in p:
        time.sleep(0.1)
    p["thread is"] = attributes()


def capabilities(permitted, inheritable):
    header = struct.pack("=Ii", 0x20080522, 0)
    call("capset", buffer(header), buffer(struct.pack("=6I", permitted, permitted, inheritable, 0, 0, 0)))


def inherit(capability):
    """Adds it to the inheritable ones."""
    header, sets = buffer(struct.pack("=Ii", 0x20080522, 0)), buffer(bytes(24))
    call("capget", header, sets)
    words = list(struct.unpack("=6I", sets.raw))
    words[2] |= 1 << capability
    call("capset", header, buffer(struct.pack("=6I", *words)))


def poor():
    """Gives away its rights in all the ways there are; its OOM score may not fall below what root gave it."""
    inherit(21)
    prctl(24, 21)  # CAP_SYS_ADMIN from the bounding set; what can be inherited keeps it
    prctl(28, 1 << 2 | 1 << 0)  # no setuid fixup, no root
    os.setgroups([5, 77, 40000])
    os.setresgid(1000, 1001, 1002)
    os.setresuid(2000, 2001, 2002)
    capabilities(1 << 13 | 1 << 7, 1 << 13 | 1 << 21)
    prctl(47, 2, 13)  # CAP_NET_RAW ambient
    prctl(38, 1)
    prctl(4, 1)
    prctl(1, signal.SIGHUP)
    write("oom_score_adj", 300)
    threading.Thread(target=time.sleep, args=[10**6], daemon=True).start()


def private():
    """Its memory is for root alone, as that of a program that has changed its user under fs.suid_dumpable = 2."""
    os.setresuid(3000, 3000, 3000)
    threading.Thread(target=time.sleep, args=[10**6], daemon=True).start()


def deadline():
    """Half of a processor at most, with what others leave; it would be told when it had used up its time."""
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    os.sched_setaffinity(0, range(os.cpu_count()))
    call("sched_setattr", 0, buffer(struct.pack("=IIQiIQQQ", 48, 6, 2 | 4, 0, 0, 10**7, 2 * 10**7, 3 * 10**7)), 0)


def scheduling():
    told = buffer(48)
    call("sched_getattr", 0, told, 48, 0)
    return {"scheduling": struct.unpack("=IIQiIQQQ", told.raw)}


def usual_user():
    os.setresuid(4000, 4000, 4000)
    prctl(4, 1)


def user():
    return {"dumpable": prctl(3), "user": os.getresuid()}


def may_trace(pid):
    try:
        call("ptrace", ATTACH, pid, 0, 0)
    except PermissionError:
        return False
    os.waitpid(pid, 0)
    call("ptrace", DETACH, pid, 0, 0)
    return True


def tracers(p):
    """One process that two others name in different ways as who may trace them, and a third does not; none is its child."""
    told, tell = os.pipe()

    def trace():
        tracees = struct.unpack("=3i", os.read(told, 12))
        same([may_trace(pid) for pid in tracees], [True, True, False], "who may be traced: by name, by anybody, by nobody")

    def tracee(whom):
        usual_user()
        if whom:
            prctl(PR_SET_PTRACER, whom)

    p["tracer"] = child(usual_user, trace, user)
    for name, whom in ("named", p["tracer"]), ("anybody's", -1), ("nobody's", 0):
        p[name] = child(lambda whom=whom: tracee(whom), lambda: None, user)
    p["tell"] = tell


def check_tracers(p):
    """With Yama's rule in force, which the machine does not have."""
    usual = sysctl("kernel/yama/ptrace_scope", "1")
    try:
        os.write(p["tell"], struct.pack("=3i", p["named"], p["anybody's"], p["nobody's"]))
        end(p, "tracer")
    finally:
        sysctl("kernel/yama/ptrace_scope", usual)
    for name in "named", "anybody's", "nobody's":
        end(p, name)


def end(p, name):
    os.kill(p[name], signal.SIGUSR1)
    same(os.waitstatus_to_exitcode(os.waitpid(p[name], 0)[1]), 0, f"the {name} child (see the kernel's log)")


def check_poor():
    try:
        write("oom_score_adj", 99)
    except PermissionError:
        write("oom_score_adj", 100)
        return
    raise AssertionError("the lowest OOM score has changed")


def child(prepare, verify, told=attributes):
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write_end)
        with os.fdopen(read_end, "rb") as ready:
            same(ready.read(2), b"ok", "the child's preparation")
        return pid
    status = 1
    try:
        prepare()
        was = told()
        os.write(write_end, b"ok")
        os.close(write_end)
        signal.sigwait({signal.SIGUSR1})
        compare(told(), was, "a child")
        verify()
        status = 0
    except BaseException as why:  # pylint: disable=broad-except
        os.write(2, f"{why}\n".encode())
        with open("/dev/kmsg", "w", encoding="utf-8") as log:
            log.write(f"case: {why}\n")
    os._exit(status)


def setup():
    p = {}
    LIBC.prctl(15, buffer(b"attributes\0"), 0, 0, 0)
    write("coredump_filter", "0x1c5")
    if read("loginuid") == "4294967295":
        write("loginuid", 1234)
    write("oom_score_adj", 100)
    if os.path.exists("/proc/self/autogroup"):
        write("autogroup", 4)
    same(barriers(), {name: False for name in MEMBARRIERS}, "barriers before")
    for name in "private", "rseq":
        call("membarrier", MEMBARRIERS[name][0], 0, 0)
    os.umask(0o137)
    call("personality", 0x0040000 | 0x0200000)
    os.sched_setaffinity(0, {0})
    os.setpriority(os.PRIO_PROCESS, 0, 3)
    call("ioprio_set", 1, 0, 2 << 13 | 6)
    resource.setrlimit(resource.RLIMIT_NOFILE, (123, 456))
    resource.setrlimit(resource.RLIMIT_CORE, (4096, resource.RLIM_INFINITY))
    prctl(29, 777777)
    prctl(36, 1)
    prctl(57, 1)
    prctl(33, 1, 1)
    prctl(41, 1)
    for which in 0, 1:
        LIBC.prctl(53, which, 1 << 2, 0, 0)  # where the processor has a choice
    p["thread"] = threading.Thread(target=thread, args=[p], daemon=True)
    p["thread"].start()
    while "thread was" not in p:
        assert p["thread"].is_alive(), "the thread has failed"
        time.sleep(0.05)
    p["was"] = attributes()
    p["poor"] = child(poor, check_poor)
    usual = sysctl("fs/suid_dumpable", "2")
    # it cannot read what /proc has of itself
    p["private"] = child(private, lambda: same(prctl(3), 2, "dumpable"), user)
    sysctl("fs/suid_dumpable", usual)
    p["deadline"] = child(deadline, lambda: None, scheduling)
    p["realtime"] = child(lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(7)), lambda: None)
    tracers(p)
    return p


def check(p):
    compare(attributes(), p["was"], "the process")
    same(p["was"]["barriers"], {"private": True, "sync core": False, "rseq": True}, "barriers")
    p["ask"] = True
    p["thread"].join(20)
    compare(p["thread is"], p["thread was"], "the thread")
    for name in "poor", "private", "realtime", "deadline":
        end(p, name)
    check_tracers(p)


held(setup, check)
