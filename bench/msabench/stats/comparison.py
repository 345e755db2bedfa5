"""What every test returns: the difference, how sure of it one may be, and what the test has seen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from msabench.run import Array

Scope = Literal["seeds and examples", "this test set only", "these checkpoints"]
"""What a verdict holds for: other seeds and other test examples; other seeds on this very test set; nothing
beyond the two trained models on examples like these."""


def spread(values: Array) -> float:
    """Sample standard deviation (ddof = 1) of (S,) values; nan for one.

    0 where all are equal: their mean may be rounded, and what rounding leaves is no variance.

    >>> spread(np.array([0.1, 0.1, 0.1]))
    0.0
    """
    if len(values) < 2:
        return math.nan
    return float(np.std(values, ddof=1)) if (values != values[0]).any() else 0.0


@dataclass(frozen=True, kw_only=True)
class Side:
    """One method's metric over its seeds."""

    mean: float
    """nan if it is undefined for any seed"""
    sd: float
    """Sample standard deviation (ddof = 1); nan for one seed"""
    n: int
    """Seeds"""
    undefined: int = 0
    """How many of the n are undefined"""

    @classmethod
    def of(cls, values: Array) -> Side:
        """From (S,) values, nan where undefined."""
        return cls(
            mean=float(np.mean(values)),
            sd=spread(values),
            n=len(values),
            undefined=int(np.isnan(values).sum()),
        )


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """metric(A) - metric(B), in the metric's unit: fractions, never percent."""

    metric: str
    convention: str
    better: Literal["higher", "lower"]
    test: str
    scope: Scope
    a: Side
    b: Side
    difference: float
    interval: tuple[float, float] = (math.nan, math.nan)
    """At confidence 1 - alpha; nan where the test gives none"""
    p: float = math.nan
    """Two-sided; nan where the metric is undefined"""
    df: float = math.nan
    """Degrees of freedom, of t tests"""
    se: float = math.nan
    """Standard error of the difference"""
    examples: float = math.nan
    """Share of `se`², in the metric's unit squared, that is due to the examples of the test set"""
    samples: int = 0
    """Examples of the test set"""
    smallest: float = 0.0
    """Smallest p that the test can give with so many seeds, of tests that count arrangements of them"""
    alpha: float = 0.05
    adjusted: float = math.nan
    """p after Holm's correction over `family` comparisons"""
    family: int = 1
    notes: tuple[str, ...] = ()

    @property
    def decisive(self) -> float:
        """The p that a verdict goes by: corrected where a correction was made."""
        return self.p if math.isnan(self.adjusted) else self.adjusted

    @property
    def reachable(self) -> bool:
        """Whether any data could have been significant after the correction over `family` comparisons."""
        return self.smallest * self.family < self.alpha

    @property
    def significant(self) -> bool:
        """Whether the decisive p is below alpha; False where it is undefined."""
        return self.decisive < self.alpha

    @property
    def winner(self) -> Literal["a", "b", ""]:
        """The better side of a significant difference."""
        if not self.significant or not self.difference:
            return ""
        return "a" if (self.difference > 0) == (self.better == "higher") else "b"
