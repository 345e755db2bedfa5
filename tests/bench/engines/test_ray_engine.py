"""The Ray engine on a real cluster: the local engine's results, whatever its nodes and workers come to."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch

from msabench.engines.job import UNFINISHED, Engine, Job, RunProgress, progress
from msabench.engines.local import LocalEngine
from msabench.engines.ray import RayEngine, _Drive
from msabench.errors import SpecError
from msabench.execute import Machine, Outcome, execute
from msabench.records import Store
from msabench.run import Budget
from msabench.study import Plan, StudySpec, expand_datasets, plan

ray = pytest.importorskip("ray", reason="the extra [ray] is not installed")
EPOCHS = 15


class Watcher:
    """An observer that calls a function with the progress of unfinished runs."""

    def __init__(self, watch: Callable[[Sequence[RunProgress]], None] = lambda runs: None) -> None:
        self.running = watch
        self.ended_keys: list[str] = []

    def ended(self, record: Any) -> None:
        self.ended_keys.append(record.key)

    def __getattr__(self, name: str) -> Any:
        return lambda *args: None


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one core each; this process is connected to them."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.second = made.add_node(num_cpus=1)
    ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
    yield made
    ray.shutdown()
    made.shutdown()


def planned(data: Path, seeds: int, epochs: int) -> Plan:
    spec = StudySpec(
        name="s",
        methods=("lf_dnn",),
        datasets=expand_datasets("demo"),
        seeds=tuple(range(1, seeds + 1)),
        text_encoder="tiny",
        budget=Budget(epochs=epochs, patience=0),
    )
    return plan(spec, data, None)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return planned(tmp_path_factory.mktemp("data"), 3, EPOCHS)


def carried_out(study: Plan, results: Path, engine: Engine, watcher: Watcher | None = None) -> Outcome:
    machine = Machine(engine=engine, tracking=False, checkpoint_seconds=0)
    return execute(study, results, machine, watcher or Watcher())


def hashes(study: Path) -> dict[str, str]:
    found = {}
    for record in Store(study).runs("finished"):
        bits = record.valid_predictions.tobytes() + record.test_predictions.tobytes()
        found[record.key] = hashlib.sha256(bits).hexdigest()
    return found


@pytest.fixture(scope="module")
def local(study: Plan, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The hashes of the local engine's predictions."""
    results = tmp_path_factory.mktemp("local")
    carried_out(study, results, LocalEngine(slots=["cpu", "cpu"]))
    return hashes(results / "s")


def jobs_of(study: Plan, folder: Path) -> list[Job]:
    return [
        Job(spec=run, source=study.sources[run.dataset], encoder=study.encoders[run.dataset], study=folder)
        for run in study.runs
    ]


@pytest.mark.usefixtures("cluster")
def test_a_worker_that_segfaults_loses_its_own_run_only(
    study: Plan, local: dict[str, str], tmp_path: Path
) -> None:
    victim: list[str] = []

    def shoot(runs: Sequence[RunProgress]) -> None:
        if runs and not victim:
            victim.append(runs[0].key)
            os.kill(runs[0].process, signal.SIGSEGV)

    outcome = carried_out(study, tmp_path, RayEngine(), Watcher(shoot))
    (failed,) = outcome.failed
    assert failed.key == victim[0] and failed.failure is not None and failed.failure.cause == "killed"
    assert "SIGSEGV" in failed.failure.message and socket.gethostname() in failed.failure.message
    assert hashes(tmp_path / "s") == {key: value for key, value in local.items() if key != failed.key}
    assert not list((tmp_path / "s" / ".unfinished").glob("driver-*"))


@pytest.mark.usefixtures("cluster")
def test_where_nodes_do_not_see_the_results_folder_records_come_back_by_themselves(
    study: Plan, local: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Drive, "_mark", lambda self, folder: "a-mark-that-nobody-sees")
    seen: list[RunProgress] = []
    outcome = carried_out(study, tmp_path, RayEngine(), Watcher(seen.extend))
    assert not outcome.failed and not seen  # nothing was written here but by the driver
    assert hashes(tmp_path / "s") == local


