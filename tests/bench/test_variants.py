"""Bracketed variants of a method: what is read, what is refused, and the one form each has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from msabench.errors import SpecError
from msabench.registry import METHODS, MethodCard
from msabench.variants import canonical, expand_methods, parse_row

VALUES = {"batch_size": 8, "rate": 0.1, "mode": "cls", "mask": False, "grans": [1, 5, 10], "names": ["a"]}
CARD = replace(
    METHODS.card("lf_dnn"), hyperparameters={"default": VALUES, "as_published": {"mode": "random"}}
)


@pytest.fixture(autouse=True)
def one_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every method has a card with a value of each type."""

    def card(self: object, name: str) -> MethodCard:
        return replace(CARD, name=name)

    monkeypatch.setattr(type(METHODS), "card", card)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("tfn,tfn[rate=1e-1]", ("tfn", "tfn[rate=0.1]")),
        ("tfn[grans=[1, 5,10]],lf_dnn", ("tfn[grans=[1,5,10]]", "lf_dnn")),
        ("tfn[ rate = 2 , mode = x ]", ("tfn[mode=x,rate=2.0]",)),
        ("tfn[batch_size=4,rate=0.5],tfn[rate=0.5,batch_size=4]", ("tfn[batch_size=4,rate=0.5]",)),
        ("tfn[mode='mean_language'],tfn[mode=mean_language]", ("tfn[mode=mean_language]",)),
        ("tfn[mode='a,b]']", ('tfn[mode="a,b]"]',)),
        ("tfn[names=['x,y', \"z\"]]", ('tfn[names=["x,y","z"]]',)),
        ("tfn[mask=on],tfn[mask=True],tfn[mask=true]", ("tfn[mask=true]",)),
        ("tfn[mask=off]", ("tfn[mask=false]",)),
        ("LF-*[batch_size=4],tf*", ("lf_dnn[batch_size=4]", "tfn")),
        ("tfn[as_published=true],tfn[as_published=false]", ("tfn[as_published=true]", "tfn")),
    ],
)
def test_a_row_has_one_form(text: str, rows: tuple[str, ...]) -> None:
    assert expand_methods(text) == rows
    assert expand_methods(rows) == rows, "what is written to study.toml is read back alike"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        *((row, "not of the form") for row in ("tfn[", "tfn[]", "tfn[rate]", "tfn[rate=]", "tfn[=1]")),
        *(
            (row, "not of the form")
            for row in ("tfn[rate=1]x", "tfn[grans=[1,5]", "tfn[mode='x]", "[rate=1]")
        ),
        ("tfn[rate=1]]", "not of the form"),
        ("tfn[rate=1,rate=2]", "gives rate twice"),
        ("tfn[rat=1]", "did you mean 'rate'"),
        ("tfm[rate=1]", "did you mean 'tfn'"),
        ("tfn[as_publishd=true]", "did you mean 'as_published'"),
        ("tfn[as_published=1]", "takes true or false"),
        ("tfn[batch_size=big]", "takes a whole number, as the card's 8, but got 'big', which is text"),
        ("tfn[batch_size=1.5]", "takes a whole number"),
        ("tfn[rate=true]", "takes a number"),
        ("tfn[mask=1]", "takes true or false, as the card's false"),
        ("tfn[mode=3]", "takes text"),
        ("tfn[grans=5]", "takes a list"),
        ("tfn[grans=[1,x]]", "takes a list"),
        ("tfn[grans=[1,2.5]]", "each entry of grans takes a whole number"),
    ],
)
def test_what_is_wrong_is_said(row: str, words: str) -> None:
    with pytest.raises(SpecError) as error:
        expand_methods(row)
    assert words in str(error.value)


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1).filter(
    lambda text: text.lower() not in ("on", "off", "true", "false")
)
OVERRIDES = st.fixed_dictionaries(
    {},
    optional={
        "batch_size": st.integers(-(2**40), 2**40),
        "rate": st.floats(allow_nan=False, allow_infinity=False),
        "mode": TEXTS,
        "mask": st.booleans(),
        "grans": st.lists(st.integers(0, 99), max_size=4),
        "names": st.lists(TEXTS, max_size=3),
    },
)


@settings(max_examples=150, deadline=None)
@given(OVERRIDES)
def test_any_values_survive_being_written_and_read(overrides: dict[str, Any]) -> None:
    row = canonical("tfn", overrides)
    assert parse_row(row) == ("tfn", overrides)
    assert expand_methods(f"lf_dnn,{row},lf_dnn") == ("lf_dnn", row)
