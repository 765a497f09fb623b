# SPDX-License-Identifier: BSD-2-Clause
"""Unit tests of the benchmarks between two nodes; no QEMU, no timing."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import bench_block  # noqa: E402 (the path above comes first)
import bench_fabric  # noqa: E402
import deos  # noqa: E402
import frames  # noqa: E402
import pair  # noqa: E402
import remote  # noqa: E402
import rig  # noqa: E402
import run  # noqa: E402
import session  # noqa: E402
import wanted  # noqa: E402

LATENCY = """---------------------------------------------------------------------------------------
                    RDMA_Read Latency Test
 Dual-port       : OFF          Device         : rxe0
 local address: LID 0000 QPN 0x0011 PSN 0x8b1f00 OUT 0x80 RKey 0x000215 VAddr 0x00563a
 #bytes #iterations    t_min[usec]    t_max[usec]  t_typical[usec]    t_avg[usec]    \
t_stdev[usec]   99% percentile[usec]   99.9% percentile[usec]
 8       500          195.59         8112.50      228.96             311.80           \
612.33         3988.68                 8112.50
---------------------------------------------------------------------------------------
"""
RATE = """ #bytes     #iterations    BW peak[MB/sec]    BW average[MB/sec]   MsgRate[Mpps]
 4096       2000             24.08              21.37                0.005470
