# SPDX-License-Identifier: BSD-2-Clause
"""Connections to the cluster's address, as the wire shows them: which instance has which,
whose MAC address answers, and what becomes of each when nodes come and go."""

from __future__ import annotations

import http.client
import re
import struct
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

import pytest

from clusters.servicebed import SECONDS, Service, write_site
from clusters.rig import wait_for

pytestmark = [pytest.mark.qemu, pytest.mark.timeout(300)]

SEED = 7
CONNECTIONS = 48
ARP, IPV4, TCP = 0x0806, 0x0800, 6
REPLY = 2


class Frame(NamedTuple):
    """What a test wants to know of one."""

    target: bytes
    source: bytes
    type: int
    body: bytes             # behind the Ethernet header

    @property
    def is_tcp(self) -> bool:
        """A TCP segment."""
        return self.type == IPV4 and self.body[9] == TCP

    @property
    def addresses(self) -> tuple[str, str]:
        """Who sends it to whom."""
        return str(IPv4Address(self.body[12:16])), str(IPv4Address(self.body[16:20]))

    @property
    def ports(self) -> tuple[int, int]:
        """Source and destination."""
        return struct.unpack_from("!HH", self.body, (self.body[0] & 15) * 4)


def read_frames(path: Path) -> list[Frame]:
    """The capture's frames, each where it left its sender."""
    data, at, found = path.read_bytes(), 24, []
    while at < len(data):
        kept = struct.unpack_from("<I", data, at + 8)[0]
        frame = data[at + 16:at + 16 + kept]
        found.append(Frame(frame[:6], frame[6:12], int.from_bytes(frame[12:14], "big"),
                           frame[14:]))
        at += 16 + kept
    return found


class Wire:
    """A capture of what happens within."""

    def __init__(self, service: Service, path: Path):
        self.service, self.path = service, path
        self.frames: list[Frame] = []

    def __enter__(self) -> Wire:
        self.service.run("pcap", self.path)
        return self

    def __exit__(self, *_):
        self.service.run("pcap", "off")
        self.frames = read_frames(self.path)

    def answers(self, virtual: str) -> dict[int, set[bytes]]:
        """Who sent segments from the website's address, by the client's port."""
        found: dict[int, set[bytes]] = {}
        for frame in self.frames:
            if frame.is_tcp and frame.addresses[0] == virtual and frame.ports[0] == 80:
                found.setdefault(frame.ports[1], set()).add(frame.source)
        return found

    def asked(self) -> dict[int, int]:
        """The client's port of each numbered request: /?c=N."""
        found = {}
        for frame in self.frames:
            if frame.is_tcp and (line := re.search(rb"GET /\?c=(\d+) ", frame.body)):
                found[int(line[1])] = frame.ports[0]
        return found


class Visitors:
    """Connections that stay open, each with requests that can be told from others'."""

    def __init__(self, port: int):
        self.links = {number: http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                      for number in range(CONNECTIONS)}

    def ask(self, number: int) -> bool:
        """One request on one connection. False: it is gone."""
        link = self.links[number]
        try:
            if link.sock is None and hasattr(link, "was_open"):
                return False
            link.was_open = True
            link.request("GET", f"/?c={number}")
            answer = link.getresponse()
            answer.read()
            assert answer.status == 200
            return link.sock is not None
        except (OSError, http.client.HTTPException):
            link.close()
            return False

    def ask_all(self) -> set[int]:
        """Those that still are there."""
        return {number for number in self.links if self.ask(number)}

    def close(self):
        """Ends all."""
        for link in self.links.values():
            link.close()


def mac_of(service: Service, number: int) -> bytes:
    """A node's own."""
    return bytes.fromhex(service.node(number)["mac"].replace(":", ""))


def is_of(mac: bytes, node: bytes) -> bool:
    """Is it the address of a program of that node?"""
    return mac[1:] == node[1:] and mac != node and mac[0] & 15 == 2


def check_addresses(wire: Wire, virtual: str, nodes: list[bytes]):
    """Only the holder sends from the virtual MAC address, and never an answer; programs
    behind the addresses do not show up in anybody's ARP cache."""
    programs = {frame.source for frame in wire.frames
                if any(is_of(frame.source, node) for node in nodes)}
    assert programs
    for frame in wire.frames:
        if frame.type == ARP and frame.source in programs:
            assert frame.body[6:8] != REPLY.to_bytes(2, "big")
            assert frame.body[14:18] == bytes(4), "a question tells no address"
        if frame.is_tcp and frame.addresses[0] == virtual:
            assert frame.source in programs, frame.source.hex()


def wait_instances(service: Service, count: int, visitors: Visitors | None = None):
    """Until all nodes know so many instances of the web server that run. Visitors ask
    meanwhile, lest the server takes them for idle."""
    def running() -> bool:
        if visitors:
            visitors.ask_all()
        for node in service.nodes():
            if node["state"] == "up":
                jobs = service.ask(node["id"], "/api/jobs")["jobs"]
                web = next(job for job in jobs if job["name"] == "web")
                if sum(one["state"] == "running" for one in web["instances"]) != count:
                    return False
        return True
    wait_for(lambda: service.quietly(running), f"{count} instances", SECONDS)


def test_connections_and_changes(tmp_path):
    """Two nodes share the connections and answer directly; a third one comes and all of
    them go on; the holder dies, and exactly its own are gone."""
    site = tmp_path / "site"
    write_site(site, SEED, files=10, large=1 << 16)
    with Service(tmp_path / "state", site, "--boot", "direct", "--mem", "96M",
                 nodes=2) as service:
        virtual = service.told()["virtual_address"]
        wait_instances(service, 2)
        nodes = [mac_of(service, number) for number in (1, 2)]
        visitors = Visitors(service.port)
        with Wire(service, tmp_path / "open.pcap") as wire:
            assert visitors.ask_all() == set(range(CONNECTIONS))
        check_addresses(wire, virtual, nodes)
        asked, answers = wire.asked(), wire.answers(virtual)
        assert set(asked) == set(range(CONNECTIONS))
        at = {}
        for number, port in asked.items():
            (mac,) = answers[port]      # one instance has it, from its first segment on
            at[number] = next(i for i, node in enumerate(nodes) if is_of(mac, node))
        shares = [list(at.values()).count(i) for i in range(2)]
        print(f"SEED={SEED}: connections of each node: {shares}")
        assert min(shares) > CONNECTIONS // 6

        service.run("add")
        wait_instances(service, 3, visitors)
        third = mac_of(service, 3)
        with Wire(service, tmp_path / "third.pcap") as wire:
            assert visitors.ask_all() == set(range(CONNECTIONS)), "none may be lost"
        again = wire.answers(virtual)
        for number, port in asked.items():
            assert again[port] == answers[port], "each stays where it was"
        sent_on = {frame.ports[0] for frame in wire.frames
                   if frame.is_tcp and is_of(frame.source, third)
                   and any(is_of(frame.target, node) for node in nodes)}
        print(f"{len(sent_on)} were sent on by the third")
        assert CONNECTIONS // 10 < len(sent_on) < CONNECTIONS * 2 // 3

        holder = service.holder()
        service.run("kill", holder)
        wait_instances(service, 2, visitors)
        left = {number for number, node in at.items() if node != holder - 1}
        assert visitors.ask_all() == left
        assert service.told()["virtual_address"] == virtual
        visitors.close()
