"""Mean, spread and n over seeds."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from msabench.errors import DataError
from msabench.stats import IDENTITY, summarise


def _frame(values: list[float], row: str = "tfn", metric: str = "mae", **columns: object) -> pd.DataFrame:
    base = {name: "x" for name in IDENTITY} | {"row": row, "metric": metric, "oracle": False} | columns
    return pd.DataFrame(
        [{**base, "seed": 5 - i, "key": f"{row}{5 - i}", "value": v} for i, v in enumerate(values)]
    )


def test_mean_and_sample_standard_deviation_over_seeds() -> None:
    values = [0.7, 0.72, 0.65, 0.81]
    found = summarise(_frame(values)).iloc[0]
    assert found["mean"] == pytest.approx(np.mean(values))
    assert found["sd"] == pytest.approx(np.std(values, ddof=1))
    assert (found["n"], found["undefined"]) == (4, 0)
    assert found["keys"] == ("tfn2", "tfn3", "tfn4", "tfn5")


def test_one_seed_has_no_spread() -> None:
    found = summarise(_frame([0.7])).iloc[0]
    assert found["mean"] == 0.7 and math.isnan(found["sd"]) and found["n"] == 1


def test_an_undefined_value_is_never_averaged_away() -> None:
    found = summarise(_frame([0.7, math.nan, 0.9])).iloc[0]
    assert math.isnan(found["mean"]) and math.isnan(found["sd"])
    assert (found["n"], found["undefined"]) == (3, 1)


def test_lines_keep_their_order_and_stay_apart() -> None:
    parts = [
        _frame([0.5], row="tfn"),
        _frame([0.6], row="almt"),
        _frame([0.4], row="tfn", text_encoder="other"),
    ]
    found = summarise(pd.concat(parts, ignore_index=True))
    assert list(found["mean"]) == [0.5, 0.6, 0.4]


def test_a_seed_that_stands_twice_is_refused_with_its_runs() -> None:
    frame = pd.concat([_frame([0.5, 0.6]), _frame([0.7]).assign(key="other")], ignore_index=True)
    with pytest.raises(DataError, match=r"2 finished runs of seed 5(.|\n)*other, tfn5"):
        summarise(frame)


def test_an_empty_frame_has_an_empty_summary_with_all_columns() -> None:
    found = summarise(_frame([]))
    assert found.empty and {"mean", "sd", "n", "undefined", "keys"} < set(found.columns)
