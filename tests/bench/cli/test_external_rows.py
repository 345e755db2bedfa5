"""A study of imported results alone, through every verb that reads records."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from msabench.cli import app
from msabench.data import Dataset, load
from msabench.records import Store


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load("demo", tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def results(demo: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`Good` and `Bad` of three seeds and one epoch; `Single` of one seed and two epochs."""
    work, rng = tmp_path_factory.mktemp("imports"), np.random.default_rng(0)
    test, valid = demo.test, demo.valid

    def noisy(labels: np.ndarray, size: float) -> np.ndarray:
        return labels + rng.normal(0, size, len(labels))

    for name, size in (("Good", 0.4), ("Bad", 1.2)):
        parts = [
            pd.DataFrame({"id": test.ids, "prediction": noisy(test.labels, size), "seed": seed})
            for seed in (1, 2, 3)
        ]
        pd.concat(parts).to_csv(work / f"{name}.csv", index=False)
        _import(work / f"{name}.csv", name, demo, work / "results")
    np.savez(
        work / "Single.npz", test_ids=test.ids, valid_ids=valid.ids,
        test=[noisy(test.labels, 1.0), noisy(test.labels, 0.5)],
        valid=[noisy(valid.labels, 1.0), noisy(valid.labels, 0.5)],
    )  # fmt: skip
    _import(work / "Single.npz", "Single", demo, work / "results", "--seed", "1")
    return work / "results"


def _import(path: Path, method: str, demo: Dataset, root: Path, *more: str) -> None:
    words = ["--dataset", "demo", "--data-root", str(demo.cache.parents[1]), *more]
    done = _command(root, "import", str(path), "--method", method, *words)
    assert done.exit_code == 0, done.output


def _command(root: Path, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--results-root", str(root)])


def _said(root: Path, *words: str) -> str:
    done = _command(root, *words)
    assert done.exit_code == 0, (words, done.output, done.exception)
    return " ".join(done.output.split())


def test_status_lists_a_study_that_holds_only_imports(results: Path) -> None:
    for words in (("status",), ("status", "demo-external")):
        text = _said(results, *words)
        assert "external:Good" in text and "external:Single" in text


def test_nothing_is_left_to_collect_and_no_search_was_made(results: Path) -> None:
    said = _said(results, "collect", "demo-external", "--no-tracking")
    assert "every run is recorded: msabench report demo-external" in said
    told = str(_command(results, "search", "show", "demo-external").exception)
    assert "holds imported results alone" in told and "msabench report demo-external" in told
    for words in (("collect", "demo-externel"), ("search", "show", "demo-externel")):
        assert "did you mean 'demo-external'?" in str(_command(results, *words).exception)


def test_figures_that_cannot_be_told_apart_and_stars(results: Path) -> None:
    text = _said(results, "report", "demo-external", "--reference", "external:Good")
    assert "differs from Good · external" in text
    assert "but external:Single has one: one seed says nothing" in text and "but A has" not in text
    bad = next(line for line in _command(results, "report", "demo-external", "--reference", "external:Good")
               .output.splitlines() if line.strip().startswith("Bad"))  # fmt: skip
    assert "**" in bad


def test_two_external_rows_are_compared(results: Path) -> None:
    text = _said(results, "compare", "demo-external", "external:Good", "external:Bad")
    assert "external:Good is better" in text and "external:Bad is better" not in text
    assert ".." not in text.replace("...", "") and "is of version 0" not in text


def test_places_under_every_convention(results: Path) -> None:
    text = _said(results, "report", "demo-external", "--conventions", "all")
    assert "Good · external" in text and "Bad · external" in text
    assert (results / "demo-external/tables/lens.csv").is_file()


def test_an_epoch_chosen_outside_is_the_same_under_every_rule(demo: Dataset, tmp_path: Path) -> None:
    """Also where its authors said how, which is no rule of ours."""
    rng = np.random.default_rng(1)
    for name, how in (("Words", "best validation MAE, by hand"), ("Peeked", "test"), ("Silent", "")):
        noisy = [demo.test.labels + rng.normal(0, 1, len(demo.test)) for _ in range(2)]
        parts = [
            pd.DataFrame({"id": demo.test.ids, "prediction": p, "seed": s}) for s, p in enumerate(noisy, 1)
        ]
        pd.concat(parts).to_csv(tmp_path / f"{name}.csv", index=False)
        _import(tmp_path / f"{name}.csv", name, demo, tmp_path / "results", "--epoch-selection", how)
    root = tmp_path / "results"
    frames = [
        Store(root / "demo-external").frame(selection=s) for s in ("same-epoch", "as-published", "last")
    ]
    for frame in frames[1:]:
        pd.testing.assert_frame_equal(frames[0].drop(columns="selection"), frame.drop(columns="selection"))
    assert "Words · external" in _said(root, "report", "demo-external", "--conventions", "all")
    text = _said(root, "compare", "demo-external", "external:Words", "external:Peeked", "--metric", "mae")
    assert "as-published (ORACLE)" in text and "Not compared" not in text
    assert "best validation MAE, by hand" in _said(root, "report", "demo-external", "-s", "as-published")


def test_nothing_published_stands_beside_an_external_row(results: Path) -> None:
    done = _command(results, "report", "demo-external", "--published")
    text = " ".join(done.output.split())
    assert (
        done.exit_code == 1 and "imported results alone" in text and "nothing has been recorded" not in text
    )


def test_a_pilot_of_imports_says_what_seeds_would_show(results: Path) -> None:
    text = _said(results, "power", "demo-external", "--metric", "mae")
    assert "shown by 10 seeds" in text and "a difference of" not in text
    assert "MAE, a difference of 0.5: " in _said(
        results, "power", "demo-external", "--metric", "mae", "--difference", "0.5"
    )


def test_a_run_is_shown_by_its_key(results: Path) -> None:
    for record in Store(results / "demo-external").runs():
        text = _said(results, "show", record.key)
        assert "imported from" in text and record.spec.method in text


def test_the_mirror_takes_records_of_unknown_seconds(results: Path) -> None:
    assert "7 mirrored" in _said(results, "sync", "demo-external")
    assert "0 mirrored" in _said(results, "sync", "demo-external"), "a second time finds them there"


def test_the_site_shows_them_as_external(results: Path) -> None:
    assert "written" in _said(results, "site", "demo-external")
    pages = {path.name: path.read_text() for path in (results / "demo-external/site").rglob("*.html")}
    assert any("Good · external" in text for text in pages.values())
    assert any("Trained outside msabench" in text for text in pages.values())
