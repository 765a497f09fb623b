# SPDX-License-Identifier: BSD-2-Clause
"""The interface to serve on: whether it can be used, and its address.

An address that serve adds carries a lifetime and is renewed while serve runs, so that it goes by
itself even if serve is killed.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
from ipaddress import IPv4Address, IPv4Interface

from clusters.failure import Failure, Usage
from clusters.process import need

from .dnsmasq import Link

PREFIX_MAX = 30                 # of a network with room for another machine
LIFETIME_SECONDS, RENEW_SECONDS = 60, 15
USER = re.compile(r'\("([^"]+)",pid=(\d+)')


def _output(*words: str) -> str:
    done = subprocess.run([need(words[0]), *words[1:]], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Failure(f"{' '.join(words)}: {said}")
    return done.stdout


def check_usable(name: str) -> bool:
    """The interface is there, is an Ethernet, and is up. True if it has a carrier."""
    links = {link["ifname"]: link for link in json.loads(_output("ip", "-j", "link", "show"))}
    if name not in links:
        there = sorted(set(links) - {"lo"})
        raise Failure(f"{name}: no such interface; there are: {', '.join(there) or 'none'}")
    if links[name]["link_type"] != "ether":
        raise Failure(f"{name}: not an Ethernet interface; machines cannot boot over it")
    if "UP" not in links[name]["flags"]:
        raise Failure(f"{name} is down: bring it up with: ip link set {name} up")
    return "LOWER_UP" in links[name]["flags"]


def index(name: str) -> int:
    """The interface's number: another one of the same name has another number."""
    try:
        return socket.if_nametoindex(name)
    except OSError as error:
        raise Failure(f"{name} is gone") from error


def addresses(name: str) -> dict[IPv4Interface, bool]:
    """The interface's addresses that others on the link can reach; True of one that goes soon."""
    found = json.loads(_output("ip", "-j", "-4", "addr", "show", "dev", name) or "[]")
    return {IPv4Interface(f"{entry['local']}/{entry['prefixlen']}"):
            entry.get("valid_life_time", LIFETIME_SECONDS + 1) <= LIFETIME_SECONDS
            for link in found for entry in link.get("addr_info", [])
            if entry.get("scope") == "global"}


def choose(name: str, wanted: IPv4Interface | None) -> tuple[Link, bool]:
    """The link to serve; True with it if its address is to be added and kept."""
    there = addresses(name)
    if wanted is None and not there:
        raise Failure(f"{name} has no IPv4 address: give it one, or let this command do so "
                      "while it runs: --address 10.7.0.1/24")
    chosen = wanted if wanted is not None else next(iter(there))
    if chosen.network.prefixlen > PREFIX_MAX:
        raise Failure(f"{chosen} leaves no room for other machines")
    if chosen.ip in (chosen.network.network_address, chosen.network.broadcast_address):
        raise Failure(f"{chosen} is the network's own or its broadcast address")
    other = [have for have in there if have.ip == chosen.ip and have != chosen]
    if other:
        raise Failure(f"{name} has {other[0]} already, of another length")
    return Link(name, chosen.ip, chosen.network), there.get(chosen, True)


def keep_address(link: Link) -> None:
    """Adds the address, or makes it last longer. Called every RENEW_SECONDS."""
    _output("ip", "addr", "replace", f"{link.address}/{link.network.prefixlen}", "dev",
            link.interface, "valid_lft", str(LIFETIME_SECONDS), "preferred_lft",
            str(LIFETIME_SECONDS))


def drop_address(link: Link) -> None:
    """Takes an added address away; it may be gone with its interface."""
    try:
        _output("ip", "addr", "del", f"{link.address}/{link.network.prefixlen}", "dev",
                link.interface)
    except Failure:
        pass


def socket_owner(line: str, port: int, link: Link) -> str | None:
    """Who holds the UDP port of a line of `ss -Hulnp`, if that is in the way on this link."""
    fields = line.split()
    if len(fields) < 4:
        return None
    host, _, number = fields[3].rpartition(":")
    host, _, device = host.partition("%")
    if number != str(port) or device not in ("", link.interface):
        return None
    if host not in ("0.0.0.0", "*", "[::]", str(link.address)):
        return None
    owner = USER.search(line)
    return f"{owner[1]} (process {owner[2]})" if owner else "another program"


def check_ports(link: Link, ports: dict[int, str]) -> None:
    """Nobody on this machine has these UDP ports on this link."""
    lines = _output("ss", "-Hulnp").splitlines()
    for port, purpose in ports.items():
        for line in lines:
            owner = socket_owner(line, port, link)
            if owner is not None:
                raise Failure(f"UDP port {port} ({purpose}) is in use here by {owner}: stop it, or "
                              f"have it leave {link.interface} out")


def parse_range(text: str, link: Link) -> tuple[IPv4Address, IPv4Address]:
    """FIRST-LAST, both on the link and apart from this host's own address."""
    parts = re.split(r"[-,]", text)
    try:
        first, last = (IPv4Address(part) for part in parts)
    except ValueError as error:
        raise Usage(f"--range {text}: not FIRST-LAST, as in 10.7.0.100-10.7.0.200") from error
    outside = [end for end in (first, last)
               if end not in link.network or end in (link.network.network_address,
                                                     link.network.broadcast_address)]
    if outside:
        raise Usage(f"--range: {outside[0]} is no machine's address in {link.network}")
    if first > last:
        raise Usage(f"--range: {first} comes after {last}")
    if first <= link.address <= last:
        raise Usage(f"--range: {link.address} in it is this machine's own address")
    return first, last
