# SPDX-License-Identifier: BSD-2-Clause
"""Unit tests of the benchmarks' arithmetic, parsers and report; no QEMU, no timing."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import bench_boot  # noqa: E402 (the path above comes first)
import bench_http  # noqa: E402
import bench_primitives  # noqa: E402
import deos  # noqa: E402
import linux  # noqa: E402
import load  # noqa: E402
import record  # noqa: E402
import rig  # noqa: E402
import run  # noqa: E402
import session  # noqa: E402
import wanted  # noqa: E402

WRK = """Running 1s test @ http://10.9.0.2/f128
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     3.71ms    1.10ms  10.22ms   75.00%
    Req/Sec     4.35k   212.10     4.71k    70.00%
  Latency Distribution
     50%  820.00us
     75%    4.10ms
     90%    5.00ms
     99%    1.25s
  4330 requests in 1.00s, 1.61MB read
{extra}Requests/sec:   4329.36
Transfer/sec:      1.61MB
"""


def samples(**values: list[float]) -> record.Samples:
    made = record.Samples()
    for label, numbers in values.items():
        for number in numbers:
            made.add("case", label, number)
    return made


def test_median_of_odd_and_even_counts():
    assert record.median([3, 1, 2]) == 2
    assert record.median([4, 1, 3, 2]) == 2.5
    with pytest.raises(ValueError):
        record.median([])


@pytest.mark.parametrize("better, expected", [("lower", 4.0), ("higher", 0.25)])
def test_ratio_to_peer_is_how_many_times_better(better, expected):
    assert record.ratio_to_peer(better, 2.0, 8.0) == expected


def test_ratio_of_what_was_not_measured_is_null():
    assert record.ratio_to_peer("lower", 2.0, None) is None
    assert record.ratio_to_peer("lower", 0.0, 1.0) is None
    assert record.ratio_to_floor(2.0, None) is None
    assert record.ratio_to_floor(2.0, 0.5) == 4.0


def test_row_holds_medians_ranges_and_computed_ratios():
    row = record.make_row(samples(deos=[10, 30, 20], peer=[5, 4, 6], floor=[40]), "case",
                          "requests/s", "higher", "Linux", errors=0)
    assert (row["deos"], row["min"], row["max"], row["runs"]) == (20, 10, 30, 3)
    assert (row["peer"], row["peer_min"], row["peer_max"], row["peer_runs"]) == (5, 4, 6, 3)
    assert (row["ratio_to_peer"], row["ratio_to_floor"]) == (4, 0.5)
    assert row["peer_name"] == "Linux" and row["instructions"] is None and row["errors"] == 0
    assert record.check_report({"name": "x", "environment": {}, "rows": [row]}) == []


def test_row_without_peer_and_floor_keeps_the_schema():
    row = record.make_row(samples(deos=[1.0]), "case", "s", "lower", "Linux")
    assert row["peer"] is row["peer_name"] is row["floor"] is row["ratio_to_peer"] is None
    assert record.check_report({"name": "x", "environment": {}, "rows": [row]}) == []


@pytest.mark.parametrize("break_it, complaint", [
    (lambda row: row.pop("floor"), "floor is missing"),
    (lambda row: row.update(deos=None), "deos is null"),
    (lambda row: row.update(runs="5"), "runs is not a int"),
    (lambda row: row.update(better="faster"), "better is neither"),
])
def test_report_that_breaks_the_contract_is_not_written(tmp_path, break_it, complaint):
    row = record.make_row(samples(deos=[1.0]), "case", "s", "lower", "Linux")
    break_it(row)
    with pytest.raises(ValueError, match=complaint):
        record.write_report(tmp_path, "x", {}, [row])
    assert list(tmp_path.iterdir()) == []


def test_report_with_one_case_twice_is_refused():
    row = record.make_row(samples(deos=[1.0]), "case", "s", "lower", "Linux")
    assert "case: appears twice" in record.check_report(
        {"name": "x", "environment": {}, "rows": [row, row]})


def test_report_is_read_back_as_written(tmp_path):
    row = record.make_row(samples(deos=[1.23456789]), "case", "s", "lower", "Linux")
    path = record.write_report(tmp_path, "boot", {"date": "d"}, [row])
    report = json.loads(path.read_text())
    assert path.name == "boot.json" and report["name"] == "boot"
    assert report["rows"][0]["deos"] == 1.2346 and report["environment"] == {"date": "d"}


def test_wrk_report():
    seen = load.parse_wrk(WRK.format(extra=""))
    assert seen == load.Load(4329.36, 820.0, 1.25e6, 0)


def test_wrk_errors_are_counted_together():
    extra = ("  Socket errors: connect 0, read 2, write 1, timeout 4\n"
             "  Non-2xx or 3xx responses: 10\n")
    assert load.parse_wrk(WRK.format(extra=extra)).errors == 17


@pytest.mark.parametrize("text", ["", "unable to connect to 10.9.0.2:80",
                                  WRK.format(extra="").replace("1.25s", "fast")])
def test_wrk_report_that_is_not_understood_is_an_error(text):
    with pytest.raises(rig.BenchError):
        load.parse_wrk(text)


def test_echo_report():
    seen = load.parse_echo("rate=20000.5 p50_us=41.0 p99_us=99.5 echoes=20000 lost=3\n")
    assert seen == load.Echo(20000.5, 41.0, 99.5, 3)
    with pytest.raises(rig.BenchError):
        load.parse_echo("rate=1\n")


def test_prims_lines():
    text = ("prims: null call ns=91.5\r\nprims: null-call ns=90\r\nnoise\r\n"
            "prims: map_page_batch ns=7\nprims: bad ns=x\n")
    assert bench_primitives.parse(text) == {
        "null call": [91.5, 90.0], "map page batch": [7.0]}


def test_case_names_are_the_contract_s():
    names = [case.name for case in bench_http.all_cases()]
    assert len(names) == len(set(names)) == 31
    assert {"keepalive 128B c1", "close 1MiB c64", "pipelined 128B c64"} <= set(names)
    assert bench_boot.DIRECT == "direct first 200" and bench_boot.PXE == "pxe first 200"
    assert bench_boot.MEMORY == "memory needed"
    assert set(bench_primitives.CASES) == {
        "null call", "fault upcall", "protect fault unprotect",
        "protect fault unprotect alone", "control transfer", "map page batch",
        "environment create destroy", "fork 16MiB"}


def wanted_row(**values: float | None) -> dict:
    """What Wanted.short() looks at."""
    return {"ratio_to_peer": None, "ratio_to_floor": None, "instruction_ratio": None, **values}


def test_every_primitive_says_what_is_wanted_of_it():
    assert set(bench_primitives.WANTED) == set(bench_primitives.CASES)
    assert bench_primitives.WANTED["control transfer"].words() == "7x peer, 1.4x floor, 15x instr."
    assert bench_primitives.WANTED["null call"].words() == "2.5x peer"


def test_what_falls_short_is_said():
    limits = wanted.Wanted(7, of_floor=1.4, fewer=15)
    enough = wanted_row(ratio_to_peer=7.0, ratio_to_floor=1.4, instruction_ratio=15.0)
    assert limits.short(enough) == []
    assert limits.short(enough | {"ratio_to_peer": 6.9}) == [
        "6.9 times faster than the peer, wanted 7"]
    assert limits.short(enough | {"ratio_to_floor": 1.5}) == [
        "1.5 times its floor, wanted 1.4 at most"]
    assert limits.short(enough | {"instruction_ratio": 14.0}) == [
        "14 times fewer instructions, wanted 15"]
    assert limits.short(wanted_row()) == []     # nothing was measured


@pytest.mark.parametrize("limits, enough, short, told", [
    (wanted.Wanted(rate=0.7), {"ratio_to_floor": 0.7}, {"ratio_to_floor": 0.6},
     "0.6 of its floor, wanted 0.7"),
    (wanted.Wanted(tail=1.35), {"p99_to_floor": 1.35}, {"p99_to_floor": 2.0},
     "p99 2 times its floor's, wanted 1.35 at most"),
    (wanted.Wanted(owner=2000), {"owner_untagged": 2000.0}, {"owner_untagged": 2345.0},
     "2345 instructions at the owner without the tag, wanted 2000 at most"),
    (wanted.Wanted(check=0.1), {"check_share": 0.1}, {"check_share": 0.2},
     "the capability's check is 0.2 of them, wanted 0.1 at most")])
def test_each_limit_is_looked_at(limits, enough, short, told):
    assert limits.short(enough) == limits.short({}) == []
    assert limits.short(short) == [told]


def test_primitives_rows_of_two_processor_models(tmp_path):
    chosen = session.Session(("deos", "peer"), 1, 1, "qemu64", tmp_path, None, None, None)
    bench = bench_primitives.Bench.__new__(bench_primitives.Bench)
    bench.session, bench.samples = chosen, record.Samples()
    for cpu, deos_ns in (("qemu64", 40.0), ("max", 20.0)):
        name = bench.name("null call", cpu)
        bench.samples.add(name, "deos", deos_ns)
        bench.samples.add(name, "peer", 80.0)
    counts = {"deos": 100.0, "peer": 300.0}
    rows = [bench.row(cpu, "null call", counts) for cpu in ("qemu64", "max")]
    assert [row["case"] for row in rows] == ["null call", "null call on max"]
    assert [row["ratio_to_peer"] for row in rows] == [2.0, 4.0]
    assert [row["instruction_ratio"] for row in rows] == [3.0, 3.0]
    assert rows[0]["short"] == ["2 times faster than the peer, wanted 2.5"]
    assert rows[1]["short"] == []
    assert record.check_report({"name": "primitives", "environment": {}, "rows": rows}) == []
    text = run.table("primitives", rows)
    assert "2.5x peer" in text
    assert "falls short: null call: 2 times faster than the peer, wanted 2.5" in text
    assert "falls short: null call on max" not in text


def test_floor_of_a_response_in_one_frame():
    case = bench_http.Case("keepalive", "128B", 16)
    plan = bench_http.echo_plan(case, 172)
    assert plan == bench_http.EchoPlan(54 + 300, 16, 1)
    assert bench_http.floor_rate(case, plan, 1000.0, math.inf) == pytest.approx(1000)


def test_floor_of_a_response_in_many_frames():
    case = bench_http.Case("keepalive", "8KiB", 64)
    plan = bench_http.echo_plan(case, 172)  # 8364 bytes: six segments of 1460
    assert (plan.frame_bytes, plan.frames, plan.outstanding) == (1514, 6, 128)
    assert bench_http.floor_rate(case, plan, 6000.0, math.inf) == pytest.approx(1000)
    assert "offload" in bench_http.floor_note(case, plan)


def test_floor_of_a_connection_a_request_adds_two_round_trips():
    case = bench_http.Case("close", "128B", 1)
    plan = bench_http.echo_plan(case, 172)
    assert bench_http.floor_rate(case, plan, 1000.0, 2000.0) == pytest.approx(500)


def test_floor_of_pipelined_responses_shares_frames():
    plan = bench_http.echo_plan(bench_http.Case("pipelined", "128B", 64), 164)
    assert plan.frames == pytest.approx(0.2) and plan.frame_bytes == 1514


@pytest.mark.parametrize("least", [1, 2, 7, 31, 32, 512])
def test_smallest_finds_the_least_that_fits(least):
    assert bench_boot.smallest(lambda n: n >= least, 512) == least


def test_smallest_when_nothing_fits():
    assert bench_boot.smallest(lambda n: False, 512) is None


def test_site_archive_is_read_by_cpio(tmp_path):
    files = linux.site_files()
    done = subprocess.run(["cpio", "-i", "--quiet"], cwd=tmp_path, check=False,
                          input=deos.archive(files), capture_output=True)
    assert done.returncode == 0, done.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files


def test_site_has_the_contract_s_sizes():
    assert [len(content) for content in linux.site_files().values()] == [
        128, 1024, 8192, 100 * 1024, 1024 * 1024]


@pytest.mark.parametrize("words", [["nosuch"], ["--runs", "0"], ["--runs", "x"],
                                   ["--systems", "bsd"], ["--cases", "("]])
def test_bad_usage_is_exit_2_in_one_line(words, capsys):
    with pytest.raises(SystemExit) as end:
        run.arguments(words)
    assert end.value.code == 2
    assert "run.py: error:" in capsys.readouterr().err.splitlines()[-1]


def test_table_shows_every_row_and_errors_where_there_are_any():
    row = record.make_row(samples(deos=[10.0], peer=[20.0]), "case", "requests/s", "higher",
                          "Linux", errors=3)
    text = run.table("http", [row])
    assert "0.5" in text and "errors" in text and text.splitlines()[-1].split()[-2:] == ["3", "-"]
    clean = record.make_row(samples(deos=[10.0]), "case", "s", "lower", "Linux", errors=0)
    assert "errors" not in run.table("http", [clean])


def test_table_shows_every_system_s_range():
    row = record.make_row(samples(deos=[10.0, 12.0, 15.0], peer=[20.0, 30.0], floor=[1.0]), "case",
                          "ns", "lower", "Linux")
    text = run.table("x", [row])
    assert "12 (10..15)" in text and "25 (20..30)" in text and "1 (1..1)" in text
