# SPDX-License-Identifier: BSD-2-Clause
"""How nodes hang together, and how this machine reaches them.

    tap      QEMU -> switch -> tap in a namespace with dnsmasq and the boot server;
             `forward` carries ports of 127.0.0.1 into the namespace. Needs root.
    socket   QEMU -> switch -> libslirp inside the switch, which answers DHCP and
             forwards ports; the boot server is on 127.0.0.1. Needs no privilege.
    bridge   QEMU -> tap -> the kernel's bridge in a namespace. No switch, so no
             faults and no capture: for benchmarks. Needs root.

An uplink lists the processes without which the run cannot go on.
"""

from __future__ import annotations

import ipaddress
import subprocess
import sys
import time
from pathlib import Path

from .failure import Failure
from .namespace import Namespace
from .options import ROOT
from .process import end, how_it_ended, last_line, spawn
from .switch import ask

sys.path.insert(0, str(ROOT))

from pxe.boot import BootError, FileServer  # noqa: E402
from pxe.dnsmasq import Link, command, full  # noqa: E402

NETWORK = ipaddress.IPv4Network("10.77.0.0/24")
ADDRESS = NETWORK[1]
PREFIX = "fd77::"  # advertised, or iPXE waits 13 s for it
SLIRP_ADDRESS = "10.0.2.2"
DHCP_PORT = ":0043 "  # 67, as /proc/net/udp writes it
DHCP_SECONDS = 5.0
Ways = dict[int, str]  # port of 127.0.0.1: ADDRESS:PORT on the nodes' network


class Uplink:
    """What the three have in common."""

    name = ""
    has_switch = True
    virtual = ""  # the website's address, ADDRESS/LENGTH, where DHCP does not give it

    def __init__(self, folder: Path, tools: Path, mtu: int) -> None:
        self.folder = folder
        self.tools = tools
        self.mtu = mtu  # of the nodes' interfaces
        self.namespace: Namespace | None = None
        self.processes: dict[str, subprocess.Popen] = {}
        self.forwards: dict[str, Ways] = {}  # by name
        self.server: FileServer | None = None

    @property
    def control(self) -> Path:
        """The switch's control socket."""
        return self.folder / "switch"

    def log(self, name: str) -> Path:
        """What a process said on standard error."""
        return self.folder / f"{name}.errors"

    def start(self, nodes: list[int]) -> None:
        """Brings everything up that nodes need."""
        raise NotImplementedError

    def add(self, node: int) -> None:
        """Makes one more port."""
        if self.has_switch:
            ask(self.control, f"port {node}=port-{node}")

    def netdev(self, node: int) -> str:
        """QEMU's end of a node's port."""
        return f"stream,id=net,server=off,addr.type=unix,addr.path=port-{node}"

    def inside(self) -> int | None:
        """The process in whose namespace nodes run."""
        return None

    def forward(self, name: str, ways: Ways) -> None:
        """Lets ports of 127.0.0.1 reach nodes, in the place of what this name had before."""
        if self.forwards.get(name) == ways:
            return
        if name in self.forwards:
            self._unforward(name, self.forwards.pop(name))
        self._forward(name, ways)
        self.forwards[name] = ways

    def _forward(self, name: str, ways: Ways) -> None:
        """With a namespace: a process that carries the ports into it."""
        assert self.namespace is not None
        pairs = [word for port, target in ways.items()
                 for word in ("--listen", f"127.0.0.1:{port}", "--to", target)]
        self._spawn(f"forward-{name}", [str(self.tools / "forward"), *pairs, "--netns",
                                        self.namespace.path], "forward: ready")

    def _unforward(self, name: str, _ways: Ways) -> None:
        end(self.processes.pop(f"forward-{name}"))

    def _spawn(self, name: str, words: list[str], ready: str | None = None,
               inside: bool = False) -> None:
        """Starts a process that the run needs, and waits for its word that it is ready."""
        namespace = self.namespace.pid if inside and self.namespace else None
        self.log(name).write_bytes(b"")
        process = spawn(words, self.folder, self.log(name), inside=namespace,
                        output=subprocess.PIPE if ready else None)
        self.processes[name] = process
        if ready:
            assert process.stdout is not None
            if process.stdout.readline().strip() != ready.encode():
                end(self.processes.pop(name))
                raise Failure(last_line(self.log(name)))

    def _start_switch(self, nodes: list[int], *options: str, inside: bool = False) -> None:
        ports = [word for node in nodes for word in ("--port", f"{node}=port-{node}")]
        self._spawn("switch", [str(self.tools / "switch"), "--control", "switch", *ports,
                               *options], "switch: ready", inside)

    def _serve_boot(self, address: str) -> FileServer:
        """The server of the boot folder, inside the namespace if there is one."""
        def make() -> FileServer:
            return FileServer(self.folder / "boot", address, 0)
        try:
            self.server = self.namespace.call(make) if self.namespace else make()
        except BootError as error:
            raise Failure(str(error)) from error
        self.server.start()
        return self.server

    def check(self) -> None:
        """A process that ended by itself fails the run."""
        for name, process in self.processes.items():
            status = process.poll()
            if status is not None:
                raise Died(name, status, last_line(self.log(name)))

    def stop(self) -> None:
        """Ends everything."""
        if self.server is not None:
            self.server.stop()
        for process in reversed(list(self.processes.values())):
            end(process)


