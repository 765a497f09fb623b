# SPDX-License-Identifier: BSD-2-Clause
"""Processes (libos/process) on a node: each part of `procs` passes and leaves nothing
behind; and the shell's pipelines, with the small programs that they join."""

from __future__ import annotations

import re

import pytest

import accounts

pytestmark = pytest.mark.qemu

TESTS = ["copy", "nested", "many", "greedy", "bomb", "steady", "kill", "stack", "buffers",
         "private", "strangers", "pipe", "reader-dies", "writer-dies", "two-writers", "alone",
         "nonsense", "exec", "exec-refused"]


@pytest.mark.parametrize("processors", [1, 2])
@pytest.mark.parametrize("name", TESTS)
def test_part(node, processors: int, name: str):
    """One part passes and leaves nothing behind."""
    guest = node(smp=processors)
    before = accounts.everything(guest)
    said = guest.run(f"procs {name}")
    assert said.splitlines()[-1] == f"procs: {name}: PASS", said
    accounts.check_restored(guest, before)
    guest.check()


def test_no_part_is_left_out(node):
    """The program has no test that is not named here, and runs all when none is named."""
    said = node(smp=2).run("procs", 280)
    assert re.findall(r"^procs: (\S+): (PASS|FAIL)$", said, re.M) \
        == [(name, "PASS") for name in TESTS], said


@pytest.fixture(name="guest")
def fixture_guest(node):
    """A node whose shell holds the same after the test as before."""
    guest = node(smp=2)
    before = accounts.everything(guest)
    yield guest
    if not guest.broken:
        accounts.check_restored(guest, before)


def words(text: str) -> list[str]:
    """What `wc` counted."""
    return text.split()


def test_pipelines(guest):
    """What one program writes the next one reads, all of it, through up to six."""
    assert guest.run("echo one two  three") == "one two three\n"
    assert words(guest.run('echo "a  b" c | wc')) == ["1", "3", "7"]
    assert words(guest.run("seq 5000 | wc")) == ["5000", "5000", "23893"]
    assert words(guest.run("seq 5000 | cat | cat | cat | cat | wc")) == ["5000", "5000", "23893"]
    assert guest.run("seq 30 | head 3") == "1\n2\n3\n"
    assert guest.run("status end") == "end 0\n"


def test_reader_that_has_seen_enough(guest):
    """A writer without reader ends by itself, and the line is over."""
    assert guest.run("seq 1000000000 | cat | head 2") == "1\n2\n"
    assert "seq" not in guest.run("envs")


def test_lists_are_programs(guest):
    """`ls`, `ps` and `net` stand in pipelines; they agree with the shell's own lists."""
    said = guest.run("ls | cat").split()
    assert said == re.findall(r"^  (\S+) +\d+ bytes$", guest.run("ls"), re.M)
    assert {"ls", "ps", "net", "cat", "echo", "wc", "head", "seq"} < set(said)
    listed = re.findall(r"^ *(\d+) +\d+ \w+ +\d+ +\d+ (\S+)$", guest.run("ps"), re.M)
    shown = [(str(number), row["name"]) for number, row in accounts.environments(guest).items()]
    assert [entry for entry in listed if entry[1] != "ps"] == shown
    assert re.match(r"interface 52:54:00:de:05:01 mtu 1500 received \d+ sent", guest.run("net"))


def test_time(guest):
    """`time` says how long a line took, and what of that the processor."""
    said = guest.run("time seq 20000 | wc")
    found = re.fullmatch(r" *20000 +20000 +\d+\ntime: (\d+\.\d{3}) ms, processor "
                         r"(\d+\.\d{3}) ms\n", said)
    assert found and float(found[1]) > 0 and float(found[2]) > 0, said
    assert guest.run("time").startswith("time: which program?")


def test_pipeline_status(guest):
    """The last program's status counts; others are told of when they failed."""
    assert "exited with status 2" in guest.run("seq x | wc")
    assert guest.run("status end") == "end 0\n"
    assert "exited with status 2" in guest.run("seq 3 | head x")
    assert guest.run("status end") == "end 2\n"


def test_wrong_pipelines(guest):
    """What is no pipeline is said in one line, and nothing of it runs or stays."""
    for line in ("echo a |", "| wc", "echo | | wc", "| |"):
        assert guest.run(line).startswith("sh: a pipe joins two programs"), line
    for line in ("nosuch | wc", "seq 100000 | nosuch", "seq 9 | cat | nosuch | wc"):
        assert guest.run(line) == "sh: no command or program 'nosuch'; try `help` or `ls`\n"
        assert guest.run("status end") == "end 127\n"
    assert "a pipe joins two" in guest.run("cat | cat | cat | cat | cat | cat | cat")


def test_interrupt_and_kill(guest):
    """^C ends all of a pipeline; a killed stage ends the others by their pipes."""
    since = len(guest.log())
    guest.type("seq 1000000000 | spin")
    guest.wait_for("^spin: looping for ever with nothing", since=since)
    guest.press(b"\x03")
    guest.wait_for(r"\^C\n(?:.*\n)*?deos> ", since=since)
    said = guest.run("seq 1000000000 | spin &")
    number = re.findall(r"^\[(\d+)\] spin$", said, re.M)
    assert number, said
    since = len(guest.log())
    guest.type(f"kill {number[0]}")
    guest.wait_for(rf"^\[{number[0]}\] spin: killed$", since=since)
    guest.wait_for(r"^\[\d+\] seq: exited with status 141$", since=since)
