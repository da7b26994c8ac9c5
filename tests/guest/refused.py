# SPDX-License-Identifier: GPL-2.0-only
"""What `overlayctl check` says that a switch of this machine would be refused for."""

import json
import subprocess


def refusals():
    """All rows: pid (0: of no process), object, reason."""
    done = subprocess.run(["overlayctl", "check", "--next-kernel", "--json"], stdout=subprocess.PIPE, check=False)
    assert done.returncode == 3, f"overlayctl check has ended with {done.returncode}"
    return json.loads(done.stdout)["refusals"]


def is_refused(pid, thing, reason):
    """One row is about this process, names the object so and has this in its reason."""
    rows = refusals()
    assert any(row["pid"] == pid and thing in row["object"] and reason in row["reason"] for row in rows), \
        f"PID {pid}, {thing}: not refused with {reason!r}; refused are {rows}"
