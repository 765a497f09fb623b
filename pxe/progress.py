# SPDX-License-Identifier: BSD-2-Clause
"""How far each machine got, put together from what is seen of it.

    ASKED ----> OFFERED ----> IPXE ----> SCRIPT ----> KERNEL ----> MODULES ----> BOOTED
      DHCP on the wire        again,     HTTP requests                 |    DHCP without a boot
                              as iPXE                                  |    ROM's marks: the libOS
    any of them ----> ASKED   (the machine was reset)                  +--> has an address

A machine is known by its MAC address; HTTP and TFTP name it by its IP address, which its DHCP
messages tell, or else the neighbour table. Thread-safe; MACHINES_MAX bounds what is remembered.
"""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Address
from pathlib import Path
from typing import Callable, Sequence

from . import dhcp, dnsmasq
from .boot import SCRIPT, Fetch, printable
from .wire import Heard

MACHINES_MAX = 4096
RIVALS_MAX = 64
PLAIN_ROM, IPXE_ROM = "BIOS", "BIOS, iPXE"
NEIGHBOURS = Path("/proc/net/arp")
# dnsmasq's log.
SENT = re.compile(r"dnsmasq-tftp\S*: sent \S*/(\S+) to ([\d.]+)$")
ABSENT = re.compile(r"dnsmasq-tftp\S*: file \S*/(\S+) not found for ([\d.]+)$")
FAILED = re.compile(r"dnsmasq-tftp\S*: failed sending \S*/(\S+) to ([\d.]+)$")
HINDERED = re.compile(r"dnsmasq-tftp\S*: (cannot access .*)$")
FULL = re.compile(r"dnsmasq-dhcp\S*: DHCPDISCOVER\(\S+\) (?:[\d.]+ )?([0-9a-f:]{17}) "
                  r"no address available")


class Stage(IntEnum):
    """How far a machine got. The names are shown."""

    ASKED, OFFERED, IPXE, SCRIPT, KERNEL, MODULES, BOOTED = range(7)


SHOWN = {Stage.ASKED: "asked", Stage.OFFERED: "offered", Stage.IPXE: "loaded iPXE",
         Stage.SCRIPT: "fetched the script", Stage.KERNEL: "loaded the kernel",
         Stage.MODULES: "loaded all modules", Stage.BOOTED: "booted"}


@dataclass
class Machine:
    """What is known of one."""

    mac: str                    # "" where only its address is known: behind a router
    address: IPv4Address | None = None
    name: str = ""              # its host name if it says one, or its UUID
    firmware: str = ""          # "" until it asked as a boot ROM
    stage: Stage = Stage.ASKED
    detail: str = ""            # under way to the next stage
    since: float = 0.0          # when it came there
    modules: set[str] = field(default_factory=set)      # complete ones
    loadable: bool = True       # False: this build is not for it
    boots: int = 0
    last_stage: Stage = Stage.BOOTED    # where it is done, as far as can be seen from here

    @property
    def label(self) -> str:
        """How it is called here."""
        return self.mac or str(self.address)

    def restart(self) -> None:
        """The machine begins again."""
        self.stage, self.detail = Stage.ASKED, ""
        self.modules.clear()
        self.boots += 1


def neighbour(address: str, table: str | None = None) -> str | None:
    """The MAC address behind an IP address on one of this host's links."""
    try:
        lines = (NEIGHBOURS.read_text() if table is None else table).splitlines()[1:]
    except OSError:
        return None
    for line in lines:
        fields = line.split()
        if len(fields) >= 4 and fields[0] == address and fields[3] != "00:00:00:00:00:00":
            return fields[3]
    return None


