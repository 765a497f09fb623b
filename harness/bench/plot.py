# SPDX-License-Identifier: BSD-2-Clause
"""Draws a report: every case, every system, its range; nothing is left out."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402 (the backend is chosen first)

COLOURS = {"deos": "#c8442d", "peer": "#3f6fa3", "floor": "#b9b9b9"}
NAMES = {"deos": "DEOS", "floor": "floor"}
LABELS = ("deos", "peer", "floor")


def _name(label: str, rows: list[dict]) -> str:
    if label != "peer":
        return NAMES[label]
    return next((row["peer_name"] for row in rows if row["peer_name"]), "peer")


def _range(row: dict, label: str) -> tuple[float, float]:
    """How far the runs reach below and above the median."""
    prefix = "" if label == "deos" else label + "_"
    low, high = row.get(prefix + "min"), row.get(prefix + "max")
    if low is None or high is None:
        return 0.0, 0.0
    return max(0.0, row[label] - low), max(0.0, high - row[label])


def _number(value: float) -> str:
    """Four significant digits, never in exponent form."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.4g}"


def _bars(axes, rows: list[dict], labels: list[str]) -> None:
    """Horizontal bars from zero, one group a row, with the runs' range."""
    height = 0.8 / len(labels)
    for index, label in enumerate(labels):
        present = [(i, row) for i, row in enumerate(rows) if row[label] is not None]
        if not present:
            continue
        at = [i + (index - (len(labels) - 1) / 2) * height for i, _ in present]
        low, high = zip(*(_range(row, label) for _, row in present))
        axes.barh(at, [row[label] for _, row in present], height, color=COLOURS[label],
                  xerr=[low, high], error_kw={"elinewidth": 0.8, "ecolor": "#222222"},
                  label=_name(label, rows))
        for y, (_, row) in zip(at, present):
            axes.annotate(f" {_number(row[label])}", (row[label] + _range(row, label)[1], y),
                          va="center", fontsize=7)


def _dots(axes, rows: list[dict], labels: list[str]) -> None:
    """A line a row on a logarithmic axis, a dot a system, the ratios at the right."""
    for label in reversed(labels):
        present = [(i, row) for i, row in enumerate(rows) if row[label] is not None]
        if not present:
            continue
        low, high = zip(*(_range(row, label) for _, row in present))
        axes.errorbar([row[label] for _, row in present], [i for i, _ in present],
                      xerr=[low, high], fmt="o", markersize=5, elinewidth=1,
                      color=COLOURS[label], label=_name(label, rows))
    axes.set_xscale("log")
    for i, row in enumerate(rows):
        ratios = [f"{row[key]:.3g} {what}" for key, what in
                  (("ratio_to_peer", "x peer's"), ("ratio_to_floor", "of floor"))
                  if row[key] is not None]
        axes.annotate(",  ".join(ratios), (1.01, i), xycoords=("axes fraction", "data"),
                      va="center", fontsize=7, annotation_clip=False)
        if i and " c" in row["case"] and row["case"].split()[0] != rows[i - 1]["case"].split()[0]:
            axes.axhline(i - 0.5, linewidth=0.4, color="#888888")


def _finish_axes(axes, rows: list[dict]) -> None:
    axes.set_yticks(range(len(rows)), [row["case"] for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", linewidth=0.3)
    axes.set_axisbelow(True)
    axes.set_xlabel(f"{rows[0]['unit']} ({rows[0]['better']} is better)", fontsize=8)
    axes.tick_params(axis="x", labelsize=7)


def _panels(report: dict) -> list[list[dict]]:
    """Rows that share an axis: those of one unit, but direct and PXE boot apart."""
    panels: dict[tuple[str, str], list[dict]] = {}
    for row in report["rows"]:
        apart = row["case"] if report["name"] == "boot" else ""
        panels.setdefault((row["unit"], apart), []).append(row)
    return list(panels.values())


def _wants_dots(rows: list[dict], labels: list[str]) -> bool:
    """Bars must start at zero, so what spans decades is drawn as dots."""
    values = [row[label] for row in rows for label in labels if row[label]]
    return len(rows) > 1 and bool(values) and max(values) > 20 * min(values)


def draw(report: dict, path: Path) -> None:
    """Writes the plot of a report to path (PNG)."""
    panels = _panels(report)
    labels = [label for label in LABELS
              if any(row[label] is not None for row in report["rows"])]
    dots = [_wants_dots(rows, labels) for rows in panels]
    heights = [0.75 + len(rows) * (0.24 if dot else 0.22 * len(labels))
               for rows, dot in zip(panels, dots)]
    figure, grid = plt.subplots(len(panels), 1, figsize=(8.5, sum(heights) + 0.8),
                                squeeze=False, gridspec_kw={"height_ratios": heights})
    for axes, rows, dot in zip(grid[:, 0], panels, dots):
        (_dots if dot else _bars)(axes, rows, labels)
        _finish_axes(axes, rows)
    handles, names = grid[0, 0].get_legend_handles_labels()
    wanted = [_name(label, report["rows"]) for label in LABELS]
    order = sorted(range(len(names)), key=lambda i: wanted.index(names[i]))
    figure.legend([handles[i] for i in order], [names[i] for i in order], fontsize=8,
                  loc="upper right", ncol=3, frameon=False)
    where = report["environment"]
    figure.text(0.02, 0.995, f"{report['name']}  {where['date']}", fontsize=10, va="top")
    figure.text(0.02, 0.995 - 0.2 / figure.get_figheight(), where["qemu"].split(" (")[0] +
                f", -cpu {where.get('cpu_model', '?')}, median and range of the runs",
                fontsize=7, va="top", color="#555555")
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.4 / figure.get_figheight()))
    figure.savefig(path, dpi=130)
    plt.close(figure)
