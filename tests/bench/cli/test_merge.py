"""`msabench merge` through the command line, on records made by hand."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from msabench.cli import app
from msabench.errors import MsabenchError
from msabench.records import Store
from msabench.run import Budget, RunRecord, RunSpec, Task, Truths

LABELS = np.linspace(-2.9, 2.9, 20, dtype=np.float32)
IDS = np.array([f"v{i}" for i in range(20)])
TRUTHS = Truths(valid_ids=IDS, valid=LABELS, test_ids=IDS, test=LABELS)


def record_of(method: str = "tfn", seed: int = 1, shift: float = 0.5, **spec: Any) -> RunRecord:
    """A finished run of two epochs."""
    values: dict[str, Any] = {
        "method": method,
        "method_version": 1,
        "hyperparameters": {},
        "dataset": "mosi:unaligned",
        "data_kind": "real",
        "data_hash": "0" * 64,
        "seed": seed,
        "text_encoder": "minilm@53aa5117",
        "text_mode": "frozen",
        "budget": Budget(epochs=2),
    }
    predictions = np.array([LABELS + shift, LABELS + seed / 10], np.float32)
    return RunRecord(
        spec=RunSpec(**{**values, **spec}),
        status="finished",
        task=Task(kind="regression"),
        convention="mmsa",
        truths_hash=TRUTHS.fingerprint,
        losses=({"task": 1.0},) * 2,
        valid_loss=(1.0, 0.5),
        valid_criterion=(1.0, 0.5),
        valid_predictions=predictions,
        test_predictions=predictions,
        seconds=(1.0, 1.0),
        environment={"torch": "2.13.0"},
    )


def study(root: Path, name: str, *records: RunRecord, truths: Truths = TRUTHS) -> Path:
    store = Store(root / name)
    for record in records:
        store.write(record, truths)
    return root / name


def state(folder: Path) -> dict[str, str]:
    """Every file with its hash."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and ".index" not in str(path))
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def command(root: Path, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--results-root", str(root)])


def test_runs_of_two_machines_are_in_one_table_and_sources_stay_as_they_are(tmp_path: Path) -> None:
    other = replace(record_of("lf_dnn", 2), environment={"torch": "2.12.0"})
    a = study(tmp_path, "a", record_of(), record_of(seed=2))
    b = study(tmp_path / "elsewhere", "b", record_of(seed=2), record_of("lf_dnn", 1), other)
    before = {name for name in state(a) if name.startswith(("runs", "data"))}
    hashes = [state(a / "runs"), state(b / "runs")]
    done = command(tmp_path, "merge", "both", "a", str(b))
    assert done.exit_code == 0, done.output
    assert (
        "4 runs joined, 1 of them in several" in done.output
        and "torch: 2.13.0 in a, b; 2.12.0 in b" in done.output
    )
    assert [state(a / "runs"), state(b / "runs")] == hashes and before <= set(state(a))
    assert Store(tmp_path / "both").frame()["key"].nunique() == 4
    assert command(tmp_path, "report", "both").exit_code == 0
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".merging")]
    again = command(tmp_path, "merge", "both", "a", str(b))
    assert "exists already" in str(again.exception)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (record_of(shift=0.25), "the same run gave other predictions: tfn on mosi:unaligned seed 1"),
        (record_of(seed=2, data_hash="1" * 64), "data of mosi:unaligned"),
        (record_of(seed=2, method_version=2), "method version of tfn: 1 in a, but 2 in b"),
        (record_of(seed=2, text_encoder="bert@1"), "text encoder of mosi:unaligned"),
        (record_of(seed=2, budget=Budget(epochs=9)), "budget of all runs"),
        (record_of(seed=1, hyperparameters={"width": 3}), "is of other settings in a"),
    ],
)
def test_what_cannot_stand_together_is_refused_with_the_reason(
    other: RunRecord, says: str, tmp_path: Path
) -> None:
    study(tmp_path, "a", record_of())
    study(tmp_path, "b", other)
    done = command(tmp_path, "merge", "both", "a", "b")
    assert isinstance(done.exception, MsabenchError) and says in str(done.exception), done.exception
    assert not (tmp_path / "both").exists()


def test_other_truths_are_refused(tmp_path: Path) -> None:
    truths = replace(TRUTHS, test=LABELS[::-1].copy())
    study(tmp_path, "a", record_of())
    study(tmp_path, "b", replace(record_of(seed=2), truths_hash=truths.fingerprint), truths=truths)
    assert "truths of mosi:unaligned" in str(command(tmp_path, "merge", "both", "a", "b").exception)


def test_what_a_cut_short_merge_left_is_no_hindrance(tmp_path: Path) -> None:
    study(tmp_path, "a", record_of())
    study(tmp_path, "b", record_of(seed=2))
    (tmp_path / ".both.merging" / "runs" / "half").mkdir(parents=True)
    assert command(tmp_path, "merge", "both", "a", "b").exit_code == 0
    assert len(Store(tmp_path / "both").keys()) == 2
