# SPDX-License-Identifier: BSD-2-Clause
"""The Linux peer of two nodes: Debian's kernel, its remote memory and remote disks.

Both nodes boot one initramfs and take commands on their serial port. What runs there
is Debian's own: soft-RoCE (rdma_rxe) with perftest, NBD, ATA over Ethernet and NVMe
over TCP with a RAM disk behind them, and fio.

The first node serves, the second asks. They are on the bench's bridge, like every
node: of the links between two emulated machines a tap is the one that loses nothing,
holds more than ten frames, and lets Linux hand over 64 KiB at once. Where frames are
to be lost, both are on the project's switch.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import rig
from debian import COMMAND_LINE, Root, with_libraries
from rig import BenchError, Hardware, Machine, Node

HERE = Path(__file__).resolve().parent
PACKAGES = ("libc6", "busybox-static", "iproute2", "perftest", "ibverbs-providers", "fio",
            "nbd-server", "nbd-client", "vblade")
PROGRAMS = ("usr/bin/ib_read_lat", "usr/bin/ib_write_lat", "usr/bin/ib_atomic_lat",
            "usr/bin/ib_read_bw", "usr/bin/ib_write_bw", "usr/bin/fio", "bin/nbd-server",
            "sbin/nbd-client", "usr/sbin/vblade", "usr/bin/rdma")
PROVIDER = "usr/lib/x86_64-linux-gnu/libibverbs"
DISK_KIB = 64 * 1024
CHECKED_MIB = 4
MODULES = {"virtio_pci": "", "virtio_net": "", "e1000e": "", "configfs": "", "crc32_generic": "",
           "crc32c_generic": "", "ib_uverbs": "", "rdma_rxe": "",
           "brd": f"rd_nr=1 rd_size={DISK_KIB} max_part=0", "nbd": "nbds_max=1 max_part=0",
           "aoe": "aoe_iflist=eth0", "nvmet-tcp": "", "nvme-tcp": ""}
MEMORY_MIB = 512
BOOT_LIMIT_S, COMMAND_LIMIT_S = 60.0, 60.0
READY = r"pair: ready"


class PairRoot(Root):
    """What both Linux nodes boot."""

    NAME = "the Linux pair"
    SOURCES = (HERE / "pair.py", HERE / "guest/pair.sh")

    def packages(self) -> list[str]:
        return with_libraries(PACKAGES)

    def fill(self) -> None:
        self.make_folders("bin", PROVIDER, "etc/libibverbs.d")
        shutil.copy(self.unpacked / "bin/busybox", self.tree / "bin/busybox")
        shutil.copy(HERE / "guest/pair.sh", self.tree / "init")
        (self.tree / "init").chmod(0o755)
        shutil.copy(self.unpacked / "etc/libibverbs.d/rxe.driver",
                    self.tree / "etc/libibverbs.d")
        loaded = []
        for name in PROGRAMS:
            shutil.copy(self.unpacked / name, self.tree / "bin")
            loaded.append(self.tree / "bin" / Path(name).name)
        for provider in (self.unpacked / PROVIDER).glob("librxe-*.so"):
            shutil.copy(provider, self.tree / PROVIDER)
            loaded.append(self.tree / PROVIDER / provider.name)
        self.add_libraries(loaded)
        self.add_modules(MODULES)

    def versions(self) -> dict[str, str]:
        """Of the programs that are measured."""
        folder = self.folder.parent / "packages"
        return {name: max(folder.glob(name + "_*.deb")).name.split("_")[1]
                for name in ("perftest", "fio", "nbd-server", "vblade")}

    def node(self, host: int, peer: int, core: int, mtu: int) -> Node:
        """One of the two; `peer` is the other's host number."""
        other = Node("peer", peer, None)
        me = Node("peer", host, None)
        words = (f"{COMMAND_LINE} rdinit=/init addr={me.address} mtu={mtu} peer={other.address} "
                 f"peermac={other.mac}")
        return Node("peer", host, self.folder / "vmlinux", str(self.folder / "root.cpio"), words,
                    core=core, mtu=mtu)


