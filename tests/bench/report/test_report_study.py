"""Reports of a study on disk: files, the command, and the LaTeX compiled."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from msabench.cli import app
from msabench.errors import SpecError, unknown
from msabench.records import Store
from msabench.report import render_latex, write_report
from msabench.report.comparison import assemble
from msabench.report.latex_figures import Latex
from msabench.run import Array, Budget, Failure, RunRecord, RunSpec, Task, Truths

LABELS = np.linspace(-2.9, 2.9, 30, dtype=np.float32)


def _truths() -> Truths:
    ids = np.array([f"v{i}" for i in range(len(LABELS))])
    return Truths(valid_ids=ids, valid=LABELS, test_ids=ids, test=LABELS)


def _record(method: str, seed: int, predictions: Array | None) -> RunRecord:
    """A run of (E, N) predictions, each epoch with its own criterion; a failure without them."""
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
        budget=Budget(epochs=2),
    )
    about = {"spec": spec, "task": Task(kind="regression"), "convention": "mmsa"}
    truths_hash = _truths().fingerprint
    if predictions is None:
        failure = Failure(cause="exception", message="no luck_here & there")
        return RunRecord(status="failed", truths_hash=truths_hash, failure=failure, **about)  # type: ignore[arg-type]
    epochs = len(predictions)
    return RunRecord(
        status="finished",
        truths_hash=truths_hash,
        valid_loss=tuple(float(e) for e in range(epochs)),
        valid_criterion=tuple(float(e) for e in range(epochs)),
        valid_predictions=predictions,
        test_predictions=predictions,
        seconds=(1.0,) * epochs,
        losses=({"task": 1.0},) * epochs,
        **about,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results root with two studies: `full`, and `broken` in which every run failed."""
    root = tmp_path_factory.mktemp("results")
    rng = np.random.default_rng(0)
    full = Store(root / "full")
    for method, noise in (("tfn", 0.9), ("lf_dnn", 0.4)):
        for seed in (1, 2, 3):
            # epoch 1 has the best criterion, epoch 2 the best test figures
            epochs = [LABELS + rng.normal(0, scale, len(LABELS)) for scale in (noise, 0.01)]
            full.write(_record(method, seed, np.array(epochs, np.float32)), _truths())
    full.write(_record("lf_dnn", 4, None), _truths())
    Store(root / "broken").write(_record("tfn", 1, None), _truths())
    return root


def _csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_figures_are_those_of_the_records(results: Path, tmp_path: Path) -> None:
    made = write_report(results / "full", out=tmp_path)
    names = {path.name for path in made.paths}
    assert names == {"comparison.tex", "comparison.csv", "comparison.md", "comparison.html", "failures.csv"}
    line = next(x for x in _csv(tmp_path / "comparison.csv") if (x["row"], x["metric"]) == ("tfn", "mae"))
    store = Store(results / "full")
    records = [store.get(key) for key in line["keys"].split()]
    errors = [float(np.abs(record.test_predictions[0] - LABELS).mean()) for record in records]
    assert [record.spec.seed for record in records] == [1, 2, 3]
    assert float(line["mean"]) == pytest.approx(np.mean(errors), abs=1e-6)
    assert float(line["sd"]) == pytest.approx(np.std(errors, ddof=1), abs=1e-6)
    assert _csv(tmp_path / "failures.csv")[0]["message"] == "no luck_here & there"


def test_an_oracle_brings_same_epoch_and_the_gap(results: Path, tmp_path: Path) -> None:
    made = write_report(results / "full", selections=["best-epoch"], out=tmp_path)
    blocks = made.tables[0].blocks
    assert [block.selection for block in blocks] == ["same-epoch", "best-epoch", "best-epoch − same-epoch"]
    gaps = [x for x in _csv(tmp_path / "comparison.csv") if x["gap"] == "True" and x["metric"] == "mae"]
    assert len(gaps) == 2 and all(float(x["mean"]) > 0 for x in gaps)


