# SPDX-License-Identifier: BSD-2-Clause
"""What is missing on this machine, and what to do about it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from .options import ROOT, lacks_for_tap

GROUPS = ("build", "run")


def missing_packages() -> list[str]:
    """What harness/setup would install."""
    done = subprocess.run([str(ROOT / "harness" / "setup"), "--check", *GROUPS],
                          capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return []
    return done.stdout.split() or [f"({done.stderr.strip()})"]


def available_mib() -> int:
    """Memory that new processes could have."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) >> 10
    return 0


def examine(build: Path) -> int:
    """Prints a line for each thing; 1 when something that `up` needs is missing."""
    missing = missing_packages()
    built = all((build / name).exists() for name in
                ("deos.elf", "boot.cpio", "harness/switch", "harness/forward"))
    if missing:
        sudo = "" if os.geteuid() == 0 else "sudo "
        print(f"packages  missing: {sudo}apt-get install --no-install-recommends "
              + " ".join(missing))
    else:
        print("packages  all there")
    print("build     " + ("there" if built else "missing: make"))
    lacking = lacks_for_tap()
    print("network   " + (f"--net socket only (at most 16 nodes): {lacking}" if lacking
                          else "--net tap, socket and bridge"))
    print(f"memory    {available_mib()} MiB free; a node takes what it touches, up to --mem")
    return 1 if missing or not built else 0
