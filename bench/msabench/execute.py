"""Carry out a plan: prepare the data once, run what has no record yet, mirror what is recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from msabench import encoders
from msabench.data import open_source
from msabench.data.types import Dataset
from msabench.engines.job import Ended, Engine, Job, RunProgress, forget, progress, spent, tidy
from msabench.errors import MsabenchError, SpecError, write_errors
from msabench.records import Store
from msabench.run import Failure, RunRecord, RunSpec
from msabench.search import store_of, write_ledgers
from msabench.search.asking import Asking
from msabench.study import Plan, freeze
from msabench.tracking import BackgroundTracker


class Observer(Protocol):
    """What shows a study's progress to a person."""

    def preparing(self, what: str) -> None:
        """A preparation begins, as in `mosi:unaligned: text features of minilm`."""

    def prepared(self, done: int, total: int) -> None:
        """How far a long preparation is."""

    def started(self, total: int, recorded: int, what: str) -> None:
        """Training begins: so many runs (or trials of a search), so many of them recorded before."""

    def running(self, runs: Sequence[RunProgress]) -> None:
        """How far the unfinished runs are; several times a second."""

    def ended(self, record: RunRecord) -> None:
        """A run has its record."""

    def warn(self, message: str) -> None:
        """Something that does not stop the study."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where and how runs are carried out; never part of what they compute."""

    engine: Engine
    gpus: int = 0
    """Of this machine: text features that runs share are worked out on one, if there is any"""
    tracking_uri: str | None = None
    tracking: bool = True
    checkpoint_seconds: float = 60.0


@dataclass(kw_only=True)
class Outcome:
    """What one call of `execute` did."""

    folder: Path
    finished: int = 0
    failed: list[RunRecord] = field(default_factory=list)
    recorded_before: int = 0


def execute(
    plan: Plan, results_root: Path, machine: Machine, observer: Observer, *, retry_failed: bool = False
) -> Outcome:
    """Run every run of a plan that has no record yet. Calling it again goes on where it ended.

    Raises
    ------
    SpecError
        If another process is carrying out this study, or the folder holds one under other conditions.
    DataError
        If a dataset cannot be read.
    WriteError
        If the disk is full or read-only. What is recorded stays; unfinished runs go on next time.
    KeyboardInterrupt
        On Ctrl-C, after the workers were stopped; what is recorded stays.
    """
    folder = results_root / plan.study.folder
    with write_errors(folder), _only_driver(folder):
        freeze(plan, folder)
        store = _sound(Store(folder), observer)
        plan = _searched(plan, folder, machine, observer, retry_failed=retry_failed)
        todo = plan.missing(store, retry_failed)
        outcome = Outcome(folder=folder, recorded_before=len(plan.runs) - len(todo))
        with _mirror(folder, results_root, machine, observer, store, plan) as record_written:
            if todo:
                datasets = _prepare(plan, todo, machine, observer)
                observer.started(len(plan.runs), outcome.recorded_before, "runs")
                for record in _train(plan, todo, datasets, folder, machine, observer):
                    record_written(record)
                    observer.ended(record)
                    if record.status == "finished":
                        outcome.finished += 1
                    else:
                        outcome.failed.append(record)
    return outcome


def _sound(store: Store, observer: Observer) -> Store:
    """The store, its damaged records set aside so that their runs are made again, and left-overs removed."""
    for key, why in store.damaged().items():
        observer.warn(f"record {key} is damaged ({why}); set aside as {store.set_aside(key).name}, run again")
    tidy(store.path)
    return store


def _searched(plan: Plan, folder: Path, machine: Machine, observer: Observer, *, retry_failed: bool) -> Plan:
    """The plan with the runs of the chosen settings, once every search has spent its trials."""
    if not plan.searches:
        return plan
    from msabench.search import optuna_journal

    store = _sound(store_of(folder), observer)
    again = frozenset(store.keys("failed")) if retry_failed else frozenset()
    planned = sum(search.spec.trials for search in plan.searches)
    asking = Asking(plan.searches, store, again)
    if todo := asking.more():
        datasets = _prepare(plan, todo, machine, observer)
        done = sum(len(search.trials(store)) for search in plan.searches)
        observer.started(planned, done, "trials")
        for record in _train(plan, todo, datasets, store.path, machine, observer, asking):
            asking.ended(record.key)
            observer.ended(record)
    made = [(search, search.trials(store)) for search in plan.searches]
    if damage := optuna_journal.mirror(store.path, made):
        observer.warn(damage)
    chosen, ledgers = {}, []
    for search in plan.searches:
        try:
            chosen[search.name] = search.chosen(store)
            ledgers.append(search.ledger(store))
        except SpecError as error:
            observer.warn(f"{search.name} is left out of the track 'tuned': {error.what}")
    write_ledgers(folder, ledgers)
    tuned = plan.with_tuned(chosen)
    freeze(tuned, folder)
    return tuned


