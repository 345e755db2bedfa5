"""The trials of one method on one dataset: what they try, what they cost, and which is chosen.

A trial is a run on the search seed that keeps validation predictions only. Its record lies in a store of its
own, `<study>/search`, so that no table can take it for a result. Everything here is a function of the records
in that store: which of them were made first, where, and how many at a time has no say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from msabench.errors import MsabenchError, SpecError
from msabench.records import Store
from msabench.run import RunRecord, RunSpec
from msabench.search.ledger import FOLDER, Ledger
from msabench.search.pruning import WARMUP, pace, pruned_at
from msabench.search.space import Space
from msabench.search.spec import SearchSpec

AHEAD = 8
"""Trials that a search limited in hours has begun before any has shown how long they take"""
TrialStatus = Literal["finished", "pruned", "failed"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One setting that was tried."""

    number: int
    """From 0, the published setting"""
    key: str
    """Of its record; two trials that sample one setting share it"""
    values: Mapping[str, Any]
    """The searched hyperparameters"""
    status: TrialStatus
    value: float
    """The validation criterion at its best epoch, lower is better; inf for a failed trial"""
    epochs: int
    """That were trained"""
    seconds: float
    curve: tuple[float, ...] = ()
    """The validation criterion after each epoch, up to the one after which it was pruned"""
    cause: str = ""
    """Why it failed"""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A trial that is determined, whether it has been made or not."""

    number: int
    run: RunSpec
    values: Mapping[str, Any]
    pace: tuple[float, ...]
    """Ends the trial early, see `search.pruning`"""
    trial: Trial | None
    """None until it has a record that these terms agree with"""


@dataclass(frozen=True, kw_only=True)
class Search:
    """The search for one row of a study on one dataset."""

    template: RunSpec
    """The published setting on the search seed, as trial 0 runs it"""
    space: Space
    spec: SearchSpec

    @property
    def name(self) -> str:
        """As in `almt on mosi:unaligned`."""
        return f"{self.template.row} on {self.template.dataset}"

    def run(self, values: Mapping[str, Any]) -> RunSpec:
        """The run that tries these values."""
        return replace(self.template, hyperparameters={**self.template.hyperparameters, **values})

    def places(self, store: Store, again: Set[str] = frozenset()) -> list[Place]:
        """Every trial that is determined by now, in order; records of the keys `again` are not looked at.

        Under `tpe` a trial depends on the results of those before it, under pruning on those of the warm-up,
        and under a limit of hours on the time that those before it took: the list ends where that is not
        known yet.
        """
        found: list[Place] = []
        allowed: tuple[float, ...] = ()
        for number in range(self.spec.trials):
            gap = any(place.trial is None for place in found)
            if gap and (self.spec.sampler == "tpe" or (self.spec.prune != "none" and number == WARMUP)):
                break
            if self._spent(found) >= self.spec.seconds:
                break
            if number == WARMUP and self.spec.prune != "none":
                allowed = pace([each.curve for each in _made(found) if each.status == "finished"])
            values = self._values(number, found)
            run = self.run(values)
            trial = None if run.key in again else _trial(number, run, values, allowed, store)
            found.append(Place(number=number, run=run, values=values, pace=allowed, trial=trial))
        return found

    def missing(self, store: Store, again: Set[str] = frozenset()) -> list[Place]:
        """Trials that can be made now, each setting once; empty when all is done."""
        places = {each.run.key: each for each in reversed(self.places(store, again)) if each.trial is None}
        return sorted(places.values(), key=lambda place: place.number)

    def trials(self, store: Store) -> list[Trial]:
        """Every trial that has a record and counts."""
        return _made(self.places(store))

    def uncounted(self, store: Store) -> int:
        """How many trials were made that do not count: beyond a limit of hours, or tried on other terms.

        Terms change where the card's space does, and under `tpe` where a trial before is made again. Trials
        on other versions of the method or its data are not of this search.
        """
        counted = {place.run.key for place in self.places(store)}
        mine = self.template
        return sum(
            key not in counted
            and (spec.row, spec.dataset, spec.method_version, spec.data_hash)
            == (mine.row, mine.dataset, mine.method_version, mine.data_hash)
            for key, spec in ((key, record.spec) for key, record in store.readable().items())
        )

    def chosen(self, store: Store) -> Trial:
        """The trial with the lowest validation criterion; of equal ones the first. Never a pruned one.

        Raises
        ------
        SpecError
            If trials are missing, or all of them failed.
        """
        places = self.places(store)
        trials = _made(places)
        if len(trials) < len(places):
            raise SpecError(
                f"the search for {self.name} has {len(trials)} of {self.spec.trials} trials",
                where=str(store.path),
                fix="run the study's command again: it goes on with the search",
            )
        finished = [trial for trial in trials if trial.status == "finished"]
        if not finished:
            raise SpecError(
                f"every trial of {self.name} failed: {trials[0].cause}",
                where=str(store.path),
                fix="mend the cause, or leave this method out; run again with --retry failed",
            )
        return min(finished, key=lambda trial: (trial.value, trial.number))

    def ledger(self, store: Store) -> Ledger:
        """What the search has spent.

        Raises
        ------
        SpecError
            As `chosen`.
        """
        trials = self.trials(store)
        made = {trial.key: trial for trial in trials}
        return Ledger(
            row=self.template.row,
            dataset=self.template.dataset,
            sampler=self.spec.sampler,
            trials=len(trials),
            failed=sum(trial.status == "failed" for trial in trials),
            pruned=sum(trial.status == "pruned" for trial in trials),
            repeated=len(trials) - len(made),
            epochs=sum(trial.epochs for trial in made.values()),
            seconds=sum(trial.seconds for trial in made.values()),
            chosen=self.chosen(store).number,
            allowed={**self.spec.to_json(), **self.template.budget.to_json()},
        )

    def _values(self, number: int, before: Sequence[Place]) -> dict[str, Any]:
        if self.spec.sampler != "tpe":
            return self.space.configuration(number, self.spec.seed, self.spec.sampler)
        from msabench.search.optuna_journal import suggest

        return suggest(self.space, _made(before), self.spec.seed, number)

    def _spent(self, before: Sequence[Place]) -> float:
        """Seconds of the trials before one; those without a record are taken to need the others' mean."""
        if self.spec.hours is None:
            return 0.0
        keys = {place.run.key: place.trial for place in before}
        known = [trial.seconds for trial in keys.values() if trial is not None]
        if not known:
            return 0.0 if len(keys) < AHEAD else self.spec.seconds
        return sum(known) + (len(keys) - len(known)) * sum(known) / len(known)


def _made(places: Sequence[Place]) -> list[Trial]:
    return [place.trial for place in places if place.trial is not None]


def _trial(
    number: int, run: RunSpec, values: Mapping[str, Any], allowed: Sequence[float], store: Store
) -> Trial | None:
    """What a record says of a trial; None without one, or where it was pruned on other terms than these."""
    if not store.has(run.key):
        return None
    try:
        record = store.get(run.key, arrays=False)
    except MsabenchError:
        return None  # damaged: it is set aside and made again
    at = pruned_at(record.valid_criterion, allowed)
    if record.stopped == "pruned" and record.epochs != at:
        return None
    curve = record.valid_criterion[: at or None]
    status = _status(record, at)
    return Trial(
        number=number,
        key=run.key,
        values=dict(values),
        status=status,
        value=float("inf") if status == "failed" else min(curve),
        epochs=record.epochs,
        seconds=sum(record.seconds) + record.setup_seconds,
        curve=curve,
        cause=record.failure.message if record.failure and status == "failed" else "",
    )


def _status(record: RunRecord, pruned: int) -> TrialStatus:
    return "pruned" if pruned else record.status


def store_of(study: Path) -> Store:
    """The store of a study's trials."""
    return Store(study / FOLDER)
