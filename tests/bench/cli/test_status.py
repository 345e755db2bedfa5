"""`msabench status` on studies under way: what has begun, what was interrupted, how far a search is."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from msabench.cli import app

KEY = "0123456789abcdef"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """One run is planned, none is recorded."""
    folder = tmp_path / "results" / "s"
    folder.mkdir(parents=True)
    line = {"row": "tfn", "dataset": "demo:unaligned", "seed": 1}
    (folder / "plan.json").write_text(json.dumps({KEY: line}), encoding="utf-8")
    return folder


def begin(store: Path, silent: float) -> None:
    """Leave what a run tells after its first epoch, so many seconds ago."""
    place = store / ".unfinished" / f"{KEY}.json"
    place.parent.mkdir(parents=True)
    told = {"key": KEY, "row": "tfn", "dataset": "demo:unaligned", "seed": 1, "epoch": 1, "epochs": 5,
            "seconds_per_epoch": 2.0, "process": 1}  # fmt: skip
    place.write_text(json.dumps(told), encoding="utf-8")
    then = time.time() - silent
    os.utime(place, (then, then))


def said(study: Path) -> str:
    words = ["status", study.name, "--results-root", str(study.parent)]
    result = CliRunner().invoke(app, words, env={"COLUMNS": "120"})
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_run_that_goes_on_has_a_time_left(study: Path) -> None:
    begin(study, silent=1)
    text = said(study)
    assert "epoch 1 of 5, at most 8 s left" in text and "interrupted" not in text


def test_a_run_that_tells_nothing_more_was_interrupted(study: Path) -> None:
    """After Ctrl-C nobody trains: no time is left to wait for."""
    begin(study, silent=3600)
    text = said(study)
    assert "epoch 1 of 5, not a word for 60 min: interrupted" in text and "left" not in text


def test_a_search_is_counted_apart_from_the_runs_of_tables(study: Path) -> None:
    assert "trials" not in said(study)
    begin(study / "search", silent=1)
    text = said(study)
    assert "trials of the search: 0 finished, 0 failed, 1 begun (msabench search show s)" in text
    row = next(line for line in text.splitlines() if "tfn" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")][2:] == ["0", "0", "0", "1"]
