#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A hand-made IPv4 station for tests of the uplinks: DHCP, ARP, ICMP echo, TFTP's
first block, and one TCP connection at a time, as a server. ARP and echo ask again,
as every host does: a busy one drops frames. Nothing else expects losses."""
import socket
import struct
import time

from switchbed import BROADCAST, TIMEOUT_S, Node

IP, ARP = 0x0800, 0x0806
UDP, TCP, ICMP = 17, 6, 1
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
COOKIE = bytes.fromhex("63825363")
ANY, ALL = "0.0.0.0", "255.255.255.255"
AGAIN_S = 1.0       # RFC 1122, 2.3.2.1: no more often than this


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class NothingCame(AssertionError):
    """What was waited for."""


class Station:
    """An address on a node's port."""

    def __init__(self, node: Node, ip: str = ANY):
        self.node = node
        self.ip = ip
        self.neighbours: dict[str, bytes] = {ALL: BROADCAST}
        self.echoes = 0     # asked for

    # Frames.

    def send(self, ethertype: int, target: bytes, payload: bytes):
        """One Ethernet frame."""
        head = target + self.node.mac + struct.pack("!H", ethertype)
        self.node.send((head + payload).ljust(60, b"\0"))

    def send_ip(self, protocol: int, target: str, payload: bytes):
        """One IPv4 packet to a neighbour."""
        head = bytearray(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64,
                                     protocol, 0, socket.inet_aton(self.ip),
                                     socket.inet_aton(target)))
        struct.pack_into("!H", head, 10, checksum(bytes(head)))
        self.send(IP, self.resolve(target), bytes(head) + payload)

    def receive_ip(self, protocol: int, timeout: float = 30.0) -> tuple[str, bytes]:
        """The next IPv4 packet of a protocol; ARP is answered meanwhile."""
        until = time.monotonic() + timeout
        while (left := until - time.monotonic()) > 0:
            data = self.node.receive(left)
            if data is None:
                break
            if data[12:14] == struct.pack("!H", ARP):
                self.take_arp(data[14:])
            elif data[12:14] == struct.pack("!H", IP) and data[23] == protocol:
                length = struct.unpack_from("!H", data, 16)[0]
                assert checksum(data[14:34]) == 0
                return socket.inet_ntoa(data[26:30]), data[34:14 + length]
        raise NothingCame(f"no packet of protocol {protocol} came")

    # ARP (RFC 826).

    def send_arp(self, operation: int, mac: bytes, ip: str):
        """A request or a reply."""
        self.send(ARP, mac if any(mac) else BROADCAST,
                  struct.pack("!HHBBH", 1, IP, 6, 4, operation) + self.node.mac
                  + socket.inet_aton(self.ip) + mac + socket.inet_aton(ip))

    def take_arp(self, packet: bytes):
        """Learns the sender; answers a question about this station."""
        self.neighbours[socket.inet_ntoa(packet[14:18])] = packet[8:14]
        if packet[6:8] == b"\0\1" and socket.inet_ntoa(packet[24:28]) == self.ip != ANY:
            self.send_arp(2, packet[8:14], socket.inet_ntoa(packet[14:18]))

    def resolve(self, ip: str) -> bytes:
        """The neighbour's address, asked for until it is known."""
        until = time.monotonic() + TIMEOUT_S
        while ip not in self.neighbours:
            assert time.monotonic() < until, f"no ARP reply from {ip}"
            self.send_arp(1, bytes(6), ip)
            again = time.monotonic() + AGAIN_S
            while ip not in self.neighbours and (left := again - time.monotonic()) > 0:
                data = self.node.receive(left)
                if data is not None and data[12:14] == struct.pack("!H", ARP):
                    self.take_arp(data[14:])
        return self.neighbours[ip]

    # UDP (without checksum, as RFC 768 allows), DHCP (RFC 2131), TFTP (RFC 1350).

    def send_udp(self, source: int, target: str, port: int, payload: bytes):
        """One datagram."""
        head = struct.pack("!HHHH", source, port, 8 + len(payload), 0)
        self.send_ip(UDP, target, head + payload)

    def receive_udp(self, port: int) -> tuple[str, int, bytes]:
        """The next datagram to a port: its sender, the sender's port, the payload."""
        while True:
            sender, datagram = self.receive_ip(UDP)
            if struct.unpack_from("!H", datagram, 2)[0] == port:
                return sender, struct.unpack_from("!H", datagram)[0], datagram[8:]

    def ask_dhcp(self, kind: int, options: bytes = b"") -> tuple[bytes, dict[int, bytes]]:
        """One DHCP message and its answer: the BOOTP part and the options."""
        bootp = struct.pack("!BBBBIHH16s6s202x", 1, 1, 6, 0, 0x1234, 0, 0x8000, b"", self.node.mac)
        message = bootp + COOKIE + bytes([53, 1, kind]) + options + b"\xff"
        self.send_udp(68, ALL, 67, message.ljust(300, b"\0"))
        while True:  # answers to other stations are broadcast too
            answer = self.receive_udp(68)[2]
            if answer[28:34] == self.node.mac:
                break
        assert answer[236:240] == COOKIE
        found, at = {}, 240
        while answer[at] != 255:
            found[answer[at]] = answer[at + 2:at + 2 + answer[at + 1]]
            at += 2 + answer[at + 1]
        return answer[:236], found

    def lease(self) -> dict:
        """The four steps of DHCP; returns what the server said."""
        offer, options = self.ask_dhcp(1)
        assert options[53] == b"\2"
        wanted = offer[16:20]
        ack, options = self.ask_dhcp(3, bytes([50, 4]) + wanted + bytes([54, 4]) + options[54])
        assert options[53] == b"\5"
        self.ip = socket.inet_ntoa(ack[16:20])
        return {"ip": self.ip, "router": socket.inet_ntoa(options[3]),
                "bootfile": ack[108:236].rstrip(b"\0").decode(), "options": options}

    def fetch_tftp(self, server: str, name: str) -> bytes:
        """A file of less than 512 bytes, or an error's text."""
        self.send_udp(2000, server, 69, b"\0\1" + name.encode() + b"\0octet\0")
        _, port, answer = self.receive_udp(2000)
        self.send_udp(2000, server, port, b"\0\4" + answer[2:4])
        return answer[4:]

    def send_tcp(self, target: str, fields: tuple[int, int, int, int], flags: int,
                 data: bytes = b""):
        """One segment; `fields` are source port, target port, sequence, acknowledgement."""
        head = bytearray(struct.pack("!HHIIBBHHH", *fields, 5 << 4, flags, 60000, 0, 0))
        pseudo = (socket.inet_aton(self.ip) + socket.inet_aton(target)
                  + struct.pack("!HH", TCP, len(head) + len(data)))
        struct.pack_into("!H", head, 16, checksum(pseudo + bytes(head) + data))
        self.send_ip(TCP, target, bytes(head) + data)

    def ping(self, target: str, timeout: float = TIMEOUT_S) -> bool:
        """An ICMP echo, asked for until one comes: its bytes are those that were sent."""
        until, first = time.monotonic() + timeout, self.echoes + 1
        while (left := until - time.monotonic()) > 0:
            self.echoes += 1
            message = bytearray(struct.pack("!BBHHH", 8, 0, 0, 7, self.echoes) + b"x" * 32)
            struct.pack_into("!H", message, 2, checksum(bytes(message)))
            self.send_ip(ICMP, target, bytes(message))
            try:
                sender, answer = self.receive_ip(ICMP, min(left, AGAIN_S))
            except NothingCame:
                continue
            if struct.unpack_from("!H", answer, 6)[0] >= first:     # else a late one
                return sender == target and answer[0] == 0 and answer[8:] == b"x" * 32
        raise NothingCame(f"no packet: {target} answers no echo")


