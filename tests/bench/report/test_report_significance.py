"""Marks of significance: rows that a table tells apart, families of the correction, what was not tested."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm
from typer.testing import CliRunner

from msabench.cli import app
from msabench.judge import against, against_best, entries
from msabench.records import Store
from msabench.run import RunRecord, RunSpec, Task, Truths
from msabench.stats import corrected, holm, two_source

N = 150
Y = np.clip(np.random.default_rng(2).normal(0, 1.6, N), -3, 3).astype(np.float32)
IDS = np.array([f"t{i}" for i in range(N)])
TRUTHS = Truths(valid_ids=IDS, valid=Y, test_ids=IDS, test=Y)


def _write(study: Path, method: str, noise: float, seeds: int = 3, **spec: Any) -> None:
    for seed in range(seeds):
        rng = np.random.default_rng([seed, round(1000 * noise), len(str(spec))])
        values = (Y + rng.normal(0, noise, (1, N))).astype(np.float32)
        if noise == 0:
            values = np.full((1, N), 0.5, np.float32)
        settings: dict[str, Any] = {
            "method": method, "method_version": 1, "hyperparameters": {}, "dataset": "mosi:unaligned",
            "data_kind": "real", "data_hash": "0" * 64, "seed": seed, "text_encoder": "minilm@1",
            "text_mode": "frozen",
        }  # fmt: skip
        record = RunRecord(
            spec=RunSpec(**{**settings, **spec}), status="finished", task=Task(kind="regression"),
            convention="mmsa", truths_hash=TRUTHS.fingerprint, losses=({"task": 1.0},), valid_loss=(1.0,),
            valid_criterion=(1.0,), valid_predictions=values, test_predictions=values, seconds=(1.0,),
        )  # fmt: skip
        Store(study).write(record, TRUTHS)


def _marked(study: Path, *words: str) -> tuple[str, Mapping[tuple[str, str], Mapping[str, str]]]:
    """What is printed, on one line, and the CSV's lines by title and metric."""
    out = study.parent / "out"
    done = CliRunner().invoke(
        app, ["report", study.name, *words, "--results-root", str(study.parent), "--out", str(out)]
    )
    if done.exception:
        raise done.exception
    with (out / "comparison.csv").open(encoding="utf-8", newline="") as file:
        lines = {(line["title"], line["metric"]): line for line in csv.DictReader(file)}
    return " ".join(done.output.split()), lines


@pytest.mark.parametrize("change", [{"hyperparameters": {"width": 3}}, {"method_version": 2}])
def test_rows_apart_by_their_setting_are_judged_apart(change: dict[str, Any], tmp_path: Path) -> None:
    study = tmp_path / "s"
    _write(study, "tfn", 0.6)
    _write(study, "almt", 0.62)
    _write(study, "almt", 2.5, **change)
    output, lines = _marked(study, "--significance", "--reference", "tfn")
    good, bad = [name for name, metric in lines if metric == "mae" and "ALMT" in name]
    if float(lines[good, "mae"]["mean"]) > float(lines[bad, "mae"]["mean"]):
        good, bad = bad, good
    marks = {name: lines[name, "mae"] for name in (good, bad, "TFN")}
    assert marks[good]["stars"] == "" and marks[bad]["stars"] == "**"
    assert marks[bad]["tied_with_best"] == "False"
    assert {marks[n]["tied_with_best"] for n in (good, "TFN")} == {"True", "False"}, "one is the best"
    # of the row with two settings there is no one reference
    output, lines = _marked(study, "--reference", "almt")
    assert "almt stands in 2 settings, and the reference must be one" in output
    assert not any(line["stars"] for line in lines.values())


def test_the_family_of_the_best_is_every_pair_that_could_have_been_it(tmp_path: Path) -> None:
    study = tmp_path / "s"
    for method, noise in (("tfn", 0.8), ("almt", 0.85), ("mlcl", 0.9), ("lf_dnn", 1.0)):
        _write(study, method, noise)
    found = entries(Store(study))
    mae = (lambda frame: frame[frame["metric"] == "mae"].sort_values("p"))(against_best(found))
    assert list(mae["comparisons"]) == [6, 6, 6]
    expected = np.maximum.accumulate(np.minimum(1, mae["p"] * [6, 5, 4]))
    assert mae["p_holm"].to_numpy() == pytest.approx(expected.to_numpy())
    one = against(found, "tfn")
    assert set(one["comparisons"]) == {3}
    best = next(e for e in found if e.row == "tfn").draws(["mae"])["mae"]
    rest = [e.draws(["mae"])["mae"] for e in found if e.row != "tfn"]
    assert sorted(one[one["metric"] == "mae"]["p_holm"]) == pytest.approx(
        sorted(c.adjusted for c in corrected([two_source(d, best) for d in rest]))
    )


