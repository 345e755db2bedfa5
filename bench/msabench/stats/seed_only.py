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
        return np.asarray(np.mean(x, axis=axis) - np.mean(y, axis=axis))

    found = permutation_test(
        (a.values, b.values), difference, vectorized=True, n_resamples=9999, rng=np.random.default_rng(0)
    )
    return _comparison("permutation", a, b, alpha, p=float(found.pvalue))


def mann_whitney(a: Draws, b: Draws, *, alpha: float = 0.05) -> Comparison:
    """Mann-Whitney's U over seeds: exact where no two figures are tied.

    Raises
    ------
    DataError
        If no arrangement of so few seeds reaches the level.
    """
    from scipy.stats import mannwhitneyu

    check_alike(a, b)
    _refuse("Mann-Whitney's test", a, b, _smallest_of_two(a, b), alpha)
    if notes := undefined_notes(a, b):
        return _comparison("mann-whitney", a, b, alpha, notes=notes)
    return _comparison("mann-whitney", a, b, alpha, p=float(mannwhitneyu(a.values, b.values).pvalue))


def wilcoxon(a: Draws, b: Draws, *, alpha: float = 0.05) -> Comparison:
    """Wilcoxon's signed ranks, paired by seed: the order of both sides' values must be that of the seeds.

    Seeds of two methods share the order of batches and nothing else, so pairing gains little.

    Raises
    ------
    DataError
        If the numbers of seeds differ, or so few cannot reach the level: with 5 the smallest p is 0.0625.
    """
    from scipy.stats import wilcoxon as signed_ranks

    check_alike(a, b)
    if len(a.values) != len(b.values):
        raise DataError(
            f"Wilcoxon's test pairs seeds, but A has {len(a.values)} and B has {len(b.values)}",
            fix="train the same seeds for both, or take the two-source test, which needs no pairs",
        )
    _refuse("Wilcoxon's test", a, b, 2.0 ** (1 - len(a.values)), alpha)
    if notes := undefined_notes(a, b):
        return _comparison("wilcoxon", a, b, alpha, notes=notes)
    if not (a.values - b.values).any():
        return _comparison("wilcoxon", a, b, alpha, p=1.0, notes=("every pair is equal",))
    return _comparison("wilcoxon", a, b, alpha, p=float(signed_ranks(a.values, b.values).pvalue))


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
