"""The convention lens on studies with gaps and mixtures: what is in no place, or in one of its own."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from msabench.cli import app
from msabench.records import Store
from msabench.run import Budget, Failure, RunRecord, RunSpec, Task, Truths
from msabench.search import Ledger
from msabench.search.ledger import write_ledgers
from msabench.study import plan_line, write_plan

LABELS = np.linspace(-2.9, 2.9, 20, dtype=np.float32)
IDS = np.array([f"v{i}" for i in range(20)])
TRUTHS = Truths(valid_ids=IDS, valid=LABELS, test_ids=IDS, test=LABELS)
OTHER = replace(TRUTHS, test=LABELS[::-1].copy())


def _record(
    method: str = "tfn", seed: int = 1, *, truths: Truths = TRUTHS, failed: bool = False, **spec: Any
) -> RunRecord:
    values: dict[str, Any] = {
        "method": method, "method_version": 1, "hyperparameters": {}, "dataset": "mosi:unaligned",
        "data_kind": "real", "data_hash": "a" * 64, "seed": seed, "text_encoder": "minilm@1",
        "text_mode": "frozen", "budget": Budget(epochs=1),
    }  # fmt: skip
    predictions = (truths.test + seed / 10 + len(method) / 50)[None].astype(np.float32)
    made = RunRecord(
        spec=RunSpec(**{**values, **spec}), status="finished", task=Task(kind="regression"),
        convention="mmsa", truths_hash=truths.fingerprint, losses=({"task": 1.0},),
        valid_loss=(1.0,), valid_criterion=(1.0,),
        valid_predictions=predictions, test_predictions=predictions, seconds=(1.0,),
    )  # fmt: skip
    broken = Failure(cause="nan", message="the loss is nan")
    return replace(made, status="failed", failure=broken, seconds=()) if failed else made


PAIR = [_record(method, seed) for method in ("tfn", "lf_dnn") for seed in (1, 2)]


def _lens(root: Path, *records: RunRecord) -> tuple[str, list[dict[str, str]]]:
    """What is printed on one line, and the lines of the file on MAE under the headline."""
    for record in records:
        other = record.truths_hash == OTHER.fingerprint
        Store(root / "study").write(record, OTHER if other else TRUTHS)
    words = [
        "report",
        "study",
        "--conventions",
        "all",
        "-s",
        "last",
        "-f",
        "terminal",
        "-f",
        "csv",
        "--results-root",
        str(root),
    ]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.exception
    with (root / "study" / "tables" / "lens.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    key = ("mmsa", "mae", "same-epoch")
    return " ".join(done.output.split()), [
        line for line in lines if (line["convention"], line["metric"], line["selection"]) == key
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"truths": OTHER}, "Several versions of the data"),
        ({"data_hash": "b" * 64}, "Several versions of the data"),
        ({"method_version": 2}, "Runs differ in versions of a method"),
        ({"hyperparameters": {"width": 3}}, "hyperparameters within one row"),
        ({"budget": Budget(epochs=9)}, "Runs differ in budgets"),
        ({"text_mode": "finetuned"}, "Runs differ in text encoders"),
    ],
)
def test_what_differs_is_in_no_mean_and_no_place_with_the_rest(
    change: dict[str, Any], says: str, tmp_path: Path
) -> None:
    text, lines = _lens(tmp_path, *PAIR, _record("tfn", 3, **change))
    assert says in text
    assert sorted(line["n"] for line in lines) == ["1", "2", "2"], "the odd seed stands alone"
    assert "means over seeds (n = 1" in text


def test_versions_of_the_data_are_ranked_apart(tmp_path: Path) -> None:
    text, lines = _lens(tmp_path, *PAIR, _record("setgf", 1, truths=OTHER))
    assert {line["dataset"] for line in lines if line["row"] == "setgf"}.isdisjoint(
        line["dataset"] for line in lines if line["row"] != "setgf"
    )
    assert "A place is one among several rows, and here is one alone" in text
    assert {line["rivals"] for line in lines} == {"1", "2"}


def test_rows_without_a_place_failures_and_unmade_runs_are_named(tmp_path: Path) -> None:
    constant = _record("almt", 1)
    constant = replace(constant, test_predictions=np.full_like(constant.test_predictions, np.nan))
    lost, planned = _record("setgf", 1, failed=True), _record("almt", 2)
    (tmp_path / "study").mkdir()
    write_plan(
        tmp_path / "study", {each.key: plan_line(each.spec) for each in (*PAIR, constant, lost, planned)}
    )
    text, _ = _lens(tmp_path, *PAIR, constant, lost)
    assert "No place where a seed's figure is undefined: ALMT (" in text and "1 of 1 seeds" in text
    assert "Runs that failed and are in no mean: 1" in text
    assert "Planned and not made yet: almt on mosi:unaligned 1 of 2 runs" in text
    assert "means over seeds (n = 1 to 2)" in text


def test_searches_are_known_of_rows_that_stand_apart(tmp_path: Path) -> None:
    """Their ledgers name rows plainly: none is missing because a row bears its setting."""
    tuned = [_record(m, s, track="tuned") for m in ("tfn", "lf_dnn") for s in (1, 2)]
    spent = {"failed": 0, "repeated": 0, "epochs": 3, "seconds": 1.0, "chosen": 0, "trials": 3}
    (tmp_path / "study").mkdir()
    write_ledgers(
        tmp_path / "study",
        [Ledger(row=row, dataset="mosi:unaligned", sampler="qmc", **spent) for row in ("tfn", "lf_dnn")],
    )
    odd = _record("tfn", 3, track="tuned", hyperparameters={"width": 3}, data_hash="b" * 64)
    text, _ = _lens(tmp_path, *tuned, odd)
    assert "TFN on mosi:unaligned 3 qmc trials" in text and "without a ledger" not in text
