"""Token ids of a dataset for an encoder: the file's own where they fit, else made from the transcripts."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from msabench.data.types import Dataset, Language, Split, SplitName
from msabench.encoders import pairs
from msabench.encoders.ref import TINY, EncoderRef
from msabench.encoders.store import building, folder_of, opened, tokenizer_files, written
from msabench.encoders.words import hashed, in_pieces
from msabench.errors import DataError, SpecError
from msabench.run import Array

DEFAULT_LENGTH = 50
"""Tokens per sample where file and card say nothing: the length of MOSI's and MOSEI's feature files"""
SHORTEST = 4
"""Tokens that hold a piece of a pair of texts between special ones"""

SAMPLED_ROWS = 64
SAME_VOCABULARY = 0.5
"""Share of the file's tokens that the encoder's tokenizer must find in the transcripts. Of another
vocabulary next to none are found; the same vocabulary under another reading of apostrophes or spaces
loses a few."""

_PROBE: dict[Language, tuple[str, list[int], int]] = {
    "en": ("hello world", [7592, 2088], 30522),
    "zh": ("你好", [872, 1962], 21128),
}
"""A text, its ids and the size of the vocabulary in the BERT-base of a language"""


def tokens(ref: EncoderRef, dataset: Dataset, length: int = 0) -> dict[SplitName, Array]:
    """Token ids, mask and segment ids of every split.

    The file's own ids are taken if they were made with the encoder's vocabulary: the encoder's tokenizer
    finds them again in a sample of the transcripts or, where the file has none, is that of the BERT-base
    of the dataset's language, with which files of this layout are made. Else the transcripts are
    tokenised: `[CLS]` ... `[SEP]`, cut to `token_length` and padded at the back. In word-level data each word
    is tokenised by itself, and a sample with a context is a pair, `[CLS]` context `[SEP]` words `[SEP]`. The
    result is kept in the dataset's cache.

    Parameters
    ----------
    length
        Tokens per sample where `token_length` leaves it to the caller; 0 is the card's number.

    Returns
    -------
    For each split (N, 3, L) int32, memory-mapped where it comes from the disk.

    Raises
    ------
    DataError
        If the file's ids do not fit the encoder and there are no transcripts.
    SpecError
        If the encoder is `features`, its tokenizer cannot be loaded, or the length is out of range.
    """
    if ref.path is None and ref != TINY:
        raise SpecError(
            "the dataset's own text features have no token ids",
            fix="choose another --text-encoder: bert, minilm, a folder",
        )
    length = token_length(ref, dataset, length)
    folder = folder_of(ref, dataset, length)
    found = _stored(folder, dataset, length)
    if found is None:
        with building(folder):
            found = _stored(folder, dataset, length) or _make(folder, ref, dataset, length)
    return found


def token_length(ref: EncoderRef, dataset: Dataset, length: int = 0) -> int:
    """Tokens per sample: of the file's ids, or of its text features if those are sequences; else what is
    asked for, the card's number, or 50. Never more than the encoder reads. Samples with a context have the
    card's number whatever is asked for: it decides how much of the context is read, which is to be the same
    for every method.

    Raises
    ------
    SpecError
        If that is below 4 (0 asks for nothing).
    """
    split = dataset.train
    if split.words is None and split.text_tokens is not None:
        return int(min(split.text_tokens.shape[2], ref.max_length))
    if split.words is None and split.text_features is not None and split.text_features.shape[1] > 1:
        return int(min(split.text_features.shape[1], ref.max_length))
    asked = length if split.context_words is None else 0
    made = asked or dataset.token_length or DEFAULT_LENGTH
    if made < SHORTEST:
        raise SpecError(
            f"{dataset.name}: {made} tokens per sample, but {SHORTEST} are the fewest that hold a word",
            fix="choose a larger token_length, or 0 for the dataset's own",
        )
    return min(made, ref.max_length)


def word_index(ref: EncoderRef, dataset: Dataset, length: int = 0) -> dict[SplitName, Array]:
    """Which word each of the `tokens` of that length is a piece of, for word-level data.

    Returns
    -------
    For each split (N, L) int32, memory-mapped: an index into `Split.words`, or -1 at special tokens and
    padding.

    Raises
    ------
    DataError, SpecError
        As `tokens`; and DataError if the dataset is not word-level.
    """
    if any(split.words is None for split in dataset.splits):
        raise DataError(f"{dataset.name} has no frames by word", fix="use a word-level variant, as mosi:mag")
    shapes = {name: (len(array), array.shape[2]) for name, array in tokens(ref, dataset, length).items()}
    folder = folder_of(ref, dataset, token_length(ref, dataset, length))
    found = {name: opened(folder / f"words-{name}.npy", shape) for name, shape in shapes.items()}
    whole = {name: array for name, array in found.items() if array is not None}
    if len(whole) < len(found):
        raise DataError(
            "the map from tokens to words is missing or damaged", where=str(folder), fix="delete it"
        )
    return whole


def _stored(folder: Path, dataset: Dataset, length: int) -> dict[SplitName, Array] | None:
    try:
        source = json.loads((folder / "tokens.json").read_text(encoding="utf-8"))["source"]
    except (OSError, ValueError, KeyError):
        return None
    if source == "file":
        return _own(dataset)
    arrays = {s.name: opened(folder / f"tokens-{s.name}.npy", (len(s), 3, length)) for s in dataset.splits}
    whole = {name: array for name, array in arrays.items() if array is not None}
    return whole if len(whole) == len(arrays) else None


def _make(folder: Path, ref: EncoderRef, dataset: Dataset, length: int) -> dict[SplitName, Array]:
    tokenizer = None if ref == TINY else _tokenizer(ref, words=dataset.train.words is not None)
    own = _own(dataset)
    if own is not None and _fits(own, ref, dataset, tokenizer):
        found, source = own, "file"
    else:
        found, source = _tokenise(folder, ref, dataset, tokenizer, length), "raw_text"
    partial = folder / f"tokens.json.{os.getpid()}.tmp"
    partial.write_text(json.dumps({"source": source}), encoding="utf-8")
    partial.replace(folder / "tokens.json")
    return found


def _own(dataset: Dataset) -> dict[SplitName, Array] | None:
    """The file's ids, if every split has them at one length, and nothing hangs on the words they are of."""
    if dataset.train.words is not None:
        return None
    own = {s.name: s.text_tokens for s in dataset.splits if s.text_tokens is not None}
    lengths = {array.shape[2] for array in own.values()}
    return own if len(own) == len(dataset.splits) and len(lengths) == 1 else None


