# SPDX-License-Identifier: BSD-2-Clause
"""DHCP messages and the frames they come in; no network."""

from __future__ import annotations

import ctypes
import socket
import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxe import dhcp, wire

MAC = bytes.fromhex("525400070011")
UUID = bytes.fromhex("78563412bc9af0de1122334455667788")
SOLICITED = wire.Solicit(MAC, IPv6Address("fe80::5054:ff:fe07:11"))


def offer(**changes) -> dhcp.Message:
    options = {dhcp.TYPE: bytes([dhcp.OFFER]), dhcp.SERVER: IPv4Address("10.7.0.1").packed}
    return dhcp.Message(dhcp.REPLY, 7, "52:54:00:07:00:11", options | changes.pop("options", {}),
                        yiaddr=IPv4Address("10.7.0.9"), **changes)


# ---- messages ----

@pytest.mark.parametrize("ipxe, arch", [(True, 0), (False, 0), (True, 7), (False, 7)])
def test_a_boot_roms_question_says_what_it_is(ipxe, arch):
    found = dhcp.decode(dhcp.discover("52:54:00:07:00:11", 99, ipxe, arch, UUID).encode())
    assert found is not None and found.is_pxe
    assert (found.type, found.xid, found.mac) == (dhcp.DISCOVER, 99, "52:54:00:07:00:11")
    assert (found.is_ipxe, found.arch) == (ipxe, arch)
    assert found.uuid == "12345678-9abc-def0-1122-334455667788"


@pytest.mark.parametrize("user_class, is_ipxe", [
    (b"iPXE", True), (b"\x04iPXE", True), (b"iPXE2", False), (b"", False), (b"gPXE", False)])
def test_ipxe_is_known_by_its_user_class(user_class, is_ipxe):
    message = offer(options={dhcp.USER_CLASS: user_class})
    assert dhcp.decode(message.encode()).is_ipxe == is_ipxe


def test_boot_file_stands_in_an_option_or_in_the_old_field():
    assert dhcp.decode(offer(file="old", sname="box").encode()).bootfile == "old"
    assert dhcp.decode(offer(file="old", sname="box").encode()).next_server == "box"
    message = dhcp.decode(offer(file="old", siaddr=IPv4Address("10.7.0.3"),
                                options={dhcp.BOOTFILE: b"new\0"}).encode())
    assert (message.bootfile, message.next_server) == ("new", "10.7.0.3")


def test_options_go_on_in_the_file_field_when_the_message_says_so():
    data = bytearray(offer(options={dhcp.OVERLOAD: bytes([dhcp.IN_FILE])}).encode())
    data[108:108 + 8] = bytes([dhcp.BOOTFILE, 5]) + b"a.bin" + b"\xff"
    message = dhcp.decode(bytes(data))
    assert (message.bootfile, message.file) == ("a.bin", "")


def test_parts_of_an_option_are_joined():
    options: dict[int, bytes] = {}
    assert dhcp.read_options(b"\x43\3abc\0\0\x0c\1h\x43\2de\xff\x43\1x", options)
    assert options == {67: b"abcde", 12: b"h"}


@pytest.mark.parametrize("area", [b"\x43", b"\x43\5abc", b"\0\0\x35\1\1\x0c\xff"])
def test_damaged_options_are_refused(area):
    assert not dhcp.read_options(area, {})
    good = offer().encode()
    assert dhcp.decode(good[:dhcp.FIXED + 4] + area) is None


def test_what_a_stranger_sends_cannot_drive_a_terminal():
    message = dhcp.decode(offer(options={dhcp.HOSTNAME: b"a\x1b[2J\xffb\nc\0rest"}).encode())
    assert message.hostname == "a?[2J?b?c"


@given(st.binary(max_size=600))
def test_any_bytes_are_a_message_or_none(data):
    dhcp.decode(data)
    found = dhcp.decode(offer().encode()[:dhcp.FIXED + 4] + data)
    if found is not None:       # every property bears whatever the options hold
        assert [found.type, found.arch, found.uuid, found.hostname, found.server, found.requested,
                found.bootfile, found.next_server, found.is_pxe, found.is_ipxe]


# ---- frames ----

def test_question_is_a_frame_with_good_checksums():
    frame = wire.question(MAC, dhcp.discover("52:54:00:07:00:11", 1, False))
    assert frame[:6] == wire.BROADCAST and frame[6:12] == MAC
    assert wire.checksum(frame[14:34]) == 0
    heard = wire.read_frame(frame)
    assert isinstance(heard, wire.Heard) and heard.message.xid == 1
    assert (heard.source, heard.target_port) == (IPv4Address("0.0.0.0"), 67)


