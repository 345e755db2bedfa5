"""What every convention is built from: counts of classes, rounded accuracy, MAE, Pearson's r.

`E` epochs (sets of predictions), `N` samples, `C` classes. Each function scores all epochs at once and
gives float64 of shape (E,), nan where a figure is undefined.

With `weights` (R, N), how often each sample occurs in each of R resamples, figures are of shape (R, E): what
scoring the resampled data would give, at the price of a few matrix products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from msabench.run import Array

Figures = dict[str, Array]
"""Metric key to (E,) float64, nan where undefined; weighted (R, E)"""
_CONSTANT = 1e-12


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Samples per class, from which accuracy and every averaged F1 follow.

    With n_c(y) = `true`, n_c(p) = `predicted` and TP_c = `hits`, the F1 of a class is
    F_c = 2 TP_c / (n_c(y) + n_c(p)), and 0 where both counts are 0.

    >>> counts = count(np.array([[0, 1, 1, 1]]), np.array([0, 0, 1, 1]), classes=(0, 1))
    >>> counts.accuracy(), counts.weighted_f1().round(4), counts.weighted_f1(swapped=True).round(4)
    (array([0.75]), array([0.7333]), array([0.7667]))
    """

    true: Array
    """(C,) float64; weighted (R, 1, C)"""
    predicted: Array
    """(E, C) float64; weighted (R, E, C), as `hits`"""
    hits: Array
    """(E, C) float64: samples of class c that were given class c"""
    samples: int | Array
    """N; 0 makes every figure undefined; weighted (R, 1)"""

    def accuracy(self) -> Array:
        """Share of samples in the right class: sum_c TP_c / N."""
        return _ratio(self.hits.sum(axis=-1), self.samples, empty=np.nan)

    def f1(self) -> Array:
        """(E, C): F_c of each class."""
        return _ratio(2 * self.hits, self.true + self.predicted)

    def weighted_f1(self, *, swapped: bool = False) -> Array:
        """sum_c w_c F_c / N, with w_c = n_c(y), or n_c(p) if `swapped`.

        F_c is symmetric in truth and prediction, so that scikit-learn's `f1_score(average="weighted")`
        called with its arguments exchanged differs by these weights alone.
        """
        weights = self.predicted if swapped else self.true
        return _ratio((weights * self.f1()).sum(axis=-1), self.samples, empty=np.nan)

    def macro_f1(self) -> Array:
        """Mean of F_c over the classes that occur in the truths or in the predictions."""
        present = (self.true + self.predicted) > 0
        return _ratio(self.f1().sum(axis=-1), present.sum(axis=-1), empty=np.nan)

    def weighted_precision(self) -> Array:
        """sum_c n_c(y) P_c / N, with P_c = TP_c / n_c(p), and 0 for a class that is never predicted."""
        precision = _ratio(self.hits, self.predicted)
        return _ratio((self.true * precision).sum(axis=-1), self.samples, empty=np.nan)


def count(predicted: Array, true: Array, classes: Sequence[Any], weights: Array | None = None) -> Counts:
    """Count classes.

    Parameters
    ----------
    predicted
        (E, N) classes.
    true
        (N,) classes.
    classes
        Every class that either may hold; entries outside of it count for nothing but N.
    weights
        (R, N); None counts each sample once.
    """
    marks = [(predicted == c, true == c) for c in classes]
    if weights is not None:
        return Counts(
            true=np.stack([_weighed(t[None], weights) for _, t in marks], axis=2),
            predicted=np.stack([_weighed(p, weights) for p, _ in marks], axis=2),
            hits=np.stack([_weighed(p & t, weights) for p, t in marks], axis=2),
            samples=_sizes(weights),
        )
    return Counts(
        true=np.array([t.sum() for _, t in marks], dtype=np.float64),
        predicted=np.stack([_true_per_row(p) for p, _ in marks], axis=1),
        hits=np.stack([_true_per_row(p & t) for p, t in marks], axis=1),
        samples=len(true),
    )


def rounded_accuracy(predictions: Array, truths: Array, bound: int, weights: Array | None = None) -> Array:
    """Acc-(2L+1): mean of 1[rne(clip(p, -L, L)) = rne(clip(y, -L, L))], with L = `bound`.

    `rne` rounds half to even. Clipping to whole bounds and rounding commute. A NaN equals nothing, so it
    is wrong.

    >>> rounded_accuracy(np.array([[0.5, 1.5, 9.0]]), np.array([0.0, 2.0, 3.0]), bound=3)
    array([1.])
    """
    same = np.clip(np.rint(predictions), -bound, bound) == np.clip(np.rint(truths), -bound, bound)
    if weights is not None:
        return _ratio(_weighed(same, weights), _sizes(weights), empty=np.nan)
    return _ratio(_true_per_row(same), len(truths), empty=np.nan)


