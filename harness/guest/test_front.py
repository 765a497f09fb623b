# SPDX-License-Identifier: BSD-2-Clause
"""The addresses of a cluster (cluster/programs/front): leased, answered for, and the
virtual one where the live member with the lowest UUID is, through deaths and partitions.

The network is the project's switch with libslirp's DHCP, and a station made by hand."""

from __future__ import annotations

import re
import struct
import sys
import time

import pytest

from fabricbed import Fabric
from guest import PATIENCE_S, ROOT
from test_agent import blank, formed, until, uuid

sys.path.insert(0, str(ROOT / "harness" / "switch"))
from station import RST, SYN, TCP, Station           # noqa: E402

pytestmark = [pytest.mark.qemu, pytest.mark.apart]

SEED = 43
COUNT = 3
# Not from the start of a line: a command that is being typed may be in front of it.
NODE_ADDRESS = r"front: node address ([\d.]+)\n"
VIRTUAL_ADDRESS = r"front: virtual address ([\d.]+)\n"
LET_GO = "front: the virtual address is another node's"


@pytest.fixture(name="fabric")
def fixture_fabric(tmp_path, request):
    """Three nodes that are one cluster."""
    words = f"cluster=test disk=claim {getattr(request, 'param', '')}".strip()
    each = {n: {"append": words, "disk": blank(tmp_path, f"disk{n}"), "uuid": uuid(n)}
            for n in range(1, COUNT + 1)}
    with Fabric(COUNT, seed=SEED, each=each, agent=True, uplink=("--slirp",)) as fabric:
        for node in fabric.nodes:
            until(node, "formed", formed(COUNT, COUNT))
        yield fabric


def station_of(fabric: Fabric) -> Station:
    """A client of the cluster's, with a lease of its own."""
    station = Station(fabric.switch.connect(COUNT + 1))
    station.lease()
    return station


def ports_with(fabric: Fabric, mac: str) -> list[str]:
    """Where the switch would send frames for an address."""
    return [port["name"] for port in fabric.switch.control.must("status")["ports"]
            if mac in {one["mac"] for one in port["stations"]}]


def text_of(mac: bytes) -> str:
    """As the switch writes it."""
    return mac.hex(":")


def answers(station: Station, address: str) -> bool:
    """One echo, to the link address that the station has known all the time."""
    try:
        return station.ping(address, 0.5)
    except AssertionError:
        return False


def wait_answer(station: Station, address: str) -> float:
    """Until an echo is answered; how long that took."""
    began = time.monotonic()
    while not answers(station, address):
        assert time.monotonic() - began < PATIENCE_S, f"{address} is silent"
    return time.monotonic() - began


def wait_port(fabric: Fabric, mac: str, name: str):
    """Until the switch has a MAC address at one port only."""
    end = time.monotonic() + PATIENCE_S
    while (found := ports_with(fabric, mac)) != [name]:
        assert time.monotonic() < end, f"{mac} is at {found}, not at {name}"
        time.sleep(0.2)


def refused(station: Station, address: str, port: int) -> bool:
    """Does a SYN earn a reset?"""
    station.send_tcp(address, (4000 + port, port, 77, 0), SYN)
    sender, segment = station.receive_ip(TCP)
    assert sender == address
    return bool(segment[13] & RST) and struct.unpack_from("!I", segment, 8)[0] == 78


def check_unseen(fabric: Fabric, virtual: str):
    """Programs behind a node's address are never taken for a holder of one: the switch,
    which listens to ARP and DHCP, knows addresses of nodes and of the virtual MAC alone."""
    for number in range(1, COUNT + 1):
        stations = fabric.switch.control.port(str(number))["stations"]
        known = {one["mac"]: one["ip"] for one in stations}
        node = fabric.nodes[number - 1].mac
        assert known.get(node), known
        assert not [mac for mac, ip in known.items() if ip and mac not in (node, virtual)], known


def test_addresses(fabric):
    """Every node answers for an address of its own, the first one for the virtual one, which
    has a MAC address that only it sends from; TCP that nobody serves is refused."""
    one = fabric.nodes[0]
    station = station_of(fabric)
    own = [node.wait_for(NODE_ADDRESS)[1] for node in fabric.nodes]
    virtual = one.wait_for(VIRTUAL_ADDRESS)[1]
    assert len({*own, virtual, station.ip}) == COUNT + 2
    for node, address in zip(fabric.nodes, own):
        wait_answer(station, address)
        assert text_of(station.neighbours[address]) == node.mac
        assert refused(station, address, 81)
    wait_answer(station, virtual)
    mac = station.neighbours[virtual]
    assert mac[0] == 0x06
    assert refused(station, virtual, 81)
    assert ports_with(fabric, text_of(mac)) == ["1"]
    check_unseen(fabric, text_of(mac))
    for node in fabric.nodes[1:]:
        assert not re.search(VIRTUAL_ADDRESS, node.log(), re.M), node.log()


def test_the_virtual_address_moves(fabric):
    """Its holder dies, comes back, and is cut off: the address stays the same, is answered
    from the same MAC address, and is at one port when the network is one."""
    one, two, three = fabric.nodes
    station = station_of(fabric)
    virtual = one.wait_for(VIRTUAL_ADDRESS)[1]
    wait_answer(station, virtual)
    mac = text_of(station.neighbours[virtual])

    one.kill()
    print(f"answered {wait_answer(station, virtual):.1f} s after its holder's death")
    assert two.wait_for(VIRTUAL_ADDRESS)[1] == virtual
    assert ports_with(fabric, mac) == ["2"]
    assert not re.search(VIRTUAL_ADDRESS, three.log(), re.M)

    one.start()
    one.wait_prompt()
    assert one.wait_for(VIRTUAL_ADDRESS)[1] == virtual, "told by the others"
    two.wait_for(LET_GO)
    wait_port(fabric, mac, "1")
    wait_answer(station, virtual)

    since = len(two.log())
    fabric.switch.control.must(f"partition 1,{COUNT + 1}:2,3")
    assert two.wait_for(VIRTUAL_ADDRESS, since=since)[1] == virtual, "each side has one"
    # One table of addresses serves both sides: who was heard last has it for a while.
    wait_answer(station, virtual)
    since = len(two.log())
    fabric.switch.control.must("heal")
    two.wait_for(LET_GO, since=since)
    wait_port(fabric, mac, "1")
    wait_answer(station, virtual)
    assert len(re.findall(VIRTUAL_ADDRESS, one.log(), re.M)) == 1, "one never let go"


@pytest.mark.parametrize("fabric", ["vip=10.0.2.200/24"], indirect=True)
def test_a_given_virtual_address(fabric):
    """vip= on the command line is the virtual address; nobody leases one."""
    station = station_of(fabric)
    assert fabric.nodes[0].wait_for(VIRTUAL_ADDRESS)[1] == "10.0.2.200"
    wait_answer(station, "10.0.2.200")
    assert station.neighbours["10.0.2.200"][0] == 0x06
    assert refused(station, "10.0.2.200", 9)