class Connection:
    """A TCP connection that a station accepts: just enough of RFC 9293."""

    def __init__(self, station: Station, port: int):
        self.station = station
        self.port = port
        self.send_next = 1000
        while True:
            self.peer, segment = station.receive_ip(TCP)
            self.peer_port, target, self.receive_next, _, _, flags = struct.unpack_from(
                "!HHIIBB", segment)
            if target == port and flags & SYN:
                break
        self.receive_next = (self.receive_next + 1) % 2**32
        self.send(SYN | ACK)
        self.send_next += 1

    def send(self, flags: int, data: bytes = b""):
        """One segment."""
        fields = (self.port, self.peer_port, self.send_next, self.receive_next)
        self.station.send_tcp(self.peer, fields, flags, data)

    def send_data(self, data: bytes):
        """Data, segment by segment, waiting for nothing (within the peer's window)."""
        for at in range(0, len(data), 1400):
            part = data[at:at + 1400]
            self.send(PSH | ACK, part)
            self.send_next = (self.send_next + len(part)) % 2**32

    def receive_data(self) -> tuple[bytes, int]:
        """The next segment that carries something, acknowledged: data and flags."""
        while True:
            _, segment = self.station.receive_ip(TCP)
            if struct.unpack_from("!H", segment)[0] != self.peer_port:
                continue
            sequence, _, offset, flags = struct.unpack_from("!IIBB", segment, 4)
            data = segment[(offset >> 4) * 4:]
            if flags & RST:
                return b"", flags
            if sequence != self.receive_next or not (data or flags & FIN):
                continue
            self.receive_next = (sequence + len(data) + (flags & FIN)) % 2**32
            self.send(ACK)
            return data, flags
