"""Median pruning: trials that lag behind the first few are ended early.

The first `WARMUP` trials run whole. After each epoch from `FROM_EPOCH` on, a later trial is ended if the best
validation criterion that it has reached is worse than the median of what those had reached by then. The
warm-up trials are the same whatever runs at a time and whatever ends first, so which trials are pruned, and
after which epoch, is a function of the trials themselves: Optuna's median pruner, by contrast, compares with
whichever trials happen to have ended.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

WARMUP = 5
"""Trials that run whole and set the pace, the published setting among them"""
FROM_EPOCH = 3
"""The first epoch that a trial may be ended after"""
FEWEST = 3
"""A median of fewer finished warm-up trials prunes nothing"""


def pace(curves: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """What the best validation criterion of a later trial may be after each epoch, at most.

    Parameters
    ----------
    curves
        The validation criterion of each finished warm-up trial after each epoch, lower is better. One that
        ended before the others stays at the best that it reached.

    Returns
    -------
    The value at place 0 is for epoch 1, and the last one holds for every epoch from its own on. `inf` where
    no trial is ended; empty if none ever is.

    >>> pace([[3, 2, 2, 1], [4, 4, 3, 3], [2, 5, 5, 4]])
    (inf, inf, 2.0, 2.0)
    """
    if len(curves) < FEWEST or not all(curves):
        return ()
    longest = max(FROM_EPOCH, *map(len, curves))
    padded = [[*curve, *[curve[-1]] * (longest - len(curve))] for curve in curves]
    best = np.minimum.accumulate(np.array(padded, np.float64), axis=1)  # (trials, epochs)
    allowed = np.median(best, axis=0)
    allowed[: FROM_EPOCH - 1] = np.inf
    return tuple(float(value) for value in allowed)


def pruned_at(curve: Sequence[float], allowed: Sequence[float]) -> int:
    """The epoch after which a trial with this validation criterion is ended; 0 if it is not.

    >>> pruned_at([5, 4, 3, 3], (float("inf"), float("inf"), 2.0, 2.0))
    3
    >>> pruned_at([5, 4, 1, 3], (float("inf"), float("inf"), 2.0, 2.0))
    0
    """
    if not allowed:
        return 0
    best = float("inf")
    for place, value in enumerate(curve):
        best = min(best, value)
        if best > allowed[min(place, len(allowed) - 1)]:
            return place + 1
    return 0