class Died(Failure):
    """A process that the run cannot do without ended."""

    def __init__(self, name: str, status: int, said: str) -> None:
        super().__init__(f"the {name} died ({how_it_ended(status)}; last words: {said})")


class Socket(Uplink):
    """libslirp in the switch."""

    name = "socket"
    virtual = "10.0.2.200/24"  # libslirp's leases, all 16, are for nodes

    def start(self, nodes: list[int]) -> None:
        server = self._serve_boot("127.0.0.1")
        url = server.url().replace("127.0.0.1", SLIRP_ADDRESS)
        self._start_switch(nodes, "--slirp", "--bootfile", url)

    def _forward(self, name: str, ways: Ways) -> None:
        done: Ways = {}
        try:
            for port, target in ways.items():
                ask(self.control, f"forward 127.0.0.1:{port} {target}")
                done[port] = target
        except Failure:
            self._unforward(name, done)
            raise

    def _unforward(self, _name: str, ways: Ways) -> None:
        for port in ways:
            ask(self.control, f"unforward 127.0.0.1:{port}")


class Namespaced(Uplink):
    """A namespace with one interface that has an address, dnsmasq and the boot server."""

    interface = ""

    def _start_services(self, *commands: str) -> None:
        self.namespace = Namespace(self.folder)
        self.processes["namespace"] = self.namespace.process
        self.namespace.ip("link set lo up", *commands,
                          f"address add {ADDRESS}/{NETWORK.prefixlen} dev {self.interface}",
                          f"address add {PREFIX}1/64 dev {self.interface} nodad",
                          f"link set {self.interface} up")
        url = self._serve_boot(str(ADDRESS)).url()
        link = Link(self.interface, ADDRESS, NETWORK)
        lines = full(link, *link.first_to_last(), url, advertise=PREFIX)
        # As root: a change of user or group would clear its wish to die with this process.
        self._spawn("dnsmasq", command([*lines, "group=root"], user="root"), inside=True)
        self._wait_for_dhcp()

    def _wait_for_dhcp(self) -> None:
        """Until dnsmasq's socket is there: what comes earlier is refused, and asked again late."""
        assert self.namespace is not None
        deadline = time.monotonic() + DHCP_SECONDS
        while DHCP_PORT not in Path(f"/proc/{self.namespace.pid}/net/udp").read_text():
            self.check()
            if time.monotonic() > deadline:
                raise Failure(f"dnsmasq does not begin: {last_line(self.log('dnsmasq'))}")
            time.sleep(0.005)


class Tap(Namespaced):
    """The switch on a tap."""

    name = "tap"
    interface = "tap0"

    def start(self, nodes: list[int]) -> None:
        self._start_services("tuntap add tap0 mode tap")
        self._start_switch(nodes, "--tap", "tap0", inside=True)


class Bridge(Namespaced):
    """The kernel's bridge; each node has a tap on it."""

    name = "bridge"
    interface = "br0"
    has_switch = False

    def start(self, nodes: list[int]) -> None:
        self._start_services("link add br0 type bridge stp_state 0 forward_delay 0 "
                             "mcast_snooping 0")
        for node in nodes:
            self.add(node)

    def add(self, node: int) -> None:
        assert self.namespace is not None
        self.namespace.ip(f"tuntap add tap{node} mode tap vnet_hdr",
                          f"link set tap{node} mtu {self.mtu} master br0 up")

    def netdev(self, node: int) -> str:
        return f"tap,id=net,ifname=tap{node},script=no,downscript=no"

    def inside(self) -> int | None:
        assert self.namespace is not None
        return self.namespace.pid


UPLINKS: dict[str, type[Uplink]] = {"tap": Tap, "socket": Socket, "bridge": Bridge}
