#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Builds the kernel of the release before, and those of its programs that tests run, from
its commit, into build/before/COMMIT: `make before`. What is there already stays.

    folder = before(ROOT, Path("build"))        deos.elf and boot.cpio
"""
from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ("deos.elf", "boot.cpio")
PROGRAMS = ("init", "sh", "remote")     # all of them would take twice as long


class NoHistory(Exception):
    """This tree has no such commit: it is no clone, or a shallow one."""


def commit_before(root: Path) -> str:
    """The commit of the newest released version (net/wire/versions.def)."""
    rows = re.findall(r'^X\(\d+, "[^"]+", "(\w+)"',
                      (root / "net/wire/versions.def").read_text(encoding="utf-8"), re.M)
    return rows[-1]


def export(root: Path, commit: str, folder: Path):
    """The files of a commit, with its time as theirs."""
    found = subprocess.run(["git", "-C", root, "cat-file", "-e", f"{commit}^{{commit}}"],
                           capture_output=True, check=False)
    if found.returncode:
        raise NoHistory(f"commit {commit} is not here: git fetch --unshallow")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with subprocess.Popen(["git", "-C", root, "archive", commit],
                          stdout=subprocess.PIPE) as archive:
        subprocess.run(["tar", "-x", "-C", folder], stdin=archive.stdout, check=True)
    if archive.returncode:
        raise NoHistory(f"git archive {commit} failed")


def make(folder: Path, sodium: Path, *words: str):
    """Runs an exported tree's own make; libsodium's source is fetched once for all."""
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")}
    done = subprocess.run(["make", "-C", folder, "-s", f"-j{os.cpu_count() or 1}", *words,
                           f"SODIUM={sodium}"], env=environment | {"DEOS_SETUP": "skip"},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    if done.returncode:
        raise RuntimeError(f"make {' '.join(words)} in {folder}:\n{done.stdout[-4000:]}")


def before(root: Path, build: Path) -> Path:
    """The folder of both images, made when they are not there."""
    commit = commit_before(root)
    folder = build.resolve() / "before" / commit
    if not (folder / "complete").exists():
        tree = folder / "tree"
        export(root, commit, tree)
        programs = [f"build/libos/bin/{name}" for name in PROGRAMS]
        make(tree, build.resolve() / "sodium", "B=build", "build/deos.elf", *programs)
        shutil.copy(tree / "build/deos.elf", folder)
        subprocess.run([sys.executable, "libos/programs/pack.py", folder / "boot.cpio",
                        *programs], cwd=tree, check=True)
        shutil.rmtree(tree)
        (folder / "complete").touch()
    return folder


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Build the release before.")
    parser.add_argument("--build", type=Path, default=Path("build"), metavar="DIR")
    try:
        print(before(ROOT, ROOT / parser.parse_args().build))
    except (NoHistory, RuntimeError) as error:
        print(f"before: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
