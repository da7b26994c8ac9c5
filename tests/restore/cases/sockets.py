# SPDX-License-Identifier: GPL-2.0-only
"""Unix sockets: pairs, connections, listeners, datagrams, and what was not read yet."""
import os
import socket
import struct
import tempfile

from check import check, done, wait_switch



def told(s):
    """Process, user and group of the other side, and its further groups."""
    try:
        groups = s.getsockopt(socket.SOL_SOCKET, 59, 64)
    except OSError:
        groups = b""
    return struct.unpack("iii", s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)) + (groups,)


def receive_all(s):
    data = b""
    while part := s.recv(1 << 20):
        data += part
    return data


SNDBUFFORCE = 32
S, D, Q = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET
U = socket.AF_UNIX
folder = tempfile.mkdtemp()


def bound(kind, name, listen=False):
    s = socket.socket(U, kind)
    s.bind(name)
    if listen:
        s.listen(5)
    return s


a, b = socket.socketpair(U, S)
a.send(b"to b ")
a.send(b"and more")
b.send(b"to a")
c, d = socket.socketpair(U, D)
c.send(b"one")
c.send(b"two")
half, gone = socket.socketpair(U, S)
gone.send(b"last words")
gone.close()
large = b"0123456789" * 30000
full, filler = socket.socketpair(U, S)
filler.setsockopt(socket.SOL_SOCKET, SNDBUFFORCE, len(large) * 4)
filler.sendall(large)
filler.close()
listener = bound(S, folder + "/stream", True)
os.setresgid(-1, 17, -1)
os.setresuid(-1, 65534, -1)
other_pair, other_end = socket.socketpair(U, S)
other_listener = bound(S, "\0overlay-other-%d" % os.getpid(), True)
os.setresuid(-1, 0, -1)
os.setresgid(-1, 0, -1)
client = socket.socket(U, S)
client.connect(folder + "/stream")
server = listener.accept()[0]
client.send(b"request")
server.send(b"reply")
waiting = socket.socket(U, S)
waiting.connect(folder + "/stream")
waiting.send(b"not accepted yet")
impatient = socket.socket(U, S)
impatient.connect(folder + "/stream")
impatient.send(b"and gone")
impatient.close()
packets = bound(Q, "\0overlay-test-%d" % os.getpid(), True)
qclient = socket.socket(U, Q)
qclient.connect("\0overlay-test-%d" % os.getpid())
qserver = packets.accept()[0]
qclient.send(b"p1")
qclient.send(b"p2")
log = bound(D, folder + "/log")
logger = socket.socket(U, D)
logger.connect(folder + "/log")
logger.send(b"line 1")
named = bound(D, folder + "/named")
named.sendto(b"line 2", folder + "/log")
os.chmod(folder + "/log", 0o622)
left = bound(D, folder + "/left")
left.sendto(b"line 2b", folder + "/log")
left.close()
left = bound(D, folder + "/large")
left.setsockopt(socket.SOL_SOCKET, SNDBUFFORCE, len(large) * 4)
left.sendto(large, folder + "/log")
left.close()
named.sendto(b"its buffer is smaller now", folder + "/log")
named.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 5000)
lost = bound(S, folder + "/lost", True)
os.unlink(folder + "/lost")
asked = [a, b, c, half, client, server, waiting, qclient, qserver, other_pair, other_end, other_listener]
were = [told(s) for s in asked]
wait_switch()
for s in (a, b, c, d, half, full, listener, client, server, waiting, packets, qclient, qserver, log):
    s.settimeout(3)
check("who the others are: %s, not %s" % ([told(s) for s in asked], were), [told(s) for s in asked] == were)
check("who waits", told(waiting)[0] == os.getpid())
check("stream pair", b.recv(100) == b"to b and more" and a.recv(100) == b"to a")
b.send(b"on")
check("stream pair goes on", a.recv(100) == b"on")
check("datagram pair", (d.recv(100), d.recv(100)) == (b"one", b"two"))
check("the other end is gone", (half.recv(100), half.recv(100)) == (b"last words", b""))
check("more than fits into a send buffer", receive_all(full) == large)
check("connection", server.recv(100) == b"request" and client.recv(100) == b"reply")
client.send(b"again")
check("connection goes on", server.recv(100) == b"again")
check("its addresses", client.getpeername() == folder + "/stream" == server.getsockname())
late = listener.accept()[0]
check("a connection that waits", late.recv(100) == b"not accepted yet")
late.send(b"accepted")
check("is answered", waiting.recv(100) == b"accepted")
hung_up = listener.accept()[0]
check("one that waits and has hung up", (hung_up.recv(100), hung_up.recv(100)) == (b"and gone", b""))
new = socket.socket(U, S)
new.connect(folder + "/stream")
check("listener by its name", listener.accept()[0] is not None)
check("packets", (qserver.recv(100), qserver.recv(100)) == (b"p1", b"p2"))
first, second = log.recvfrom(100), log.recvfrom(100)
check("datagrams in order", (first[0], second[0]) == (b"line 1", b"line 2"))
check("a datagram's sender", second[1] == folder + "/named")
check("a sender that is gone", log.recvfrom(100) == (b"line 2b", folder + "/left"))
check("a datagram that fits into none", log.recv(len(large) + 1) == large)
check("buffers", log.recv(100) == b"its buffer is smaller now"
      and named.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 10000)
logger.send(b"line 3")
check("connected datagrams go on", log.recv(100) == b"line 3")
check("mode of a name", os.stat(folder + "/log").st_mode & 0o777 == 0o622)
check("a name that was taken away", not os.path.exists(folder + "/lost")
      and lost.getsockname() == folder + "/lost")
done()
