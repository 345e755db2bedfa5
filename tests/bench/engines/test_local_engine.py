"""The local engine's real worker processes: what a death, a hang or a lack of memory costs."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msabench.engines import job as jobs
from msabench.engines import process
from msabench.engines.admission import Admission
from msabench.engines.job import UNFINISHED, Job, RunProgress, forget, progress
from msabench.engines.local import LocalEngine, WorkerError
from msabench.execute import Machine, Outcome, execute
from msabench.records import Store
from msabench.run import Budget, Cause, Failure
from msabench.study import Plan, StudySpec, plan

EPOCHS = 30


class Watcher:
    """An observer that calls a function with the progress of unfinished runs."""

    def __init__(self, watch: Callable[[Sequence[RunProgress]], None] = lambda runs: None) -> None:
        self.running = watch

    def __getattr__(self, name: str) -> Any:
        return lambda *args: None


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    spec = StudySpec(
        name="s",
        methods=("lf_dnn",),
        datasets=("demo:unaligned",),
        seeds=(1, 2),
        text_encoder="tiny",
        budget=Budget(epochs=EPOCHS, patience=0),
    )
    return plan(spec, tmp_path_factory.mktemp("data"))


def carried_out(
    study: Plan, results: Path, engine: LocalEngine, watcher: Watcher | None = None, *, retry: bool = False
) -> Outcome:
    machine = Machine(engine=engine, tracking=False, checkpoint_seconds=0)
    return execute(study, results, machine, watcher or Watcher(), retry_failed=retry)


@pytest.fixture(scope="module")
def undisturbed(study: Plan, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The records of the study where each run starts only when no other runs."""
    results, together = tmp_path_factory.mktemp("undisturbed"), [0]

    def count(runs: Sequence[RunProgress]) -> None:
        together[0] = max(together[0], len(runs))

    engine = LocalEngine(slots=["cpu", "cpu"], admission=Admission(free=lambda: 0))
    assert carried_out(study, results, engine, Watcher(count)).finished == 2
    assert together[0] < 2, "memory was not enough for two runs at a time"
    return Store(results / "s")


def assert_same(one: Store, other: Store) -> None:
    assert one.keys("finished") == other.keys("finished")
    for key in one.keys("finished"):
        a, b = one.get(key), other.get(key)
        assert np.array_equal(a.valid_predictions, b.valid_predictions)
        assert np.array_equal(a.test_predictions, b.test_predictions) and a.losses == b.losses


def seconds_saved(folder: Path, key: str) -> list[float]:
    """Of each epoch that the checkpoint of a run holds."""
    import torch

    return list(torch.load(folder / UNFINISHED / f"{key}.pt", weights_only=True)["log"]["seconds"])


def test_a_run_that_memory_was_too_small_for_is_tried_alone_and_fails_if_that_is_not_enough(
    study: Plan, undisturbed: Store, tmp_path: Path
) -> None:
    """The kills are real; that they are for memory is what the system's counter would say."""
    shot: list[RunProgress] = []
    enough = False

    def shoot(runs: Sequence[RunProgress]) -> None:
        mine = [run for run in runs if not shot or run.key == shot[0].key]
        if not shot and runs and not Store(tmp_path / "s").keys():  # the other has begun, or is about to
            shot.append(mine[0])
            os.kill(mine[0].process, signal.SIGKILL)
        elif shot and mine and mine[0].process != shot[-1].process:
            assert len(runs) == 1, "another run is beside it"
            if not enough and len(shot) == 1:
                shot.append(mine[0])
                os.kill(mine[0].process, signal.SIGKILL)

    engine = LocalEngine(slots=["cpu", "cpu"], killed=lambda: len(shot))
    outcome = carried_out(study, tmp_path, engine, Watcher(shoot))
    (failed,) = outcome.failed
    assert len(shot) == 2 and failed.key == shot[0].key
    assert failed.failure and failed.failure.cause == "out-of-memory" and not progress(tmp_path / "s")
    saved = seconds_saved(tmp_path / "s", failed.key)
    enough = True
    assert carried_out(study, tmp_path, engine, Watcher(shoot), retry=True).finished == 1
    after = Store(tmp_path / "s")
    assert saved and list(after.get(failed.key).seconds[: len(saved)]) == saved, "it began anew"
    assert_same(after, undisturbed)
    assert not list((tmp_path / "s" / UNFINISHED).glob(f"{failed.key}*")), "its checkpoint stayed"


def test_a_worker_past_its_limit_is_replaced(
    study: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forever, good = (
        Job(spec=run, source=study.sources[run.dataset], encoder=study.encoders[run.dataset], study=tmp_path)
        for run in study.runs
    )
    forever = replace(forever, spec=replace(forever.spec, budget=Budget(epochs=10**6, patience=0)))
    good = replace(good, spec=replace(good.spec, budget=Budget(epochs=1, patience=0)))
    overdue = process.WorkerProcess.overdue

    def patient(worker: process.WorkerProcess, limit: float | None) -> bool:
        """On a busy machine the good run may take longer as well."""
        return overdue(worker, limit) and worker.job is not None and worker.job.key == forever.key

    monkeypatch.setattr(process.WorkerProcess, "overdue", patient)
    ended = list(LocalEngine(slots=["cpu"], time_limit=2).run([forever, good], poll=lambda: None))
    assert [(each.job.key, each.status) for each in ended] == [(forever.key, None), (good.key, "finished")]
    assert ended[0].cause == "timeout" and "limit of 2 s" in ended[0].reason
    assert not multiprocessing.active_children(), "a worker trains on for nobody"


def test_workers_that_die_as_they_start_are_not_started_for_ever(
    study: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "serve", os._exit)  # which takes no such arguments
    with pytest.raises(WorkerError, match="3 worker processes in a row died as they started"):
        carried_out(study, tmp_path, LocalEngine(slots=["cpu"]))


def test_a_run_that_another_process_recorded_meanwhile_is_not_trained_again(
    study: Plan, undisturbed: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = study.runs[0]
    job = Job(
        spec=run, source=study.sources[run.dataset], encoder=study.encoders[run.dataset], study=tmp_path
    )

    @contextmanager
    def waited(folder: Path, key: str) -> Iterator[bool]:
        """The lock comes free when the record of its holder is there."""
        shutil.copytree(undisturbed.path, tmp_path, dirs_exist_ok=True)
        yield True

    monkeypatch.setattr(jobs, "claim", waited)
    monkeypatch.setattr(jobs, "_trained", lambda job, store: pytest.fail("it is trained twice"))
    assert jobs.perform(job) == "finished"


@pytest.mark.parametrize(
    ("cause", "stays"),
    [("killed", True), ("timeout", True), ("out-of-memory", True), ("exception", False), ("nan", False)],
)
def test_checkpoints_stay_where_the_method_is_not_at_fault(cause: Cause, stays: bool, tmp_path: Path) -> None:
    (tmp_path / UNFINISHED).mkdir()
    for ending in ("pt", "json"):
        (tmp_path / UNFINISHED / f"key.{ending}").touch()
    forget(tmp_path, "key", Failure(cause=cause, message=""))
    assert [path.name for path in (tmp_path / UNFINISHED).iterdir()] == ["key.pt"] * stays
