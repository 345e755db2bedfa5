"""Statistics over scored records: tests, intervals, corrections, ranks, power. Pure functions over arrays.

Two variances matter, that of training (seeds) and that of the test set (examples); `two_source` sees both,
and every other test says in its `scope` what its verdict holds for. Reports print what is computed here and
compute nothing themselves.
"""

from msabench.stats.comparison import Comparison, Scope, Side
from msabench.stats.corrections import corrected, holm
from msabench.stats.draws import RESAMPLES, Draws, resample
from msabench.stats.effects import (
    Estimate,
    crossed_interval,
    hedges_g,
    mean_interval,
    probability_of_improvement,
)
from msabench.stats.offered import TESTS, Test, compare
from msabench.stats.per_example import mcnemar, randomisation
from msabench.stats.power import (
    Sources,
    detectable_by_examples,
    examples_needed,
    minimum_detectable,
    power_of,
    seeds_needed,
)
from msabench.stats.ranks import Friedman, critical_difference, friedman, rank_intervals
from msabench.stats.seed_only import mann_whitney, permutation, welch, wilcoxon
from msabench.stats.summary import IDENTITY, summarise
from msabench.stats.two_source import two_source

__all__ = [
    "IDENTITY",
    "RESAMPLES",
    "TESTS",
    "Comparison",
    "Draws",
    "Estimate",
    "Friedman",
    "Scope",
    "Side",
    "Sources",
    "Test",
    "compare",
    "corrected",
    "critical_difference",
    "crossed_interval",
    "detectable_by_examples",
    "examples_needed",
    "friedman",
    "hedges_g",
    "holm",
    "mann_whitney",
    "mcnemar",
    "mean_interval",
    "minimum_detectable",
    "permutation",
    "power_of",
    "probability_of_improvement",
    "randomisation",
    "rank_intervals",
    "resample",
    "seeds_needed",
    "summarise",
    "two_source",
    "welch",
    "wilcoxon",
]
