"""Rows of a study with their predictions at the selected epochs, gathered from records."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from msabench.errors import DataError
from msabench.metrics import convention_named
from msabench.records import Store
from msabench.run import Array
from msabench.stats import RESAMPLES, Draws, resample, summarise

if TYPE_CHECKING:
    import pandas as pd

_ONE = [
    "row",
    "track",
    "dataset",
    "data_kind",
    "text_encoder",
    "text_mode",
    "convention",
    "selection",
    "setting",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class Entry:
    """One row of a study on one dataset, under one convention and epoch rule: its seeds' test predictions."""

    row: str
    method: str
    track: str
    dataset: str
    data_kind: str
    text_encoder: str
    text_mode: str
    convention: str
    selection: str
    setting: str
    """What tells it from rows of the same name, as a table says it; mostly empty"""
    oracle: bool
    seeds: tuple[int, ...]
    keys: tuple[str, ...]
    """Of the runs, in order of the seeds"""
    versions: tuple[str, ...]
    """Of the method's code; more than one is no one method"""
    data_hashes: tuple[str, ...]
    """Of its feature files"""
    settings: tuple[str, ...]
    """Hashes of its hyperparameters"""
    budgets: tuple[str, ...]
    truths_hash: str
    notes: tuple[str, ...]
    truths: Array
    """(N,)"""
    predictions: Mapping[str, Array]
    """Metric key to (S, N) or (S, N, C), each seed at the epoch chosen for that metric; nan where none was"""

    held: dict[tuple[str, int], Draws] = field(default_factory=dict, repr=False, init=False)
    """What `draws` has found, by metric and number of resamples"""

    def draws(self, metrics: Collection[str], *, resamples: int = RESAMPLES) -> dict[str, Draws]:
        """The metrics on the test set and on its resamples; what shares its epochs is scored once."""
        for metric in metrics:
            if (metric, resamples) not in self.held:
                p = self.predictions[metric]
                shared = [key for key, other in self.predictions.items() if other is p]
                found = resample(p, self.truths, self.convention, shared, resamples=resamples)
                self.held.update({(key, resamples): drawn for key, drawn in found.items()})
        return {metric: self.held[metric, resamples] for metric in metrics}


def entries(
    store: Store,
    *,
    convention: str | None = None,
    selection: str = "same-epoch",
    rows: Collection[str] | None = None,
    dataset: str | None = None,
    track: str | None = None,
    text_encoder: str | None = None,
) -> list[Entry]:
    """Every row's test predictions at the epochs that a rule selects.

    Parameters
    ----------
    convention
        None reads each dataset under its own.
    rows, dataset, track, text_encoder
        Only these; None takes all.

    Raises
    ------
    SpecError
        If the convention or selection is unknown.
    DataError
        If one seed stands twice in a row: its runs are of different settings.
    RecordError
        If a record is damaged.
    """
    frame = store.frame(convention, selection)
    for column, wanted in (("dataset", dataset), ("track", track), ("text_encoder", text_encoder)):
        if wanted is not None:
            frame = frame[frame[column] == wanted]
    if rows is not None:
        frame = frame[frame["row"].isin(list(rows))]
    return entries_of(store, frame)


def entries_of(store: Store, frame: pd.DataFrame) -> list[Entry]:
    """The entries of scored runs, as `Store.frame` gives them.

    Parameters
    ----------
    frame
        Where it has a column `setting`, runs of different settings are of different entries.

    Raises
    ------
    DataError, RecordError
        As `entries`.
    """
    if frame.empty:
        return []
    if "setting" not in frame:
        frame = frame.assign(setting="")
    parts = frame.groupby(_ONE, sort=False, dropna=False)
    for _, part in parts:
        summarise(part)  # which refuses seeds that are there twice
    return [_entry(store, part.sort_values("seed", kind="stable")) for _, part in parts]


def metrics_of(entry: Entry) -> tuple[str, ...]:
    """Keys of what a paper's table prints of the entry's convention."""
    return tuple(metric.key for metric in convention_named(entry.convention).metrics)


def sources_of(rows: Sequence[Entry], metric: str, *, resamples: int = RESAMPLES) -> tuple[float, float, int]:
    """What a pilot study shows of the variances, on one dataset.

    Returns
    -------
    Standard deviation over seeds (pooled over rows), standard error of a difference of two rows that is due
    to the examples (median over pairs), and examples of the test set.

    Raises
    ------
    DataError
        If fewer than two rows have two seeds or more and a defined metric.
    """
    drawn = [entry.draws([metric], resamples=resamples)[metric] for entry in rows]
    usable = [d for d in drawn if len(d.values) > 1 and not np.isnan(d.values).any()]
    if len(usable) < 2:
        raise DataError(
            f"the variances of {metric} need two rows with two seeds or more and a defined figure for each, "
            f"but {len(usable)} of {len(rows)} rows have them",
            fix="run more seeds or methods, or say the variances: --sd-seed and --sd-example",
        )
    weights = [len(d.values) - 1 for d in usable]
    pooled = float(np.average([d.values.var(ddof=1) for d in usable], weights=weights)) ** 0.5
    gaps = [x.mean_resampled - y.mean_resampled for x, y in combinations(usable, 2)]
    return pooled, float(np.median([np.nanstd(gap, ddof=1) for gap in gaps])), usable[0].samples


def _entry(store: Store, part: pd.DataFrame) -> Entry:
    first = part.iloc[0]
    runs = part.drop_duplicates("key")
    epochs = {
        str(metric): tuple(map(int, lines["epoch"])) for metric, lines in part.groupby("metric", sort=False)
    }
    records = [store.get(str(key)) for key in runs["key"]]
    stacks: dict[tuple[int, ...], Array] = {}
    for chosen in epochs.values():
        if chosen not in stacks:
            stacks[chosen] = np.stack(
                [_at(r.test_predictions, e) for r, e in zip(records, chosen, strict=True)]
            )
    truths = records[0].truths
    assert truths is not None  # the store reads them, or raises
    notes = dict.fromkeys(note for record in records for note in record.notes)
    return Entry(
        **{name: str(first[name]) for name in (*_ONE, "method")},
        oracle=bool(part["oracle"].any()),
        seeds=tuple(map(int, runs["seed"])),
        keys=tuple(map(str, runs["key"])),
        versions=tuple(sorted({str(r.spec.method_version) for r in records})),
        data_hashes=tuple(sorted({r.spec.data_hash for r in records})),
        settings=tuple(sorted({r.spec.settings for r in records})),
        budgets=tuple(sorted({str(r.spec.budget) for r in records})),
        truths_hash=" ".join(sorted({r.truths_hash for r in records})),
        notes=tuple(notes),
        truths=truths.test,
        predictions={metric: stacks[chosen] for metric, chosen in epochs.items()},
    )


def _at(predictions: Array, epoch: int) -> Array:
    return predictions[epoch - 1] if epoch else np.full_like(predictions[0], np.nan)
