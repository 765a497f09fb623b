# SPDX-License-Identifier: BSD-2-Clause
"""What other servers' answers mean, and which sockets and ranges are in the way; no network."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from clusters.failure import Usage

from pxe import dhcp, interface, probe
from pxe.dnsmasq import Link

URL = "http://10.7.0.1:8067/boot.ipxe"
OTHER = IPv4Address("10.7.0.254")
LINK = Link("eth1", IPv4Address("10.7.0.1"), IPv4Network("10.7.0.0/24"))


def offer(bootfile: str = "", gives: bool = True, **options: bytes) -> dhcp.Message:
    found = {dhcp.TYPE: bytes([dhcp.OFFER])}
    found |= {int(name[1:]): value for name, value in options.items()}
    return dhcp.Message(dhcp.REPLY, 1, "52:54:00:00:00:01", found, file=bootfile,
                        yiaddr=IPv4Address("10.7.0.100") if gives else dhcp.NOWHERE)


def server(plain: dhcp.Message | None, ipxe: dhcp.Message | None) -> probe.Server:
    return probe.Server(OTHER, plain, ipxe)


@pytest.mark.parametrize("plain, ipxe, said, settings", [
    (offer(), offer(), "", False),
    (offer(), None, "", False),
    (offer("pxelinux.0"), offer("pxelinux.0"), "names a boot file too (pxelinux.0)", True),
    (offer(o67=b"a.0"), offer("b.0"), "names a boot file too (a.0, b.0)", True),
    (offer("undionly.kpxe"), offer(URL), "", False),        # it is set as it should be
    (offer("undionly.kpxe", o60=b"PXEClient"), offer(URL, o60=b"PXEClient"), "", False),
    (offer(o60=b"PXEClient"), offer(o60=b"PXEClient"), "poses as a boot server", True),
    (offer(), offer(o60=b"PXEClient"), "poses as a boot server", True),
    (offer(), offer(o175=bytes([176, 1, 1])), "option 175.176", True),
    (offer(), offer(o175=bytes([176, 1, 0])), "", False),
    (offer(), offer(o175=bytes([176, 9])), "", False),      # damaged
    (offer("x", False), offer("x", False), "is a boot server (proxy DHCP) on this link", False)])
def test_advice(plain, ipxe, said, settings):
    advice = probe.advice(server(plain, ipxe), URL)
    assert bool(said) == bool(advice) and said in advice
    assert not said or str(OTHER) in advice
    assert advice.endswith(":") == settings


def test_what_to_set_has_all_that_a_server_needs():
    text = "\n".join(probe.what_to_set(LINK.address, URL))
    for word in ("66", "67", "77", "60", "10.7.0.1", "undionly.kpxe", '"iPXE"', URL):
        assert word in text


TAIL = '0.0.0.0:*    users:(("dnsmasq",pid=812,fd=4))'


@pytest.mark.parametrize("line, owner", [
    (f"UNCONN 0 0 0.0.0.0:67 {TAIL}", "dnsmasq (process 812)"),
    (f"UNCONN 0 0 0.0.0.0%eth1:67 {TAIL}", "dnsmasq (process 812)"),
    (f"UNCONN 0 0 10.7.0.1:67 {TAIL}", "dnsmasq (process 812)"),
    ("UNCONN 0 0 *:67 *:*", "another program"),
    (f"UNCONN 0 0 0.0.0.0%virbr0:67 {TAIL}", None),     # libvirt's, on its own bridge
    (f"UNCONN 0 0 192.168.122.1:67 {TAIL}", None),
    (f"UNCONN 0 0 0.0.0.0:6767 {TAIL}", None), (f"UNCONN 0 0 0.0.0.0:68 {TAIL}", None),
    ("", None), ("UNCONN", None)])
def test_which_socket_is_in_the_way(line, owner):
    assert interface.socket_owner(line, 67, LINK) == owner


@pytest.mark.parametrize("text", ["10.7.0.10-10.7.0.20", "10.7.0.10,10.7.0.20"])
def test_range(text):
    assert interface.parse_range(text, LINK) == (IPv4Address("10.7.0.10"),
                                                 IPv4Address("10.7.0.20"))


@pytest.mark.parametrize("text", [
    "", "10.7.0.10", "10.7.0.10-", "10.7.0.10-20", "10.7.0.10-10.7.0.20-10.7.0.30",
    "10.7.0.20-10.7.0.10", "10.7.0.0-10.7.0.9", "10.7.0.250-10.7.0.255", "10.8.0.1-10.8.0.2",
    "10.7.0.1-10.7.0.1", "fd00::1-fd00::2"])
def test_ranges_that_are_none(text):
    with pytest.raises(Usage, match="--range"):
        interface.parse_range(text, LINK)