def _fits(own: dict[SplitName, Array], ref: EncoderRef, dataset: Dataset, tokenizer: Any) -> bool:
    """Whether the file's ids mean to this encoder what they meant to the one they were made with."""
    if (
        own["train"].shape[2] > ref.max_length
        or max(a[:, 0].max(initial=0) for a in own.values()) >= ref.vocabulary
    ):
        return False
    if ref == TINY:
        return True
    text, ids, size = _PROBE[dataset.language]
    if tokenizer is None:
        return ref.vocabulary == size
    share = _share_found(dataset.train, own["train"], tokenizer)
    if share is not None:
        return share >= SAME_VOCABULARY
    return bool(tokenizer(text, add_special_tokens=False)["input_ids"] == ids)


def _share_found(split: Split, own: Array, tokenizer: Any) -> float | None:
    """Share of the file's tokens that tokenising a sample of the transcripts gives too; None without any."""
    if split.raw_text is None or not len(split):
        return None
    rows = np.unique(np.linspace(0, len(split) - 1, SAMPLED_ROWS).astype(int))
    frame = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    length, total, found = own.shape[2], 0, 0
    for row in rows:
        theirs = Counter(int(i) for i, valid in zip(own[row, 0], own[row, 1], strict=True) if valid)
        ours = Counter(tokenizer(split.raw_text[row], truncation=True, max_length=length)["input_ids"])
        for special in frame:
            theirs.pop(special, None)
        total += theirs.total()
        found += (theirs & ours).total()
    return found / total if total else None


