# SPDX-License-Identifier: BSD-2-Clause
"""The shell on the console: what it lists, and that it runs, watches and ends programs."""

from __future__ import annotations

import re

import pytest

import accounts
from conftest import SITE

pytestmark = pytest.mark.qemu


@pytest.fixture(name="guest")
def fixture_guest(node):
    """A node with a site and a shell."""
    return node(site=SITE)


def test_help_names_every_command(guest):
    """`help` has a line for each command that the tests here use."""
    names = re.findall(r"^  (\w+) ", guest.run("help"), re.M)
    assert names == ["help", "ls", "run", "time", "kill", "status", "envs", "frames", "slices",
                     "rings", "caps", "links", "mem", "trace", "uptime", "audit", "poweroff",
                     "reboot"]


def test_tables_agree(guest):
    """Environments, frames, slices and rings are listed, and the lists fit together."""
    envs = accounts.environments(guest)
    assert [row["name"] for row in envs.values()] == ["init", "web", "sh"]
    held = accounts.frames(guest)
    for row in envs.values():
        used = held[row["name"]]
        assert used["owned"] + used["table"] == int(row["frames"].split("/")[0])
    assert held["total"]["all"] == 64 * 256 - 32     # the last 128 KiB are the firmware's
    assert held["total"]["shown"] == held["total"]["free"] > 0
    assert guest.run("slices") == "processor 0: 0=init 1-32=web 33-34=sh 35-63=-\n"
    assert accounts.rings(guest) == [("web", "52:54:00:de:05:01")]


def test_free_frames_are_counted_as_they_go(guest):
    """The exported count of free frames follows what programs take."""
    before = accounts.frames(guest)["total"]
    number = guest.background("spin")
    during = accounts.frames(guest)["total"]
    guest.run(f"kill {number}")
    after = accounts.frames(guest)["total"]
    for counts in (before, during, after):
        assert counts["shown"] == counts["free"]
    assert during["free"] < min(before["free"], after["free"])


def test_run_and_its_arguments(guest):
    """A program runs with its arguments, by `run` or by its name; quotes keep blanks."""
    for command in ("run hello a b", "hello a b"):
        assert re.fullmatch(r"hello: environment \d+, \d+ ms after boot, 2 arguments: a b\n",
                            guest.run(command))
    assert guest.run('hello "a b"').endswith("1 argument: a b\n")


def test_wrong_commands(guest):
    """What cannot be done is said in one line."""
    assert guest.run("nosuch") == "sh: no command or program 'nosuch'; try `help` or `ls`\n"
    assert guest.run("run") == "run: which program? `ls` lists them\n"
    assert guest.run("kill") == "kill: give the id of an environment; `envs` lists them\n"
    assert guest.run("kill x") == "kill: give the id of an environment; `envs` lists them\n"
    assert guest.run('hello "a').startswith("sh: an open quote")
    assert guest.run("caps 999") == "caps: 999 is no program started here\n"


def test_services_are_out_of_reach(guest):
    """The shell holds no capability for init or web, so it cannot end them."""
    for number, row in accounts.environments(guest).items():
        if row["name"] in ("init", "web"):
            assert guest.run(f"kill {number}") == f"kill: {number} is no program started here\n"


def test_background_and_kill(guest):
    """A program in the background is listed, does not hold the shell up, and can be ended."""
    before = accounts.everything(guest)
    number = guest.background("spin")
    assert accounts.environments(guest)[number]["name"] == "spin"
    assert f"rw-d- {number}" not in guest.run("caps")
    assert guest.run(f"caps {number}").count("\n") > 3
    assert guest.run(f"kill {number}") == f"[{number}] spin: killed\n"
    accounts.check_restored(guest, before)


def test_interrupt(guest):
    """^C ends the program in the foreground."""
    before = accounts.everything(guest)
    since = len(guest.log())
    guest.type("spin")
    guest.wait_for("^spin: looping for ever with nothing", since=since)
    guest.press(b"\x03")
    guest.wait_for(r"\^C\n(?:.*\n)*?deos> ", since=since)
    accounts.check_restored(guest, before)


def test_trace(guest):
    """The kernel's trace shows the shell's own calls."""
    lines = guest.run("trace 10").splitlines()
    assert len(lines) == 10
    assert all(re.match(r" *\d+\.\d{3} us env \d+ +\S", line) for line in lines)
    assert any("console_write" in line for line in lines)


def test_memory(guest):
    """`mem` agrees with `frames`."""
    free = accounts.frames(guest)["total"]["free"] * 4
    assert f"node:  65408 KiB, {free} KiB free" in guest.run("mem")


def test_the_shell_comes_back(guest):
    """A service that ends is started again by init: the shell, after ^D."""
    since = len(guest.log())
    old = next(n for n, row in accounts.environments(guest).items() if row["name"] == "sh")
    guest.press(b"\x04")
    guest.wait_for("^init: sh exited with status 0$", since=since)
    guest.wait_for("^init: starting sh again in 100 ms$", since=since)
    guest.wait_for("^deos> ", since=since + 40)
    envs = accounts.environments(guest)
    assert [row["name"] for row in envs.values()].count("sh") == 1 and old not in envs
