"""Learning curves: training loss and validation criterion, and where each epoch rule stops to look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from msabench.errors import MsabenchError
from msabench.plots.look import INK, RULE
from msabench.plots.page import Plot, grid, heading, page, told, whole_numbers
from msabench.plots.scene import ORACLE_RULE, Row, Scene
from msabench.report.comparison import HEADLINE
from msabench.run import RunRecord
from msabench.selection import Reading, oracle_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

ROWS_A_PAGE = 4
_MARKS = (("o", 3.5), ("s", 6.5), ("D", 9.0), ("^", 11.5))
"""Of the rules, one around the other, so that an epoch which several choose shows all of them"""


def curves(scene: Scene) -> Iterator[Plot]:
    """A page for every few rows."""
    for first in range(0, len(scene.rows), ROWS_A_PAGE):
        yield _page(scene, scene.rows[first : first + ROWS_A_PAGE], first // ROWS_A_PAGE)


def _page(scene: Scene, rows: Sequence[Row], number: int) -> Plot:
    metric = scene.metrics[0]
    rules = tuple(dict.fromkeys((scene.selection, HEADLINE, ORACLE_RULE, "as-published")))
    remarks: dict[str, None] = {}
    said = (
        "Thin lines: single seeds, as long as they trained; bold: their mean, as far as all seeds go. "
        "Training loss: sum of the method's terms, on its own scale. Validation criterion: the study's, "
        "lower is better. "
        f"Marks: the epoch that each rule takes {metric.label} from, one a seed; best-epoch looks at the "
        "test split (ORACLE), and so does as-published where it says so."
    )
    columns: list[tuple[Row, list[RunRecord], Mapping[str, list[int]]]] = []
    for row in rows:
        records = list(scene.records(row))
        columns.append((row, records, _picked(scene, row, records, rules, metric.key, remarks)))
    figure, body = page(
        f"Learning curves: {scene.title}",
        (said, *remarks, *scene.said),
        twin=scene.twin,
        oracle=scene.block.oracle,
        height=3.6 * len(rows) + 0.6,
    )
    panels = grid(body, 2 * len(rows), 2)
    handles: dict[str, Line2D] = {}
    for place, (row, records, picks) in enumerate(columns):
        left, right = panels[2 * place], panels[2 * place + 1]
        losses = [[sum(terms.values()) if terms else np.nan for terms in r.losses] for r in records]
        _lines(left, losses, row, "training loss")
        criteria = [list(record.valid_criterion) for record in records]
        _lines(right, criteria, row, "validation criterion")
        heading(left, row.name, letters=50)
        for which, (rule, epochs) in enumerate(picks.items()):
            marker, size = _MARKS[which % len(_MARKS)]
            points = [(e, c[e - 1]) for e, c in zip(epochs, criteria, strict=True) if 0 < e <= len(c)]
            if not points:
                continue
            (mark,) = right.plot(
                [e for e, _ in points],
                [c for _, c in points],
                marker,
                color=INK,
                markerfacecolor="none",
                markeredgewidth=0.8,
                markersize=size,
                label=rule,
                clip_on=False,
                zorder=4,
            )
            handles.setdefault(rule, mark)
    for axes in panels[-2:]:
        axes.set_xlabel("epoch")
    if handles:
        body.legend(list(handles.values()), list(handles), loc="outside lower right", ncols=len(handles))
    return Plot(name=scene.file("curves", number), figure=figure)


def _picked(
    scene: Scene,
    row: Row,
    records: Sequence[RunRecord],
    rules: Sequence[str],
    metric: str,
    remarks: dict[str, None],
) -> Mapping[str, list[int]]:
    """Rule, with what it looks at, to the epoch of each run; 0 where it chose none."""
    if all(record.chosen_outside for record in records):
        remarks[f"{row.title} has no marks: its authors chose the epoch."] = None
        return {}
    readings = [Reading(record, scene.convention.name) for record in records]
    found: dict[str, list[int]] = {}
    for rule in rules:
        try:
            epochs = [reading.select(rule).get(metric, 0) for reading in readings]
            oracle = oracle_of(records[0], rule)
        except MsabenchError as error:
            remarks[f"{row.title} has no mark of {rule}: {error.what}."] = None
            continue
        if rule == "as-published" and oracle:
            remarks[f"as-published of {row.title} is an ORACLE."] = None
        found[f"{rule} (ORACLE)" if oracle and rule != "as-published" else rule] = epochs
        if 0 in epochs:
            remarks[f"{rule} chose no epoch for {epochs.count(0)} of {len(epochs)} runs of {row.title}."] = (
                None
            )
    return found


def _lines(axes: Axes, seeds: Sequence[Sequence[float]], row: Row, what: str) -> None:
    """Thin lines of seeds and the bold one of their mean."""
    values = [np.asarray(seed, dtype=np.float64) for seed in seeds]
    axes.set_ylabel(what)
    axes.grid(color=RULE, linewidth=0.5)
    if not any(np.isfinite(each).any() for each in values):
        told(axes, f"no {what} was recorded")
        return
    for each in values:
        axes.plot(
            range(1, len(each) + 1), each, "-", color=row.look.colour, linewidth=0.7, alpha=0.7,
            marker="." if len(each) == 1 else "",
        )  # fmt: skip
    common = min(map(len, values))
    if len(values) > 1 and common:
        mean = np.mean([each[:common] for each in values], axis=0)
        axes.plot(
            range(1, common + 1), mean, "-", color=row.look.colour, linewidth=1.9, label="mean",
            marker="." if common == 1 else "",
        )  # fmt: skip
    broken = sum(int((~np.isfinite(each)).sum()) for each in values)
    if broken:
        axes.set_title(f"{broken} epochs of all seeds are not finite", loc="right", style="italic")
    axes.margins(0.06, 0.14)
    last = max(map(len, values))
    edge = 0.06 * (last - 1) or 0.5
    axes.set_xlim(1 - edge, last + edge)
    whole_numbers(axes)
