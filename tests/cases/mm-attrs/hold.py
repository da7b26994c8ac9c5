# SPDX-License-Identifier: GPL-2.0-only
"""What prctl sets of memory since 6.3 and 6.4: executable memory is refused, for children too or not; all memory is merged.
Older kernels have none of it, so that this is for a switch between newer ones."""

import errno
import mmap
import os
import signal

import libc
from held import held, same
from libc import call

libc.NUMBERS.update({"prctl": 157})
SET_MDWE, GET_MDWE, SET_MERGE, GET_MERGE = 65, 66, 67, 68
REFUSE, NO_INHERIT = 1, 2
ANYTHING = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC


def prctl(option, value=0):
    return call("prctl", option, value, 0, 0, 0)


def refuses():
    """Does it refuse memory that can be written to and executed?"""
    try:
        mmap.mmap(-1, 4096, prot=ANYTHING).close()
    except OSError as error:
        same(error.errno, errno.EACCES, "error of mmap")
        return True
    return False


def in_child(ask):
    """What a process that is forked says."""
    pid = os.fork()
    if not pid:
        os._exit(ask())
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def mergeable():
    """Is memory that is mapped from now on?"""
    here = mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    here.write(b"x")
    with open("/proc/self/smaps", encoding="ascii") as text:
        flags = [line.split()[1:] for line in text if line.startswith("VmFlags:")]
    return sum("mg" in of_one for of_one in flags)


def told():
    return {"MDWE": prctl(GET_MDWE), "executable memory refused": refuses(), "MDWE of a child": in_child(lambda: prctl(GET_MDWE)),
            "refused to a child": in_child(refuses), "merge": prctl(GET_MERGE), "mappings to be merged": mergeable() > 0}


def child(option, value):
    """A process with this setting, and what it says of itself; asked again it compares."""
    ready, done = os.pipe()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            prctl(option, value)
            was = told()
            os.write(done, repr(was).encode())
            os.close(done)
            signal.sigwait({signal.SIGUSR1})
            same(told(), was, "what it is refused and what is merged")
            status = 0
        except BaseException as why:  # pylint: disable=broad-except
            with open("/dev/kmsg", "w", encoding="utf-8") as log:
                log.write(f"case: {why}\n")
        os._exit(status)
    os.close(done)
    with os.fdopen(ready) as text:
        return pid, text.read()


def setup():
    p = {}
    p["refuse"], said = child(SET_MDWE, REFUSE)
    same(said, repr({"MDWE": 1, "executable memory refused": True, "MDWE of a child": 1, "refused to a child": 1, "merge": 0,
                     "mappings to be merged": False}), "executable memory")
    p["not for children"], said = child(SET_MDWE, REFUSE | NO_INHERIT)
    same(said, repr({"MDWE": 3, "executable memory refused": True, "MDWE of a child": 0, "refused to a child": 0, "merge": 0,
                     "mappings to be merged": False}), "executable memory, children left out")
    p["merge"], said = child(SET_MERGE, 1)
    same(said, repr({"MDWE": 0, "executable memory refused": False, "MDWE of a child": 0, "refused to a child": 0, "merge": 1,
                     "mappings to be merged": True}), "merging")
    return p


def check(p):
    for name, pid in p.items():
        os.kill(pid, signal.SIGUSR1)
        same(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0, f"the child {name} (see the kernel's log)")


held(setup, check)
