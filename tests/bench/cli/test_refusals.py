"""Slips of the command line are said in one sentence, and before anything is trained."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from msabench.cli import app
from msabench.errors import MsabenchError

TRAIN = ("run", "--methods", "lf_dnn", "--datasets", "demo", "--text-encoder", "tiny", "--no-tracking")


def refused(*words: str) -> MsabenchError:
    """The error that a command line ends with."""
    result = CliRunner().invoke(app, [*words])
    assert isinstance(result.exception, MsabenchError), result.output
    return result.exception


def refusal(tmp_path: Path, *words: str) -> MsabenchError:
    """The error of a command line that must end with one, and leave no record."""
    roots = ("--data-root", str(tmp_path / "data"), "--results-root", str(tmp_path / "results"))
    error = refused(*words, *roots)
    assert not (tmp_path / "results").exists(), "something was begun"
    return error


@pytest.mark.parametrize(
    ("option", "value", "guess"),
    [
        ("--convention", "mmsaa", "did you mean 'mmsa'"),
        ("--selection", "best-epochs", "did you mean 'best-epoch'"),
        ("--selection", "last:mae", "cannot be written"),
    ],
)
def test_what_the_closing_table_is_asked_for(tmp_path: Path, option: str, value: str, guess: str) -> None:
    assert guess in str(refusal(tmp_path, *TRAIN, option, value))


@pytest.mark.parametrize("options", [("--trials", "3"), ("--trials", "3", "--prune", "median")])
def test_a_search_on_the_paper_track(tmp_path: Path, options: tuple[str, ...]) -> None:
    error = refusal(tmp_path, *TRAIN, "--track", "paper", *options)
    assert "searches nothing" in error.what and "paper,tuned" in error.fix


def test_a_feature_file_that_is_not_there(tmp_path: Path) -> None:
    """Its owner knows how to get the file: only the path is wrong."""
    missing = tmp_path / "aligned_50.pkl"
    error = refusal(tmp_path, "plan", "--datasets", "mosi", "--file", f"mosi={missing}")
    assert error.where == str(missing) and "correct the path" in error.fix and "Download" not in str(error)


def test_a_file_without_its_dataset(tmp_path: Path) -> None:
    error = refusal(tmp_path, "plan", "--datasets", "mosi", "--file", "aligned_50.pkl")
    assert "DATASET=PATH" in error.what and "mosi=aligned_50.pkl" in error.fix


def test_ray_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said before data is converted and text encoded."""
    from importlib import util

    present = util.find_spec
    monkeypatch.setattr(
        util, "find_spec", lambda name, *rest: None if name == "ray" else present(name, *rest)
    )
    error = refusal(tmp_path, *TRAIN, "--engine", "ray")
    assert "package ray" in error.what and "msabench[ray]" in error.fix


def test_a_twin_larger_than_its_dataset_that_no_study_takes(tmp_path: Path) -> None:
    assert (
        "0 < scale <= 1" in refused("data", "twin", "mosi", "--scale", "2", "--data-root", str(tmp_path)).what
    )
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "given", [("--sd-seed", "-1"), ("--sd-seed", "nan"), ("--sd-seed", "1", "--sd-example", "-2")]
)
def test_power_by_figures_that_are_no_deviations(given: tuple[str, ...]) -> None:
    assert f"{given[-2]} is a standard deviation" in refused("power", *given, "--n-test", "100").what


@pytest.mark.parametrize(
    "words", [("report", "nosuch"), ("site", "nosuch"), ("compare", "nosuch", "a", "b"), ("plot", "nosuch")]
)
def test_only_studies_are_offered_as_studies(words: tuple[str, ...], tmp_path: Path) -> None:
    """MLflow keeps its own folders below the same root."""
    (tmp_path / "mlartifacts").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "plan.json").write_text("{}", encoding="utf-8")
    error = refused(*words, "--results-root", str(tmp_path))
    assert "mine" in error.what and "mlartifacts" not in error.what


def test_a_file_where_the_results_root_should_be(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("in the way", encoding="utf-8")
    options = (
        "--epochs",
        "1",
        "--seeds",
        "1",
        "--data-root",
        str(tmp_path),
        "--results-root",
        str(tmp_path / "results"),
    )
    script = Path(sys.executable).with_name("msabench")
    done = subprocess.run([script, *TRAIN, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "a file lies where a folder is needed" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--published", "--columns", "mae"), "the table of --published knows no --columns"),
        (
            ("--conventions", "all", "--significance"),
            "the table of --conventions all knows no --significance",
        ),
        (("--per-class", "--published"), "--published and --per-class make tables of their own"),
        (("--per-class", "--convention", "mmsa"), "whatever the convention"),
    ],
)
def test_options_that_a_table_would_ignore(options: tuple[str, ...], said: str) -> None:
    assert said in refused("report", "study", *options).what
