"""The local engine's real worker processes: what a death, a hang or a lack of memory costs."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msabench.engines.admission import Admission
from msabench.engines.job import UNFINISHED, Job, RunProgress, forget, progress
from msabench.engines.local import LocalEngine
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
    assert together[0] == 1, "memory was not enough for two runs at a time"
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


def test_a_worker_past_its_limit_is_replaced(study: Plan, tmp_path: Path) -> None:
    forever, good = (
        Job(spec=run, source=study.sources[run.dataset], encoder=study.encoders[run.dataset], study=tmp_path)
        for run in study.runs
    )
    forever = replace(forever, spec=replace(forever.spec, budget=Budget(epochs=10**6, patience=0)))
    good = replace(good, spec=replace(good.spec, budget=Budget(epochs=1, patience=0)))
    ended = list(LocalEngine(slots=["cpu"], time_limit=10).run([forever, good], poll=lambda: None))
    assert [(each.job.key, each.status) for each in ended] == [(forever.key, None), (good.key, "finished")]
    assert ended[0].cause == "timeout" and "limit of 10 s" in ended[0].reason


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
