"""Figures of weighted samples are those of the samples repeated so, in every convention."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from msabench.metrics import CONVENTIONS, score, score_epochs, score_resamples

Array = NDArray[np.float32]
SAMPLES, RESAMPLES, EPOCHS = 40, 25, 3


def _case(convention: str, samples: int = SAMPLES) -> tuple[Array, Array]:
    """Predictions of three epochs with ties, zeros and a constant epoch, and truths that hold zeros."""
    used = CONVENTIONS[convention]
    rng = np.random.default_rng(5)
    if "regression" in used.tasks:
        span = 1.0 if convention == "sims" else 3.0
        y = np.round(rng.uniform(-span, span, samples) * 5) / 5
        p = y + rng.normal(0, 0.6 * span, (EPOCHS, samples))
        p[0, ::7] = 0
        p[2] = 0.1
        return p.astype(np.float32), y.astype(np.float32)
    classes = {1: 2, 0: 5}.get(used.classes, used.classes)
    y = rng.integers(0, classes, samples)
    shape = (EPOCHS, samples) if used.classes == 1 else (EPOCHS, samples, classes)
    z = rng.normal(0, 1, shape)
    z[2] = 0.5
    return z.astype(np.float32), y.astype(np.float32)


def _draws(samples: int = SAMPLES, resamples: int = RESAMPLES) -> list[NDArray[np.int64]]:
    rng = np.random.default_rng(6)
    drawn = [rng.integers(0, samples, samples) for _ in range(resamples)]
    drawn[0] = np.full(samples, 3)  # one sample alone: every Corr is undefined
    return drawn


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_weighted_figure_is_the_figure_of_the_repeated_samples(convention: str) -> None:
    p, y = _case(convention)
    drawn = _draws()
    weights = np.array([np.bincount(rows, minlength=len(y)) for rows in drawn], dtype=np.float32)
    weighted = score_resamples(convention, p, y, weights)
    assert list(weighted) == [metric.key for metric in CONVENTIONS[convention].figures]
    for place, rows in enumerate(drawn):
        for epoch in range(EPOCHS):
            expected = score(convention, p[epoch, rows], y[rows])
            found = {key: values[place, epoch] for key, values in weighted.items()}
            for key, value in expected.items():
                assert found[key] == pytest.approx(
                    math.nan if value is None else value, abs=2e-6, nan_ok=True
                ), key


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_weights_of_one_change_nothing(convention: str) -> None:
    p, y = _case(convention)
    weighted = score_resamples(convention, p, y, np.ones((1, len(y)), np.float32))
    for key, values in score_epochs(convention, p, y).items():
        np.testing.assert_allclose(weighted[key][0], values, atol=2e-6, err_msg=key)


def test_samples_all_dropped_leave_a_figure_undefined() -> None:
    weights = np.array([[1, 0], [0, 1]], dtype=np.float32)
    figures = score_resamples("mag", [[1.0, 2.0]], [0.0, 1.0], weights)
    assert np.isnan(figures["acc2"][0]).all() and figures["acc2"][1, 0] == 1


def test_a_nan_is_refused_where_the_convention_refuses_it() -> None:
    figures = score_resamples("sims", [[0.1, np.nan], [0.1, -1.0]], [0.2, -1.0], np.ones((4, 2), np.float32))
    assert np.isnan(figures["acc2"][:, 0]).all() and (figures["acc2"][:, 1] == 1).all()
