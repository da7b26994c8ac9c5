# SPDX-License-Identifier: GPL-2.0-only
"""A connected TCP socket, which is refused: it must work after the refusal as before."""

import os
import socket

from demo import NOTES, answer, ask, kernel, leave_self, load, main, same, save


def run():
    with open("/proc/self/comm", "w", encoding="ascii") as comm:
        comm.write("tcp-talker")
    listener = socket.create_server(("127.0.0.1", 0))
    here = socket.create_connection(listener.getsockname())
    there, _ = listener.accept()

    def report():
        here.sendall(b"are you there?")
        return {"heard": there.recv(100).decode()}
    answer(report)
    while True:
        listener.accept()


def start():
    os.system("ip link set lo up")
    save(NOTES, dict(leave_self(), kernel=kernel()))


def verify():
    was = load(NOTES)
    now = ask(was["pid"])
    same(now["secret"], was["secret"], "secret")
    same(now["heard"], "are you there?", "what comes through the connection")
    same(kernel(), was["kernel"], "kernel")
    print(f"PID {was['pid']} goes on, its connection works, under {kernel()}")


main(run, start, verify)
