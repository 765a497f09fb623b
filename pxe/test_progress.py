# SPDX-License-Identifier: BSD-2-Clause
"""How far machines got, from messages, requests and log lines; and how it is shown."""

from __future__ import annotations

import io
from ipaddress import IPv4Address

import pytest

from pxe import dhcp, display, progress
from pxe.boot import Fetch
from pxe.progress import Progress, Stage
from pxe.wire import Heard

OWN, OTHER = IPv4Address("10.7.0.1"), IPv4Address("10.7.0.254")
MAC, ADDRESS = "52:54:00:07:00:11", IPv4Address("10.7.0.91")
MODULES = ["boot.cpio", "site.cpio"]


class Seen:
    """A Progress with what it said and a clock of its own."""

    def __init__(self, **options):
        self.said: list[str] = []
        self.now = 0.0
        self.neighbours: dict[str, str] = {}
        self.progress = Progress(OWN, "deos.elf", MODULES,
                                 lambda who, line: self.said.append(f"{who} {line}"),
                                 clock=lambda: self.now, find_mac=self.neighbours.get, **options)

    def question(self, kind: int = dhcp.DISCOVER, *, mac: str = MAC, ipxe: bool = False,
                 arch: int = 0, pxe: bool = True, server: IPv4Address = OWN) -> None:
        message = dhcp.discover(mac, 1, ipxe, arch)
        options = message.options | {dhcp.TYPE: bytes([kind])}
        if not pxe:
            options = {dhcp.TYPE: bytes([kind])}
        if kind == dhcp.ASK:
            options |= {dhcp.REQUESTED: ADDRESS.packed, dhcp.SERVER: server.packed}
        self.progress.heard(Heard(dhcp.Message(dhcp.REQUEST, 1, mac, options),
                                  IPv4Address(0), 67))

    def answer(self, kind: int, server: IPv4Address = OWN,
               address: IPv4Address = ADDRESS, mac: str = MAC) -> None:
        options = {dhcp.TYPE: bytes([kind]), dhcp.SERVER: server.packed}
        self.progress.heard(Heard(dhcp.Message(dhcp.REPLY, 1, mac, options, yiaddr=address),
                                  server, 68))

    def lease(self, server: IPv4Address = OWN, **question) -> None:
        self.question(server=server, **question)
        self.answer(dhcp.OFFER, server)
        self.question(dhcp.ASK, server=server, **question)
        self.answer(dhcp.ACK, server)

    def fetch(self, name: str, *, sent: int = 100, status: int = 200, ended: bool = True,
              client: str = str(ADDRESS)) -> None:
        self.progress.fetched(Fetch(client, "GET", name, status, sent, 100, ended))

    def load(self) -> None:
        for name in ("boot.ipxe", "deos.elf", *MODULES):
            self.fetch(name, sent=0, ended=False)
            self.fetch(name)

    def stages(self) -> list[str]:
        """What was said, without the machine's name."""
        return [line.split(" ", 1)[1] for line in self.said]

    @property
    def machine(self) -> progress.Machine:
        [machine] = self.progress.snapshot()
        return machine


LOADING = ["fetched the script", "loaded the kernel (100 bytes)", "loaded all modules"]
UP = ["booted: its own system asks for an address", f"up, with address {ADDRESS}"]


def test_machine_with_ipxe_in_its_rom():
    seen = Seen()
    seen.lease(ipxe=True)
    seen.load()
    seen.lease(pxe=False)
    assert seen.stages() == ["asked: BIOS, iPXE", f"offered {ADDRESS}", *LOADING, *UP]
    assert all(line.startswith(MAC) for line in seen.said)
    assert (seen.machine.stage, seen.machine.address) == (Stage.BOOTED, ADDRESS)


def test_machine_with_another_rom_loads_ipxe_first():
    seen = Seen()
    seen.lease()
    seen.progress.logged(f"dnsmasq-tftp[9]: sent /tmp/x/undionly.kpxe to {ADDRESS}")
    seen.lease(ipxe=True)
    seen.load()
    seen.lease(pxe=False)
    assert seen.stages() == ["asked: BIOS", f"offered {ADDRESS}", "fetched undionly.kpxe by TFTP",
                             "loaded iPXE", *LOADING, *UP]


def test_machine_beside_another_dhcp_server():
    seen = Seen(gives_addresses=False)
    seen.question(ipxe=True)
    seen.answer(dhcp.OFFER, OTHER)
    seen.answer(dhcp.OFFER, OWN, IPv4Address(0))
    seen.question(dhcp.ASK, ipxe=True, server=OTHER)
    seen.load()
    seen.lease(OTHER, pxe=False)
    assert seen.stages() == ["asked: BIOS, iPXE", "offered a boot file", *LOADING, *UP]


