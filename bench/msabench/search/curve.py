"""How good the best of k trials is to be expected: what a larger budget would have bought."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from msabench.run import Array
from msabench.search.trials import Trial


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best validation value of k trials drawn from those that were made."""

    k: int
    expected: float
    low: float
    """5 % of draws are better than this"""
    high: float
    """5 % of draws are worse than this"""
    unbiased: float
    """Expected of k different trials of those that were made: at k = n the best of them"""


def expected_best(trials: Sequence[Trial]) -> list[Best]:
    """Expected best validation value after k of n trials.

    Failed trials are draws too, the worst ones; pruned ones count as what they had reached.
    """
    return best_of_k([trial.value for trial in trials])


def best_of_k(draws: Sequence[float]) -> list[Best]:
    """Expected best of k of n draws, for k = 1 … n, with a 90 % interval.

    k are taken as drawn anew with replacement (Dodge et al., "Show Your Work", EMNLP 2019, section 3), which
    makes the expectation of many trials look worse than it is; without replacement it is unbiased (Tang et
    al., "Showing Your Work Doesn't Always Work", ACL 2020). Lower is better: turn the sign of an accuracy.

    Parameters
    ----------
    draws
        (n,) values; `inf` for a failure.

    Returns
    -------
    One value a k; empty without a finite draw. `inf` where a draw of k may hold failures only.
    """
    values = np.sort(np.asarray(draws, dtype=np.float64))
    n = len(values)
    if not n or not np.isfinite(values[0]):
        return []
    curve = []
    for k in range(1, n + 1):
        beyond = ((n - np.arange(n + 1)) / n) ** k  # P(best of k is not among the j lowest), j = 0 … n
        chance = beyond[:-1] - beyond[1:]
        reached = np.cumsum(chance)
        low, high = (float(values[min(int(np.searchsorted(reached, q)), n - 1)]) for q in (0.05, 0.95))
        known = np.isfinite(values)
        expected = float(values[known] @ chance[known]) if chance[~known].sum() < 1e-12 else float("inf")
        curve.append(Best(k=k, expected=expected, low=low, high=high, unbiased=_unbiased(values, k)))
    return curve


def _unbiased(values: Array, k: int) -> float:
    """Mean, over all choices of k of the sorted values, of the best; inf if a choice may be all failures."""
    n = len(values)
    chosen = math.comb(n, k)
    chance = np.array([math.comb(n - 1 - place, k - 1) / chosen for place in range(n)])
    known = np.isfinite(values)
    return float(values[known] @ chance[known]) if not chance[~known].any() else float("inf")
