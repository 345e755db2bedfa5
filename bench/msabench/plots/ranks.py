"""A rank diagram over datasets, with what cannot be told apart joined by bars."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msabench.errors import DataError
from msabench.plots.look import FOOT, INK, PALE
from msabench.plots.page import Plot, page
from msabench.plots.scene import Scene
from msabench.plots.scores import ALPHA
from msabench.report.table import RECONSTRUCTED, Line
from msabench.stats import Friedman, friedman

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def ranks(scenes: Sequence[Scene]) -> Plot:
    """Mean ranks over the datasets, by the first metric of each.

    Raises
    ------
    DataError
        With fewer than 8 datasets or 3 rows, rows of several tracks, or a figure that is missing.
    """
    scores: dict[str, dict[str, float]] = {}
    for scene in scenes:
        metric = scene.metrics[0]
        sign = 1.0 if metric.better == "higher" else -1.0
        for row in scene.rows:
            # marks and settings belong to one dataset's notes
            figures = scores.setdefault(_title(row.line), {})
            if scene.group.dataset in figures:
                raise DataError(f"{row.line.title} stands twice on {scene.group.dataset}")
            figures[scene.group.dataset] = sign * scene.cell(row, metric).mean
    if not scores:
        raise DataError("no row has a figure to rank")
    found = friedman(scores, "higher", alpha=ALPHA)
    twin = any(scene.twin for scene in scenes)
    by_metric: dict[str, list[str]] = {}
    for scene in scenes:
        by_metric.setdefault(scene.metrics[0].label, []).append(scene.group.data)
    metrics = "; ".join(f"{metric} on {', '.join(data)}" for metric, data in by_metric.items())
    p = f"p = {found.p:.2g}" if found.p >= 0.001 else "p < 0.001"
    level = found.p >= ALPHA
    said = (
        f"Mean ranks over {found.datasets} datasets, 1 is best, of means over seeds: {metrics}. "
        "Bars join rows that Nemenyi's test at 5 % cannot tell apart (critical difference "
        f"{found.critical_difference:.2f}). "
        f"Friedman's test in Iman and Davenport's form: F = {found.statistic:.2f}, {p}.",
        *(["It tells no rows apart, so that none of these ranks may be said to differ."] if level else []),
        *_sentences(scenes),
        scenes[0].said[-1],
    )
    half = -(-len(found.methods) // 2)  # rows on the left
    figure, body = page(
        f"Rank diagram over {found.datasets} datasets",
        said,
        twin=twin,
        oracle=any(scene.block.oracle for scene in scenes),
        height=1.6 + 0.5 * half + 0.25 * len(found.groups),
    )
    _diagram(body.subplots(), found)
    name = f"ranks_{len(scenes)}-datasets_{scenes[0].selection}"
    return Plot(name=re.sub(r"[^\w.-]+", "-", name), figure=figure)


def _sentences(scenes: Sequence[Scene]) -> list[str]:
    """What the datasets' plots must say, each once, the kind of the data in one sentence."""
    said = list(dict.fromkeys(sentence for scene in scenes for sentence in scene.said[:-1]))
    real = [scene.group.dataset for scene in scenes if not scene.twin]
    alone = [f"Data: {dataset} is real." for dataset in real]
    if len(real) < 2 or not set(alone) <= set(said):
        return said
    first = said.index(alone[0])
    said[first] = f"Data: {', '.join(real)} are real."
    return [sentence for sentence in said if sentence not in alone]


def _title(line: Line) -> str:
    return f"{line.title} {RECONSTRUCTED}" if line.reconstruction else line.title


def _diagram(axes: Axes, found: Friedman) -> None:
    count = len(found.methods)
    order = sorted(range(count), key=lambda i: (found.mean_ranks[i], found.methods[i]))
    half = -(-count // 2)
    depth = 1.0 + 0.45 * len(found.groups)
    axes.set_axis_off()
    axes.set_xlim(-0.6 - 0.18 * count, count + 1.6 + 0.18 * count)
    axes.set_ylim(-depth - half + 0.2, 1.9)
    axes.plot([1, count], [0, 0], "-", color=INK, linewidth=0.8)
    for tick in range(1, count + 1):
        axes.plot([tick, tick], [0, 0.2], "-", color=INK, linewidth=0.8)
        axes.text(tick, 0.3, str(tick), ha="center", va="bottom", size=FOOT)
    end = 1 + found.critical_difference
    axes.plot([1, end], [1.15, 1.15], "-", color=INK, linewidth=1.2, label="critical difference")
    for x in (1, end):
        axes.plot([x, x], [1.0, 1.3], "-", color=INK, linewidth=1.2)
    axes.text((1 + end) / 2, 1.35, "critical difference", ha="center", va="bottom", size=FOOT)
    rank_of = dict(zip(found.methods, found.mean_ranks, strict=True))
    for place, group in enumerate(found.groups):
        level = -0.5 - 0.45 * place
        bounds = [min(rank_of[m] for m in group) - 0.05, max(rank_of[m] for m in group) + 0.05]
        axes.plot(bounds, [level] * 2, "-", color=INK, linewidth=2.4, solid_capstyle="round", label="group")
    for place, i in enumerate(order):
        left = place < half
        row = -depth - (place if left else count - 1 - place)
        edge = 0.6 if left else count + 0.4
        rank = found.mean_ranks[i]
        axes.plot([rank, rank, edge], [0, row, row], "-", color=PALE, linewidth=0.7, zorder=1)
        text = f"{found.methods[i]}  {rank:.2f}" if left else f"{rank:.2f}  {found.methods[i]}"
        axes.text(edge + (-0.1 if left else 0.1), row, text, ha="right" if left else "left", va="center")
