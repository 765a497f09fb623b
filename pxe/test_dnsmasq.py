# SPDX-License-Identifier: BSD-2-Clause
"""dnsmasq's configuration: what it says, and that dnsmasq accepts it."""

from __future__ import annotations

import subprocess
from ipaddress import IPv4Address, IPv4Network

import pytest

from pxe import dnsmasq

URL = "http://10.7.0.1:8067/boot.ipxe"


def link(address: str = "10.7.0.1", network: str = "10.7.0.0/24") -> dnsmasq.Link:
    return dnsmasq.Link("eth1", IPv4Address(address), IPv4Network(network))


def full(**options) -> list[str]:
    return dnsmasq.full(link(), IPv4Address("10.7.0.2"), IPv4Address("10.7.0.9"), URL, **options)


@pytest.mark.parametrize("address, network, run", [
    ("10.7.0.1", "10.7.0.0/24", ("10.7.0.2", "10.7.0.254")),
    ("10.7.0.254", "10.7.0.0/24", ("10.7.0.1", "10.7.0.253")),
    ("10.7.0.100", "10.7.0.0/24", ("10.7.0.101", "10.7.0.254")),
    ("10.7.0.200", "10.7.0.0/24", ("10.7.0.1", "10.7.0.199")),
    ("192.168.1.2", "192.168.1.0/30", ("192.168.1.1", "192.168.1.1"))])
def test_range_leaves_this_host_out(address, network, run):
    first, last = link(address, network).first_to_last()
    assert (str(first), str(last)) == run


def configurations(tftp_root):
    yield full()
    yield full(tftp_root=tftp_root, advertise="fd09::")
    yield dnsmasq.proxy(link(), URL)
    yield dnsmasq.proxy(link(), URL, tftp_root)


def test_dnsmasq_accepts_every_configuration(tmp_path):
    for lines in configurations(tmp_path):
        done = subprocess.run([*dnsmasq.command(lines), "--test"], capture_output=True, text=True,
                              check=False)
        assert done.returncode == 0, done.stderr


def test_no_configuration_names_a_machine_or_touches_another_interface(tmp_path):
    for lines in configurations(tmp_path):
        assert not [line for line in lines if line.startswith(("dhcp-host", "dhcp-mac"))]
        assert {"port=0", "interface=eth1", "bind-interfaces", "leasefile-ro"} <= set(lines)


def test_uefi_gets_no_bios_file(tmp_path):
    for lines in configurations(tmp_path):
        for line in lines:
            if line.startswith("dhcp-boot"):
                assert "tag:bios" in line
            if line.startswith("pxe-service"):
                assert "x86PC" in line


def test_proxy_gives_no_addresses(tmp_path):
    lines = dnsmasq.proxy(link(), URL, tmp_path)
    assert [line for line in lines if line.startswith("dhcp-range")] == [
        "dhcp-range=10.7.0.0,proxy,255.255.255.0"]
    assert "dhcp-authoritative" not in lines
