"""Figures of every run under every convention and selection, in one pass over the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from msabench.errors import MsabenchError
from msabench.metrics import CONVENTIONS, convention_named
from msabench.records import RecordError, Store
from msabench.report.site.content import SELECTIONS
from msabench.report.site.significance import SELECTION
from msabench.run import Array, RunRecord

if TYPE_CHECKING:
    import pandas as pd

_Way = tuple[str, str]
"""Convention and selection"""


@dataclass(kw_only=True)
class Scores:
    """What a study's finished runs score."""

    figures: dict[str, dict[str, Array]] = field(default_factory=dict)
    """Convention to run key to (S, M) float64: `SELECTIONS`, then the convention's printed metrics; nan where
    undefined"""
    chosen: dict[str, int] = field(default_factory=dict)
    """Run key to its epoch under same-epoch and its own convention, from 1; 0 where none could be chosen"""
    notes: dict[str, list[str]] = field(default_factory=dict)
    """Run key to what could not be scored, and why"""


def score(store: Store, records: Mapping[str, RunRecord]) -> Scores:
    """Score finished runs; what the study's index holds of an earlier time is not worked out again.

    Parameters
    ----------
    store
        The study's.
    records
        Its finished runs by key.

    Raises
    ------
    RecordError
        At a damaged record.
    """
    fit = [c for c in CONVENTIONS.values() if any(c.takes(record.task) for record in records.values())]
    made = Scores()
    for convention in fit:
        shape = (len(SELECTIONS), len(convention.metrics))
        scored = [key for key, record in records.items() if convention.takes(record.task)]
        made.figures[convention.name] = {key: np.full(shape, np.nan) for key in scored}
    ways = [(convention.name, rule) for convention in fit for rule in SELECTIONS]
    _fill(made, store, records, ways, sorted({record.spec.method for record in records.values()}))
    return made


def _fill(
    made: Scores,
    store: Store,
    records: Mapping[str, RunRecord],
    ways: Sequence[_Way],
    methods: Sequence[str],
) -> None:
    """All at once; where a rule does not suit one of them, by rule, then by method, then one after another.

    By rule first: it is as-published that fails, of methods without a card, and all others go on at once.
    """
    try:
        frames = store.frames(ways, methods=methods)
    except RecordError:
        raise
    except MsabenchError as error:
        rules = list(dict.fromkeys(rule for _, rule in ways))
        if len(rules) > 1:
            for rule in rules:
                _fill(made, store, records, [way for way in ways if way[1] == rule], methods)
        elif len(methods) > 1:
            for method in methods:
                _fill(made, store, records, ways, [method])
        elif len(ways) > 1:
            for way in ways:
                _fill(made, store, records, [way], methods)
        else:
            _note(made, records, ways[0], methods[0], error)
        return
    for way, frame in zip(ways, frames, strict=True):
        _take(made, records, way, frame)


def _take(made: Scores, records: Mapping[str, RunRecord], way: _Way, frame: pd.DataFrame) -> None:
    name, rule = way
    convention = convention_named(name)
    width = len(convention.figures)  # lines of each run, in this order
    printed = [convention.figures.index(metric) for metric in convention.metrics]
    values = frame["value"].to_numpy(np.float64).reshape(-1, width)[:, printed]
    epochs = frame["epoch"].to_numpy(np.int64).reshape(-1, width).max(axis=1, initial=0)
    for key, figures, epoch in zip(frame["key"].iloc[::width], values, epochs, strict=True):
        made.figures[name][key][SELECTIONS.index(rule)] = figures
        if rule == SELECTION and name == records[key].convention:
            made.chosen[key] = int(epoch)


def _note(
    made: Scores, records: Mapping[str, RunRecord], way: _Way, method: str, error: MsabenchError
) -> None:
    convention, rule = way
    for key in made.figures[convention]:
        spec = records[key].spec
        if spec.method == method:
            text = f"{spec.row} has no figures under {rule}: {error.what}"  # mostly in every convention: once
            made.notes.setdefault(key, []).append(text)
