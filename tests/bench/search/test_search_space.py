"""Which settings a search tries: pure functions of the space, the seed and the trial's number."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msabench.data.cards import DATASETS
from msabench.errors import SpecError
from msabench.registry import AS_PUBLISHED, METHODS
from msabench.search import Space, space_of
from msabench.search.space import Choice, Range

LF_DNN = METHODS.card("lf_dnn")


def space(**dimensions: Choice | Range) -> Space:
    return Space(dimensions=dimensions, published={name: each.at(0.0) for name, each in dimensions.items()})


@pytest.mark.parametrize("dataset", [f"{c.name}:{v}" for c in DATASETS.values() for v in c.variants])
@pytest.mark.parametrize("name", list(METHODS))
def test_every_published_value_is_inside_its_range_on_every_dataset(name: str, dataset: str) -> None:
    card = METHODS.card(name)
    # defined for it or not: a file that lacks what a method needs may be replaced by one that has it
    made = space_of(card, dataset)
    assert dict(made.published) == {key: card.values(dataset)[key] for key in card.search}
    assert all(made.dimensions[key].holds(value) for key, value in made.published.items())
    for overlay in ({}, card.hyperparameters.get(AS_PUBLISHED, {})):
        fixed = space_of(card, dataset, overlay)
        assert not set(fixed.dimensions) & set(overlay)


@pytest.mark.parametrize("name", list(METHODS))
@pytest.mark.parametrize("dataset", ["mosi:unaligned", "mosei:unaligned", "sims:unaligned"])
def test_trial_0_is_the_published_setting_of_every_method(name: str, dataset: str) -> None:
    card = METHODS.card(name)
    made = space_of(card, dataset)
    assert {**card.values(dataset), **made.configuration(0, 1)} == card.values(dataset)
    other = made.configuration(1, 1)
    assert other != made.configuration(0, 1) and set(other) == set(card.search)
    assert all(made.dimensions[key].holds(value) for key, value in other.items())
    assert card.values(dataset, other)  # every value is of the type that the card wants


@given(st.integers(1, 500), st.integers(0, 2**31), st.sampled_from(["qmc", "random"]))
def test_a_configuration_depends_on_space_seed_and_number_alone(number: int, seed: int, sampler: Any) -> None:
    made = space_of(LF_DNN, "mosi:unaligned")
    first = made.configuration(number, seed, sampler)
    made.configuration(number + 7, seed, sampler)
    assert space_of(LF_DNN, "mosi:unaligned").configuration(number, seed, sampler) == first


def test_other_seeds_try_other_settings() -> None:
    made = space_of(LF_DNN, "mosi:unaligned")
    for sampler in ("qmc", "random"):
        tried = [made.configuration(number, seed, sampler) for seed in (1, 2) for number in (1, 2, 3)]
        assert len({str(each) for each in tried}) == 6, sampler


def test_the_order_of_a_card_does_not_matter() -> None:
    turned = replace(LF_DNN, search=dict(reversed(LF_DNN.search.items())))
    for number in (1, 2, 40):
        one, other = (space_of(card, "mosi:unaligned").configuration(number, 3) for card in (LF_DNN, turned))
        assert one == other


GOLDEN = Space(
    dimensions={
        "rate": Range(low=1e-5, high=1e-1, log=True, integer=False),
        "share": Range(low=0.0, high=0.5, log=False, integer=False),
        "width": Range(low=8, high=512, log=True, integer=True),
        "flag": Choice(values=("a", "b", "c")),
    },
    published={"rate": 1e-3, "share": 0.1, "width": 64, "flag": "b"},
)


TRIED: dict[str, list[tuple[Any, ...]]] = {
    "qmc": [
        (0.001, 0.1, 64, "b"),
        (7.718e-05, 0.2716, 8, "a"),
        (0.003814, 0.1225, 384, "c"),
        (0.01558, 0.4753, 42, "a"),
        (2.069e-05, 0.1978, 100, "c"),
    ],
    "random": [
        (0.001, 0.1, 64, "b"),
        (1.967e-05, 0.3694, 10, "a"),
        (2.306e-05, 0.0474, 8, "a"),
        (1.474e-05, 0.2124, 8, "a"),
        (0.001581, 0.4705, 173, "b"),
    ],
}


@pytest.mark.parametrize("sampler", ["qmc", "random"])
def test_the_same_settings_on_every_machine_and_in_every_version(sampler: Any) -> None:
    """A study of two machines, or one that goes on after an update, would else be of two searches."""
    tried = [tuple(GOLDEN.configuration(number, 4242, sampler).values()) for number in (0, 1, 2, 3, 40)]
    assert tried == TRIED[sampler]


@given(st.floats(0, 1, exclude_max=True), st.integers(-5, 5), st.integers(1, 9))
def test_numbers_stay_between_their_bounds_and_reach_both(u: float, low: int, width: int) -> None:
    whole = Range(low=low, high=low + width, log=False, integer=True)
    assert low <= whole.at(u) <= low + width and isinstance(whole.at(u), int)
    assert (whole.at(0.0), whole.at(0.999999)) == (low, low + width)
    real = Range(low=1e-5, high=1e-2, log=True, integer=False)
    assert 1e-5 <= real.at(u) <= 1e-2 and real.holds(real.at(u))


def test_a_logarithmic_range_gives_each_decade_its_share() -> None:
    made = space(rate=Range(low=1e-6, high=1e-2, log=True, integer=False))
    rates = [made.configuration(i, 3)["rate"] for i in range(1, 129)]
    shares = [sum(10.0**e <= rate < 10.0 ** (e + 1) for rate in rates) for e in (-6, -5, -4, -3)]
    assert shares == pytest.approx([32] * 4, abs=2), "a Sobol sequence covers evenly"


def test_choices_may_be_of_any_kind_and_keep_it() -> None:
    made = space(grans=Choice(values=([1, 5], [2, 3])), flag=Choice(values=(True, False)))
    seen = [made.configuration(i, 1) for i in range(1, 9)]
    assert {str(each["grans"]) for each in seen} == {"[1, 5]", "[2, 3]"}
    assert not Choice(values=(1, 2)).holds(True) and not Choice(values=(1.0,)).holds(1)


def test_what_a_row_sets_in_brackets_is_not_searched() -> None:
    made = space_of(LF_DNN, "mosi:unaligned", {"batch_size": 7})
    assert "batch_size" in LF_DNN.search and "batch_size" not in made.dimensions
    assert "batch_size" not in made.configuration(3, 1)


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ({"choices": [1, 2]}, "outside its search space"),
        ({"type": "float", "low": 1.0, "high": 0.5}, "with low < high"),
        ({"type": "float", "low": 0.0, "high": 0.5, "log": True}, "low > 0"),
        ({"type": "text"}, "with low < high"),
        ({"type": "int", "low": 1}, "high"),
        ({"type": "float", "low": 0.0, "high": float("inf")}, "finite"),
        ({"type": "int", "low": 1.5, "high": 9.5}, "whole bounds"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused(stated: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words) as caught:
        space_of(replace(LF_DNN, search={"learning_rate": stated}), "mosi:unaligned")
    assert "card.toml" in str(caught.value.where)


@pytest.mark.parametrize(
    ("name", "words"),
    [("epochs", "equal budget"), ("patience", "equal budget"), ("width", "no hyperparameter")],
)
def test_neither_the_budget_nor_what_is_unknown_is_searched(name: str, words: str) -> None:
    search = {**LF_DNN.search, name: {"choices": [8, 200]}}
    with pytest.raises(SpecError, match=words):
        space_of(replace(LF_DNN, search=search), "mosi:unaligned")


def test_a_number_below_0_and_a_sampler_that_needs_results_are_refused() -> None:
    made = space(flag=Choice(values=(1, 2)))
    with pytest.raises(ValueError, match="number >= 0"):
        made.configuration(-1, 1)
    with pytest.raises(ValueError, match="depend on what was tried"):
        made.configuration(1, 1, "tpe")  # type: ignore[arg-type]
