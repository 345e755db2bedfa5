"""`--engine slurm` on a real SLURM, where `sinfo` answers: requeued and cancelled jobs, the cap, collecting.

pytest's folder (`--basetemp`) must lie on a disk that the nodes see.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from msabench.engines.job import UNFINISHED
from msabench.records import Store

pytest.importorskip("submitit", reason="the extra [slurm] is not installed")
SCRIPT = Path(sys.executable).with_name("msabench")
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
CLUSTER = ["--engine", "slurm", "--time", "10"]
LONG = ["--seeds", "2", "--epochs", "60", "--patience", "0"]


def slurm(*command: str) -> str:
    """What one of SLURM's programs prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture(scope="module", autouse=True)
def _controller() -> None:
    """Skips these tests where there is no SLURM, or none that answers."""
    if not shutil.which("sinfo"):
        pytest.skip("there is no SLURM here (no `sinfo`)")
    if subprocess.run(["sinfo"], capture_output=True, timeout=60).returncode:
        pytest.skip("the SLURM of this machine does not answer (`sinfo` fails)")


class Desk:
    """One results folder, and the commands typed there."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.root, self.cache, self.study = folder, cache, folder / "s"

    def run(self, *options: str) -> str:
        """`msabench run`."""
        return self._msabench("run", *STUDY, *options, "--cache-root", str(self.cache))

    def collect(self, *options: str) -> str:
        """`msabench collect`."""
        return self._msabench("collect", "s", "--no-tracking", *options)

    def _msabench(self, *arguments: str) -> str:
        command = [SCRIPT, *arguments, "--results-root", self.root]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=self.root)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def jobs(self, *options: str) -> list[str]:
        """Of this study, those that SLURM has not done with."""
        told = slurm("squeue", "--noheader", "--array", "--format=%i|%o", *options).splitlines()
        return [line.split("|")[0] for line in told if str(self.root) in line]

    def training(self, runs: int) -> None:
        """Wait until so many runs have saved an epoch."""
        until(lambda: len(list((self.study / UNFINISHED).glob("*.pt"))) >= runs)

    def predictions(self) -> dict[str, bytes]:
        """Of every finished run, by key."""
        runs = Store(self.study).runs("finished")
        return {run.key: run.valid_predictions.tobytes() + run.test_predictions.tobytes() for run in runs}


def until(true: Callable[[], bool], seconds: float = 300.0) -> None:
    """Wait for something that must come."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def desk(tmp_path: Path, cache: Path) -> Iterator[Desk]:
    made = Desk(tmp_path, cache)
    yield made
    for job in made.jobs():
        subprocess.run(["scancel", job], check=False)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> dict[str, bytes]:
    """Predictions of the study by the local engine."""
    made = Desk(tmp_path_factory.mktemp("local"), cache)
    made.run(*LONG)
    return made.predictions()


def test_requeued_jobs_go_on_and_one_that_was_cancelled_is_submitted_again(
    desk: Desk, undisturbed: dict[str, bytes]
) -> None:
    assert "submitted: 2 runs in 2 jobs" in desk.run(*LONG, *CLUSTER, "--max-jobs", "2")
    desk.training(2)
    assert "2 runs were queued or running before" in desk.run(*LONG, *CLUSTER)
    requeued, cancelled = desk.jobs()
    slurm("scontrol", "requeue", requeued)
    slurm("scancel", cancelled)
    until(lambda: desk.jobs("--states=PENDING") == [requeued] and desk.jobs() == [requeued])
    checkpoints = {path.stem: torch.load(path) for path in (desk.study / UNFINISHED).glob("*.pt")}
    saved = {key: list(checkpoint["log"]["seconds"]) for key, checkpoint in checkpoints.items()}
    output = desk.collect()
    assert "0 failed, 0 running, 1 queued, 1 lost" in output, output
    slurm("scontrol", "update", f"JobId={requeued}", "StartTime=now")  # it would wait for minutes
    desk.collect("--submit")
    until(lambda: not desk.jobs())
    assert "2 finished, 0 failed" in desk.collect()
    assert desk.predictions() == undisturbed
    for record in Store(desk.study).runs("finished"):
        before = saved[record.key]
        assert before and list(record.seconds[: len(before)]) == before, "it began anew"
    assert not list((desk.study / UNFINISHED).iterdir())


def test_no_more_jobs_run_at_a_time_than_asked_for(desk: Desk) -> None:
    desk.run("--seeds", "3", "--epochs", "2", *CLUSTER, "--max-jobs", "1")
    seen = []

    def over() -> bool:
        seen.append(len(desk.jobs("--states=RUNNING,COMPLETING")))
        return not desk.jobs()

    until(over)
    assert max(seen) == 1
    output = desk.collect()
    assert "3 finished, 0 failed" in output and "every run is recorded" in output, output
