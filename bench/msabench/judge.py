"""From records to verdicts: predictions at the selected epochs, gathered and handed to the tests.

The tests know arrays and no records, reports print verdicts and make none; this is what lies between.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from msabench.errors import DataError
from msabench.metrics import convention_named
from msabench.records import Store
from msabench.run import Array
from msabench.stats import RESAMPLES, Comparison, Draws, corrected, resample, summarise, two_source
from msabench.stats.offered import test_named

if TYPE_CHECKING:
    import pandas as pd

_ONE = ["row", "track", "dataset", "data_kind", "text_encoder", "text_mode", "convention", "selection"]
_CELL = ("dataset", "data_kind", "convention", "selection", "track", "text_encoder")


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
    if frame.empty:
        return []
    summarise(frame)  # which refuses seeds that are there twice
    parts = frame.groupby(_ONE, sort=False, dropna=False)
    return [_entry(store, part.sort_values("seed", kind="stable")) for _, part in parts]


def metrics_of(entry: Entry) -> tuple[str, ...]:
    """Keys of what a paper's table prints of the entry's convention."""
    return tuple(metric.key for metric in convention_named(entry.convention).metrics)


def pair_notes(a: Entry, b: Entry) -> tuple[str, ...]:
    """What must be said of a comparison of these two, each in a sentence.

    Raises
    ------
    DataError
        If they cannot be compared: other labels, a twin beside real data, or rows that mix versions, data
        or settings.
    """
    for entry in (a, b):
        mixed = {
            "versions of its code": entry.versions,
            "data files": entry.data_hashes,
            "hyperparameters": entry.settings,
            "budgets": entry.budgets,
        }
        for what, found in mixed.items():
            if len(found) > 1:
                raise DataError(
                    f"the seeds of {entry.row} on {entry.dataset} are of different {what}: "
                    + ", ".join(value if what == "budgets" else value[:12] for value in found),
                    fix="run the study's command again, which makes all runs anew that are of an older one",
                )
    if a.data_kind != b.data_kind or a.truths_hash != b.truths_hash:
        kinds = f"{a.row} on {a.data_kind} and {b.row} on {b.data_kind} data"
        raise DataError(
            f"{a.row} and {b.row} were tested on different examples or labels of {a.dataset} ({kinds})",
            fix="run both on the same files",
        )
    notes = [f"{e.row}: {note}" for e in (a, b) for note in e.notes]
    if a.text_encoder != b.text_encoder:
        notes.append(
            f"{a.row} reads the text encoder {a.text_encoder}, {b.row} {b.text_encoder}: "
            "the difference is that of method and encoder together"
        )
    if a.track != b.track:
        notes.append(f"{a.row} is of the track {a.track}, {b.row} of the track {b.track}")
    if a.data_hashes != b.data_hashes:
        notes.append(f"{a.row} and {b.row} read different feature files of the same examples")
    if a.seeds != b.seeds:
        seeds = " and ".join(f"{e.row} has {', '.join(map(str, e.seeds))}" for e in (a, b))
        notes.append(f"seeds differ: {seeds}")
    return tuple(notes)


def judge(
    a: Entry,
    b: Entry,
    metrics: Sequence[str] | None = None,
    *,
    test: str = "two-source",
    alpha: float = 0.05,
    resamples: int = RESAMPLES,
    seed: int | None = None,
) -> dict[str, Comparison]:
    """Compare two entries on each metric.

    Parameters
    ----------
    metrics
        None takes what a paper's table prints.
    seed
        Whose checkpoints to take, for tests of two checkpoints; None takes the first that both have.

    Raises
    ------
    SpecError
        If the test or a metric is unknown.
    DataError
        If there are too few seeds for the test, or no common one.
    """
    chosen = test_named(test)
    keys = list(metrics) if metrics is not None else list(metrics_of(a))
    if chosen.over_examples is not None:
        taken = checkpoint_seed(a, b, seed)
        at = a.seeds.index(taken), b.seeds.index(taken)
        return {
            key: chosen.over_examples(
                a.predictions[key][at[0]], b.predictions[key][at[1]], a.truths, key, a.convention, alpha=alpha
            )
            for key in keys
        }
    assert chosen.over_seeds is not None
    if test == "wilcoxon" and a.seeds != b.seeds:
        raise DataError(
            f"Wilcoxon's test pairs seeds, but {a.row} has {a.seeds} and {b.row} has {b.seeds}",
            fix="take the two-source test, which needs no pairs",
        )
    size = resamples if test == "two-source" else 0
    drawn = [entry.draws(keys, resamples=size) for entry in (a, b)]
    return {key: chosen.over_seeds(drawn[0][key], drawn[1][key], alpha=alpha) for key in keys}


def checkpoint_seed(a: Entry, b: Entry, seed: int | None = None) -> int:
    """The seed whose checkpoints are compared: the first that both have, or the one asked for.

    Raises
    ------
    DataError
        If they have none, or not that one, in common.
    """
    common = [s for s in a.seeds if s in b.seeds and seed in (None, s)]
    if not common:
        raise DataError(f"{a.row} and {b.row} have no common seed{'' if seed is None else f' {seed}'}")
    return common[0]


def against(
    rows: Iterable[Entry], reference: str, *, alpha: float = 0.05, resamples: int = RESAMPLES
) -> pd.DataFrame:
    """Every row against a reference, by the primary test, with Holm's correction.

    Parameters
    ----------
    rows
        What `entries` gave. A row is compared with the reference of its own dataset, convention, selection,
        track and text encoder; those are also the families of the correction, one for each metric.
    reference
        Row to compare with.

    Returns
    -------
    DataFrame with the columns dataset, data_kind, convention, selection, track, text_encoder, row, reference,
    metric, difference (row minus reference), low, high, p, p_holm, significant, winner (`row`, `reference` or
    empty) and why (what kept it from being judged; p is then nan). Empty where the reference is nowhere.
    """
    lines: list[dict[str, Any]] = []
    for cell in _cells(rows):
        chosen = [entry for entry in cell if entry.row == reference]
        if chosen:
            lines += _family(chosen[0], [e for e in cell if e.row != reference], alpha, resamples)
    return _framed(lines)


def against_best(rows: Iterable[Entry], *, alpha: float = 0.05, resamples: int = RESAMPLES) -> pd.DataFrame:
    """Every row against the best of its cell: what is not significant cannot be told from the best.

    The best is that of the highest (or lowest) mean over seeds, metric by metric. It was picked for being
    best, so that "significantly worse" is said a little too easily; Holm's correction over all rows makes up
    for it in part. Columns as of `against`, where `reference` names the best row.
    """
    lines: list[dict[str, Any]] = []
    for cell in _cells(rows):
        for metric in convention_named(cell[0].convention).metrics:
            drawn = [e.draws([metric.key], resamples=resamples)[metric.key] for e in cell]
            means = [float(each.values.mean()) for each in drawn]
            if all(np.isnan(means)):
                continue
            place = int(np.nanargmax(means) if metric.better == "higher" else np.nanargmin(means))
            others = [entry for i, entry in enumerate(cell) if i != place]
            lines += _family(cell[place], others, alpha, resamples, (metric.key,))
    return _framed(lines)


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


def _cells(rows: Iterable[Entry]) -> list[list[Entry]]:
    cells: dict[tuple[str, ...], list[Entry]] = {}
    for entry in rows:
        cells.setdefault(tuple(getattr(entry, name) for name in _CELL), []).append(entry)
    return list(cells.values())


def _family(
    reference: Entry,
    others: Sequence[Entry],
    alpha: float,
    resamples: int,
    metrics: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Lines of the rows against one reference, corrected metric by metric."""
    keys = list(metrics) if metrics is not None else list(metrics_of(reference))
    drawn = reference.draws(keys, resamples=resamples)
    found: dict[str, list[tuple[Entry, Comparison]]] = {key: [] for key in keys}
    lines = []
    for entry in others:
        about = {name: getattr(entry, name) for name in (*_CELL, "row")} | {"reference": reference.row}
        try:
            pair_notes(entry, reference)
            own = entry.draws(keys, resamples=resamples)
            for key in keys:
                found[key].append((entry, two_source(own[key], drawn[key], alpha=alpha)))
        except DataError as error:
            lines += [about | {"metric": key, "why": error.what} for key in keys]
    for key, family in found.items():
        for (entry, _), comparison in zip(family, corrected([c for _, c in family]), strict=True):
            lines.append(
                {name: getattr(entry, name) for name in (*_CELL, "row")}
                | {"reference": reference.row, "metric": key, "difference": comparison.difference}
                | {"low": comparison.interval[0], "high": comparison.interval[1], "p": comparison.p}
                | {"p_holm": comparison.adjusted, "significant": comparison.significant}
                | {"winner": {"a": "row", "b": "reference", "": ""}[comparison.winner]}
                | {"why": "; ".join(comparison.notes)}
            )
    return lines


def _framed(lines: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    columns = [
        *_CELL, "row", "reference", "metric", "difference", "low", "high", "p", "p_holm", "significant",
        "winner", "why",
    ]  # fmt: skip
    frame = pd.DataFrame(lines, columns=columns)
    frame["significant"] = frame["significant"].eq(True)
    for name in ("winner", "why"):
        frame[name] = frame[name].astype(object).where(frame[name].notna(), "")
    return frame
