"""HKT's pickles: what is read of them, and what a spoiled one is told."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msabench.data.findings import Findings
from msabench.data.layouts.base import Options, Peek
from msabench.data.layouts.hkt import LAYOUT
from msabench.data.types import Split
from msabench.errors import DataError

Content = dict[str, list[tuple[Any, ...]]]
JOKE = "so that was my whole joke"


def _speech(rng: np.random.Generator, text: str | list[str]) -> tuple[Any, ...]:
    words = len(text.split()) if isinstance(text, str) else sum(len(each.split()) for each in text)
    return text, *(rng.standard_normal((words, width)) for width in (91, 81, 4))


@pytest.fixture
def content() -> Content:
    """6, 3 and 4 samples whose punchlines have 2 to 6 words and whose contexts have 4."""
    rng = np.random.default_rng(0)
    return {
        name: [
            (
                _speech(rng, " ".join(JOKE.split()[: 2 + i % 5])),
                _speech(rng, ["one two three", "four"]),
                f"{name}_{i}",
                i % 2,
            )
            for i in range(n)
        ]
        for name, n in {"train": 6, "dev": 3, "test": 4}.items()
    }


@pytest.fixture
def read(tmp_path: Path) -> Callable[[object], list[Split]]:
    def from_pickle(content: object) -> list[Split]:
        path = tmp_path / "ur_funny.pkl"
        path.write_bytes(pickle.dumps(content))
        return list(LAYOUT.read(Peek(path), Findings(file=path, strict=True), Options()))

    return from_pickle


def test_words_features_context_and_labels_arrive(content: Content, read: Callable[[object], list[Split]]):
    train, valid, test = read(content)
    assert [len(train), len(valid), len(test)] == [6, 3, 4]
    assert train.labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert train.words is not None
    assert train.words[1] == ("one", "two", "three.", "four", "so", "that", "was.")
    assert train.context_words is not None and train.context_words.tolist() == [4] * 6
    assert train.raw_text is not None and train.raw_text[1] == "so that was"
    assert train.context is not None and train.context[0] == "one two three. four"
    assert train.audio_lengths.tolist() == train.vision_lengths.tolist() == [6, 7, 8, 9, 10, 6]
    assert (train.audio.shape, train.vision.shape) == ((6, 10, 60), (6, 10, 36))
    assert {name: array.shape for name, array in train.extra.items()} == {"hcf": (6, 10, 4)}


def test_the_published_columns_are_used_and_rows_stay_with_their_words(
    content: Content, read: Callable[[object], list[Split]]
):
    (_, visual, acoustic, hcf), (_, *context), _, _ = content["train"][1]
    train = read(content)[0]
    audio = np.concatenate([context[1], acoustic])[:, :60].astype(np.float32)
    vision = np.concatenate([context[0], visual])[:, 55:].astype(np.float32)
    np.testing.assert_allclose(train.audio[1, :7], audio)
    np.testing.assert_allclose(train.vision[1, :7], vision)
    np.testing.assert_allclose(
        train.extra["hcf"][1, :7], np.concatenate([context[2], hcf]).astype(np.float32)
    )
    assert not train.audio[1, 7:].any() and not train.vision[1, 7:].any()


def test_other_widths_are_used_whole(content: Content, read: Callable[[object], list[Split]]):
    def narrow(half: tuple[Any, ...]) -> tuple[Any, ...]:
        return half[0], half[1][:, :36], half[2][:, :60], half[3]

    slim = {name: [(narrow(p), narrow(c), *rest) for p, c, *rest in part] for name, part in content.items()}
    train = read(slim)[0]
    assert (train.audio.shape[2], train.vision.shape[2]) == (60, 36)
    np.testing.assert_allclose(train.vision[0, 4:6], slim["train"][0][0][1].astype(np.float32))


def test_of_a_long_context_the_last_words_are_kept(content: Content, read: Callable[[object], list[Split]]):
    rng = np.random.default_rng(1)
    long = _speech(rng, [" ".join(f"w{i}" for i in range(130))])
    content["train"][0] = (content["train"][0][0], long, "long", 1)
    train = read(content)[0]
    assert train.audio.shape == (6, 102, 60)
    np.testing.assert_allclose(train.audio[0, :100], long[2][-100:, :60].astype(np.float32))
    assert train.words is not None and train.words[0][:1] + train.words[0][99:] == (
        "w30",
        "w129",
        "so",
        "that.",
    )
    assert train.context_words is not None and train.context_words[0] == 100


def test_of_a_long_punchline_the_first_words_are_kept(
    content: Content, read: Callable[[object], list[Split]]
):
    long = _speech(np.random.default_rng(1), " ".join(f"w{i}" for i in range(130)))
    content["test"][0] = (long, *content["test"][0][1:])
    test = read(content)[2]
    assert test.words is not None and test.words[0][3:5] + test.words[0][-1:] == ("four", "w0", "w99")
    np.testing.assert_allclose(test.audio[0, 4:], long[2][:100, :60].astype(np.float32))


def test_the_rows_of_one_half_never_run_into_the_other(
    content: Content, read: Callable[[object], list[Split]]
):
    words, visual, acoustic, hcf = content["train"][0][1]
    fewer = (words, visual[:2], np.concatenate([acoustic, acoustic]), hcf)
    content["train"][0] = (content["train"][0][0], fewer, "uneven", 1)
    train = read(content)[0]
    np.testing.assert_allclose(train.vision[0, :2], visual[:2, 55:].astype(np.float32))
    assert not train.vision[0, 2:4].any()
    spoken = content["train"][0][0]
    np.testing.assert_allclose(train.vision[0, 4:6], spoken[1][:, 55:].astype(np.float32))
    np.testing.assert_allclose(train.audio[0, 4:6], spoken[2][:, :60].astype(np.float32))


def test_an_empty_context_is_fine(content: Content, read: Callable[[object], list[Split]]):
    content["dev"][0] = (content["dev"][0][0], ([], [], [], []), "alone", 1)
    valid = read(content)[1]
    assert valid.context is not None and valid.context[0] == ""
    assert valid.context_words is not None and valid.context_words[:2].tolist() == [0, 4]
    assert valid.words is not None and valid.words[0] == ("so", "that.")
    spoken = content["dev"][0][0]
    np.testing.assert_allclose(valid.audio[0, :2], spoken[2][:, :60].astype(np.float32))


def test_empty_sentences_leave_no_full_stop(content: Content, read: Callable[[object], list[Split]]):
    content["dev"][0] = (content["dev"][0][0], _speech(np.random.default_rng(0), ["", "a b", " "]), "x", 1)
    valid = read(content)[1]
    assert valid.words is not None and valid.words[0] == ("a", "b", "so", "that.")


def test_rows_that_do_not_match_the_words_are_mended_and_told(content: Content, tmp_path: Path):
    words, visual, acoustic, hcf = content["test"][3][0]
    content["test"][3] = ((words, visual[1:], acoustic, hcf), *content["test"][3][1:])
    path = tmp_path / "mustard.pkl"
    path.write_bytes(pickle.dumps(content))
    findings = Findings(file=path, strict=False)
    test = list(LAYOUT.read(Peek(path), findings, Options()))[2]
    assert findings.errors == 0
    assert any("1 samples have not one row per word" in each.what for each in findings.entries)
    assert not test.vision[3, 4 + len(words.split()) - 1].any()


def test_minus_infinity_in_audio_becomes_zero(content: Content, read: Callable[[object], list[Split]]):
    content["train"][0][0][2][0, 5] = -np.inf
    assert read(content)[0].audio[0, 4, 5] == 0


def _spoil(content: Content, place: int, value: object) -> Content:
    sample = list(content["dev"][1])
    sample[place] = value
    content["dev"][1] = tuple(sample)
    return content


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (3, 2, "label 2"),
        (3, "humor", "label 'humor'"),
        (2, "dev_0", "duplicate id 'dev_0'"),
        (0, ("just words",), "punchline: not a tuple"),
        (0, (7, [], [], []), "punchline: the words are neither"),
        (
            1,
            (["a b"], np.zeros((2, 90)), np.zeros((2, 81)), np.zeros((2, 4))),
            "context, visual: has shape (2, 90)",
        ),
        (1, (["a b"], "frames", np.zeros((2, 81)), np.zeros((2, 4))), "context, visual: is a str"),
        (1, (["a"], [["x"] * 91], np.zeros((1, 81)), np.zeros((1, 4))), "values of type <U1"),
        (1, (["a b"], [[1.0], [1.0, 2.0]], [], []), "the frames differ in width"),
        (1, (["a"], np.full((1, 91), np.nan), np.zeros((1, 81)), np.zeros((1, 4))), "entries of NaN"),
    ],
)
def test_faults_are_named_with_their_sample(
    content: Content, read: Callable[[object], list[Split]], place: int, value: object, says: str
):
    with pytest.raises(DataError) as caught:
        read(_spoil(content, place, value))
    assert says in caught.value.what
    assert "split 'valid'" in caught.value.where and "row 1" in caught.value.where


def test_a_missing_split_is_named(content: Content, read: Callable[[object], list[Split]]):
    del content["dev"]
    with pytest.raises(DataError, match="split 'valid' is missing"):
        read(content)


def test_the_layout_is_recognised_and_others_are_not(content: Content, tmp_path: Path):
    def score(value: object) -> float:
        path = tmp_path / "any.pkl"
        path.write_bytes(pickle.dumps(value))
        return LAYOUT.recognise(Peek(path)).score

    assert score(content) == 1
    assert score({"train": [(("a", [[0.0]], [[0.0]]), 1.0, "id")]}) < 0.5
    assert score({"train": {"id": ["a"]}}) == 0
    assert score([1, 2]) == 0
