# SPDX-License-Identifier: BSD-2-Clause
"""harness/cluster without a machine: what it refuses, and in how many words."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys

import pytest

from clusters import commands, execute, process, state, supervisor
from clusters.failure import Failure, Usage
from clusters.node import ADDRESS, INCARNATION, PANIC
from clusters.options import free_port
from clusters.probe import Probe
from clusters.report import Report
from clusters.rig import ALONE, COMMAND, SECONDS, one_line, run, wait_for
from clusters.site import Member, Site


@pytest.fixture(name="folder")
def folder_fixture(tmp_path):
    """A state folder that is not there yet."""
    return tmp_path / "state"


@pytest.fixture(name="here")
def here_fixture(monkeypatch, capsys):
    """Runs the command in this process, which saves starting Python."""
    def run_here(*words) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["harness/cluster", *map(str, words)])
        try:
            code = commands.main()
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return subprocess.CompletedProcess(words, code, said.out, said.err)
    return run_here


@pytest.mark.parametrize("words, text", [
    (["up", "-n", "0"], "'0' is not a number from 1 to 60"),
    (["up", "-n", "three"], "'three' is not a number"),
    (["up", "-n", "61"], "'61' is not a number from 1 to 60"),
    (["up", "--port", "65536"], "'65536' is not a number from 1 to 65535"),
    (["up", "--mem", "lots"], "'lots' is not a size like 256M"),
    (["up", "--mem", "16M"], "a node needs at least 32M of memory, not 16M"),
    (["up", "--disk", "0"], "'0' is not a size"),
    (["up", "--boot", "floppy"], "invalid choice: 'floppy'"),
    (["up", "--net", "socket", "-n", "17"], "--net socket carries at most 16 nodes"),
    (["up", "--firmware", "uefi"], "BIOS machines are what there is"),
    (["up", "and", "away"], "unrecognized arguments"),
    (["kill"], "required: NODE"),
    (["kill", "all"], "'all' is not a number"),
    (["partition", "1"], "'1' is not a partition like 1,2:3"),
    (["partition", "1:2;quit"], "is not a partition"),
    (["link", "--loss", "some"], "'some' is not a number like 5"),
    (["link", "--loss", "-5"], "'-5' is not a number like 5"),
    (["exec", "1"], "required: PROGRAM"),
    (["fly"], "invalid choice: 'fly'"),
    ([], "required: VERB"),
])
def test_bad_use_is_one_line_and_status_2(words, text, folder, here):
    extra = ["--state", folder, "--net", "socket"] if words[:1] == ["up"] else []
    extra = extra if "--net" not in words else extra[:2]
    assert text in one_line(here(*words, *extra), 2)
    assert not folder.exists() or list(folder.iterdir()) == []


@pytest.mark.parametrize("verb", [
    ["status"], ["add"], ["kill", "1"], ["start", "1"], ["pause", "1"], ["freeze", "1"],
    ["resume", "1"], ["partition", "1:2"], ["heal"], ["link"], ["pcap", "x"], ["console", "1"],
    ["exec", "1", "hello"]])
def test_nothing_is_up(verb, folder, here):
    for _turn in range(2):
        line = one_line(here(verb[0], "--state", folder, *verb[1:]), 1)
        assert f"no cluster is up in {folder}: harness/cluster up starts one" in line
        folder.mkdir(exist_ok=True)


def test_json_status_of_nothing_is_json_still(folder, here):
    done = here("status", "--json", "--state", folder)
    one_line(done, 1)
    assert json.loads(done.stdout) == {"ready": False, "url": "", "api": "", "nodes": [],
                                       "net": ""}


def test_down_is_harmless(folder, tmp_path, here):
    for path in (folder, tmp_path):
        done = here("down", "--state", path)
        assert (done.returncode, done.stdout) == (0, "nothing is up\n")


def test_site_errors_end_up_before_anything_starts(folder, tmp_path):
    up = ["up", ALONE, "--state", folder, "--net", "socket", "--port", free_port(), "--site"]
    assert "no such directory" in one_line(run(*up, tmp_path / "absent"), 1)
    (tmp_path / "site").mkdir()
    assert "nothing to serve" in one_line(run(*up, tmp_path / "site"), 1)
    with open(tmp_path / "site" / "big", "wb") as file:
        file.truncate(300 << 20)
    line = one_line(run(*up, tmp_path / "site"), 1)
    assert "it needs nodes of 605M, not 256M" in line
    assert list(folder.iterdir()) == []


def test_taken_port_is_named(folder):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        line = one_line(run("up", "--state", folder, "--port", port, "--net", "socket"), 1)
        assert f"port {port} is taken by another program: choose another one" in line


def test_state_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("x")
    assert "Not a directory" in one_line(run("up", "--state", tmp_path / "file" / "x"), 1)
    assert "File exists" in one_line(run("up", "--state", tmp_path / "file"), 1)
    assert "/proc/x" in one_line(run("up", "--state", "/proc/x"), 1)


def test_tap_without_root_is_refused(tmp_path):
    words = ["setpriv", "--reuid", "65534", "--clear-groups"] if os.geteuid() == 0 else []
    tmp_path.chmod(0o777)
    for parent in list(tmp_path.parents)[:3]:
        if parent.stat().st_uid == os.geteuid():
            parent.chmod(parent.stat().st_mode | 0o055)
    done = subprocess.run([*words, str(COMMAND), "up", "--net", "tap", "--state",
                           str(tmp_path / "state")], capture_output=True, text=True, check=False)
    assert "only root makes taps" in one_line(done, 1)


def test_missing_package_is_named(folder):
    done = run("up", "--state", folder, env={**os.environ, "PATH": "/nowhere"})
    assert "qemu-system-x86_64 is not installed: run make setup" in one_line(done, 1)


def test_missing_build_is_named(folder, tmp_path):
    done = run("up", "--state", folder, env={**os.environ, "DEOS_BUILD": str(tmp_path)})
    assert "switch is not built: run make" in one_line(done, 1)


def test_doctor_says_what_there_is():
    done = run("doctor")
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "packages", "build", "network", "memory"]


def test_help_names_every_verb_and_nothing_unbuilt(here):
    text = here("--help").stdout
    for verb in ("up", "down", "status", "add", "kill", "start", "pause", "freeze", "resume",
                 "partition", "heal", "link", "pcap", "console", "exec", "doctor"):
        assert f"\n    {verb}" in text
        assert here(verb, "--help").returncode == 0


# ---- what is behind the verbs ----

@pytest.mark.parametrize("words, line", [
    (["hello"], "hello"), (["hello", "a b", "-x"], 'hello "a b" -x'),
    (["hello", 'a"b'], None), (["hello", ""], None), (["hello", "a\nb"], None),
    (["hello", "&"], None), (["hello", "x" * 250], None)])
def test_words_of_exec(words, line):
    if line is None:
        with pytest.raises(Usage):
            execute.quote(words)
    else:
        assert execute.quote(words) == line


def test_output_of_exec_is_what_stands_between_its_marks():
    run_ = execute.Execution(["hello", "a"])
    said = ["deos> status x", "web: an old line", f"deos> status {run_.begin}",
            f"{run_.begin} 0", "agent: in between", "deos> hello a", "hello: one", "hello a",
            f"no end of lineddeos> status {run_.end}", f"status {run_.end}", f"{run_.end} 7",
            ]
    assert [run_.take(line) for line in said] == [
        None, None, None, None, "agent: in between", None, "hello: one", "hello a",
        "no end of lined", None, None]
    assert run_.status == 7



@pytest.mark.parametrize("files, size, boot, mib", [
    (1, 0, "direct", 32), (1, 22 << 20, "direct", 32), (1, 56 << 20, "direct", 65),
    (1, 12 << 20, "pxe", 32), (1, 30 << 20, "pxe", 65), (60000, 0, "direct", 44)])
def test_memory_a_site_needs(files, size, boot, mib, tmp_path):
    members = [Member(f"{number}", tmp_path, size, 0) for number in range(files)]
    assert supervisor.memory_needed_mib(Site(members), boot) == mib


def test_recorded_process_is_killed_and_its_heir_is_not():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        known = process.identity(child.pid)
        heir = process.Identity(child.pid, known.start + 1)
        assert not process.kill_recorded(heir)
        assert child.poll() is None
        assert process.kill_recorded(known)
        assert child.wait(SECONDS) == -9
    assert not process.kill_recorded(known)


def test_started_process_dies_with_its_parent(tmp_path):
    source = ("import sys; sys.path.insert(0, %r)\n"
              "from pathlib import Path\nfrom clusters.process import spawn\n"
              "print(spawn(['sleep', '600'], Path('.'), Path('log')).pid, flush=True)\ninput()\n")
    with subprocess.Popen([sys.executable, "-c", source % str(COMMAND.parent)], cwd=tmp_path,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        wait_for(lambda: open(f"/proc/{pid}/cmdline", "rb").read().startswith(b"sleep"), "exec")
        assert process.identity(pid)
        parent.kill()
        wait_for(lambda: process.identity(pid) is None, "the child's end")


def test_lock_is_one_at_a_time_and_leaves_no_file(folder):
    one, two = state.State(folder), state.State(folder)
    one.make()
    assert one.lock() and not two.lock()
    one.unlock()
    assert two.lock()
    two.clean()
    assert list(folder.iterdir()) == []


def test_clean_removes_only_what_runs_make(folder):
    kept = state.State(folder)
    kept.make()
    for name in ("control", "port-1", "node-1.in", "node-1.disk", "boot/site.cpio", "switch",
                 "mine.txt", "node-1.log"):
        (folder / name).write_text("x")
    kept.write({"processes": {}})
    kept.clean()
    assert sorted(path.name for path in folder.iterdir()) == ["mine.txt", "node-1.log"]
    kept.clean(logs=True)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


def test_damaged_state_is_one_line(folder, here):
    folder.mkdir()
    (folder / "state.json").write_text("{")
    assert "state.json cannot be read" in one_line(here("status", "--state", folder), 1)


def test_what_a_console_says_of_a_node():
    text = ("DEOS: 1 processor, 63 MiB, 9 ms, incarnation 00ff00ff00ff00ff\n"
            "deos> web: serving 3 files at http://10.0.2.15/\n")
    assert INCARNATION.findall(text) == ["00ff00ff00ff00ff"]
    assert ADDRESS.findall(text) == ["10.0.2.15"]
    assert ADDRESS.findall("web: no address any more") == [""]
    assert PANIC.search(text + "\nPANIC: stack smashed\n")[1] == "stack smashed"


def test_probe_wants_a_200():
    with socket.create_server(("127.0.0.1", 0)) as server:
        probe = Probe(server.getsockname()[1], "/a%20page")
        for answer in (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", b"garbage\r\n",
                       b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"):
            assert not probe.answered
            client = server.accept()[0]
            assert client.recv(4096).startswith(b"GET /a%20page HTTP/1.1\r\n")
            client.sendall(answer)
            client.close()
        wait_for(lambda: probe.answered, "the probe")


def test_failure_in_a_namespace_is_handed_over(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root makes network namespaces")
    from clusters.namespace import Namespace
    inside = Namespace(tmp_path)
    try:
        assert inside.call(lambda: os.listdir("/proc/self/task")) is not None
        inside.ip("link set lo up", "link add br0 type bridge")
        with pytest.raises(Failure, match="ip: "):
            inside.ip("link set absent up")
        with pytest.raises(ZeroDivisionError):
            inside.call(lambda: 1 // 0)
        assert "br0" not in os.listdir("/sys/class/net")
        with inside.call(lambda: socket.create_server(("127.0.0.1", 8080))) as server:
            with inside.call(lambda: socket.create_connection(server.getsockname(), 5)):
                pass
    finally:
        process.end(inside.process)


class Screen(io.StringIO):
    """A terminal that remembers."""

    def isatty(self) -> bool:
        return True


def test_live_line_is_for_terminals_only(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "20")
    screen, answers, plain = Screen(), io.StringIO(), io.StringIO()
    for progress in (screen, plain):
        report = Report(progress, answers)
        report.live("1 of 3 nodes serve; and so on")
        report.live("2 of 3 nodes serve")
        report.step("node 1 serves")
        report.answer("READY")
    assert plain.getvalue() == "cluster: node 1 serves\n"
    assert answers.getvalue() == "READY\nREADY\n"
    erase = "\r\x1b[K"
    assert screen.getvalue() == (f"{erase}1 of 3 nodes serve;{erase}2 of 3 nodes serve"
                                 f"{erase}cluster: node 1 serves\n")


def test_reader_that_went_away_does_not_end_the_run():
    class Closed(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError
    Report(Closed(), Closed()).step("into the void")
