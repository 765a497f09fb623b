# SPDX-License-Identifier: BSD-2-Clause
"""pxe/serve as a person runs it, on a link of network namespaces: its words, its refusals, its end.

What machines are told is asked by scripted DHCP clients of every kind; that they boot is shown by
QEMU machines.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from clusters.machine import Machine
from clusters.process import need

from pxe import dhcp, dnsmasq, probe, wire
from pxe.testbed import ROOT, Bed, Host

pytestmark = [pytest.mark.apart, pytest.mark.skipif(
    os.geteuid() != 0, reason="network namespaces: run as root")]

SERVE = str(ROOT / "pxe" / "serve")
BUILD = ROOT / os.environ.get("DEOS_BUILD", "build")
OWN, OTHER = "10.7.0.1", "10.7.0.254"
URL = f"http://{OWN}:8067/boot.ipxe"
MAC = "52:54:00:07:00:11"
UUID = "12345678-9abc-def0-1122-334455667788"
UEFI = "asked as x86-64 UEFI: gets no boot file, for this build boots on BIOS only"
SECONDS = 120.0


@pytest.fixture
def bed():
    with Bed() as link:
        yield link


@pytest.fixture
def host(bed) -> Host:
    """Where pxe/serve runs."""
    return bed.host(f"{OWN}/24")


def add_dhcp_server(bed: Bed, *lines: str, address: str = OTHER) -> Host:
    """A DHCP server that is nobody's here."""
    host = bed.host(f"{address}/24")
    log = host.start(*dnsmasq.command(
        ["port=0", "interface=eth1", "bind-interfaces", "leasefile-ro", "no-ping",
         "dhcp-range=10.7.0.100,10.7.0.150", *lines]), stderr=subprocess.PIPE, text=True).stderr
    assert log is not None
    assert any("sockets bound" in line for line in log), "dnsmasq did not start"
    return host


class Serve:
    """pxe/serve at work, its lines as they come."""

    def __init__(self, host: Host, folder: Path, *options: str) -> None:
        self.out = folder / "serve.out"
        with open(self.out, "wb") as out:
            self.process = host.start(SERVE, "eth1", "--build", str(BUILD), *options,
                                      stdin=subprocess.DEVNULL, stdout=out,
                                      stderr=subprocess.STDOUT,
                                      env=os.environ | {"TMPDIR": str(folder)})
        self.wait_for(r"serving .* on eth1")

    def text(self) -> str:
        return self.out.read_text()

    def wait_for(self, pattern: str) -> None:
        deadline = time.monotonic() + SECONDS
        while not re.search(pattern, self.text()):
            assert self.process.poll() is None and time.monotonic() < deadline, self.text()
            time.sleep(0.02)

    def stages(self) -> list[str]:
        """What was said of the machine."""
        return re.findall(rf"^[\d:]{{8}} {MAC} (.*)$", self.text(), re.MULTILINE)

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


def children_named(name: str, host: Host) -> list[int]:
    """The processes of that name in a host's network namespace."""
    space = os.readlink(f"/proc/{host.pid}/ns/net")
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "comm").read_text().strip() == name and (
                    os.readlink(folder / "ns/net") == space):
                found.append(int(folder.name))
        except OSError:         # it is gone
            pass
    return found


# ---- it boots machines ----

