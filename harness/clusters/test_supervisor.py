# SPDX-License-Identifier: BSD-2-Clause
"""What may go wrong around the process that owns a run, at a bad moment: it goes on and says
what happened, or ends with a word about it that stays. No node is started."""

from __future__ import annotations

import io
import json
import signal
import socket
import subprocess
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Callable, Iterator

import pytest

from clusters import unixpath
from clusters.failure import Failure
from clusters.machine import Machine
from clusters.node import Node
from clusters.options import Options, free_port
from clusters.process import spawn
from clusters.report import Report
from clusters.state import State
from clusters.supervisor import Supervisor
from clusters.switch import ask
from clusters.uplink import Socket

DONE = b'{"ok": true}\n'


class Peer:
    """Listens at a unix socket, and answers each line by what comes next in `script`; the last
    of that for ever. An answer may be half of one: then it closes, as who dies does."""

    def __init__(self, path: Path, *script: bytes, greeting: bytes = b"") -> None:
        self.script = list(script)
        self.greeting = greeting
        self.listener = unixpath.listen(path)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client, client.makefile("rb") as lines:
                client.sendall(self.greeting)
                while lines.readline():
                    answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                    client.sendall(answer)
                    if not answer.endswith(b"\n"):
                        break

    def close(self) -> None:
        """Nobody is there any more."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Bed:
    """A supervisor of a run that is ready, with one node that is up at an address and reached
    by the switch of a script."""

    def __init__(self, folder: Path, *script: bytes) -> None:
        state = State(folder)
        state.make()
        self.said = io.StringIO()
        options = Options(1, folder, free_port(), 0, "direct", "socket", 1, 64, 0, "", 1500, True,
                          "virtio", "virtio")
        self.supervisor = Supervisor(options, state, Report(self.said, self.said), folder)
        self.supervisor.begin = lambda: None    # it has begun
        self.supervisor.ready = True
        self.uplink = self.supervisor.uplink = Socket(folder, folder, 1500)
        self.switch = Peer(self.uplink.control, *script)
        self.process = self.uplink.processes["switch"] = subprocess.Popen(["sleep", "1000"])
        self.node = Node(1, Machine(folder, "node-1"), True)
        self.node.machine.process = subprocess.Popen(["sleep", "1000"])
        self.node.address, self.node.served_after = "10.0.2.15", 1.0
        self.supervisor.nodes[1] = self.node

    def command(self, line: bytes) -> bytes:
        """What the supervisor answers to a line."""
        control = self.supervisor.state.control
        with unixpath.listen(control) as self.supervisor.listener, \
                unixpath.connect(control, 5.0) as link:
            link.sendall(line)
            link.shutdown(socket.SHUT_WR)
            self.supervisor.serve_command()
            return link.makefile("rb").read()

    def failed(self) -> str:
        """What `status` would say of the run."""
        return self.supervisor.state.read()["failed"]

    def end(self) -> None:
        """Ends what was started."""
        for process in (self.process, self.node.machine.process):
            process.kill()
            process.wait()


@pytest.fixture(name="bed")
def bed_fixture(tmp_path) -> Iterator[Callable[..., Bed]]:
    """Makes one, and ends it; a run takes signals, and leaves them ignored."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = [signal.getsignal(number) for number in numbers]
    beds: list[Bed] = []

    def make(*script: bytes) -> Bed:
        beds.append(Bed(tmp_path / "state", *script))
        return beds[-1]

    yield make
    for bed in beds:
        bed.end()
    for number, handler in zip(numbers, handlers):
        signal.signal(number, handler)


@pytest.mark.parametrize("answer", [b"", b'{"ok": tr'])
def test_a_switch_that_ends_in_its_answer(tmp_path, answer):
    Peer(tmp_path / "switch", answer)
    with pytest.raises(Failure, match="^the switch ended$"):
        ask(tmp_path / "switch", "port 1=port-1")


def test_a_monitor_that_ends_in_its_answer(bed):
    machine = bed(DONE).node.machine
    Peer(machine.qmp_path, b'{"return": {}}\n', b'{"retu', greeting=b'{"QMP": {}}\n')
    with pytest.raises(Failure, match="^node-1: stop: QEMU closed its monitor$"):
        machine.qmp("stop")


