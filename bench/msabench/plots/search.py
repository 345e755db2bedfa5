"""How good the best of k trials of a search is to be expected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from msabench.errors import DataError
from msabench.plots.look import COLUMN, RULE, TEXT
from msabench.plots.page import Plot, grid, heading, page, told, whole_numbers
from msabench.plots.scene import Row, Scene
from msabench.registry import METHODS
from msabench.search import Search, Trial, space_of, store_of
from msabench.search.curve import expected_best
from msabench.study import read_study
from msabench.variants import parse_row


def best_of_k(scene: Scene) -> Iterator[Plot]:
    """The expected best validation criterion after k trials, with an interval.

    Raises
    ------
    DataError
        If the study has no search, or no trial on this dataset.
    """
    found = trials_of(scene)
    figure, body = page(
        f"Best of k trials: {scene.title}",
        (
            "Expected best validation criterion (lower is better) after k of the trials that the search "
            "made, drawn with replacement; dotted: the middle 90 % of draws; dashed: drawn without, which is "
            "unbiased and ends at the best trial. Failed trials count as the worst; a curve begins where k "
            "draws cannot all be failures. Trials are judged on the validation split, on the search's seed "
            "alone; n, epoch rule and convention are of the study's runs.",
            *scene.said,
        ),
        twin=scene.twin,
        oracle=scene.block.oracle,
        height=3.9 * -(-len(found) // 3) + 0.8,
        width=TEXT if len(found) > 1 else COLUMN,
    )
    panels = grid(body, len(found), min(3, len(found)), sharey=True)
    for axes, (row, trials) in zip(panels, found, strict=True):
        curve = [best for best in expected_best(trials) if np.isfinite(best.expected)]
        failed = sum(trial.status == "failed" for trial in trials)
        lost = f"{failed} of {len(trials)} trials failed" if failed else f"{len(trials)} trials"
        heading(axes, row.title, lost)
        axes.set_xlabel("trials k")
        axes.grid(color=RULE, linewidth=0.5)
        if not curve:
            told(axes, "too few trials finished for an expectation")
            continue
        k = [best.k for best in curve]
        marker = row.look.marker if len(k) < 12 else ""
        axes.plot(
            k,
            [best.expected for best in curve],
            "-",
            marker=marker,
            markersize=3.5,
            color=row.look.colour,
            markerfacecolor=row.look.face,
            linewidth=1.4,
            label=row.title,
        )
        for bounds in ([best.low for best in curve], [best.high for best in curve]):
            finite = [value if np.isfinite(value) else np.nan for value in bounds]
            axes.plot(k, finite, ":", color=row.look.colour, linewidth=0.9)
        axes.plot(k, [best.unbiased for best in curve], "--", color=row.look.colour, linewidth=0.9)
        whole_numbers(axes)
    panels[0].set_ylabel("validation criterion")
    yield Plot(name=scene.file("best-of-k"), figure=figure)


def trials_of(scene: Scene) -> list[tuple[Row, Sequence[Trial]]]:
    """The trials behind each tuned row, or behind each row whose search is under way.

    Raises
    ------
    DataError
        As `best_of_k`.
    """
    folder = scene.store.path
    path = folder / "study.toml"
    spec = read_study(path).search if path.is_file() else None
    if spec is None:
        raise DataError(f"the study {folder.name} has no search", fix="msabench run … --trials 20")
    store = store_of(folder)
    held = {
        (record.spec.row, record.spec.dataset, record.spec.data_hash): record.spec
        for record in store.readable().values()
    }
    found: list[tuple[Row, Sequence[Trial]]] = []
    for row in {row.line.row: row for row in scene.rows}.values():
        run = scene.store.get(row.keys[0], arrays=False).spec
        one = held.get((run.row, run.dataset, run.data_hash))
        if one is None:
            continue
        method, overrides = parse_row(run.row)
        card = METHODS.card(method)
        template = replace(one, hyperparameters=card.values(run.dataset, overrides))
        space = space_of(card, run.dataset, overrides)
        trials = Search(template=template, space=space, spec=spec).trials(store)
        if trials:
            found.append((row, trials))
    if not found:
        raise DataError(f"the search of {folder.name} has no trial on {scene.group.dataset}")
    return found
