# SPDX-License-Identifier: BSD-2-Clause
"""DHCP messages (RFC 2131, 2132): from bytes, to bytes, and what they say about booting."""

from __future__ import annotations

import uuid as uuids
from dataclasses import dataclass, field
from ipaddress import IPv4Address

COOKIE = bytes.fromhex("63825363")
FIXED = 236                     # bytes before the cookie
LENGTH_MIN = 300                # RFC 1542, 2.1: some relays drop shorter ones
REQUEST, REPLY = 1, 2           # `op`
NOWHERE = IPv4Address(0)

DISCOVER, OFFER, ASK, DECLINE, ACK, NAK, RELEASE, INFORM = range(1, 9)  # option 53

PAD, END = 0, 255
HOSTNAME, VENDOR_OPTIONS, REQUESTED, OVERLOAD, TYPE = 12, 43, 50, 52, 53
SERVER, LIST, VENDOR_CLASS, NEXT_SERVER, BOOTFILE = 54, 55, 60, 66, 67
USER_CLASS, ARCH, INTERFACE_ID, CLIENT_UUID, IPXE_OPTIONS = 77, 93, 94, 97, 175
IN_FILE, IN_SNAME = 1, 2        # of OVERLOAD: options continue in that field

PXE = b"PXEClient"
IPXE = b"iPXE"


@dataclass(frozen=True)
class Message:
    """One message. Fields that say nothing are zero or empty."""

    op: int
    xid: int
    mac: str
    options: dict[int, bytes] = field(default_factory=dict)
    flags: int = 0
    ciaddr: IPv4Address = NOWHERE       # the client's address, if it has one
    yiaddr: IPv4Address = NOWHERE       # the address it gets
    siaddr: IPv4Address = NOWHERE       # where it finds its boot file
    giaddr: IPv4Address = NOWHERE       # the relay between
    sname: str = ""
    file: str = ""

    @property
    def type(self) -> int:
        """Option 53; 0 for BOOTP."""
        return (self.options.get(TYPE) or b"\0")[0]

    @property
    def is_pxe(self) -> bool:
        """True of a boot ROM's question, and of a boot server's answer."""
        return self.options.get(VENDOR_CLASS, b"").startswith(PXE)

    @property
    def is_ipxe(self) -> bool:
        """True of a question by iPXE. It writes the bare name, without RFC 3004's lengths."""
        return self.options.get(USER_CLASS) in (IPXE, bytes([len(IPXE)]) + IPXE)

    @property
    def arch(self) -> int | None:
        """Option 93: 0 is BIOS."""
        value = self.options.get(ARCH, b"")
        return int.from_bytes(value[:2], "big") if len(value) >= 2 else None

    @property
    def uuid(self) -> str | None:
        """Option 97: the machine's SMBIOS UUID, as it is printed."""
        value = self.options.get(CLIENT_UUID, b"")
        if len(value) != 17 or value[0] != 0 or not any(value[1:]):
            return None
        # The bytes of the SMBIOS table, whose first three fields are little-endian.
        return str(uuids.UUID(bytes_le=value[1:]))

    @property
    def hostname(self) -> str:
        """Option 12, as far as it can be shown."""
        return text(self.options.get(HOSTNAME, b""))

    @property
    def server(self) -> IPv4Address:
        """Option 54: who answers, or whose offer is taken."""
        return address(self.options.get(SERVER, b""))

    @property
    def requested(self) -> IPv4Address:
        """Option 50: the address that the client wants."""
        return address(self.options.get(REQUESTED, b""))

    @property
    def bootfile(self) -> str:
        """The boot file's name: option 67, or the old field."""
        return text(self.options.get(BOOTFILE, b"")) or self.file

    @property
    def next_server(self) -> str:
        """Where the boot file is: the field, option 66, or the other old field."""
        return str(self.siaddr) if self.siaddr != NOWHERE else (
            text(self.options.get(NEXT_SERVER, b"")) or self.sname)

    def encode(self) -> bytes:
        """The message as it travels in UDP."""
        head = bytes([self.op, 1, 6, 0]) + self.xid.to_bytes(4, "big") + bytes(2)
        head += self.flags.to_bytes(2, "big")
        for ip in (self.ciaddr, self.yiaddr, self.siaddr, self.giaddr):
            head += ip.packed
        head += bytes.fromhex(self.mac.replace(":", "")).ljust(16, b"\0")
        head += self.sname.encode().ljust(64, b"\0") + self.file.encode().ljust(128, b"\0")
        assert len(head) == FIXED
        body = b"".join(bytes([code, len(value)]) + value for code, value in self.options.items())
        return (head + COOKIE + body + bytes([END])).ljust(LENGTH_MIN, b"\0")


def text(value: bytes) -> str:
    """A string off the wire that a terminal can show: its printable ASCII, up to a zero."""
    return "".join(chr(c) if 32 < c < 127 else "?" for c in value.partition(b"\0")[0])


def address(value: bytes) -> IPv4Address:
    """The first address of an option; 0.0.0.0 when there is none."""
    return IPv4Address(value[:4]) if len(value) >= 4 else NOWHERE


def read_options(area: bytes, options: dict[int, bytes]) -> bool:
    """Adds the options of one area; parts of one code are joined (RFC 3396). False: damaged."""
    at = 0
    while at < len(area) and area[at] != END:
        code = area[at]
        if code == PAD:
            at += 1
            continue
        if at + 2 > len(area) or at + 2 + area[at + 1] > len(area):
            return False
        end = at + 2 + area[at + 1]
        options[code] = options.get(code, b"") + area[at + 2:end]
        at = end
    return True


def decode(data: bytes) -> Message | None:
    """The message in a UDP datagram; None when it is none, or damaged."""
    if len(data) < FIXED + 4 or data[FIXED:FIXED + 4] != COOKIE:
        return None
    if data[0] not in (REQUEST, REPLY) or data[1:3] != b"\1\6":     # Ethernet
        return None
    sname, file = data[44:108], data[108:236]
    options: dict[int, bytes] = {}
    if not read_options(data[FIXED + 4:], options):
        return None
    overload = (options.get(OVERLOAD) or b"\0")[0]
    for bit, area in ((IN_FILE, file), (IN_SNAME, sname)):
        if overload & bit and not read_options(area, options):
            return None
    return Message(
        op=data[0], xid=int.from_bytes(data[4:8], "big"), flags=int.from_bytes(data[10:12], "big"),
        mac=":".join(f"{byte:02x}" for byte in data[28:34]),
        **{name: IPv4Address(data[at:at + 4]) for name, at in
           (("ciaddr", 12), ("yiaddr", 16), ("siaddr", 20), ("giaddr", 24))},
        sname="" if overload & IN_SNAME else text(sname),
        file="" if overload & IN_FILE else text(file), options=options)


def discover(mac: str, xid: int, ipxe: bool, arch: int = 0,
             uuid: bytes = bytes(16)) -> Message:
    """What a boot ROM asks at first."""
    options = {TYPE: bytes([DISCOVER]), LIST: bytes([1, 3, VENDOR_OPTIONS, SERVER, VENDOR_CLASS,
                                                     NEXT_SERVER, BOOTFILE, IPXE_OPTIONS]),
               VENDOR_CLASS: PXE + b":Arch:%05d:UNDI:002001" % arch,
               ARCH: arch.to_bytes(2, "big"), INTERFACE_ID: b"\1\2\1",
               CLIENT_UUID: b"\0" + uuid}
    if ipxe:
        options[USER_CLASS] = IPXE
    return Message(REQUEST, xid, mac, options, flags=0x8000)
