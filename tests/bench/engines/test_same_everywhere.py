"""One study by every engine, by one worker and by two, and interrupted: the same predictions, bit for bit."""

from __future__ import annotations

import hashlib
import importlib.util
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from msabench.engines.job import UNFINISHED
from msabench.engines.slurm_submissions import look
from msabench.records import Store

SCRIPT = Path(sys.executable).with_name("msabench")
# a run that fine-tunes the text encoder is there, and one that reads it frozen
STUDY = ["--methods", "lf_dnn,almt", "--datasets", "demo", "--text-encoder", "tiny", "--seeds", "2"]
STUDY += ["--epochs", "2", "--patience", "0", "--name", "s", "--no-tracking"]
SECONDS = 240

Command = Callable[..., list[str]]


def hashes(study: Path) -> dict[str, str]:
    """Of the validation and test predictions of each finished run, all epochs."""
    found = {}
    for run in Store(study).runs("finished"):
        bits = run.valid_predictions.tobytes() + run.test_predictions.tobytes()
        found[run.key] = hashlib.sha256(bits).hexdigest()
    return found


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """`msabench run` of the study into a folder."""
    data = tmp_path_factory.mktemp("data")

    def made(results: Path, *options: str) -> list[str]:
        return [str(SCRIPT), "run", *STUDY, *options, f"--data-root={data}", f"--results-root={results}"]

    return made


def carried_out(command: list[str]) -> str:
    """Run a command to its end; what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def one_worker(command: Command, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    results = tmp_path_factory.mktemp("one")
    carried_out(command(results, "--workers", "1"))
    found = hashes(results / "s")
    assert len(set(found.values())) == 4
    return found


def test_by_two_workers(command: Command, one_worker: dict[str, str], tmp_path: Path) -> None:
    carried_out(command(tmp_path, "--workers", "2"))
    assert hashes(tmp_path / "s") == one_worker


def test_interrupted_amid_a_run(command: Command, one_worker: dict[str, str], tmp_path: Path) -> None:
    driver = subprocess.Popen(
        command(tmp_path, "--workers", "2"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + SECONDS
    while not any((tmp_path / "s" / UNFINISHED).glob("[!.]*.json")):
        assert driver.poll() is None and time.monotonic() < end
        time.sleep(0.01)
    driver.send_signal(signal.SIGINT)
    said = driver.communicate()[1]
    assert driver.returncode == 130 and "Traceback" not in said, said
    assert len(hashes(tmp_path / "s")) < 4
    carried_out(command(tmp_path, "--workers", "1"))
    assert hashes(tmp_path / "s") == one_worker


@pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="the extra [ray] is not installed")
def test_by_a_ray_of_its_own(command: Command, one_worker: dict[str, str], tmp_path: Path) -> None:
    said = carried_out(command(tmp_path, "--engine", "ray"))
    assert hashes(tmp_path / "s") == one_worker
    assert "ray.io" not in said and "raylet" not in said and "INFO" not in said, said


@pytest.mark.skipif(not importlib.util.find_spec("submitit"), reason="the extra [slurm] is not installed")
def test_by_jobs_of_submitit(command: Command, one_worker: dict[str, str], tmp_path: Path) -> None:
    submitted = command(tmp_path, "--engine", "slurm", "--slurm-executor", "local", "--max-jobs", "2")
    assert "submitted: 4 runs in 2 jobs" in carried_out(submitted)
    end = time.monotonic() + SECONDS
    while look(tmp_path / "s").alive:
        assert time.monotonic() < end
        time.sleep(0.5)
    assert hashes(tmp_path / "s") == one_worker