@dataclass(frozen=True)
class Verbs:
    """What one run of a perftest program printed; times of one operation."""

    median_us: float
    p99_us: float


def _last_row(output: str, columns: int) -> list[float]:
    # A deviation that overflowed is no number.
    rows = re.findall(r"^\s*(\d+(?:\s+(?:[\d.]+|-?nan))+)\s*$", output, re.M)
    fields = [float(word) for word in rows[-1].split()] if rows else []
    if len(fields) < columns:
        tail = " ".join(output.split())[-200:]
        raise BenchError(f"perftest's report is not understood: {tail!r}")
    return fields


def parse_latency(output: str) -> Verbs:
    """bytes, iterations, min, max, typical, average, deviation, 99 %, 99.9 %."""
    fields = _last_row(output, 8)
    return Verbs(fields[4], fields[7])


def parse_rate(output: str) -> float:
    """Operations a second: bytes, iterations, peak, average, millions of messages a second."""
    rate = _last_row(output, 5)[4] * 1e6
    if rate <= 0:
        raise BenchError("perftest measured a rate of nothing")
    return rate


def parse_fio(output: str, kind: str) -> float:
    """Operations a second of a JSON report without spaces; kind is read or write."""
    start = output.find("{")
    try:
        job = json.loads(output[start:output.rindex("}") + 1])["jobs"][0]
        errors, rate = job["error"], float(job[kind]["iops"])
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise BenchError(f"fio's report is not understood: {output.strip()[:200]!r}") from error
    if errors or rate <= 0:
        raise BenchError(f"fio ended with error {errors} at {rate:.0f} operations a second")
    return rate


class LinuxNode:
    """One Linux node that takes commands."""

    def __init__(self, node: Node, cpu: str, plugin: Path | None) -> None:
        self.machine = Machine(node, Hardware(cpu, MEMORY_MIB, plugin=plugin))
        self._count = 0

    def wait_ready(self) -> None:
        self.machine.wait_for(READY, BOOT_LIMIT_S)

    def run(self, line: str, limit: float = COMMAND_LIMIT_S, check: bool = True) -> str:
        """Runs a command line in the node and returns what it printed."""
        self._count += 1
        mark, since = f"\npair: end {self._count}:", len(self.machine.log())
        self.machine.type(f"( {line} ) </dev/null; s=$?; echo; echo pair: end {self._count}:$s")
        text = self.machine.wait_for(re.escape(mark) + r"\d+\s", limit, since)
        output, status = text.rsplit(mark, 1)
        output = output.rstrip()
        if check and status.split()[0] != "0":
            last = ' / '.join(output.splitlines()[-3:]) or "no message"
            raise BenchError(f"Linux node: '{line.split()[0]}' failed: {last}")
        return output


