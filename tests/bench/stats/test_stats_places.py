"""Places of rows under many readings, and how often they change."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from msabench.stats.places import family, places, stability

MEANS = {
    # (convention, metric, selection): row to values of its seeds
    ("mmsa", "non0_acc2", "same-epoch"): {"a": [0.80, 0.82], "b": [0.79, 0.80], "c": [0.70, 0.71]},
    ("mmsa", "has0_acc2", "same-epoch"): {"a": [0.78, 0.78], "b": [0.79, 0.79], "c": [0.70, 0.70]},
    ("mag", "acc2", "best-epoch"): {"a": [0.75, 0.75], "b": [0.76, 0.76], "c": [0.77, 0.77]},
    ("mmsa", "mae", "same-epoch"): {"a": [0.90, 0.92], "b": [0.90001, 0.92001], "c": [1.0, 1.1]},
    ("mmsa", "corr", "same-epoch"): {"a": [0.6, 0.7], "b": [math.nan, 0.7], "c": [0.5, 0.5]},
}


def _frame() -> pd.DataFrame:
    lines = [
        {
            "row": row,
            "method": row,
            "dataset": "mosi:unaligned",
            "data_kind": "real",
            "track": "paper",
            "text_encoder": "minilm",
            "text_mode": "frozen",
            "seed": 1111 + place,
            "key": f"{row}{place}",
            "metric": metric,
            "value": value,
            "epoch": 1,
            "epochs": 2,
            "convention": convention,
            "selection": selection,
            "oracle": selection == "best-epoch",
            "notes": "",
        }
        for (convention, metric, selection), rows in MEANS.items()
        for row, values in rows.items()
        for place, value in enumerate(values)
    ]
    return pd.DataFrame(lines)


@pytest.fixture
def ranked() -> pd.DataFrame:
    return places(_frame())


def _of(ranked: pd.DataFrame, metric: str) -> dict[str, float]:
    found = ranked[ranked["metric"] == metric]
    return dict(zip(found["row"], found["place"], strict=True))


def test_higher_accuracy_and_lower_error_are_better(ranked: pd.DataFrame) -> None:
    assert _of(ranked, "non0_acc2") == {"a": 1, "b": 2, "c": 3}
    assert _of(ranked, "acc2") == {"c": 1, "b": 2, "a": 3}


def test_means_that_print_alike_share_a_place(ranked: pd.DataFrame) -> None:
    assert _of(ranked, "mae") == {"a": 1, "b": 1, "c": 3}


def test_an_undefined_mean_has_no_place_and_takes_none(ranked: pd.DataFrame) -> None:
    found = _of(ranked, "corr")
    assert found["a"] == 1 and found["c"] == 2 and math.isnan(found["b"])
    assert set(ranked.loc[ranked["metric"] == "corr", "rivals"]) == {2}


def test_rows_on_another_encoder_are_ranked_by_themselves() -> None:
    frame = _frame()
    frame.loc[frame["row"] == "a", "text_encoder"] = "bert"
    assert _of(places(frame), "non0_acc2") == {"a": 1, "b": 1, "c": 2}


def test_a_metric_that_its_convention_does_not_count_is_left_out() -> None:
    frame = _frame()
    frame.loc[frame["metric"] == "corr", "metric"] = "acc3"
    assert "acc3" not in set(places(frame)["metric"])


def test_stability_counts_other_winners_and_agreement(ranked: pd.DataFrame) -> None:
    part = ranked[ranked["family"] == "Acc-2"]
    found = stability(part, part["metric"] == "non0_acc2")
    # a b c against b a c: 2 of 3 pairs keep their order; against c b a: none does
    assert found.readings == 3
    assert found.other_winner == 1.0
    assert found.agreement == pytest.approx((1 / 3 - 1) / 2)


def test_one_reading_has_nothing_to_agree_with(ranked: pd.DataFrame) -> None:
    part = ranked[ranked["family"] == "MAE"]
    assert math.isnan(stability(part, part["metric"] == "mae").agreement)


def test_no_runs_give_no_places() -> None:
    assert places(_frame().iloc[:0]).empty


@pytest.mark.parametrize(
    ("metric", "name"),
    [("has0_acc2", "Acc-2"), ("acc", "Acc"), ("f1_micro", "F1"), ("corr", "Corr"), ("recall", "Recall")],
)
def test_families(metric: str, name: str) -> None:
    assert family(metric) == name
