"""Tests of two trained models on their test examples. They hold for these checkpoints: another seed of either
method is another model, and may turn the verdict round."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from msabench.errors import DataError
from msabench.metrics import Metric, score_epochs, score_resamples
from msabench.run import Array
from msabench.stats.comparison import Comparison, Side
from msabench.stats.draws import metric_named

ROUNDS = 4999
_CHUNK = 2**20


def randomisation(
    a: Any, b: Any, truths: Any, metric: str, convention: str, *, alpha: float = 0.05, seed: int = 0
) -> Comparison:
    """Exchange the two models' predictions example by example, at random, 4999 times.

    Works for any metric, as it is computed anew on every exchange. p = (1 + as extreme) / (1 + rounds). The
    standard error is that of the differences which exchanging gives.

    Parameters
    ----------
    a, b
        (1, N[, C]) or (N[, C]): the predictions of one checkpoint each.

    Raises
    ------
    SpecError, DataError
        If the metric is unknown, shapes do not fit, or there is more than one checkpoint a side.
    """
    about, p, q, y = _two(a, b, truths, metric, convention)
    observed = score_epochs(convention, np.stack([p, q]), y)[metric]
    if not np.isfinite(observed).all():
        return _comparison(
            "randomisation", about, convention, observed, len(y), alpha, notes=_notes(metric, observed)
        )
    rng = np.random.default_rng(seed)
    gap, extreme, defined, squares = abs(observed[0] - observed[1]), 0, 0, 0.0
    rows = max(1, _CHUNK // p.size)
    for start in range(0, ROUNDS, rows):
        swap = rng.random((min(rows, ROUNDS - start), len(y))) < 0.5
        swap = swap.reshape(*swap.shape, *[1] * (p.ndim - 1))
        both = [score_epochs(convention, np.where(s, p, q), y)[metric] for s in (swap, ~swap)]
        gaps = np.abs(both[0] - both[1])
        extreme += int((gaps >= gap * (1 - 1e-9) - 1e-12).sum())
        defined += int(np.isfinite(gaps).sum())
        squares += float(np.nansum(gaps**2))
    se = math.sqrt(squares / defined) if defined else math.nan
    p_value = (1 + extreme) / (1 + defined)
    return _comparison(
        "randomisation", about, convention, observed, len(y), alpha, p=p_value, se=se, examples=se**2
    )


def mcnemar(a: Any, b: Any, truths: Any, metric: str, convention: str, *, alpha: float = 0.05) -> Comparison:
    """McNemar's exact test: among examples that one model alone has right, has either more than half?

    The standard error is that of the difference where either is as likely to be the one.

    Parameters
    ----------
    a, b
        (1, N[, C]) or (N[, C]): the predictions of one checkpoint each.
    metric
        A share of right answers: an accuracy.

    Raises
    ------
    DataError
        If the metric is no share of right answers, as F1, MAE and Corr are none.
    SpecError
        If it is unknown.
    """
    from scipy.stats import binomtest

    about, p, q, y = _two(a, b, truths, metric, convention)
    if not is_share(about):
        raise DataError(
            f"McNemar's test counts right answers, and {about.label} is no share of them",
            fix="take the randomisation test, which works for every metric",
        )
    observed = score_epochs(convention, np.stack([p, q]), y)[metric]
    if not np.isfinite(observed).all():
        return _comparison(
            "mcnemar", about, convention, observed, len(y), alpha, notes=_notes(metric, observed)
        )
    right = _right(np.stack([p, q]), y, metric, convention)
    first, second = (
        int(((right[0] == 1) & (right[1] == 0)).sum()),
        int(((right[0] == 0) & (right[1] == 1)).sum()),
    )
    value = float(binomtest(first, first + second).pvalue) if first + second else 1.0
    se = math.sqrt(first + second) / int(np.isfinite(right[0]).sum())
    note = f"A alone is right on {first} examples, B alone on {second}"
    return _comparison(
        "mcnemar", about, convention, observed, len(y), alpha, p=value, se=se, examples=se**2, notes=(note,)
    )


def is_share(metric: Metric) -> bool:
    """Whether a metric is a share of right answers."""
    return metric.key.startswith("acc") or metric.key.endswith("acc2") or metric.key in ("recall", "f1_micro")


def _right(predictions: Array, truths: Array, metric: str, convention: str) -> Array:
    """(2, N): 1 right, 0 wrong, nan left out; each example scored as a test set of its own."""
    n = len(truths)
    rows = max(1, _CHUNK // n)
    parts = []
    for start in range(0, n, rows):
        alone = np.zeros((min(rows, n - start), n), dtype=np.float32)
        alone[np.arange(len(alone)), start + np.arange(len(alone))] = 1
        parts.append(score_resamples(convention, predictions, truths, alone)[metric])
    right: Array = np.concatenate(parts).T
    return right


def _two(a: Any, b: Any, truths: Any, metric: str, convention: str) -> tuple[Metric, Array, Array, Array]:
    y = np.asarray(truths)
    about = metric_named(convention, metric)
    sides = []
    for name, side in (("A", a), ("B", b)):
        p = np.asarray(side)
        if (p.ndim > 1 and len(p) != len(y)) or p.ndim > 2:
            if len(p) != 1:
                raise DataError(
                    f"{name} has {len(p)} seeds, and a test of checkpoints takes one of each method",
                    fix="choose one seed of each (--seed), or take the two-source test for all of them",
                )
            p = p[0]
        sides.append(p)
    if sides[0].shape != sides[1].shape or len(sides[0]) != len(y):
        raise DataError(f"predictions of shapes {sides[0].shape} and {sides[1].shape} for {len(y)} truths")
    return about, sides[0], sides[1], y


def _notes(metric: str, observed: Array) -> tuple[str, ...]:
    return tuple(
        f"{metric} of {name} is undefined for 1 of 1 seeds"
        for name, value in zip("AB", observed, strict=True)
        if not math.isfinite(value)
    )


def _comparison(
    test: str, metric: Metric, convention: str, observed: Array, samples: int, alpha: float, **found: Any
) -> Comparison:
    return Comparison(
        metric=metric.key,
        convention=convention,
        better=metric.better,
        test=test,
        scope="these checkpoints",
        a=Side.of(observed[:1]),
        b=Side.of(observed[1:]),
        difference=float(observed[0] - observed[1]),
        samples=samples,
        alpha=alpha,
        **found,
    )
