"""`msabench search show` at every stage of a search, from the trials' records alone."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from msabench.cli import app
from msabench.registry import METHODS
from msabench.run import Budget, Failure, RunRecord, RunSpec, Task, Truths
from msabench.search import Search, SearchSpec, space_of, store_of
from msabench.study import StudySpec

CARD = METHODS.card("lf_dnn")
DATASET = "mosi:unaligned"
TRUTHS = Truths(
    valid_ids=np.array(["a"]), valid=np.array([0.5], np.float32),
    test_ids=np.array(["c"]), test=np.array([2.0], np.float32),
).without_test  # fmt: skip
Show = Callable[..., str]


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Show:
    """Writes a study whose trials reached these values, None for a failure; returns what is printed of it."""
    monkeypatch.setenv("COLUMNS", "200")

    def shown(
        values: Sequence[float | None], trials: int = 3, seeds: Sequence[int] = (), **spec: object
    ) -> str:
        asked = SearchSpec(trials=trials, **spec)  # type: ignore[arg-type]
        folder = tmp_path / "s"
        study = StudySpec(
            methods=("lf_dnn", "tfn"), datasets=(DATASET,), seeds=(1,), tracks=("tuned",), search=asked,
            budget=Budget(epochs=4), text_encoder="tiny",
        )  # fmt: skip
        template = RunSpec(
            method="lf_dnn", method_version=CARD.version, hyperparameters=CARD.values(DATASET),
            dataset=DATASET, data_kind="real", data_hash="0" * 64, seed=asked.seed, text_encoder="tiny",
            text_mode="frozen", track="trial", budget=Budget(epochs=4),
        )  # fmt: skip
        made = Search(template=template, space=space_of(CARD, DATASET), spec=asked)
        folder.mkdir()
        (folder / "study.toml").write_text(study.to_toml())
        for number, value in enumerate(values):
            write(folder, made.run(made.space.configuration(number, asked.seed)), value)
        for seed in seeds:
            write(folder, made.run(made.space.configuration(9, seed)), 0.001)
        result = CliRunner().invoke(app, ["search", "show", "s", "--results-root", str(tmp_path)])
        assert result.exit_code == 0, result.output
        return result.output

    return shown


def write(folder: Path, run: RunSpec, value: float | None) -> None:
    record = RunRecord(
        spec=run, status="failed", task=Task(kind="regression"), convention="mmsa",
        truths_hash=TRUTHS.fingerprint, failure=Failure(cause="nan", message="loss became nan"),
    )  # fmt: skip
    if value is not None:
        record = replace(
            record, status="finished", failure=None, valid_criterion=(value,), seconds=(2.0,),
            stopped="epochs", valid_predictions=np.zeros((1, 1), np.float32),
        )  # fmt: skip
    store_of(folder).write(record, TRUTHS)


def row(output: str, name: str) -> list[str]:
    """The cells of a printed line."""
    (line,) = (line for line in output.splitlines() if line.strip("│ ").startswith(name))
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_before_any_trial_has_ended(show: Show) -> None:
    assert "lf_dnn on mosi:unaligned: no trial has ended yet" in show([])


def test_a_single_trial_is_the_published_setting(show: Show) -> None:
    output = show([0.9], trials=1)
    assert "1 of 1 trials, 0 pruned, 0 failed, 0 repeated, 1 epochs, 2 s" in output
    assert "validation criterion: 0.9000, published setting 0.9000" in output
    assert row(output, "1 ") == ["1", "0.9000", "0.9000 to 0.9000"]
    assert "tfn on mosi:unaligned: no trial has ended yet" in output, "nothing is left out unsaid"


def test_amid_a_search_what_is_known_is_shown(show: Show) -> None:
    output = show([0.9, 0.7, None], trials=20)
    assert "3 of 20 trials, 0 pruned, 1 failed" in output and "best (trial 1)" in output
    assert "validation criterion: 0.7000, published setting 0.9000" in output
    assert row(output, "1 ")[1] == "–" and "may be a failed trial" in output
    assert "no importances" in output


def test_failures_alone_are_told_with_their_cause(show: Show) -> None:
    output = show([None, None, None])
    assert "3 failed" in output and "failed: loss became nan" in output and "best (trial" not in output


def test_importances_and_the_best_of_fewer_trials(show: Show) -> None:
    output = show([1 + (7 * n % 17) / 10 for n in range(17)], trials=17)
    assert float(row(output, "learning_rate")[3]) >= 0
    lows = [float(row(output, f"{k} ")[1]) for k in (1, 2, 3, 5, 10, 17)]
    assert lows == sorted(lows, reverse=True) and lows[0] == pytest.approx(1.8)


def test_trials_that_do_not_count_are_counted(show: Show) -> None:
    output = show([0.9, 0.8, 0.7], seeds=(1, 2))
    assert "3 of 3 trials" in output and "2 more made, which do not count" in output
    assert "0.0010" not in output, "nothing of them is chosen"
