# SPDX-License-Identifier: BSD-2-Clause
"""Other DHCP servers on the link: who is there, what they tell boot ROMs, and what that means.

A question to everybody, asked as a boot ROM would and never taken further, shows both. It is
asked in two ways, because a server may tell iPXE something else than a plain boot ROM.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from ipaddress import IPv4Address

from . import dhcp, dnsmasq
from .wire import Heard, Wire, question

SECONDS = 4.0                   # some servers ping an address for a second or three first
AGAIN = (0.0, 1.0, 2.5)         # when to ask
GRACE_SECONDS = 0.4             # after an answer: for slower servers
SERVERS_MAX = 16
NO_PROXY = 176                  # inside iPXE's own option: "wait for no proxy"


@dataclass
class Server:
    """One that answered, and its offers."""

    address: IPv4Address
    plain: dhcp.Message | None = None
    ipxe: dhcp.Message | None = None

    def offers(self) -> list[dhcp.Message]:
        """Those that came."""
        return [offer for offer in (self.plain, self.ipxe) if offer is not None]

    @property
    def gives_addresses(self) -> bool:
        """False of a proxy, which leaves these to another one."""
        return any(offer.yiaddr != dhcp.NOWHERE for offer in self.offers())


def forbids_proxy(offer: dhcp.Message) -> bool:
    """True if the offer tells iPXE not to look for a proxy."""
    inner: dict[int, bytes] = {}
    dhcp.read_options(offer.options.get(dhcp.IPXE_OPTIONS, b""), inner)
    return any(inner.get(NO_PROXY, b""))


def find(wire: Wire, seconds: float = SECONDS) -> list[Server]:
    """The servers that answer on the link, by address."""
    mac = ":".join(f"{byte:02x}" for byte in wire.mac)
    asked = {secrets.randbits(32): ipxe for ipxe in (False, True)}
    frames = [question(wire.mac, dhcp.discover(mac, xid, ipxe)) for xid, ipxe in asked.items()]
    found: dict[IPv4Address, Server] = {}
    start = time.monotonic()
    end = start + seconds
    for at, following in zip(AGAIN, (*AGAIN[1:], seconds)):
        if start + at > end:
            break
        for frame in frames:
            wire.send(frame)
        while time.monotonic() < min(end, start + following):
            for heard in wire.hear(min(end, start + following)):
                if isinstance(heard, Heard) and _take(heard, mac, asked, found):
                    end = min(end, time.monotonic() + GRACE_SECONDS)
                    break
    return sorted(found.values(), key=lambda server: server.address)


def _take(heard: Heard, mac: str, asked: dict[int, bool],
          found: dict[IPv4Address, Server]) -> bool:
    """Notes an offer to us; False for any other message."""
    message = heard.message
    if (message.op, message.type, message.mac) != (dhcp.REPLY, dhcp.OFFER, mac):
        return False
    if message.xid not in asked:
        return False
    address = message.server if message.server != dhcp.NOWHERE else heard.source
    if address not in found and len(found) == SERVERS_MAX:
        return False
    server = found.setdefault(address, Server(address))
    if asked[message.xid]:
        server.ipxe = message
    else:
        server.plain = message
    return True


def what_to_set(address: IPv4Address, url: str) -> list[str]:
    """The settings with which a DHCP server of any make boots machines from here."""
    return [f"next server (option 66)                          {address}",
            f"boot file (option 67)                            {dnsmasq.IPXE}",
            f"boot file for the user class (option 77) \"{dnsmasq.USER_CLASS_IPXE}\"  {url}",
            "vendor class (option 60)                         none is needed"]


def advice(server: Server, url: str) -> str:
    """What is to be known of a server beside which this one is a proxy; "" for nothing.

    iPXE takes the boot file of a proxy before the DHCP server's own, unless that poses as a boot
    server too (option 60) or tells it to wait for none (option 175.176).
    """
    offers = server.offers()
    if server.ipxe is not None and server.ipxe.bootfile == url:
        return ""
    if not server.gives_addresses:
        return (f"{server.address} is a boot server (proxy DHCP) on this link already: machines "
                "follow whichever answers first; stop one of the two")
    if any(offer.is_pxe for offer in offers):
        return (f"{server.address} poses as a boot server (option 60 is \"PXEClient\"), so "
                "machines will follow it and not this one: remove its option 60, or set on it:")
    if any(forbids_proxy(offer) for offer in offers):
        return (f"{server.address} tells iPXE to ask no other server (option 175.176), so "
                "machines will not ask this one: remove that option, or set on it:")
    files = sorted({offer.bootfile for offer in offers if offer.bootfile})
    if files:
        return (f"{server.address} names a boot file too ({', '.join(files)}); iPXE follows this "
                "server here, but some boot ROMs follow that one: if machines load the wrong file, "
                "remove its options 66 and 67, or set on it:")
    return ""
