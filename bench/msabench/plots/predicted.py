"""What was predicted: confusion of classes, and prediction against truth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from msabench.data.cards import DATASETS
from msabench.errors import DataError
from msabench.metrics import Metric
from msabench.plots.look import COLUMN, FOOT, INK, TEXT
from msabench.plots.page import Plot, grid, heading, page, told
from msabench.plots.scene import Row, Scene
from msabench.report.table import Column
from msabench.run import Array

PANELS_A_PAGE, COLUMNS = 6, 3
SIMS_EDGES = (-0.7, -0.1, 0.1, 0.7)
"""Upper ends of the lower four of CH-SIMS's five classes, each belonging to the lower class"""
_SIMS_NAMES = ("−−", "−", "0", "+", "++")


def confusion(scene: Scene) -> Iterator[Plot]:
    """Counts of true and predicted classes, a panel for each row."""
    classed = scene.task.kind != "regression"
    metric = _accuracy(scene)
    how = "classes as predicted" if classed else _binning(scene)
    said = (
        f"Each line of a panel: what examples of one true class ({how}) were taken for, in percent of them; "
        "counted over all seeds, whose predictions are those at the epoch chosen for "
        f"{metric.label}. In brackets: examples of the class in the test split.",
    )
    for first in range(0, len(scene.rows), PANELS_A_PAGE):
        rows = scene.rows[first : first + PANELS_A_PAGE]
        height = 5.6 * -(-len(rows) // COLUMNS)
        figure, body = page(
            f"Confusion: {scene.title}",
            (*said, *scene.said),
            twin=scene.twin,
            oracle=scene.block.oracle,
            height=height,
            width=TEXT if len(rows) > 1 else COLUMN,
        )
        for axes, row in zip(grid(body, len(rows), min(COLUMNS, len(rows))), rows, strict=True):
            counts, names, lost = counted(scene, row, metric)
            shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
            axes.imshow(shares, cmap="Greys", vmin=0, vmax=100)
            for (true, guess), share in np.ndenumerate(shares):
                colour = "white" if share > 55 else INK
                if counts[true, guess]:
                    text = f"{share:.0f}" if share >= 0.5 else "<1"
                    axes.text(guess, true, text, ha="center", va="center", size=FOOT - 0.5, color=colour)
            examples = (counts.sum(axis=1) / max(1, len(row.keys) - lost)).astype(int)
            ends = [f"{name} ({count})" for name, count in zip(names, examples, strict=True)]
            axes.set_yticks(range(len(names)), ends, size=FOOT)
            long = max(map(len, names)) > 3
            axes.set_xticks(range(len(names)), names, size=FOOT, rotation=60 if long else 0)
            heading(axes, row.name, _lost(lost) if lost else "")
            axes.set_xlabel("predicted")
            axes.set_ylabel("true")
            axes.spines[:].set_visible(True)
        yield Plot(name=scene.file("confusion", first // PANELS_A_PAGE), figure=figure)


def counted(scene: Scene, row: Row, metric: Metric) -> tuple[Array, tuple[str, ...], int]:
    """Counts (C, C) of true by predicted class over all seeds, names of the classes, and runs left out.

    Left out are runs with a prediction that is not finite: it is of no class.
    """
    predictions, truths = scene.predictions(row, metric)
    finite = np.isfinite(predictions).all(axis=tuple(range(1, predictions.ndim)))
    kept = predictions[finite]
    if scene.task.kind == "multiclass":
        names = _class_names(scene, scene.task.classes)
        guesses, true = kept.argmax(axis=-1), truths.astype(np.int64)
    elif scene.task.kind == "binary":
        names = _class_names(scene, 2)
        guesses, true = (kept > 0).astype(np.int64), truths.astype(np.int64)
    elif _seven(scene):
        names = tuple(f"{value:+d}".replace("-", "−") if value else "0" for value in range(-3, 4))
        guesses, true = ((np.rint(np.clip(v, -3, 3)) + 3).astype(np.int64) for v in (kept, truths))
    else:
        names, edges = _SIMS_NAMES, np.array(SIMS_EDGES, dtype=np.float32)
        guesses, true = (np.searchsorted(edges, v.astype(np.float32)) for v in (kept, truths))
    size = len(names)
    cells = (true[None] * size + guesses).ravel()
    return np.bincount(cells, minlength=size * size).reshape(size, size), names, int((~finite).sum())


def truth(scene: Scene) -> Iterator[Plot]:
    """Every prediction against its truth, a panel for each row.

    Raises
    ------
    DataError
        If the dataset has classes instead of scores.
    """
    if scene.task.kind != "regression":
        raise DataError(f"{scene.group.dataset} has classes, not scores: see its confusion")
    metric = scene.convention.headline
    said = (
        "Points: one for each test example and seed, predictions at the epoch chosen for "
        f"{metric.label}; the darker, the more of them. Line: prediction equals truth. Predictions beyond "
        "the panel are counted in it.",
    )
    low, high = scene.task.label_range
    edge = 0.15 * (high - low)
    for first in range(0, len(scene.rows), PANELS_A_PAGE):
        rows = scene.rows[first : first + PANELS_A_PAGE]
        figure, body = page(
            f"Prediction against truth: {scene.title}",
            (*said, *scene.said),
            twin=scene.twin,
            oracle=scene.block.oracle,
            height=6.4 * -(-len(rows) // COLUMNS),
            width=TEXT if len(rows) > 1 else COLUMN,
        )
        for axes, row in zip(grid(body, len(rows), min(COLUMNS, len(rows))), rows, strict=True):
            predictions, truths = scene.predictions(row, metric)
            x, y = np.tile(truths, len(predictions)), predictions.ravel()
            axes.plot([low, high], [low, high], "-", color=INK, linewidth=0.7)
            inside = np.isfinite(y) & (y >= low - edge) & (y <= high + edge)
            points = min(0.5, max(0.05, 150 / len(x)))
            axes.scatter(
                x, y, s=5, color=row.look.colour, alpha=points, linewidths=0, rasterized=True, label=row.title
            )
            axes.set(xlim=(low - edge, high + edge), ylim=(low - edge, high + edge), aspect="equal")
            axes.set_xlabel("truth")
            axes.set_ylabel("prediction")
            figures = (_figure(scene, row, each) for each in scene.convention.metrics if not each.percent)
            lines = list(figures)
            if not inside.all():
                lines.append(f"{(~inside).sum()} of {len(y)} beyond or not finite")
            heading(axes, row.name, *lines)
            if not np.isfinite(y).any():
                told(axes, "no prediction is a finite number")
        yield Plot(name=scene.file("truth", first // PANELS_A_PAGE), figure=figure)


def _figure(scene: Scene, row: Row, metric: Metric) -> str:
    cell = scene.cell(row, metric)
    column = Column(label=metric.label, metrics=(metric.key,), better=metric.better, percent=metric.percent)
    spread = f" ± {column.number(cell.sd)}" if cell.n > 1 and not cell.undefined else ""
    value = f"undefined ({cell.undefined}/{cell.n})" if cell.undefined else column.number(cell.mean)
    return f"{metric.label} {value}{spread}"


def _accuracy(scene: Scene) -> Metric:
    """Whose epochs the confusion is of: that of seven classes, or what stands for the convention."""
    by_key = {metric.key: metric for metric in scene.convention.metrics}
    for key in ("acc7", "acc5", scene.convention.accuracy):
        if key in by_key:
            return by_key[key]
    return scene.convention.metrics[0]


def _seven(scene: Scene) -> bool:
    return max(map(abs, scene.task.label_range)) > 1


def _binning(scene: Scene) -> str:
    if _seven(scene):
        return "scores rounded and clipped to −3 … 3"
    return "scores in CH-SIMS's five classes, divided at −0.7, −0.1, 0.1 and 0.7"


def _class_names(scene: Scene, classes: int) -> tuple[str, ...]:
    card = DATASETS.get(scene.group.dataset.partition(":")[0])
    return (card.class_names if card else ()) or tuple(str(place) for place in range(classes))


def _lost(runs: int) -> str:
    return f"without {runs} run{'s' * (runs > 1)}: predictions not finite"
