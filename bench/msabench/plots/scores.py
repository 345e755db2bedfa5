"""Scores by row: means with intervals, every seed, and the optimism gap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from msabench.metrics import Metric
from msabench.plots.look import COLUMN, FOOT, INK, PALE, RULE, TEXT
from msabench.plots.page import Plot, folded, grid, page
from msabench.plots.scene import Row, Scene
from msabench.stats import mean_interval, resample

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW = 0.55
"""Centimetres of a row"""
ALPHA = 0.05


def intervals(scene: Scene) -> Iterator[Plot]:
    """Mean over seeds with a 95 % interval over seeds and examples."""

    def draw(axes: Axes, y: int, row: Row, metric: Metric) -> None:
        predictions, truths = scene.predictions(row, metric)
        drawn = resample(predictions, truths, scene.convention.name, [metric.key])[metric.key]
        found, scale = mean_interval(drawn, alpha=ALPHA), _scale(metric)
        if _undefined(axes, y, scene, row, metric):
            return
        bar = axes.errorbar(
            [scale * found.value],
            [y],
            xerr=[[scale * (found.value - found.low)], [scale * (found.high - found.value)]],
            fmt=row.look.marker,
            color=row.look.colour,
            markerfacecolor=row.look.face,
            markersize=5,
            capsize=2.5,
            elinewidth=1.1,
            linestyle="none",
        )
        bar.set_label(row.title)

    said = (
        "Marks: mean over seeds. Bars: 95 % percentile interval of a crossed bootstrap over seeds and test "
        "examples (over examples alone where n = 1). They show where each mean lies; overlapping bars do not "
        "mean that two rows are equally good: msabench compare tests the difference."
    )
    yield _by_row(scene, "intervals", "Scores with 95 % intervals", said, draw)


def seeds(scene: Scene) -> Iterator[Plot]:
    """Every seed's score, and their mean."""

    def draw(axes: Axes, y: int, row: Row, metric: Metric) -> None:
        values = _scale(metric) * scene.values(row, metric)
        known = np.isfinite(values)
        _undefined(axes, y, scene, row, metric)
        places = y + (np.linspace(-0.24, 0.24, len(values)) if len(values) > 1 else np.zeros(1))
        axes.plot(
            values[known],
            places[known],
            row.look.marker,
            color=row.look.colour,
            markerfacecolor=row.look.face,
            markersize=3.5,
            alpha=0.85,
            label=row.title,
        )
        if known.all():
            axes.plot([values.mean()] * 2, [y - 0.36, y + 0.36], "-", color=INK, linewidth=1.2)

    said = (
        "Marks: one a seed, in order of the seeds from top to bottom. Vertical lines: their mean; none where "
        "a seed's figure is undefined."
    )
    yield _by_row(scene, "seeds", "Scores of every seed", said, draw)


def gap(scene: Scene) -> Iterator[Plot]:
    """How much choosing each metric's epoch on the test split flatters."""

    def draw(axes: Axes, y: int, row: Row, metric: Metric) -> None:
        values = _scale(metric) * scene.values(row, metric)
        known = np.isfinite(values)
        if not _undefined(axes, y, scene, row, metric):
            axes.barh(
                [y],
                [values.mean()],
                height=0.62,
                color="white" if row.look.hatch else PALE,
                edgecolor=INK,
                hatch=row.look.hatch,
                linewidth=0.7,
                label=row.title,
            )
        if known.any():  # an unclipped line of no points has no end
            axes.plot(
                values[known],
                np.full(known.sum(), y),
                "o",
                color=INK,
                markersize=2.5,
                zorder=3,
                clip_on=False,
            )
        axes.axvline(0, color=INK, linewidth=0.6)

    said = (
        "Bars: mean over seeds of best-epoch (each metric at its best test epoch) minus same-epoch, signed "
        "so that positive is optimistic. Points: single seeds. Rows whose epoch was chosen elsewhere have "
        "none."
    )
    yield _by_row(scene, "gap", "Optimism gap", said, draw)


def _by_row(
    scene: Scene, kind: str, title: str, said: str, draw: Callable[[Axes, int, Row, Metric], None]
) -> Plot:
    columns = min(2, len(scene.metrics))
    height = (2.0 + _ROW * max(2, len(scene.rows))) * -(-len(scene.metrics) // columns)
    figure, body = page(
        f"{title}: {scene.title}",
        (said, *scene.said),
        twin=scene.twin,
        oracle=scene.block.oracle,
        height=height,
        width=TEXT if columns > 1 else COLUMN,
    )
    panels = grid(body, len(scene.metrics), columns, sharey=True)
    for axes, metric in zip(panels, scene.metrics, strict=True):
        for y, row in enumerate(scene.rows):
            draw(axes, y, row, metric)
        axes.set_yticks(range(len(scene.rows)), [folded(row.name, 28) for row in scene.rows])
        axes.set_ylim(len(scene.rows) - 0.5, -0.5)
        axes.set_xlabel(label(metric, signed=scene.block.gap))
        axes.grid(axis="x", color=RULE, linewidth=0.5)
        axes.set_axisbelow(True)
    return Plot(name=scene.file(kind), figure=figure)


def label(metric: Metric, *, signed: bool = False) -> str:
    """As an axis names it: with its unit and the direction of better."""
    unit = (" (points)" if signed else " (%)") if metric.percent else ""
    if signed:
        return f"{metric.label} gap{unit}"
    return f"{metric.label}{unit} {'↑' if metric.better == 'higher' else '↓'}"


def _scale(metric: Metric) -> float:
    return 100.0 if metric.percent else 1.0


def _undefined(axes: Axes, y: int, scene: Scene, row: Row, metric: Metric) -> bool:
    """Say where a row has no figure."""
    cell = scene.cell(row, metric)
    if not cell.undefined:
        return False
    text = f"undefined for {cell.undefined} of {cell.n} seeds"
    axes.text(0.02, y, text, transform=axes.get_yaxis_transform(), va="center", size=FOOT, style="italic")
    return True
