# SPDX-License-Identifier: BSD-2-Clause
"""One interface's Ethernet as seen from beside the servers on it: DHCP and router solicitations.

DHCP is read off the wire, in both directions and whoever answers, because a server's own log does
not say what another server on the link told a machine. A filter in the kernel keeps everything
else away from here.
"""

from __future__ import annotations

import ctypes
import select
import socket
import struct
import time
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Iterator

from . import dhcp

ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 3, 0x0800, 0x86DD
SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_ALLMULTI = 263, 1, 2
SO_ATTACH_FILTER = 26
SERVER_PORT, CLIENT_PORT, PROXY_PORT = 67, 68, 4011
UDP, ICMPV6 = 17, 58
SOLICIT, ADVERTISE = 133, 134   # of routers
ETHERNET, IPV4, IPV6, UDP_HEAD = 14, 20, 40, 8      # lengths of headers, without options
BROADCAST = b"\xff" * 6
FRAME_MAX = 65535

# Classic BPF. VLAN_TAG is not a byte of the frame: is there a tag, for another interface?
LOAD_WORD, LOAD_HALF, LOAD_BYTE, LOAD_HALF_X, IP_LENGTH_TO_X = 0x20, 0x28, 0x30, 0x48, 0xB1
EQUAL, BITS, RETURN = 0x15, 0x45, 0x06
VLAN_TAG = 0xFFFFF030
# Operation, constant, and where to go on if it is so and if not; "" is the next line.
FILTER = [
    (LOAD_WORD, VLAN_TAG), (EQUAL, 0, "", "drop"),
    (LOAD_HALF, 12), (EQUAL, ETH_P_IP, "", "v6"),
    (LOAD_BYTE, ETHERNET + 9), (EQUAL, UDP, "", "drop"),
    (LOAD_HALF, ETHERNET + 6), (BITS, 0x1FFF, "drop", ""),      # a later fragment has no ports
    (IP_LENGTH_TO_X, ETHERNET),
    (LOAD_HALF_X, ETHERNET + 2), (EQUAL, SERVER_PORT, "keep", ""),
    (EQUAL, CLIENT_PORT, "keep", ""), (EQUAL, PROXY_PORT, "keep", ""),
    (LOAD_HALF_X, ETHERNET), (EQUAL, PROXY_PORT, "keep", "drop"),
    "v6", (EQUAL, ETH_P_IPV6, "", "drop"),
    (LOAD_BYTE, ETHERNET + 6), (EQUAL, ICMPV6, "", "drop"),
    (LOAD_BYTE, ETHERNET + IPV6), (EQUAL, SOLICIT, "keep", "drop"),
    "keep", (RETURN, FRAME_MAX),
    "drop", (RETURN, 0),
]


def assemble(program: list) -> bytes:
    """The filter as the kernel takes it: jumps count from the next instruction."""
    places: dict[str, int] = {}
    instructions: list[tuple] = []
    for line in program:
        if isinstance(line, str):
            places[line] = len(instructions)
        else:
            instructions.append(line)
    out = b""
    for here, (operation, constant, *targets) in enumerate(instructions, 1):
        jumps = [places[target] - here if target else 0 for target in targets] or [0, 0]
        out += struct.pack("HBBI", operation, *jumps, constant)
    return out


@dataclass(frozen=True)
class Heard:
    """A DHCP message on the link."""

    message: dhcp.Message
    source: IPv4Address
    target_port: int


@dataclass(frozen=True)
class Solicit:
    """A machine that asks for an IPv6 router."""

    mac: bytes
    source: IPv6Address


