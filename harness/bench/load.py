# SPDX-License-Identifier: BSD-2-Clause
"""What pushes on a node: the first-response probe, wrk and the raw-frame echo.

All of it runs on the load core, away from the node's.
"""

from __future__ import annotations

import re
import select
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rig import LOAD_CORE, BenchError, Machine, Node, start

HERE = Path(__file__).resolve().parent
REQUEST = b"GET /f128 HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"
PROBE_SHARE = 0.03  # probes are spaced by this share of the time waited so far
PROBE_MIN_S, PROBE_MAX_S, PROBE_LIFE_S = 0.004, 0.05, 1.0
ECHO_ETHERTYPE = 0x88B6


class _Probe:
    """One non-blocking attempt at a connection, a request and an answer."""

    def __init__(self, address: str, now: float) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.born, self.asked, self.answer = now, False, b""
        self.socket.connect_ex((address, 80))

    def step(self) -> str:
        """'wait', 'refused' or 'answered' after the socket became ready."""
        try:
            if not self.asked:
                self.socket.send(REQUEST)
                self.asked = True
                return "wait"
            piece = self.socket.recv(4096)
        except BlockingIOError:
            return "wait"
        except OSError:
            return "refused"
        self.answer += piece
        if self.answer.startswith(b"HTTP/1.1 200 "):
            return "answered"
        return "wait" if piece else "refused"


def first_200(address: str, since: float, limit: float,
              alive: Callable[[], bool] = lambda: True) -> float | None:
    """Seconds from `since` (monotonic) to the first HTTP 200, or None.

    Probes are spaced by 3 % of the time waited, so that the error is alike for
    a fast and a slow system. Older probes stay open for a second: a SYN that
    waits in the tap's queue is answered as soon as the node can.
    """
    probes: list[_Probe] = []
    due = since
    try:
        while (now := time.monotonic()) - since < limit and alive():
            if now >= due:
                probes.append(_Probe(address, now))
                due = now + min(max((now - since) * PROBE_SHARE, PROBE_MIN_S), PROBE_MAX_S)
            _, writable, broken = select.select(
                [], [p.socket for p in probes if not p.asked], [], 0)
            readable, _, _ = select.select([p.socket for p in probes if p.asked], [], [],
                                           0 if writable or broken else 0.001)
            for probe in [p for p in probes if p.socket in writable or p.socket in readable]:
                outcome = probe.step()
                if outcome == "answered":
                    return time.monotonic() - since
                if outcome == "refused":
                    probe.socket.close()
                    probes.remove(probe)
            for probe in [p for p in probes if now - p.born > PROBE_LIFE_S]:
                probe.socket.close()
                probes.remove(probe)
    finally:
        for probe in probes:
            probe.socket.close()
    return None


def wait_until_serving(machine: Machine, limit: float) -> float:
    """Seconds from QEMU's start to the first 200; an error says why there was none."""
    seconds = first_200(machine.node.address, machine.started, limit, machine.alive)
    if seconds is None:
        raise BenchError(f"{machine.node.label}: no HTTP 200 in {limit:.0f} s; "
                         f"its last words: {machine.why_dead()}")
    return seconds


@dataclass(frozen=True)
class Load:
    """What one run of wrk saw."""

    requests_per_s: float
    p50_us: float
    p99_us: float
    errors: int


_UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 6e7}


def _microseconds(text: str) -> float:
    found = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text)
    if not found:
        raise BenchError(f"wrk printed a time that is not understood: {text!r}")
    return float(found[1]) * _UNITS[found[2]]


def parse_wrk(output: str) -> Load:
    """Reads wrk's report (--latency); socket errors and bad statuses are counted together."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    p50 = re.search(r"^\s+50%\s+(\S+)", output, re.M)
    p99 = re.search(r"^\s+99%\s+(\S+)", output, re.M)
    if not (rate and p50 and p99):
        raise BenchError(f"wrk's report is not understood: {output.strip()[:200]!r}")
    errors = 0
    if found := re.search(r"Socket errors: (.*)", output):
        errors += sum(int(n) for n in re.findall(r"\d+", found[1]))
    if found := re.search(r"Non-2xx or 3xx responses: (\d+)", output):
        errors += int(found[1])
    return Load(float(rate[1]), _microseconds(p50[1]), _microseconds(p99[1]), errors)


def _finish(process: subprocess.Popen, what: str, limit: float) -> str:
    try:
        output, errors = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired as error:
        process.kill()
        raise BenchError(f"{what} did not end in {limit:.0f} s") from error
    if process.returncode != 0:
        last = ((errors or output).strip().splitlines() or ["no message"])[-1]
        raise BenchError(f"{what}: {last}")
    return output


def wrk(node: Node, path: str, connections: int, seconds: int, *, close: bool = False,
        pipeline: bool = False) -> Load:
    """One run of wrk, one thread, against http://node/path."""
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "--latency"]
    if close:
        words += ["-H", "Connection: close"]
    if pipeline:
        words += ["-s", str(HERE / "pipeline.lua")]
    words.append(f"http://{node.address}/{path}")
    process = start(words, LOAD_CORE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return parse_wrk(_finish(process, f"wrk against {node.label}", seconds + 30))


def build_echo(folder: Path) -> Path:
    """Compiles the echo load generator into folder."""
    program, source = folder / "echo", HERE / "echo.c"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        words = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror",
                 "-o", str(program), str(source)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError(f"echo.c does not compile: {done.stderr.strip().splitlines()[0]}")
    return program


@dataclass(frozen=True)
class Echo:
    """What one run of the echo generator saw."""

    echoes_per_s: float
    p50_us: float
    p99_us: float
    lost: int


def parse_echo(output: str) -> Echo:
    """Reads the generator's line of NAME=VALUE words."""
    words = dict(re.findall(r"(\w+)=([\d.]+)", output))
    try:
        return Echo(float(words["rate"]), float(words["p50_us"]), float(words["p99_us"]),
                    int(words["lost"]))
    except KeyError as error:
        raise BenchError(f"the echo generator printed {output.strip()[:120]!r}") from error


def echo_rate(program: Path, node: Node, frame_bytes: int, outstanding: int,
              milliseconds: int) -> Echo:
    """Echoes a second of frames of that many bytes, Ethernet header included."""
    words = [str(program), "rate", "br0", node.mac, str(frame_bytes), str(outstanding),
             str(milliseconds)]
    process = start(words, LOAD_CORE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return parse_echo(_finish(process, "echo", milliseconds / 1000 + 15))


def first_echo(program: Path, machine: Machine, limit: float) -> float | None:
    """Seconds from QEMU's start to the first echoed frame, or None."""
    words = [str(program), "first", "br0", machine.node.mac, "60", "1", str(int(limit * 1000))]
    process = start(words, LOAD_CORE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and machine.alive():
        time.sleep(0.02)
    if process.poll() is None:
        process.kill()
        process.wait()
        return None
    output = process.stdout.read()
    found = re.search(r"at_ns=(\d+)", output)
    return int(found[1]) / 1e9 - machine.started if found else None
