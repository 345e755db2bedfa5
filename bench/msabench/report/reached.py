"""What a comparison could have shown: the smallest detectable difference, and what the observed one needs."""

from __future__ import annotations

import math
from dataclasses import replace

from msabench.report.verdicts import Verdict
from msabench.stats import (
    Sources,
    detectable_by_examples,
    examples_needed,
    minimum_detectable,
    seeds_needed,
)
from msabench.stats.power import POWER


def with_reach(verdict: Verdict) -> Verdict:
    """The verdict with its detectable difference, and the seeds or examples that would find the observed one.

    At alpha divided by the comparisons of the family, as a corrected p is held against it: a difference above
    what is called detectable must not come out as not distinguishable for the correction's sake. Tests over
    seeds that know no variance are judged by Welch's t, those of two checkpoints by their examples alone.
    """
    found = verdict.comparison
    alpha = found.alpha / found.family
    if math.isnan(found.p) or alpha >= POWER:
        return verdict
    observed = found.difference if round(abs(found.difference), 12) else None
    if found.scope == "these checkpoints":
        if not found.se > 0:
            return verdict
        more = examples_needed(observed, found.se, found.samples, alpha=alpha) if observed else None
        smallest = detectable_by_examples(found.se, alpha=alpha)
        return replace(verdict, detectable=smallest, examples_needed=more)
    sources = Sources.of(found)
    if sources is None:
        return verdict
    return replace(
        verdict,
        detectable=minimum_detectable(sources, found.a.n, found.b.n, alpha=alpha),
        needed=seeds_needed(observed, sources, alpha=alpha) if observed else None,
    )