def test_the_answer_to_a_solicitation_promises_nothing():
    frame = wire.no_router(bytes.fromhex("020000000001"), SOLICITED)
    assert frame[:6] == MAC
    body = frame[54:]
    assert frame[18:20] == len(body).to_bytes(2, "big") and len(body) == 16      # no option
    assert (body[0], frame[21]) == (wire.ADVERTISE, 255)
    assert body[4:] == bytes(12)        # lifetime, flags, hop limit and timers: unspecified
    pseudo = frame[22:54] + struct.pack("!II", len(body), wire.ICMPV6)
    assert wire.checksum(pseudo + body) == 0
    assert IPv6Address(frame[22:38]) == IPv6Address("fe80::ff:fe00:1")


def solicit_frame() -> bytes:
    body = bytes([wire.SOLICIT]) + bytes(7)
    head = struct.pack("!IHBB", 6 << 28, len(body), wire.ICMPV6, 255)
    return (b"\x33\x33\0\0\0\2" + MAC + b"\x86\xdd" + head + SOLICITED.source.packed
            + IPv6Address("ff02::2").packed + body)


def udp_frame(source: int, target: int, fragment: int = 0, options: bytes = b"") -> bytes:
    body = offer().encode()
    udp = struct.pack("!4H", source, target, 8 + len(body), 0) + body
    length = 20 + len(options)
    head = struct.pack("!BBHHHBBH", 0x40 | length // 4, 0, length + len(udp), 0, fragment, 64, 17,
                       0) + IPv4Address("10.7.0.1").packed + b"\xff" * 4 + options
    return wire.BROADCAST + MAC + b"\x08\0" + head + udp


def changed(frame: bytes, at: int, value: int) -> bytes:
    return frame[:at] + bytes([value]) + frame[at + 1:]


FRAMES = [
    (udp_frame(67, 68), True), (udp_frame(68, 67), True), (udp_frame(68, 4011), True),
    (udp_frame(4011, 68), True), (udp_frame(4011, 1024), True),
    (udp_frame(67, 68, options=b"\1" * 8), True),
    (udp_frame(53, 1024), False), (udp_frame(1024, 69), False), (udp_frame(68, 1024), False),
    (udp_frame(67, 68, fragment=100), False),
    (changed(udp_frame(67, 68), 23, 6), False),         # TCP
    (solicit_frame(), True), (changed(solicit_frame(), 54, 134), False),
    (changed(solicit_frame(), 20, 17), False), (changed(solicit_frame(), 13, 6), False),
    (b"\xff" * 14, False), (b"", False)]


@pytest.mark.parametrize("frame, kept", FRAMES, ids=range(len(FRAMES)))
def test_filter_keeps_dhcp_and_solicitations_only(frame, kept):
    # The kernel runs a socket filter on any kind of socket.
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sender, receiver:
        code = wire.assemble(wire.FILTER)
        memory = ctypes.create_string_buffer(code, len(code))
        receiver.setsockopt(socket.SOL_SOCKET, wire.SO_ATTACH_FILTER,
                            struct.pack("HP", len(code) // 8, ctypes.addressof(memory)))
        receiver.setblocking(False)
        sender.setblocking(False)
        try:
            sender.send(frame)
        except OSError:         # a filter that drops lets send() know on this kind of socket
            assert not kept
        try:
            assert receiver.recv(65536) == frame and kept
        except BlockingIOError:
            assert not kept


def test_frames_cut_short_are_nothing():
    for frame in [frame for frame, kept in FRAMES if kept]:
        assert wire.read_frame(frame) is not None
        assert wire.read_frame(frame + b"padding") == wire.read_frame(frame)
        assert not any(wire.read_frame(frame[:length]) for length in range(len(frame)))


def test_fragments_are_left_out():
    assert wire.read_frame(udp_frame(67, 68, fragment=0x2000)) is None
    assert wire.read_frame(udp_frame(67, 68, fragment=0x4000)) is not None      # "do not fragment"


@given(st.binary(max_size=400), st.sampled_from([b"\x08\0", b"\x86\xdd", b"\x08\6"]))
def test_any_frame_is_read_without_harm(data, kind):
    wire.read_frame(bytes(12) + kind + data)
