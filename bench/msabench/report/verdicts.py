"""Is A better than B? The verdicts of `msabench compare` as values, and in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

from msabench import __version__
from msabench.errors import SpecError
from msabench.metrics import Metric
from msabench.stats import TESTS, Comparison, Estimate
from msabench.stats.offered import test_named
from msabench.stats.power import MOST_SEEDS

SELECTIONS_SHOWN = ("same-epoch", "best-epoch", "as-published")
"""The first gives the verdict; the others show whether it hangs on the epoch rule"""
_NONE = Estimate(value=math.nan, low=math.nan, high=math.nan)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One pair of rows on one dataset, metric and epoch rule."""

    a: str
    b: str
    dataset: str
    data_kind: str
    convention: str
    selection: str
    oracle: str
    """Rows whose rule looks at the test split, joined; empty for none"""
    metric: Metric
    comparison: Comparison
    g: Estimate = _NONE
    """Hedges' g, positive where A is better"""
    improvement: Estimate = _NONE
    """Chance that a training of A beats one of B"""
    crossed: Estimate = _NONE
    """The difference, with an interval by resampling seeds and examples"""
    detectable: float = math.nan
    """Smallest true difference found with 80 % power at the corrected level; nan if not known"""
    needed: int | None = None
    """Seeds that would find the observed difference; None if none would, or nothing is to be found"""
    examples_needed: int | None = None
    """Of a test of two checkpoints: test examples that would find the observed difference"""

    def number(self, value: float, *, signed: bool = False) -> str:
        """As the tables print it: percentages times 100."""
        if math.isnan(value):
            return "–"
        decimals = 2 if self.metric.percent else 3
        shown = round(100 * value if self.metric.percent else value, decimals) + 0.0
        return f"{shown:{'+' if signed else ''}.{decimals}f}"

    @property
    def words(self) -> str:
        """The verdict in words."""
        found = self.comparison
        if math.isnan(found.p):
            why = (
                "; ".join(found.notes).replace(" of A ", f" of {self.a} ").replace(" of B ", f" of {self.b} ")
            )
            return f"undefined: {why or 'no figure'}"
        if found.winner:
            return f"{self.a if found.winner == 'a' else self.b} is better"
        same = not round(found.difference, 12)
        if found.se == 0 or (same and found.a.sd == found.b.sd == 0):
            return "the same figures"
        said = "not distinguishable"
        if not found.reachable:
            smallest = p_text(min(1.0, found.smallest * found.family))
            said += f", as no figures of so few seeds could be: the smallest p is {smallest}"
        if math.isnan(self.detectable):
            return said
        beyond = self.metric.percent and self.detectable > 1
        said += f"; detectable {self._by}: {'more than 100' if beyond else self.number(self.detectable)}"
        return said if same else f"{said}; for {self.number(abs(found.difference))}{self._remedy}"

    @property
    def _by(self) -> str:
        """What the detectable difference rests on."""
        found = self.comparison
        if found.scope == "these checkpoints":
            return "with these examples"
        if found.scope == "seeds and examples":
            return "with these seeds"
        return "with these seeds on this test set" + ("" if found.test == "welch" else " (by Welch's t)")

    @property
    def _remedy(self) -> str:
        """What the observed difference would need to be found."""
        if self.examples_needed is not None:
            return f": about {self.examples_needed} examples"
        if self.needed is not None:
            return f": {self.needed} seeds each"
        if self.comparison.scope == "seeds and examples":
            return " no number of seeds suffices: more examples"
        return f": more than {MOST_SEEDS} seeds each"

    @property
    def short(self) -> str:
        """Winner, difference and p, for a cell of the table of epoch rules."""
        found = self.comparison
        if math.isnan(found.p):
            return "undefined"
        winner = {"a": self.a, "b": self.b, "": "neither"}[found.winner]
        return f"{winner} ({self.number(found.difference, signed=True)}, p {p_text(found.decisive)})"


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """What `msabench compare` answers."""

    title: str
    test: str
    scope: str
    alpha: float
    verdicts: tuple[Verdict, ...]
    """Every pair, dataset and metric under the first epoch rule"""
    others: tuple[Verdict, ...] = ()
    """The same under the other rules"""
    notes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    """What could not be compared, and why"""
    version: str = __version__


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of a study."""

    rows: tuple[str, ...]
    """Two or more; every pair is compared, or each with the reference"""
    reference: str = ""
    dataset: str | None = None
    convention: str | None = None
    """None reads each dataset under its own"""
    selections: tuple[str, ...] = SELECTIONS_SHOWN
    metrics: tuple[str, ...] = ()
    """Empty takes what a paper's table prints"""
    track: str | None = None
    text_encoder: str | None = None
    test: str = "two-source"
    alpha: float = 0.05
    seed: int | None = None
    """Of the checkpoints, for tests of two checkpoints"""
    allow_unequal_budgets: bool = False
    """Whether rows may be compared whose searches had unequal budgets; the notes then say so"""

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise SpecError(f"`0 < alpha < 1` must hold, but got {self.alpha:g}")
        test_named(self.test)
        if self.seed is not None and TESTS[self.test].scope != "these checkpoints":
            raise SpecError(
                f"--seed chooses checkpoints, and the {self.test} test takes all seeds",
                fix="add --test randomisation or --test mcnemar, or leave out --seed",
            )


def level_text(alpha: float) -> str:
    """The confidence of an interval.

    >>> level_text(0.05), level_text(0.005)
    ('95%', '99.5%')
    """
    return f"{100 * (1 - alpha):.6g}%"


def p_text(p: float) -> str:
    """Three decimals, and never 0."""
    if math.isnan(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
