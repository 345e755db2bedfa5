"""A search space as a card states it, and the configuration that a number stands for.

Configuration i is a pure function of (space, seed, i): neither the order in which trials end nor how many
run at a time can change what is tried. Number 0 is the published setting.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from msabench.errors import SpecError
from msabench.registry import MethodCard

OF_THE_BUDGET = ("epochs", "patience")
"""No search changes these: a method that tried longer trainings would spend more than the others"""
DIGITS = 4
"""Significant digits of a sampled number: enough to tune by, short enough to print"""
Sampler = Literal["qmc", "random", "tpe"]
SAMPLERS: tuple[Sampler, ...] = ("qmc", "random", "tpe")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of several values."""

    values: tuple[Any, ...]

    def at(self, u: float) -> Any:
        """The value at u in [0, 1)."""
        return self.values[min(int(u * len(self.values)), len(self.values) - 1)]

    def holds(self, value: Any) -> bool:
        """Whether the dimension can give this value."""
        return any(value == each and type(value) is type(each) for each in self.values)


@dataclass(frozen=True, kw_only=True)
class Range:
    """Numbers between two bounds, both included."""

    low: float
    high: float
    log: bool
    integer: bool

    def at(self, u: float) -> float | int:
        """The number at u in [0, 1)."""
        low, high = self.low, self.high + (1 if self.integer else 0)
        x = math.exp(_between(math.log(low), math.log(high), u)) if self.log else _between(low, high, u)
        if self.integer:
            return min(int(x), int(self.high))
        return min(max(float(f"{x:.{DIGITS}g}"), self.low), self.high)

    def holds(self, value: Any) -> bool:
        """Whether the dimension can give this value, but for rounding."""
        of_type = isinstance(value, int if self.integer else float) and not isinstance(value, bool)
        return of_type and self.low <= value <= self.high


Dimension = Choice | Range


@dataclass(frozen=True, kw_only=True)
class Space:
    """What is searched for one method on one dataset."""

    dimensions: Mapping[str, Dimension]
    published: Mapping[str, Any]
    """The value of each dimension in the published setting"""

    def configuration(
        self, number: int, seed: int, sampler: Literal["qmc", "random"] = "qmc"
    ) -> dict[str, Any]:
        """The values that trial `number` tries.

        Parameters
        ----------
        number
            From 0, which is the published setting.
        sampler
            `qmc`: a scrambled Sobol sequence, which covers the space more evenly than `random` draws.

        Raises
        ------
        ValueError
            If the number is negative, or the sampler is another.
        """
        if number < 0:
            raise ValueError(f"`number >= 0` must hold, but got number={number}")
        if number == 0 or not self.dimensions:
            return dict(self.published)
        if sampler == "qmc":
            point = _sobol(len(self.dimensions), number - 1, seed)
        elif sampler == "random":
            point = np.random.default_rng([seed, number]).random(len(self.dimensions)).tolist()
        else:
            raise ValueError(f"configurations of '{sampler}' depend on what was tried before")
        return {name: each.at(u) for (name, each), u in zip(self.dimensions.items(), point, strict=True)}


def space_of(card: MethodCard, dataset: str, fixed: Mapping[str, Any] | None = None) -> Space:
    """The space of a card around its published setting for a dataset.

    Parameters
    ----------
    dataset
        With its variant, as in `mosi:unaligned`.
    fixed
        What a row of the study sets in brackets; it is not searched.

    Raises
    ------
    SpecError
        If the card's space is malformed, a published value lies outside it, or it changes the budget.
    """
    values = card.values(dataset, fixed)
    dimensions: dict[str, Dimension] = {}
    for name, stated in sorted(card.search.items()):
        if name in (fixed or {}):
            continue
        if name not in values or name in OF_THE_BUDGET:
            what = "part of every method's equal budget" if name in values else "no hyperparameter of it"
            raise SpecError(
                f"{card.name}: [search] names {name}, which is {what}",
                where=str(card.path),
                fix="leave it out of [search]",
            )
        dimension = dimensions[name] = _dimension(card, name, stated)
        if not dimension.holds(values[name]):
            raise SpecError(
                f"{card.name}: the published {name} = {values[name]!r} for {dataset} is outside its search "
                f"space {dict(stated)}: the search could never find it again",
                where=str(card.path),
                fix="widen the space in [search]",
            )
    return Space(dimensions=dimensions, published={name: values[name] for name in dimensions})


def _dimension(card: MethodCard, name: str, stated: Mapping[str, Any]) -> Dimension:
    kind = stated.get("type")
    try:
        if "choices" in stated:
            return Choice(values=tuple(stated["choices"]))
        if kind in ("float", "int") and stated["low"] < stated["high"]:
            log = bool(stated.get("log", False))
            if not all(math.isfinite(stated[bound]) for bound in ("low", "high")):
                raise ValueError("both bounds need to be finite")
            if kind == "int" and not all(isinstance(stated[bound], int) for bound in ("low", "high")):
                raise ValueError("a range of whole numbers needs whole bounds")
            if log and stated["low"] <= 0:
                raise ValueError("a logarithmic range needs low > 0")
            return Range(low=stated["low"], high=stated["high"], log=log, integer=kind == "int")
    except (KeyError, TypeError, ValueError) as error:
        raise SpecError(
            f"{card.name}: [search] {name} = {dict(stated)}: {error}", where=str(card.path)
        ) from error
    raise SpecError(
        f"{card.name}: [search] {name} = {dict(stated)}: needs `choices`, or a `type` (float or int) with "
        "low < high",
        where=str(card.path),
    )


def _between(low: float, high: float, u: float) -> float:
    return low + (high - low) * u


def _sobol(width: int, place: int, seed: int) -> Sequence[float]:
    from scipy.stats import qmc

    sequence = qmc.Sobol(width, scramble=True, rng=np.random.default_rng(seed))
    if place:
        sequence.fast_forward(place)
    point: list[float] = sequence.random(1)[0].tolist()
    return point