@pytest.mark.qemu
@pytest.mark.parametrize("rom", ["ipxe", "plain"])
@pytest.mark.parametrize("mode", ["alone", "proxy"])
def test_machine_boots(bed, host, tmp_path, mode, rom):
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text("<p>from the network")
    (tmp_path / "node").mkdir()
    options = ["--site", str(site), "--cmdline", "quiet"]
    if mode == "proxy":
        add_dhcp_server(bed, "dhcp-boot=pxelinux.0,other," + OTHER)     # the proxy goes before
        server = Serve(host, tmp_path, "--proxy", *options)
    else:
        server = Serve(host, tmp_path, "--force", *options)     # no time for a search
    netdev = bed.tap("tap1") if rom == "ipxe" else bed.plain_rom(tmp_path).netdev
    with Machine(tmp_path / "node", memory_mib=64, mac=MAC, uuid=UUID, netdev=netdev,
                 inside=bed.pid) as node:
        server.wait_for("up, with address")
        address = re.search(r"up, with address ([\d.]+)", server.text())[1]
        page = host.run(need("curl"), "-sf", "--retry", "20", "--retry-all-errors",
                        "--retry-delay", "1", "-m", "30", f"http://{address}/").stdout
        assert page == "<p>from the network", node.log()
    offered = "a boot file" if mode == "proxy" else address
    chain = ["fetched undionly.kpxe by TFTP", "loaded iPXE"] if rom == "plain" else []
    assert server.stages() == [
        f"asked: BIOS{', iPXE' if rom == 'ipxe' else ''}, {UUID}", f"offered {offered}", *chain,
        "fetched the script", f"loaded the kernel ({(BUILD / 'deos.elf').stat().st_size} bytes)",
        "loaded all modules", "booted: its own system asks for an address",
        f"up, with address {address}"]
    if mode == "proxy":
        assert IPv4Address("10.7.0.100") <= IPv4Address(address) <= IPv4Address("10.7.0.150")
    assert server.end() == 0
    assert server.text().endswith("stopped; 1 machine: 1 booted\n")


@pytest.mark.qemu
def test_machine_tries_again_until_everything_is_there(bed, host, tmp_path):
    server = Serve(host, tmp_path, "--force")
    [folder] = tmp_path.glob("deos-pxe-*")
    (folder / "boot.cpio").rename(folder / "hidden")
    (tmp_path / "node").mkdir()
    with Machine(tmp_path / "node", memory_mib=64, mac=MAC, netdev=bed.tap("tap1"),
                 inside=bed.pid) as node:
        server.wait_for("asked for /boot.cpio, which is not here")
        (folder / "hidden").rename(folder / "boot.cpio")
        node.wait_for("DEOS: ", SECONDS)
    assert server.end() == 0
    assert server.text().endswith("stopped; 1 machine: 1 loaded all modules\n")


# ---- what machines of each kind are told ----

def ask(client: Host, message: dhcp.Message, seconds: float = 2.0) -> dhcp.Message | None:
    """Broadcasts a question; the first answer to it, or None."""
    eyes = client.inside(lambda: wire.Wire("eth1"))
    try:
        eyes.send(wire.question(bytes.fromhex(message.mac.replace(":", "")), message))
        for heard in eyes.hear(time.monotonic() + seconds):
            if isinstance(heard, wire.Heard) and heard.message.op == dhcp.REPLY and (
                    heard.message.xid == message.xid):
                return heard.message
        return None
    finally:
        eyes.close()


KINDS = {
    # kind of machine -> its question, and the boot file that it is to be told
    "plain BIOS": (dhcp.discover(MAC, 1, False), "undionly.kpxe"),
    "iPXE on BIOS": (dhcp.discover(MAC, 2, True), URL),
    "UEFI": (dhcp.discover(MAC, 3, False, 7), ""),
    "UEFI by its other number": (dhcp.discover(MAC, 4, False, 9), ""),
    "iPXE on UEFI": (dhcp.discover(MAC, 5, True, 7), ""),
    "UEFI HTTP boot": (dhcp.discover(MAC, 6, False, 16), ""),
    "no boot ROM": (dhcp.Message(dhcp.REQUEST, 7, MAC, {dhcp.TYPE: bytes([dhcp.DISCOVER])},
                                 flags=0x8000), ""),
}


def boot_menu(message: dhcp.Message) -> bytes:
    """PXE's boot menu (option 43.9): what a plain ROM follows beside another DHCP server."""
    inner: dict[int, bytes] = {}
    dhcp.read_options(message.options.get(dhcp.VENDOR_OPTIONS, b""), inner)
    return inner.get(9, b"")


