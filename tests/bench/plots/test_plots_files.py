"""Files that `msabench plot` writes: what stands in them, that they repeat, and what is refused."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msabench import __version__
from msabench.errors import DataError, SpecError
from msabench.plots import KINDS
from msabench.plots.look import COLOURS, look_of
from msabench.records import Store
from msabench.run import Task
from msabench.search import SearchSpec


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, make: Any) -> Path:
    """`twin` is sound; `odd` has every kind of bad input; `emotions` has classes; `wide` nine datasets."""
    root = tmp_path_factory.mktemp("results")
    twin, odd, emotions, wide = (Store(root / name) for name in ("twin", "odd", "emotions", "wide"))
    for seed in (1, 2):
        for method in ("setgf", "tfn"):
            twin.write(*make(method, seed, kind="twin"))
    odd.write(*make("almt", 1))
    odd.write(*make("almt", 2, failed=True))
    odd.write(*make("lf_dnn", 1, failed=True))
    odd.write(*make("r3dg", 1, test=np.full((4, 80), 0.25, np.float32)))
    odd.write(*make("r3dg", 2, test=np.full((4, 80), np.nan, np.float32)))
    odd.write(*make("external:My $x$ model", 5, epochs=1, track="external"))
    labels = np.arange(80, dtype=np.float32) % 7
    task = Task(kind="multiclass", classes=7, label_range=(0.0, 6.0))
    logits = np.eye(7, dtype=np.float32)[labels.astype(int)][None]
    for seed in (1, 2):
        emotions.write(
            *make("r3dg", seed, epochs=1, dataset="cherma:lfmim", task=task, convention="cherma",
                  labels=labels, test=logits)
        )  # fmt: skip
    for place in range(9):
        for method, noise in (("almt", 0.5), ("tfn", 2.0), ("setgf", 0.52 - 0.01 * (place % 2))):
            wide.write(*make(method, 1, noise=noise, dataset=f"set{place}:all"))
    return root


def _svg(results: Path, study: str, kind: str, **other: str) -> str:
    (path,) = (results / study / "plots").glob(f"{kind}_*.svg")
    return " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text(encoding="utf-8")))


def test_all_kinds_are_written_in_all_formats(results: Path, plot: Any) -> None:
    output = plot(results, "twin").output
    folder = results / "twin" / "plots"
    drawn = set(KINDS) - {"best-of-k", "ranks"}
    for kind in drawn:
        for ending, magic in (("pdf", b"%PDF"), ("svg", b"<?xml"), ("png", b"\x89PNG")):
            (path,) = folder.glob(f"{kind}_*.{ending}")
            assert path.read_bytes().startswith(magic) and f"written: {path}" in output
    assert "not drawn: best-of-k of mosi:unaligned: the study twin has no search" in output
    assert "not drawn: ranks: " in output
    for kind in drawn:
        text = _svg(results, "twin", kind)
        assert text.count("SYNTHETIC TWIN") >= 2, kind
        for said in ("mosi:unaligned", "mmsa", "n = 2", "paper", "minilm@53aa5117", "SETGF ‡",
                     "Reconstruction", f"msabench {__version__}"):  # fmt: skip
            assert said in text, (kind, said)
        assert ("ORACLE: epoch chosen on the test split" in text) == (kind == "gap"), kind


def test_an_oracle_says_so(results: Path, plot: Any, tmp_path: Path) -> None:
    plot(
        results, "twin", "-k", "intervals,confusion", "-s", "best-epoch", "-f", "svg", "--out", str(tmp_path)
    )
    paths = list(tmp_path.glob("*best-epoch.svg"))
    assert len(paths) == 2
    assert all(">ORACLE: epoch chosen on the test split<" in p.read_text(encoding="utf-8") for p in paths)


def test_the_same_records_give_the_same_files(results: Path, plot: Any, tmp_path: Path) -> None:
    kinds = "truth"
    for place in ("one", "two"):
        plot(results, "twin", "--kind", kinds, "--out", str(tmp_path / place))
    first, second = (sorted((tmp_path / place).iterdir()) for place in ("one", "two"))
    assert [p.name for p in first] == [p.name for p in second] and len(first) == 3
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(first, second, strict=True))


def test_bad_input_is_shown_as_what_it_is(results: Path, plot: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        output = plot(results, "odd", "--metric", "corr,acc7", "--format", "svg").output
    assert "Traceback" not in output and "warning" not in output.lower()
    text = _svg(results, "odd", "intervals")
    assert "undefined for 2 of 2 seeds" in text, "the correlation of a constant, and of no number"
    assert "undefined for 1 of 2 seeds" in text, "one of two runs predicts no numbers"
    assert "almt seed 2 (nan)" in text and "lf_dnn seed 1 (nan)" in text
    assert "My $x$ model · external" in text and "ALMT (n = 1†)" in text
    assert "what they cost is not known: My $x$ model" not in text
    assert "without 1 run: predictions not finite" in _svg(results, "odd", "confusion")
    assert "not finite" in _svg(results, "odd", "truth")


def test_what_was_trained_elsewhere_has_no_gap(results: Path, plot: Any, tmp_path: Path) -> None:
    plot(results, "odd", "--kind", "gap", "--format", "svg", "--out", str(tmp_path))
    (path,) = tmp_path.iterdir()
    text = path.read_text(encoding="utf-8")
    assert "Rows whose epoch was chosen elsewhere have none" in text and ">My $x$" not in text


def test_a_cost_that_is_not_known_is_said(make: Any, plot: Any, tmp_path: Path) -> None:
    record, truths = make("external:Mine", 1, epochs=1, track="external")
    store = Store(tmp_path / "s")
    store.write(replace(record, seconds=(0.0,), parameters={}), truths)
    store.write(*make("tfn", 1))
    plot(tmp_path, "s", "-k", "cost", "-f", "svg")
    assert "what they cost is not known: Mine · external (seconds), Mine · external (parameters)." in _svg(
        tmp_path, "s", "cost"
    )


def test_classes_have_a_confusion_by_name_and_no_scores(results: Path, plot: Any) -> None:
    output = plot(results, "emotions", "-k", "confusion", "-k", "truth", "-f", "svg").output
    text = _svg(results, "emotions", "confusion")
    assert "anger (12)" in text and "surprise" in text and text.split().count("100") == 7
    assert "truth of cherma:lfmim: cherma:lfmim has classes, not scores" in output


def test_a_rank_diagram_stands_from_eight_datasets_on(results: Path, plot: Any) -> None:
    plot(results, "wide", "-k", "ranks", "-f", "svg")
    text = _svg(results, "wide", "ranks")
    assert "Mean ranks over 9 datasets" in text and "3.00  TFN" in text
    assert "critical difference" in text and "SETGF ‡" in text
    wanted = [part for place in range(7) for part in ("-d", f"set{place}")]
    with pytest.raises(DataError, match="8 datasets or more, but there are 7"):
        plot(results, "wide", "-k", "ranks", "-f", "svg", *wanted)


def test_a_search_has_its_curve(make: Any, plot: Any, tmp_path: Path) -> None:
    from msabench.registry import METHODS
    from msabench.search import Search, space_of, store_of
    from msabench.search.curve import expected_best
    from msabench.study import StudySpec

    record, truths = make("tfn", 1)
    store = Store(tmp_path / "s")
    store.write(record, truths)
    spec = SearchSpec(trials=4, seed=99)
    study = StudySpec(
        name="s",
        methods=("tfn",),
        datasets=("mosi:unaligned",),
        seeds=(1,),
        text_encoder="minilm",
        search=spec,
        tracks=("paper", "tuned"),
    )
    (store.path / "study.toml").write_text(study.to_toml(), encoding="utf-8")
    card = METHODS.card("tfn")
    template = replace(record.spec, seed=99, track="trial", hyperparameters=card.values("mosi:unaligned", {}))
    search = Search(template=template, space=space_of(card, "mosi:unaligned", {}), spec=spec)
    for place in search.places(store_of(store.path)):
        trial, _ = make("tfn", 99, noise=1 + place.number)
        store_of(store.path).write(
            replace(trial, spec=place.run, test_predictions=trial.test_predictions[:, :0],
                    truths_hash=truths.without_test.fingerprint),
            truths.without_test,
        )  # fmt: skip
    plot(tmp_path, "s", "-k", "best-of-k", "-f", "svg")
    assert "4 trials" in _svg(tmp_path, "s", "best-of-k")

    from matplotlib import rc_context

    from msabench.plots import Asked, plots
    from msabench.plots.look import RC

    with rc_context(RC):
        (made,) = plots(store.path, Asked(), ("best-of-k",))
    axes = made.figure.subfigs[1].axes[0]
    curve = expected_best(search.trials(store_of(store.path)))
    assert len(curve) == 4
    assert axes.lines[0].get_ydata() == pytest.approx([best.expected for best in curve])
    assert axes.lines[1].get_ydata() == pytest.approx([best.low for best in curve])
    assert axes.lines[2].get_ydata() == pytest.approx([best.high for best in curve])
    assert axes.lines[3].get_ydata() == pytest.approx([best.unbiased for best in curve])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-k", "interval"], "did you mean 'intervals'"),
        (["-m", "mea"], "did you mean 'mae'"),
        (["-d", "mosei"], "unknown dataset 'mosei'"),
        (["-f", "gif"], "unknown format 'gif'"),
        (["-s", "same-epok"], "did you mean 'same-epoch'"),
    ],
)
def test_unknown_wishes_are_refused(results: Path, plot: Any, arguments: list[str], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        plot(results, "twin", *arguments)


def test_a_study_without_a_finished_run_is_refused(make: Any, plot: Any, tmp_path: Path) -> None:
    Store(tmp_path / "s").write(*make("tfn", 1, failed=True))
    with pytest.raises(DataError, match="no finished run"):
        plot(tmp_path, "s")


def test_rows_differ_without_their_colour() -> None:
    looks = [look_of(place) for place in range(20)]
    assert len({(look.marker, look.filled) for look in looks}) == 20
    assert len({look_of(place).hatch for place in range(6)}) == 6

    def grey(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        return float(np.dot([0.2126, 0.7152, 0.0722], [part**2.2 for part in parts]))

    # dark enough to be seen on white: contrast of 1.9 and more
    assert all(1.05 / (grey(colour) + 0.05) > 1.9 for colour in COLOURS)
