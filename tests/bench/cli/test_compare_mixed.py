"""`msabench compare` on runs that do not belong together: each refused or said in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from msabench.cli import app
from msabench.errors import MsabenchError
from msabench.records import Store
from msabench.run import Budget, RunRecord, RunSpec, Task, Truths

RNG = np.random.default_rng(0)
Y = np.clip(RNG.normal(0, 1.6, 80), -3, 3).astype(np.float32)
IDS = np.array([f"t{i}" for i in range(80)])
TRUTHS = Truths(valid_ids=IDS, valid=Y, test_ids=IDS, test=Y)


def _write(study: Path, method: str, seed: int, *, values: np.ndarray | None = None, **spec: Any) -> None:
    noisy = Y + np.random.default_rng([seed, len(method)]).normal(0, 0.4 * len(method), 80)
    settings: dict[str, Any] = {
        "method": method, "method_version": 1, "hyperparameters": {}, "dataset": "mosi:unaligned",
        "data_kind": "real", "data_hash": "a" * 64, "seed": seed, "text_encoder": "minilm@1",
        "text_mode": "frozen",
    }  # fmt: skip
    test = (noisy if values is None else values)[None].astype(np.float32)
    record = RunRecord(
        spec=RunSpec(**{**settings, **spec}), status="finished", task=Task(kind="regression"),
        convention="mmsa", truths_hash=TRUTHS.fingerprint, losses=({"task": 1.0},), valid_loss=(1.0,),
        valid_criterion=(1.0,), valid_predictions=Y[None], test_predictions=test, seconds=(1.0,),
    )  # fmt: skip
    Store(study).write(record, TRUTHS)


def _compare(root: Path, *more: str) -> Result:
    words = ["compare", "study", "tfn", "lf_dnn", "-s", "same-epoch", *more, "--results-root", str(root)]
    return CliRunner().invoke(app, words)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Three seeds of either row."""
    for seed in (1, 2, 3):
        _write(tmp_path / "study", "tfn", seed)
        _write(tmp_path / "study", "lf_dnn", seed)
    return tmp_path / "study"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"method_version": 2}, "version"),
        ({"data_hash": "b" * 64}, "data"),
        ({"hyperparameters": {"width": 3}}, "hyperparameters"),
        ({"budget": Budget(epochs=9)}, "budgets"),
    ],
)
def test_seeds_of_one_row_that_differ_in_more_are_refused(
    change: dict[str, Any], says: str, study: Path
) -> None:
    _write(study, "tfn", 4, **change)
    done = _compare(study.parent)
    assert isinstance(done.exception, MsabenchError), done.output
    assert says in str(done.exception) and "tfn" in str(done.exception)


def test_predictions_that_are_no_numbers_have_no_verdict(study: Path) -> None:
    _write(study, "lf_dnn", 3, values=np.full(80, np.nan))
    done = _compare(study.parent, "--format", "json")
    assert done.exit_code == 0, done.exception
    for line in json.loads(done.stdout)["verdicts"]:
        assert line["p"] is None and "lf_dnn is undefined for 1 of 3 seeds" in line["verdict"]


def test_a_row_without_a_finished_run_is_named(study: Path) -> None:
    line = {"row": "almt", "dataset": "mosi:unaligned", "seed": 1, "track": "paper"}
    plan = {key: {**line, "row": record.spec.row, "seed": record.spec.seed}
            for key, record in Store(study).readable().items()}  # fmt: skip
    (study / "plan.json").write_text(json.dumps({**plan, "0" * 16: line}))
    done = CliRunner().invoke(app, ["compare", "study", "tfn", "almt", "--results-root", str(study.parent)])
    assert isinstance(done.exception, MsabenchError)
    assert "almt" in str(done.exception) and "mosi:unaligned" in str(done.exception)
