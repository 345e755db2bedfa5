"""Two rows compared by one of the tests, and what must be said of the two."""

from __future__ import annotations

from collections.abc import Sequence

from msabench.errors import DataError
from msabench.judge.entries import Entry, metrics_of
from msabench.stats import RESAMPLES, Comparison
from msabench.stats.offered import test_named


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
