# SPDX-License-Identifier: GPL-2.0-only
"""The orders of a test run: a tar that the machine finds as a disk and unpacks to /var/lib/vm-orders."""

import io
import os
import tarfile

from lib.common import VM_DIR


class Orders:
    def __init__(self, path):
        self.path = path
        self.tar = tarfile.open(path, "w", format=tarfile.GNU_FORMAT, dereference=True)

    @staticmethod
    def _owner(info):
        info.uid = info.gid = 0
        info.uname = info.gname = "root"
        return info

    def add(self, source, name):
        """A file or a folder of the host.  Links are followed in a case, which may share files with others."""
        self.tar.dereference = name.startswith("cases/")
        self.tar.add(os.path.abspath(source), name, filter=self._owner)

    def add_text(self, name, text, mode=0o644):
        data = text.encode()
        info = self._owner(tarfile.TarInfo(name))
        info.size, info.mode = len(data), mode
        self.tar.addfile(info, io.BytesIO(data))

    def add_agent(self, name):
        self.add(os.path.join(VM_DIR, "agents", name), "agent")

    def finish(self):
        """Close the tar; a disk's size is a whole number of sectors, which tar's records are."""
        self.tar.close()
        return self.path
