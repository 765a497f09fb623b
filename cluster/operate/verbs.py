# SPDX-License-Identifier: BSD-2-Clause
"""What deosctl's verbs do: each asks the cluster, and says what came of it."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Callable, Iterator

from clusters.failure import Failure, Usage
from clusters.options import build_folder
from clusters.report import Report
from clusters.site import Site, fail_os, read_site

from . import bundle, show
from .client import Client, Lost, Refused, Upload

WEB = "web"
WEB_PORT = 80
# Of what is free on the node that has least, and within these bounds.
WEB_SHARE = 3
WEB_BYTES = (4 << 20, 128 << 20)
PAGE = 4096
IMAGE_MAX = 8 << 20
TRIES = 10  # of an upload: a deployment that was broken off takes its time to end
CHANGE_TRIES = 3
PAUSE_SECONDS = 2.0
LINE_SECONDS = 5.0
EVERY = "every"


class Context:
    """What a verb works with."""

    def __init__(self, client: Client, words: argparse.Namespace, report: Report) -> None:
        self.client = client
        self.words = words
        self.report = report

    def print(self, told: dict, text: Callable[[dict], str]) -> None:
        """An answer, as JSON or for people."""
        if self.words.json:
            self.report.answer(json.dumps(told, ensure_ascii=True))
        else:
            self.report.answer(text(told))


# ---- looking ----

def status_text(told: dict) -> str:
    """The cluster in a screen."""
    site, holder = told["site"], show.short(told["holder"])
    formed = (f"{show.plural(told['voters'], 'voter')}, "
              f"{'a majority of them answers' if told['majority'] else 'NO MAJORITY answers'}"
              if told["formed"] else "NOT FORMED")
    lines = [f"cluster   {show.clean(told['cluster'])}: {formed}"]
    if told["reason"]:
        lines.append(f"reason    {show.clean(told['reason'])}")
    lines += [f"address   {show.clean(told['virtual_address'])}, held by node {holder}",
              f"site      generation {site['generation']}: {show.plural(site['files'], 'file')}, "
              f"{show.size(site['bytes'])}" if site["generation"] else "site      none yet",
              "", show.table(("NODE", "STATE", "ADDRESS", "REASON"),
                             [(show.short(node["uuid"]), node["life"], node["address"],
                               node["reason"]) for node in told["nodes"]])]
    if told["jobs"]:
        lines += ["", show.table(("JOB", "STATE", "RUNNING", "REASON"),
                                 [(job["name"], job["state"],
                                   f"{job['running']} of {job['wanted']}", job["reason"])
                                  for job in told["jobs"]])]
    return "\n".join(lines)


def status(context: Context) -> None:
    """The cluster as a whole."""
    context.print(context.client.get("status"), status_text)


def node_row(node: dict) -> tuple:
    """A line of `nodes`."""
    roles = [role for role in ("self", "voter", "holder", "coordinator") if node[role]]
    jobs = ", ".join(f"{one['job']}.{one['number']}" +
                     (f" ({one['state']})" if one["state"] != "running" else "")
                     for one in node["instances"])
    disk = (f"{show.size(node['disk_free_bytes'])} of {show.size(node['disk_bytes'])}"
            if node["disk_bytes"] else "none")
    copies = (f"{node['objects_fine']} of {node['objects']}"
              if node["disk_bytes"] and node["objects"] is not None else "-")
    return (show.short(node["uuid"]), node["life"], show.span(node["since_s"]), node["address"],
            show.size(node["memory_free_bytes"]), disk, copies, node["slices_free"],
            " ".join(roles) or "-", jobs or "-", node["reason"])


def nodes(context: Context) -> None:
    """Every node."""
    context.print(context.client.get("nodes"), lambda told: show.table(
        ("NODE", "STATE", "FOR", "ADDRESS", "MEMORY FREE", "DISK FREE", "COPIES",
         "SLICES FREE", "ROLES", "RUNS", "REASON"), [node_row(node) for node in told["nodes"]]))


def job_row(job: dict) -> tuple:
    """A line of `jobs`."""
    where = ", ".join(f"{one['number']} on {show.short(one['node'])}" +
                      (f" ({one['state']})" if one["state"] != "running" else "")
                      for one in job["instances"])
    return (job["name"], job["state"], f"{job['running']} of {job['wanted']}", job["count"],
            job["port"], show.size(job["memory_bytes"]), job["slices"],
            show.size(job["image"]["bytes"]), job["arguments"] or "-", where or "-",
            job["reason"])


def jobs(context: Context) -> None:
    """Every job."""
    context.print(context.client.get("jobs"), lambda told: show.table(
        ("JOB", "STATE", "RUNNING", "COUNT", "PORT", "MEMORY", "SLICES", "IMAGE", "ARGUMENTS",
         "INSTANCES", "REASON"), [job_row(job) for job in told["jobs"]])
        if told["jobs"] else "no jobs: `deosctl deploy job FILE` deploys one")


def logs_text(told: dict) -> str:
    """What programs printed, each under its name."""
    parts = []
    for log in told["logs"]:
        if log["reason"]:
            parts.append(f"---- node {show.short(log['node'])}: {show.clean(log['reason'])}")
            continue
        parts.append(f"---- {show.clean(log['program'])}.{log['number']} on node "
                     f"{show.short(log['node'])}\n"
                     f"{show.clean(log['text'], lines=True).rstrip()}".rstrip())
    if told["truncated"]:
        parts.append("---- more did not fit: ask for fewer lines (--lines)")
    return "\n".join(parts) or "nothing was printed"


def logs(context: Context) -> None:
    """What a job's instances or a node's programs printed."""
    told = context.client.get("logs", context.words.name, lines=context.words.lines)
    context.print(told, logs_text)


def all_events(context: Context) -> list[dict]:
    """The events of the node that is meant, or of all that are alive."""
    query: dict[str, object] = {"since": context.words.since} if context.words.since else {}
    if context.words.node:
        return [context.client.get("events", node=context.words.node, **query)]
    told = []
    for node in context.client.get("status")["nodes"]:
        if node["life"] == "dead":
            continue
        try:
            told.append(context.client.get("events", node=node["uuid"], **query))
        except Refused as error:
            context.report.step(f"node {show.short(node['uuid'])}: {error}")
    return told


def event_lines(told: list[dict], now: float) -> Iterator[str]:
    """Events of several nodes in the order in which they happened."""
    every = [(now - event["ago_ms"] / 1000, answer["node"], event)
             for answer in told for event in answer["events"]]
    for at, node, event in sorted(every, key=lambda one: (one[0], one[1], one[2]["number"])):
        clock = time.strftime("%H:%M:%S", time.localtime(at))
        change = f"{event['from']} -> {event['to']}" if event["from"] else event["to"]
        text = f"{event['kind']} {event['who']}: {show.clean(change)}"
        if event["reason"]:
            text += f": {event['reason']}"
        yield f"{clock}.{int(at * 10) % 10}  {show.short(node)}  {show.clean(text)}"


def events(context: Context) -> None:
    """What happened."""
    told = all_events(context)
    context.print({"nodes": told}, lambda _: "\n".join(event_lines(told, time.time()))
                  or "nothing happened yet")


def caps(context: Context) -> None:
    """The capabilities of a node's agent and jobs."""
    told = context.client.whole("caps", context.words.name, "capabilities")
    context.print(told, lambda told: show.table(
        ("PROGRAM", "ENV", "SLOT", "TYPE", "RIGHTS", "BASE", "COUNT", "DEPTH", "CHILDREN"),
        [(cap["program"], cap["environment"], cap["slot"], cap["type"], cap["rights"],
          cap["base"], cap["count"], cap["depth"], cap["children"])
         for cap in told["capabilities"]]) + (f"\n{show.CUT}" if told["truncated"] else ""))


