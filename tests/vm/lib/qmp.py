# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's monitor: stop a machine, let it go on, write its state to a file."""

import json
import socket
import time

from lib.common import HarnessError


class Monitor:
    def __init__(self, path, seconds=30):
        deadline = time.monotonic() + seconds
        self.socket = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.socket.connect(path)
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise HarnessError(f"QEMU's monitor {path}: {error}") from None
                time.sleep(0.05)
        self.socket.settimeout(0.02)
        self.rest = b""
        self.events = []
        self.gone = False
        self.ask("qmp_capabilities")

    def receive(self):
        """The next object, or None when none has come."""
        while b"\n" not in self.rest:
            try:
                more = self.socket.recv(65536)
            except socket.timeout:
                return None
            except OSError:
                more = b""
            if not more:
                self.gone = True
                return None
            self.rest += more
        line, _, self.rest = self.rest.partition(b"\n")
        return json.loads(line)

    def ask(self, command, **arguments):
        try:
            self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        except OSError:
            self.gone = True
            return None
        while not self.gone:
            answer = self.receive()
            if answer is None:
                continue
            if "event" in answer:
                self.events.append(answer["event"])
            elif "error" in answer:
                raise HarnessError(f"QEMU: {command}: {answer['error']['desc']}")
            elif "return" in answer:
                return answer["return"]
        return None

    def take_events(self):
        while True:
            answer = self.receive()
            if answer is None:
                break
            if "event" in answer:
                self.events.append(answer["event"])
        taken, self.events = self.events, []
        return taken

    def save(self, path):
        """The whole machine into a file; it stands still from the beginning: what TCG's processors write while memory
        is copied is not always noticed."""
        self.ask("stop")
        self.ask("migrate", uri=f"exec:cat > '{path}'")
        while True:
            told = self.ask("query-migrate")
            if told is None or told.get("status") == "failed":
                raise HarnessError("QEMU could not save the machine")
            if told.get("status") == "completed":
                return
            time.sleep(0.1)