def test_reset_machine_begins_again():
    seen = Seen()
    seen.lease(ipxe=True)
    seen.load()
    seen.lease(pxe=False)
    seen.said.clear()
    seen.lease(ipxe=True)
    assert seen.stages() == ["asked again (boot 2): BIOS, iPXE", f"offered {ADDRESS}"]
    assert seen.machine.boots == 2 and not seen.machine.modules


def test_repeated_questions_are_one_step():
    seen = Seen()
    for _ in range(5):
        seen.question(ipxe=True)
        seen.answer(dhcp.OFFER)
    assert seen.stages() == ["asked: BIOS, iPXE", f"offered {ADDRESS}"]


def test_script_that_loads_again_counts_from_its_kernel():
    seen = Seen()
    seen.lease(ipxe=True)
    for name in ("boot.ipxe", "deos.elf", "boot.cpio"):
        seen.fetch(name)
    seen.fetch("site.cpio", sent=40)
    assert seen.machine.detail == "site.cpio 40%" and seen.machine.stage == Stage.KERNEL
    seen.fetch("deos.elf")
    seen.fetch("site.cpio")
    assert seen.machine.stage == Stage.KERNEL       # boot.cpio is wanted again
    seen.fetch("boot.cpio")
    assert seen.machine.stage == Stage.MODULES
    assert "stopped in site.cpio at 40 of 100 bytes" in seen.stages()


def test_a_file_under_way_shows_in_percent():
    seen = Seen()
    seen.lease(ipxe=True)
    seen.fetch("boot.ipxe")
    seen.fetch("deos.elf", sent=45, ended=False)
    assert (seen.machine.stage, seen.machine.detail) == (Stage.SCRIPT, "deos.elf 45%")


def test_uefi_machine_is_told_about_once():
    seen = Seen()
    for arch in (7, 7, 9):
        seen.question(arch=arch)
        seen.answer(dhcp.OFFER)
    assert seen.stages() == ["asked as x86-64 UEFI: gets no boot file, for this build boots on "
                             "BIOS only"]
    assert not seen.machine.loadable
    seen.question(ipxe=True)            # its owner sets it to BIOS
    assert seen.stages()[1:] == ["asked: BIOS, iPXE"] and seen.machine.loadable


def test_hosts_that_do_not_boot_are_no_machines():
    seen = Seen()
    seen.lease(pxe=False)
    seen.fetch("deos.elf", client="10.7.0.3")
    seen.fetch("../etc/passwd", status=404, client="10.7.0.3")
    assert not seen.said and not seen.progress.snapshot()


def test_a_second_dhcp_server_is_told_about_once():
    seen = Seen()
    for mac in (MAC, "52:54:00:07:00:12"):
        seen.question(ipxe=True, mac=mac)
        seen.answer(dhcp.OFFER, OTHER, mac=mac)
    seen.question(dhcp.ASK, ipxe=True, server=OTHER)
    assert len([line for line in seen.said if str(OTHER) in line]) == 1


def test_its_offer_may_be_heard_by_the_machine_alone():
    seen = Seen()
    seen.question(ipxe=True)
    seen.question(dhcp.ASK, ipxe=True, server=OTHER)
    assert [line for line in seen.said if str(OTHER) in line and "--proxy" in line]


def test_machine_is_found_by_its_neighbour_entry():
    seen = Seen()
    seen.question(ipxe=True)
    seen.neighbours["10.7.0.50"] = MAC
    seen.fetch("boot.ipxe", client="10.7.0.50")
    assert seen.machine.stage == Stage.SCRIPT
    assert seen.machine.address == IPv4Address("10.7.0.50")


def test_machine_behind_a_router_is_known_by_its_address():
    seen = Seen()
    for name in ("boot.ipxe", "deos.elf", *MODULES):
        seen.fetch(name, client="192.168.9.9")
    assert seen.said[0] == "192.168.9.9 fetched the script"
    assert (seen.machine.mac, seen.machine.stage) == ("", Stage.MODULES)