# ---- changing ----

def patiently(context: Context, what: str, change: Callable[[], dict], tries: int = TRIES
              ) -> dict:
    """Tries again what may pass: a lost connection, a cluster that cannot just now. Every
    change may be repeated: the second time it finds done what the first one did."""
    for tried in range(1, tries + 1):
        try:
            return change()
        except Lost as error:
            if tried == tries:
                raise
            why = str(error)
        except Refused as error:
            if error.code != 503 or tried == tries:
                raise
            why = str(error)
        context.report.step(f"{what}: {why}; once more in {PAUSE_SECONDS:.0f} s")
        time.sleep(PAUSE_SECONDS)
    raise AssertionError("not reached")


def ready(context: Context) -> dict:
    """The status of a cluster that can be changed."""
    told = context.client.get("status")
    if not told["formed"] or not told["majority"]:
        raise Failure(f"the cluster takes no changes now: "
                      f"{show.clean(told['reason'] or 'it has no majority')}")
    return told


def image(path: Path) -> bytes:
    """A program's file."""
    try:
        if path.stat().st_size > IMAGE_MAX:
            raise Failure(f"{path}: more than {show.size(IMAGE_MAX)}: no program of the cluster")
        content = path.read_bytes()
    except OSError as error:
        raise fail_os(error) from error
    if content[:4] != b"\x7fELF":
        raise Failure(f"{path}: no ELF program: programs of this build lie in "
                      f"{build_folder() / 'libos' / 'bin'}")
    return content


def put_job(context: Context, name: str, content: bytes, query: dict[str, object]) -> dict:
    """Deploys a job."""
    return patiently(context, f"job {name}", lambda: context.client.request(
        "PUT", ("jobs", name), query, Upload(len(content), [content])))


