"""Columns, rows, decimals and names that a user chooses, and marks of significance, through the command."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from msabench.cli import app
from msabench.errors import SpecError
from msabench.records import Store
from msabench.report.style import Style, read_style
from msabench.run import RunRecord, RunSpec, Task, Truths

LABELS = np.round(np.random.default_rng(7).uniform(-3, 3, 300), 1).astype(np.float32)


def _truths() -> Truths:
    ids = np.array([f"v{i}" for i in range(len(LABELS))])
    return Truths(valid_ids=ids, valid=LABELS, test_ids=ids, test=LABELS)


def _record(method: str, seed: int, noise: float) -> RunRecord:
    rng = np.random.default_rng([seed, int(1000 * noise)])
    predictions = (LABELS + rng.normal(0, noise, (1, len(LABELS)))).astype(np.float32)
    spec = RunSpec(
        method=method,
        method_version=1,
        hyperparameters={},
        dataset="mosi:unaligned",
        data_kind="real",
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
        valid_loss=(1.0,),
        valid_criterion=(1.0,),
        valid_predictions=predictions,
        test_predictions=predictions,
        seconds=(1.0,),
        losses=({"task": 1.0},),
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """TFN and ALMT are equally good but for chance, LF-DNN is far worse."""
    root = tmp_path_factory.mktemp("results")
    store = Store(root / "s")
    for method, noise in (("tfn", 0.8), ("almt", 0.82), ("lf_dnn", 2.5)):
        for seed in (1, 2, 3):
            store.write(_record(method, seed, noise), _truths())
    lone = Store(root / "lone")
    for method, noise in (("tfn", 0.8), ("lf_dnn", 2.5)):
        lone.write(_record(method, 1, noise), _truths())
    return root


def _report(results: Path, *arguments: str) -> str:
    found = CliRunner().invoke(app, ["report", *arguments, "--results-root", str(results)])
    if found.exception and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.output


def _csv(path: Path) -> dict[tuple[str, str], dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {(line["row"], line["metric"]): line for line in csv.DictReader(file)}


def test_what_cannot_be_told_from_the_best_is_underlined_and_the_rest_is_not(
    results: Path, tmp_path: Path
) -> None:
    output = _report(results, "s", "--significance", "--out", str(tmp_path))
    lines = _csv(tmp_path / "comparison.csv")
    best = {row for row, metric in lines if metric == "mae" and lines[row, metric]["best"] == "True"}
    assert best < {"tfn", "almt"} and len(best) == 1
    (other,) = {"tfn", "almt"} - best
    assert lines[other, "mae"]["tied_with_best"] == "True"
    assert lines["lf_dnn", "mae"]["tied_with_best"] == "False"
    assert "two-source t" in output and "Holm" in output
    assert "{\\tied{" in (tmp_path / "comparison.tex").read_text(encoding="utf-8")
    assert "<u>" in (tmp_path / "comparison.html").read_text(encoding="utf-8")
    assert "<u>" in (tmp_path / "comparison.md").read_text(encoding="utf-8")


def test_stars_mark_what_differs_from_the_reference(results: Path, tmp_path: Path) -> None:
    output = _report(results, "s", "--reference", "almt", "--out", str(tmp_path))
    lines = _csv(tmp_path / "comparison.csv")
    assert lines["lf_dnn", "mae"]["stars"] == "**"
    assert lines["tfn", "mae"]["stars"] == "" and lines["almt", "mae"]["stars"] == ""
    assert "differs from ALMT at 0.05 and 0.01" in " ".join(output.split())


def test_without_being_asked_nothing_is_marked(results: Path, tmp_path: Path) -> None:
    _report(results, "s", "--out", str(tmp_path))
    assert not any(line["stars"] or line["tied_with_best"] == "True" for line in _csv(
        tmp_path / "comparison.csv").values())  # fmt: skip


def test_one_seed_cannot_be_judged(results: Path) -> None:
    with pytest.raises(SpecError, match="two seeds or more"):
        _report(results, "lone", "--significance")


def test_columns_rows_and_decimals_are_the_users(results: Path, tmp_path: Path) -> None:
    output = _report(
        results, "s", "--columns", "mae,non0_acc2", "--rows", "lf_dnn,tfn", "--decimals", "1",
        "--out", str(tmp_path),
    )  # fmt: skip
    heads = next(line for line in output.splitlines() if "MAE" in line)
    assert heads.index("MAE") < heads.index("Acc-2") and "Corr" not in heads
    assert output.index("LF-DNN") < output.index("TFN") and "Left out of this table: almt" in output
    lines = _csv(tmp_path / "comparison.csv")
    assert {metric for _, metric in lines} == {"mae", "non0_acc2"}
    mean, _, sd = lines["tfn", "non0_acc2"]["printed"].partition("±")
    assert len(mean.partition(".")[2]) == 1 and len(sd.partition(".")[2]) == 1
    assert len(lines["tfn", "mae"]["printed"].partition("±")[0].partition(".")[2]) == 2
    assert float(lines["tfn", "mae"]["mean"]) == pytest.approx(0.8 * (2 / np.pi) ** 0.5, abs=0.06)


def test_best_is_of_the_rows_that_are_left(results: Path, tmp_path: Path) -> None:
    _report(results, "s", "--rows", "lf_dnn,tfn", "--out", str(tmp_path))
    assert _csv(tmp_path / "comparison.csv")["tfn", "mae"]["best"] == "True"


def test_a_style_file_names_rows_and_columns(results: Path, tmp_path: Path) -> None:
    style = tmp_path / "style.toml"
    style.write_text(
        'columns = ["has0_acc2/non0_acc2", "corr"]\n[names]\ntfn = "Ours"\n[labels]\ncorr = "r"\n'
        "[decimals]\ncorr = 2\n",
        encoding="utf-8",
    )
    output = _report(results, "s", "--style", str(style), "--out", str(tmp_path))
    assert "Ours" in output and "TFN" not in output and " r ↑" in output
    assert len(_csv(tmp_path / "comparison.csv")["tfn", "corr"]["printed"].partition("±")[0]) == 4


def test_latex_without_siunitx_is_asked_for_in_the_file_or_on_the_command_line(
    results: Path, tmp_path: Path
) -> None:
    style = tmp_path / "style.toml"
    style.write_text('latex_numbers = "plain"', encoding="utf-8")
    for arguments, numbers in (
        ([], "siunitx"),
        (["--style", str(style)], "plain"),
        (["--latex-numbers", "plain"], "plain"),
        (["--style", str(style), "--latex-numbers", "siunitx"], "siunitx"),
    ):
        _report(results, "s", "-f", "latex", "--out", str(tmp_path), *arguments)
        text = (tmp_path / "comparison.tex").read_text(encoding="utf-8")
        assert ("siunitx" in text) == ("S[table-format=2.2]" in text) == (numbers == "siunitx")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--columns", "mea"], "did you mean 'mae'"),
        (["--rows", "tfm"], "did you mean 'tfn'"),
        (["--reference", "almtt"], "did you mean 'almt'"),
        (["--decimals", "12"], "must be 0 to 8"),
        (["--latex-numbers", "sinuitx"], "did you mean 'siunitx'"),
    ],
)
def test_unknown_wishes_are_refused(results: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        _report(results, "s", *arguments)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("columns = 'mae'", "is a list"),
        ("names = ['a']", "is a table"),
        ("colums = ['mae']", "did you mean 'columns'"),
        ("columns = [", "cannot be read"),
        ("latex_numbers = 2", "is a text"),
        ("latex_numbers = 'none'", "known are: plain, siunitx"),
    ],
)
def test_a_style_file_that_is_not_sound_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "s.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SpecError, match=message):
        read_style(tmp_path / "s.toml")


def test_a_style_of_nothing_changes_nothing(results: Path) -> None:
    from msabench.report import tables
    from msabench.report.style import styled

    (table,) = tables(results / "s")
    assert styled(table, Style()) == table