class Progress:
    """Takes what is seen; tells each step as a line through `say(label, line)`."""

    def __init__(self, own: IPv4Address, kernel: str, modules: Sequence[str],
                 say: Callable[[str, str], None], gives_addresses: bool = True,
                 last_stage: Stage = Stage.BOOTED,
                 clock: Callable[[], float] = time.monotonic,
                 find_mac: Callable[[str], str | None] = neighbour) -> None:
        self.own, self.kernel, self.wanted = own, kernel, frozenset(modules)
        self.say, self.clock, self.find_mac = say, clock, find_mac
        self.gives_addresses, self.last_stage = gives_addresses, last_stage
        self.machines: dict[str, Machine] = {}
        self.by_address: dict[str, Machine] = {}
        self.rivals: set[IPv4Address] = set()
        self.lock = threading.RLock()

    def snapshot(self) -> list[Machine]:
        """The machines that asked to be booted, in the order in which they first came."""
        with self.lock:
            return [machine for machine in self.machines.values() if machine.firmware]

    def __contains__(self, mac: bytes) -> bool:
        """True if the machine asked to be booted and is not yet."""
        machine = self.machines.get(":".join(f"{byte:02x}" for byte in mac))
        return machine is not None and bool(machine.firmware) and machine.stage < Stage.BOOTED

    # ---- what is seen ----

    def heard(self, heard: Heard) -> None:
        """A DHCP message on the link."""
        with self.lock:
            if heard.message.op == dhcp.REQUEST:
                self._question(heard.message)
            else:
                self._answer(heard.message, heard.source)

    def fetched(self, fetch: Fetch) -> None:
        """A step of an HTTP request."""
        with self.lock:
            machine = self._at(fetch.client, create=fetch.name == SCRIPT)
            if machine is None:
                return
            if fetch.status != 200:
                self.say(machine.label, f"asked for {fetch.name}, which is not here")
            elif fetch.name == SCRIPT and fetch.complete:
                self._fetched_script(machine)
            elif fetch.name == self.kernel or fetch.name in self.wanted:
                self._loading(machine, fetch)

    def logged(self, line: str) -> None:
        """A line of dnsmasq's log."""
        with self.lock:
            line = printable(line)
            if found := SENT.search(line):
                self._tftp(found, f"fetched {found[1]} by TFTP")
            elif found := ABSENT.search(line):
                self._tftp(found, f"asked by TFTP for {found[1]}, which is not here")
            elif found := FAILED.search(line):
                self._tftp(found, f"stopped in the middle of {found[1]} (TFTP)")
            elif found := HINDERED.search(line):
                self.say("", f"TFTP: {found[1]}")
            elif found := FULL.search(line):
                self.say(found[1], "gets no address: the range is used up (--range makes it "
                                   "longer)")

    # ---- DHCP ----

    def _question(self, message: dhcp.Message) -> None:
        if message.type not in (dhcp.DISCOVER, dhcp.ASK):
            return
        machine = self._known(message.mac, create=message.is_pxe)
        if machine is None:
            return
        claimed = message.ciaddr if message.ciaddr != dhcp.NOWHERE else message.requested
        if claimed != dhcp.NOWHERE and message.type == dhcp.ASK:
            self._give(machine, claimed)
        if message.type == dhcp.ASK and message.server not in (dhcp.NOWHERE, self.own):
            self._rival(machine, message.server)
        if message.is_pxe:
            self._asked_to_boot(machine, message)
        elif machine.firmware and machine.stage == Stage.MODULES:
            self._reach(machine, Stage.BOOTED, "booted: its own system asks for an address")

    def _asked_to_boot(self, machine: Machine, message: dhcp.Message) -> None:
        first = not machine.firmware
        machine.name = message.hostname or message.uuid or machine.name
        if message.arch in dnsmasq.ARCH_UEFI:
            news, machine.loadable = machine.loadable, False
            machine.firmware = dnsmasq.ARCH_UEFI[message.arch]
            if news:
                self._reach(machine, Stage.ASKED, f"asked as {machine.firmware}: gets no boot "
                            "file, for this build boots on BIOS only")
            return
        first, machine.loadable = first or not machine.loadable, True
        ipxe, was = message.is_ipxe, machine.firmware
        machine.firmware = IPXE_ROM if ipxe else PLAIN_ROM
        # The ROM starts over; but iPXE that it has just loaded asks in the same boot.
        over = message.type == dhcp.DISCOVER and (
            machine.stage >= (Stage.SCRIPT if ipxe else Stage.IPXE))
        if first or over:
            machine.restart()
            named = f", {machine.name}" if machine.name else ""
            again = f" again (boot {machine.boots})" if machine.boots > 1 else ""
            self._reach(machine, Stage.ASKED, f"asked{again}: {machine.firmware}{named}")
        elif ipxe and was == PLAIN_ROM:
            self._reach(machine, Stage.IPXE, "loaded iPXE")

    def _answer(self, message: dhcp.Message, source: IPv4Address) -> None:
        server = message.server if message.server != dhcp.NOWHERE else source
        machine = self._known(message.mac, create=False)
        if machine is None or not machine.firmware:
            return
        if server != self.own and message.type == dhcp.OFFER:
            self._rival(machine, server)
        elif message.type == dhcp.OFFER and machine.loadable and machine.stage == Stage.ASKED:
            what = "a boot file" if message.yiaddr == dhcp.NOWHERE else str(message.yiaddr)
            self._reach(machine, Stage.OFFERED, f"offered {what}")
        if message.type == dhcp.ACK and message.yiaddr != dhcp.NOWHERE:
            self._give(machine, message.yiaddr)
            if machine.stage == Stage.BOOTED and not machine.detail:
                machine.detail = str(message.yiaddr)
                self.say(machine.label, f"up, with address {message.yiaddr}")

    def _rival(self, machine: Machine, server: IPv4Address) -> None:
        if self.gives_addresses and server not in self.rivals and len(self.rivals) < RIVALS_MAX:
            self.rivals.add(server)
            self.say(machine.label, f"is answered by another DHCP server, {server}, too: stop that "
                     "one, or serve beside it with --proxy")

    # ---- TFTP and HTTP ----

    def _tftp(self, found: re.Match[str], line: str) -> None:
        machine = self._at(found[2], create=False)
        if machine is not None:
            machine.detail = found[1]
            self.say(machine.label, line)

    def _fetched_script(self, machine: Machine) -> None:
        if machine.stage >= Stage.SCRIPT:
            machine.restart()
        machine.firmware = machine.firmware or "iPXE"
        self._reach(machine, Stage.SCRIPT, "fetched the script")

    def _loading(self, machine: Machine, fetch: Fetch) -> None:
        if not fetch.ended:
            machine.detail = f"{fetch.name} {fetch.sent * 100 // max(fetch.size, 1)}%"
            return
        machine.detail = ""
        if not fetch.complete:
            machine.detail = f"{fetch.name} {fetch.sent * 100 // max(fetch.size, 1)}%"
            self.say(machine.label, f"stopped in {fetch.name} at {fetch.sent} of {fetch.size} "
                                    "bytes")
        elif fetch.name == self.kernel:
            machine.modules.clear()             # of an attempt that iPXE gave up
            self._reach(machine, Stage.KERNEL, f"loaded the kernel ({fetch.size} bytes)")
        elif machine.stage >= Stage.KERNEL:
            machine.modules.add(fetch.name)
            if machine.modules == self.wanted and machine.stage < Stage.MODULES:
                self._reach(machine, Stage.MODULES, "loaded all modules")
        if machine.stage == Stage.KERNEL and not self.wanted:
            self._reach(machine, Stage.MODULES, "loaded everything")

    # ---- which machine ----

    def _known(self, mac: str, create: bool) -> Machine | None:
        machine = self.machines.get(mac)
        if machine is None and create:
            if len(self.machines) >= MACHINES_MAX:      # forget the one that came first
                gone = self.machines.pop(next(iter(self.machines)))
                self.by_address = {address: machine for address, machine
                                   in self.by_address.items() if machine is not gone}
            machine = self.machines[mac] = Machine(mac, since=self.clock(),
                                                  last_stage=self.last_stage)
        return machine

    def _give(self, machine: Machine, address: IPv4Address) -> None:
        if machine.address is not None:
            self.by_address.pop(str(machine.address), None)
        machine.address = address
        self.by_address[str(address)] = machine

    def _at(self, address: str, create: bool) -> Machine | None:
        machine = self.by_address.get(address)
        if machine is None:
            mac = self.find_mac(address)
            machine = self._known(mac or address, create)
            if machine is not None:
                machine.mac = mac or ""
                self._give(machine, IPv4Address(address))
        return machine

    def _reach(self, machine: Machine, stage: Stage, line: str) -> None:
        machine.stage, machine.detail, machine.since = stage, "", self.clock()
        self.say(machine.label, line)
