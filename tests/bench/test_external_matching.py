"""Matching by ids: any order gives one result, and whatever does not fit is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msabench.errors import DataError
from msabench.external.matching import Matched, matched
from msabench.external.submission import Part
from msabench.external.target import Target
from msabench.run import Task, Truths

TEST, VALID, TRAIN = ([f"{split}_{i}" for i in range(size)] for split, size in (("t", 6), ("v", 4), ("r", 3)))
rng = np.random.default_rng(0)
TARGET = Target(
    dataset="mosi:unaligned", data_kind="real", data_hash="0" * 64, task=Task(kind="regression"),
    convention="mmsa", train_ids=frozenset(TRAIN),
    truths=Truths(
        valid_ids=np.array(VALID), valid=rng.normal(size=4).astype(np.float32),
        test_ids=np.array(TEST), test=rng.normal(size=6).astype(np.float32),
    ),
)  # fmt: skip
VALUES = {name: place / 10 for place, name in enumerate((*TEST, *VALID, *TRAIN))}
LABELS = {
    **dict(zip(TEST, TARGET.truths.test, strict=True)),
    **dict(zip(VALID, TARGET.truths.valid, strict=True)),
}


def _part(ids: list[str], *, epochs: int = 1, truths: bool = False, split: str = "") -> Part:
    values = np.array([[VALUES.get(name, 9.0) + epoch for name in ids] for epoch in range(epochs)])
    known = np.array([LABELS.get(name, 0.0) for name in ids]) if truths else None
    return Part(ids=np.array(ids), values=values, where="theirs.csv", truths=known, split=split)


def _expected(ids: list[str], epochs: int) -> np.ndarray:
    return np.array([[VALUES[name] + epoch for name in ids] for epoch in range(epochs)], np.float32)


@settings(deadline=None)
@given(
    order=st.permutations([*TEST, *VALID, *TRAIN]), cut=st.integers(0, 12), epochs=st.integers(1, 3),
    truths=st.booleans(),
)  # fmt: skip
def test_any_order_in_one_file_or_two_parts_gives_the_same(
    order: list[str], cut: int, epochs: int, truths: bool
) -> None:
    pieces = [piece for piece in (order[:cut], order[cut:]) if piece]
    found: Matched = matched([_part(piece, epochs=epochs, truths=truths) for piece in pieces], TARGET)
    assert np.array_equal(found.test, _expected(TEST, epochs))
    assert found.valid is not None and np.array_equal(found.valid, _expected(VALID, epochs))
    assert found.test.dtype == np.float32
    assert any("3 rows of the training split are left out" in remark for remark in found.remarks)


@settings(deadline=None)
@given(
    order=st.permutations([*TEST, *VALID]),
    lost=st.sets(st.sampled_from([*TEST, *VALID]), min_size=1, max_size=3),
)
def test_every_missing_id_is_counted_and_named(order: list[str], lost: set[str]) -> None:
    kept = [name for name in order if name not in lost]
    with pytest.raises(DataError) as told:
        matched([_part(kept)], TARGET)
    # the test split is looked at first; of it or of validation every lost id is named
    split = [name for name in TEST if name in lost] or [name for name in VALID if name in lost]
    assert f"{len(split)} of" in told.value.what and all(name in told.value.what for name in split)


@settings(deadline=None)
@given(order=st.permutations(TEST), twice=st.sets(st.sampled_from(TEST), min_size=1, max_size=3))
def test_every_id_that_is_there_twice_is_named(order: list[str], twice: set[str]) -> None:
    with pytest.raises(DataError) as told:
        matched([_part([*order, *sorted(twice)])], TARGET)
    assert f"{len(twice)} ids are there more than once" in told.value.what
    assert all(name in told.value.what for name in twice)


@settings(deadline=None)
@given(order=st.permutations(TEST), strange=st.sets(st.sampled_from(["x1", "x2", "T_0", "t_00"]), min_size=1))
def test_every_unknown_id_is_counted_and_named(order: list[str], strange: set[str]) -> None:
    with pytest.raises(DataError) as told:
        matched([_part([*order, *sorted(strange)])], TARGET)
    assert f"{len(strange)} of {len(order) + len(strange)} ids are of no" in told.value.what
    assert all(name in told.value.what for name in sorted(strange)[:3])


@settings(deadline=None)
@given(order=st.permutations(TEST), place=st.integers(0, 5), off=st.sampled_from([0.01, -1.0, np.nan]))
def test_a_truth_that_is_not_the_splits_is_named(order: list[str], place: int, off: float) -> None:
    part = _part(order, truths=True)
    assert part.truths is not None
    part.truths[place] += off
    with pytest.raises(DataError, match=f"1 of 6 truths .* '{order[place]}' is"):
        matched([part], TARGET)


def test_rows_of_training_need_no_known_ids_when_they_are_marked() -> None:
    found = matched([_part(TEST), _part(["new_1", "new_2"], split="train")], TARGET)
    assert found.valid is None and "2 rows of the training split" in found.remarks[0]


def test_two_logits_of_a_binary_task_are_one_and_probabilities_are_refused() -> None:
    binary = replace(TARGET, task=Task(kind="binary", label_range=(0, 1)))
    logits = np.stack([np.linspace(2, -2, 6), np.linspace(-1, 3, 6)], axis=1)[None]
    part = Part(ids=np.array(TEST), values=logits, where="theirs.csv")
    assert np.allclose(matched([part], binary).test[0], np.linspace(-3, 5, 6)), "above 0 for class 1"
    share = Part(ids=np.array(TEST), values=np.linspace(0, 1, 6)[None], where="theirs.csv")
    with pytest.raises(DataError, match="a logit is expected, which is above 0 for class 1"):
        matched([share], binary)


def test_numbers_of_classes_stand_for_logits_and_others_are_refused() -> None:
    three = replace(TARGET, task=Task(kind="multiclass", classes=3, label_range=(0, 2)))
    numbers = np.array([[0.0, 1, 2, 2, 1, 0]])
    found = matched([Part(ids=np.array(TEST), values=numbers, where="theirs.csv")], three).test
    assert found.shape == (1, 6, 3) and found[0].argmax(axis=1).tolist() == [0, 1, 2, 2, 1, 0]
    for odd in (numbers + 1, numbers + 0.5):
        with pytest.raises(DataError, match="3 logits a sample, or the number of its class from 0"):
            matched([Part(ids=np.array(TEST), values=odd, where="theirs.csv")], three)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_named(value: float) -> None:
    part = _part(TEST)
    part.values[0, 4] = value
    with pytest.raises(DataError, match="1 predictions are not finite") as told:
        matched([part], TARGET)
    assert "t_4" in str(told.value)


def test_one_split_of_more_epochs_than_the_other_is_refused() -> None:
    with pytest.raises(DataError, match="3 epochs of test predictions, but 2 of validation"):
        matched([_part(TEST, epochs=3), _part(VALID, epochs=2)], TARGET)
