"""`msabench report --conventions all`: where each method ranks under every convention and rule."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from msabench.cli import app
from msabench.errors import SpecError
from msabench.metrics import CONVENTIONS
from msabench.records import Store
from msabench.report.lens import RULES, readings
from msabench.run import RunRecord, RunSpec, Task, Truths

LABELS = np.linspace(-2.95, 2.95, 40, dtype=np.float32)


def _record(method: str, seed: int, noise: tuple[float, ...]) -> RunRecord:
    rng = np.random.default_rng(seed)
    predictions = np.array([LABELS + rng.normal(0, scale, len(LABELS)) for scale in noise], np.float32)
    spec = RunSpec(
        method=method,
        method_version=1,
        hyperparameters={},
        dataset="mosi:unaligned",
        data_kind="twin",
        data_hash="0" * 64,
        seed=seed,
        text_encoder="minilm@53aa5117",
        text_mode="frozen",
    )
    return RunRecord(
        spec=spec,
        status="finished",
        task=Task(kind="regression"),
        convention="mmsa",
        truths_hash=_truths().fingerprint,
        valid_loss=tuple(map(float, range(len(noise)))),
        valid_criterion=tuple(map(float, range(len(noise)))),
        valid_predictions=predictions,
        test_predictions=predictions,
        seconds=(1.0,) * len(noise),
        losses=({"task": 1.0},) * len(noise),
    )


def _truths() -> Truths:
    ids = np.array([f"v{i}" for i in range(len(LABELS))])
    return Truths(valid_ids=ids, valid=LABELS, test_ids=ids, test=LABELS)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """By validation TFN is good at once and LF-DNN is not; the last epoch turns that round."""
    root = tmp_path_factory.mktemp("results")
    store = Store(root / "lens")
    for seed in (1, 2, 3):
        store.write(_record("tfn", seed, (0.05, 2.0)), _truths())
        store.write(_record("lf_dnn", seed, (2.0, 0.05)), _truths())
        store.write(_record("setgf", seed, (3.0, 3.0)), _truths())
    (root / "empty").mkdir()
    return root


def _run(results: Path, *arguments: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["report", *arguments, "--results-root", str(results)])
    return found.exit_code, found.output


def test_every_fitting_convention_and_rule_is_read(results: Path) -> None:
    code, _ = _run(results, "lens", "--conventions", "all")
    assert code == 0
    with (results / "lens" / "tables" / "lens.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    fitting = {c.name for c in CONVENTIONS.values() if "regression" in c.tasks}
    assert {line["convention"] for line in lines} == fitting
    assert {line["selection"] for line in lines} == set(RULES)
    readings = {(line["convention"], line["metric"], line["selection"]) for line in lines}
    assert len(lines) == 3 * len(readings)
    headline = {
        line["row"]: line["place"]
        for line in lines
        if (line["convention"], line["metric"], line["selection"]) == ("mmsa", "mae", "same-epoch")
    }
    assert headline["tfn"] == "1.0"
    last = {
        line["row"]: line["place"]
        for line in lines
        if (line["convention"], line["metric"], line["selection"]) == ("mmsa", "mae", "last")
    }
    assert last["lf_dnn"] == "1.0"


def test_the_table_says_how_often_places_change(results: Path) -> None:
    _, output = _run(results, "lens", "-c", "all", "-f", "terminal")
    line = next(line for line in output.splitlines() if line.strip().startswith("TFN"))
    assert "1 (1–2)" in line  # MAE: first under the headline, second under another rule
    assert "SYNTHETIC TWIN" in output and "ORACLE" in output
    assert "SETGF (‡)" in output and "no public code of the model exists" in output
    assert "% of the others have another first place" in " ".join(output.split())


def test_shares_first_and_moved_are_those_of_the_file(results: Path) -> None:
    """Counted anew from lens.csv: readings that put a row first, and that move it from headline places."""
    _, output = _run(results, "lens", "-c", "all", "-f", "terminal")
    _run(results, "lens", "-c", "all", "-f", "csv")
    with (results / "lens" / "tables" / "lens.csv").open(encoding="utf-8", newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["place"] and int(line["rivals"]) > 1]
    for title, row in (("TFN", "tfn"), ("LF-DNN", "lf_dnn"), ("SETGF", "setgf")):
        own = [line for line in lines if line["row"] == row]
        at_home = [x for x in own if (x["convention"], x["selection"]) == ("mmsa", "same-epoch")]
        home = {(x["family"], x["place"]) for x in at_home}
        known = [x for x in own if x["family"] in {family for family, _ in home}]
        first = sum(x["place"] == "1.0" for x in known)
        moved = sum((x["family"], x["place"]) not in home for x in known)
        shown = next(line for line in output.splitlines() if line.strip().startswith(title))
        expected = f"{100 * first / len(known):.0f} % {100 * moved / len(known):.0f} %"
        assert " ".join(shown.split()).endswith(expected), (shown, expected)
    assert "(‡)" in output and output.count("no public code of the model exists") == 1


def test_rules_can_be_chosen_and_the_headline_is_always_among_them(results: Path, tmp_path: Path) -> None:
    code, output = _run(
        results, "lens", "-c", "all", "-s", "last", "-f", "csv", "-f", "html", "--out", str(tmp_path)
    )
    assert code == 0 and "first in" not in output
    text = (tmp_path / "lens.csv").read_text(encoding="utf-8")
    assert "same-epoch" in text and ",last," in text and "best-epoch" not in text
    assert "<table>" in (tmp_path / "lens.html").read_text(encoding="utf-8")


def test_a_study_without_a_finished_run_is_said(results: Path) -> None:
    with pytest.raises(SpecError, match="no run of this study has finished"):
        readings(results / "empty")
