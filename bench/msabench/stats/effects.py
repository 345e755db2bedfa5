"""How large a difference is: standardised, as a chance, and with intervals over seeds and examples."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from msabench.errors import DataError
from msabench.run import Array
from msabench.stats.comparison import spread
from msabench.stats.draws import Draws
from msabench.stats.noncentral import share_below
from msabench.stats.two_source import check_alike


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value and its interval at confidence 1 - alpha; nan where undefined."""

    value: float
    low: float
    high: float


def hedges_g(a: Draws, b: Draws, *, alpha: float = 0.05) -> Estimate:
    """Difference of the means over seeds in pooled standard deviations, corrected for small samples.

    Positive where A is better. The spread is that of seeds on this test set: g grows as training gets more
    repeatable, and says nothing of other test sets. The interval inverts the noncentral t and is of the true
    difference, so that it takes no correction; with unequal variances it is approximate.

    Raises
    ------
    DataError
        If either has one seed only.

    References
    ----------
    Hedges, Distribution theory for Glass's estimator of effect size, J. Educational Statistics 6 (1981).
    """
    x, y = _oriented(a), _oriented(b)
    n, m = len(x), len(y)
    if min(n, m) < 2:
        raise DataError("an effect size needs two seeds or more of each method")
    pooled = math.sqrt(((n - 1) * spread(x) ** 2 + (m - 1) * spread(y) ** 2) / (n + m - 2))
    if not pooled > 0:
        return Estimate(value=math.nan, low=math.nan, high=math.nan)
    df, scale = n + m - 2, math.sqrt(1 / n + 1 / m)
    small = 1 - 3 / (4 * df - 1)
    d = float(x.mean() - y.mean()) / pooled
    low, high = (_noncentrality(d / scale, df, q) * scale for q in (1 - alpha / 2, alpha / 2))
    return Estimate(value=d * small, low=low, high=high)


def probability_of_improvement(a: Draws, b: Draws, *, alpha: float = 0.05, seed: int = 0) -> Estimate:
    """The chance that one training of A beats one training of B on this metric; ties count half.

    Share of the S_A x S_B pairs of seeds; percentile interval over resampled seeds and examples.

    References
    ----------
    Agarwal et al., Deep reinforcement learning at the edge of the statistical precipice, NeurIPS 2021.
    """
    check_alike(a, b)
    x, y = _oriented(a), _oriented(b)
    if np.isnan(x).any() or np.isnan(y).any():
        return Estimate(value=math.nan, low=math.nan, high=math.nan)
    wins, losses = (np.sign(x[:, None] - y[None, :]) == side for side in (1, -1))
    draws_a, draws_b = _crossed(a, b, seed, full=True)
    sign = 1 if a.better == "higher" else -1
    signs = np.sign(sign * (draws_a[:, :, None] - draws_b[:, None, :]))
    low, high = np.nanquantile((1 + signs.mean(axis=(1, 2))) / 2, [alpha / 2, 1 - alpha / 2])
    return Estimate(value=float((1 + wins.mean() - losses.mean()) / 2), low=float(low), high=float(high))


def crossed_interval(a: Draws, b: Draws, *, alpha: float = 0.05, seed: int = 0) -> Estimate:
    """metric(A) - metric(B) with a percentile interval over resampled seeds and resampled examples.

    Seeds are drawn S - 1 at a time, which makes the variance of their mean that of S seeds; drawing S would
    make it too small by (S - 1) / S. A percentile interval knows no degrees of freedom: with few seeds it is
    narrower than that of `two_source`, which is the one to claim by.

    Raises
    ------
    DataError
        If either has one seed only.
    """
    check_alike(a, b)
    if min(len(a.values), len(b.values)) < 2:
        raise DataError("resampling seeds needs two or more of each method")
    draws_a, draws_b = _crossed(a, b, seed, full=False)
    value = float(a.values.mean() - b.values.mean())
    if math.isnan(value):
        return Estimate(value=math.nan, low=math.nan, high=math.nan)
    low, high = np.nanquantile(draws_a.mean(axis=1) - draws_b.mean(axis=1), [alpha / 2, 1 - alpha / 2])
    return Estimate(value=value, low=float(low), high=float(high))


def mean_interval(draws: Draws, *, alpha: float = 0.05, seed: int = 0) -> Estimate:
    """One method's mean over seeds, with a percentile interval over resampled seeds and examples.

    Seeds are drawn S - 1 at a time, as in `crossed_interval`; with one seed the interval is over examples
    alone. Intervals of two methods on one test set may overlap although they differ: what is common to both
    cancels in their difference only, so that claims go by `two_source`.
    """
    value = float(draws.values.mean())
    if math.isnan(value) or not len(draws.resampled):
        return Estimate(value=value, low=math.nan, high=math.nan)
    seeds = len(draws.values)
    rng = np.random.default_rng([seed, seeds])
    drawn = rng.integers(0, seeds, (len(draws.resampled), max(1, seeds - 1)))
    means = np.take_along_axis(draws.resampled, drawn, axis=1).mean(axis=1)
    low, high = np.nanquantile(means, [alpha / 2, 1 - alpha / 2])
    return Estimate(value=value, low=float(low), high=float(high))


def _crossed(a: Draws, b: Draws, seed: int, *, full: bool) -> tuple[Array, Array]:
    """Each resample of the examples with seeds drawn anew; `full` draws S of S, else S - 1."""
    rng = np.random.default_rng([seed, len(a.values), len(b.values)])
    parts = []
    for draws in (a, b):
        seeds = len(draws.values)
        drawn = rng.integers(0, seeds, (len(draws.resampled), seeds if full else seeds - 1))
        parts.append(np.take_along_axis(draws.resampled, drawn, axis=1))
    return parts[0], parts[1]


def _oriented(draws: Draws) -> Array:
    """Values turned so that more is better."""
    return draws.values if draws.better == "higher" else -draws.values


def _noncentrality(t: float, df: int, share: float) -> float:
    """The noncentrality under which a share of noncentral t values lies below t."""
    from scipy.optimize import brentq

    def excess(shift: float) -> float:
        return share_below(t, df, shift) - share

    reach = 5.0
    while excess(t - reach) < 0 or excess(t + reach) > 0:
        reach *= 2
        if reach > 1e4:
            return math.nan
    return float(brentq(excess, t - reach, t + reach, xtol=1e-6))
