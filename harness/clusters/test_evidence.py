# SPDX-License-Identifier: BSD-2-Clause
"""What a failure leaves of a cluster that is gone when somebody looks (conftest.py)."""

from types import SimpleNamespace

import pytest

from clusters import conftest
from clusters.servicebed import EVIDENCE, Service


class Told(Service):
    """Three nodes that were, as they told of themselves."""

    def __init__(self):  # pylint: disable=super-init-not-called
        self.asked: list[tuple[int, str]] = []

    def nodes(self):
        return [{"id": 1, "uuid": "aa", "state": "up"}, {"id": 2, "uuid": "bb", "state": "up"},
                {"id": 3, "uuid": "cc", "state": "down"}]

    def ask(self, number, path):
        self.asked.append((number, path))
        if number == 2:
            raise ConnectionError("nobody there")
        return {"alive": 2}


def reported(failed: bool, when: str = "call") -> list[tuple[str, str]]:
    """The sections of a report that the hook has seen."""
    report = SimpleNamespace(failed=failed, when=when, sections=[])
    item = SimpleNamespace(funcargs={"service": Told(), "site": "no cluster"})
    call = SimpleNamespace(excinfo=failed or None)
    hook = conftest.pytest_runtest_makereport(item, call)
    next(hook)
    with pytest.raises(StopIteration):
        hook.send(SimpleNamespace(get_result=lambda: report))
    return report.sections


def test_nodes_tell_or_are_said_not_to():
    service = Told()
    lines = service.evidence().splitlines()
    assert lines[0] == "node 1: up" and lines[-1] == "node 3: down"
    assert "/api/status: {\"alive\": 2}" in lines
    assert sum("nobody there" in line for line in lines) == len(EVIDENCE)
    assert (1, "/api/fabric/aa") in service.asked and (3, "/api/status") not in service.asked


def test_a_failure_has_it_and_nothing_else():
    (title, text), = reported(failed=True)
    assert title == "nodes of service" and "node 2: up" in text
    assert reported(failed=False) == reported(failed=True, when="setup") == []
