# SPDX-License-Identifier: GPL-2.0-only
"""Unix sockets: a listener with accepted and waiting connections, datagrams in flight with senders, credentials and
descriptors, packets, half-closed and orphaned connections, options, and whom each connection names
as its other side."""

import array
import fcntl
import os
import socket as S
import struct

from held import held, same
from libc import call, seconds, spec

LISTENER, SENDER, GONE = "/run/case-unix", "/run/case-unix.sender", "/run/case-unix.gone"
LOCKED = "/run/case-unix.locked"
RECEIVER = "\0case-unix-receiver"
PEERGROUPS = 59


def credentials(sock):
    return struct.unpack("iii", sock.getsockopt(S.SOL_SOCKET, S.SO_PEERCRED, 12))


def told(sock):
    """Process, user and group of the other side, and its further groups."""
    try:
        groups = sock.getsockopt(S.SOL_SOCKET, PEERGROUPS, 400)
    except OSError:
        groups = b""
    return credentials(sock) + tuple(array.array("i", groups))


def by_another(make):
    """What a child makes as user 1234 of groups 4321 and 77; make() returns sockets. The child has ended then."""
    here, there = S.socketpair()
    child = os.fork()
    if not child:
        try:
            os.setgroups([77, 78])
            os.setresgid(4321, 4321, 4321)
            os.setresuid(1234, 1234, 1234)
            made = make()
            S.send_fds(there, [b"made"], [sock.fileno() for sock in made])
        finally:
            os._exit(0)
    there.close()
    descriptors = S.recv_fds(here, 10, 5)[1]
    os.waitpid(child, 0)
    return child, [S.socket(fileno=fd) for fd in descriptors]


def unix(kind, bind=None, connect=None):
    sock = S.socket(S.AF_UNIX, kind)
    if bind is not None:
        sock.bind(bind)
    if connect is not None:
        sock.connect(connect)
    return sock


def sent_away(sock):
    """Descriptors that nobody has any more but a message: a timer, a sealed memfd, a locked file."""
    timer = call("timerfd_create", 1, 0o4000)
    call("timerfd_settime", timer, 0, spec(0, 10000), None)
    memory = os.memfd_create("case-unix", os.MFD_ALLOW_SEALING)
    os.write(memory, b"sealed")
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK)
    locked = os.open(LOCKED, os.O_RDWR | os.O_CREAT)
    fcntl.flock(locked, fcntl.LOCK_EX)
    S.send_fds(sock, [b"away"], [timer, memory, locked])
    for fd in timer, memory, locked:
        os.close(fd)


def come_back(sock):
    timer, memory, locked = S.recv_fds(sock, 10, 3)[1]
    left = spec(0, 0)
    call("timerfd_gettime", timer, left)
    assert 5000 < seconds(left)[1] < 10000, f"timer in a message: {seconds(left)}"
    same(os.pread(memory, 100, 0), b"sealed", "memfd in a message")
    same(fcntl.fcntl(memory, fcntl.F_GET_SEALS), fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK, "its seals")
    with open(LOCKED, encoding="ascii") as other:
        try:
            fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
            raise AssertionError("a file in a message is not locked")
        except BlockingIOError:
            pass
    fcntl.flock(locked, fcntl.LOCK_UN)


def setup():
    for path in LISTENER, SENDER, GONE:
        if os.path.exists(path):
            os.unlink(path)
    p = {"pid": os.getpid()}
    p["listener"] = unix(S.SOCK_STREAM, LISTENER)
    os.chmod(LISTENER, 0o640)
    os.chown(LISTENER, 1, 2)
    p["listener"].listen(7)
    p["client"] = unix(S.SOCK_STREAM, "\0case-unix-client", LISTENER)
    p["accepted"] = p["listener"].accept()[0]
    p["client"].send(b"to the accepted one")
    p["accepted"].send(b"reply")
    p["waiting"] = unix(S.SOCK_STREAM, None, LISTENER)
    p["waiting"].send(b"sent too early")
    impatient = unix(S.SOCK_STREAM, None, LISTENER)
    impatient.send(b"and gone")
    impatient.close()

    p["receiver"] = unix(S.SOCK_DGRAM, RECEIVER)
    p["receiver"].setsockopt(S.SOL_SOCKET, S.SO_PASSCRED, 1)
    p["receiver"].setsockopt(S.SOL_SOCKET, S.SO_RCVBUF, 50000)
    p["sender"] = unix(S.SOCK_DGRAM, SENDER, RECEIVER)
    p["sender"].send(b"one")
    p["file"] = os.open("/etc/hostname", os.O_RDONLY)
    p["packets"] = S.socketpair(S.AF_UNIX, S.SOCK_SEQPACKET)
    for word in b"first", b"", b"third" * 3000:
        p["packets"][0].send(word)
    p["sender"].sendmsg([b"two"], [(S.SOL_SOCKET, S.SCM_RIGHTS,
                                   array.array("i", [p["file"], p["packets"][0].fileno()]))])
    closed = unix(S.SOCK_DGRAM, GONE)
    closed.sendto(b"three", RECEIVER)
    closed.close()

    p["away"] = S.socketpair()
    sent_away(p["away"][0])
    p["half"] = S.socketpair()
    p["half"][0].send(b"h" * 70000)
    p["half"][1].recv(10)
    p["half"][0].shutdown(S.SHUT_WR)
    p["half"][1].setsockopt(S.SOL_SOCKET, S.SO_RCVTIMEO, struct.pack("ll", 3, 500000))
    p["orphan"], other = S.socketpair()
    other.send(b"last words")
    other.close()
    p["open"] = unix(S.SOCK_STREAM, "\0case-unix-open")
    p["open"].listen(5)
    p["pair maker"], p["their pair"] = by_another(S.socketpair)
    p["caller"], p["their call"] = by_another(lambda: [unix(S.SOCK_STREAM, None, "\0case-unix-open")])
    p["their call"] += [p["open"].accept()[0]]
    p["queued caller"], p["queued call"] = by_another(lambda: [unix(S.SOCK_STREAM, None, "\0case-unix-open")])
    p["told"] = {name: [told(sock) for sock in p[name]] for name in ("their pair", "their call")}
    p["child"] = os.fork()
    if not p["child"]:
        with p["accepted"] as sock: # the other process's copy of it
            word = sock.recv(100)
            word += sock.recv(100)
            sock.send(word.upper())
            os._exit(5)
    p["accepted"].close()
    return p


