"""The primary test for every pair of rows of a board: its own convention, the headline selection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from msabench.metrics import convention_named
from msabench.report.site.content import Row
from msabench.run import Array
from msabench.stats import Comparison, Draws, corrected, resample, two_source

SELECTION = "same-epoch"
"""Whose epochs are compared"""

Pairs = Mapping[tuple[int, int], Comparison]
"""Places of two rows of a board, the first the smaller, to the first minus the second"""


def tests(
    rows: Sequence[Row], predictions: Mapping[str, Array], truths: Array, convention: str
) -> Mapping[str, Pairs]:
    """Metric key to the two-source t of every pair, corrected after Holm over the pairs of that metric.

    Parameters
    ----------
    rows
        Of one board. Those with fewer than two runs, or with a run without a selected epoch, are in no pair.
    predictions
        Run key to (N,) or (N, C): the test predictions of its selected epoch.
    truths
        (N,)
    convention
        That scores the board.
    """
    keys = [metric.key for metric in convention_named(convention).metrics]
    draws: dict[int, dict[str, Draws]] = {}
    for place, row in enumerate(rows):
        found = [predictions[run.key] for run in row.runs if run.key in predictions]
        if len(found) == len(row.runs) >= 2:
            draws[place] = resample(np.stack(found), truths, convention, keys)
    made: dict[str, Pairs] = {}
    for key in keys:
        pairs = list(combinations(draws, 2))
        compared = [two_source(draws[a][key], draws[b][key]) for a, b in pairs]
        made[key] = dict(zip(pairs, corrected(compared), strict=True))
    return made


def to_json(found: Mapping[str, Pairs]) -> dict[str, Any]:
    """Metric to `[a, b, difference, low, high, p, corrected p]` of every pair; null where undefined."""
    return {
        key: [
            [a, b, *(_number(value) for value in (c.difference, *c.interval, c.p, c.adjusted))]
            for (a, b), c in pairs.items()
        ]
        for key, pairs in found.items()
    }


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None
