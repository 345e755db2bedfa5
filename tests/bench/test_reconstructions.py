"""A method that is a reconstruction says so wherever it is shown."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from msabench.cli import app
from msabench.records import Store
from msabench.registry import METHODS, RECONSTRUCTION, reconstructions
from msabench.run import RunRecord, RunSpec, Task, Truths
from msabench.tracked import contents

ROWS = ("setgf", "setgf[toma=false]", "tfn")
TRUTHS = Truths(
    valid_ids=np.array(["a", "b", "c"]),
    valid=np.array([1, -1, 0.5], np.float32),
    test_ids=np.array(["d", "e", "f"]),
    test=np.array([1, -2, 0.5], np.float32),
)


def record_of(row: str) -> RunRecord:
    method, _, variant = row.removesuffix("]").partition("[")
    spec = RunSpec(
        method=method,
        method_version=1,
        hyperparameters={},
        variant=variant,
        dataset="mosi:unaligned",
        data_kind="real",
        data_hash="ab" * 32,
        seed=1,
        text_encoder="tiny@12345678",
        text_mode="finetuned",
    )
    scores = np.array([[0.5, -1, 0.2]], np.float32)
    return RunRecord(
        spec=spec,
        status="finished",
        task=Task(kind="regression"),
        convention="mmsa",
        truths_hash=TRUTHS.fingerprint,
        losses=({"l1": 0.5},),
        valid_loss=(0.5,),
        valid_criterion=(0.5,),
        valid_predictions=scores,
        test_predictions=scores,
        seconds=(1.0,),
        truths=TRUTHS,
    )


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A study with a run of each row."""
    store = Store(tmp_path / "s")
    plan = {}
    for row in ROWS:
        record = record_of(row)
        store.write(record, TRUTHS)
        plan[record.key] = {"row": row, "dataset": "mosi:unaligned", "seed": 1}
    (tmp_path / "s" / "plan.json").write_text(json.dumps(plan))
    (tmp_path / "s" / "study.toml").write_text("")
    return tmp_path


def said(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output or result.exception
    return result.stdout


def test_reconstructions_among_rows() -> None:
    assert reconstructions((*ROWS, "no_such_method")) == ["setgf"]


def test_list_and_show_of_methods() -> None:
    lines = {line.split()[0]: line for line in said("list", "methods").splitlines() if line.strip()}
    assert lines["setgf"].rstrip().endswith("reconstruction") and lines["tfn"].rstrip().endswith("public")
    assert RECONSTRUCTION in said("show", "setgf") and RECONSTRUCTION not in said("show", "tfn")


def test_show_of_a_run(results: Path) -> None:
    for row in ROWS:
        text = said("show", record_of(row).key, "--results-root", str(results))
        assert (RECONSTRUCTION in text) == row.startswith("setgf")


def test_status(results: Path) -> None:
    text = said("status", "s", "--results-root", str(results))
    assert text.count(RECONSTRUCTION) == text.count(f"setgf: {RECONSTRUCTION}") == 1


def test_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = said("plan", "--methods", ",".join(ROWS), "--datasets", "demo", "--text-encoder", "tiny")
    assert text.count(RECONSTRUCTION) == text.count(f"setgf: {RECONSTRUCTION}") == 1


@pytest.mark.parametrize("row", ROWS)
def test_mlflow(row: str) -> None:
    tags = contents(record_of(row)).tags
    assert tags.get("code") == ("reconstruction" if row.startswith("setgf") else None)
    assert (RECONSTRUCTION in tags.get("mlflow.note.content", "")) == row.startswith("setgf")


def test_a_card_says_it_in_its_title_too() -> None:
    for name in METHODS:
        card = METHODS.card(name)
        assert not card.reconstruction or "reconstruction" in card.title
