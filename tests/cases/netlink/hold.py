# SPDX-License-Identifier: GPL-2.0-only
"""Netlink sockets: ports, groups, options and filters; afterwards the next kernel's messages reach them."""

import ctypes
import socket as S
import struct
import time

from held import held, same

ROUTE, UEVENT, GENERIC = 0, 15, 16
SOL_NETLINK, ADD_MEMBERSHIP, LIST_MEMBERSHIPS, EXT_ACK = 270, 1, 9, 11
SO_ATTACH_FILTER, SO_GET_FILTER, SO_RCVBUFFORCE = 26, 26, 33
RETURN_ALL = struct.pack("HBBI", 6, 0, 0, 0xffff)
LOAD_LEN = struct.pack("HBBI", 0x80, 0, 0, 0)


def groups(sock):
    return sock.getsockopt(SOL_NETLINK, LIST_MEMBERSHIPS, 64)


def program(sock):
    """The filter; its length is told in instructions, which getsockopt() would take for bytes."""
    buf, length = ctypes.create_string_buffer(64), ctypes.c_uint(8)
    ctypes.CDLL(None).getsockopt(sock.fileno(), S.SOL_SOCKET, SO_GET_FILTER, buf, ctypes.byref(length))
    return buf.raw[:length.value * 8]


def family(sock, name):
    """Ask generic netlink's controller for a family; the answer holds its number and groups."""
    attr = struct.pack("HH", 5 + len(name), 2) + name + b"\0"
    attr += bytes(-len(attr) % 4)
    sock.send(struct.pack("IHHII", 20 + len(attr), 16, 1, 1, 0) + struct.pack("BBH", 3, 1, 0) + attr)
    return sock.recv(65536)


def setup():
    p = {}
    p["uevent"] = S.socket(S.AF_NETLINK, S.SOCK_RAW, UEVENT)
    code = ctypes.create_string_buffer(LOAD_LEN + RETURN_ALL)
    p["uevent"].setsockopt(S.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", 2, ctypes.addressof(code)))
    p["uevent"].setsockopt(S.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20)
    p["uevent"].setsockopt(S.SOL_SOCKET, S.SO_PASSCRED, 1)
    p["uevent"].bind((0x12345, 1))
    p["route"] = S.socket(S.AF_NETLINK, S.SOCK_RAW, ROUTE)
    p["route"].setsockopt(SOL_NETLINK, EXT_ACK, 1)
    p["route"].bind((0, 0x11))
    p["route"].setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, 27)
    p["route"].setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, 33) # one of those beyond the 32 that bind() takes
    p["generic"] = S.socket(S.AF_NETLINK, S.SOCK_RAW, GENERIC)
    p["generic"].bind((0, 0))
    assert b"nlctrl" in family(p["generic"], b"nlctrl"), "the controller does not answer"
    p["generic"].setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, 16) # nlctrl's notify, the same in all kernels
    p["unbound"] = S.socket(S.AF_NETLINK, S.SOCK_DGRAM, ROUTE)
    for name in "uevent", "route", "generic", "unbound":
        p[name + " was"] = p[name].getsockname(), groups(p[name])
    return p


def check(p):
    for name in "uevent", "route", "generic", "unbound":
        now = p[name].getsockname(), groups(p[name])
        same(now[0], p[name + " was"][0], f"{name}: port and groups")
        same(now[1].rstrip(b"\0"), p[name + " was"][1].rstrip(b"\0"), f"{name}: list of groups")
    same(p["route"].getsockopt(SOL_NETLINK, EXT_ACK), 1, "NETLINK_EXT_ACK")
    same(program(p["uevent"]), LOAD_LEN + RETURN_ALL, "filter")
    same(p["uevent"].getsockopt(S.SOL_SOCKET, S.SO_RCVBUF), 2 << 20, "receive buffer")
    same(p["uevent"].getsockopt(S.SOL_SOCKET, S.SO_PASSCRED), 1, "SO_PASSCRED")
    with open("/sys/devices/virtual/mem/null/uevent", "w", encoding="ascii") as out:
        out.write("change")
    p["uevent"].settimeout(10)
    end = time.monotonic() + 10
    while b"change@/devices/virtual/mem/null" not in p["uevent"].recv(65536):
        assert time.monotonic() < end, "no uevent"
    assert b"nlctrl" in family(p["generic"], b"nlctrl"), "the controller does not answer"
    p["unbound"].send(struct.pack("IHHII", 17, 18, 0x301, 7, 0) + b"\0" * 4) # RTM_GETLINK, dump
    assert b"lo\0" in p["unbound"].recv(65536), "no answer about links"


held(setup, check)
