# SPDX-License-Identifier: BSD-2-Clause
"""The node comes up, on what machines it must, and goes down again."""

from __future__ import annotations

import os
import re
from urllib.parse import quote

import pytest

from conftest import SITE
from guest import ADDRESS, Guest, build_folder

pytestmark = pytest.mark.apart

KIB, MIB = 1 << 10, 1 << 20


def check_site(guest: Guest):
    """Every file of the site, byte for byte."""
    for name, content in SITE.items():
        assert guest.get("/" + quote(name)) == content, name
    assert guest.get("/") == SITE["index.html"]


def test_sizes():
    """The kernel image is under 512 KiB; with all programs it is under 4 MiB."""
    kernel = os.path.getsize(build_folder() / "deos.elf")
    assert kernel < 512 * KIB
    assert kernel + os.path.getsize(build_folder() / "boot.cpio") < 4 * MIB


@pytest.mark.qemu
@pytest.mark.parametrize("processors", [1, 2, 4])
def test_processors(processors: int):
    """Every processor is brought up, has slices, and runs a program."""
    with Guest(smp=processors, site=SITE) as guest:
        guest.wait_prompt()
        assert re.search(rf"^DEOS: {processors} processors?, 63 MiB", guest.log(), re.M)
        rows = guest.run("slices").splitlines()
        assert [row.split(":")[0] for row in rows] == [f"processor {i}" for i in range(processors)]
        assert f"{processors} processor" in guest.run("uptime")
        said = guest.run("selftest everywhere")
        ran = [int(n) for n in re.findall(r"^everywhere: ran on processor (\d+)$", said, re.M)]
        assert ran == list(range(processors)), said
        check_site(guest)
        guest.check()


@pytest.mark.qemu
def test_32_mib():
    """The node boots and serves in 32 MiB."""
    with Guest(memory_mib=32, site=SITE) as guest:
        guest.wait_prompt()
        check_site(guest)
        assert "hello: environment" in guest.run("hello")
        guest.check()


@pytest.mark.qemu
def test_lease():
    """Without a word on the command line the address comes by DHCP."""
    with Guest(site=SITE, append="") as guest:
        guest.wait_prompt()
        check_site(guest)


@pytest.mark.qemu
def test_without_site_and_network():
    """A node without a network interface says so and has a shell."""
    with Guest(network=False) as guest:
        guest.wait_for("^init: no network interface: web is not started$")
        guest.wait_prompt()
        assert "hello: environment" in guest.run("hello")


@pytest.mark.qemu
@pytest.mark.parametrize("cpu", ["qemu64", "max,-rdrand", "max,-smap,-smep,-umip,-fsgsbase"])
def test_lesser_processors(cpu: str):
    """What the processor lacks is done without; entropy comes from the device then."""
    with Guest(site=SITE, cpu=cpu) as guest:
        guest.wait_prompt()
        assert re.search(r"incarnation (?!0{16})[0-9a-f]{16}$", guest.run("uptime"), re.M)
        check_site(guest)
        assert "hello: environment" in guest.run("hello")


@pytest.mark.qemu
def test_no_entropy():
    """A node without a source of entropy says so and does not pretend."""
    with Guest(site=SITE, cpu="max,-rdrand", entropy=False) as guest:
        guest.wait_for("^boot: no source of entropy$")
        guest.wait_for("^DEOS: .* incarnation 0{16}$")
        guest.wait_for("web: random bytes: this node has no such device$")
        guest.wait_for("init: web exited with status 2$")
        assert "hello: environment" in guest.run("hello")


@pytest.mark.qemu
def test_power_off():
    """ACPI power-off ends the machine by itself."""
    with Guest() as guest:
        guest.wait_prompt()
        guest.type("poweroff")
        assert guest.wait_end() == 0
        assert re.search("^power off$", guest.log(), re.M)


@pytest.mark.qemu
def test_reboot():
    """Reboot starts the node anew, with a new incarnation."""
    with Guest(reboots=True, site=SITE, append=ADDRESS) as guest:
        guest.wait_prompt()
        first = re.search("incarnation .*", guest.run("uptime"))[0]
        since = len(guest.log())
        guest.type("reboot")
        guest.wait_for("^DEOS: 1 processor", since=since)
        guest.wait_for("^deos> ", since=since)
        assert re.search("incarnation .*", guest.run("uptime"))[0] != first
        check_site(guest)
