"""How far a study can see: the smallest difference that n seeds show, the seeds that a difference needs."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from msabench.errors import DataError, SpecError, unknown
from msabench.judge import Entry, entries_of, metrics_of, sources_of
from msabench.metrics import convention_named
from msabench.records import Store
from msabench.report.comparison import failed_runs
from msabench.report.separate import separate
from msabench.stats import Sources, minimum_detectable, seeds_needed
from msabench.stats.power import MOST_SEEDS

TYPICAL_DISAGREEMENT = 0.12
"""Share of examples on which one of two methods alone is right, where nothing better is known"""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """What one metric on one test set can show. Figures as tables print them: percentages times 100."""

    about: str
    """Dataset and convention, or that the variances were given"""
    metric: str
    decimals: int
    sd_seeds: float
    """Standard deviation over seeds"""
    se_examples: float
    """Standard error of a difference that is due to the examples"""
    samples: int
    detectable: Mapping[int, float]
    """Seeds of each method to the smallest difference that they show"""
    limit: float
    """What no number of seeds goes below: the test set's own limit"""
    difference: float | None = None
    needed: int | None = None
    """Seeds for that difference; None where none suffice"""

    def number(self, value: float) -> str:
        """Rounded as the metric is printed."""
        return f"{value:.{self.decimals}f}"

    @property
    def answer(self) -> str:
        """Seeds that the difference needs, in words."""
        if self.difference is None:
            return ""
        if self.needed is None:
            return f"no number of seeds: {self.samples} examples show {self.number(self.limit)} at best"
        return f"{self.needed} seeds of each method"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is asked."""

    seeds: tuple[int, ...] = (3, 5, 10, 20)
    difference: float | None = None
    """As printed: points for percentages"""
    alpha: float = 0.05
    power: float = 0.8

    def __post_init__(self) -> None:
        if not 0 < self.alpha < self.power < 1:
            raise SpecError(
                f"`0 < alpha < power < 1` must hold, but got (alpha={self.alpha}, power={self.power})"
            )
        if not self.seeds or min(self.seeds) < 2 or max(self.seeds) > MOST_SEEDS:
            raise SpecError(f"numbers of seeds must be from 2 to {MOST_SEEDS}, but got {list(self.seeds)}")
        if self.difference is not None and not (math.isfinite(self.difference) and self.difference > 0):
            raise SpecError(f"the difference to be found must be above 0, but got {self.difference:g}")


def from_study(
    folder: Path,
    plan: Plan,
    *,
    rows: Sequence[str] = (),
    dataset: str | None = None,
    convention: str | None = None,
    selection: str = "same-epoch",
    metrics: Collection[str] = (),
    samples: int | None = None,
) -> list[Reach]:
    """By the variances of a pilot study: pooled over its rows, examples as in the median pair of rows.

    Parameters
    ----------
    samples
        Examples of the test set that is planned for; None takes the pilot's.

    Raises
    ------
    SpecError
        If a name is unknown.
    DataError
        If no dataset has two rows with two seeds or more.
    """
    cells = _cells(Store(folder), rows, dataset, convention, selection)
    reaches, problems = [], []
    for (name, used, _, kind), here in cells.items():
        chosen = [key for key in metrics_of(here[0]) if not metrics or key in metrics]
        _check({m.key for m in convention_named(used).figures}, metrics, f"metric of convention '{used}'")
        _check_unit([m.percent for m in convention_named(used).figures if m.key in chosen], plan)
        for key in chosen:
            try:
                spread, examples, size = sources_of(here, key)
            except DataError as error:
                problems.append(error)
                continue
            metric = next(m for m in convention_named(used).figures if m.key == key)
            unit = 100 if metric.percent else 1
            examples *= math.sqrt(size / samples) if samples else 1
            twin = " (SYNTHETIC TWIN)" if kind == "twin" else ""
            reach = of_sources(
                _sources(spread * unit, examples * unit, samples or size), plan,
                about=f"{name}{twin}, convention {used}", metric=metric.label,
            )  # fmt: skip
            reaches.append(replace(reach, decimals=2 if metric.percent else 3))
    if not reaches:
        if problems:
            raise problems[0]
        raise DataError("the study has no finished run", where=str(folder), fix="msabench status")
    return reaches


def _cells(
    store: Store, rows: Sequence[str], dataset: str | None, convention: str | None, selection: str
) -> dict[tuple[str, str, str, str], list[Entry]]:
    """The rows that were tested alike, by dataset, convention, truths and kind of data."""
    frame = store.frame(convention, selection)
    _check(set(frame["row"]), rows, "row")
    _check(set(frame["dataset"]), [dataset] if dataset else [], "dataset")
    if not frame.empty:  # seeds that differ in more than the seed vary by more than the seed
        frame, _, _ = separate(frame, failed_runs(store.failures()))
    cells: dict[tuple[str, str, str, str], list[Entry]] = {}
    for e in entries_of(store, frame):
        # versions of one dataset are told apart in brackets
        if (not rows or e.row in rows) and dataset in (None, e.dataset.partition(" [")[0]):
            cells.setdefault((e.dataset, e.convention, e.truths_hash, e.data_kind), []).append(e)
    return cells


def from_figures(
    plan: Plan,
    *,
    sd_seed: float,
    samples: int,
    sd_example: float | None = None,
    disagreement: float | None = None,
) -> Reach:
    """By variances that are given.

    Parameters
    ----------
    sd_seed
        Standard deviation over seeds, in the unit that all figures then have.
    sd_example
        Standard deviation over examples of the difference of the two methods' scores of an example.
    disagreement
        Instead of it, for accuracies in percent: the share of examples that one method alone has right. Its
        root, times 100, is the standard deviation. Where neither is given it is taken as 0.12.

    Raises
    ------
    SpecError
        If a figure is out of its range, or both are given.
    """
    if sd_example is not None and disagreement is not None:
        raise SpecError("--sd-example and --disagreement say the same: give one of them")
    for option, given in (("--sd-seed", sd_seed), ("--sd-example", sd_example or 0.0)):
        if not (math.isfinite(given) and given >= 0):
            raise SpecError(f"{option} is a standard deviation, 0 or more, but got {given:g}")
    if samples < 2:
        raise SpecError(f"a test set has two examples or more, but got --n-test {samples}")
    about = f"given: sd over seeds {sd_seed:g}"
    if sd_example is None:
        share = TYPICAL_DISAGREEMENT if disagreement is None else disagreement
        if not 0 < share <= 1:
            raise SpecError(f"--disagreement is a share from 0 to 1, but got {share:g}")
        sd_example = 100 * math.sqrt(share)
        about += f"; in percent, methods disagree on {share:.0%} of examples"
        about += " (assumed)" if disagreement is None else ""
    else:
        about += f", over examples {sd_example:g}"
    return of_sources(
        _sources(sd_seed, sd_example / math.sqrt(samples), samples), plan, about=about, metric=""
    )


def of_sources(sources: Sources, plan: Plan, *, about: str, metric: str) -> Reach:
    """What known variances let a study see."""

    def smallest(seeds: int) -> float:
        return minimum_detectable(sources, seeds, alpha=plan.alpha, power=plan.power)

    needed = None
    if plan.difference is not None:
        needed = seeds_needed(plan.difference, sources, alpha=plan.alpha, power=plan.power)
    return Reach(
        about=about,
        metric=metric,
        decimals=3,
        sd_seeds=sources.sd_a,
        se_examples=sources.sd_examples,
        samples=sources.samples,
        detectable={seeds: smallest(seeds) for seeds in plan.seeds},
        limit=smallest(MOST_SEEDS),
        difference=plan.difference,
        needed=needed,
    )


def _check_unit(percent: Sequence[bool], plan: Plan) -> None:
    if plan.difference is not None and len(set(percent)) > 1:
        raise SpecError(
            f"a difference of {plan.difference:g} cannot be one in points and in MAE's and Corr's unit",
            fix="name the metric it is of: --metric non0_acc2",
        )


def _sources(spread: float, examples: float, samples: int) -> Sources:
    return Sources(sd_examples=examples, sd_a=spread, sd_b=spread, samples=samples)


def _check(known: Collection[str], asked: Collection[str], kind: str) -> None:
    for name in asked:
        if name not in known:
            raise unknown(kind, name, known)
