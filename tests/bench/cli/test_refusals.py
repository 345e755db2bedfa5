"""Slips of the command line are said in one sentence, and before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from msabench.cli import app
from msabench.errors import MsabenchError

TRAIN = ("run", "--methods", "lf_dnn", "--datasets", "demo", "--text-encoder", "tiny", "--no-tracking")


def refusal(tmp_path: Path, *words: str) -> MsabenchError:
    """The error of a command line that must end with one, and leave no record."""
    roots = ("--data-root", str(tmp_path / "data"), "--results-root", str(tmp_path / "results"))
    result = CliRunner().invoke(app, [*words, *roots])
    assert isinstance(result.exception, MsabenchError), result.output
    assert not (tmp_path / "results").exists(), "something was begun"
    return result.exception


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
