# SPDX-License-Identifier: BSD-2-Clause
"""DHCP and TFTP for machines that boot from the network: dnsmasq's configuration.

    machine                        is told
    iPXE on BIOS                   the URL of boot.ipxe
    any other BIOS boot ROM        undionly.kpxe by TFTP, which is iPXE and asks again
    UEFI, HTTP boot                an address, and no file
    what boots from its own disk   an address (the DEOS that was booted asks so, too)

full() is for a link without a DHCP server; proxy() stands beside one, which goes on giving out the
addresses. No line of a configuration names a machine.
"""

from __future__ import annotations

import os
import pwd
import shutil
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Iterable

PROGRAM = "dnsmasq"
IPXE = "undionly.kpxe"
IPXE_FOLDER = Path("/usr/lib/ipxe")
LEASE = "12h"                   # a node keeps its address so long when this server ends
LEASES_MAX = 1 << 16
# Ports below 1024; unicast answers to machines that have no address yet; router advertisements.
CAPABILITIES = ("net_bind_service", "net_admin", "net_raw")

# Options of DHCP messages, with the values that tell machines apart.
USER_CLASS_IPXE = "iPXE"        # option 77
ARCH_BIOS = 0                   # option 93
ARCH_UEFI = {6: "32-bit x86 UEFI", 7: "x86-64 UEFI", 9: "x86-64 UEFI", 10: "32-bit ARM UEFI",
             11: "64-bit ARM UEFI", 15: "32-bit x86 UEFI HTTP", 16: "x86-64 UEFI HTTP"}


@dataclass(frozen=True)
class Link:
    """The interface that machines boot on."""

    interface: str
    address: IPv4Address        # this host's on it
    network: IPv4Network

    def first_to_last(self) -> tuple[IPv4Address, IPv4Address]:
        """The longer run of addresses on either side of this host's own."""
        first, last = self.network[1], self.network[-2]
        if self.address - int(first) > IPv4Address(int(last) - int(self.address)):
            return first, self.address - 1
        return self.address + 1, last


def _general(link: Link, tftp_root: Path | None) -> list[str]:
    """No DNS, no other interface, no file of the system's own dnsmasq."""
    lines = ["port=0", f"interface={link.interface}", "except-interface=lo", "bind-interfaces",
             "no-ping", "leasefile-ro",
             "dhcp-vendorclass=set:pxe,PXEClient",
             f"dhcp-userclass=set:ipxe,{USER_CLASS_IPXE}",
             f"dhcp-match=set:bios,option:client-arch,{ARCH_BIOS}"]
    if tftp_root is not None:
        lines += ["enable-tftp", f"tftp-root={tftp_root}", "tftp-no-fail"]
    return lines


def full(link: Link, first: IPv4Address, last: IPv4Address, url: str,
         tftp_root: Path | None = None, lease: str = LEASE,
         advertise: str | None = None) -> list[str]:
    """The configuration of the only DHCP server on the link.

    advertise is an IPv6 prefix that the interface has an address in ("fd09::"): dnsmasq then sends
    router advertisements, for which iPXE otherwise waits 13 s.
    """
    lines = _general(link, tftp_root)
    lines += ["dhcp-authoritative", f"dhcp-lease-max={LEASES_MAX}",
              f"dhcp-range={first},{last},{link.network.netmask},{lease}",
              # Nobody routes or resolves names here unless this says so; empty means not at all.
              "dhcp-option=option:router", "dhcp-option=option:dns-server",
              # iPXE need not wait for a proxy's offer too: option 175.176, "no-pxedhcp".
              "dhcp-option=tag:ipxe,encap:175,176,1b",
              f"dhcp-boot=tag:ipxe,tag:bios,{url}"]
    if tftp_root is not None:
        lines.append(f"dhcp-boot=tag:pxe,tag:bios,tag:!ipxe,{IPXE}")
    if advertise is not None:
        lines += ["enable-ra", f"dhcp-range={advertise},ra-only"]
    return lines


def proxy(link: Link, url: str, tftp_root: Path | None = None) -> list[str]:
    """The configuration beside another DHCP server: boot files only, no addresses."""
    lines = _general(link, tftp_root)
    lines += [f"dhcp-range={link.network.network_address},proxy,{link.network.netmask}",
              f"dhcp-boot=tag:ipxe,tag:bios,{url}",
              f'pxe-service=tag:ipxe,x86PC,"DEOS",{url}']
    if tftp_root is not None:
        lines.append(f'pxe-service=tag:!ipxe,x86PC,"DEOS",{IPXE}')
    return lines


def command(lines: Iterable[str], user: str = "nobody") -> list[str]:
    """dnsmasq in the foreground with this configuration, logging to stderr.

    Root starts it as `user` with the three capabilities it needs, and not as root for it to change
    then: such a change would undo the order to die with its parent, which is given here as well.
    """
    words = [program() or PROGRAM, "--keep-in-foreground", "--pid-file=", "--conf-file=/dev/null",
             "--log-facility=-", f"--user={user}", *(f"--{line}" for line in lines)]
    if os.geteuid() != 0 or user == "root":
        return words
    held = ",".join(f"+{name}" for name in CAPABILITIES)
    return ["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups",
            f"--inh-caps={held}", f"--ambient-caps={held}", "--no-new-privs",
            "--pdeathsig=KILL", "--", *words]


def program() -> str | None:
    """Where dnsmasq is; an ordinary user's PATH often leaves /usr/sbin out."""
    return shutil.which(PROGRAM) or shutil.which(PROGRAM, path="/usr/sbin:/sbin")
