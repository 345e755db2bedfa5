"""Ranks of several methods: with intervals on one dataset, and over many datasets.

Blocks of the tests over datasets are datasets, never (dataset, seed): seeds of one dataset are no independent
evidence, and counting them as such makes any difference significant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from msabench.errors import DataError
from msabench.run import Array
from msabench.stats.draws import Draws

FEWEST_DATASETS = 8


@dataclass(frozen=True, kw_only=True)
class Rank:
    """A method's place on one dataset; 1 is best."""

    rank: float
    """Of the mean over seeds; tied methods share the mean of their ranks"""
    low: float
    """Best and worst of the middle 1 - alpha of ranks over resampled seeds and examples"""
    high: float


@dataclass(frozen=True, kw_only=True)
class Friedman:
    """Whether methods differ over datasets, and by how much mean ranks must differ to count."""

    methods: tuple[str, ...]
    mean_ranks: tuple[float, ...]
    """1 is best"""
    datasets: int
    statistic: float
    """Iman and Davenport's F"""
    p: float
    critical_difference: float
    """Nemenyi's: two methods whose mean ranks differ by less cannot be told apart"""
    groups: tuple[tuple[str, ...], ...]
    """Methods, best first, that cannot be told apart: the bars of a rank diagram"""


def rank_intervals(methods: Mapping[str, Draws], *, alpha: float = 0.05, seed: int = 0) -> dict[str, Rank]:
    """Ranks of methods on one dataset and metric, with intervals over resampled seeds and examples.

    Raises
    ------
    DataError
        If a method's metric is undefined for a seed, or the draws are of different test sets.
    """
    if len({(d.metric, d.samples, len(d.resampled)) for d in methods.values()}) > 1:
        raise DataError("ranks are of one metric on one test set")
    for name, draws in methods.items():
        if np.isnan(draws.values).any():
            raise DataError(f"{draws.metric} of {name} is undefined for a seed, so it has no rank")
    rng = np.random.default_rng(seed)
    means = np.array([draws.values.mean() for draws in methods.values()])
    drawn = []
    for draws in methods.values():
        seeds = len(draws.values)
        picked = rng.integers(0, seeds, (len(draws.resampled), max(1, seeds - 1)))  # see crossed_interval
        drawn.append(np.take_along_axis(draws.resampled, picked, axis=1).mean(axis=1))
    better = next(iter(methods.values())).better
    ranks = _ranked(means[None], better)[0]
    spread = _ranked(np.array(drawn).T, better)
    low, high = np.nanquantile(spread, [alpha / 2, 1 - alpha / 2], axis=0)
    return {
        name: Rank(rank=float(ranks[i]), low=float(low[i]), high=float(high[i]))
        for i, name in enumerate(methods)
    }


def friedman(
    scores: Mapping[str, Mapping[str, float]], better: Literal["higher", "lower"], *, alpha: float = 0.05
) -> Friedman:
    """Friedman's test over datasets in Iman and Davenport's form, and Nemenyi's critical difference.

    Parameters
    ----------
    scores
        Method to dataset to the mean over seeds. Feature files of one dataset (`mosi:aligned`,
        `mosi:unaligned`) share their examples and count as one dataset.

    Raises
    ------
    DataError
        With fewer than 8 datasets or 3 methods, a dataset named twice, a missing or an undefined figure.

    References
    ----------
    Demšar, Statistical comparisons of classifiers over multiple data sets, JMLR 7 (2006).
    """
    from scipy.stats import f

    table, datasets = _table(scores)
    k, n = table.shape[1], len(datasets)
    ranks = _ranked(table, better)
    mean = ranks.mean(axis=0)
    ties = sum(int((c**3 - c).sum()) for c in (np.unique(row, return_counts=True)[1] for row in ranks))
    scale = 1 - ties / (n * (k**3 - k))
    square = 12 * n / (k * (k + 1)) * float(((mean - (k + 1) / 2) ** 2).sum()) / scale if scale else 0.0
    rest = n * (k - 1) - square
    statistic = (n - 1) * square / rest if rest > 1e-12 else math.inf
    distance = critical_difference(k, n, alpha=alpha)
    return Friedman(
        methods=tuple(scores),
        mean_ranks=tuple(map(float, mean)),
        datasets=n,
        statistic=statistic,
        p=float(f.sf(statistic, k - 1, (k - 1) * (n - 1))),
        critical_difference=distance,
        groups=_groups(list(scores), mean, distance),
    )


def critical_difference(methods: int, datasets: int, *, alpha: float = 0.05) -> float:
    """Nemenyi's critical difference of mean ranks, q / sqrt(2) sqrt(k (k + 1) / (6 n)).

    Raises
    ------
    DataError
        With fewer than 8 datasets: a rank diagram over less shows noise.

    Examples
    --------
    >>> round(critical_difference(5, 30), 2)  # Demšar (2006): q = 2.728
    1.11
    """
    from scipy.stats import studentized_range

    if datasets < FEWEST_DATASETS:
        raise DataError(
            f"ranks over datasets need {FEWEST_DATASETS} datasets or more, but there are {datasets}",
            fix="compare on each dataset by itself (msabench compare); seeds are no further datasets",
        )
    q = float(studentized_range.ppf(1 - alpha, methods, np.inf)) / math.sqrt(2)
    return q * math.sqrt(methods * (methods + 1) / (6 * datasets))


def _table(scores: Mapping[str, Mapping[str, float]]) -> tuple[Array, list[str]]:
    """(datasets, methods), complete and finite."""
    if len(scores) < 3:
        raise DataError(f"Friedman's test needs 3 methods or more, but got {len(scores)}")
    datasets = list(dict.fromkeys(dataset for figures in scores.values() for dataset in figures))
    bases = [dataset.partition(":")[0] for dataset in datasets]
    twice = sorted({base for base in bases if bases.count(base) > 1})
    if twice:
        raise DataError(
            f"{', '.join(twice)} is there with several feature files, which share their examples",
            fix="choose one of them for each dataset",
        )
    critical_difference(len(scores), len(datasets))
    for method, figures in scores.items():
        gaps = [dataset for dataset in datasets if not math.isfinite(figures.get(dataset, math.nan))]
        if gaps:
            raise DataError(f"{method} has no figure on {', '.join(gaps)}, and ranks need every one")
    return np.array([[figures[d] for figures in scores.values()] for d in datasets]), datasets


def _ranked(table: Array, better: Literal["higher", "lower"]) -> Array:
    from scipy.stats import rankdata

    return np.asarray(rankdata(-table if better == "higher" else table, axis=1))


def _groups(names: Sequence[str], mean: Array, distance: float) -> tuple[tuple[str, ...], ...]:
    """Longest runs of methods, in order of rank, within the critical difference."""
    order = np.argsort(mean, kind="stable")
    groups: list[tuple[int, int]] = []
    for first in range(len(order)):
        last = max(j for j in range(first, len(order)) if mean[order[j]] - mean[order[first]] < distance)
        if last > first and not any(last <= end for _, end in groups):
            groups.append((first, last))
    return tuple(tuple(names[order[i]] for i in range(first, last + 1)) for first, last in groups)