@pytest.mark.usefixtures("cluster")
def test_a_run_that_raises_and_one_past_its_limit_fail_alone(study: Plan, tmp_path: Path) -> None:
    good, bad, slow = jobs_of(study, tmp_path / "s")
    bad = replace(bad, spec=replace(bad.spec, hyperparameters={**bad.spec.hyperparameters, "batch_size": -1}))
    (tmp_path / "s").mkdir()
    engine = RayEngine(max_running=1, retries=0)
    ended = {each.job.key: each for each in engine.run([bad, good], poll=lambda: None)}
    assert {key: each.status for key, each in ended.items()} == {good.key: "finished", bad.key: "failed"}
    forever = replace(slow, spec=replace(slow.spec, budget=Budget(epochs=10**6, patience=0)))
    (late,) = RayEngine(time_limit=2).run([forever], poll=lambda: None)
    assert (late.status, late.cause) == (None, "timeout") and "limit of 2 s" in late.reason


def test_a_node_that_is_lost_in_the_middle_costs_nothing(cluster: Any, tmp_path: Path) -> None:
    study = planned(tmp_path / "data", 4, 2 * EPOCHS)  # so long that both nodes train at some time
    saved: dict[str, list[float]] = {}

    def unplug(runs: Sequence[RunProgress]) -> None:
        if len(runs) == 2 and cluster.second is not None:  # one on each node
            node, cluster.second = cluster.second, None
            cluster.remove_node(node, allow_graceful=False)
            for path in (tmp_path / "s" / UNFINISHED).glob("*.pt"):
                saved[path.stem] = list(torch.load(path)["log"]["seconds"])

    watcher = Watcher(unplug)
    outcome = carried_out(study, tmp_path, RayEngine(), watcher)
    assert cluster.second is None, "no node was removed"
    assert not outcome.failed and outcome.finished == len(study.runs)
    carried_out(study, tmp_path / "alone", LocalEngine(slots=["cpu", "cpu"]))
    local = hashes(tmp_path / "alone" / "s")
    assert sorted(watcher.ended_keys) == sorted(local), "a run was lost, or ended twice"
    assert hashes(tmp_path / "s") == local
    assert saved, "a run had saved an epoch when its node was lost"
    for key, seconds in saved.items():
        assert list(Store(tmp_path / "s").get(key).seconds[: len(seconds)]) == seconds, "it began anew"


@pytest.mark.usefixtures("cluster")
def test_runs_of_a_caller_who_stops_listening_are_stopped(study: Plan, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    long = [
        replace(job, spec=replace(job.spec, budget=Budget(epochs=10**6, patience=0)))
        for job in jobs_of(study, tmp_path / "s")
    ]
    seen: list[RunProgress] = []

    def stop() -> None:
        seen.extend(progress(tmp_path / "s"))
        if seen:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(RayEngine().run(long, poll=stop))
    psutil.wait_procs([psutil.Process(seen[0].process)] if psutil.pid_exists(seen[0].process) else [], 20)
    assert not psutil.pid_exists(seen[0].process), "its process trains on"


@pytest.mark.usefixtures("cluster")
def test_what_no_node_offers_is_said_at_once(study: Plan, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"no node of the cluster has 1 CPUs and 0\.25 GPUs"):
        next(RayEngine(gpus_per_run=0.25).run(jobs_of(study, tmp_path), poll=lambda: None))


def test_a_run_whose_nodes_are_lost_again_and_again_fails(study: Plan, tmp_path: Path) -> None:
    (job, *_), error = jobs_of(study, tmp_path), RuntimeError("the node is gone")
    deaf = SimpleNamespace(remote=lambda **options: lambda function: function)
    drive = _Drive(engine=RayEngine(retries=2), ray=deaf, waiting=deque())
    assert [drive._again(job, error), drive._again(job, error)] == [None, None]
    assert list(drive.waiting) == [job, job]
    ended = drive._again(job, error)
    assert ended is not None and "lost 3 times: the node is gone" in ended.reason and len(drive.waiting) == 2


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SpecError, match=r"msabench\[ray\]"):
        next(RayEngine().run([], poll=lambda: None))
