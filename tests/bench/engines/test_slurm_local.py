"""`--engine slurm` for real, with submitit's local executor in the cluster's place."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import torch
from mlflow import MlflowClient
from typer.testing import CliRunner, Result

from msabench.engines.job import UNFINISHED
from msabench.records import Store

pytest.importorskip("submitit", reason="the extra [slurm] is not installed")
from msabench.cli import app
from msabench.engines.slurm_submissions import look, submissions

STUDY = [
    "--methods",
    "lf_dnn",
    "--datasets",
    "demo",
    "--text-encoder",
    "tiny",
    "--name",
    "s",
    "--no-tracking",
]
CLUSTER = ["--engine", "slurm", "--slurm-executor", "local"]
LONG = ["--seeds", "1,", "--epochs", "40", "--patience", "0"]
"""A run that is still training when a test finds its checkpoint"""


class Desk:
    """One results folder, and the commands typed there."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.root, self.cache, self.study = folder, cache, folder / "s"

    def run(self, *options: str) -> Result:
        """`msabench run`, which must not fail in a way that it does not explain."""
        folders = ["--results-root", str(self.root), "--cache-root", str(self.cache)]
        words = ["run", *STUDY, *options, *folders, "--data-root", str(self.cache / "data")]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["msabench", *words])  # what a job that goes on with the study runs
            result = CliRunner().invoke(app, words)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    def collect(self, *options: str) -> str:
        """`msabench collect`, which mirrors nothing unless it is told where."""
        options = options or ("--no-tracking",)
        result = CliRunner().invoke(app, ["collect", "s", "--results-root", str(self.root), *options])
        assert result.exit_code == 0, result.output
        return result.output

    def predictions(self) -> dict[str, bytes]:
        """Of every finished run, by key."""
        runs = Store(self.study).runs("finished")
        return {run.key: run.valid_predictions.tobytes() + run.test_predictions.tobytes() for run in runs}

    def elements(self) -> list[psutil.Process]:
        """The processes that stand for the cluster's jobs."""
        jobs = {each.job for place in (self.study, self.study / "search") for each in submissions(place)}
        found = []
        for job in jobs:
            if psutil.pid_exists(int(job)):
                process = psutil.Process(int(job))
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def wait(self) -> None:
        """Until every job is over."""
        until(lambda: not self.elements())

    def training(self) -> tuple[psutil.Process, Path]:
        """The job in training, once its first epoch is saved, and the checkpoint."""
        until(lambda: any((self.study / UNFINISHED).glob("*.pt")))
        (controller,) = self.elements()
        return controller, next((self.study / UNFINISHED).glob("*.pt"))


