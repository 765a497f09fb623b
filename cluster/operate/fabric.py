# SPDX-License-Identifier: BSD-2-Clause
"""The verbs that show the fabric: links, counters, capabilities, traces."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from clusters.failure import Failure
from tracing.file import Node, write

from . import show
from .client import Refused
from .verbs import Context


def chosen(context: Context) -> list[str]:
    """The node that was named, or all that live."""
    if context.words.node:
        return [context.words.node]
    return [node["uuid"] for node in context.client.get("status")["nodes"]
            if node["life"] != "dead"]


def ask(context: Context, route: str, *lists: str) -> list[dict]:
    """A route's answers, with all pages of these lists: of one node, or of all that give
    one."""
    told = []
    for name in chosen(context):
        try:
            told.append(context.client.whole(route, name, *lists))
        except Refused as error:
            if context.words.node:
                raise
            context.report.step(f"node {show.short(name)}: {error}")
    return told


# ---- links ----

def link_row(node: dict, link: dict) -> tuple:
    """A line of `links`."""
    return (show.short(node["node"]), show.short(link["peer"]), link["state"], link["session"],
            link["rtt_us"], f"{link['open']} of {link['credit']}", link["grant"], link["carries"],
            link["sent"], link["received"], link["dropped"], link["refused"], link["resends"],
            link["timeouts"], link["sessions"], link["lapses"])


def links(context: Context) -> None:
    """Every link."""
    told = ask(context, "fabric", "links")
    context.print({"nodes": [{key: node[key] for key in ("node", "links", "truncated")}
                             for node in told]},
                  lambda _: show.table(
        ("NODE", "PEER", "STATE", "SESSION", "RTT us", "OPEN", "GRANT", "FRAME", "SENT",
         "RECEIVED", "DROPPED", "REFUSED", "RESENT", "TIMEOUTS", "SESSIONS", "LAPSES"),
        [link_row(node, link) for node in told for link in node["links"]])
        + "".join(f"\n{show.CUT} of node {show.short(node['node'])}" for node in told
                  if node["truncated"]))


# ---- counters and capabilities ----

def percentile(latency: list[int], share: float, base: int = 2) -> str:
    """The bound of the bucket in which that share of the operations has ended; a bound is
    so many times the one before."""
    total, seen = sum(latency), 0
    if not total:
        return "-"
    for index, count in enumerate(latency):
        seen += count
        if seen >= share * total:
            break
    if index == len(latency) - 1:
        return f">= {base ** (index - 1)} us"
    return f"< {base ** index} us"


def reasons(title: str, told: list[dict]) -> list[str]:
    """Why something came to nothing, the most frequent first."""
    rows = [(one["count"], one["layer"], one["reason"], one["sentence"])
            for one in sorted(told, key=lambda one: -one["count"])]
    return ["", show.table(("COUNT", "LAYER", title, "MEANING"), rows)] if rows else []


def peer_of(node: dict, index: int) -> str:
    """A link's other end."""
    return next((show.short(link["peer"]) for link in node["links"] if link["index"] == index),
                str(index))


def node_text(node: dict) -> str:
    """One node in a few tables."""
    executed = ", ".join(f"{name} {count}" for name, count in node["executed"].items())
    lines = [f"node        {show.short(node['node'])}: {node['state']}",
             f"frames      {node['received']} received, {node['accepted']} accepted, "
             f"{node['sent']} sent",
             f"sessions    {node['sessions']}, {node['lapses']} lapsed, "
             f"{node['key_agreements']} key agreements",
             f"operations  {node['done']} done, {node['not_done']} not done, "
             f"{node['unknown']} unknown, {node['open']} open; requests asked again "
             f"{node['resends']} ({node['timeouts']} by timer)",
             f"for peers   {executed or 'nothing'}; answers repeated {node['repeated']}"]
    lines += reasons("DROPPED", node["drops"]) + reasons("REFUSED", node["refusals"])
    if node["exports"]:
        lines += ["", show.table(
            ("LENT", "TYPE", "RIGHTS", "TO", "ENV", "UNITS", "OPERATIONS", "IN", "OUT", "DENIED",
             "HALF", "99 OF 100"),
            [(one["slot"], one["type"], one["rights"], peer_of(node, one["link"]),
              one["environment"], one["count"], one["operations"], show.size(one["bytes_in"]),
              show.size(one["bytes_out"]), one["denials"], percentile(one["work"], 0.5, 4),
              percentile(one["work"], 0.99, 4)) for one in node["exports"]])]
    if node["held"]:
        lines += ["", show.table(
            ("HELD", "TYPE", "RIGHTS", "FROM", "ENV", "UNITS", "OPERATIONS", "IN", "OUT",
             "DENIED", "FAILED", "HALF", "99 OF 100"),
            [(one["index"], one["type"], one["rights"], peer_of(node, one["link"]),
              one["environment"], one["count"], one["operations"], show.size(one["bytes_in"]),
              show.size(one["bytes_out"]), one["denials"], one["failures"],
              percentile(one["latency"], 0.5), percentile(one["latency"], 0.99))
             for one in node["held"]])]
    if node["truncated"]:
        lines += ["", show.CUT]
    return "\n".join(lines)


def fabric(context: Context) -> None:
    """All that is counted."""
    told = ask(context, "fabric", "links", "exports", "held")
    context.print({"nodes": told}, lambda _: "\n\n".join(map(node_text, told)))


# ---- the trace ----

def piece(told: dict) -> Node:
    """A node's events, as they came."""
    try:
        events = base64.b64decode(told["events"], validate=True)
    except binascii.Error as error:
        raise Failure(f"node {show.short(told['node'])}: its events make no sense") from error
    return Node(bytes.fromhex(told["node"].replace("-", "")), int(told["incarnation"], 16), events)


def trace(context: Context) -> None:
    """Events, into a file."""
    told = ask(context, "fabric", "links")
    known = {node["node"]: {link["index"]: link["peer"] for link in node["links"]}
             for node in told}
    pieces = []
    for answer in ask(context, "trace"):
        node = piece(answer)
        for index, peer in known.get(answer["node"], {}).items():
            node.name_peer(index, bytes.fromhex(peer.replace("-", "")))
        pieces.append(node)
    path: Path = context.words.file
    try:
        write(path, pieces)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror or error}") from error
    count = sum(node.count for node in pieces)
    context.print({"file": str(path), "nodes": len(pieces), "events": count},
                  lambda _: f"{path}: {show.plural(count, 'event')} of "
                  f"{show.plural(len(pieces), 'node')}: harness/trace {path}")


def metrics(context: Context) -> None:
    """Prometheus's text."""
    text = context.client.text("/metrics")
    context.print({"metrics": text}, lambda _: text.rstrip("\n"))
