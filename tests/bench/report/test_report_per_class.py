"""`msabench report --per-class`: F1 of each emotion, checked against scikit-learn's definition by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from msabench.cli import app
from msabench.errors import SpecError
from msabench.records import Store
from msabench.report.per_class import per_class
from msabench.run import Array, RunRecord, RunSpec, Task, Truths

LABELS = np.array([0, 0, 0, 1, 1, 2, 3, 4, 5, 6], np.float32)
# class 0: 2 of 3 found, one 1 taken for it: 2*2/(3+3); class 1: 1 of 2, one 0 taken for it: 2*1/(2+2)
GUESSES = np.array([0, 0, 1, 0, 1, 2, 3, 4, 5, 5])


def _logits(guesses: Array) -> Array:
    return np.eye(7, dtype=np.float32)[guesses][None]


def _truths() -> Truths:
    ids = np.array([f"v{i}" for i in range(len(LABELS))])
    return Truths(valid_ids=ids, valid=LABELS, test_ids=ids, test=LABELS)


def _write(
    store: Store,
    seed: int,
    task: Task,
    predictions: Array,
    truths: Truths | None = None,
    **changes: Any,
) -> None:
    truths = truths or _truths()
    spec = RunSpec(
        method="r3dg",
        method_version=1,
        hyperparameters=changes.get("hyperparameters", {}),
        dataset="cherma:lfmim" if task.kind == "multiclass" else "mosi:unaligned",
        data_kind="twin",
        data_hash="0" * 64,
        seed=seed,
        text_encoder="features",
        text_mode="frozen",
    )
    record = RunRecord(
        spec=spec,
        status="finished",
        task=task,
        convention="cherma" if task.kind == "multiclass" else "mmsa",
        truths_hash=truths.fingerprint,
        valid_loss=(1.0,),
        valid_criterion=(1.0,),
        valid_predictions=predictions,
        test_predictions=predictions,
        seconds=(1.0,),
        losses=({"task": 1.0},),
    )
    store.write(record, truths)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    emotions, sentiment = Store(tmp_path / "emotions"), Store(tmp_path / "sentiment")
    task = Task(kind="multiclass", classes=7, label_range=(0.0, 6.0))
    for seed in (1, 2):
        _write(emotions, seed, task, _logits(GUESSES))
        _write(sentiment, seed, Task(kind="regression"), LABELS[None])
    return tmp_path


def test_each_class_has_its_f1_and_its_name(results: Path) -> None:
    (grid,) = per_class(results / "emotions")
    figures = dict(zip(grid.head, grid.rows[0], strict=True))
    assert list(figures)[2:5] == ["anger ↑", "disgust ↑", "fear ↑"]
    assert figures["anger ↑"] == "66.67±0.00" and figures["disgust ↑"] == "50.00±0.00"
    # class 5 is found, and 6 is taken for it: 2*1/(1+2); 6 is never found
    assert figures["sad ↑"] == "66.67±0.00" and figures["surprise ↑"] == "0.00±0.00"
    assert figures["Acc ↑"] == "70.00±0.00" and figures["n"] == "2"
    weighted = (3 * 2 / 3 + 2 * 1 / 2 + 3 + 2 / 3 + 0) / 10
    assert figures["F1 weighted ↑"] == f"{100 * weighted:.2f}±0.00"
    assert "SYNTHETIC TWIN" in grid.title and "SYNTHETIC TWIN" in grid.caption


def test_the_command_prints_and_writes_every_format(results: Path) -> None:
    found = CliRunner().invoke(app, ["report", "emotions", "--per-class", "--results-root", str(results)])
    assert found.exit_code == 0 and "surprise" in found.output
    tables = results / "emotions" / "tables"
    assert {path.name for path in tables.iterdir()} == {
        f"per_class.{e}" for e in ("tex", "csv", "md", "html")
    }
    assert "66.67" in (tables / "per_class.tex").read_text(encoding="utf-8")


def test_a_study_without_classes_is_refused(results: Path) -> None:
    with pytest.raises(SpecError, match="dataset with classes"):
        per_class(results / "sentiment")


def test_seeds_of_other_labels_or_settings_are_in_no_mean_with_the_rest(results: Path) -> None:
    store, task = Store(results / "emotions"), Task(kind="multiclass", classes=7, label_range=(0.0, 6.0))
    _write(store, 3, task, _logits(GUESSES), hyperparameters={"width": 3})
    (grid,) = per_class(results / "emotions")
    assert sorted(row[1] for row in grid.rows) == ["1", "2"]
    assert all("settings" in row[0] for row in grid.rows)
    assert any("no mean is taken over several" in note for note in grid.notes)
    other = replace(_truths(), test=LABELS[::-1].copy())
    _write(store, 4, task, _logits(GUESSES), other)
    grids = per_class(results / "emotions")
    assert sorted(sorted(row[1] for row in grid.rows) for grid in grids) == [["1"], ["1", "2"]]
    assert len({grid.title for grid in grids}) == 2 and all("[labels" in grid.title for grid in grids)
    assert all("anger ↑" in grid.head for grid in grids)