def web_memory(context: Context) -> int:
    """What the web server may have on each node: a share of the least that is free."""
    free = [node["memory_free_bytes"] for node in context.client.get("nodes")["nodes"]
            if node["life"] != "dead" and node["memory_free_bytes"]]
    wanted = min(free, default=WEB_BYTES[0]) // WEB_SHARE
    return min(max(wanted, WEB_BYTES[0]), WEB_BYTES[1]) // PAGE * PAGE


def deploy_web(context: Context) -> None:
    """The job that serves the site, where there is none."""
    path = build_folder() / "libos" / "bin" / WEB
    if not path.exists():
        raise Failure(f"{path} is not built: run make")
    memory = web_memory(context)
    put_job(context, WEB, image(path), {"count": EVERY, "port": WEB_PORT,
                                        "frames": memory // PAGE, "slices": 1})
    context.report.step(f"no job served sites: deployed {WEB} on every node, port {WEB_PORT}, "
                        f"{show.size(memory)} each")


class Progress:
    """How far an upload is: a live line, or a line now and then."""

    def __init__(self, report: Report, length: int) -> None:
        self.report = report
        self.length = length
        self.began = self.said = time.monotonic()
        self.sent = 0

    def follow(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The pieces, and a word about them."""
        for piece in pieces:
            yield piece
            self.sent += len(piece)
            self._say()
        self.report.live(f"sent {show.size(self.length)}: waiting for the nodes to agree")

    def _say(self) -> None:
        now = time.monotonic()
        speed = self.sent / max(now - self.began, 0.001)
        text = (f"{show.size(self.sent)} of {show.size(self.length)} "
                f"({100 * self.sent // self.length}%), {show.size(int(speed))}/s")
        self.report.live(text)
        if not self.report.is_live and now - self.said >= LINE_SECONDS:
            self.said = now
            self.report.step(text)


def put_site(context: Context, site: Site) -> dict:
    """One try of a deployment."""
    progress = Progress(context.report, bundle.length(site))
    upload = Upload(progress.length, progress.follow(bundle.pack(site)))
    return context.client.request("PUT", ("site",), None, upload)


def deploy_site(context: Context) -> None:
    """Uploads a website."""
    site = read_site(context.words.folder)
    bundle.check(site)
    told = ready(context)
    if not any(job["name"] == WEB for job in told["jobs"]):
        deploy_web(context)
    context.report.step(f"deploying {show.plural(len(site.members), 'file')}, "
                        f"{show.size(site.content_bytes)}, to {context.client.name}")
    began = time.monotonic()
    told = patiently(context, "the deployment", lambda: put_site(context, site))
    told["seconds"] = round(time.monotonic() - began, 3)
    context.print(told, lambda _: f"deployed {show.plural(told['files'], 'file')}, "
                  f"{show.size(told['bytes'])} in {told['seconds']:.1f} s: the site's "
                  f"generation {told['generation']}")


def deploy_job(context: Context) -> None:
    """Uploads a program."""
    words = context.words
    content = image(words.file)
    name = words.name or words.file.name
    query: dict[str, object] = {"count": words.count, "port": words.port or 0,
                                "frames": -(-words.memory // PAGE), "slices": words.slices}
    for word in words.arguments:
        if not word or word.split() != [word] or not word.isascii() or not word.isprintable():
            raise Usage(f"argument {word!r}: arguments of jobs are plain words without blanks")
    if words.arguments:
        query["args"] = " ".join(words.arguments)
    ready(context)
    told = put_job(context, name, content, query)
    context.print(told, lambda _: f"deployed job {name} ({show.size(len(content))}): "
                  "`deosctl jobs` shows where it runs")


def scale(context: Context) -> None:
    """Changes how many instances a job has."""
    words = context.words
    told = patiently(context, f"job {words.name}", lambda: context.client.request(
        "POST", ("jobs", words.name, "scale"), {"count": words.count}), CHANGE_TRIES)
    context.print(told, lambda _: f"job {words.name}: {words.count} wanted; `deosctl jobs` shows "
                  "where they run")


def remove(context: Context) -> None:
    """Removes a job."""
    name = context.words.name
    tried = []

    def once() -> dict:
        tried.append(name)
        try:
            return context.client.request("DELETE", ("jobs", name))
        except Refused as error:
            if error.code == 404 and len(tried) > 1:
                return {"name": name}  # the try before did it, and its answer was lost
            raise
    context.print(patiently(context, f"job {name}", once, CHANGE_TRIES),
                  lambda _: f"removed job {name}")


def quiet_output() -> None:
    """The reader of our lines has gone: nothing is said about that at the end either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
