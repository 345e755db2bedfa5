"""The checks of a card fail where the card is incomplete or contradicts the code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from msabench.method import Hyperparameters
from msabench.registry import Deviation, PublishedFigure
from msabench.testing import run_check

Make = Callable[..., Any]


class TestCard:
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"name": "other"}, "registered as 'toy'"),
            ({"tasks": ("binary",)}, "Toy.tasks is ['regression']"),
            ({"text": "finetuned"}, "Toy.inputs asks for frozen text"),
            ({"version": 0}, "version = 0"),
            ({"as_published": "luckiest"}, "as_published = 'luckiest'"),
            ({"citation": {"title": "On toys"}}, "[citation] has no `authors`"),
            ({"reference": {}}, "[reference] has no `commit`"),
            ({"deviations": (Deviation(id="D2", text="late"),)}, "id = 'D2'"),
            ({"deviations": (Deviation(id="D1", text="x", switch="nothing"),)}, "no hyperparameter"),
            (
                {"published": (PublishedFigure(dataset="mosi", metric="mae", value=0.9, source=" "),)},
                "published mae = 0.9 on mosi has no source",
            ),
        ],
    )
    def test_what_is_missing_or_contradicts_is_named(
        self, toy: Make, must_fail: Make, changes: dict[str, Any], words: str
    ) -> None:
        must_fail(toy(**changes), "card", words)

    def test_a_reconstruction_needs_no_reference_code(self, toy: Make) -> None:
        run_check(toy(reference={}, reconstruction=True), "card")


class TestHyperparameters:
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"hyperparameters": {"default": {}}}, "lacks `batch_size`"),
            ({"hp": {"width": 3}}, "[hyperparameters.default] has `width`"),
            ({"tables": {"mosy": {}}}, "[hyperparameters.mosy] is no dataset"),
            ({"hp": {"batch_size": 0}}, "`batch_size >= 1` must hold"),
            ({"search": {"width": {"choices": [1, 2]}}}, "[search] has `width`"),
            ({"search": {"dropout": {"low": 0, "high": 1}}}, "`type` (float or int)"),
            ({"search": {"dropout": {"type": "float", "low": 1, "high": 0}}}, "with low < high"),
            ({"search": {"dropout": {"type": "float", "low": 0.5, "high": 0.9}}}, "outside its search space"),
            ({"search": {"epochs": {"choices": [8, 80]}}}, "part of every method's equal budget"),
            ({"search": {"dropout": {"choices": [0.1]}}}, "nothing to choose"),
        ],
    )
    def test_card_and_dataclass_must_agree(
        self, toy: Make, must_fail: Make, changes: dict[str, Any], words: str
    ) -> None:
        must_fail(toy(**changes), "hyperparameters", words)

    def test_the_dataclass_is_frozen_and_documented(self, toy: Make, must_fail: Make) -> None:
        @dataclass(frozen=True, kw_only=True)
        class Undocumented(Hyperparameters):
            dropout: float

        class Plain:
            pass

        undocumented = type("Undocumented", (), {"hyperparameters": Undocumented})
        must_fail(toy(undocumented), "hyperparameters", "`dropout` of Undocumented has no docstring")
        must_fail(toy(type("Loose", (), {"hyperparameters": Plain})), "hyperparameters", "frozen=True")


class TestParameterCount:
    def test_a_wrong_count_is_told_with_the_difference(
        self, mosi_parameters: int, toy: Make, must_fail: Make
    ) -> None:
        must_fail(toy(parameters={"mosi": mosi_parameters + 7}), "parameter_count", "-7 against the card's")

    def test_no_count_is_a_failure_that_says_what_was_counted(
        self, mosi_parameters: int, toy: Make, must_fail: Make
    ) -> None:
        must_fail(toy(parameters={}), "parameter_count", f"mosi = {mosi_parameters}")

    def test_an_unknown_dataset(self, toy: Make, must_fail: Make) -> None:
        must_fail(toy(parameters={"mosy": 1}), "parameter_count", "'mosy'")
