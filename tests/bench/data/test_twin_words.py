"""Twins of word-level variants: the layout's own form, real widths, words and context, and a signal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msabench.data import Split, load
from msabench.data.cards import resolve
from msabench.data.twin import make_twin, write_twin
from msabench.errors import DataError, SpecError


@pytest.mark.parametrize(
    ("name", "sizes", "widths"),
    [
        ("mosi:mag", (128, 23, 68), (74, 47)),
        ("mosei:mag", (1626, 187, 464), (74, 35)),
        ("ur-funny", (760, 98, 98), (60, 36)),
        ("mustard", (54, 8, 8), (60, 36)),
    ],
)
def test_a_tenth_of_a_twin_loads_as_the_real_file_would(
    name: str, sizes: tuple[int, ...], widths: tuple[int, int], tmp_path: Path
) -> None:
    data = load(name, tmp_path, twin=True, scale=0.1)
    assert tuple(map(len, data.splits)) == sizes
    assert (data.train.audio.shape[2], data.train.vision.shape[2]) == widths
    assert data.train.words is not None and data.train.generated and data.kind == "twin"
    for row in (0, 1, 7):
        used = len(data.train.words[row])
        assert data.train.audio_lengths[row] == data.train.vision_lengths[row] == used
        assert data.train.audio[row, :used].any(1).all() and not data.train.audio[row, used:].any()
        assert data.train.vision[row, :used].any(1).all()
    assert not any("not one" in note for note in data.notes)


def test_the_whole_twin_of_a_variant_has_the_variant_s_own_sizes() -> None:
    made = make_twin(*_named("mosi:mag"))
    assert {name: len(samples) for name, samples in made.items()} == {"train": 1281, "dev": 229, "test": 685}


def test_samples_with_a_context_have_words_of_both(tmp_path: Path) -> None:
    train = load("mustard", tmp_path, twin=True, scale=0.3).train
    assert train.words is not None and train.context_words is not None
    assert train.context is not None and train.raw_text is not None
    assert train.context_words.min() >= 3
    for words, split, context, text in zip(
        train.words, train.context_words, train.context, train.raw_text, strict=True
    ):
        assert " ".join(words[:split]) == context and " ".join(words[split:]) == f"{text}."
    assert any(". " in context for context in train.context)
    assert set(train.labels.tolist()) == {0.0, 1.0} and abs(train.labels.mean() - 0.5) < 0.01


def test_features_of_the_words_themselves_tell_of_the_label(tmp_path: Path) -> None:
    """A ridge on the means over the punchline beats guessing."""
    data = load("ur-funny", tmp_path, twin=True, scale=0.1)

    def means(split: Split) -> Any:
        assert split.context_words is not None
        return np.array(
            [
                np.concatenate([split.audio[row, start:end].mean(0), split.vision[row, start:end].mean(0)])
                for row, (start, end) in enumerate(zip(split.context_words, split.audio_lengths, strict=True))
            ]
        )

    x, y = means(data.train), data.train.labels * 2 - 1
    weights = np.linalg.solve(x.T @ x + 300 * np.eye(x.shape[1]), x.T @ y)
    test = np.concatenate([means(data.valid), means(data.test)]) @ weights > 0
    truth = np.concatenate([data.valid.labels, data.test.labels]) > 0
    assert (test == truth).mean() > 0.6


def test_the_same_settings_give_the_same_bytes_and_others_do_not(tmp_path: Path) -> None:
    def content(name: str, **settings: Any) -> bytes:
        return write_twin(*_named("mustard"), tmp_path / name, **{"scale": 0.1, **settings}).read_bytes()

    assert content("a") == content("b") != content("c", seed=1)


def test_a_twin_is_never_taken_for_the_real_file(tmp_path: Path) -> None:
    path = write_twin(*_named("ur-funny"), tmp_path / "ur_funny.pkl", scale=0.002)
    with pytest.raises(DataError, match="generated samples"):
        load("ur-funny", tmp_path, file=path)


def test_a_card_without_what_a_context_needs_says_so(tmp_path: Path) -> None:
    card, variant = resolve("ur-funny")
    table = {key: value for key, value in card.twin.items() if key != "context_words"}
    with pytest.raises(SpecError, match="no twin can be made of ur-funny:hkt: 'context_words'"):
        make_twin(replace(card, twin=table), variant.name)


def _named(name: str) -> tuple[Any, str]:
    card, variant = resolve(name)
    return card, variant.name
