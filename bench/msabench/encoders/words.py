"""Token ids made word by word, and which word each token is a piece of."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from msabench.encoders.ref import TINY, EncoderRef
from msabench.errors import SpecError
from msabench.run import Array

NO_WORD = -1
"""In place of a word's index: `[CLS]`, `[SEP]` and padding"""
CLS, SEP, _FIRST_WORD = 101, 102, 1000
"""Ids of the encoder `tiny`; 0 is padding"""


def in_pieces(
    tokenizer: Any, words: Sequence[Sequence[str]], length: int, ref: EncoderRef
) -> tuple[Array, Array]:
    """Tokens of sentences that are given as words, each word tokenised by itself.

    Parameters
    ----------
    tokenizer
        The encoder's.
    words
        N sentences.
    length
        Tokens per sentence, special ones included; what is beyond is cut off.

    Returns
    -------
    tokens
        (N, 3, L) int32: ids, mask, segment ids.
    index
        (N, L) int32: the word that a token is a piece of, or `NO_WORD`.

    Raises
    ------
    SpecError
        If the tokenizer cannot say where its pieces come from.
    """
    tokens = np.zeros((len(words), 3, length), np.int32)
    index = np.full((len(words), length), NO_WORD, np.int32)
    if not len(words):
        return tokens, index
    coded = tokenizer(
        [list(sentence) or [""] for sentence in words],
        is_split_into_words=True,
        padding="max_length",
        truncation=True,
        max_length=length,
        return_attention_mask=True,
        return_token_type_ids=True,
        return_tensors="np",
    )
    for place, key in enumerate(("input_ids", "attention_mask", "token_type_ids")):
        tokens[:, place] = coded[key]
    try:
        for row in range(len(words)):
            index[row] = [NO_WORD if word is None else word for word in coded.word_ids(row)]
    except ValueError as error:
        raise untraceable(ref) from error
    return tokens, index


def untraceable(ref: EncoderRef) -> SpecError:
    """The error where a tokenizer has no fast form, which alone knows the word of a piece."""
    return SpecError(
        f"the tokenizer of text encoder '{ref.name}' does not tell which word a piece is of",
        where=str(ref.path),
        fix="download the model with its tokenizer.json, or choose another --text-encoder",
    )


def hashed(words: Sequence[Sequence[str]], length: int) -> tuple[Array, Array]:
    """`in_pieces` for the encoder `tiny`: a word is one token, whose id is its hash."""
    tokens = np.zeros((len(words), 3, length), np.int32)
    index = np.full((len(words), length), NO_WORD, np.int32)
    for row, place, sentence in zip(tokens, index, words, strict=True):
        kept = sentence[: max(0, length - 2)]
        ids = [CLS, *map(hashed_id, kept), SEP]
        row[0, : len(ids)], row[1, : len(ids)] = ids[:length], 1
        place[1 : len(kept) + 1] = np.arange(len(kept))
    return tokens, index


def hashed_id(word: str) -> int:
    """The token that stands for a word in the encoder `tiny`."""
    return _FIRST_WORD + zlib.crc32(word.lower().encode()) % (TINY.vocabulary - _FIRST_WORD)


def spread(frames: Array, index: Array) -> Array:
    """Each word's frame at the tokens that are its pieces.

    Parameters
    ----------
    frames
        (N, L_w, d), frame j of word j.
    index
        (N, L), the word of each token.

    Returns
    -------
    (N, L, d) float32: 0 at special tokens, at padding, and at words beyond the last frame.
    """
    made = np.zeros((*index.shape, frames.shape[2]), np.float32)
    for target, source, words in zip(made, frames, index, strict=True):
        here = (words >= 0) & (words < len(source))
        target[here] = source[words[here]]
    return made