def _tokenizer(ref: EncoderRef, *, words: bool) -> Any:
    """The encoder's tokenizer, for texts or for words; None if its folder has weights alone."""
    from transformers import AutoTokenizer

    if not tokenizer_files(ref):
        return None
    # byte-level vocabularies write the space before a word into its first piece, and take words only so
    more = {"add_prefix_space": True} if words else {}
    try:
        return AutoTokenizer.from_pretrained(
            ref.path,
            local_files_only=True,
            trust_remote_code=False,
            padding_side="right",
            truncation_side="right",
            **more,
        )
    except Exception as error:  # whatever a stranger's files make transformers raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SpecError(
            f"the tokenizer of text encoder '{ref.name}' cannot be loaded: {reason}",
            where=str(ref.path),
            fix="download the model again, with tokenizer.json or vocab.txt",
        ) from error


def _tokenise(
    folder: Path, ref: EncoderRef, dataset: Dataset, tokenizer: Any, length: int
) -> dict[SplitName, Array]:
    found: dict[SplitName, Array] = {}
    for split in dataset.splits:
        if (split.raw_text is None and split.words is None) or (tokenizer is None and ref != TINY):
            raise _impossible(ref, dataset, split)
        if split.words is not None:
            array, index = _by_word(split, split.words, ref, tokenizer, length)
            _write(folder / f"words-{split.name}.npy", index)
        else:
            texts = [str(text) for text in split.raw_text or ()]
            if ref == TINY:
                array, _ = hashed([_split(text, dataset.language) for text in texts], length)
            else:
                array = _encode(tokenizer, texts, length)
        found[split.name] = _write(folder / f"tokens-{split.name}.npy", array)
    return found


def _by_word(
    split: Split, words: tuple[tuple[str, ...], ...], ref: EncoderRef, tokenizer: Any, length: int
) -> tuple[Array, Array]:
    """Tokens (N, 3, L) and the word of each (N, L)."""
    if split.context_words is None:
        return hashed(words, length) if ref == TINY else in_pieces(tokenizer, words, length, ref)
    ends = split.context_words.tolist()
    before = [each[:end] for each, end in zip(words, ends, strict=True)]
    said = [each[end:] for each, end in zip(words, ends, strict=True)]
    if ref == TINY:
        return pairs.hashed(before, said, length)
    return pairs.in_pieces(tokenizer, before, said, length, ref)


def _write(path: Path, array: Array) -> Array:
    def fill(target: Array) -> None:
        target[:] = array

    return written(path, array.shape, np.int32, fill)


def _impossible(ref: EncoderRef, dataset: Dataset, split: Split) -> DataError:
    ids = (
        "are of another vocabulary or longer than it reads"
        if split.text_tokens is not None
        else "are missing"
    )
    if split.raw_text is None:
        lacks, mend = "the file has no transcripts (raw_text)", "use a feature file with raw_text"
    else:
        lacks, mend = (
            "the encoder's folder has no tokenizer",
            f"put tokenizer.json or vocab.txt into {ref.path}",
        )
    return DataError(
        f"text encoder '{ref.name}' cannot read {dataset.name}: {lacks}, and the file's token ids {ids}",
        where=f"split {split.name}",
        fix=f"{mend}; --text-encoder bert reads ids of the usual vocabulary, "
        "--text-encoder features uses the features in the dataset's own file",
    )


def _encode(tokenizer: Any, texts: list[str], length: int) -> Array:
    """(N, 3, L) int32"""
    if not texts:
        return np.zeros((0, 3, length), np.int32)
    coded = tokenizer(
        texts,
        padding="max_length",
        truncation=True,
        max_length=length,
        return_attention_mask=True,
        return_token_type_ids=True,
        return_tensors="np",
    )
    rows = [coded["input_ids"], coded["attention_mask"], coded["token_type_ids"]]
    return np.stack(rows, axis=1).astype(np.int32)


def _split(text: str, language: Language) -> list[str]:
    """The words of a text; its characters where words are not written apart."""
    return [c for c in text if not c.isspace()] if language == "zh" else text.split()