def stream(p):
    same(p["listener"].getsockname(), LISTENER, "listener's name")
    node = os.stat(LISTENER)
    same((node.st_uid, node.st_gid, node.st_mode & 0o7777), (1, 2, 0o640), "listener's owner and mode")
    assert p["listener"].getsockopt(S.SOL_SOCKET, S.SO_ACCEPTCONN), "the listener does not listen"
    same(p["client"].getsockname(), b"\0case-unix-client", "client's name")
    same(p["client"].getpeername(), LISTENER, "client's peer")
    same(credentials(p["client"]), (p["pid"], 0, 0), "client's peer credentials")
    same(p["client"].recv(100), b"reply", "what the client was sent")
    p["client"].send(b", and more")
    same(p["client"].recv(100), b"TO THE ACCEPTED ONE, AND MORE", "answer of the accepted one")
    same(os.waitstatus_to_exitcode(os.waitpid(p["child"], 0)[1]), 5, "the child")
    early = p["listener"].accept()[0]
    same(early.recv(100), b"sent too early", "first waiting connection")
    same(credentials(early)[0], p["pid"], "its peer's process")
    early.send(b"at last")
    same(p["waiting"].recv(100), b"at last", "answer to the first waiting connection")
    gone = p["listener"].accept()[0]
    same((gone.recv(100), gone.recv(100)), (b"and gone", b""), "second waiting connection")
    late = unix(S.SOCK_STREAM, None, LISTENER)
    late.send(b"new")
    same(p["listener"].accept()[0].recv(100), b"new", "new connection")


def others(p):
    """Who each connection says is its other side, though those who made some of them have ended."""
    for name, were in p["told"].items():
        same([told(sock) for sock in p[name]], were, f"other sides of {name}")
    same(tuple(p["told"]["their pair"][0]), (p["pair maker"], 1234, 4321, 77, 78), "maker of the pair")
    same(tuple(p["told"]["their call"][1]), (p["caller"], 1234, 4321, 77, 78), "caller")
    same(told(p["open"].accept()[0]), (p["queued caller"], 1234, 4321, 77, 78), "caller not accepted before")
    same(credentials(p["half"][0]), (p["pid"], 0, 0), "maker of a pair of one's own")
    same(credentials(p["listener"]), (p["pid"], 0, 0), "a listener's own")
    p["their pair"][0].send(b"still a pair")
    same(p["their pair"][1].recv(100), b"still a pair", "what comes through the pair")


def datagrams(p):
    receiver = p["receiver"]
    same(receiver.getsockopt(S.SOL_SOCKET, S.SO_RCVBUF), 100000, "receive buffer")
    got = [receiver.recvmsg(100, 1000) for _ in range(3)]
    same([m[0] for m in got], [b"one", b"two", b"three"], "datagrams")
    same([m[3] for m in got], [SENDER, SENDER, GONE], "senders")
    for message in got:
        creds = [c[2] for c in message[1] if c[1] == S.SCM_CREDENTIALS]
        same([struct.unpack("iii", c) for c in creds], [(p["pid"], 0, 0)], "credentials")
    files = array.array("i")
    files.frombytes([c[2] for c in got[1][1] if c[1] == S.SCM_RIGHTS][0])
    same(os.readlink(f"/proc/self/fd/{files[0]}"), "/etc/hostname", "descriptor in a message")
    os.lseek(p["file"], 3, os.SEEK_SET)
    same(os.lseek(files[0], 0, os.SEEK_CUR), 3, "position shared with the descriptor in a message")
    p["sender"].send(b"four")
    same(receiver.recv(100), b"four", "later datagram")
    same(p["sender"].getsockname(), SENDER, "sender's name")
    first, second = p["packets"]
    same([second.recv(20000) for _ in range(3)], [b"first", b"", b"third" * 3000], "packets")
    os.write(files[1], b"through the passed one")
    same(second.recv(100), b"through the passed one", "socket in a message")
    second.send(b"back")
    same(first.recv(100), b"back", "packet back")


def check(p):
    stream(p)
    others(p)
    datagrams(p)
    come_back(p["away"][1])
    same(p["half"][1].getsockopt(S.SOL_SOCKET, S.SO_RCVTIMEO, 16), struct.pack("ll", 3, 500000), "timeout")
    got = b""
    while len(got) < 69990:
        got += p["half"][1].recv(100000)
    same(got, b"h" * 69990, "long data")
    same(p["half"][1].recv(10), b"", "end of the half that is closed")
    p["half"][1].send(b"other way")
    same(p["half"][0].recv(100), b"other way", "the half that is open")
    same(p["orphan"].recv(100), b"last words", "orphan's data")
    same(p["orphan"].recv(100), b"", "orphan's end")
    for path in LISTENER, SENDER, GONE:
        if os.path.exists(path):
            os.unlink(path)


held(setup, check)
