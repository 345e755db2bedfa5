"""Many rows against one, by the primary test with Holm's correction."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from msabench.errors import DataError
from msabench.judge.entries import Entry, metrics_of
from msabench.judge.pairs import pair_notes
from msabench.metrics import convention_named
from msabench.stats import RESAMPLES, Comparison, Sources, corrected, minimum_detectable, two_source
from msabench.stats.power import POWER

if TYPE_CHECKING:
    import pandas as pd

_CELL = ("dataset", "data_kind", "convention", "selection", "track", "text_encoder")


def against(
    rows: Iterable[Entry], reference: str, *, alpha: float = 0.05, resamples: int = RESAMPLES
) -> pd.DataFrame:
    """Every row against a reference, by the primary test, with Holm's correction.

    Parameters
    ----------
    rows
        What `entries` gave. A row is compared with the reference of its own dataset, convention, selection,
        track and text encoder; those are also the families of the correction, one for each metric.
    reference
        Row to compare with. Where it stands in several settings it is no one reference, and none is compared.

    Returns
    -------
    DataFrame with the columns dataset, data_kind, convention, selection, track, text_encoder, row, setting,
    reference, metric, difference (row minus reference), low, high, p, p_holm, significant, winner (`row`,
    `reference` or empty), comparisons (of the correction), detectable (smallest difference that the median
    pair of the family finds with 80 % power at the corrected level) and why (what kept it from being judged;
    p is then nan). Empty where the reference is nowhere.
    """
    lines: list[dict[str, Any]] = []
    for cell in _cells(rows):
        chosen = [entry for entry in cell if entry.row == reference]
        others = [entry for entry in cell if entry.row != reference]
        if len(chosen) == 1:
            lines += _family(chosen[0], others, metrics_of(chosen[0]), alpha, resamples)
        elif chosen:
            why = f"{reference} stands in {len(chosen)} settings, and the reference must be one"
            lines += [
                _about(e, reference) | {"metric": key, "why": why} for e in others for key in metrics_of(e)
            ]
    return _framed(lines)


def against_best(rows: Iterable[Entry], *, alpha: float = 0.05, resamples: int = RESAMPLES) -> pd.DataFrame:
    """Every row against the best of its cell: what is not significant cannot be told from the best.

    The best is that of the highest (or lowest) mean over seeds, metric by metric. As it was picked for being
    best, any pair of rows might have been the one, and Holm's correction is over all of them: over the others
    alone, one of 25 equally good rows would be called worse in every fourth table. Columns as of `against`,
    where `reference` names the best row.
    """
    lines: list[dict[str, Any]] = []
    for cell in _cells(rows):
        for metric in convention_named(cell[0].convention).metrics:
            drawn = [e.draws([metric.key], resamples=resamples)[metric.key] for e in cell]
            means = [float(each.values.mean()) for each in drawn]
            if all(np.isnan(means)):
                continue
            place = int(np.nanargmax(means) if metric.better == "higher" else np.nanargmin(means))
            others = [entry for i, entry in enumerate(cell) if i != place]
            pairs = len(cell) * len(others) // 2
            lines += _family(cell[place], others, (metric.key,), alpha, resamples, pairs)
    return _framed(lines)


def _cells(rows: Iterable[Entry]) -> list[list[Entry]]:
    cells: dict[tuple[str, ...], list[Entry]] = {}
    for entry in rows:
        cells.setdefault(tuple(getattr(entry, name) for name in _CELL), []).append(entry)
    return list(cells.values())


def _about(entry: Entry, reference: str) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in (*_CELL, "row", "setting")} | {"reference": reference}


def _family(
    reference: Entry,
    others: Sequence[Entry],
    metrics: Sequence[str],
    alpha: float,
    resamples: int,
    of: int | None = None,
) -> list[dict[str, Any]]:
    """Lines of the rows against one reference, corrected metric by metric over `of` comparisons."""
    drawn = reference.draws(metrics, resamples=resamples)
    found: dict[str, list[tuple[Entry, Comparison]]] = {key: [] for key in metrics}
    lines = []
    for entry in others:
        try:
            pair_notes(entry, reference)
            own = entry.draws(metrics, resamples=resamples)
            for key in metrics:
                found[key].append((entry, two_source(own[key], drawn[key], alpha=alpha)))
        except DataError as error:
            about = _about(entry, reference.row)
            lines += [about | {"metric": key, "why": error.what} for key in metrics]
    for key, pairs in found.items():
        family = corrected([comparison for _, comparison in pairs], of)
        shown = _detectable(family)
        for (entry, _), comparison in zip(pairs, family, strict=True):
            lines.append(
                _about(entry, reference.row)
                | {"metric": key, "difference": comparison.difference}
                | {"low": comparison.interval[0], "high": comparison.interval[1], "p": comparison.p}
                | {"p_holm": comparison.adjusted, "significant": comparison.significant}
                | {"winner": {"a": "row", "b": "reference", "": ""}[comparison.winner]}
                | {"comparisons": comparison.family, "detectable": shown}
                | {"why": "; ".join(comparison.notes)}
            )
    return lines


def _detectable(family: Sequence[Comparison]) -> float:
    """Of the pair with the median standard error: as large a difference would have been found."""
    known = sorted((c for c in family if c.se > 0), key=lambda c: c.se)
    if not known:
        return math.nan
    middle = known[len(known) // 2]
    sources, alpha = Sources.of(middle), middle.alpha / middle.family
    if sources is None or alpha >= POWER:
        return math.nan
    return minimum_detectable(sources, middle.a.n, middle.b.n, alpha=alpha)


def _framed(lines: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    columns = [
        *_CELL, "row", "setting", "reference", "metric", "difference", "low", "high", "p", "p_holm",
        "significant", "winner", "comparisons", "detectable", "why",
    ]  # fmt: skip
    frame = pd.DataFrame(lines, columns=columns)
    frame["significant"] = frame["significant"].eq(True)
    for name in ("winner", "why"):
        frame[name] = frame[name].astype(object).where(frame[name].notna(), "")
    return frame
