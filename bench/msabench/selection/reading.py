"""Rules applied to a run's record."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np

from msabench.errors import MsabenchError
from msabench.metrics import Convention, Figures, convention_named, criterion, score_epochs
from msabench.run import Array, RunRecord, Truths
from msabench.selection.curves import Picks
from msabench.selection.table import bound


class Selected(NamedTuple):
    """A figure on the test split, and where it comes from."""

    value: float
    """A fraction; nan where undefined"""
    epoch: int
    """From 1; 0 where the rule could choose none"""


class Reading:
    """One record under one convention. Scores are computed when a rule asks for them, once.

    Parameters
    ----------
    record
        A finished run, with its truths.
    convention
        None reads it under its dataset's own.

    Raises
    ------
    MsabenchError
        If the run failed, kept no epoch, or comes without its truths.
    SpecError
        If the convention is unknown.
    """

    def __init__(self, record: RunRecord, convention: str | None = None) -> None:
        self.record = record
        self.convention: Convention = convention_named(convention or record.convention)
        if record.status == "failed":
            cause = record.failure.message if record.failure else "no cause was kept"
            raise MsabenchError(f"a failed run has no epoch to select: {cause}", where=self._where)
        if not self.epochs:
            raise MsabenchError("the record holds no epoch", where=self._where)

    @property
    def epochs(self) -> int:
        """E"""
        return len(self.record.valid_predictions)

    @property
    def _where(self) -> str:
        return f"run {self.record.key}"

    @property
    def valid_criterion(self) -> Array:
        """(E,)"""
        return self._per_epoch(self.record.valid_criterion, "validation criterion")

    @property
    def valid_loss(self) -> Array:
        """(E,)"""
        return self._per_epoch(self.record.valid_loss, "validation loss")

    @cached_property
    def test_loss(self) -> Array:
        """(E,): the criterion on the test split; MAE for scores, as in MMIM, which alone chooses by it."""
        task, y = self.record.task, self._truths.test
        return np.array([criterion(task, p, y) for p in self._test_predictions])

    @cached_property
    def valid(self) -> Figures:
        """Figures of every epoch on the validation split."""
        return self._score(self.record.valid_predictions, self._truths.valid)

    @cached_property
    def test(self) -> Figures:
        """Figures of every epoch on the test split."""
        return self._score(self._test_predictions, self._truths.test)

    def select(self, rule: str) -> Picks:
        """See the function `select`."""
        if self.record.chosen_outside:
            return {metric.key: 1 for metric in self.convention.figures}
        picks = bound(rule, self.record.spec).pick(self)
        return {key: epoch for key, epoch in picks.items() if epoch}

    def scored(self, rule: str) -> dict[str, Selected]:
        """See the function `scored`."""
        picks = self.select(rule)
        needed = sorted(set(picks.values()))
        if "test" in self.__dict__:
            at, figures = {epoch: epoch - 1 for epoch in needed}, self.test
        else:  # a rule that chose on validation alone needs no other epoch's test figures
            at = {epoch: row for row, epoch in enumerate(needed)}
            rows = self._test_predictions[np.array(needed, dtype=int) - 1]
            figures = self._score(rows, self._truths.test)
        return {
            metric.key: Selected(float(figures[metric.key][at[epoch]]) if epoch else np.nan, epoch)
            for metric in self.convention.figures
            for epoch in (picks.get(metric.key, 0),)
        }

    @property
    def _truths(self) -> Truths:
        if self.record.truths is None:
            raise MsabenchError(
                "the record comes without its truths", where=self._where, fix="read it through a Store"
            )
        return self.record.truths

    @property
    def _test_predictions(self) -> Array:
        predictions = self.record.test_predictions
        if len(predictions) != self.epochs:
            raise MsabenchError(
                f"the record holds {self.epochs} epochs, but test predictions of {len(predictions)}",
                where=self._where,
                fix="a trial of the search keeps none; select from the study's runs",
            )
        return predictions

    def _per_epoch(self, values: tuple[float, ...], name: str) -> Array:
        if len(values) != self.epochs:
            raise MsabenchError(
                f"the record holds {self.epochs} epochs, but a {name} of {len(values)}", where=self._where
            )
        return np.array(values, dtype=np.float64)

    def _score(self, predictions: Array, truths: Array) -> Figures:
        figures = score_epochs(self.convention.name, predictions, truths)
        # mmsa gives NaN predictions an accuracy (they count as negative); such an epoch must not be chosen
        broken = ~np.isfinite(predictions).all(axis=tuple(range(1, predictions.ndim)))
        for values in figures.values():
            values[broken] = np.nan
        return figures


def select(record: RunRecord, rule: str, convention: str | None = None) -> Picks:
    """Choose the epoch of each figure.

    An external result of one epoch has that epoch under every rule: its authors have chosen it.

    Parameters
    ----------
    rule
        A name of `SELECTIONS`, with its argument if it takes one: `same-epoch:mae`, `valid_early_stop(8)`.
    convention
        None takes the record's own.

    Returns
    -------
    dict
        Metric key to epoch, counted from 1. A metric is absent where no epoch has a finite value to go by.

    Raises
    ------
    SpecError
        If the rule or the convention is unknown, or the rule does not suit the convention.
    MsabenchError
        If the record is of a failed run, or lacks what the rule reads.
    """
    return Reading(record, convention).select(rule)


def scored(record: RunRecord, rule: str, convention: str | None = None) -> dict[str, Selected]:
    """The figures of a run on the test split, each at the epoch that the rule chooses.

    Every figure of the convention is there, in its order; `(nan, 0)` where the rule could choose no epoch.
    An epoch with a prediction that is not finite has no figures. Parameters and errors are those of `select`.
    """
    return Reading(record, convention).scored(rule)


def optimism(record: RunRecord, convention: str | None = None) -> dict[str, float]:
    """What choosing the epoch on the test split would have gained: `best-epoch` against `same-epoch`.

    Signed so that positive is optimistic, for MAE too; nan where a figure is undefined. Parameters and
    errors are those of `select`.
    """
    reading = Reading(record, convention)
    oracle, honest = reading.scored("best-epoch"), reading.scored("same-epoch")
    signs = {m.key: 1.0 if m.better == "higher" else -1.0 for m in reading.convention.figures}
    return {key: sign * (oracle[key].value - honest[key].value) for key, sign in signs.items()}
