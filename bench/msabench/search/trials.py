"""The trials of one method on one dataset: what they try, what they cost, and which is chosen.

A trial is a run on the search seed that keeps validation predictions only. Its record lies in a store of its
own, `<study>/search`, so that no table can take it for a result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from msabench.errors import MsabenchError, SpecError
from msabench.records import Store
from msabench.run import RunSpec, Status
from msabench.search.space import SAMPLERS, Sampler, Space

SEARCH_SEED = 4242
"""Trials run on this seed; no reported run may"""
FOLDER = "search"
LEDGER = "ledger.json"


@dataclass(frozen=True, kw_only=True)
class SearchSpec:
    """What every method of a study may spend on its hyperparameters, alike."""

    trials: int
    """Per method and dataset, the published setting and failed trials included"""
    sampler: Sampler = "qmc"
    seed: int = SEARCH_SEED
    """Of the sampler, and of the trials' training"""

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise SpecError(f"`trials >= 1` must hold, but got trials={self.trials}")
        if self.sampler not in SAMPLERS:
            raise SpecError(f"sampler '{self.sampler}' is not known", fix=f"choose of {', '.join(SAMPLERS)}")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One setting that was tried."""

    number: int
    """From 0, the published setting"""
    key: str
    """Of its record; two trials that sample one setting share it"""
    values: Mapping[str, Any]
    """The searched hyperparameters"""
    status: Status
    value: float
    """The validation criterion at its best epoch, lower is better; inf for a failed trial"""
    epochs: int
    seconds: float
    cause: str = ""
    """Why it failed"""


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What a search has spent; printed under every tuned table."""

    row: str
    dataset: str
    sampler: str
    trials: int
    failed: int
    repeated: int
    """Trials that sampled a setting tried before: counted, not trained again"""
    epochs: int
    seconds: float
    chosen: int
    """Number of the trial that was chosen"""

    @property
    def budget(self) -> tuple[str, int]:
        """What must be equal between rows that are compared."""
        return self.sampler, self.trials


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

    def settings(self, store: Store) -> list[dict[str, Any]]:
        """The values of every trial that is determined by now, in order.

        Under `tpe` a trial depends on the results of those before it, so the list ends with the first that
        has no record.
        """
        sampler = self.spec.sampler
        if sampler != "tpe":
            return [self.space.configuration(i, self.spec.seed, sampler) for i in range(self.spec.trials)]
        from msabench.search.optuna_journal import suggest

        tried: list[Trial] = []
        settings: list[dict[str, Any]] = []
        for number in range(self.spec.trials):
            settings.append(suggest(self.space, tried, self.spec.seed, number))
            trial = self._trial(number, settings[-1], store)
            if trial is None:
                break
            tried.append(trial)
        return settings

    def missing(self, store: Store, again: Set[str] = frozenset()) -> list[RunSpec]:
        """Runs that can be trained now, and again those of the keys `again`; empty when all is done."""
        runs = {run.key: run for run in map(self.run, self.settings(store))}
        return [run for key, run in runs.items() if key in again or not store.has(key)]

    def trials(self, store: Store) -> list[Trial]:
        """Every trial that has a record."""
        found = (self._trial(i, values, store) for i, values in enumerate(self.settings(store)))
        return [trial for trial in found if trial is not None]

    def chosen(self, store: Store) -> Trial:
        """The trial with the lowest validation criterion; of equal ones the first.

        Raises
        ------
        SpecError
            If trials are missing, or all of them failed.
        """
        trials = self.trials(store)
        if len(trials) < self.spec.trials:
            raise SpecError(
                f"the search for {self.name} has {len(trials)} of {self.spec.trials} trials",
                where=str(store.path),
                fix="run the study's command again: it goes on with the search",
            )
        best = min(trials, key=lambda trial: (trial.value, trial.number))
        if best.status != "finished":
            raise SpecError(
                f"every trial of {self.name} failed: {best.cause}",
                where=str(store.path),
                fix="mend the cause, or leave this method out; run again with --retry failed",
            )
        return best

    def ledger(self, store: Store) -> Ledger:
        """What the search has spent.

        Raises
        ------
        SpecError
            As `chosen`.
        """
        trials = self.trials(store)
        first = {trial.key: trial for trial in reversed(trials)}
        return Ledger(
            row=self.template.row,
            dataset=self.template.dataset,
            sampler=self.spec.sampler,
            trials=len(trials),
            failed=sum(trial.status == "failed" for trial in trials),
            repeated=len(trials) - len(first),
            epochs=sum(trial.epochs for trial in first.values()),
            seconds=sum(trial.seconds for trial in first.values()),
            chosen=self.chosen(store).number,
        )

    def _trial(self, number: int, values: Mapping[str, Any], store: Store) -> Trial | None:
        key = self.run(values).key
        if not store.has(key):
            return None
        try:
            record = store.get(key, arrays=False)
        except MsabenchError:
            return None  # damaged: the driver sets it aside and runs it again
        finished = record.status == "finished"
        return Trial(
            number=number,
            key=key,
            values=dict(values),
            status=record.status,
            value=min(record.valid_criterion) if finished else float("inf"),
            epochs=record.epochs,
            seconds=sum(record.seconds) + record.setup_seconds,
            cause=record.failure.message if record.failure else "",
        )


def store_of(study: Path) -> Store:
    """The store of a study's trials."""
    return Store(study / FOLDER)


def write_ledgers(study: Path, ledgers: Sequence[Ledger]) -> None:
    """Keep the ledgers beside the trials, joined with those of rows searched before."""
    held = {(each.row, each.dataset): each for each in (*read_ledgers(study), *ledgers)}
    path = study / FOLDER / LEDGER
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps([asdict(each) for each in held.values()], indent=1), encoding="utf-8")
    temporary.replace(path)


def read_ledgers(study: Path) -> list[Ledger]:
    """The ledgers of a study's searches; empty if it has none.

    Raises
    ------
    SpecError
        If their file cannot be read.
    """
    path = study / FOLDER / LEDGER
    if not path.exists():
        return []
    try:
        return [Ledger(**each) for each in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise SpecError(
            f"the ledger of a search cannot be read: {error}",
            where=str(path),
            fix="delete it and run the study's command again: it is made from the trials' records",
        ) from error


def unequal(ledgers: Sequence[Ledger]) -> str:
    """How the budgets of searches differ, or empty."""
    if len({ledger.budget for ledger in ledgers}) < 2:
        return ""
    return ", ".join(f"{each.row} on {each.dataset} {each.trials} {each.sampler} trials" for each in ledgers)
