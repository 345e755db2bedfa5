"""`msabench import` through the command line, on the embedded dataset."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from msabench.cli import app
from msabench.data import Dataset, load
from msabench.errors import MsabenchError
from msabench.metrics import score
from msabench.records import Store

Columns = dict[str, list[object]]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load("demo", tmp_path_factory.mktemp("data"))


@pytest.fixture
def columns(demo: Dataset) -> Columns:
    """Predictions of the test split, in another order than the split's."""
    rng = np.random.default_rng(0)
    order = rng.permutation(len(demo.test))
    values = (demo.test.labels + rng.normal(0, 0.5, len(demo.test))).round(4)
    return {"id": demo.test.ids[order].tolist(), "prediction": values[order].tolist()}


@pytest.fixture
def command(demo: Dataset, tmp_path: Path) -> Callable[..., Result]:
    """Runs a verb on the results root of this test."""
    root = demo.cache.parents[1]

    def run(*arguments: object) -> Result:
        words = [str(each) for each in arguments]
        if words[0] == "import":
            words += ["--dataset", "demo", "--data-root", str(root)]
        return CliRunner().invoke(app, [*words, "--results-root", str(tmp_path / "results")])

    return run


def _write(path: Path, columns: Columns) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **{name: np.array(values) for name, values in columns.items()})
    elif path.suffix == ".json":
        path.write_text(json.dumps(columns))
    elif path.suffix == ".parquet":
        pd.DataFrame(columns).to_parquet(path)
    else:
        pd.DataFrame(columns).to_csv(path, index=False)
    return path


def _refused(done: Result) -> str:
    assert isinstance(done.exception, MsabenchError), done.output
    return str(done.exception)


def _rows(folder: Path) -> dict[tuple[str, str], dict[str, str]]:
    with (folder / "tables" / "comparison.csv").open(encoding="utf-8", newline="") as file:
        return {(line["row"], line["metric"]): line for line in csv.DictReader(file)}


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".parquet", ".json"])
def test_figures_of_a_table_are_those_of_the_file_in_any_order(
    suffix: str, columns: Columns, command: Callable[..., Result], demo: Dataset, tmp_path: Path
) -> None:
    path = _write(tmp_path / f"theirs{suffix}", columns)
    done = command("import", path, "--method", "My model", "--seed", 1)
    assert done.exit_code == 0, done.output
    assert "external:My model on demo:unaligned, seed 1" in done.output and "100 predictions" in done.output
    report = command("report", "demo-external")
    assert report.exit_code == 0 and "external" in report.output and "chosen by its authors" in report.output
    by_id = dict(zip(columns["id"], columns["prediction"], strict=True))
    expected = score("mmsa", np.array([by_id[i] for i in demo.test.ids], np.float32), demo.test.labels)
    line = _rows(tmp_path / "results" / "demo-external")["external:My model", "mae"]
    assert float(line["mean"]) == pytest.approx(expected["mae"], abs=1e-6)
    again = command("import", path, "--method", "My model", "--seed", 1)
    assert again.exit_code == 0 and "unchanged" in again.output


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c["id"].__setitem__(0, "nobody"), "1 of 100 ids are of no evaluated split"),
        (lambda c: c["id"].__setitem__(0, c["id"][1]), "1 ids are there more than once"),
        (lambda c: [c[n].pop() for n in c], "1 of 100 ids of the test split are missing"),
        (lambda c: c["prediction"].__setitem__(7, "nan"), "1 of 100 predictions are not finite"),
        (lambda c: c["prediction"].__setitem__(7, "good"), "'good' is no number"),
        (
            lambda c: c.update(truth=[0.0] * len(c["id"])),
            "truths in the file are not those of the test split",
        ),
        (lambda c: c.update(split=["valid"] * len(c["id"])), "is said to be of valid, and is of test"),
        (lambda c: c.update(split=["tset"] * len(c["id"])), "'tset' is no split"),
        (lambda c: c.update(seed=[1.5] * len(c["id"])), "'1.5' is no seed"),
        (lambda c: c.update(seed=[3] * len(c["id"])), "the file names the seeds 3, but --seed says 1"),
        (lambda c: c.pop("id"), "no column of ids"),
    ],
)
def test_what_does_not_fit_the_split_is_named_and_leaves_no_trace(
    change: Callable[[Columns], object],
    says: str,
    columns: Columns,
    command: Callable[..., Result],
    tmp_path: Path,
) -> None:
    change(columns)
    path = _write(tmp_path / "theirs.csv", columns)
    assert says in _refused(command("import", path, "--method", "My model", "--seed", 1))
    assert not list(tmp_path.glob("results/*/runs/*")) and not list(tmp_path.glob("results/*/plan.json"))


def test_a_column_of_seeds_makes_as_many_runs(
    columns: Columns, command: Callable[..., Result], tmp_path: Path
) -> None:
    several: Columns = {
        "id": columns["id"] * 3,
        "prediction": columns["prediction"] * 3,
        "seed": [seed for seed in (1, 2, 3) for _ in columns["id"]],
    }
    path = _write(tmp_path / "theirs.csv", several)
    assert command("import", path, "--method", "My model").exit_code == 0
    assert command("report", "demo-external").exit_code == 0
    assert _rows(tmp_path / "results" / "demo-external")["external:My model", "mae"]["n"] == "3"
    assert "nothing says which seed" in _refused(
        command("import", _write(tmp_path / "one.csv", columns), "--method", "Other")
    )