class LinuxPair:
    """Two Linux nodes with one MTU, on the bridge or on a switch's ports."""

    def __init__(self, root: PairRoot, hosts: tuple[int, int], mtu: int, cpu: str,
                 plugin: Path | None = None, ports: Sequence[str] = ()) -> None:
        nodes = rig.wire([root.node(hosts[0], hosts[1], rig.GUEST_CORE, mtu),
                          root.node(hosts[1], hosts[0], rig.LOAD_CORE, mtu)], ports)
        self.server, self.client = (LinuxNode(node, cpu, plugin) for node in nodes)
        self.nodes = (self.server, self.client)
        self.address = nodes[0].address
        for node in self.nodes:
            node.wait_ready()

    def pause(self) -> None:
        for node in self.nodes:
            node.machine.pause()

    def resume(self) -> None:
        for node in self.nodes:
            node.machine.resume()

    def stop(self) -> None:
        for node in self.nodes:
            node.machine.stop()

    def start_verbs(self) -> None:
        """Soft-RoCE on eth0 of both."""
        for node in self.nodes:
            node.run("rdma link add rxe0 type rxe netdev eth0")

    def perftest(self, tool: str, words: str) -> str:
        """One run: the server's side in the background, then the client's."""
        line = f"{tool} -d rxe0 -x 1 -F {words}"
        self.server.run(f"{line} > /tmp/verbs 2>&1 & tries=0; "
                        "until grep -q ':4853 [0:]* 0A' /proc/net/tcp /proc/net/tcp6; do "
                        "tries=$((tries + 1)); [ $tries -lt 300 ] || "
                        "{ cat /tmp/verbs; exit 1; }; usleep 20000; done")
        return self.client.run(f"{line} {self.address} 2>&1")

    def start_disks(self) -> dict[str, str]:
        """The RAM disk behind all three protocols; returns the client's device of each."""
        self.server.run(f"dd if=/dev/zero of=/dev/ram0 bs=1M count={DISK_KIB // 1024}; "
                        f"dd if=/dev/urandom of=/dev/ram0 bs=1M count={CHECKED_MIB}; sync")
        wanted = self._sum(self.server, "/dev/ram0")
        devices = {"AoE": self._start_aoe(), "NBD": self._start_nbd(),
                   "NVMe/TCP": self._start_nvme()}
        for name, device in devices.items():
            if self._sum(self.client, device) != wanted:
                raise BenchError(f"{name}: {device} does not hold the server's bytes")
        return devices

    @staticmethod
    def _sum(node: LinuxNode, device: str) -> str:
        """A digest of the random bytes at a device's beginning, read past the cache."""
        return node.run(f"dd if={device} bs=1M count={CHECKED_MIB} iflag=direct 2>/dev/null "
                        "| md5sum")

    def _wait_for_device(self, device: str) -> str:
        self.client.run(f"tries=0; until [ -b {device} ]; do tries=$((tries + 1)); "
                        "[ $tries -lt 250 ] || exit 1; usleep 20000; done")
        return device

    def _start_aoe(self) -> str:
        self.server.run("vblade 0 1 eth0 /dev/ram0 > /tmp/vblade 2>&1 & sleep 0.3")
        self.client.run("echo > /dev/etherd/discover")
        return self._wait_for_device("/dev/etherd/e0.1")

    def _start_nbd(self) -> str:
        self.server.run("printf '[generic]\\nport = 10809\\n[disk]\\nexportname = /dev/ram0\\n' "
                        "> /tmp/nbd.conf; nbd-server -C /tmp/nbd.conf; sleep 0.3")
        self.client.run(f"nbd-client {self.address} 10809 /dev/nbd0 -N disk 2>&1")
        return self._wait_for_device("/dev/nbd0")

    def _start_nvme(self) -> str:
        self.server.run(
            "cd /sys/kernel/config/nvmet; mkdir subsystems/t; "
            "echo 1 > subsystems/t/attr_allow_any_host; mkdir subsystems/t/namespaces/1; "
            "echo -n /dev/ram0 > subsystems/t/namespaces/1/device_path; "
            "echo 1 > subsystems/t/namespaces/1/enable; mkdir ports/1; cd ports/1; "
            "echo tcp > addr_trtype; echo ipv4 > addr_adrfam; "
            f"echo {self.address} > addr_traddr; echo 4420 > addr_trsvcid; "
            "ln -s /sys/kernel/config/nvmet/subsystems/t subsystems/t; cd /root")
        self.client.run(f"echo transport=tcp,traddr={self.address},trsvcid=4420,nqn=t "
                        "> /dev/nvme-fabrics")
        return self._wait_for_device("/dev/nvme0n1")

    def fio(self, device: str, kind: str, words: str, seconds: int) -> float:
        """Operations a second of one fio run on a device of the client."""
        output = self.client.run(
            f"fio --name=t --filename={device} --direct=1 --time_based --runtime={seconds} "
            f"--size={DISK_KIB}k --randrepeat=0 --norandommap --output-format=json "
            f"--output=/tmp/fio {words} 2>&1 && tr -d ' \\n\\t' < /tmp/fio")
        return parse_fio(output, kind)