def test_stars_go_by_the_corrected_p(tmp_path: Path) -> None:
    study = tmp_path / "s"
    _write(study, "tfn", 0.8)
    names = {"almt": "ALMT", "mlcl": "MLCL", "lf_dnn": "LF-DNN", "r3dg": "R3DG", "cmcbep_cl": "CMCBEP-CL"}
    for place, method in enumerate(names):
        _write(study, method, 0.92 + 0.02 * place)
    _, lines = _marked(study, "--reference", "tfn")
    found = against(entries(Store(study)), "tfn")
    between = 0
    for row, metric, p, raw in zip(found["row"], found["metric"], found["p_holm"], found["p"], strict=True):
        expected = "**" if p < 0.01 else "*" if p < 0.05 else ""
        assert lines[names[row], metric]["stars"] == expected, (row, metric, p)
        between += raw < 0.01 <= p < 0.05
    assert between, "one at least that the correction takes a star from"


def test_equal_rows_are_seldom_called_worse_than_the_best_of_them() -> None:
    """25 equal rows: corrected over the 24 others, in a quarter of all tables one would be."""
    ranked = np.sort(np.random.default_rng(1).normal(size=(2000, 25)), axis=1)
    p = 2 * norm.sf((ranked[:, -1:] - ranked[:, :-1]) / 2**0.5)
    wrong = [float((np.array([holm(row, of).min() for row in p]) < 0.05).mean()) for of in (24, 300)]
    assert wrong[0] > 0.2 and wrong[1] < 0.06


def test_a_best_of_the_shown_rows_is_what_the_shown_are_held_against(tmp_path: Path) -> None:
    study = tmp_path / "s"
    for method, noise in (("tfn", 0.3), ("almt", 1.0), ("lf_dnn", 1.02)):
        _write(study, method, noise)
    _, lines = _marked(study, "--significance")
    assert not any(lines[name, "mae"]["tied_with_best"] == "True" for name in ("ALMT", "LF-DNN"))
    output, lines = _marked(study, "--significance", "--rows", "almt,lf_dnn")
    marks = [lines[name, "mae"] for name in ("ALMT", "LF-DNN")]
    assert sorted((m["best"], m["tied_with_best"]) for m in marks) == [("False", "True"), ("True", "False")]
    assert "Left out of this table: tfn" in output


def test_what_could_be_seen_stands_beside_the_marks(tmp_path: Path) -> None:
    study = tmp_path / "s"
    for method, noise in (("tfn", 0.8), ("almt", 0.82), ("mlcl", 0.84)):
        _write(study, method, noise)
    output, _ = _marked(study, "--significance")
    frame = against_best(entries(Store(study)))
    shown = frame[frame["metric"] == "mae"]["detectable"].iloc[0]
    assert "Smallest difference from the best that is found with 80% power" in output
    assert f"MAE {shown:.3f}" in output and "msabench power says how many seeds" in output
    assert "over all pairs of rows within dataset and metric" in output


def test_what_was_not_tested_is_named_once_with_its_reason(tmp_path: Path) -> None:
    study = tmp_path / "s"
    _write(study, "tfn", 0.8)
    _write(study, "mlcl", 0.9)
    _write(study, "almt", 3.0, seeds=1)
    _write(study, "lf_dnn", 0.0)
    output, _ = _marked(study, "--significance")
    said = output.partition("Not tested, or in part: ")[2]
    assert "ALMT (mosi:unaligned: the two-source test needs two seeds or more, but almt has one" in said
    assert "LF-DNN (mosi:unaligned: corr of lf_dnn is undefined for 3 of 3 seeds)" in said
    assert "TFN (" not in said and "MLCL (" not in said


def test_a_difference_that_cannot_be_is_not_called_detectable(tmp_path: Path) -> None:
    """Two seeds far apart: no difference of accuracies is large enough."""
    study = tmp_path / "s"
    for method, shift in (("tfn", 0.0), ("almt", 0.3)):
        for seed, noise in enumerate((0.3 + shift, 6.0)):
            _write(study, method, noise, seeds=1, seed=seed)
    output, _ = _marked(study, "--significance", "--columns", "acc7,mae")
    assert "Acc-7 more than 100, MAE " in output
    words = ["compare", "s", "tfn", "almt", "-m", "acc7", "--format", "csv", "--results-root", str(tmp_path)]
    assert "detectable with these seeds: more than 100;" in CliRunner().invoke(app, words).output
