# SPDX-License-Identifier: BSD-2-Clause
"""pytest plugin: in which order tests run, and what workers take of them at a time.

A worker takes a file, so that a module's machines boot once; of a file that says
`pytest.mark.apart`, whose tests share nothing, it takes one test. Files with QEMU tests
come first, and of them those marked `long`; then single tests, of which the last ones
fill the gaps at the end.
"""
from functools import cache
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]):
    """Sorts by what takes long, in a fixed order."""
    def having(mark: str) -> set[Path]:
        return {item.path for item in items if item.get_closest_marker(mark)}
    slow, apart = having("qemu"), having("apart")
    longest = having("long") & slow
    items.sort(key=lambda item: (item.path not in longest, item.path not in slow,
                                 item.path in apart))


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
