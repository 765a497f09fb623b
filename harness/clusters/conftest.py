# SPDX-License-Identifier: BSD-2-Clause
"""When a test of a cluster that serves fails, what its nodes say of themselves is in the
report: a split or a silent node is gone when somebody looks, and may not come again."""

import pytest

from clusters.servicebed import Service


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds to the report of a failure what the fixtures that are clusters tell."""
    report = (yield).get_result()
    if call.excinfo is not None and report.failed and report.when == "call":
        report.sections += [(f"nodes of {name}", value.evidence())
                            for name, value in item.funcargs.items()
                            if isinstance(value, Service)]