def read_frame(frame: bytes) -> Heard | Solicit | None:
    """What a frame says, if it is whole and of the kinds that are wanted here."""
    kind = int.from_bytes(frame[12:14], "big")
    if kind == ETH_P_IPV6 and len(frame) >= ETHERNET + IPV6 + 8:
        if frame[20] == ICMPV6 and frame[ETHERNET + IPV6] == SOLICIT:
            return Solicit(frame[6:12], IPv6Address(frame[22:38]))
        return None
    if kind != ETH_P_IP or len(frame) < ETHERNET + IPV4:
        return None
    head = (frame[ETHERNET] & 15) * 4
    end = ETHERNET + int.from_bytes(frame[16:18], "big")
    udp = frame[ETHERNET + head:end]
    # Whole datagrams only: a DHCP message that comes in fragments is left out.
    if frame[23] != UDP or head < IPV4 or end > len(frame) or frame[20] & 0x3F or frame[21]:
        return None
    if len(udp) < UDP_HEAD or int.from_bytes(udp[4:6], "big") != len(udp):
        return None
    message = dhcp.decode(udp[UDP_HEAD:])
    if message is None:
        return None
    return Heard(message, IPv4Address(frame[26:30]), int.from_bytes(udp[2:4], "big"))


def checksum(data: bytes) -> int:
    """The Internet's checksum (RFC 1071)."""
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def question(mac: bytes, message: dhcp.Message) -> bytes:
    """The frame in which a machine without an address asks everybody."""
    body = message.encode()
    udp = struct.pack("!4H", CLIENT_PORT, SERVER_PORT, UDP_HEAD + len(body), 0) + body
    head = struct.pack("!BBHHHBBH", 0x45, 0, IPV4 + len(udp), 0, 0, 64, UDP, 0)
    head += bytes(4) + b"\xff" * 4
    head = head[:10] + checksum(head).to_bytes(2, "big") + head[12:]
    return BROADCAST + mac + struct.pack("!H", ETH_P_IP) + head + udp


def link_local(mac: bytes) -> IPv6Address:
    """The address that an interface makes itself from its MAC address (RFC 4291)."""
    return IPv6Address(b"\xfe\x80" + bytes(6) + bytes([mac[0] ^ 2]) + mac[1:3] + b"\xff\xfe"
                       + mac[3:])


def no_router(mac: bytes, to: Solicit) -> bytes:
    """The answer that there is no router, no prefix and no DHCPv6 here, to one machine only.

    iPXE waits 13 s for a router advertisement, of whatever content. This one (router lifetime 0,
    no option) changes nothing in a machine that reads it.
    """
    source = link_local(mac).packed
    body = struct.pack("!BBHBBHII", ADVERTISE, 0, 0, 0, 0, 0, 0, 0)
    pseudo = source + to.source.packed + struct.pack("!II", len(body), ICMPV6)
    body = body[:2] + checksum(pseudo + body).to_bytes(2, "big") + body[4:]
    head = struct.pack("!IHBB", 6 << 28, len(body), ICMPV6, 255) + source + to.source.packed
    return to.mac + mac + struct.pack("!H", ETH_P_IPV6) + head + body


class Wire:
    """A raw socket on one interface, which hears what FILTER lets through."""

    def __init__(self, interface: str) -> None:
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            code = assemble(FILTER)
            memory = ctypes.create_string_buffer(code, len(code))
            program = struct.pack("HP", len(code) // 8, ctypes.addressof(memory))
            self.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
            self.socket.bind((interface, ETH_P_ALL))        # after the filter: nothing else comes
            members = struct.pack("iHH8s", socket.if_nametoindex(interface), PACKET_MR_ALLMULTI,
                                  0, b"")
            self.socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, members)
        except OSError:
            self.socket.close()
            raise
        self.socket.setblocking(False)
        self.mac: bytes = self.socket.getsockname()[4]

    def send(self, frame: bytes) -> None:
        """Sends a frame; one that the interface cannot take now is lost, as on any Ethernet."""
        try:
            self.socket.send(frame)
        except OSError:
            pass

    def hear(self, until: float) -> Iterator[Heard | Solicit]:
        """What comes until the clock (time.monotonic) is there."""
        while (left := until - time.monotonic()) > 0:
            if not select.select([self.socket], [], [], left)[0]:
                return
            try:
                frame = self.socket.recv(FRAME_MAX)
            except OSError:             # another frame next time; or the interface went down
                continue
            found = read_frame(frame)
            if found is not None:
                yield found

    def close(self) -> None:
        """Lets go of the interface."""
        self.socket.close()
