# SPDX-License-Identifier: BSD-2-Clause
"""The trace of a simulated run: written by sim --record, read by harness/trace."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from simbed import SIM, hashes, run  # noqa: E402
from simulator import build  # noqa: E402
from tracing import align, events, file  # noqa: E402
from tracing.names import KIND  # noqa: E402

pytestmark = pytest.mark.apart

TRACE = Path(__file__).resolve().parents[1] / "trace"
SEED = "7"


@pytest.fixture(scope="module", name="path")
def fixture_path(tmp_path_factory):
    """One recorded seed, with faults."""
    build(SIM)
    path = tmp_path_factory.mktemp("record") / "trace"
    done = run("--seeds", SEED, "--nodes", "3", "--faults", "all", "--record", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    return path


def shown(*words: object, status: int = 0) -> subprocess.CompletedProcess[str]:
    """harness/trace to its end."""
    done = subprocess.run([TRACE, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == status and "Traceback" not in done.stderr, done.stderr
    return done


def read(path: Path) -> list[events.Seen]:
    """All events of a file in their order."""
    trace = file.read(path)
    assert trace.one_clock and len(trace.nodes) == 3
    told = events.seen_by(trace)
    return events.merged(told, [0] * len(told))


def test_recording_changes_nothing(path):
    first, = hashes("--seeds", SEED, "--nodes", "3", "--faults", "all")
    again, = hashes("--seeds", SEED, "--nodes", "3", "--faults", "all", "--record",
                    str(path) + ".again")
    assert first == again


def test_what_came_had_been_sent(path):
    """A frame that a node took was made before by the node that it names, in whichever of
    its lives: the first two bytes of a UUID are the node's number, behind them is which
    machine stands there by now."""
    sent: dict[tuple, int] = {}
    taken = 0
    uuids = [node.uuid[:2] for node in file.read(path).nodes]
    every = sorted(read(path), key=lambda one: (one.time_ns, one.event.kind != KIND["OUT"]))
    for seen in every:
        key = (seen.frame, seen.number, seen.part)
        if seen.event.kind == KIND["OUT"] and seen.frame in (4, 5) and seen.peer:
            sent.setdefault((uuids[seen.node], seen.peer[:2], *key), seen.time_ns)
        elif seen.event.kind == KIND["IN"] and seen.frame in (4, 5):
            assert sent[seen.peer[:2], uuids[seen.node], *key] <= seen.time_ns + 1000
            taken += 1
    assert taken > 300


def test_everything_that_ended_had_been_submitted(path):
    every = read(path)
    ends = [one for one in every if one.event.kind == KIND["END"]]
    whole = list(events.durations(every))
    # GRANTs, RECALLs and reads for leases are not submitted.
    assert len(whole) > 200 and len(whole) > len(ends) * 0.6
    assert all(begun.time_ns <= ended.time_ns for begun, ended in whole)
    ran = [one for one in every if one.event.kind == KIND["RAN"]]
    done = [one for _, one in whole if one.x == 0]
    assert len(ran) >= len(done) - len(ends) + len(whole)


def test_lines_and_filters(path):
    text = shown(path).stdout
    assert len(text.splitlines()) == len(read(path))
    for word in ("boot", "session", "in", "out", "submit", "open", "end", "ran", "refused",
                 "drop", "resend"):
        assert re.search(rf"^ +[0-9.]+  [0-9a-f]{{8}}  {word} ", text, re.M), word
    mine, other = (node.uuid.hex()[:8] for node in file.read(path).nodes[1:])
    one = shown(path, "--node", mine, "--peer", other, "--kind", "in").stdout.splitlines()
    assert one and all(line.split()[1:5] == [mine, "in", "<-", other] for line in one)
    slot = shown(path, "--slot", 2).stdout
    assert {"submit", "open", "end", "ran", "in", "out"} <= {line.split()[2]
                                                             for line in slot.splitlines()}
    assert not re.search(r" slot (?!2\b)\d", slot)
    assert len(shown(path, "--last", 5).stdout.splitlines()) == 5


def test_chrome(path, tmp_path):
    out = tmp_path / "chrome.json"
    shown(path, "--chrome", out)
    told = json.loads(out.read_text())["traceEvents"]
    durations = [one for one in told if one["ph"] == "X"]
    assert len(durations) == len(list(events.durations(read(path))))
    assert all(one["dur"] >= 0 for one in durations)
    named = {(one["pid"], one["tid"]) for one in told if one["name"] == "thread_name"}
    assert all((one["pid"], one["tid"]) in named for one in told if one["ph"] != "M")


def test_clocks_are_found_again(path):
    """Clocks that begin somewhere else are set by the frames alone."""
    trace = file.read(path)
    wrong = [0, 5_000_000_000_000, 77_000_000]
    moved = [[one._replace(time_ns=one.time_ns + by) if one.time_ns else one for one in told]
             for told, by in zip(trace.events, wrong)]
    told = events.seen_by(file.Trace(False, trace.nodes, moved))
    offsets, known = align.offsets(told, [node.uuid for node in trace.nodes])
    assert known == [True] * 3
    for offset, by in zip(offsets, wrong):
        assert abs(offset + by) < 1_000_000  # a way takes less than a millisecond


def test_files_that_are_none(path, tmp_path):
    for name, content in (("empty", b""), ("text", b"hello" * 20),
                          ("cut", path.read_bytes()[:-1]), ("short", path.read_bytes()[:40])):
        (tmp_path / name).write_bytes(content)
        error = shown(tmp_path / name, status=1).stderr
        assert error.startswith("trace: ") and error.count("\n") == 1
    assert "No such file" in shown(tmp_path / "none", status=1).stderr
    for words in ((), (path, "--peer", "xyz"), (path, "--kind", "nothing"), (path, "--slot", "x")):
        assert shown(*words, status=2).stderr.count("\n") == 1


def test_a_file_holds_one_seed(tmp_path):
    done = run("--seeds", "1..2", "--record", str(tmp_path / "x"))
    assert done.returncode == 2 and "one seed" in done.stderr
    done = run("--seeds", "1", "--record", str(tmp_path / "no" / "x"))
    assert done.returncode == 1 and done.stderr.count("\n") == 1
