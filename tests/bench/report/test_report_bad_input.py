"""Studies with gaps, mixtures and broken runs, through the command line: shown as what they are."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from msabench.cli import app
from msabench.errors import MsabenchError
from msabench.records import Store
from msabench.run import Budget, Failure, RunRecord, RunSpec, Task, Truths

LABELS = np.linspace(-2.9, 2.9, 20, dtype=np.float32)
IDS = np.array([f"v{i}" for i in range(20)])
TRUTHS = Truths(valid_ids=IDS, valid=LABELS, test_ids=IDS, test=LABELS)


def _record(method: str = "tfn", seed: int = 1, *, failed: bool = False, **spec: Any) -> RunRecord:
    values: dict[str, Any] = {
        "method": method,
        "method_version": 1,
        "hyperparameters": {},
        "dataset": "mosi:unaligned",
        "data_kind": "real",
        "data_hash": "a" * 64,
        "seed": seed,
        "text_encoder": "minilm@1",
        "text_mode": "frozen",
        "budget": Budget(epochs=1),
    }
    predictions = (LABELS + seed / 10)[None].astype(np.float32)
    record = RunRecord(
        spec=RunSpec(**{**values, **spec}),
        status="finished",
        task=Task(kind="regression"),
        convention="mmsa",
        truths_hash=TRUTHS.fingerprint,
        losses=({"task": 1.0},),
        valid_loss=(1.0,),
        valid_criterion=(1.0,),
        valid_predictions=predictions,
        test_predictions=predictions,
        seconds=(1.0,),
    )
    broken = Failure(cause="nan", message="the loss is nan")
    return replace(record, status="failed", failure=broken, seconds=()) if failed else record


def _predicting(record: RunRecord, values: np.ndarray) -> RunRecord:
    return replace(record, test_predictions=values[None].astype(np.float32))


def _report(root: Path, *records: RunRecord, plan: dict[str, Any] | None = None) -> tuple[str, list[Any]]:
    """What the command prints on one line, and the rows of its CSV."""
    store = Store(root / "study")
    for record in records:
        store.write(record, TRUTHS)
    if plan is not None:
        (root / "study" / "plan.json").write_text(json.dumps(plan))
    done = CliRunner().invoke(app, ["report", "study", "--results-root", str(root)])
    assert done.exit_code == 0, done.exception
    with (root / "study" / "tables" / "comparison.csv").open(encoding="utf-8", newline="") as file:
        return " ".join(done.output.split()), [
            line for line in csv.DictReader(file) if line["metric"] == "mae"
        ]


def test_equally_many_other_seeds_are_not_the_same_seeds(tmp_path: Path) -> None:
    text, _ = _report(tmp_path, _record(seed=1), _record(seed=2), _record("lf_dnn", 2), _record("lf_dnn", 3))
    assert "TFN on mosi:unaligned 2 (no result of seed 3)" in text
    assert "LF-DNN on mosi:unaligned 2 (no result of seed 1)" in text


def test_a_failed_seed_and_a_row_that_failed_whole_are_counted(tmp_path: Path) -> None:
    records = [_record(), _record(seed=2, failed=True), _record("lf_dnn", 1, failed=True)]
    text, _ = _report(tmp_path, *records)
    assert "TFN on mosi:unaligned 1 (1 failed, no result of seed 2)" in text
    assert "LF-DNN on mosi:unaligned 0 (1 failed" in text and "the loss is nan" in text


def test_rows_that_are_planned_and_not_made_are_named(tmp_path: Path) -> None:
    made = _record()
    line = {"dataset": "mosi:unaligned", "track": "paper"}
    plan = {made.key: {**line, "row": "tfn", "seed": 1}, "0": {**line, "row": "tfn", "seed": 2}}
    text, _ = _report(tmp_path, made, plan={**plan, "1": {**line, "row": "almt", "seed": 1}})
    assert "tfn on mosi:unaligned 1 of 2 runs" in text
    assert "almt on mosi:unaligned 1 of 1 runs, so no figure of it stands here" in text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"method_version": 2}, "version 2"),
        ({"hyperparameters": {"width": 3}}, "settings"),
        ({"text_encoder": "bert@2"}, "bert@2, frozen"),
        ({"text_mode": "finetuned"}, "minilm@1, finetuned"),
        ({"budget": Budget(epochs=9)}, "budget epochs 9"),
        ({"data_hash": "b" * 64}, "data bbbbbbbb"),
    ],
)
def test_seeds_that_differ_in_more_than_the_seed_are_never_in_one_mean(
    change: dict[str, Any], says: str, tmp_path: Path
) -> None:
    text, lines = _report(tmp_path, _record(seed=1), _record(seed=2, **change))
    assert says in text and "¶" in text
    assert [line["n"] for line in lines] == ["1", "1"]


def test_other_labels_under_one_hash_of_the_data_are_another_version(tmp_path: Path) -> None:
    """As of a card whose labels were mended; another label turns figures, and no mean may be of both."""
    other = replace(TRUTHS, test=LABELS[::-1].copy())
    odd = replace(_record(seed=3), truths_hash=other.fingerprint)
    Store(tmp_path / "study").write(odd, other)
    text, lines = _report(tmp_path, _record(seed=1), _record(seed=2))
    assert sorted((line["row"], line["n"]) for line in lines) == [("tfn", "1"), ("tfn", "2")]
    names = {line["dataset"] for line in lines}
    short = (TRUTHS.fingerprint[:8], other.fingerprint[:8])
    assert names == {f"mosi:unaligned [labels {each}]" for each in short}
    assert "Several versions of the data: mosi:unaligned (2)" in text
    mae = {line["n"]: float(line["mean"]) for line in lines}
    assert mae["2"] == pytest.approx(0.15, abs=1e-5) and mae["1"] > 1, "each is judged by its own labels"


def test_rows_that_read_other_encoders_name_them_all(tmp_path: Path) -> None:
    other = [_record("lf_dnn", seed, text_encoder="bert@2") for seed in (1, 2)]
    text, lines = _report(tmp_path, _record(seed=1), _record(seed=2), *other)
    assert "TFN · minilm@1, frozen" in text and "LF-DNN · bert@2, frozen" in text
    assert "Runs differ in text encoders" in text and [line["n"] for line in lines] == ["2", "2"]
    modes = _report(
        tmp_path / "modes", _record(seed=1), *(_record("lf_dnn", s, text_mode="finetuned") for s in (1, 2))
    )[0]
    assert "differ in text encoders" not in modes, "whether it is tuned is the method's own"


def test_what_is_no_run_of_ours_has_no_budget_to_differ_in(tmp_path: Path) -> None:
    theirs = _record("external:Theirs", 1, method_version=0, text_encoder="theirs", budget=Budget())
    theirs = replace(theirs, spec=replace(theirs.spec, track="external"))
    text, _ = _report(tmp_path, _record(seed=1), theirs)
    assert "Theirs · external" in text and "budgets" not in text and "Runs differ" not in text


def test_one_rule_that_finds_no_figure_is_told_of_that_rule_alone(tmp_path: Path) -> None:
    """A run of which some figures are undefined, as Corr of a constant, is not called broken."""
    constant = _predicting(_record("lf_dnn"), np.ones(20))
    text, _ = _report(tmp_path, constant, _record("tfn", 1))
    assert "Not one figure is defined" not in text


def test_damaged_records_of_an_older_plan_are_nobodys_loss(tmp_path: Path) -> None:
    made, old = _record(), _record(seed=9)
    Store(tmp_path / "study").write(old, TRUTHS)
    (tmp_path / "study" / "runs" / old.key / "run.json").write_text("{")
    line = {"row": "tfn", "dataset": "mosi:unaligned", "track": "paper", "seed": 1}
    text, _ = _report(tmp_path, made, plan={made.key: line})
    assert "Damaged" not in text


def test_tracks_of_what_is_not_made_are_told_apart_where_there_are_several(tmp_path: Path) -> None:
    made = _record()
    line = {"row": "tfn", "dataset": "mosi:unaligned"}
    plan = {made.key: {**line, "track": "paper", "seed": 1}, "0": {**line, "track": "tuned", "seed": 1}}
    text, _ = _report(tmp_path, made, plan=plan)
    assert "tfn on mosi:unaligned (tuned) 1 of 1 runs, so no figure of it stands here" in text


def test_seeds_that_name_another_convention_are_in_no_mean_with_the_rest(tmp_path: Path) -> None:
    records = [_record(seed=1), replace(_record(seed=2), convention="mag"), _record("lf_dnn", 1)]
    text, lines = _report(tmp_path, *records)
    assert "name different metric conventions as its own: mosi:unaligned (mag, mmsa)" in text
    assert sorted((line["row"], line["convention"], line["n"]) for line in lines) == [
        ("lf_dnn", "mmsa", "1"), ("tfn", "mag", "1"), ("tfn", "mmsa", "1"),
    ]  # fmt: skip
    alike = CliRunner().invoke(
        app, ["report", "study", "--convention", "mag", "--results-root", str(tmp_path)]
    )
    assert alike.exit_code == 0 and "as its own" not in alike.output
    assert "TFN on mosi:unaligned" not in alike.output, "both seeds of it are in one mean"


def test_a_comparison_over_unequal_budgets_says_so(tmp_path: Path) -> None:
    records = [_record(seed=seed) for seed in (1, 2)]
    records += [_record("lf_dnn", seed, budget=Budget(epochs=9)) for seed in (1, 2)]
    _report(tmp_path, *records)
    done = CliRunner().invoke(app, ["compare", "study", "tfn", "lf_dnn", "--results-root", str(tmp_path)])
    text = " ".join(done.output.split())
    assert done.exit_code == 0 and "version 1, budget epochs 9" in text and "budgets differ" in text
    _report(tmp_path / "alike", *(_record(m, s) for m in ("tfn", "lf_dnn") for s in (1, 2)))
    done = CliRunner().invoke(
        app, ["compare", "study", "tfn", "lf_dnn", "--results-root", str(tmp_path / "alike")]
    )
    assert done.exit_code == 0 and "budget" not in done.output


def test_one_seed_under_two_versions_of_the_data_is_in_no_column_twice(tmp_path: Path) -> None:
    records = [_record(m, data_hash=h * 64) for m in ("tfn", "lf_dnn") for h in "ab"]
    text, lines = _report(tmp_path, *records)
    assert len({line["dataset"] for line in lines}) == 2 and len(lines) == 4
    assert "neither averaged nor compared" in text


def test_constant_and_undefined_predictions_are_said(tmp_path: Path) -> None:
    constant = _predicting(_record("lf_dnn"), np.ones(20))
    broken = _predicting(_record("tfn", 2), np.full(20, np.nan))
    text, lines = _report(tmp_path, constant, _record("tfn", 1), broken)
    assert "– (1/1)" in text and "– (1/2)" in text
    assert "not finite numbers: TFN on mosi:unaligned seed 2" in text
    assert {line["row"]: line["mean"] for line in lines}["tfn"] == ""


def test_a_damaged_record_is_no_silent_gap(tmp_path: Path) -> None:
    store = Store(tmp_path / "study")
    for seed in (1, 2):
        store.write(_record(seed=seed), TRUTHS)
    (tmp_path / "study" / "runs" / _record().key / "run.json").write_text("{")
    done = CliRunner().invoke(app, ["report", "study", "--results-root", str(tmp_path)])
    assert done.exit_code == 0
    assert f"Damaged records, in no figure: {_record().key}" in " ".join(done.output.split())


def test_the_spread_that_seeds_are_planned_by_is_of_runs_alike(tmp_path: Path) -> None:
    """A seed of other settings, or on other labels, is far off: in no spread with the rest."""

    def planned(name: str, *records: RunRecord, truths: Truths = TRUTHS) -> list[Any]:
        for record in records:
            Store(tmp_path / name).write(record, truths)
        words = ["power", name, "--metric", "mae", "--format", "json", "--results-root", str(tmp_path)]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.exception
        return [reach["sd_seeds"] for reach in json.loads(done.stdout)]

    alike = [_record(method, seed) for method in ("tfn", "lf_dnn") for seed in (1, 2)]
    (expected,) = planned("a", *alike)
    off = _predicting(_record("tfn", 3, hyperparameters={"width": 3}), LABELS + 9)
    assert planned("a", off) == [expected]
    other = replace(TRUTHS, test=LABELS[::-1].copy())
    odd = replace(_record("lf_dnn", 4), truths_hash=other.fingerprint)
    assert planned("a", odd, truths=other) == [expected]


@pytest.mark.parametrize("plan", ["[]", "null", '{"a": 3}', '{"a": {"row": "tfn"}}', "{", "[" * 5000])
@pytest.mark.parametrize("verb", ["report", "status", "compare"])
def test_a_plan_that_says_nothing_is_refused_with_a_sentence(verb: str, plan: str, tmp_path: Path) -> None:
    _report(tmp_path, _record())
    (tmp_path / "study" / "plan.json").write_text(plan)
    rows = ("tfn", "lf_dnn") if verb == "compare" else ()
    done = CliRunner().invoke(app, [verb, "study", *rows, "--results-root", str(tmp_path)])
    assert isinstance(done.exception, MsabenchError), done.exception
    assert "the study's plan cannot be read" in str(done.exception) and "no record is lost" in str(
        done.exception
    )
