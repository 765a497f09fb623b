# SPDX-License-Identifier: BSD-2-Clause
"""pytest plugin: in which order test files run, and which run by themselves.

Files are the unit that workers take (xdist's loadfile), so that a module's
machines boot once. Files with QEMU tests come first, and of them those with tests
marked `long`: short ones fill the gap at the end. A test marked `alone` measures time or load;
while it runs, no other worker runs a test (shared and exclusive file lock).
"""
import fcntl
import os
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]):
    """Moves the files that hold QEMU tests to the front, in a fixed order."""
    slow = {item.path for item in items if item.get_closest_marker("qemu")}
    longest = {item.path for item in items if item.get_closest_marker("long")} & slow
    items.sort(key=lambda item: (item.path not in longest, item.path not in slow))


def _lock_path(config: pytest.Config) -> Path:
    folder = config.rootpath / os.environ.get("DEOS_BUILD", "build") / "test"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"alone-{os.environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}.lock"


def pytest_configure(config: pytest.Config):
    """Opens the lock file; every worker of a run has the same one."""
    config.stash[LOCK] = os.open(_lock_path(config), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)


def pytest_unconfigure(config: pytest.Config):
    """Closes the lock and removes its file."""
    os.close(config.stash[LOCK])
    _lock_path(config).unlink(missing_ok=True)


LOCK = pytest.StashKey[int]()


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item):
    """Holds the lock around a test, outside of its time limit."""
    alone = item.get_closest_marker("alone") is not None
    lock = item.config.stash[LOCK]
    fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
    yield
    fcntl.flock(lock, fcntl.LOCK_UN)
