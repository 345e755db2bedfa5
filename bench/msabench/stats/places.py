"""The convention lens: where each row ranks under every reading of one set of predictions.

A *reading* is a metric of a convention under an epoch rule. Readings of one *family* (every Acc-2, every F1)
claim to measure the same thing; how often a row's place changes among them is how much its rank is owed to
definitions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from msabench.metrics import CONVENTIONS
from msabench.stats.summary import summarise

if TYPE_CHECKING:
    import pandas as pd

READING = ["convention", "metric", "selection"]
RIVALS = ["dataset", "data_kind", "track", "text_encoder"]
"""Rows that may be ranked among each other share these"""
_DECIMALS = {True: 4, False: 3}
"""Of a printed fraction, and of a printed MAE or correlation: equal as printed is equal in rank"""


@dataclass(frozen=True, kw_only=True)
class Stability:
    """How much one family's ranking depends on the reading."""

    readings: int
    """With two ranked rows or more"""
    agreement: float
    """Mean Kendall tau-b between the headline's places and every other reading's, in [-1, 1]; nan if there is
    no other reading, or the headline ties all rows"""
    other_winner: float
    """Share of the other readings that do not put the headline's first row (or one of them) first"""


def family(metric: str) -> str:
    """What a metric claims to measure, whatever its convention.

    >>> family("has0_acc2"), family("non0_f1_swapped"), family("weighted_f1"), family("acc7"), family("mae")
    ('Acc-2', 'F1', 'F1', 'Acc-7', 'MAE')
    """
    if "f1" in metric:
        return "F1"
    bare = metric.removeprefix("has0_").removeprefix("non0_")
    if bare.startswith("acc"):
        return f"Acc-{bare[3:]}" if bare[3:] else "Acc"
    return {"mae": "MAE", "corr": "Corr"}.get(bare, bare.capitalize())


def places(frame: pd.DataFrame) -> pd.DataFrame:
    """The place of every row under every reading.

    Parameters
    ----------
    frame
        Long form, as `Store.frame` gives it, joined over conventions and selections.

    Returns
    -------
    DataFrame with the columns of `summarise`, and family, place and rivals: place 1 is the best mean over
    seeds, rows with equal printed means share the better place, nan where the mean is undefined; rivals is
    the number of rows ranked.
    """
    known = {(c.name, m.key): m for c in CONVENTIONS.values() for m in c.metrics}
    named = [pair in known for pair in zip(frame["convention"], frame["metric"], strict=True)]
    summary = summarise(frame[named])  # a code base may compute what its convention does not count
    if summary.empty:
        return summary.assign(family=[], place=[], rivals=[])
    metrics = [known[pair] for pair in zip(summary["convention"], summary["metric"], strict=True)]
    printed = [round(v, _DECIMALS[m.percent]) for v, m in zip(summary["mean"], metrics, strict=True)]
    worth = [v if m.better == "higher" else -v for v, m in zip(printed, metrics, strict=True)]
    summary = summary.assign(family=[family(m.key) for m in metrics], worth=worth)
    ranked = summary.groupby([*RIVALS, *READING], sort=False, dropna=False)["worth"]
    return summary.assign(
        place=ranked.rank(ascending=False, method="min"), rivals=ranked.transform("count")
    ).drop(columns="worth")


def stability(ranked: pd.DataFrame, headline: pd.Series) -> Stability:
    """How the places of one family agree with those of one of its readings.

    Parameters
    ----------
    ranked
        Lines of `places` of one family among one set of rivals.
    headline
        True for the lines of the reading that the others are held against.
    """
    wide = ranked.assign(head=headline).pivot_table(
        index=["row", "text_mode"], columns=READING, values="place", aggfunc="first"
    )
    wide = wide.loc[:, wide.notna().sum() > 1]
    name = tuple(map(str, ranked.loc[headline, READING].iloc[0])) if headline.any() else ()
    by_reading = {tuple(map(str, column)): wide[column] for column in wide.columns}
    head = by_reading.pop(name, None)
    if head is None or not by_reading:
        return Stability(readings=wide.shape[1], agreement=float("nan"), other_winner=float("nan"))
    first = set(head.index[head == 1])
    moved = [not first & set(other.index[other == 1]) for other in by_reading.values()]
    return Stability(
        readings=wide.shape[1],
        agreement=_mean([_tau(head, other) for other in by_reading.values()]),
        other_winner=float(np.mean(moved)),
    )


def _tau(a: pd.Series, b: pd.Series) -> float:
    from scipy.stats import kendalltau

    both = a.notna() & b.notna()
    return float(kendalltau(a[both], b[both]).statistic) if both.sum() > 1 else float("nan")


def _mean(values: list[float]) -> float:
    """Over the defined ones: a reading that ties all rows ranks nothing."""
    defined = [value for value in values if np.isfinite(value)]
    return float(np.mean(defined)) if defined else float("nan")
