"""What a run that died had spent, by what it told after its last epoch: a search's ledger counts it."""

import json
import os
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from msabench.engines.job import UNFINISHED, RunProgress, spent


def tell(study: Path, ago: float) -> None:
    """As a run leaves it after three epochs of 4 s, and 10 s of setup before them, so many seconds ago."""
    told = RunProgress(
        key="a", row="tfn", dataset="demo:unaligned", seed=1, epoch=3, epochs=9, seconds_per_epoch=4.0,
        process=1, spent=22.0,
    )  # fmt: skip
    path = study / UNFINISHED / "a.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(asdict(told)))
    os.utime(path, (time.time() - ago,) * 2)


def test_epochs_setup_and_what_followed_the_last_epoch_are_spent(tmp_path: Path) -> None:
    tell(tmp_path, ago=100.0)
    epochs, others = spent(tmp_path, "a", elapsed=150.0)
    assert epochs == [4.0] * 3 and others == pytest.approx(110, abs=5)


def test_the_time_that_nobody_trained_is_not(tmp_path: Path) -> None:
    tell(tmp_path, ago=86400.0)  # by a process that was killed yesterday
    assert spent(tmp_path, "a", elapsed=30.0) == ([4.0] * 3, 40.0)
    assert spent(tmp_path, "a") == ([4.0] * 3, 10.0), "an engine that does not know how long it had"


def test_a_run_that_died_in_its_first_epoch_had_the_time_of_its_worker(tmp_path: Path) -> None:
    assert spent(tmp_path, "a", elapsed=30.0) == ([], 30.0)
    tell(tmp_path, ago=0.0)
    (tmp_path / UNFINISHED / "a.json").write_text("{")
    assert spent(tmp_path, "a", elapsed=30.0) == ([], 30.0)
