"""A method's metrics on resampled test sets: the same resamples for every method of one test set.

The resamples depend on the number of examples and the seed alone, so that two methods resampled apart from
each other are still resampled together: their difference, resample by resample, is a paired bootstrap.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from msabench.errors import DataError, unknown
from msabench.metrics import Metric, convention_named, score_epochs, score_resamples
from msabench.run import Array

RESAMPLES = 2000
"""Enough that a bootstrap variance is known to about 3 %"""
_CHUNK = 2**20  # weights held at once, 4 MiB in float32


@dataclass(frozen=True, kw_only=True)
class Draws:
    """One metric of one method: as scored, and on resampled test sets."""

    metric: str
    convention: str
    better: Literal["higher", "lower"]
    values: Array
    """(S,) the metric of each seed on the test set; nan where undefined"""
    resampled: Array
    """(R, S) the same on each resample"""
    samples: int
    """Examples of the test set"""

    @property
    def mean_resampled(self) -> Array:
        """(R,): averaged over seeds."""
        mean: Array = self.resampled.mean(axis=1)
        return mean


def resample(
    predictions: Any,
    truths: Any,
    convention: str,
    metrics: Collection[str] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Draws]:
    """Score each seed's predictions on the test set and on bootstrap resamples of its examples.

    Parameters
    ----------
    predictions
        (S, N), or (S, N, C): one set of predictions a seed.
    truths
        (N,)
    metrics
        Keys of the convention's figures; None takes all.
    resamples
        R; 0 scores the test set alone.

    Returns
    -------
    dict
        Metric key to its draws. A seed with a prediction that is not finite has no defined figure.

    Raises
    ------
    SpecError
        If the convention or a metric is unknown.
    DataError
        If predictions or truths have the wrong shape.

    Examples
    --------
    >>> draws = resample([[1.0, -1.0], [1.0, 1.0]], [2.0, -2.0], "mmsa", ["has0_acc2"], resamples=10)
    >>> draws["has0_acc2"].values, draws["has0_acc2"].resampled.shape
    (array([1. , 0.5]), (10, 2))
    """
    wanted = [metric_named(convention, key) for key in metrics] if metrics is not None else None
    p, y = np.asarray(predictions), np.asarray(truths)
    if p.ndim < 2 or not len(p):
        raise DataError(
            f"predictions must be (seeds, examples) or (seeds, examples, classes), but got {p.shape}"
        )
    broken = np.zeros(len(p), dtype=bool)
    if p.dtype.kind == "f":
        broken = ~np.isfinite(p).all(axis=tuple(range(1, p.ndim)))
        p = np.where(broken.reshape(-1, *[1] * (p.ndim - 1)), 0, p)
    scored = score_epochs(convention, p, y)
    chunks = [score_resamples(convention, p, y, w) for w in _weights(len(y), resamples, seed)]
    draws = {}
    for metric in convention_named(convention).figures if wanted is None else wanted:
        parts = [chunk[metric.key] for chunk in chunks] or [np.empty((0, len(p)))]
        values, resampled = scored[metric.key], np.concatenate(parts)
        values[broken], resampled[:, broken] = np.nan, np.nan
        draws[metric.key] = Draws(
            metric=metric.key,
            convention=convention,
            better=metric.better,
            values=values,
            resampled=resampled,
            samples=len(y),
        )
    return draws


def metric_named(convention: str, key: str) -> Metric:
    """The figure of a convention.

    Raises
    ------
    SpecError
        If the convention has none of that key; it names the nearest one.
    """
    by_key = {metric.key: metric for metric in convention_named(convention).figures}
    if key not in by_key:
        raise unknown(f"metric of convention '{convention}'", key, by_key, "msabench list conventions")
    return by_key[key]


def _weights(samples: int, resamples: int, seed: int) -> list[Array]:
    rows = max(1, _CHUNK // samples)
    sizes = [min(rows, resamples - start) for start in range(0, resamples, rows)]
    return [_chunk(samples, size, seed, place) for place, size in enumerate(sizes)]


@lru_cache(maxsize=16)
def _chunk(samples: int, resamples: int, seed: int, place: int) -> Array:
    """(R, N) float32: how often each example occurs in each resample."""
    rng = np.random.default_rng([seed, place])
    drawn = rng.integers(0, samples, (resamples, samples)) + samples * np.arange(resamples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=resamples * samples)
    weights: Array = counts.reshape(resamples, samples).astype(np.float32)
    weights.flags.writeable = False
    return weights
