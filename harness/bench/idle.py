# SPDX-License-Identifier: BSD-2-Clause
"""Host CPU share of nodes that have nothing to do.

All nodes idle side by side in the same window, so that they see the same host.
"""

from __future__ import annotations

import os
import time

from record import Samples
from rig import Machine
from session import Session

SETTLE_S = 2.0


def window_seconds() -> float:
    return float(os.environ.get("IDLE_SECS", "10"))


def measure(session: Session, samples: Samples, case: str) -> None:
    """Adds percent of one host core, a sample a window and system."""
    machines: dict[str, Machine] = {}
    try:
        for label in session.systems:
            machines[label] = session.boot(label)
        time.sleep(SETTLE_S)
        for number in range(1, session.rounds + 1):
            session.progress(f"boot: idle nodes, window {number}/{session.rounds}")
            before = {label: machine.cpu_seconds() for label, machine in machines.items()}
            began = time.monotonic()
            time.sleep(window_seconds())
            took = time.monotonic() - began
            for label, machine in machines.items():
                used = machine.cpu_seconds() - before[label]
                samples.add(case, label, 100 * used / took)
    finally:
        for machine in machines.values():
            machine.stop()
