"""F1 of each class, as CHERMA's papers print it, beside accuracy and weighted F1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from msabench.data.cards import DATASETS
from msabench.errors import SpecError
from msabench.judge import Entry, entries_of
from msabench.metrics import convention_named, score_epochs
from msabench.metrics.primitives import count
from msabench.records import Store
from msabench.registry import RECONSTRUCTION
from msabench.report.blocks import RowTitle, titles_of
from msabench.report.comparison import failed_runs
from msabench.report.grid import Grid
from msabench.report.ledger import search_lines
from msabench.report.lens_notes import about_runs
from msabench.report.separate import separate
from msabench.report.table import ORACLE, RECONSTRUCTED, TWIN, UNDEFINED
from msabench.run import Array


def per_class(
    study_folder: Path, selection: str = "same-epoch", *, allow_unequal_budgets: bool = False
) -> tuple[Grid, ...]:
    """For each dataset of several classes: F1 of each, mean ± sd over seeds, in percent.

    A class's F1 is 2 TP / (true + predicted), and 0 where nothing is either; it is that of the epoch which
    the rule chooses for accuracy.

    Raises
    ------
    SpecError
        If no dataset of the study has classes, the selection is unknown, or tuned rows had unequal budgets
        and that is not allowed; else the notes say so.
    """
    store = Store(study_folder)
    classed = {name: task for name, task in store.tasks().items() if task.kind == "multiclass"}
    if not classed:
        raise SpecError(
            "no finished run of this study is on a dataset with classes",
            where=str(study_folder),
            fix="msabench report STUDY for scores of sentiment",
        )
    scored = store.frame(None, selection)
    titles = titles_of(scored, scored.iloc[:0])
    frame, _, _ = separate(scored, failed_runs(store.failures()))
    about = about_runs(store)
    grids = []
    for (dataset, kind), part in frame.groupby(["dataset", "data_kind"], sort=False):
        plain = str(dataset).partition(" [")[0]  # versions of one dataset are told apart in brackets
        if plain not in classed:
            continue
        # ledgers know datasets by their plain names
        of_dataset = scored[(scored["dataset"] == plain) & (scored["data_kind"] == kind)]
        searched = search_lines(study_folder, of_dataset, allow_unequal=allow_unequal_budgets)
        classes = classed[plain].classes
        found = entries_of(store, part)
        rows = [
            (_named(entry, titles[entry.row], found), str(len(entry.seeds)), *_figures(entry, classes))
            for entry in sorted(found, key=lambda e: (e.row, e.track, e.text_encoder, e.setting))
        ]
        marked = any(titles[entry.row].reconstruction for entry in found)
        notes = (*about, *searched, *([f"{RECONSTRUCTED} {RECONSTRUCTION}"] if marked else []))
        grids.append(_grid(str(dataset), found, rows, _names(plain, classes), notes))
    return tuple(grids)


def _named(entry: Entry, title: RowTitle, found: Sequence[Entry]) -> str:
    name = f"{title.title} ({RECONSTRUCTED})" if title.reconstruction else title.title
    track = entry.track if len({each.track for each in found}) > 1 else ""
    return " · ".join(filter(None, (name, track, entry.setting)))


def _figures(entry: Entry, classes: int) -> list[str]:
    keys = [metric.key for metric in convention_named(entry.convention).metrics]
    chosen = entry.predictions[keys[0]]  # (S, N, C)
    each = count(np.argmax(chosen, axis=-1), entry.truths.astype(np.int64), range(classes)).f1()
    own = [score_epochs(entry.convention, entry.predictions[key], entry.truths)[key] for key in keys]
    return [_mean(values) for values in (*each.T, *own)]


def _mean(values: Array) -> str:
    if np.isnan(values).any():
        return f"{UNDEFINED} ({int(np.isnan(values).sum())}/{len(values)})"
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return f"{100 * values.mean():.2f}±" + (UNDEFINED if math.isnan(sd) else f"{100 * sd:.2f}")


def _names(dataset: str, classes: int) -> tuple[str, ...]:
    card = DATASETS.get(dataset.partition(":")[0])
    return (card.class_names if card else ()) or tuple(f"class {place}" for place in range(classes))


def _grid(
    dataset: str,
    found: Sequence[Entry],
    rows: Sequence[tuple[str, ...]],
    names: Sequence[str],
    notes: Sequence[str],
) -> Grid:
    first = found[0]
    twin = first.data_kind == "twin"
    convention = convention_named(first.convention)
    own = [f"{metric.label} ↑" for metric in convention.metrics]
    encoders = ", ".join(sorted({f"{e.text_encoder} ({e.text_mode})" for e in found}))
    data = f"{dataset} is a {TWIN} (generated)" if twin else f"{dataset} is real"
    return Grid(
        title=f"F1 of each class on {dataset}" + (f" ({TWIN})" if twin else ""),
        name="per-class",
        head=("Method", "n", *(f"{name} ↑" for name in names), *own),
        rows=tuple(rows),
        caption=(
            f"Test split, mean ± standard deviation over n seeds (ddof = 1). Convention: {first.convention} "
            f"({convention.title}). Epoch selection: {first.selection}"
            + (f" ({ORACLE})" if any(e.oracle for e in found) else "")
            + f". Track: {', '.join(sorted({e.track for e in found}))}. "
            f"Text encoder: {encoders}. Data: {data}."
        ),
        notes=tuple(notes),
    )
