"""Score against cost: seconds of a run, and parameters that it trains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from msabench.metrics import Metric
from msabench.plots.look import RULE
from msabench.plots.page import Plot, grid, page, told
from msabench.plots.scene import Row, Scene
from msabench.plots.scores import label
from msabench.run import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis


def cost(scene: Scene) -> Iterator[Plot]:
    """For each metric: its mean against the mean seconds of a run and against trainable parameters."""
    paid = {row.title: _paid(scene, row) for row in scene.rows}
    free = [
        f"{row.title} ({unit})"
        for row in scene.rows
        for unit, costs in zip(("seconds", "parameters"), paid[row.title].T, strict=True)
        if not (costs > 0).all()
    ]
    undefined = [
        f"{row.title} ({metric.label})"
        for row in scene.rows
        for metric in scene.metrics
        if scene.cell(row, metric).undefined
    ]
    said = (
        "Marks: mean over seeds; bars: standard deviation (ddof = 1), none where n = 1. Seconds of a run: "
        "all its epochs with both evaluations, as the machines that ran it took; parameters: those that "
        "training changes, the text encoder's included where it is fine-tuned. Both axes of cost are "
        "logarithmic.",
        *([f"Not drawn, as what they cost is not known: {', '.join(free)}."] if free else []),
        *([f"Not drawn, as undefined for a seed: {', '.join(undefined)}."] if undefined else []),
    )
    figure, body = page(
        f"Score against cost: {scene.title}",
        (*said, *scene.said),
        twin=scene.twin,
        oracle=scene.block.oracle,
        height=5.2 * len(scene.metrics) + 0.45 * -(-len(scene.rows) // 3),
    )
    panels = grid(body, 2 * len(scene.metrics), 2)
    for place, axes in enumerate(panels):
        _panel(axes, scene, scene.metrics[place // 2], paid, place % 2)
    handles = {
        text: handle
        for axes in panels
        for handle, text in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if handles:
        body.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=3)
    yield Plot(name=scene.file("cost"), figure=figure)


def _panel(axes: Axes, scene: Scene, metric: Metric, paid: Mapping[str, Array], unit: int) -> None:
    """One metric against seconds (unit 0) or parameters (1)."""
    shown, scale = 0, 100.0 if metric.percent else 1.0
    for row in scene.rows:
        cell, costs = scene.cell(row, metric), paid[row.title][:, unit]
        if cell.undefined or not (costs > 0).all():
            continue
        shown += 1
        axes.errorbar(
            [costs.mean()],
            [scale * cell.mean],
            xerr=[costs.std(ddof=1)] if len(costs) > 1 else None,
            yerr=[scale * cell.sd] if cell.n > 1 else None,
            fmt=row.look.marker,
            color=row.look.colour,
            markerfacecolor=row.look.face,
            markersize=6,
            elinewidth=0.8,
            label=row.name,
        )
    if not shown:
        told(axes, "no row has both a figure and a cost")
        return
    axes.set_xscale("log")
    _ticks(axes.xaxis)
    axes.set_xlabel("seconds a run" if unit == 0 else "trainable parameters")
    axes.set_ylabel(label(metric))
    axes.grid(color=RULE, linewidth=0.5)
    axes.set_axisbelow(True)


def _paid(scene: Scene, row: Row) -> Array:
    """(S, 2) seconds and trainable parameters; 0 where not known."""
    return np.array(
        [
            (float(np.nansum(record.seconds)), float(record.parameters.get("trainable", 0)))
            for record in scene.records(row, arrays=False)
        ]
    )


def short(value: float) -> str:
    """A large number in few letters.

    >>> short(1500), short(2e6), short(30)
    ('1.5k', '2M', '30')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _ticks(axis: Axis) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = axis.get_view_interval()
    narrow = high / max(low, 1e-300) < 30
    axis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7) if narrow else (1,), numticks=9))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
