# SPDX-License-Identifier: BSD-2-Clause
"""What `up` may be asked for, and what this machine can do.

Light to import: most verbs need no more.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from random import SystemRandom

from .failure import Failure

ROOT = Path(__file__).resolve().parents[2]
# Below net.ipv4.ip_local_port_range, in an order of this process's own: no two alike.
PORTS = cycle(SystemRandom().sample(range(20000, 32768), 12768))
asked_for: set[int] = set()  # ports, by name, that somebody will listen at
NODES_MAX = {"tap": 60, "socket": 16, "bridge": 60}


@dataclass(frozen=True)
class Options:
    """What `up` was asked for."""

    nodes: int
    site: Path
    port: int
    api_port: int  # 0: any that is free
    boot: str
    net: str
    smp: int
    memory_mib: int
    disk_bytes: int
    append: str
    mtu: int
    standalone: bool  # each node serves its own copy of the site, from a boot module
    nic: str  # of machine.NICS
    disk_bus: str  # of drive.DISKS

    def ports(self) -> list[int]:
        """Those of 127.0.0.1 that were asked for."""
        return [self.port] + [self.api_port] * bool(self.api_port)


def choose(wanted: str) -> str:
    """The uplink to use, or why the wanted one cannot be."""
    if wanted == "socket":
        return wanted
    lacking = lacks_for_tap()
    if lacking is None:
        return "tap" if wanted == "auto" else wanted
    if wanted == "auto":
        return "socket"
    raise Failure(f"--net {wanted}: {lacking}; --net socket works without")


def lacks_for_tap() -> str | None:
    """What is missing for taps and namespaces."""
    if os.geteuid() != 0:
        return "only root makes taps and network namespaces"
    # In a container root may lack either: ask by making both, where they vanish at once.
    words = ["unshare", "--net", "--", "ip", "tuntap", "add", "tap0", "mode", "tap"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unshare is not installed"
    if done.returncode != 0:
        why = (done.stderr.strip() or "it failed").splitlines()[-1]
        return f"no tap in a network namespace here ({why})"
    return None


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses: of those that no outgoing connection is given,
    so that it is still free when somebody comes to listen there."""
    for port in islice(PORTS, 100):
        if port in asked_for:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass
    raise Failure("a hundred ports of 20000 to 32767 are taken")


def check_port(port: int) -> None:
    """A port that was asked for must be free, and is given to nobody else."""
    asked_for.add(port)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            what = ("is taken by another program" if error.errno == errno.EADDRINUSE
                    else f"cannot be used ({error.strerror})")
            raise Failure(f"port {port} {what}: choose another one (--port, PORT=; "
                          "--api-port)") from error


def build_folder() -> Path:
    """Where the build is."""
    return ROOT / os.environ.get("DEOS_BUILD", "build")


def tools_folder() -> Path:
    """Where the build put the switch and `forward`."""
    folder = build_folder() / "harness"
    for name in ("switch", "forward"):
        if not shutil.which(name, path=str(folder)):
            raise Failure(f"{folder / name} is not built: run make")
    return folder