def test_what_each_kind_of_machine_is_told(bed, host, tmp_path):
    client = bed.host()
    server = Serve(host, tmp_path, "--force", "--range", "10.7.0.50-10.7.0.60")
    for kind, (question, bootfile) in KINDS.items():
        offer = ask(client, question)
        assert offer is not None, kind
        assert (offer.bootfile, offer.server) == (bootfile, IPv4Address(OWN)), kind
        assert IPv4Address("10.7.0.50") <= offer.yiaddr <= IPv4Address("10.7.0.60"), kind
        assert not bootfile or offer.siaddr == IPv4Address(OWN), kind
        assert probe.forbids_proxy(offer) == question.is_ipxe, kind     # saves it a wait
        assert 3 not in offer.options and 6 not in offer.options, kind  # router, DNS: none here
    server.wait_for("UEFI")
    assert server.stages() == ["asked: BIOS", f"offered {offer.yiaddr}", "loaded iPXE", UEFI]
    assert server.end() == 0


def test_what_each_kind_of_machine_is_told_by_a_proxy(bed, host, tmp_path):
    client = bed.host()
    server = Serve(host, tmp_path, "--force", "--proxy")
    for kind, (question, bootfile) in KINDS.items():
        offer = ask(client, question, 2.0 if bootfile else 0.5)
        if not bootfile:
            assert offer is None or not (offer.bootfile or boot_menu(offer)), kind
            continue
        assert offer is not None and offer.is_pxe, kind
        assert (offer.yiaddr, offer.server) == (dhcp.NOWHERE, IPv4Address(OWN)), kind
        assert boot_menu(offer) or offer.bootfile == bootfile, kind
    assert server.end() == 0


# ---- it does not disturb others ----

def test_another_dhcp_server_is_found(bed, host, tmp_path):
    add_dhcp_server(bed)
    done = host.run(SERVE, "eth1", "--build", str(BUILD), check=False)
    assert (done.returncode, done.stderr) == (
        1, f"serve: a DHCP server answers on eth1 already ({OTHER}): use --proxy, or --force\n")


def test_advice_for_another_dhcp_server(bed, host, tmp_path):
    add_dhcp_server(bed, "dhcp-option-force=60,PXEClient")
    server = Serve(host, tmp_path, "--proxy")
    assert f'{OTHER} poses as a boot server (option 60 is "PXEClient")' in server.text()
    for line in probe.what_to_set(IPv4Address(OWN), URL):
        assert line in server.text()
    assert server.end() == 0


def test_proxy_alone_says_that_nobody_gives_addresses(host, tmp_path):
    server = Serve(host, tmp_path, "--proxy")
    assert "no DHCP server answered on eth1: machines will get no address" in server.text()
    assert "out if there is none" in server.text()
    assert server.end() == 0


def test_solicitations_of_others_are_not_answered(bed, host, tmp_path):
    client = bed.host()
    server = Serve(host, tmp_path, "--force")
    eyes = client.inside(lambda: wire.Wire("eth1"))
    solicit = bytes.fromhex("333300000002") + eyes.mac + b"\x86\xdd\x60\0\0\0\0\x08\x3a\xff" + (
        wire.link_local(eyes.mac).packed + bytes.fromhex("ff02" + "00" * 13 + "02")
        + bytes([wire.SOLICIT]) + bytes(7))
    raw = client.inside(lambda: open_raw("eth1"))
    eyes.send(solicit)
    mac = ":".join(f"{byte:02x}" for byte in eyes.mac)
    assert advertisement(raw, 0.5) is None
    ask(client, dhcp.discover(mac, 9, True))
    server.wait_for("asked: BIOS, iPXE")
    eyes.send(solicit)
    answer = advertisement(raw, 10)
    assert answer is not None and answer[:6] == eyes.mac
    assert answer[58:] == bytes(12)         # of 16 bytes: no lifetime, no prefix
    assert server.end() == 0


def open_raw(name: str):
    import socket
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(wire.ETH_P_IPV6))
    raw.bind((name, wire.ETH_P_IPV6))
    return raw