@pytest.mark.parametrize("line, said", [
    (f"dnsmasq-tftp[1]: file /x/pxelinux.0 not found for {ADDRESS}",
     "asked by TFTP for pxelinux.0, which is not here"),
    (f"dnsmasq-tftp[1]: failed sending /x/undionly.kpxe to {ADDRESS}",
     "stopped in the middle of undionly.kpxe (TFTP)"),
    (f"dnsmasq-dhcp[1]: DHCPDISCOVER(eth1) {MAC} no address available",
     "gets no address: the range is used up (--range makes it longer)"),
    (f"dnsmasq-dhcp[1]: DHCPDISCOVER(eth1) 10.0.0.1 {MAC} no address available",
     "gets no address: the range is used up (--range makes it longer)"),
    ("dnsmasq-tftp[1]: cannot access /x/undionly.kpxe: Permission denied",
     "TFTP: cannot access /x/undionly.kpxe: Permission denied"),
    (f"dnsmasq-dhcp[1]: DHCPACK(eth1) {ADDRESS} {MAC}", None),
    ("dnsmasq-tftp[1]: sent /x/undionly.kpxe to 10.7.0.77", None)])
def test_lines_of_dnsmasqs_log(line, said):
    seen = Seen()
    seen.question()
    seen.question(dhcp.ASK)
    seen.said.clear()
    seen.progress.logged(line)
    assert seen.stages() == ([said] if said else [])


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(progress, "MACHINES_MAX", 10)
    seen = Seen()
    for number in range(100):
        mac = f"52:54:00:00:00:{number:02x}"
        seen.question(ipxe=True, mac=mac)
        seen.neighbours[f"10.7.1.{number}"] = mac
        seen.fetch("boot.ipxe", client=f"10.7.1.{number}")
    assert len(seen.progress.machines) == len(seen.progress.by_address) == 10
    assert seen.progress.snapshot()[-1].mac == "52:54:00:00:00:63"


def test_neighbour_table():
    table = ("IP address       HW type     Flags       HW address            Mask     Device\n"
             "10.7.0.9         0x1         0x2         52:54:00:07:00:11     *        eth1\n"
             "10.7.0.10        0x1         0x0         00:00:00:00:00:00     *        eth1\n")
    assert progress.neighbour("10.7.0.9", table) == MAC
    assert progress.neighbour("10.7.0.10", table) is None
    assert progress.neighbour("10.7.0.1", table) is None


def test_which_solicitations_are_answered():
    seen = Seen()
    mac = bytes.fromhex(MAC.replace(":", ""))
    assert mac not in seen.progress
    seen.question(ipxe=True)
    assert mac in seen.progress
    seen.question(dhcp.ASK, ipxe=True)
    seen.load()
    seen.lease(pxe=False)
    assert mac not in seen.progress     # its own system decides about IPv6


# ---- what is shown ----

def test_plain_lines_where_there_is_no_terminal():
    out = io.StringIO()
    screen = display.Display(out)
    screen.say(MAC, "asked")
    screen.draw([])
    screen.finish([])
    lines = out.getvalue().splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == [
        f"{MAC} asked", "stopped; no machine has asked yet"]
    assert "\x1b" not in out.getvalue()


class Terminal(io.StringIO):
    """An output that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_table_is_redrawn_in_its_place(monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    monkeypatch.setenv("LINES", "24")
    seen, out = Seen(), Terminal()
    screen = display.Display(out)
    screen.draw(seen.progress.snapshot())
    seen.lease(ipxe=True)
    screen.say(MAC, "asked")
    screen.draw(seen.progress.snapshot())
    assert "\x1b[1A" in out.getvalue()      # up over the one line that stood there
    table = out.getvalue().rpartition("\x1b[J")[2].splitlines()
    assert table[0].endswith(f"{MAC} asked") and table[1].startswith("MACHINE")
    assert table[2].startswith(f"{MAC}  {ADDRESS}") and "offered" in table[2]
    assert table[3] == "1 machine: 1 offered"
    assert max(map(len, table[1:])) < 70
    length = len(out.getvalue())
    screen.draw(seen.progress.snapshot())
    assert len(out.getvalue()) == length    # nothing changed: nothing is written


def test_stalled_machine_gets_a_hint():
    seen = Seen()
    seen.lease(ipxe=True)
    assert display.stage_text(seen.machine, 5) == "offered"
    assert "another server?" in display.stage_text(seen.machine, display.STALLED_SECONDS)


def test_machine_without_a_site_is_done_when_loaded():
    seen = Seen(last_stage=Stage.MODULES)
    seen.lease(ipxe=True)
    seen.load()
    assert display.stage_text(seen.machine, 1e6) == "loaded all modules"
    assert set(display.HINTS) == set(Stage) - {Stage.BOOTED}
