import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from msabench.cli.data import check
from msabench.data import cache
from msabench.errors import DataError

Content = dict[str, dict[str, Any]]


@pytest.fixture
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """The command, with a data root of its own: the hash of a file is remembered there."""
    root = tmp_path_factory.mktemp("datasets")
    app = typer.Typer()
    app.command()(check)
    runner = CliRunner(env={"MSABENCH_DATA": str(root)})
    return lambda *arguments: runner.invoke(app, [str(each) for each in arguments])


def test_a_sound_file(content: Content, write: Callable[..., Path], run: Callable[..., Any]) -> None:
    result = run(write(content))
    assert result.exit_code == 0
    for words in (
        "layout  mmsa",
        "sha256",
        "array of float32  12 x 7 x 3",
        "list of int",
        "train$_$0",
        "labels from -3 to 3",
        "sound",
    ):
        assert words in result.output


def test_every_fault_is_listed_and_the_status_is_1(
    content: Content, write: Callable[..., Path], run: Callable[..., Any]
) -> None:
    content["train"]["audio"][2, 0, 0] = np.nan
    content["test"]["regression_labels"][1] = 7
    result = run(write(content), "--dataset", "mosi")
    assert result.exit_code == 1
    for words in (
        "NaN",
        "sample 'train$_$2' (row 2)",
        "label 7 is out of range",
        "2 errors",
        "not usable",
        "to mend it",
    ):
        assert words in result.output


def test_json(content: Content, write: Callable[..., Path], run: Callable[..., Any]) -> None:
    content["train"]["audio"][2, 0, 0] = np.inf
    result = run(write(content), "--dataset", "mosi:aligned", "--json")
    report = json.loads(result.output)
    assert result.exit_code == 1
    assert report["sound"] is False
    assert report["dataset"] == "mosi:aligned"
    (error,) = [finding for finding in report["findings"] if finding["severity"] == "error"]
    assert (error["split"], error["key"], error["row"], error["sample"]) == ("train", "audio", 2, "train$_$2")
    (train,) = [split for split in report["splits"] if split["name"] == "train"]
    assert sum(train["labels"]["histogram"].values()) == 12


def test_a_file_that_is_no_pickle(tmp_path: Path, run: Callable[..., Any]) -> None:
    path = tmp_path / "page.pkl"
    path.write_text("<html>", encoding="utf-8")
    result = run(path)
    assert result.exit_code == 1
    assert "web page" in result.output


def test_a_dataset_by_name(tmp_path: Path, run: Callable[..., Any]) -> None:
    result = run("demo", "--data-root", tmp_path)
    assert result.exit_code == 0
    assert "demo:unaligned" in result.output and "twin" in result.output


def test_an_absent_file(tmp_path: Path, run: Callable[..., Any]) -> None:
    result = run(tmp_path / "absent.pkl")
    assert isinstance(result.exception, DataError)
    assert "no such file" in str(result.exception)


def test_a_file_is_hashed_once(
    content: Content,
    write: Callable[..., Path],
    run: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = write(content)
    (tmp_path / "root").mkdir()
    first = run(path, "--data-root", tmp_path / "root")
    monkeypatch.setattr(cache, "sha256", lambda path: pytest.fail("hashed again"))
    assert run(path, "--data-root", tmp_path / "root").output == first.output