def test_another_result_takes_the_place_only_when_asked(
    columns: Columns, command: Callable[..., Result], tmp_path: Path
) -> None:
    path = _write(tmp_path / "theirs.csv", columns)
    given = ("import", path, "--method", "My model", "--seed", 1)
    assert command(*given).exit_code == 0
    _write(path, {**columns, "prediction": [0.5] * len(columns["id"])})
    assert "is in the study already, and its predictions differ" in _refused(command(*given))
    done = command(*given, "--replace")
    assert "replaced" in done.output and "all predictions of the test split are equal" in done.output
    assert "differs in text encoder" in _refused(command(*given, "-t", "bert"))
    assert "replaced" in command(*given, "-t", "bert", "--replace").output
    assert "no one setting would have their mean" in _refused(
        command("import", path, "--method", "My model", "--seed", 2)
    )
    assert command("report", "demo-external").exit_code == 0
    line = _rows(tmp_path / "results" / "demo-external")["external:My model", "mae"]
    assert line["n"] == "1" and line["text_encoder"] == "bert"


def test_several_epochs_need_validation_and_are_selected_from(
    demo: Dataset, command: Callable[..., Result], tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)

    def noisy(labels: np.ndarray, *sizes: float) -> np.ndarray:
        return np.array([labels + rng.normal(0, size, len(labels)) for size in sizes])

    arrays = {"test_ids": demo.test.ids, "test": noisy(demo.test.labels, 0.1, 0.9)}
    np.savez(tmp_path / "alone.npz", **arrays)
    given = ("--method", "My model", "--seed", 1)
    assert "the epoch could be chosen on the test split alone" in _refused(
        command("import", tmp_path / "alone.npz", *given)
    )
    arrays |= {"valid_ids": demo.valid.ids, "valid": noisy(demo.valid.labels, 0.9, 0.1)}
    np.savez(tmp_path / "both.npz", **arrays)
    assert "unknown selection of several epochs" in _refused(
        command("import", tmp_path / "both.npz", *given, "--epoch-selection", "the best")
    )
    assert command("import", tmp_path / "both.npz", *given).exit_code == 0
    frame = Store(tmp_path / "results" / "demo-external").frame()
    assert set(frame["epoch"]) == {2}, "the validation split chooses, not the test split"
    assert set(Store(tmp_path / "results" / "demo-external").frame(selection="best-epoch")["epoch"]) == {1}
    assert command("report", "demo-external", "-s", "as-published").exit_code == 0


def test_an_epoch_chosen_on_the_test_split_is_an_oracle_under_every_rule(
    columns: Columns, command: Callable[..., Result], tmp_path: Path
) -> None:
    path = _write(tmp_path / "theirs.csv", columns)
    given = ("import", path, "--method", "My model", "--seed", 1, "--epoch-selection", "test")
    assert command(*given).exit_code == 0
    done = command("report", "demo-external", "-s", "same-epoch", "-s", "best-epoch")
    assert "ORACLE" in done.output and "ON THE TEST SPLIT" in done.output
    assert "same-epoch − same-epoch" not in done.output and "best-epoch −" not in done.output


@pytest.mark.parametrize("name", ["", "a[b=1]", "a,b", "x" * 61, "a*"])
def test_names_that_no_row_can_have_are_refused(
    name: str, columns: Columns, command: Callable[..., Result], tmp_path: Path
) -> None:
    path = _write(tmp_path / "theirs.csv", columns)
    assert "name" in _refused(command("import", path, "--method", name, "--seed", 1))


def test_a_value_far_outside_the_labels_is_a_warning(
    columns: Columns, command: Callable[..., Result], tmp_path: Path
) -> None:
    columns["prediction"][0] = 55.0
    path = _write(tmp_path / "theirs.csv", columns)
    done = command("import", path, "--method", "My model", "--seed", 1)
    assert done.exit_code == 0 and "far outside the labels' range -3 to 3, as 55" in done.output


def test_a_study_of_runs_takes_an_external_row_beside_them(
    columns: Columns, command: Callable[..., Result], demo: Dataset, tmp_path: Path
) -> None:
    options = ["--methods", "lf_dnn", "--datasets", "demo", "--text-encoder", "tiny", "--epochs", "1"]
    done = command(
        "run", *options, "--seeds", "1,", "--name", "mine", "--no-tracking", "--workers", 1,
        "--data-root", demo.cache.parents[1],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    path = _write(tmp_path / "theirs.csv", columns)
    done = command("import", path, "--method", "My model", "--seed", 9, "-t", "roberta-large")
    assert done.exit_code == 0 and "msabench report mine" in done.output
    assert command("report", "mine", "-s", "same-epoch", "-s", "best-epoch").exit_code == 0
    rows = {row for row, _ in _rows(tmp_path / "results" / "mine")}
    assert rows == {"lf_dnn", "external:My model"}
    for verb in (("status", "mine"), ("report", "mine", "--published")):
        assert command(*verb).exit_code == 0, verb
    assert "external" in command("status", "mine").output
    wrong = command("import", path, "--method", "Other", "--seed", 9, "--twin")
    assert wrong.exit_code == 0, "the demo's data are generated: --twin is the same data"
