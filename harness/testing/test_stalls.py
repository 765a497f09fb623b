# SPDX-License-Identifier: BSD-2-Clause
"""A failure counts unless the host was the cause; the test is then run once more."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import stalls

HERE = Path(__file__).resolve().parent

# A watch that says what it is told to, and a test of nodes that needs to run so often.
CONFTEST = """
import pytest
import stalls

class Told(stalls.Watch):
    def start(self):
        pass

stalls.Watch = Told
RUNS = []

@pytest.fixture
def runs(request):
    request.config.pluginmanager.get_plugin("stalls-watch").watch.longest_s = {waited_s}
    RUNS.append(1)
    return len(RUNS)

@pytest.fixture(scope="module")
def machine():
    print("machine made")
    yield []
    print("machine gone")
"""
TEST = """
import pytest

pytestmark = pytest.mark.qemu

def test_it(machine, runs):
    machine.append(1)
    assert len(machine) == 1, "the machine of the run before"
    assert runs == {needs}, {says!r}

def test_next(machine):
    assert machine == [1], "the machine of the last run"
"""


def outcome(folder: Path, waited_s: float, needs: int, *words: str,
            says: str = "not yet") -> str:
    """What pytest says of those two tests, the first of which fails with these words."""
    (folder / "conftest.py").write_text(CONFTEST.format(waited_s=waited_s))
    (folder / "test_it.py").write_text(TEST.format(needs=needs, says=says))
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    qemu: nodes\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "stalls", *words],
        # Without bytecode: a test that is written again in the same second is another one.
        cwd=folder, env={**os.environ, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"},
        check=False, timeout=100,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


@pytest.mark.parametrize("words", [("-s",), ("-n1", "--dist", "loadfile")])
def test_again_after_a_stall(tmp_path, words):
    """The second run has a new machine, which is the next test's too; its outcome counts,
    and the summary says why there was one."""
    said = outcome(tmp_path, 0.7, 2, *words)
    assert re.search(r"^run again: test_it.py::test_it: a node was kept waiting for 0.7 s: "
                     "AssertionError: not yet$", said, re.M), said
    assert " 2 passed in " in said, said
    if "-s" in words:
        assert said.count("machine made") == said.count("machine gone") == 2, said


def test_no_more_than_once(tmp_path):
    """What fails again has failed."""
    said = outcome(tmp_path, 0.7, 3)
    assert " 1 failed, 1 passed in " in said and "run again: test_it.py" in said, said


def test_not_without_a_stall(tmp_path):
    """A short wait is no excuse, nor is a long one for a test that passes."""
    said = outcome(tmp_path, 0.4, 2)
    assert " 1 failed, 1 passed in " in said and "run again" not in said, said
    said = outcome(tmp_path, 0.7, 1)
    assert " 2 passed in " in said and "run again" not in said, said


@pytest.mark.parametrize("says", ["PANIC: out of luck", "checksum 07, WRONG"])
def test_not_what_is_no_stall_s_work(tmp_path, says):
    """A kernel that panicked has failed, and so has a wrong result, on whatever host."""
    said = outcome(tmp_path, 0.7, 2, says=says)
    assert " 1 failed, 1 passed in " in said and "run again" not in said, said


def test_waits_are_seen():
    """Of all that descends from this process, at any depth."""
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE) as child:
        while len(under := stalls.descendants(child.pid)) < 1:
            pass
        account = stalls.waits()
        child.communicate(b"\n")
    assert account[str(child.pid)] >= 0 and account[str(under[0])] >= 0


def test_a_watch_sees_waits():
    """Of threads old and new, and its own; not what was before it began."""
    watch = stalls.Watch()
    watch.look({"1": 5.0}, 0.0)
    assert watch.take() == 0.0
    watch.look({"1": 5.25, "2": 0.625}, 0.1)
    assert watch.take() == 0.625
    watch.look({"1": 6.0, "2": 0.625}, 0.2)
    assert watch.take() == 0.75
    watch.look({}, 1.0)
    assert watch.take() == pytest.approx(0.7) and watch.take() == 0.0
