"""What `msabench compare` says where it finds nothing, and what its weaker tests leave out."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from msabench.cli import app
from msabench.records import Store
from msabench.run import RunRecord, RunSpec, Task, Truths
from msabench.stats import Sources, power_of

Y = np.clip(np.random.default_rng(0).normal(0, 1.6, 120), -3, 3).astype(np.float32)
IDS = np.array([f"t{i}" for i in range(120)])
TRUTHS = Truths(valid_ids=IDS, valid=Y, test_ids=IDS, test=Y)
ROWS = {"tfn": 1.0, "almt": 1.02, "mlcl": 1.05, "lf_dnn": 1.1}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four rows of four seeds, all about as good."""
    root = tmp_path_factory.mktemp("results")
    for place, (method, noise) in enumerate(ROWS.items()):
        for seed in (1, 2, 3, 4):
            rng = np.random.default_rng([seed, place])
            record = RunRecord(
                spec=RunSpec(
                    method=method, method_version=1, hyperparameters={}, dataset="mosi:unaligned",
                    data_kind="real", data_hash="a" * 64, seed=seed, text_encoder="minilm@1",
                    text_mode="frozen",
                ),
                status="finished", task=Task(kind="regression"), convention="mmsa",
                truths_hash=TRUTHS.fingerprint, losses=({"task": 1.0},), valid_loss=(1.0,),
                valid_criterion=(1.0,), valid_predictions=Y[None],
                test_predictions=(Y + rng.normal(0, noise, (1, 120))).astype(np.float32), seconds=(1.0,),
            )  # fmt: skip
            Store(root / "s").write(record, TRUTHS)
    return root


def _asked(results: Path, *words: str, form: str = "json") -> Any:
    done = CliRunner().invoke(app, ["compare", "s", *words, "--format", form, "--results-root", str(results)])
    assert done.exit_code == 0, done.exception
    return json.loads(done.stdout) if form == "json" else done.stdout


@pytest.mark.parametrize(
    ("test", "by"),
    [
        ("two-source", "with these seeds: "),
        ("welch", "with these seeds on this test set: "),
        ("permutation", "with these seeds on this test set (by Welch's t): "),
        ("mann-whitney", "with these seeds on this test set (by Welch's t): "),
        ("randomisation", "with these examples: "),
        ("mcnemar", "with these examples: "),
    ],
)
def test_every_not_distinguishable_says_what_could_be_seen(results: Path, test: str, by: str) -> None:
    found = _asked(results, "tfn", "almt", "--test", test)
    silent = [v for v in (*found["verdicts"], *found["other_selections"]) if not v["winner"]]
    assert silent
    for line in silent:
        assert line["verdict"].startswith(f"not distinguishable; detectable {by}"), line["verdict"]
        assert line["detectable"] > 0
        if line["difference"]:
            need = line["examples_needed" if "examples" in by else "seeds_needed"]
            assert str(need or "no number of seeds") in line["verdict"]


def test_what_welch_could_see_has_that_power_on_this_test_set(results: Path) -> None:
    (line,) = _asked(results, "tfn", "almt", "--test", "welch", "-m", "mae", "-s", "same-epoch")["verdicts"]
    seen = Sources(sd_examples=0.0, sd_a=line["a_sd"], sd_b=line["b_sd"], samples=120)
    assert power_of(line["detectable"], seen, 4) == pytest.approx(0.8, abs=1e-3)


def test_what_could_be_seen_is_held_against_the_corrected_level(results: Path) -> None:
    alone = _asked(results, "almt", "tfn", "-m", "mae", "-s", "same-epoch")
    family = _asked(results, "--reference", "tfn", "-m", "mae", "-s", "same-epoch")
    wide = next(v for v in family["verdicts"] if v["a"] == "almt")
    narrow = alone["verdicts"][0]
    seen = Sources(
        sd_examples=(narrow["se"] ** 2 - narrow["a_sd"] ** 2 / 4 - narrow["b_sd"] ** 2 / 4) ** 0.5,
        sd_a=narrow["a_sd"], sd_b=narrow["b_sd"], samples=120,
    )  # fmt: skip
    assert power_of(narrow["detectable"], seen, 4) == pytest.approx(0.8, abs=1e-3)
    assert power_of(wide["detectable"], seen, 4, alpha=0.05 / 3) == pytest.approx(0.8, abs=1e-3)
    assert "at 0.05 / 3" in " ".join(family["notes"]) and "uncorrected" in " ".join(family["notes"])
    assert "at 0.05;" in " ".join(alone["notes"]) and "uncorrected" not in " ".join(alone["notes"])


def test_a_correction_that_no_seeds_can_pass_is_said(results: Path) -> None:
    """4 against 4 seeds reach 0.0286, and over three comparisons 0.0857."""
    words = ("--reference", "tfn", "--test", "mann-whitney", "-m", "mae", "-s", "same-epoch")
    for line in _asked(results, *words)["verdicts"]:
        assert "as no figures of so few seeds could be: the smallest p is 0.086;" in line["verdict"]
    (pair,) = _asked(results, "tfn", "almt", *words[2:])["verdicts"]
    assert "smallest" not in pair["verdict"]


def test_mcnemar_judges_accuracies_and_names_what_it_leaves_out(results: Path) -> None:
    found = _asked(results, "tfn", "almt", "--test", "mcnemar", "-s", "same-epoch")
    assert {v["metric"] for v in found["verdicts"]} == {"acc7", "acc5", "has0_acc2", "non0_acc2"}
    assert "F1 has0, F1 non0, MAE, Corr on mosi:unaligned: McNemar's test counts" in found["refused"][0]
    assert "--test randomisation" in found["refused"][0]
    assert any("checkpoints of seed 1: tfn, almt" in note for note in found["notes"])
    assert any("no spread over seeds" in note for note in found["notes"])
    done = CliRunner().invoke(
        app, ["compare", "s", "tfn", "almt", "--test", "mcnemar", "-m", "mae", "--results-root", str(results)]
    )
    assert "MAE is no share" in str(done.exception)


def test_a_level_of_an_interval_is_not_rounded_to_certainty(results: Path) -> None:
    shown = _asked(
        results, "tfn", "almt", "-m", "mae", "-s", "same-epoch", "--alpha", "0.005", form="markdown"
    )
    assert "tfn − almt [99.5%]" in shown and "Intervals at 99.5%." in shown and "100%" not in shown
    assert "[95%]" not in _asked(results, "tfn", "almt", "--test", "randomisation", form="markdown")


def test_rows_of_one_setting_share_a_sentence(results: Path) -> None:
    notes = _asked(results, "--reference", "tfn", "-m", "mae")["notes"]
    assert sum("text encoder minilm@1" in note for note in notes) == 1
    (note,) = (note for note in notes if "text encoder" in note)
    assert all(row in note for row in ROWS)


def test_csv_has_a_line_for_each_rule_with_what_could_be_seen(results: Path) -> None:
    lines = list(csv.DictReader(io.StringIO(_asked(results, "tfn", "almt", "-m", "mae", form="csv"))))
    assert {line["selection"] for line in lines} == {"same-epoch", "best-epoch", "as-published"}
    assert all(float(line["detectable"]) > 0 for line in lines)
