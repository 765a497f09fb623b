# SPDX-License-Identifier: BSD-2-Clause
"""pytest plugin: in which order tests run, and what workers take of them at a time.

A worker takes a file, so that a module's machines boot once; of a file that says
`pytest.mark.apart`, whose tests share nothing, it takes one test. What is marked `early`
takes longest and comes first; then files with QEMU tests; then single ones, and the
short tests of the host, which fill the gaps at the end.
"""
from functools import cache
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]):
    """Sorts by what takes long, in a fixed order."""
    def having(mark: str) -> set[Path]:
        return {item.path for item in items if item.get_closest_marker(mark)}
    slow, apart, early = having("qemu"), having("apart"), having("early")

    def is_late(item: pytest.Item) -> bool:
        return not (item.get_closest_marker("early") if item.path in apart
                    else item.path in early)
    items.sort(key=lambda item: (is_late(item), item.path not in slow, item.path in apart))


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    """Deals out files and single tests."""
    from xdist.scheduler import LoadFileScheduling

    @cache
    def is_apart(file: str) -> bool:
        # Collected is in the workers only: here are names.
        path = config.rootpath / file
        return path.suffix == ".py" and "pytest.mark.apart" in path.read_text(encoding="utf-8")

    class Scheduling(LoadFileScheduling):
        """By file, or by test."""

        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return nodeid if is_apart(file) else file

    return Scheduling(config, log)
