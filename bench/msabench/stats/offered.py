"""Every test by name, and the one door to them: `compare`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from msabench.errors import DataError, unknown
from msabench.stats.comparison import Comparison, Scope
from msabench.stats.draws import RESAMPLES, Draws, resample
from msabench.stats.per_example import mcnemar, randomisation
from msabench.stats.seed_only import mann_whitney, permutation, welch, wilcoxon
from msabench.stats.two_source import two_source


@dataclass(frozen=True, kw_only=True)
class Test:
    """A test that `compare` offers."""

    __test__ = False  # pytest would collect it

    name: str
    title: str
    scope: Scope
    over_seeds: Callable[..., Comparison] | None = None
    """Takes the two methods' draws"""
    over_examples: Callable[..., Comparison] | None = None
    """Takes the predictions of two checkpoints, truths, metric and convention"""


_SEEDS: Scope = "this test set only"
_CHECKPOINTS: Scope = "these checkpoints"
TESTS: Mapping[str, Test] = MappingProxyType(
    {
        test.name: test
        for test in (
            Test(
                name="two-source",
                title="two-source t, over seeds and examples",
                scope="seeds and examples",
                over_seeds=two_source,
            ),
            Test(name="welch", title="Welch's t over seeds", scope=_SEEDS, over_seeds=welch),
            Test(name="permutation", title="permutation of seeds", scope=_SEEDS, over_seeds=permutation),
            Test(
                name="mann-whitney",
                title="Mann-Whitney's U over seeds",
                scope=_SEEDS,
                over_seeds=mann_whitney,
            ),
            Test(
                name="wilcoxon",
                title="Wilcoxon's signed ranks, paired by seed",
                scope=_SEEDS,
                over_seeds=wilcoxon,
            ),
            Test(
                name="randomisation",
                title="randomisation of two checkpoints' predictions",
                scope=_CHECKPOINTS,
                over_examples=randomisation,
            ),
            Test(
                name="mcnemar",
                title="McNemar's exact test of two checkpoints",
                scope=_CHECKPOINTS,
                over_examples=mcnemar,
            ),
        )
    }
)


def test_named(name: str) -> Test:
    """The test of that name.

    Raises
    ------
    SpecError
        If there is none; it names the nearest one.
    """
    if name not in TESTS:
        raise unknown("test", name, TESTS)
    return TESTS[name]


def compare(
    a: Any,
    b: Any,
    truths: Any,
    metric: str,
    convention: str,
    *,
    test: str = "two-source",
    alpha: float = 0.05,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Is A better than B on this metric, and by how much?

    Parameters
    ----------
    a, b
        (S_A, N), (S_B, N) or with a last axis of C logits: the predictions on the test split at the selected
        epoch of each seed. The numbers of seeds may differ.
    truths
        (N,)
    metric, convention
        As `msabench.metrics.score` names them.
    test
        A name of `TESTS`.
    resamples, seed
        Of the bootstrap over examples; the same give the same result to the last digit.

    Returns
    -------
    Comparison of metric(A) - metric(B), in fractions. nan with a note where the metric is undefined.

    Raises
    ------
    SpecError
        If the test, metric or convention is unknown.
    DataError
        If shapes do not fit, or there are too few seeds for the test ever to be significant.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> y = rng.uniform(-3, 3, 500)
    >>> a, b = (y + rng.normal(0, sd, (5, 500)) for sd in (0.8, 1.2))
    >>> found = compare(a, b, y, "mae", "mmsa")
    >>> found.winner, round(found.difference, 1), found.p < 0.001
    ('a', -0.3, True)
    """
    chosen = test_named(test)
    if not 0 < alpha < 1:
        raise DataError(f"`0 < alpha < 1` must hold, but got {alpha}")
    if chosen.over_examples is not None:
        return chosen.over_examples(a, b, truths, metric, convention, alpha=alpha)
    assert chosen.over_seeds is not None
    size = resamples if test == "two-source" else 0
    draws: list[Draws] = [
        resample(side, truths, convention, [metric], resamples=size, seed=seed)[metric] for side in (a, b)
    ]
    return chosen.over_seeds(*draws, alpha=alpha)
