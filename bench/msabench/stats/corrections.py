"""Several comparisons at once: Holm's correction within each family."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from msabench.run import Array
from msabench.stats.comparison import Comparison


def holm(p: Sequence[float] | Array, of: int | None = None) -> Array:
    """p values corrected after Holm (1979): the chance of any false positive among them stays below alpha.

    Parameters
    ----------
    p
        (K,) raw values; an undefined one (nan) stays so, but counts as a comparison that was made.
    of
        Comparisons of which these are some, chosen for their data; None takes K. The others are taken to be
        larger, which errs to the safe side.

    Returns
    -------
    (K,) float64, in the order given.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    raw = np.asarray(p, dtype=np.float64)
    order = np.argsort(raw, kind="stable")  # nan last
    factors = (len(raw) if of is None else of) - np.arange(len(raw))
    stepped = np.maximum.accumulate(np.minimum(raw[order] * factors, 1.0))
    adjusted = np.empty_like(raw)
    adjusted[order] = np.where(np.isnan(raw[order]), np.nan, stepped)
    return adjusted


def corrected(family: Sequence[Comparison], of: int | None = None) -> list[Comparison]:
    """The comparisons of one family (one dataset, metric, convention and selection), with Holm's p.

    Parameters
    ----------
    of
        As `holm` takes it.
    """
    adjusted = holm([comparison.p for comparison in family], of)
    size = len(family) if of is None else of
    return [
        replace(comparison, adjusted=float(p) if not math.isnan(p) else math.nan, family=size)
        for comparison, p in zip(family, adjusted, strict=True)
    ]
