# SPDX-License-Identifier: BSD-2-Clause
"""pytest plugin: every cmocka program is a test file, every test in it an item.

A file x_test.c is collected by its source: the names inside cmocka_unit_test*()
become items, so that they can be selected with -k before anything was built.
The program, build/host/.../x_test, runs once, when the first of them does; its
report tells what became of each. One more item, `exit`, fails when the program
as a whole did (a leak, a sanitizer's report after the last test, a test that the
report does not show), so that nothing can pass by not running.
"""
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

DECLARED = re.compile(r"\bcmocka_unit_test\w*\(\s*(\w+)")
# cmocka's own report; what a test printed may stand before it on the line.
EVENT = re.compile(r"\[ +(RUN|OK|FAILED|SKIPPED) +\] (\w+)$")
TIMEOUT_S = 250     # under pytest's own, so that the output so far is shown


def pytest_collect_file(file_path: Path, parent):
    """Claims the C sources that hold host tests."""
    if file_path.name.endswith("_test.c"):
        return CProgram.from_parent(parent, path=file_path)
    return None


def declared(source: str) -> list[str]:
    """The names of the tests in a C source, each once, in order."""
    source = re.sub(r"//[^\n]*", "", source)
    return list(dict.fromkeys(DECLARED.findall(source)))


class Report:
    """What one run of a cmocka program showed."""

    def __init__(self, output: str, status: int, timed_out: bool = False):
        self.output = output
        self.status = status
        self.timed_out = timed_out
        self.outcome: dict[str, str] = {}
        self.text: dict[str, str] = {}
        self._read(output)

    def _read(self, output: str):
        running, lines = None, []
        for line in output.splitlines():
            found = EVENT.search(line)
            if not found:
                lines.append(line)
                continue
            event, name = found.groups()
            if event == "RUN":
                running, lines = name, []
                self.outcome[name] = "RUN"
            elif name == running:
                lines.append(line[:found.start()])
                self.outcome[name] = event
                self.text[name] = "\n".join(lines).strip()
                running = None
        if running:
            self.text[running] = "\n".join(lines).strip()

    def ending(self) -> str:
        """How the program ended, in words."""
        if self.timed_out:
            return f"killed after {TIMEOUT_S} s"
        if self.status < 0:
            return f"ended by {signal.Signals(-self.status).name}"
        return f"exit status {self.status}"


def run(program: Path, root: Path) -> Report:
    """Runs a cmocka program to its end or its time limit."""
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="STDOUT",
               UBSAN_OPTIONS="print_stacktrace=1",
               ASAN_OPTIONS="detect_stack_use_after_return=1:strict_string_checks=1")
    with subprocess.Popen([program], cwd=root, env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          start_new_session=True) as process:
        try:
            output, _ = process.communicate(timeout=TIMEOUT_S)
            timed_out = False
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            timed_out = True
    return Report(output.decode(errors="replace"), process.returncode, timed_out)


class CProgram(pytest.File):
    """One x_test.c and the program built from it."""

    _report = None

    def collect(self):
        for name in declared(self.path.read_text(encoding="utf-8")):
            yield CTest.from_parent(self, name=name)
        yield CExit.from_parent(self, name="exit")

    def report(self) -> Report:
        """The program's report; runs it at the first call."""
        if self._report is None:
            root = self.config.rootpath
            build = root / os.environ.get("DEOS_BUILD", "build")
            program = (build / "host" / self.path.relative_to(root)).with_suffix("")
            if not program.exists():
                raise CFailure(f"{program} was not built: its compiler's messages stand "
                               "above; make host-tests shows them again")
            self._report = run(program, root)
        return self._report


class CFailure(Exception):
    """A failed C test, with the text to show for it."""


class CItem(pytest.Item):
    """Shows a failure as the program's own words, not as Python's."""

    def repr_failure(self, excinfo, style=None):
        if isinstance(excinfo.value, CFailure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self):
        return self.path, None, self.name


class CTest(CItem):
    """One test of a cmocka program."""

    def runtest(self):
        report = self.parent.report()
        outcome = report.outcome.get(self.name)
        text = report.text.get(self.name, "")
        if outcome == "SKIPPED":
            pytest.skip(text or "skipped by the test itself")
        if outcome == "RUN":
            raise CFailure(f"{text}\n{self.name}: the program did not come back: "
                           f"{report.ending()}")
        if outcome is None:
            raise CFailure(f"{self.name} did not run: {report.ending()}\n"
                           f"{report.output[-2000:]}")
        if outcome != "OK":
            raise CFailure(text)


class CExit(CItem):
    """The program as a whole: ended well, and reported all that it declares."""

    def runtest(self):
        report = self.parent.report()
        names = declared(self.path.read_text(encoding="utf-8"))
        failed = [name for name, outcome in report.outcome.items() if outcome == "FAILED"]
        if report.timed_out or report.status < 0 or bool(report.status) != bool(failed):
            raise CFailure(f"{report.output[-6000:]}\n{self.path.name}: {report.ending()}, "
                           f"{len(failed)} tests failed")
        if not report.outcome:
            raise CFailure(f"{self.path.name} ran no test")
        # Tests that the source declares by a macro of its own have no item.
        unseen = [f"{name}: {report.text[name]}" for name in failed if name not in names]
        if unseen:
            raise CFailure("\n".join(unseen))
