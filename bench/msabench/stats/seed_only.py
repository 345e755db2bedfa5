"""Tests over seeds alone. They hold for this very test set: other examples are not thought of.

Each is refused where its smallest possible p does not reach the level, as no data could then be significant.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from msabench.errors import DataError
from msabench.run import Array
from msabench.stats.comparison import Comparison, Side
from msabench.stats.draws import Draws
from msabench.stats.two_source import ONE_SEED, check_alike, undefined_notes

_ARRANGEMENTS = 9999
_DECIMALS = 12
"""Figures that differ by less are one figure, written by other roundings"""


def welch(a: Draws, b: Draws, *, alpha: float = 0.05) -> Comparison:
    """Welch's t over seeds.

    Raises
    ------
    DataError
        If either has one seed only.
    """
    from scipy.stats import ttest_ind

    check_alike(a, b)
    if min(len(a.values), len(b.values)) < 2:
        raise DataError(f"Welch's test needs two seeds or more of each method: {ONE_SEED}")
    if notes := undefined_notes(a, b):
        return _comparison("welch", a, b, alpha, notes=notes)
    sides = Side.of(a.values), Side.of(b.values)
    se = math.sqrt(sides[0].sd ** 2 / sides[0].n + sides[1].sd ** 2 / sides[1].n)
    if se == 0:
        return _comparison("welch", a, b, alpha, notes=("all seeds give the same figure: no variance",))
    found = ttest_ind(a.values, b.values, equal_var=False)
    low, high = found.confidence_interval(1 - alpha)
    return _comparison(
        "welch", a, b, alpha, p=float(found.pvalue), interval=(float(low), float(high)), df=float(found.df),
        se=se,
    )  # fmt: skip


def permutation(a: Draws, b: Draws, *, alpha: float = 0.05) -> Comparison:
    """Exchange seeds between the methods: every way, or 9999 drawn ones where there are more.

    Two-sided by doubling the smaller tail.

    Raises
    ------
    DataError
        If no arrangement of so few seeds reaches the level.
    """
    from scipy.stats import permutation_test

    check_alike(a, b)
    _refuse("the permutation test", a, b, _smallest_of_two(a, b), alpha)
    if notes := undefined_notes(a, b):
        return _comparison("permutation", a, b, alpha, notes=notes)

    def difference(x: Array, y: Array, axis: int) -> Array:
        return np.asarray(np.round(np.mean(x, axis=axis) - np.mean(y, axis=axis), _DECIMALS))

    found = permutation_test(
        (a.values, b.values),
        difference,
        vectorized=True,
        n_resamples=_ARRANGEMENTS,
        rng=np.random.default_rng(0),
    )
    smallest = _smallest_of_two(a, b)
    return _comparison("permutation", a, b, alpha, p=float(found.pvalue), smallest=smallest)


def mann_whitney(a: Draws, b: Draws, *, alpha: float = 0.05) -> Comparison:
    """Mann-Whitney's U over seeds, exact: with ties by exchanging seeds between the methods.

    The normal approximation, which tables and packages take where figures are tied, can give a p below the
    smallest that so few seeds allow: 0.013 for four against four, of which the smallest is 0.029.

    Raises
    ------
    DataError
        If no arrangement of so few seeds reaches the level.
    """
    from scipy.stats import PermutationMethod, mannwhitneyu

    check_alike(a, b)
    _refuse("Mann-Whitney's test", a, b, _smallest_of_two(a, b), alpha)
    if notes := undefined_notes(a, b):
        return _comparison("mann-whitney", a, b, alpha, notes=notes)
    both = np.round(np.concatenate([a.values, b.values]), _DECIMALS)
    x, y = both[: len(a.values)], both[len(a.values) :]
    arranged = PermutationMethod(n_resamples=_ARRANGEMENTS, rng=np.random.default_rng(0))
    p = float(mannwhitneyu(x, y, method=arranged if _tied(both) else "exact").pvalue)
    return _comparison("mann-whitney", a, b, alpha, p=p, smallest=_smallest_of_two(a, b))


def wilcoxon(a: Draws, b: Draws, *, alpha: float = 0.05) -> Comparison:
    """Wilcoxon's signed ranks, paired by seed: the order of both sides' values must be that of the seeds.

    Seeds of two methods share the order of batches and nothing else, so pairing gains little. Exact, with
    ties and equal pairs too (up to 13 pairs; drawn signs, 9999 of them, where there are more). Equal pairs
    are left out, as Wilcoxon did, and what is left may be too few.

    Raises
    ------
    DataError
        If the numbers of seeds differ, or so few cannot reach the level: with 5 the smallest p is 0.0625.
    """
    from scipy.stats import PermutationMethod
    from scipy.stats import wilcoxon as signed_ranks

    check_alike(a, b)
    if len(a.values) != len(b.values):
        raise DataError(
            f"Wilcoxon's test pairs seeds, but A has {len(a.values)} and B has {len(b.values)}",
            fix="train the same seeds for both, or take the two-source test, which needs no pairs",
        )
    smallest = 2.0 ** (1 - len(a.values))
    _refuse("Wilcoxon's test", a, b, smallest, alpha)
    if notes := undefined_notes(a, b):
        return _comparison("wilcoxon", a, b, alpha, notes=notes)
    gaps = np.round(a.values - b.values, _DECIMALS)
    kept = gaps[gaps != 0]
    if not len(kept):
        return _comparison("wilcoxon", a, b, alpha, p=1.0, notes=("every pair is equal",))
    notes = (f"{len(gaps) - len(kept)} equal pairs are left out",) if len(kept) < len(gaps) else ()
    arranged = PermutationMethod(n_resamples=_ARRANGEMENTS, rng=np.random.default_rng(0))
    p = float(signed_ranks(kept, method=arranged if _tied(np.abs(kept)) else "exact").pvalue)
    smallest = min(1.0, 2.0 ** (1 - len(kept)))
    return _comparison("wilcoxon", a, b, alpha, p=p, smallest=smallest, notes=notes)


def _tied(values: Array) -> bool:
    return len(np.unique(values)) < len(values)


def _smallest_of_two(a: Draws, b: Draws) -> float:
    return 2 / math.comb(len(a.values) + len(b.values), len(a.values))


def _refuse(test: str, a: Draws, b: Draws, smallest: float, alpha: float) -> None:
    if smallest < alpha:
        return
    raise DataError(
        f"{test} cannot reach {alpha:g} with {len(a.values)} and {len(b.values)} seeds: "
        f"its smallest p is {min(smallest, 1.0):.4g}",
        fix="train more seeds, or take the two-source test",
    )


def _comparison(test: str, a: Draws, b: Draws, alpha: float, **found: Any) -> Comparison:
    return Comparison(
        metric=a.metric,
        convention=a.convention,
        better=a.better,
        test=test,
        scope="this test set only",
        a=Side.of(a.values),
        b=Side.of(b.values),
        difference=float(a.values.mean() - b.values.mean()),
        samples=a.samples,
        alpha=alpha,
        **found,
    )