def test_a_program_that_cannot_be_started(tmp_path):
    with pytest.raises(Failure, match="^sleep cannot be started: "):
        spawn(["sleep", "1"], tmp_path / "none", tmp_path / "log")


@pytest.mark.parametrize("script", [(b"",), (b'{"ok": tr',),
                                    (b'{"ok": false, "error": "no port"}\n',)])
def test_ports_that_cannot_be_had_are_asked_for_again(bed, script):
    run = bed(*script)
    run.supervisor.watch(run.node)
    run.supervisor.watch(run.node)
    assert run.said.getvalue().count("cluster: node 1 is not reached: ") == 1
    assert "1" not in run.uplink.forwards
    run.switch.script = [DONE]
    run.supervisor.watch(run.node)
    assert run.uplink.forwards["1"] == run.node.ways()
    assert run.said.getvalue().count("\n") == 1


def test_a_switch_that_closes_while_it_forwards(bed):
    """The node's port is had, and the website's is not until it answers again."""
    run = bed(DONE, b"", DONE)
    run.supervisor.watch(run.node)
    assert set(run.uplink.forwards) == {"1"}
    assert "cluster: node 1 is not reached: the switch ended\n" == run.said.getvalue()
    run.supervisor.watch(run.node)
    assert set(run.uplink.forwards) == {"1", "website"}


def test_before_the_run_is_ready_they_end_it(bed):
    run = bed(b'{"ok": false, "error": "no port"}\n')
    run.supervisor.ready = False
    with pytest.raises(Failure, match="^switch: no port$"):
        run.supervisor.watch(run.node)


def test_a_switch_that_died_while_it_forwarded(bed):
    run = bed(b"")
    run.process.kill()
    run.process.wait()
    run.switch.close()
    with pytest.raises(Failure, match=r"^the switch died \(SIGKILL; "):
        run.supervisor.watch(run.node)


@pytest.mark.parametrize("line", [b"[]\n", b"7\n", b"{\n", b"", b"\xff\n", b'{"verb": []}\n',
                                  b'{"verb": "kill", "node": []}\n', b'{"verb": "switch"}\n',
                                  b"[" * 60000 + b"\n"],
                         ids=lambda line: line[:12].decode(errors="replace").strip())
def test_commands_that_are_none(bed, line):
    run = bed(DONE)
    answer = run.command(line)
    assert not answer or json.loads(answer)["ok"] is False
    assert json.loads(run.command(b'{"verb": "status"}\n'))["ok"] is True


def test_a_command_that_meets_with_what_nobody_foresaw(bed):
    run = bed(DONE)
    run.supervisor.verb_kill = lambda _request: run.node.machine.folder.joinpath("no").read_bytes()
    answer = json.loads(run.command(b'{"verb": "kill", "node": 1}\n'))
    assert answer["status"] == 1 and answer["error"].startswith("FileNotFoundError: ")
    assert "supervisor.py:" in answer["error"]


def test_a_client_that_nobody_can_take(bed):
    def accept() -> None:
        raise OSError("too many open files")

    supervisor = bed(DONE).supervisor
    supervisor.listener = SimpleNamespace(accept=accept)
    supervisor.serve_command()


def test_what_nobody_foresaw_ends_the_run_with_a_word_that_stays(bed):
    run = bed(DONE)
    run.supervisor.save = lambda: {}["written"]
    assert run.supervisor.run() == 1
    assert "cluster: KeyError: 'written' (at supervisor.py:" in run.said.getvalue()
    assert run.failed() in run.said.getvalue()
    assert run.node.machine.process.poll() is not None


def test_a_folder_that_is_gone_ends_the_run_with_a_word(bed):
    run = bed(DONE)
    for path in (run.supervisor.state.control, run.uplink.control):
        path.unlink(missing_ok=True)
    (run.supervisor.state.folder / "boot").rmdir()
    run.supervisor.state.folder.rmdir()
    assert run.supervisor.run() == 1
    assert "cluster: " in run.said.getvalue()


class Full(io.StringIO):
    """A file on a disk that is full."""

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_nobody_reads_what_it_says():
    report = Report(Full(), Full())
    report.is_live = True
    report.live("a moment")
    report.step("a word")
    report.answer("READY")
