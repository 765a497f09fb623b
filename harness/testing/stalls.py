# SPDX-License-Identifier: BSD-2-Clause
"""pytest plugin: a test of nodes that failed while the host kept one from running is run
once more, with new nodes, and the suite says so.

Nodes lend one another things under leases of a second. A host too busy to run one for
that long ends its sessions, rightly, and a test that asks for the outcome of an operation
then gets another. How long threads have waited for a processor is in the kernel's account
(sched-stats.rst of Linux); looked at are those of the processes under this one, which are
QEMU's and the switch's. A host that stood still as a whole shows in the watcher's own
delay. Where no wait was that long a failure is a failure; a cluster that runs detached is
not under this process, so its waits are not seen and excuse nothing.
"""
from __future__ import annotations

import os
import threading
import time
from glob import glob
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

PERIOD_S = 0.1
STALL_S = 0.5           # half a lease: an answer needs both nodes
AGAIN = "run again"     # the property of reports that says why
GRAVE = ("PANIC", "audit: ", "Sanitizer", "WRONG")  # whatever the host did


def read(path: str) -> str:
    """The words of a file of /proc; none when its process has just ended."""
    try:
        return Path(path).read_text(encoding="ascii")
    except OSError:
        return ""


def descendants(pid: int) -> list[int]:
    """The processes under this one."""
    children = [int(child) for path in glob(f"/proc/{pid}/task/*/children")
                for child in read(path).split()]
    return children + [pid for child in children for pid in descendants(child)]


def waits() -> dict[str, float]:
    """For how long each thread of the processes under this one has waited to run, in
    seconds since it began."""
    accounts = {path.split("/")[4]: read(path).split() for pid in descendants(os.getpid())
                for path in glob(f"/proc/{pid}/task/*/schedstat")}
    return {thread: int(words[1]) / 1e9 for thread, words in accounts.items() if words}


class Watch(threading.Thread):
    """Notes the longest wait since it was last asked."""

    def __init__(self):
        super().__init__(name="stalls", daemon=True)
        self.longest_s = 0.0
        self.before: dict[str, float] | None = None
        self.last_s = 0.0

    def look(self, account: dict[str, float], now_s: float):
        """Compares the account with that of a period before."""
        if self.before is not None:
            self.longest_s = max(self.longest_s, now_s - self.last_s - PERIOD_S,
                                 *(wait_s - self.before.get(thread, 0.0)
                                   for thread, wait_s in account.items()))
        self.before, self.last_s = account, now_s

    def run(self):
        """Looks for ever."""
        while True:
            self.look(waits(), time.monotonic())
            time.sleep(PERIOD_S)

    def take(self) -> float:
        """The longest wait, in seconds; the next one begins at 0."""
        longest_s, self.longest_s = self.longest_s, 0.0
        return longest_s


def excusable(reports: list[pytest.TestReport]) -> bool:
    """A failure that a stall can be the cause of: no stall makes a kernel panic, or a
    result wrong."""
    failures = [report.longreprtext for report in reports if report.failed]
    return bool(failures) and not any(word in text for text in failures for word in GRAVE)


def reason(waited_s: float, reports: list[pytest.TestReport]) -> str:
    """Why a test is run again, and how its first failure begins."""
    failed = next(report for report in reports if report.failed)
    crash = getattr(failed.longrepr, "reprcrash", None)
    first_line = (crash.message if crash else failed.longreprtext).splitlines()[0]
    return f"a node was kept waiting for {waited_s:.1f} s: {first_line}"


class Stalls:
    """The plugin, in a process that runs tests."""

    def __init__(self, watch: Watch):
        self.watch = watch

    def reports(self, item: pytest.Item, nextitem: pytest.Item | None):
        """What became of a test: of its second run, if there was one."""
        self.watch.take()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        waited_s = self.watch.take()
        if waited_s < STALL_S or not excusable(reports):
            return reports
        try:
            item.session._setupstate.teardown_exact(None)   # its module's nodes too
        except Exception:       # whatever they found when they ended is no stall's work
            return reports
        item.user_properties.append((AGAIN, reason(waited_s, reports)))
        item._initrequest()
        return runtestprotocol(item, nextitem=nextitem, log=False)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None):
        """Runs a test of nodes; others are pytest's own."""
        if not item.get_closest_marker("qemu"):
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in self.reports(item, nextitem):
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True


def pytest_configure(config: pytest.Config):
    """Watches where tests run: with xdist not in the process that deals them out."""
    if not config.getoption("numprocesses", None):
        watch = Watch()
        watch.start()
        config.pluginmanager.register(Stalls(watch), "stalls-watch")


def pytest_terminal_summary(terminalreporter):
    """Names the tests that were run again, and why."""
    again = {report.nodeid: why for kind in ("passed", "failed", "error")
             for report in terminalreporter.stats.get(kind, [])
             for name, why in report.user_properties if name == AGAIN}
    for test, why in again.items():
        terminalreporter.write_line(f"{AGAIN}: {test}: {why}")
