# SPDX-License-Identifier: BSD-2-Clause
"""Samples become rows, rows become JSON with the fields of REQUIRED; no figure is ever typed.

A row holds medians of runs that were interleaved in one session. What REQUIRED does
not name (the peer's and the floor's ranges, latencies, notes) is added beside it, so
that nothing unflattering gets lost.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import time
from pathlib import Path

REQUIRED = {"case": str, "unit": str, "better": str, "deos": float, "peer": float,
            "peer_name": str, "floor": float, "ratio_to_peer": float, "ratio_to_floor": float,
            "runs": int, "min": float, "max": float, "instructions": float}
NULLABLE = {"peer", "peer_name", "floor", "ratio_to_peer", "ratio_to_floor", "instructions"}
DIGITS = 5  # significant digits kept in JSON


def median(values: list[float]) -> float:
    """The middle value, or the mean of the two middle ones."""
    if not values:
        raise ValueError("median of nothing")
    ordered, half = sorted(values), len(values) // 2
    if len(ordered) % 2:
        return ordered[half]
    return (ordered[half - 1] + ordered[half]) / 2


def rounded(value: float | None) -> float | None:
    """DIGITS significant digits; what is below them is noise."""
    return None if value is None else float(f"{value:.{DIGITS}g}")


def ratio_to_peer(better: str, deos: float, peer: float | None) -> float | None:
    """How many times better DEOS is, whichever way is better."""
    if peer is None or deos <= 0 or peer <= 0:
        return None
    return peer / deos if better == "lower" else deos / peer


def ratio_to_floor(deos: float, floor: float | None) -> float | None:
    """DEOS divided by the floor."""
    return None if floor is None or floor <= 0 else deos / floor


class Samples:
    """What a session measured: a list of values for each case and system."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], list[float]] = {}

    def add(self, case: str, label: str, value: float) -> None:
        self._values.setdefault((case, label), []).append(value)

    def get(self, case: str, label: str) -> list[float]:
        return self._values.get((case, label), [])

    def middle(self, case: str, label: str) -> float | None:
        values = self.get(case, label)
        return median(values) if values else None


def make_row(samples: Samples, case: str, unit: str, better: str, peer_name: str,
             **extra: object) -> dict:
    """The contract's row for a case; a system that was not measured is null."""
    deos, peer, floor = (samples.middle(case, label) for label in ("deos", "peer", "floor"))
    own = samples.get(case, "deos")
    row = {"case": case, "unit": unit, "better": better, "deos": rounded(deos),
           "peer": rounded(peer), "peer_name": peer_name if peer is not None else None,
           "floor": rounded(floor),
           "ratio_to_peer": None if deos is None else rounded(ratio_to_peer(better, deos, peer)),
           "ratio_to_floor": None if deos is None else rounded(ratio_to_floor(deos, floor)),
           "runs": len(own), "min": rounded(min(own)) if own else None,
           "max": rounded(max(own)) if own else None, "instructions": None}
    for label in ("peer", "floor"):
        if values := samples.get(case, label):
            row[f"{label}_min"], row[f"{label}_max"] = rounded(min(values)), rounded(max(values))
            row[f"{label}_runs"] = len(values)
    row.update(extra)
    return row


def check_report(report: dict) -> list[str]:
    """What in a report breaks the contract; empty when it holds."""
    wrong = [f"{key} is missing" for key in ("name", "environment", "rows") if key not in report]
    seen: set[str] = set()
    for row in report.get("rows", []):
        case = row.get("case", "?")
        if case in seen:
            wrong.append(f"{case}: appears twice")
        seen.add(case)
        wrong += [f"{case}: {text}" for text in _check_row(row)]
    return wrong


def _check_row(row: dict) -> list[str]:
    wrong = []
    for key, kind in REQUIRED.items():
        if key not in row:
            wrong.append(f"{key} is missing")
        elif row[key] is None:
            if key not in NULLABLE:
                wrong.append(f"{key} is null")
        elif not isinstance(row[key], (int, float) if kind is float else kind):
            wrong.append(f"{key} is not a {kind.__name__}")
    if row.get("better") not in ("lower", "higher"):
        wrong.append("better is neither lower nor higher")
    return wrong


def write_report(folder: Path, name: str, environment: dict, rows: list[dict]) -> Path:
    """Checks a report against the contract and writes it whole or not at all."""
    report = {"name": name, "environment": environment, "rows": rows}
    wrong = check_report(report)
    if wrong:
        raise ValueError("; ".join(wrong))
    folder.mkdir(parents=True, exist_ok=True)
    path, partial = folder / f"{name}.json", folder / f".{name}.json"
    partial.write_text(json.dumps(report, indent=1) + "\n")
    partial.replace(path)
    return path


def _first_line(*words: str) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "not installed"
    return (done.stdout or done.stderr).splitlines()[0].strip()


def _cpu_model() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    return found[1] if found else platform.processor()


def environment(**more: object) -> dict:
    """Where and with what a session ran."""
    return {"date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "host_cpu": _cpu_model(), "host_cores": os.cpu_count(),
            "host_kernel": f"{platform.system()} {platform.release()}",
            "qemu": _first_line("qemu-system-x86_64", "--version"),
            "wrk": _first_line("wrk", "-v").split(" Copyright")[0], **more}


class OtherLoad:
    """How busy everything but this session kept the host: noise, stated in the report."""

    def __init__(self) -> None:
        self._began = (time.monotonic(), *self._read())

    @staticmethod
    def _read() -> tuple[float, float]:
        words = Path("/proc/stat").read_text().split("\n", 1)[0].split()
        machine = sum(int(n) for n in (*words[1:4], *words[6:8])) / os.sysconf("SC_CLK_TCK")
        times = os.times()
        return machine, times.user + times.system + times.children_user + times.children_system

    def percent(self) -> float:
        """Percent of all cores that others used; call it when this session's children ended."""
        then, machine, mine = self._began
        machine_now, mine_now = self._read()
        wall = (time.monotonic() - then) * (os.cpu_count() or 1)
        others = (machine_now - machine) - (mine_now - mine)
        return round(max(0.0, 100 * others / max(wall, 0.001)), 1)
