"""`msabench power`, by given variances; by a study's records in test_compare.py."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner

from msabench.cli import app
from msabench.stats import Sources, power_of


def _run(*words: str) -> Any:
    return CliRunner().invoke(app, ["power", *words])


def _json(*words: str) -> Any:
    found = _run(*words, "--format", "json")
    assert found.exit_code == 0, found.exception
    return json.loads(found.stdout)[0]


def test_seeds_for_a_difference_by_given_variances() -> None:
    found = _json("--sd-seed", "0.9", "--n-test", "4659", "--disagreement", "0.12", "--difference", "2")
    pilot = Sources(sd_examples=100 * (0.12 / 4659) ** 0.5, sd_a=0.9, sd_b=0.9, samples=4659)
    need = found["needed"]
    assert power_of(2, pilot, need) >= 0.8 > power_of(2, pilot, need - 1)
    seen = [found["detectable"][n] for n in ("3", "5", "10", "20")]
    assert seen == sorted(seen, reverse=True) and seen[-1] > found["limit"]


def test_a_small_test_set_is_said_to_be_the_limit() -> None:
    text = _run("--sd-seed", "0.9", "--n-test", "686", "--difference", "1").stdout
    assert "no number of seeds: 686 examples show 3.7" in " ".join(text.split()) and "(assumed)" in text


def test_bad_figures_are_answered_with_a_sentence() -> None:
    for words, said in {
        (): "nothing to go by",
        ("--sd-seed", "1", "--n-test", "1"): "two examples or more",
        ("--sd-seed", "-1", "--n-test", "9"): "a standard deviation, 0 or more",
        ("--sd-seed", "1", "--n-test", "9", "--seeds", "1"): "from 2 to 10000",
        ("--sd-seed", "1", "--n-test", "9", "--seeds", "x"): "as in 3,5,10",
        ("--sd-seed", "1", "--n-test", "9", "--difference", "0"): "above 0",
        ("--sd-seed", "1", "--n-test", "9", "--power", "2"): "alpha < power < 1",
        ("--sd-seed", "1", "--n-test", "9", "--disagreement", "2"): "share from 0 to 1",
        ("--sd-seed", "1", "--n-test", "9", "--disagreement", "0.1", "--sd-example", "3"): "one of them",
    }.items():
        assert said in str(_run(*words).exception), words
