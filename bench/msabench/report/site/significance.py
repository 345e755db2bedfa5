"""The primary test for every pair of rows of a board: its own convention, the headline selection.

What was tested is kept in the study's index under a hash of everything that goes into it, predictions and
code included, so that a site made again tests nothing twice and shows nothing that is out of date.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations
from pathlib import Path
from urllib.parse import quote

import numpy as np
import scipy

from msabench import stats
from msabench.metrics import convention_named
from msabench.records import derived
from msabench.records.index import FOLDER
from msabench.report.site.content import Pair, Row
from msabench.run import Array
from msabench.stats import Comparison, Draws, Sources, corrected, minimum_detectable, resample, two_source

SELECTION = "same-epoch"
"""Whose epochs are compared"""
KNOTS = (1, 2, 3, 4, 5, 6, 8, 10, 15, 30, 100, 10_000)
"""Degrees of freedom between which detectable differences are interpolated"""
Pairs = Mapping[str, Sequence[Pair]]
"""Metric key to the test of every pair"""


def tests(
    rows: Sequence[Row], predictions: Mapping[str, Array], truths: Array, convention: str, *, kept: Path
) -> Pairs:
    """The two-source t of every pair of rows, corrected after Holm over the pairs of one metric.

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
    kept
        File that holds what was tested before; written where that can be.
    """
    entered = {
        place: np.stack([predictions[run.key] for run in row.runs])
        for place, row in enumerate(rows)
        if len(row.runs) >= 2 and all(run.key in predictions for run in row.runs)
    }
    stamp = _stamp(entered, truths, convention)
    held = derived.load(kept)
    if held.get("of") == stamp:
        return {key: [Pair(*pair) for pair in pairs] for key, pairs in held["pairs"].items()}
    keys = [metric.key for metric in convention_named(convention).metrics]
    draws = {
        place: resample(found, truths, convention, keys)  # as `msabench compare` does: the same figures
        for place, found in entered.items()
    }
    made = {key: list(_pairs({place: found[key] for place, found in draws.items()})) for key in keys}
    derived.save(kept, {"of": stamp, "pairs": made})
    return made


def kept_in(study: Path, dataset: str, kind: str) -> Path:
    """Where the tests of a board are kept."""
    return study / FOLDER / f"pairs--{quote(dataset, '')}--{kind}.json"


def _pairs(draws: Mapping[int, Draws]) -> Iterator[Pair]:
    pairs = list(combinations(draws, 2))
    compared = corrected([two_source(draws[a], draws[b]) for a, b in pairs])
    for (a, b), found in zip(pairs, compared, strict=True):
        figures = (found.difference, *found.interval, found.p, found.adjusted, detectable(found))
        yield Pair(a, b, *map(_number, figures))


def detectable(found: Comparison) -> float:
    """`stats.minimum_detectable` at Holm's first step, for ten thousands of pairs; nan without variance.

    In standard errors it depends on the degrees of freedom alone, and is interpolated between `KNOTS`: right
    to three percent, and from eight degrees on to 0.3.
    """
    if not found.se > 0:
        return math.nan
    at_knots = _at_knots(found.alpha / found.family)
    return found.se * math.exp(np.interp(-1 / found.df, [-1 / knot for knot in KNOTS], at_knots))


@cache
def _at_knots(alpha: float) -> list[float]:
    units = (Sources(sd_examples=1.0, sd_a=0.0, sd_b=0.0, samples=knot + 1) for knot in KNOTS)
    return [math.log(minimum_detectable(unit, 2, alpha=alpha)) for unit in units]


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _stamp(entered: Mapping[int, Array], truths: Array, convention: str) -> str:
    digest = hashlib.sha256(f"{_code()} {derived.code()} {convention}".encode())
    for place, array in (*entered.items(), ("truths", truths)):
        digest.update(f"{place} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


@cache
def _code() -> str:
    """Fingerprint of the code that tests."""
    sources = [Path(__file__), *sorted(Path(stats.__path__[0]).glob("*.py"))]
    return " ".join([scipy.__version__, *(hashlib.sha256(path.read_bytes()).hexdigest() for path in sources)])
