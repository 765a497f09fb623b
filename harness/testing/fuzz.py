#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs fuzz targets for a bounded time: `make fuzz SECONDS=60`.

The time is for all targets together, spread evenly. What a target learned stays
in build/fuzz/.../corpus, so the next run goes on from there; a failure leaves the
input behind and prints the command that replays it.

What mutations alone do not find, a target's source names in its head: `// words:` are
pieces of inputs, escaped as in C, \\s for a blank; `// seeds:` are files of the build
folder, of at most SEED_BYTES, that are inputs; `// lines:` are files of the sources whose
lines are inputs in hex: blanks, and what stands behind a #, are for people.
"""
import argparse
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SECONDS_MIN = 2
GRACE_S = 30        # for one slow input when the time is up
SEED_BYTES = 65536
ROOT = Path(__file__).resolve().parents[2]
EXECUTED = re.compile(r"^Done (\d+) runs", re.MULTILINE)
COVERED = re.compile(r"cov: (\d+)")


def named(source: str, what: str) -> list[str]:
    """The words behind `// WHAT:` in a source's head."""
    return [word for line in re.findall(rf"^// {what}: (.*)$", source, re.M)
            for word in line.split()]


def dictionary(words: list[str]) -> str:
    """As libFuzzer reads it: every byte that is no letter or digit as \\xNN."""
    plain = (word.replace("\\s", " ").encode().decode("unicode_escape").encode("latin-1")
             for word in words)
    return "".join('"' + "".join(chr(byte) if chr(byte).isalnum() and byte < 128
                                 else f"\\x{byte:02x}" for byte in word) + '"\n'
                   for word in plain)


def inputs(text: str) -> list[bytes]:
    """The inputs of a file that `// lines:` names."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [bytes.fromhex(line) for line in lines if line]


def hints(program: Path, corpus: Path) -> list[str]:
    """Options for what the source names; seeds go into the corpus."""
    build, _, inner = str(program).rpartition("/fuzz/")
    source = (ROOT / inner).with_suffix(".c")
    text = source.read_text(encoding="utf-8") if source.exists() else ""
    for pattern in named(text, "seeds"):
        for path in Path(build).glob(pattern):
            if path.stat().st_size <= SEED_BYTES:
                (corpus / path.name).write_bytes(path.read_bytes())
    for name in named(text, "lines"):
        for number, data in enumerate(inputs((ROOT / name).read_text(encoding="utf-8")), 1):
            (corpus / f"{Path(name).name}.{number}").write_bytes(data)
    words = named(text, "words")
    if not words:
        return []
    file = program.with_name(program.name + ".words")
    file.write_text(dictionary(words), encoding="utf-8")
    return [f"-dict={file}"]


def fuzz(program: Path, seconds: int, seed: int) -> tuple[bool, str]:
    """Runs one target; returns whether it held, and what there is to say."""
    corpus = program.with_name(program.name + ".corpus")
    crashes = program.with_name(program.name + ".crashes")
    for folder in (corpus, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    command = [str(program), f"-max_total_time={seconds}", f"-seed={seed}", "-timeout=10",
               "-rss_limit_mb=2048", "-print_final_stats=0", "-use_value_profile=1",
               f"-artifact_prefix={crashes}/", *hints(program, corpus), str(corpus)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, start_new_session=True) as process:
        try:
            output = process.communicate(timeout=seconds + GRACE_S)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output = process.communicate()[0] + b"\nkilled: it did not end by itself"
    text = output.decode(errors="replace")
    if process.returncode == 0:
        runs, cover = EXECUTED.search(text), COVERED.findall(text)
        return True, f"{runs[1] if runs else '?'} runs, {cover[-1] if cover else '?'} branches"
    kept = re.search(r"Test unit written to (\S+)", text)
    replay = f"\nreplay: {program} {kept[1]}" if kept else ""
    return False, text[-4000:] + replay


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Run fuzz targets for a bounded time.")
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1,
                        help="targets side by side")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("SEED", "1")),
                        help="of libFuzzer's mutations (default: SEED, or 1)")
    parser.add_argument("programs", nargs="*", type=Path, metavar="PROGRAM")
    options = parser.parse_args()
    if options.seconds < 1 or options.jobs < 1:
        parser.error("--seconds and --jobs are at least 1")
    if not options.programs:
        print("no fuzz targets (*_fuzz.c) in the tree")
        return 0
    share = min(options.jobs / len(options.programs), 1)
    each = max(SECONDS_MIN, int(options.seconds * share))
    print(f"{len(options.programs)} targets, {each} s each, SEED={options.seed}", flush=True)
    failed = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        results = pool.map(lambda program: fuzz(program, each, options.seed), options.programs)
        for program, (held, text) in zip(options.programs, results):
            print(f"{'ok  ' if held else 'FAIL'} {program}: {text}", flush=True)
            failed += not held
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