def test_the_budget_is_read_from_the_records(results: Path, tmp_path: Path) -> None:
    table = write_report(results / "full", formats=[], out=tmp_path).tables[0]
    assert "at most 2 epochs" in table.caption and "1 of 7 runs failed" in table.caption
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"conventions": ["mmsaa"]}, "did you mean 'mmsa'"),
        ({"selections": ["same_epoch"]}, "did you mean 'same-epoch'"),
        ({"formats": ["pdf"]}, "known are: csv, html, latex, markdown"),
    ],
)
def test_unknown_names_are_refused(results: Path, settings: dict[str, list[str]], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        write_report(results / "full", **settings)  # type: ignore[arg-type]


def test_an_unwritable_folder_is_said(results: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpecError, match="give another --out"):
        write_report(results / "full", out=tmp_path / "file")


def test_the_command_prints_and_writes_into_the_study(results: Path) -> None:
    arguments = [
        "report",
        "full",
        "--results-root",
        str(results),
        "-c",
        "mmsa",
        "-c",
        "mag",
        "-s",
        "same-epoch",
    ]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "convention mmsa" in done.output and "convention mag" in done.output
    assert "SYNTHETIC TWIN" in done.output and "no luck_here" in done.output
    assert (results / "full" / "tables" / "comparison.tex").exists()


def test_one_format_writes_that_file_alone(results: Path, tmp_path: Path) -> None:
    arguments = ["report", "full", "--results-root", str(results), "-f", "latex", "--standalone", "--out"]
    done = CliRunner().invoke(app, [*arguments, str(tmp_path)])
    assert done.exit_code == 0 and [path.name for path in tmp_path.iterdir()] == ["comparison.tex"]
    assert (tmp_path / "comparison.tex").read_text().startswith(r"\documentclass")


def test_a_study_in_which_all_failed_says_so_and_why(results: Path) -> None:
    done = CliRunner().invoke(app, ["report", "broken", "--results-root", str(results)])
    assert done.exit_code == 1
    assert "No run of this study has finished" in done.output and "no luck_here" in done.output
    assert not (results / "broken" / "tables").exists()


def test_an_unknown_study_is_refused_with_the_nearest(results: Path) -> None:
    done = CliRunner().invoke(app, ["report", "ful", "--results-root", str(results)])
    assert isinstance(done.exception, SpecError) and "did you mean 'full'" in str(done.exception)


def test_an_unknown_format_is_refused_before_anything_is_written(results: Path) -> None:
    done = CliRunner().invoke(app, ["report", "broken", "--results-root", str(results), "-f", "pdf"])
    expected = unknown("format", "pdf", ("terminal", "latex", "csv", "markdown", "html", "all"))
    assert str(done.exception) == str(expected)


# -- LaTeX, compiled ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("selections", [1, 2])
def test_latex_compiles_as_it_is_and_fits_the_page(
    selections: int,
    scores: Callable[..., pd.DataFrame],
    failed: Callable[..., RunRecord],
    fits: Callable[..., Path],
) -> None:
    names = ["tfn", "lf_dnn", "almt[a=b_c]", "Müller--Net", "字", r"\evil{%$#^~&", "[x]", "β-VAE"]
    rows = {
        name: {"acc7": [0.3, 0.4], "has0_acc2": [0.8, 0.9], "corr": [0.5, float("nan")]} for name in names
    }
    rules = [("same-epoch", False), ("best-epoch", True)][:selections]
    frames = [
        scores(rows, dataset=dataset, selection=rule, oracle=oracle, notes="a_b & 50 %")
        for dataset in ("mosi:unaligned", "mosei:unaligned")
        for rule, oracle in rules
    ]
    table = assemble(pd.concat(frames, ignore_index=True), failures=[failed("x_y", message="{unbalanced \\")])
    fits(render_latex.render(table, Latex(document=True)))


# -- tasks of several kinds --------------------------------------------------------------------------------


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A study of a regression and a binary dataset."""
    store = Store(tmp_path / "mixed")
    store.write(_record("tfn", 1, np.array([LABELS, LABELS], np.float32)), _truths())
    ids, labels = np.array(["a", "b", "c"]), np.array([0, 1, 1], np.float32)
    truths = Truths(valid_ids=ids, valid=labels, test_ids=ids, test=labels)
    made = _record("tfn", 2, np.array([[-1, 2, 3], [1, 2, 3]], np.float32))
    binary = replace(
        made,
        spec=replace(made.spec, dataset="ur-funny:hkt"),
        task=Task(kind="binary", label_range=(0, 1)),
        convention="hkt",
        truths_hash=truths.fingerprint,
    )
    store.write(binary, truths)
    return tmp_path / "mixed"


def test_a_convention_leaves_out_datasets_of_other_tasks_and_says_so(mixed: Path) -> None:
    (own,) = write_report(mixed, formats=[]).tables
    assert [(g.dataset, g.convention) for g in own.groups] == [
        ("mosi:unaligned", "mmsa"),
        ("ur-funny:hkt", "hkt"),
    ]
    (table,) = write_report(mixed, conventions=["mag", "hkt"], formats=[]).tables
    assert [(g.dataset, g.convention) for g in table.groups] == [
        ("mosi:unaligned", "mag"),
        ("ur-funny:hkt", "hkt"),
    ]
    said = [note.text for note in table.notes]
    assert any("convention mag, which is for regression tasks: ur-funny:hkt." in text for text in said)
    assert any("convention hkt, which is for binary tasks: mosi:unaligned." in text for text in said)


def test_a_convention_that_fits_no_dataset_is_refused(mixed: Path) -> None:
    with pytest.raises(SpecError, match="scores multiclass tasks, which no dataset of this study has"):
        write_report(mixed, conventions=["cherma"], formats=[])