"""
FIO = '{"jobs":[{"error":0,"read":{"iops":1482.5},"write":{"iops":0.0}}]}'
PING = ("floor: ping operations=1000 took_ns=80000000 busy_ns=5000000 median_ns=75000 "
        "min_ns=60000 p99_ns=200000\r\n")
DEOS = ("remote-bench: operations=100 took_ns=20000000 median_ns=190000 min_ns=150000 "
        "p99_ns=400000\r\ndeos> ")
OPERATIONS = (*bench_fabric.OPERATIONS, *bench_fabric.HALTING, bench_fabric.ONE_WAY,
              *bench_block.OPERATIONS)


def test_structures_of_the_wire():
    table = ('STRUCT(a, "x")\nFIELD(8, b, "1")\nFIELD(48, c, "FIELD(8, no")\nBYTES(16, d, "")\n'
             'FIELD(8, e, "")\nEND(a)\n\nSTRUCT(f, "")\nFIELD(64, g, "")\nEND(f)\n')
    assert frames.lengths(table) == {"a": 24, "f": 8}
    assert frames.constants("#define WIRE_PART 1368u\n#define WIRE_RIGHTS 11u\n"
                            "#define WIRE_X (2u)\n") == {"PART": 1368, "RIGHTS": 11}


def test_frames_of_a_page():
    around = 14 + frames.SIZES["header"] + 8
    request, response = around + frames.SIZES["request"], around + frames.SIZES["response"]
    assert frames.frames("response", 4096, 1500) == (3, response + 1366)
    assert frames.frames("request", 4096, 1500) == (3, request + 1366)
    assert frames.frames("response", 4096, 9000) == (1, response + 4096)
    assert frames.frames("request", 0, 1500) == (1, request)


@pytest.mark.parametrize("mtu", remote.MTUS)
@pytest.mark.parametrize("payload", [0, 1, 8, 1368, 1411, 1412, 1413, 2736, 4096])
def test_frames_carry_the_payload_and_fit_the_mtu(mtu, payload):
    for body in ("request", "response"):
        count, length = frames.frames(body, payload, mtu)
        assert frames.FRAME_MIN <= length <= 14 + mtu
        room = length - 14 - frames.AROUND - frames.SIZES[body]
        assert room * count >= payload > room * count - count


def test_every_floor_is_within_the_kernel_s_bounds():
    header = (HERE.parent.parent / "harness/floor/ping.h").read_text()
    limit = {name: int(value) for name, value in
             re.findall(r"#define PING_(\w+)_MAX (\d+)u", header)}
    for operation in OPERATIONS:
        count = operation.count * operation.blocks
        words = operation.floor_words("52:54:00:09:00:0a", 1500, count)
        found = re.fullmatch(r"floor=ping,[0-9a-f:]{17},(\d)x(\d+),(\d)x(\d+),(\d+),(\d+)(,spin)?",
                             words)
        asks, _, answers, _, flights, operations = (int(n) for n in found.groups()[:6])
        assert max(asks, answers) <= limit["FRAMES"] and flights <= limit["FLIGHTS"]
        assert flights * max(asks, answers) <= limit["FRAMES_OPEN"]
        assert flights <= operations <= limit["OPERATIONS"]
        assert bool(found[7]) == operation.looks == (
            operation.value == "median" and not operation.halts)


def test_perftest_s_latencies():
    assert pair.parse_latency(LATENCY) == pair.Verbs(228.96, 3988.68)


def test_perftest_s_rate():
    assert pair.parse_rate(RATE) == pytest.approx(5470)


@pytest.mark.parametrize("text", ["", "Unable to init the socket connection\n", RATE])
def test_latencies_that_are_not_there_are_an_error(text):
    with pytest.raises(rig.BenchError, match="not understood"):
        pair.parse_latency(text)


def test_rate_of_nothing_is_an_error():
    with pytest.raises(rig.BenchError):
        pair.parse_rate(RATE.replace("0.005470", "0.000000"))


def test_fio_report():
    assert pair.parse_fio("fio: something said before\n" + FIO, "read") == 1482.5


@pytest.mark.parametrize("text, kind", [
    ("", "read"), ("{", "read"), (FIO.replace('"error":0', '"error":5'), "read"),
    (FIO, "write"), (FIO, "trim"), ('{"jobs":[]}', "read")])
def test_fio_report_that_is_none_is_an_error(text, kind):
    with pytest.raises(rig.BenchError):
        pair.parse_fio(text, kind)


def test_reports_of_floor_and_program():
    assert remote.parse(PING) == remote.Report(1000, 80000000, 75000, 60000, 200000, 5000000)
    assert remote.parse("run remote-bench ask\r\n" + DEOS) == remote.Report(
        100, 20000000, 190000, 150000, 400000)


@pytest.mark.parametrize("text, complaint", [
    ("remote-bench: failed: no such node\r\ndeos> ", "no such node"),
    ("PANIC: floor=ping: the network interface failed\n", "interface failed"),
    ("deos> ", "no report"), (PING.replace("median_ns", "middle_ns"), "no report"),
    (PING.replace("took_ns=80000000", "took_ns=0"), "nothing")])
def test_what_is_no_report_is_an_error(text, complaint):
    with pytest.raises(rig.BenchError, match=complaint):
        remote.parse(text)


@pytest.mark.parametrize("value, expected", [
    ("median", 75.0), ("mean", 80.0), ("rate", 12500.0), ("throughput", 12500 * 4096 / 2**20)])
def test_a_row_s_value(value, expected):
    operation = remote.Operation("x", "read", 4096, value)
    figure = remote.parse(PING).figure(operation, 4096)
    assert figure.value == pytest.approx(expected)
    assert figure.p99_us == (200.0 if operation.unit == "us" else None)
    assert operation.better == ("lower" if value in ("median", "mean") else "higher")


def test_case_names_are_the_contract_s():
    fabric = [row.name for row in bench_fabric.all_rows()]
    assert len(fabric) == len(set(fabric)) == 24 + 2 * 4
    assert {"cas 8B halting mtu1500 auth", "write 4KiB one way mtu9000 auth"} <= set(fabric)
    assert {"read 8B mtu1500 auth", "goodput read 4KiB mtu9000 noauth"} <= set(fabric)
    assert all(row.tagged == row.name.endswith(" auth") for row in bench_fabric.all_rows())
    assert {row.name for row in bench_block.all_rows()} == {
        f"{name} mtu{mtu}" for mtu in (1500, 9000)
        for name in ("read 4KiB d1", "read 4KiB d32", "write 4KiB d1", "read 128KiB")}


def test_fio_s_options():
    names = {operation.name: operation for operation in bench_block.OPERATIONS}
    assert bench_block.fio_words(names["read 4KiB d32"]) == (
        "read", "--rw=randread --bs=4096 --iodepth=32 --ioengine=libaio")
    assert bench_block.fio_words(names["write 4KiB d1"])[1].startswith("--rw=randwrite --bs=4096")
    assert "--bs=131072 --iodepth=1" in bench_block.fio_words(names["read 128KiB"])[1]


class Pair:
    """A pair of any system that gives the next of its values and notes when."""

    def __init__(self, label: str, log: list[str], values: list[float]) -> None:
        self.label, self.log, self.values, self.running = label, log, values, False

    def pause(self) -> None:
        self.running = False

    def resume(self) -> None:
        self.running = True

    stop = pause

    def ask(self, operation, count=0):
        assert self.running
        self.log.append(self.label)
        took = int(self.values.pop(0) * 1e3)
        return remote.Report(1, took, took, took, took, 700)


class Ways:
    """Two ways of Linux; the second is faster in the median, the first once."""

    def __init__(self) -> None:
        self.rounds = (values for values in [
            {"slow": 5.0, "fast": 6.0}, {"slow": 9.0, "fast": 4.0}, {"slow": 9.0, "fast": 3.0}]
            for _mtu in remote.MTUS)

    def start(self, pair):
        """As remote.LinuxSide has it."""

    def measure(self, pair, operation):
        assert pair.running
        pair.log.append("peer")
        return {way: remote.Figure(value, 2 * value) for way, value in next(self.rounds).items()}


def test_rows_are_interleaved_and_the_fastest_way_is_the_peer(monkeypatch):
    log: list[str] = []
    operation = remote.Operation("read 8B", "read", 8, "median", answered=8)
    rows = [remote.Row(operation, mtu, f"read 8B mtu{mtu} auth",
                       wanted=wanted.Wanted(3, of_floor=4, tail=15, owner=900))
            for mtu in remote.MTUS]
    made = session.Session(session.LABELS, 3, 1, "", HERE, None, None, None)
    monkeypatch.setattr(made, "progress", lambda text: None)
    bench = remote.RemoteBench(made, "fabric", rows, Ways(), "Linux")
    monkeypatch.setattr(bench, "count_instructions", lambda: bench.counts.update(
        {row.name: {"instructions": 2000.0, "owner_untagged": 1000.0} for row in rows}))
    bench.pairs = {
        ("deos", 1500, True, True, False): Pair("deos", log, [2.0, 2.0, 8.0]),
        ("peer", 1500, True, False, False): Pair("peer", log, []),
        ("floor", 1500, True, False, False): Pair("floor", log, [0.5, 0.5, 0.5]),
        ("deos", 9000, True, True, False): Pair("deos 9000", log, [1.0, 1.0, 1.0]),
        ("peer", 9000, True, False, False): Pair("peer", log, []),
        ("floor", 9000, True, False, False): Pair("floor", log, [0.5, 0.5, 0.5])}
    first, second = bench.run()
    assert log == ["deos", "peer", "floor", "deos 9000", "peer", "floor"] * 3
    assert (first["deos"], first["peer"], first["floor"]) == (2, 4, 0.5)
    assert (first["ratio_to_peer"], first["ratio_to_floor"]) == (2, 4)
    assert first["peer_name"] == "Linux, fast" and first["peer_ways"] == {"slow": 9, "fast": 4}
    assert (first["p99_us"], first["peer_p99_us"], first["floor_p99_us"]) == (2, 8, 0.5)
    assert first["p99_to_floor"] == 4 and first["min"] == 2 and first["max"] == 8
    assert first["wanted"] == "3x peer, 4x floor, p99 15x floor's, 900 at owner"
    assert first["short"] == ["2 times faster than the peer, wanted 3",
                              "1000 instructions at the owner without the tag, wanted 900 at most"]
    assert second["short"] == first["short"][1:]
    assert (second["deos"], second["peer"], second["ratio_to_peer"]) == (1, 4, 4)
    assert run.table("fabric", [first]).splitlines()[2].split()[-2:] == ["fast", "slow"]


class Console:
    """A DEOS node as far as DeosPair looks: answers to lines typed at its prompt."""

    typed: list[tuple[str, str]] = []
    lapses = 0  # so many questions end with the session

    def __init__(self, node, hardware) -> None:
        self.node, self.text = node, "DEOS\r\ndeos> "

    def log(self) -> str:
        return self.text

    def type(self, line: str) -> None:
        self.typed.append((self.node.address, line))
        self.text += line + "\r\n"
        if line.endswith("serve") or " pong " in line:
            self.text += "remote-bench: serving\r\n"
        elif Console.lapses:
            Console.lapses -= 1
            self.text += "remote-bench: failed: the session ended: it may have run\r\ndeos> "
        else:
            self.text += DEOS

    def wait_for(self, pattern: str, limit: float, since: int = 0) -> str:
        assert re.search(pattern, self.text[since:]), (pattern, self.text[since:])
        return self.text[since:]


def test_the_program_is_called_as_its_interface_says(monkeypatch, tmp_path):
    monkeypatch.setattr(remote, "Machine", Console)
    monkeypatch.setattr(rig, "add_port", lambda node: None)
    monkeypatch.setattr(remote.Hosts, "next", 10)
    monkeypatch.setattr(Console, "typed", [])
    monkeypatch.setattr(Console, "lapses", 0)
    (tmp_path / "floor").mkdir()
    for name in ("deos.elf", "boot.cpio", "floor/deos.elf"):
        (tmp_path / name).touch()
    made = session.Session(session.LABELS, 1, 1, "", tmp_path, deos.Build(tmp_path, tmp_path),
                           None, None)
    plain = remote.DeosPair(made, 9000, False)
    assert all("fabric=untagged" in machine.node.append for machine in plain.machines)
    Console.typed.clear()
    monkeypatch.setattr(remote.Hosts, "next", 10)
    nodes = remote.DeosPair(made, 9000, True)
    report = nodes.ask(bench_block.OPERATIONS[1])
    assert Console.typed == [
        ("10.9.0.10", "run remote-bench serve"),
        ("10.9.0.11", "run remote-bench ask 52:54:00:09:00:0a block-read 4096 32 4000")]
    assert report.operations == 100
    owner, asker = (machine.node for machine in nodes.machines)
    assert (owner.core, asker.core) == (rig.GUEST_CORE, rig.LOAD_CORE)
    assert owner.mtu == asker.mtu == 9000
    assert owner.append == asker.append and "cluster=" in owner.append
    assert "untagged" not in owner.append
    Console.typed.clear()
    nodes.ask(bench_fabric.READ_8.halting(7))
    assert Console.typed == [
        ("10.9.0.11", "run remote-bench ask 52:54:00:09:00:0a read 8 1 7")]
    assert "look=" not in owner.append
    monkeypatch.setattr(remote.Hosts, "next", 10)
    Console.typed.clear()
    monkeypatch.setattr(remote.Hosts, "next", 10)
    pongs = remote.DeosPair(made, 1500, True, pongs=True)
    pongs.ask(bench_fabric.ONE_WAY)
    assert Console.typed == [
        ("10.9.0.10", "run remote-bench pong 52:54:00:09:00:0b"),
        ("10.9.0.11", "run remote-bench ping 52:54:00:09:00:0a 4096 1000")]
    looking = remote.DeosPair(made, 9000, True, looks=True)
    assert all(f"look={remote.LOOK_US}" in machine.node.append for machine in looking.machines)
    Console.typed.clear()
    Console.lapses = remote.ATTEMPTS - 1
    monkeypatch.setattr(nodes, "progress", lambda text: None)
    assert nodes.ask(bench_block.OPERATIONS[1]).operations == 100
    assert len(Console.typed) == remote.ATTEMPTS
    Console.lapses = remote.ATTEMPTS
    with pytest.raises(rig.BenchError, match="session ended"):
        nodes.ask(bench_block.OPERATIONS[1])
    assert owner.disk_mib and not asker.disk_mib


def test_every_operation_is_within_the_program_s_bounds():
    folder = HERE.parent.parent / "libos/programs/remote-bench"
    header, source = ((folder / name).read_text() for name in ("bench.h", "main.c"))
    count_max = int(re.search(r"#define COUNT_MAX (\d+)u", header)[1])
    slots = (HERE.parent.parent / "kernel/abi/fabric.h").read_text()
    open_max = int(re.search(r"#define FABRIC_SUBMIT_SLOTS (\d+)u", slots)[1])
    for operation in OPERATIONS:
        assert operation.verb == remote.PING or f'{{ "{operation.verb}", FABRIC_' in source
        assert operation.count <= count_max and operation.floor_flights <= open_max


def test_programs_of_a_boot_archive(tmp_path):
    path = tmp_path / "boot.cpio"
    assert deos.boot_programs(path) == set()
    path.write_bytes(deos.archive({"sh": b"123", "remote-bench": b"x" * 77}))
    assert deos.boot_programs(path) >= {"sh", "remote-bench"}


def test_benchmarks_between_nodes_are_offered_once_their_program_is_there(
        tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run, "BUILD", tmp_path)
    assert run.arguments([]).names == ["http", "boot", "primitives"]
    assert run.arguments(["fabric", "--systems", "peer,floor"]).names == ["fabric"]
    with pytest.raises(SystemExit) as end:
        run.arguments(["block"])
    assert end.value.code == 2
    assert "--systems peer,floor" in capsys.readouterr().err.splitlines()[-1]
    (tmp_path / "boot.cpio").write_bytes(deos.archive({remote.PROGRAM: b"x"}))
    assert run.arguments([]).names == list(run.BENCHES)
    assert run.arguments(["block"]).names == ["block"]
