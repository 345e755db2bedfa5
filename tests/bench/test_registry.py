"""What a card says for a dataset, a variant of it, and the original's own behaviour."""

from dataclasses import replace

import pytest

from msabench.errors import SpecError
from msabench.registry import METHODS, MethodCard

LF_DNN = METHODS.card("lf_dnn")


@pytest.fixture
def card() -> MethodCard:
    default = {"epochs": 10, "rate": 0.1, "clip": 0.0}
    own = {"mosi": {"epochs": 20}, "mosi:mag": {"rate": 0.2}, "as_published": {"clip": 1.0}}
    return replace(LF_DNN, hyperparameters={"default": default, **own})


def test_a_variant_is_laid_over_its_dataset(card: MethodCard) -> None:
    assert card.values("mosi:mag") == {"epochs": 20, "rate": 0.2, "clip": 0.0}
    assert card.values("mosi:unaligned") == {"epochs": 20, "rate": 0.1, "clip": 0.0}
    assert card.values("sims:unaligned") == card.values("default")


def test_as_published_stands_for_the_cards_table_and_an_override_comes_last(card: MethodCard) -> None:
    assert card.values("mosi:mag", {"as_published": True})["clip"] == 1.0
    assert card.values("mosi:mag", {"as_published": True, "clip": 2})["clip"] == 2.0
    assert card.values("mosi:mag", {"as_published": False}) == card.values("mosi:mag")


def test_a_method_that_is_as_published_already_says_so() -> None:
    with pytest.raises(SpecError, match="as published already"):
        LF_DNN.values("mosi", {"as_published": True})