def until(true: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait for something that must come."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def desk(tmp_path: Path, cache: Path) -> Iterator[Desk]:
    made = Desk(tmp_path, cache)
    yield made
    for process in made.elements():
        for each in (*process.children(recursive=True), process):
            each.kill()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> dict[str, bytes]:
    """Predictions of the long run and of two short ones, by the local engine."""
    long, short = (Desk(tmp_path_factory.mktemp("local"), cache) for _ in range(2))
    long.run(*LONG, "--workers", "1")
    short.run("--seeds", "2", "--epochs", "2", "--workers", "1")
    return {**long.predictions(), **short.predictions()}


def test_submitted_runs_are_those_of_the_local_engine_and_submitted_once(
    desk: Desk, undisturbed: dict[str, bytes]
) -> None:
    options = ["--seeds", "2", "--epochs", "2", *CLUSTER, "--max-jobs", "2"]
    first = desk.run(*options)
    assert "submitted: 2 runs in 2 jobs" in first.output and "msabench collect s" in first.output
    again = desk.run(*options)
    assert "submitted:" not in again.output and "2 runs were queued or running before" in again.output
    assert len(submissions(desk.study)) == 2
    desk.wait()
    output = desk.collect()
    assert "2 finished, 0 failed, 0 running, 0 queued, 0 lost" in output and "every run is recorded" in output
    found = desk.predictions()
    assert len(found) == 2 and all(undisturbed[key] == value for key, value in found.items())
    assert desk.run(*options).exit_code == 0  # nothing is lacking: it ends with the table


def test_a_preempted_run_goes_on_from_its_last_epoch(desk: Desk, undisturbed: dict[str, bytes]) -> None:
    desk.run(*LONG, *CLUSTER)
    controller, checkpoint = desk.training()
    saved = torch.load(checkpoint, weights_only=True)["log"]["seconds"]
    for task in controller.children():
        task.send_signal(signal.SIGUSR2)  # what SLURM sends before it takes the node away
    desk.wait()
    found = desk.predictions()
    assert found and all(undisturbed[key] == value for key, value in found.items())
    (record,) = Store(desk.study).runs()
    assert list(record.seconds[: len(saved)]) == saved, "it started anew"
    log = "".join(path.read_text() for path in (desk.study / "slurm" / "logs").glob("*_log.*"))
    assert "Caught signal SIGUSR2" in log and "Requeued job" in log
    assert not list((desk.study / UNFINISHED).iterdir())


def test_a_killed_job_is_a_death_that_collect_records(desk: Desk, undisturbed: dict[str, bytes]) -> None:
    desk.run(*LONG, *CLUSTER)
    controller, _ = desk.training()
    for process in (controller, *controller.children()):
        os.kill(process.pid, signal.SIGKILL)
    desk.wait()
    output = desk.collect()
    assert "1 failed" in output and "died:" in output and f"{controller.pid}_0_log.err" in output
    (record,) = Store(desk.study).runs()
    assert record.failure and record.failure.cause == "killed"
    assert "submitted:" not in desk.run(*LONG, *CLUSTER).output, "it is tried again without being asked for"
    assert len(submissions(desk.study)) == 1
    assert "submitted: 1 runs" in desk.run(*LONG, *CLUSTER, "--retry", "failed").output
    assert "before" in desk.run(*LONG, *CLUSTER, "--retry", "failed").output
    desk.wait()
    assert "1 finished, 0 failed" in desk.collect()
    found = desk.predictions()
    assert found and all(undisturbed[key] == value for key, value in found.items())


def test_a_search_that_a_job_prepares_goes_on_by_collect_and_is_mirrored(desk: Desk, tmp_path: Path) -> None:
    options = ["--seeds", "1,", "--epochs", "1", "--trials", "2", *CLUSTER]
    assert "prepares the data and submits" in desk.run(*options, "--prepare-job").output
    desk.wait()  # for that job, which runs the command, and for the trials that it submits
    assert len(Store(desk.study / "search").keys("finished")) == 2
    (prepared,) = submissions(desk.study)
    assert prepared.keys == (), "the chosen setting is not trained yet"
    output = desk.collect()
    assert (
        "the search goes on, or its chosen settings are trained" in output and "--prepare-job" not in output
    )
    assert "trials: 2 finished" in desk.collect("--submit", "--no-tracking")
    assert len(submissions(desk.study)) == 2
    desk.wait()
    (run,) = Store(desk.study).runs("finished")
    assert run.spec.track == "tuned"
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    output = desk.collect("--tracking-uri", uri)
    assert "s: 1 mirrored" in output and "every run is recorded" in output
    assert "s: 0 mirrored" in desk.collect("--tracking-uri", uri)
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("s")
    assert experiment is not None
    (mirrored,) = client.search_runs([experiment.experiment_id])
    assert run.key in {*mirrored.data.tags.values()}


def test_collect_submits_what_was_lost(desk: Desk, undisturbed: dict[str, bytes]) -> None:
    options = ["--seeds", "2", "--epochs", "2", *CLUSTER, "--max-jobs", "1"]
    desk.run(*options)
    for process in desk.elements():
        for each in (process, *process.children(recursive=True)):
            each.kill()  # before it has begun a run
    output = desk.collect()
    assert "2 lost" in output and output.count("missing: lf_dnn demo:unaligned seed") == 2
    assert "msabench collect s --submit" in output
    desk.collect("--submit", "--no-tracking")
    desk.wait()
    assert "2 finished" in desk.collect()
    assert all(undisturbed[key] == value for key, value in desk.predictions().items())
    before = len(submissions(desk.study))
    assert "every run is recorded" in desk.collect("--submit", "--no-tracking")
    assert len(submissions(desk.study)) == before, "nothing is missing, and nothing is submitted"


def test_without_asking_directories_alone_tell_what_is_queued(desk: Desk) -> None:
    desk.run("--seeds", "2", *LONG[2:], *CLUSTER)
    desk.training()
    found = look(desk.study, ask=False)
    assert (len(found.running), len(found.queued)) == (1, 1)
    result = CliRunner().invoke(app, ["status", "s", "--results-root", str(desk.root)])
    assert "1 runs begun, 1 queued" in result.output
