# SPDX-License-Identifier: BSD-2-Clause
"""The command line of deosctl."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from clusters.failure import Failure, Usage
from clusters.options import build_folder
from clusters.report import Report
from clusters.words import UNITS, Parser, whole

from . import fabric, find, verbs

PAGE = 4096
COUNT_MAX = 64
NAME = re.compile(r"[a-z][a-z0-9-]{0,22}")


def count(text: str) -> str:
    """How many instances."""
    if text != verbs.EVERY:
        try:
            whole(1, COUNT_MAX)(text)
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentTypeError(f"{error}, nor `{verbs.EVERY}` (one on each node)"
                                             ) from error
    return text


def memory(text: str) -> int:
    """Bytes, from 512K, 8M or 1G; a plain number is MiB."""
    found = re.fullmatch(r"(\d{1,9})([KMG]?)", text.upper())
    if not found or not PAGE <= int(found[1]) * UNITS[found[2]] <= 1 << 40:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size like 512K, 8M or 1G")
    return int(found[1]) * UNITS[found[2]]


def job_name(text: str) -> str:
    """A job's name, by the record's rule."""
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"'{text}' is no job's name: 1 to 23 of a-z, 0-9 and "
                                         "-, beginning with a letter")
    return text


def any_name(text: str) -> str:
    """A job or a node: the cluster knows which."""
    if not text or len(text) > 63 or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} names no job or node")
    return text


def add_deploy(verb: argparse.ArgumentParser) -> None:
    """The two things that are deployed."""
    what = verb.add_subparsers(dest="what", required=True, metavar="site|job")
    site = what.add_parser("site", help="upload a website: DIR and all below it",
                           description="Upload a website; the old one is served until all nodes "
                           "that matter have the new one. Deploys the job `web` first where "
                           "there is none.")
    site.add_argument("folder", type=Path, metavar="DIR")
    site.set_defaults(run=verbs.deploy_site)
    job = what.add_parser("job", help="upload a program, and run instances of it",
                          description="Upload a program and run instances of it. What follows -- "
                          "are its arguments. A job of that name is replaced.",
                          usage="deosctl deploy job FILE [--name NAME] [--count N|every] "
                          "[--port P] [--memory SIZE] [--slices N] [-- ARG...]")
    job.add_argument("file", type=Path, metavar="FILE", help="an ELF program, as in "
                     "build/libos/bin")
    job.add_argument("--name", type=job_name, help="(default: the file's name)")
    job.add_argument("--count", type=count, default="1", metavar="N|every",
                     help="instances, or one on every node (default 1)")
    job.add_argument("--port", type=whole(1, 65535), metavar="P",
                     help="TCP port that its instances serve")
    job.add_argument("--memory", type=memory, default=8 << 20, metavar="SIZE",
                     help="of each instance (default 8M)")
    job.add_argument("--slices", type=whole(1, 64), default=1, metavar="N",
                     help="CPU slices of each instance (default 1)")
    job.set_defaults(run=verbs.deploy_job)


def add_fabric(verb) -> None:
    """What there is to see of the fabric."""
    for name, run, text in (
            ("links", fabric.links, "show the links of a node, or of all, to the others"),
            ("fabric", fabric.fabric, "show what a node's fabric counts, or all nodes': frames "
             "by reason, operations, capabilities across machines")):
        verb(name, run, text).add_argument("node", type=any_name, nargs="?", metavar="NODE")
    one = verb("trace", fabric.trace, "write the newest events of a node's fabric, or of all "
               "nodes', to a file for harness/trace")
    one.add_argument("file", type=Path, metavar="FILE")
    one.add_argument("node", type=any_name, nargs="?", metavar="NODE")
    verb("metrics", fabric.metrics, "print the counters of the node that answers, as Prometheus "
         "reads them")


def parser() -> Parser:
    """The command line."""
    top = Parser(prog="deosctl", description="Operate a cluster, in QEMU or in a rack.",
                 epilog="A NODE is its address or the first digits of its UUID. docs/deosctl.md "
                 "has examples.")
    top.add_argument("--cluster", metavar="URL", help="http://HOST[:PORT] of any node or of the "
                     f"virtual address (port {find.PORT}); default: the cluster that "
                     "harness/cluster up started")
    top.add_argument("--state", type=Path, default=build_folder() / "cluster", metavar="DIR",
                     help="the state folder of that cluster (default build/cluster)")
    top.add_argument("--json", action="store_true", help="print the answers as they come")
    words = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, run, text: str) -> argparse.ArgumentParser:
        one = words.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        one.set_defaults(run=run)
        return one

    verb("status", verbs.status, "show the cluster as a whole")
    verb("nodes", verbs.nodes, "show every node")
    verb("jobs", verbs.jobs, "show every job and where it runs")
    add_deploy(verb("deploy", None, "upload a website or a program"))
    one = verb("scale", verbs.scale, "change how many instances a job has")
    one.add_argument("name", type=job_name, metavar="JOB")
    one.add_argument("count", type=count, metavar="N|every")
    verb("remove", verbs.remove, "remove a job").add_argument("name", type=job_name, metavar="JOB")
    one = verb("logs", verbs.logs, "show what a job's instances or a node's programs printed")
    one.add_argument("name", type=any_name, metavar="JOB|NODE")
    one.add_argument("--lines", type=whole(1, 10000), default=100, metavar="N",
                     help="newest lines of each (default 100)")
    one = verb("events", verbs.events, "show what happened, on one node or on all, oldest first")
    one.add_argument("node", type=any_name, nargs="?", metavar="NODE")
    one.add_argument("--since", type=whole(0, (1 << 64) - 1), default=0, metavar="N",
                     help="only events with higher numbers (they count on each node by itself)")
    verb("caps", verbs.caps, "show the capabilities that a node's agent and jobs hold"
         ).add_argument("name", type=any_name, metavar="NODE")
    add_fabric(verb)
    return top


def split(words: list[str]) -> tuple[list[str], list[str] | None]:
    """The command line, and what follows its `--`."""
    if "--" not in words:
        return words, None
    at = words.index("--")
    return words[:at], words[at + 1:]


def run(words: list[str]) -> None:
    """One command."""
    ours, theirs = split(words)
    given = parser().parse_args(ours)
    if theirs is not None and given.run is not verbs.deploy_job:
        raise Usage("only deploy job takes arguments after --; see deosctl --help")
    given.arguments = theirs or []
    if given.run is verbs.deploy_job and not given.name and not NAME.fullmatch(given.file.name):
        raise Usage(f"'{given.file.name}' is no job's name: give one with --name")
    client = find.client_of(given.cluster) if given.cluster else find.running(given.state)
    given.run(verbs.Context(client, given, Report(name="deosctl")))


def main() -> int:
    """Exit status 0, 2 for a command that was wrong, 1 for anything else."""
    try:
        run(sys.argv[1:])
        sys.stdout.flush()  # whoever reads may be gone: now, not at the end, it is told here
        return 0
    except Failure as failure:
        print(f"deosctl: {' '.join(str(failure).split())}", file=sys.stderr)
        return failure.status
    except BrokenPipeError:
        verbs.quiet_output()
        return 1
    except KeyError as error:
        print(f"deosctl: the cluster's answer lacks {error}: is it of another version?",
              file=sys.stderr)
        return 1
