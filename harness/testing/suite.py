#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Builds and runs all tests: `make test` and `make test-quick`.

One pytest session collects the C programs (cprogram.py) and the Python tests.
The last line on standard output is `N passed, N failed`, with `, N skipped`
behind it where some were; what does not compile counts as failed. Words after
`--` go to pytest: `make test ARGS='-k tcp'`.
"""
import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = "harness/testing"
SIMULATORS = ("sim-checked", "sim-cluster-checked", "dsm-sim-checked")  # under sanitizers


class Counter:
    """Counts outcomes as they come in, from every worker."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def pytest_runtest_logreport(self, report):
        """A test's set-up, call or tear-down ended."""
        if report.failed:
            self.failed += 1
        elif report.skipped:
            self.skipped += 1
        elif report.when == "call":
            self.passed += 1

    def pytest_collectreport(self, report):
        """A file was read."""
        if report.failed:
            self.failed += 1

    def line(self) -> str:
        """The last line of the run."""
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Build and run all tests.")
    parser.add_argument("--quick", action="store_true",
                        help="leave out long tests and those that need QEMU")
    parser.add_argument("--build", default="build", metavar="DIR", help="build folder")
    parser.add_argument("--jobs", type=int, default=2, metavar="N",
                        help="processors to use (1: tests in order, output at once)")
    parser.add_argument("words", nargs="*", metavar="-- WORD", help="passed to pytest")
    return parser.parse_args()


def make(*words: str) -> int:
    """Runs make; its output goes where ours goes."""
    command = [os.environ.get("MAKE", "make"), "--no-print-directory", *words]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def build(folder: str, jobs: int) -> bool:
    """Builds everything that tests need. Programs that failed do not stay behind from earlier."""
    if make("-k", f"-j{jobs}", f"B={folder}", "all", "checked", "broken-kernel",
            "floor-kernel", "stays-kernel", "host-tests",
            *(f"{folder}/harness/{name}" for name in SIMULATORS)) == 0:
        return True
    for source in ROOT.glob("*/**/*_test.c"):
        program = (ROOT / folder / "host" / source.relative_to(ROOT)).with_suffix("")
        if program.exists() and make("-q", f"B={folder}", str(program.relative_to(ROOT))):
            program.unlink()
    return False


def prepare(folder: str):
    """Keeps everything that Python and its tests write inside the build folder."""
    state = ROOT / folder / "test"
    state.mkdir(parents=True, exist_ok=True)
    os.chdir(ROOT)
    os.environ["DEOS_BUILD"] = folder
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(state / "pycache")
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(state / "hypothesis")
    sys.path[0] = str(ROOT / HERE)


def main() -> int:
    """Builds, runs, counts."""
    options = arguments()
    prepare(options.build)
    import pytest               # after prepare(): it compiles what it imports

    built = build(options.build, options.jobs)
    words = ["-c", f"{HERE}/pytest.ini", "--rootdir", str(ROOT), "-q", "-rs"]
    if options.jobs > 1:
        # Nodes wait more than they compute.
        workers = options.jobs + 1 if options.quick else 2 * options.jobs
        words += ["-n", str(workers), "--dist", "loadfile"]
    if options.quick:
        words += ["-m", "not qemu and not long"]
    counter = Counter()
    status = pytest.main(words + options.words, plugins=[counter])
    if not built:
        print("the build failed: its messages stand at the top")
        counter.failed += 1
    if status not in (0, 1) and not counter.failed:
        print(f"pytest did not finish: {status!s}")
        counter.failed += 1
    print(counter.line(), flush=True)
    return 1 if counter.failed or status else 0


if __name__ == "__main__":
    sys.exit(main())