def mean_absolute_error(predictions: Array, truths: Array, weights: Array | None = None) -> Array:
    """MAE = mean of |p - y|, averaged in the precision of the inputs; weighted in float64.

    >>> mean_absolute_error(np.array([[1.0, 2.0], [0.0, 0.0]]), np.array([0.0, 0.0]))
    array([1.5, 0. ])
    """
    if not len(truths):
        return _undefined(predictions, weights)
    with np.errstate(invalid="ignore", over="ignore"):
        if weights is not None:
            errors = np.abs(predictions - truths).astype(np.float64)
            return _ratio(_weighed(errors, weights), _sizes(weights), empty=np.nan)
        mean: Array = np.abs(predictions - truths).mean(axis=1).astype(np.float64)
    return mean


def pearson(predictions: Array, truths: Array, weights: Array | None = None) -> Array:
    """Corr: Pearson's r = sum (p - mean p)(y - mean y) / sqrt(sum (p - mean p)^2 sum (y - mean y)^2).

    Computed in float64. Undefined (nan) for a constant input, N < 2, or an input that is not finite;
    a constant is recognised before averaging, as float64 cannot average every constant exactly.

    >>> pearson(np.array([[1.0, 2.0, 3.0], [0.1, 0.1, 0.1]]), np.array([1.0, 2.0, 4.0])).round(4)
    array([0.982,   nan])
    """
    if len(truths) < 2:
        return _undefined(predictions, weights)
    p, y = predictions.astype(np.float64), truths.astype(np.float64)
    if weights is not None:
        return _weighted_pearson(p, y, weights.astype(np.float64))
    with np.errstate(invalid="ignore", divide="ignore"):
        varies = (p.max(axis=1) > p.min(axis=1)) & (y.max() > y.min())
        p -= p.mean(axis=1, keepdims=True)
        y -= y.mean()
        scale = np.sqrt(np.einsum("en,en->e", p, p)) * np.sqrt(y @ y)
        r = np.einsum("en,n->e", p, y) / scale
    return np.where(varies & (scale > 0), np.clip(r, -1.0, 1.0), np.nan)


def _weighted_pearson(p: Array, y: Array, weights: Array) -> Array:
    """(R, E), from sums of products about the means of the whole sample."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        p = p - p.mean(axis=1, keepdims=True)
        y = y - y.mean()
        n = _sizes(weights)
        sum_p, sum_y = weights @ p.T, (weights @ y)[:, None]
        square_p, square_y = weights @ (p * p).T, (weights @ (y * y))[:, None]
        spread_p, spread_y = square_p - sum_p**2 / n, square_y - sum_y**2 / n
        r = (weights @ (p * y).T - sum_p * sum_y / n) / np.sqrt(spread_p * spread_y)
        # of a constant, rounding leaves about 1e-16 of its square
        varies = (spread_p > _CONSTANT * square_p) & (spread_y > _CONSTANT * square_y)
    return np.where(varies & (n > 1), np.clip(r, -1.0, 1.0), np.nan)


def _weighed(values: Array, weights: Array) -> Array:
    """(R, E): sums of (E, N) values; marks are summed in the weights' precision, exact for whole numbers."""
    if values.dtype == bool:
        values = values.astype(weights.dtype)
    total: Array = (weights.astype(values.dtype, copy=False) @ values.T).astype(np.float64)
    return total


def _sizes(weights: Array) -> Array:
    """(R, 1): samples in each resample."""
    ones = np.ones(weights.shape[1], weights.dtype)  # a product is several times faster than a sum
    sizes: Array = (weights @ ones).astype(np.float64)[:, None]
    return sizes


def _undefined(predictions: Array, weights: Array | None) -> Array:
    return np.full(len(predictions) if weights is None else (len(weights), len(predictions)), np.nan)


def _true_per_row(marks: Array) -> Array:
    # summing bytes as small integers is several times faster than letting numpy widen each to int64
    whole = marks.view(np.uint8)
    total: Array = np.add.reduce(whole, axis=1, dtype=np.uint32).astype(np.float64)
    return total


def _ratio(above: Array, below: Any, *, empty: float = 0.0) -> Array:
    below = np.asarray(below, dtype=np.float64)
    ratio: Array = np.divide(above, below, out=np.full(above.shape, empty), where=below > 0)
    return ratio
