#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What the switch's tests are made of: a running switch and fake nodes on it.

A fake node speaks QEMU's stream framing (4-byte big-endian length, then the
frame) on a unix socket, as `-netdev stream` does.
"""
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("DEOS_BUILD", "build")
SWITCH = BUILD / "harness" / "switch"
FORWARD = BUILD / "harness" / "forward"
BROADCAST = b"\xff" * 6
TIMEOUT_S = 60.0


def mac_of(number: int) -> bytes:
    """A locally administered address for node `number`."""
    return bytes([0x52, 0x54, 0, 0, number >> 8, number & 255])


def frame(target: bytes, source: bytes, payload: bytes = b"", ethertype: int = 0x88B5) -> bytes:
    """An Ethernet frame of at least 60 bytes."""
    return (target + source + struct.pack("!H", ethertype) + payload).ljust(60, b"\0")


class Node:
    """A client on one of the switch's ports."""

    def __init__(self, path: str, number: int):
        self.mac = mac_of(number)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect(path)
        self.buffer = b""

    def send(self, *frames: bytes):
        """Sends frames in one write."""
        self.socket.sendall(b"".join(struct.pack("!I", len(f)) + f for f in frames))

    def receive(self, timeout: float = TIMEOUT_S) -> bytes | None:
        """The next frame, or None when none comes in time."""
        until = time.monotonic() + timeout
        while True:
            if len(self.buffer) >= 4:
                end = 4 + struct.unpack_from("!I", self.buffer)[0]
                if len(self.buffer) >= end:
                    whole, self.buffer = self.buffer[4:end], self.buffer[end:]
                    return whole
            left = until - time.monotonic()
            if left <= 0:
                return None
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(1 << 20)
            except socket.timeout:
                return None
            finally:
                self.socket.settimeout(TIMEOUT_S)
            if not data:
                raise ConnectionError("the switch closed the port")
            self.buffer += data

    def receive_all(self, quiet: float = 1.0) -> list[bytes]:
        """Every frame until none has come for `quiet` seconds."""
        frames = []
        while (one := self.receive(quiet)) is not None:
            frames.append(one)
        return frames

    def close(self):
        """Disconnects."""
        self.socket.close()


class Control:
    """A client on the switch's control socket."""

    def __init__(self, path: str):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect(path)
        self.lines = self.socket.makefile("rwb")

    def ask(self, command: str) -> dict:
        """One command, one answer."""
        self.lines.write(command.encode() + b"\n")
        self.lines.flush()
        return json.loads(self.lines.readline())

    def must(self, command: str) -> dict:
        """A command that has to succeed."""
        answer = self.ask(command)
        assert answer["ok"], f"{command}: {answer}"
        return answer

    def fails(self, command: str) -> str:
        """A command that has to fail; returns the error."""
        answer = self.ask(command)
        assert answer["ok"] is False, f"{command}: {answer}"
        return answer["error"]

    def port(self, name: str) -> dict:
        """One port of `status`."""
        return next(p for p in self.must("status")["ports"] if p["name"] == name)

    def close(self):
        """Disconnects."""
        self.lines.close()
        self.socket.close()


class Switch:
    """A running switch with the ports 1 to `ports` in a folder of its own."""

    def __init__(self, ports: int, *options: str):
        # Short, because a unix socket's path has at most 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="deos-switch-"))
        self.control_path = str(self.folder / "control")
        self.nodes: list[Node] = []
        command = [str(SWITCH), "--control", self.control_path]
        for number in range(1, ports + 1):
            command += ["--port", f"{number}={self.path(number)}"]
        self.process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "switch: ready\n"
        self.control = Control(self.control_path)

    def path(self, number: int) -> str:
        """The socket of a port."""
        return str(self.folder / f"port{number}")

    def connect(self, number: int) -> Node:
        """A new client on a port, which the switch has accepted when this returns."""
        before = self.control.port(str(number))["connects"]
        node = Node(self.path(number), number)
        self.nodes.append(node)
        wait_for(lambda: self.control.port(str(number))["connects"] > before)
        return node

    def connect_all(self, count: int) -> list[Node]:
        """Clients on ports 1 to `count`, all learned."""
        nodes = [self.connect(number) for number in range(1, count + 1)]
        for node in nodes:
            node.send(frame(BROADCAST, node.mac))
        for node in nodes:
            for _ in range(count - 1):
                assert node.receive() is not None
        return nodes

    def counters(self, number: int) -> dict:
        """The counters of a port."""
        return self.control.port(str(number))["counters"]

    def end(self) -> int:
        """Ends the switch as an operator does; returns its exit status."""
        self.control.close()
        for node in self.nodes:
            node.close()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(TIMEOUT_S)
        self.process.stdout.close()
        left = sorted(p.name for p in self.folder.iterdir() if p.is_socket())
        shutil.rmtree(self.folder)
        assert left == [], f"sockets left behind: {left}"
        return status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise AssertionError(f"the switch died: {self.process.returncode}")
        assert self.end() == 0


def wait_for(condition, timeout: float = TIMEOUT_S):
    """Polls until `condition()` is true and returns its value."""
    until = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.005)
    return value
