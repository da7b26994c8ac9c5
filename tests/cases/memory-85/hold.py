# SPDX-License-Identifier: GPL-2.0-only
"""Most of RAM in use: with what the machine uses itself 85 % of it, random bytes in private and in shared memory of a
few processes, none of which can be dropped or compressed."""

import mmap
import os
import signal
import zlib

from held import held, same

SHARE = 0.85
PROCESSES = 4
BLOCK = 1 << 20


def meminfo():
    with open("/proc/meminfo", encoding="ascii") as lines:
        return {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}


def used(numbers):
    """Part of RAM that is neither free nor a cache of what is on disk."""
    return 1 - numbers["MemAvailable"] / numbers["MemTotal"]


def fill(memory):
    sums = []
    for at in range(0, len(memory), BLOCK):
        data = os.urandom(BLOCK)
        memory[at:at + BLOCK] = data
        sums.append(zlib.crc32(data))
    return sums


def keeper(size, shared, ready):
    """Fills memory and waits; then says by its exit status whether all of it is right."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    memory = mmap.mmap(-1, size, (mmap.MAP_SHARED if shared else mmap.MAP_PRIVATE) | mmap.MAP_ANONYMOUS)
    sums = fill(memory)
    os.write(ready, b"1")
    signal.sigwait({signal.SIGUSR1})
    bad = sum(zlib.crc32(memory[n * BLOCK:(n + 1) * BLOCK]) != crc for n, crc in enumerate(sums))
    os._exit(min(bad, 100))


def setup():
    numbers = meminfo()
    size = int(numbers["MemTotal"] * (SHARE - used(numbers))) // PROCESSES // BLOCK * BLOCK
    pids = []
    ready, told = os.pipe()
    for number in range(PROCESSES):
        pid = os.fork()
        if not pid:
            keeper(size, number == 0, told)
        pids.append(pid)
        # one after the other: filled at once they would push each other out
        assert os.read(ready, 1) == b"1"
    os.close(ready)
    os.close(told)
    numbers = meminfo()
    gone = numbers["SwapTotal"] - numbers["SwapFree"]
    assert used(numbers) + gone / numbers["MemTotal"] > SHARE - 0.05, f"only {used(numbers):.2f} of RAM is in use"
    return pids


def check(pids):
    for pid in pids:
        os.kill(pid, signal.SIGUSR1)
        same(os.waitpid(pid, 0)[1], 0, "blocks that are wrong, as a wait status")


held(setup, check)
