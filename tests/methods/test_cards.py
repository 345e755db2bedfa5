"""Every registered method's card against its code."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from msabench.data.cards import resolve
from msabench.method import METHODS, Method
from msabench.metrics import CONVENTIONS

DATASETS = ("mosi", "mosei", "sims")


@pytest.fixture(params=list(METHODS))
def name(request: pytest.FixtureRequest) -> str:
    """Each registered method in turn."""
    return request.param


def test_card_and_dataclass_name_the_same_hyperparameters(name: str) -> None:
    card = METHODS.card(name)
    declared = {field.name for field in fields(METHODS[name].hyperparameters)}
    assert set(card.hyperparameters["default"]) == declared
    for values in (*card.hyperparameters.values(), card.search):
        assert set(values) <= declared


def test_values_for_a_dataset_have_the_types_of_the_default(name: str) -> None:
    card = METHODS.card(name)
    default = card.hyperparameters["default"]
    for dataset in card.hyperparameters:
        for key, value in card.values(dataset).items():
            assert type(value) is type(default[key]), (dataset, key)


@pytest.mark.parametrize("dataset", DATASETS)
def test_search_space_holds_the_published_value(name: str, dataset: str) -> None:
    card = METHODS.card(name)
    values = card.values(dataset)
    assert card.search
    for key, space in card.search.items():
        assert holds(space, values[key]), f"{key} = {values[key]} is outside {space}"


def holds(space: dict[str, Any], value: Any) -> bool:
    """Whether a search dimension can give a value."""
    if "choices" in space:
        return value in [choice for choice in space["choices"] if type(choice) is type(value)]
    of_type = isinstance(value, int if space["type"] == "int" else float)
    return of_type and space["low"] <= value <= space["high"] and not (space.get("log") and value <= 0)


def test_deviations_are_numbered_and_named_in_the_code(name: str) -> None:
    card = METHODS.card(name)
    numbers = [deviation.id for deviation in card.deviations]
    assert numbers == [f"D{i}" for i in range(1, len(numbers) + 1)]
    header = (card.path.parent / "model.py").read_text(encoding="utf-8").split('"""')[1]
    assert [
        line.split()[0] for line in header.splitlines() if line[:1] == "D" and line[1:2].isdigit()
    ] == numbers


def test_published_figures_are_known_metrics_in_their_units(name: str) -> None:
    card = METHODS.card(name)
    for figure in card.published:
        convention = CONVENTIONS[card.convention(figure.dataset, resolve(figure.dataset)[0].convention)]
        known = {metric.key for metric in convention.figures}
        assert figure.metric in known or figure.not_comparable, figure
        low, high = {"mae": (0.1, 2.0), "corr": (0.0, 1.0)}.get(figure.metric, (10.0, 100.0))
        assert low < figure.value < high, figure


@pytest.mark.parametrize("dataset", DATASETS)
def test_parameter_count_equals_the_cards(
    name: str, dataset: str, build_at_real_sizes: Callable[..., Method]
) -> None:
    method = build_at_real_sizes(name, dataset)
    assert sum(p.numel() for p in method.parameters()) == METHODS.card(name).parameters[dataset]