def advertisement(raw, seconds: float) -> bytes | None:
    """The next router advertisement that comes in."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        raw.settimeout(left)
        try:
            frame = raw.recv(65536)
        except TimeoutError:
            return None
        if frame[20] == wire.ICMPV6 and frame[54] == wire.ADVERTISE:
            return frame
    return None


# ---- refusals ----

@pytest.fixture(scope="module")
def quiet_host():
    """A host on a link of its own, for tests that leave it as it was."""
    with Bed() as link:
        yield link.host(f"{OWN}/24")


def refusal(host: Host, *words: str, status: int = 1) -> str:
    done = host.run(SERVE, *words, check=False)
    assert done.returncode == status and done.stderr.count("\n") == 1, done.stdout + done.stderr
    return done.stderr


def test_interfaces_that_cannot_be_served(bed, tmp_path):
    host = bed.host()
    assert "eth9: no such interface; there are: eth1" in refusal(host, "eth9")
    assert "lo: not an Ethernet interface" in refusal(host, "lo")
    assert "has no IPv4 address" in refusal(host, "eth1")
    assert "--address 10.7.0.1/24" in refusal(host, "eth1")
    host.ip("addr add 10.7.0.9/31 dev eth1")
    assert "no room for other machines" in refusal(host, "eth1")
    host.ip("link set eth1 down")
    assert "eth1 is down: bring it up with: ip link set eth1 up" in refusal(host, "eth1")


@pytest.mark.parametrize("words, message", [
    ([], "IFACE"), (["eth1", "--no"], "--no"), (["eth1", "--http-port", "0"], "not 1 to 65535"),
    (["eth1", "--http-port", "x"], "invalid int"), (["eth1", "--address", "10.7.0.1"], "LENGTH"),
    (["eth1", "--address", "10.7.0/24"], "LENGTH"), (["eth1", "--range", "x"], "FIRST-LAST"),
    (["eth1", "--range", "10.7.0.9-10.7.0.3"], "comes after"),
    (["eth1", "--range", "10.8.0.9-10.8.0.30"], "no machine's address in 10.7.0.0/24"),
    (["eth1", "--range", "10.7.0.1-10.7.0.3"], "own address"),
    (["eth1", "--proxy", "--range", "10.7.0.3-10.7.0.4"], "the other server gives out"),
    (["eth1", "--cmdline", "ip=10.7.0.3/24"], "every machine the same address")])
def test_usage_errors(quiet_host, words, message):
    assert message in refusal(quiet_host, *words, "--print", status=2)


def needs_unshare(kind: str):
    """Skips where a new namespace of that kind cannot be had: in a chroot."""
    probe = subprocess.run(["unshare", f"--{kind}", "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip(f"no {kind} namespace here: {probe.stderr.decode().strip()}")


def test_what_is_missing(quiet_host, tmp_path):
    needs_unshare("mount")
    host = quiet_host
    build = ["--build", str(BUILD)]
    assert "deos.elf is not there: run 'make'" in refusal(host, "eth1", "--build", str(tmp_path))
    assert "no such directory" in refusal(host, "eth1", *build, "--site", str(tmp_path / "x"))
    hide = 'mount --bind /dev/null "$(readlink -f "$0")" && exec "$@"'
    for path, package in ((dnsmasq.program(), "dnsmasq-base"),
                          (str(dnsmasq.IPXE_FOLDER / dnsmasq.IPXE), "ipxe")):
        done = host.run("unshare", "--mount", "sh", "-c", hide, path, SERVE, "eth1", *build,
                        check=False)
        assert done.returncode == 1 and f"apt-get install {package}\n" in done.stderr, done.stderr


def test_root_is_needed_but_not_to_print(quiet_host):
    needs_unshare("user")
    host = quiet_host
    nobody = ["unshare", "--user", "--"]    # who may read this tree even where it is root's own
    done = host.run(*nobody, SERVE, "eth1", "--build", str(BUILD), check=False)
    assert (done.returncode, done.stderr) == (1, "serve: DHCP needs root: run it with sudo\n")
    shown = host.run(*nobody, SERVE, "eth1", "--build", str(BUILD), "--print").stdout
    assert "#!ipxe" in shown and "initrd boot.cpio" in shown
    assert f"dhcp-boot=tag:ipxe,tag:bios,{URL}" in shown
    assert "dhcp-range=10.7.0.2,10.7.0.254" in shown
    proxy = host.run(*nobody, SERVE, "eth1", "--build", str(BUILD), "--print", "--proxy").stdout
    assert "dhcp-range=10.7.0.0,proxy" in proxy and "boot file for the user class" in proxy


def test_ports_in_use(host, tmp_path):
    other = host.start(*dnsmasq.command(["port=0", "interface=eth1", "leasefile-ro",
                                         "dhcp-range=10.7.0.20,10.7.0.30"]),
                       stderr=subprocess.PIPE, text=True)
    assert any("DHCP, IP range" in line for line in other.stderr)
    build = ["--build", str(BUILD)]
    assert "UDP port 67 (DHCP) is in use here by dnsmasq (process" in refusal(host, "eth1", *build)
    other.terminate()
    other.wait()
    host.start("/usr/bin/python3", "-m", "http.server", "8067", "--bind", OWN, cwd=tmp_path,
               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + SECONDS
    while host.run(need("curl"), "-s", f"http://{OWN}:8067/", check=False).returncode:
        assert time.monotonic() < deadline
    assert f"HTTP on {OWN}:8067: Address already in use: " in refusal(host, "eth1", *build,
                                                                      "--force")


# ---- its end ----

def test_nothing_is_left_when_it_ends(bed, tmp_path):
    host = bed.host()
    server = Serve(host, tmp_path, "--force", "--address", f"{OWN}/24")
    assert f"inet {OWN}/24" in host.run(need("ip"), "addr", "show", "dev", "eth1").stdout
    [number] = children_named("dnsmasq", host)
    assert os.stat(f"/proc/{number}").st_uid != 0           # dnsmasq is not root
    assert list(tmp_path.glob("deos-pxe-*"))
    assert server.end(signal.SIGTERM) == 0
    assert "inet " not in host.run(need("ip"), "addr", "show", "dev", "eth1").stdout
    assert not children_named("dnsmasq", host) and not list(tmp_path.glob("deos-pxe-*"))


def test_a_killed_server_leaves_only_what_goes_by_itself(bed, tmp_path):
    host = bed.host()
    server = Serve(host, tmp_path, "--force", "--address", f"{OWN}/24")
    server.process.kill()
    server.process.wait()
    deadline = time.monotonic() + SECONDS
    while children_named("dnsmasq", host):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    shown = host.run(need("ip"), "addr", "show", "dev", "eth1").stdout
    assert re.search(r"valid_lft ([1-9]|[1-5]\d|60)sec", shown), shown
    again = Serve(host, tmp_path, "--force", "--address", f"{OWN}/24")
    assert len(list(tmp_path.glob("deos-pxe-*"))) == 1      # the old folder is swept
    assert again.end() == 0
    assert "inet " not in host.run(need("ip"), "addr", "show", "dev", "eth1").stdout


def test_it_does_not_go_on_without_dnsmasq(host, tmp_path):
    server = Serve(host, tmp_path, "--force")
    for number in children_named("dnsmasq", host):
        os.kill(number, signal.SIGKILL)
    assert server.process.wait(60) == 1
    assert "serve: dnsmasq ended (SIGKILL): " in server.text()
    assert not list(tmp_path.glob("deos-pxe-*"))


def test_it_does_not_go_on_without_the_interface(bed, host, tmp_path):
    server = Serve(host, tmp_path, "--force")
    host.ip("link del eth1")
    assert server.process.wait(60) == 1
    assert server.text().endswith("serve: eth1 is gone\n")


def test_it_ends_when_nobody_reads_its_lines(bed, host, tmp_path):
    reader, writer = os.pipe()
    process = host.start(SERVE, "eth1", "--build", str(BUILD), "--force", stdout=writer,
                         env=os.environ | {"TMPDIR": str(tmp_path)}, stderr=subprocess.PIPE)
    os.close(writer)
    with os.fdopen(reader) as lines:
        assert "serving" in lines.readline()
    ask(bed.host(), dhcp.discover(MAC, 9, True))        # something to say
    assert process.wait(60) == 0
    assert process.stderr.read() == b"" and not list(tmp_path.glob("deos-pxe-*"))
