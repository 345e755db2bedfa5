"""`msabench show`: a method, a dataset, a recorded run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from msabench.cli import app
from msabench.cli.show_run import find_runs
from msabench.errors import SpecError
from msabench.records import Store
from msabench.registry import METHODS, RECONSTRUCTION
from msabench.run import Failure, RunRecord, RunSpec, Task, Truths
from msabench.selection import scored

RNG = np.random.default_rng(3)
TRUTHS = Truths(
    valid_ids=np.array([f"v{i}" for i in range(9)]),
    valid=RNG.uniform(-3, 3, 9).astype(np.float32),
    test_ids=np.array([f"t{i}" for i in range(12)]),
    test=RNG.uniform(-3, 3, 12).astype(np.float32),
)


def record_of(seed: int, **changes: Any) -> RunRecord:
    spec = RunSpec(
        method="tfn",
        method_version=1,
        hyperparameters=METHODS.card("tfn").values("mosi"),
        dataset="mosi:unaligned",
        data_kind="twin",
        data_hash="cd" * 32,
        seed=seed,
        text_encoder="tiny@12345678",
        text_mode="frozen",
    )
    made = RunRecord(
        spec=spec,
        status="finished",
        task=Task(kind="regression"),
        convention="mmsa",
        truths_hash=TRUTHS.fingerprint,
        losses=({"task": 1.25}, {"task": 0.75}, {"task": 0.5}),
        valid_loss=(1.0, 0.8, 0.9),
        valid_criterion=(1.1, 0.8, 0.9),
        valid_predictions=np.stack([TRUTHS.valid + e for e in (1, 0.1, 0.3)]).astype(np.float32),
        test_predictions=np.stack([TRUTHS.test + e for e in (1, 0.6, 0.3)]).astype(np.float32),
        seconds=(2.0, 1.0, 1.0),
        parameters={"method": 1234567},
        stopped="patience",
        environment={"python": "3.11.7", "device": "cpu"},
        started="2026-03-01T12:00:00+00:00",
        notes=("an odd thing to know",),
    )
    return replace(made, **changes)


def show(*arguments: str, columns: int = 160) -> str:
    result = CliRunner().invoke(app, ["show", *arguments], env={"COLUMNS": str(columns)})
    assert result.exit_code == 0, result.output or result.exception
    return result.stdout


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method(name: str) -> None:
    card, text = METHODS.card(name), show(name)
    for expected in (card.title, *card.values("default"), *(each.id for each in card.deviations)):
        assert expected in text
    for count in card.parameters.values():
        assert f"{count:,}" in text
    assert ("not measured here" in text) is bool(card.published)
    assert ("Published figures: not found" in text) is not bool(card.published)
    assert (RECONSTRUCTION in text) == card.reconstruction


@pytest.mark.parametrize("name", list(METHODS))
def test_80_columns_hold_a_method_and_cut_nothing(name: str) -> None:
    text = show(name, columns=80)
    assert "…" not in text and max(map(len, text.splitlines())) <= 80
    # a word that a column breaks is not found among those of a wide screen
    words, wide = set(text.replace("─", "").split()), set(show(name, columns=400).split())
    assert words <= wide


def test_what_was_published_what_the_code_does_and_where_ours_departs() -> None:
    text = " ".join(show("almt").split())
    assert "[1] ALMT paper, Table 1" in text and "mosi the method [1] has0_acc2 84.55" in text
    assert "use_audio = false" in text and "not comparable: the code of that time weighted F1" in text
    assert "Switch: fusion_readout, default cls." in text
    assert "Switch: frame_window, default 0, as published 50." in text
    assert "As published: almt[as_published=true] frame_window 50 instead of 0" in text
    assert "Other values: mosei fusion_depth = 4" in text


def test_one_dataset_of_a_method() -> None:
    whole, part = show("lf_dnn"), show("LF-DNN", "--dataset", "sims")
    assert "597,171" in whole and "597,171" not in part and "635,821" in part
    assert "0.005" in part


def test_a_dataset(tmp_path: Path) -> None:
    place = tmp_path / "mosi" / "aligned_50.pkl"
    place.parent.mkdir()
    place.write_bytes(b"")
    text = show("mosi:aligned", "--data-root", str(tmp_path))
    assert "1284 train, 229 valid, 686 test" in text and "375 × 5" in text and "how to get it" in text
    assert f"  aligned: {place}" in text.splitlines()
    assert "looked for mosi/unaligned_50.pkl" in text


def test_a_wildcard_shows_all() -> None:
    text = show("mose*")
    assert "(mosei)" in text and "(mosei-video)" in text


def test_a_run_by_the_first_digits_of_its_key(tmp_path: Path) -> None:
    record = record_of(1)
    Store(tmp_path / "study").write(record, TRUTHS)
    text = show(record.key[:6], "--results-root", str(tmp_path))
    assert f"run {record.key} of study study" in text and "twin" in text and "1,234,567" in text
    assert "2 (selected)" in text and "an odd thing to know" in text and "oracle" in text
    filled = replace(record, truths=TRUTHS)
    for rule, epoch in (("same-epoch", 2), ("best-epoch", 3)):
        value, chosen = scored(filled, rule, "mmsa")["mae"]
        assert chosen == epoch and value is not None and f"{value:.4f}" in text


def test_a_run_that_failed(tmp_path: Path) -> None:
    failure = Failure(cause="exception", message="no such [file]", traceback='File "model.py", line 3')
    empty = np.zeros((0, 0), np.float32)
    record = record_of(
        2, status="failed", failure=failure, stopped="", valid_predictions=empty, test_predictions=empty
    )
    Store(tmp_path / "study").write(record, TRUTHS)
    text = show(record.key, "--results-root", str(tmp_path))
    assert "Failed: exception" in text and "no such [file]" in text and 'File "model.py", line 3' in text
    assert "oracle" not in text


def test_a_beginning_of_several_runs(tmp_path: Path) -> None:
    for key in ("abcd0000", "abcd1111"):
        (tmp_path / "study" / "runs" / key).mkdir(parents=True)
        (tmp_path / "study" / "runs" / key / "run.json").write_text("{}")
    with pytest.raises(SpecError, match="begins 2 runs: abcd0000, abcd1111"):
        find_runs(tmp_path, "abcd")
    assert list(find_runs(tmp_path, "abcd1")) == ["abcd1111"]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["tfm"], "did you mean 'tfn'"),
        (["mosii"], "did you mean 'mosi'"),
        (["mosi:alligned"], "did you mean 'aligned'"),
        (["tfn", "--dataset", "mosii"], "did you mean 'mosi'"),
    ],
)
def test_the_nearest_name_is_suggested(arguments: list[str], hint: str) -> None:
    result = CliRunner().invoke(app, ["show", *arguments])
    assert isinstance(result.exception, SpecError) and hint in str(result.exception)


def test_a_mistyped_key_finds_its_run(tmp_path: Path) -> None:
    record = record_of(1)
    Store(tmp_path / "study").write(record, TRUTHS)
    typed = "0" + record.key[1:] if record.key[0] != "0" else "1" + record.key[1:]
    result = CliRunner().invoke(app, ["show", typed, "--results-root", str(tmp_path)])
    assert f"did you mean '{record.key}'" in str(result.exception)
