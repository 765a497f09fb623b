# SPDX-License-Identifier: BSD-2-Clause
"""A boot server inside the private network, for `pxe first 200`.

dnsmasq answers DHCP and TFTP and advertises a router (without which iPXE waits
13 s for one); a small HTTP server carries the images. Which iPXE script a node
gets depends on its MAC address, so that the systems can boot by turns.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

from rig import (BRIDGE_ADDRESS, LOAD_CORE, REGISTRY, BenchError, Node, end, ip, start)

HTTP_PORT = 8000
ROUTER = "fd09::1/64"


class BootServer:
    """Serves what publish() was given until stop()."""

    def __init__(self) -> None:
        self.root = REGISTRY.scratch() / "netboot"
        self.root.mkdir()
        self.nodes: list[Node] = []
        self.processes: list[subprocess.Popen] = []

    def publish(self, node: Node, modules: list[str], append: str) -> None:
        """Offers the node's kernel and modules; its script is fetched by TFTP."""
        base = f"http://{BRIDGE_ADDRESS}:{HTTP_PORT}/{node.label}"
        folder = self.root / node.label
        folder.mkdir()
        for path in (node.kernel, *map(Path, modules)):
            shutil.copy(path, folder / path.name)
        lines = ["#!ipxe", f"kernel {base}/{node.kernel.name} {append}"]
        lines += [f"initrd {base}/{Path(module).name}" for module in modules]
        (self.root / f"{node.label}.ipxe").write_text("\n".join([*lines, "boot", ""]))
        self.nodes.append(node)

    def _dnsmasq(self) -> list[str]:
        words = ["dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--user=root", "--port=0",
                 "--interface=br0", "--bind-interfaces", "--no-ping", "--leasefile-ro",
                 "--dhcp-authoritative", "--dhcp-range=10.9.0.100,10.9.0.200,1h",
                 "--enable-ra", "--dhcp-range=fd09::,ra-only",
                 "--enable-tftp", f"--tftp-root={self.root}"]
        for node in self.nodes:
            words += [f"--dhcp-host={node.mac},set:{node.label},{node.address}",
                      f"--dhcp-boot=tag:{node.label},{node.label}.ipxe"]
        return words

    def start(self) -> None:
        ip("ip", "addr", "add", ROUTER, "dev", "br0", "nodad")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        server = ["/usr/bin/python3", "-m", "http.server", str(HTTP_PORT), "--bind",
                  BRIDGE_ADDRESS, "-d", str(self.root)]
        self.processes = [start(self._dnsmasq(), LOAD_CORE, **quiet),
                          start(server, LOAD_CORE, **quiet)]
        deadline = time.monotonic() + 5
        while True:
            with socket.socket() as probe:
                if probe.connect_ex((BRIDGE_ADDRESS, HTTP_PORT)) == 0:
                    break
            if time.monotonic() > deadline:
                raise BenchError("the boot server did not start in 5 s")
            time.sleep(0.05)
        if self.processes[0].poll() is not None:
            raise BenchError("dnsmasq did not start: is dnsmasq-base installed?")

    def stop(self) -> None:
        for process in self.processes:
            end(process)
        if self.processes:
            ip("ip", "addr", "del", ROUTER, "dev", "br0")
        shutil.rmtree(self.root, ignore_errors=True)