def _prepare(plan: Plan, todo: Sequence[RunSpec], machine: Machine, observer: Observer) -> dict[str, Dataset]:
    """Everything that runs share is made once, before workers start: caches, token ids, frozen features."""
    datasets = {}
    for name in dict.fromkeys(run.dataset for run in todo):
        observer.preparing(f"{name}: reading {plan.sources[name].path.name}")
        dataset = datasets[name] = open_source(plan.sources[name])
        # a method that chooses its length under another name has its tokens made by the first of its runs
        forms = {
            (run.text_mode, int(run.hyperparameters.get("token_length", 0)))
            for run in todo
            if run.dataset == name
        }
        for mode, length in sorted(forms):
            if mode == "frozen":
                observer.preparing(f"{name}: text features of {plan.encoders[name].identity}")
                encoders.frozen(
                    plan.encoders[name],
                    dataset,
                    length=length,
                    device="cuda" if machine.gpus else "cpu",
                    progress=observer.prepared,
                )
            else:
                observer.preparing(f"{name}: token ids for {plan.encoders[name].identity}")
                encoders.tokens(plan.encoders[name], dataset, length)
    return datasets


def _train(
    plan: Plan,
    todo: Sequence[RunSpec],
    datasets: dict[str, Dataset],
    folder: Path,
    machine: Machine,
    observer: Observer,
    asking: Asking | None = None,
) -> Iterator[RunRecord]:
    store = Store(folder)

    def jobs(runs: Sequence[RunSpec]) -> list[Job]:
        return [
            Job(
                spec=run,
                source=plan.sources[run.dataset],
                encoder=plan.encoders[run.dataset],
                study=folder,
                checkpoint_seconds=machine.checkpoint_seconds,
                pace=asking.pace(run.key) if asking else (),
            )
            for run in runs
        ]

    # the long runs first, so that the last one does not keep the other workers waiting
    ordered = sorted(todo, key=lambda run: run.text_mode != "finetuned")
    engine = machine.engine.run(
        jobs(ordered),
        poll=lambda: observer.running(progress(folder)),
        more=(lambda: jobs(asking.more())) if asking else None,
    )
    # closed whatever ends the loop, or its workers would go on
    with closing(engine):  # type: ignore[type-var]
        for ended in engine:
            if ended.halt:
                raise ended.halt
            if ended.status is None:
                _record_death(store, ended, datasets)
            yield store.get(ended.job.key)


def _record_death(store: Store, ended: Ended, datasets: dict[str, Dataset]) -> None:
    """A worker that died left no record; its run is a failure, not a gap."""
    from msabench.train import failed_record

    if store.status(ended.job.key) == "finished":
        forget(store.path, ended.job.key)
        return
    dataset = datasets[ended.job.spec.dataset]
    failure = Failure(cause=ended.cause, message=ended.reason, traceback=ended.traceback)
    seconds, others = spent(store.path, ended.job.key, ended.elapsed)
    record = failed_record(ended.job.spec, dataset, failure, ended.job.device, seconds=seconds, others=others)
    store.write(record, record.truths or dataset.truths)
    forget(store.path, ended.job.key, failure)


@contextmanager
def _only_driver(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise SpecError(
            "another process is carrying out this study",
            where=str(folder),
            fix=f"wait for it (msabench status {folder.name}), or give this one another --name",
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _mirror(
    folder: Path, results_root: Path, machine: Machine, observer: Observer, store: Store, plan: Plan
) -> Iterator[Callable[[RunRecord], None]]:
    """MLflow beside the training; whatever goes wrong with it is a warning."""
    if not machine.tracking:
        yield lambda record: None
        return
    tracker = BackgroundTracker(machine.tracking_uri, results_root, folder.name, folder)
    try:
        for run in plan.runs:
            if store.has(run.key):
                tracker.submit(run.key)
        yield tracker.submit
    finally:
        try:
            for message in tracker.close():
                observer.warn(message)
        except MsabenchError as error:
            observer.warn(error.what)
