"""The primary test: a t that sees both the variance of training and that of the test set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msabench.errors import DataError
from msabench.stats.comparison import Comparison, Side
from msabench.stats.draws import Draws

ONE_SEED = "one seed says nothing of what training varies by"
_UNDEFINED_SHARE = 0.05
_ROUNDING = 1e-12
"""Means over unequal numbers of seeds of one and the same figure differ by less"""


def two_source(a: Draws, b: Draws, *, alpha: float = 0.05) -> Comparison:
    """Two-source t on metric(A) - metric(B), each averaged over its seeds.

    The variance of the difference is the sum of

    - examples: the variance, over bootstrap resamples of the test set, of the difference of the two
      seed-averaged metrics, both on the same resample;
    - seeds: var(A) / S_A + var(B) / S_B, of the metrics on the test set as it is (ddof = 1).

    Degrees of freedom by Satterthwaite from N - 1, S_A - 1 and S_B - 1. What seeds and examples do together
    (one seed is better on these examples, another on those) is of the order 1 / (N S) and enters both parts:
    the test errs to the safe side by that much. Seeds are taken as independent draws, in both methods and
    between them; S_A and S_B may differ.

    Parameters
    ----------
    a, b
        Draws of one metric on one test set, of `resample` with one seed and number of resamples.

    Returns
    -------
    Comparison with scope "seeds and examples". Where the metric is undefined for a seed, as Corr is for a
    constant prediction, there is no difference, no p, and a note that says so.

    Raises
    ------
    DataError
        If either has one seed only, the test set one example, or the two are not of one metric and test set.
    """
    from scipy.stats import t

    check_alike(a, b)
    for name, draws in (("A", a), ("B", b)):
        if len(draws.values) < 2:
            raise DataError(
                f"the two-source test needs two seeds or more, but {name} has one: {ONE_SEED}",
                fix="train more seeds, or compare the two checkpoints alone (randomisation, mcnemar)",
            )
    if a.samples < 2:
        raise DataError("the two-source test needs two test examples or more: one says nothing of the others")
    sides = Side.of(a.values), Side.of(b.values)
    difference = sides[0].mean - sides[1].mean
    paired = a.mean_resampled - b.mean_resampled
    defined = paired[np.isfinite(paired)]
    notes = undefined_notes(a, b)
    lost = len(paired) - len(defined)
    if not notes and lost > _UNDEFINED_SHARE * len(paired):
        notes = (f"{a.metric} is undefined on {lost} of {len(paired)} resamples of the test set",)
    if notes:
        return _comparison(a, b, sides, difference=float("nan"), alpha=alpha, notes=notes)
    if lost:
        notes = (f"{lost} of {len(paired)} resamples on which {a.metric} is undefined are left out",)
    examples = defined.var(ddof=1) if np.ptp(defined) > _ROUNDING else 0.0
    parts = np.array([examples, sides[0].sd ** 2 / sides[0].n, sides[1].sd ** 2 / sides[1].n])
    variance = float(parts.sum())
    if variance == 0:
        same = abs(difference) <= _ROUNDING
        notes = (*notes, "no variance: both give the same figures" if same else "no variance to judge by")
        p, interval = (1.0, (0.0, 0.0)) if same else (float("nan"), (float("nan"), float("nan")))
        return _comparison(
            a, b, sides, difference=difference, alpha=alpha, notes=notes, p=p, interval=interval, se=0.0
        )
    df = satterthwaite(parts, (a.samples - 1, sides[0].n - 1, sides[1].n - 1))
    se = variance**0.5
    half = float(t.ppf(1 - alpha / 2, df)) * se
    return _comparison(
        a, b, sides, difference=difference, alpha=alpha, notes=notes,
        p=float(2 * t.sf(abs(difference) / se, df)), interval=(difference - half, difference + half),
        df=df, se=se, examples=float(parts[0]),
    )  # fmt: skip


def satterthwaite(
    parts: Sequence[float] | np.ndarray[tuple[int], np.dtype[np.float64]], dfs: Sequence[int]
) -> float:
    """Degrees of freedom of a sum of variances: (sum v)² / sum(v² / df).

    >>> satterthwaite([1.0, 1.0], [4, 4])
    8.0
    """
    v = np.asarray(parts, dtype=np.float64)
    v = v / v.max()  # squares of small variances would underflow
    return float(v.sum() ** 2 / (v**2 / np.maximum(np.asarray(dfs, dtype=np.float64), 1)).sum())


def check_alike(a: Draws, b: Draws) -> None:
    """Refuse draws of different metrics or test sets.

    Raises
    ------
    DataError
        If they cannot be subtracted.
    """
    about = [(d.metric, d.convention, d.samples, len(d.resampled)) for d in (a, b)]
    if about[0] != about[1]:
        raise DataError(
            f"only one metric on one test set can be compared, but got {about[0]} and {about[1]} "
            "(metric, convention, examples, resamples)"
        )


def undefined_notes(a: Draws, b: Draws) -> tuple[str, ...]:
    """Which side has seeds without this figure; empty where all are defined."""
    counts = ((name, int(np.isnan(d.values).sum()), len(d.values)) for name, d in (("A", a), ("B", b)))
    return tuple(f"{a.metric} of {name} is undefined for {k} of {n} seeds" for name, k, n in counts if k)


def _comparison(a: Draws, b: Draws, sides: tuple[Side, Side], **found: object) -> Comparison:
    return Comparison(
        metric=a.metric,
        convention=a.convention,
        better=a.better,
        test="two-source",
        scope="seeds and examples",
        a=sides[0],
        b=sides[1],
        samples=a.samples,
        **found,  # type: ignore[arg-type]
    )
