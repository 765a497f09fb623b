#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Fault points and marks: listed as the code has them, reached, and in no kernel."""
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import lists  # noqa: E402
import long  # noqa: E402
from simbed import SIM, passes, run  # noqa: E402
from simulator import BUILD, ROOT, build, words  # noqa: E402

MARKS = words("net/wire/marks.def", 0)
POINTS = words("net/wire/points.def", 0)


@pytest.fixture(scope="module", autouse=True)
def built():
    """The fast build."""
    build(SIM)


def test_the_page_is_as_the_code_says():
    assert not lists.nowhere()
    assert (ROOT / "docs/marks.md").read_text(encoding="utf-8") == lists.page()


def test_no_kernel_has_any_of_it():
    """The cores as a kernel links them ask nothing and count nothing."""
    objects = [BUILD / path.with_suffix(".o").relative_to(ROOT)
               for folder in lists.CORES for path in (ROOT / folder).glob("*.c")
               if not re.search(r"_test|_fuzz|_rig", path.stem)]
    objects = [path for path in objects if (ROOT / path).exists()]
    assert len(objects) > 15, "the cores are not built"
    symbols = subprocess.run(["nm", *objects], cwd=ROOT, capture_output=True, text=True,
                             check=True).stdout
    assert "links_input" in symbols and not re.search(r"net_(point|mark|planted)", symbols)
    with_them = subprocess.run(["nm", BUILD / "harness/sim"], cwd=ROOT, capture_output=True,
                               text=True, check=True).stdout
    assert "net_point_fires" in with_them and "net_marks" in with_them


def test_a_mark_that_is_never_reached_fails_the_run():
    done = run("--seeds", "1..1", "--faults", "none", "--marks")
    assert done.returncode == 1
    assert "never fired: EARLY_TIMER" in done.stdout
    assert "never reached: LAPSED_OPEN: " in done.stdout


def test_points_fire_only_where_they_are_among_the_faults():
    fired = r"^(\d+) of (\d+) fault points have fired"
    out = passes("--seeds", "1..12", "--faults", "points")
    assert int(re.search(fired, out, re.MULTILINE)[1]) > len(POINTS) / 2
    out = passes("--seeds", "1..12", "--faults", "loss,crash")
    assert re.search(fired, out, re.MULTILINE)[1] == "0"


def test_a_long_run_goes_on_where_it_stood(tmp_path):
    command = [sys.executable, ROOT / "harness/sim/long.py", "--program", ROOT / SIM,
               "--folder", tmp_path, "--jobs", "2", "--seeds"]

    def go(seeds: str) -> str:
        return subprocess.run([*command, seeds], capture_output=True, text=True,
                              check=True).stdout
    assert "| seeds | 20 |" in go("1..20")
    kept, = tmp_path.glob("*/1-20.totals")
    before = kept.stat().st_mtime_ns
    go("1..20")
    assert kept.stat().st_mtime_ns == before, "it ran again"


def test_a_long_run_tells_of_a_mark_that_was_never_reached():
    total = {f"mark.{name}": 1 for name in MARKS} | {f"point.{name}": 1 for name in POINTS}
    assert not long.never(total)
    total["mark.KEY_FAR"] = total["point.EARLY_TIMER"] = total["felt.STOOD"] = 0
    assert long.never(total) == ["fault point EARLY_TIMER never fired",
                                 "mark KEY_FAR was never reached",
                                 "STOOD of felt.def was never felt"]


@pytest.mark.parametrize("arguments", [["--seeds", "x"], ["--seeds", "9..3"], ["--jobs", "0"]])
def test_long_usage_errors(arguments):
    done = subprocess.run([sys.executable, ROOT / "harness/sim/long.py", "--program", ROOT / SIM,
                           *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "Traceback" not in done.stderr
