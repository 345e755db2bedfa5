"""Token ids of what was said with what was said before it: `[CLS] context [SEP] sentence [SEP]`.

As HKT prepares UR-FUNNY and MUStARD (github.com/matalvepu/HKT, main.py), and MLCL after it: segment ids are
0 up to the first `[SEP]` and 1 behind it; what is too long loses the context's first tokens, and once nothing
is left of the context, the sentence's last ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from msabench.encoders.ref import EncoderRef
from msabench.encoders.words import CLS, NO_WORD, SEP, hashed_id, untraceable
from msabench.run import Array

Words = Sequence[str]
_ROWS = 1024
"""Samples tokenised together; what the tokenizer says of each is much larger than its ids"""


def in_pieces(
    tokenizer: Any, contexts: Sequence[Words], sentences: Sequence[Words], length: int, ref: EncoderRef
) -> tuple[Array, Array]:
    """Tokens of N pairs, each word tokenised by itself, in the form that the tokenizer gives to pairs.

    Parameters
    ----------
    tokenizer
        The encoder's.
    contexts
        N rows of words that come first; an empty one still has its `[SEP]`.
    sentences
        N rows of words that come second.
    length
        Tokens per pair, special ones included.

    Returns
    -------
    tokens
        (N, 3, L) int32: ids, mask, segment ids.
    index
        (N, L) int32: the word that a token is a piece of, those of the sentence counted on from those of
        the context; `NO_WORD` at special tokens and padding.

    Raises
    ------
    SpecError
        If the tokenizer cannot say where its pieces come from.
    """
    tokens = np.zeros((len(sentences), 3, length), np.int32)
    index = np.full((len(sentences), length), NO_WORD, np.int32)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise untraceable(ref)
    # a tokenizer.json may bring a length of its own
    backend.no_truncation()
    backend.no_padding()
    tokens[:, 0] = tokenizer.pad_token_id or 0
    room = length - int(backend.num_special_tokens_to_add(True))
    for start in range(0, len(sentences), _ROWS):
        rows = slice(start, start + _ROWS)
        first, second = _encoded(backend, contexts[rows]), _encoded(backend, sentences[rows])
        for row, (before, said) in enumerate(zip(first, second, strict=True), start):
            said.truncate(min(len(said), room))
            before.truncate(min(len(before), room - len(said)), direction="left")
            kept = len(before)
            whole = backend.post_process(before, said, True)
            for place, values in enumerate((whole.ids, whole.attention_mask, whole.type_ids)):
                tokens[row, place, : len(values)] = values
            # which half a piece is of is not kept by `truncate`; the order of the pieces is
            pieces = np.flatnonzero(np.array(whole.special_tokens_mask) == 0)
            words = np.array([whole.word_ids[piece] for piece in pieces], np.int32)
            words[kept:] += len(contexts[row])
            index[row, pieces] = words
    return tokens, index


def hashed(contexts: Sequence[Words], sentences: Sequence[Words], length: int) -> tuple[Array, Array]:
    """`in_pieces` for the encoder `tiny`: a word is one token, whose id is its hash."""
    tokens = np.zeros((len(sentences), 3, length), np.int32)
    index = np.full((len(sentences), length), NO_WORD, np.int32)
    for row, (context, sentence) in enumerate(zip(contexts, sentences, strict=True)):
        said = sentence[: length - 3]
        before = context[max(0, len(context) - (length - 3 - len(said))) :]
        start, end = len(before) + 2, len(before) + len(said) + 3
        ids = [CLS, *map(hashed_id, before), SEP, *map(hashed_id, said), SEP]
        tokens[row, 0, :end], tokens[row, 1, :end], tokens[row, 2, start:end] = ids, 1, 1
        index[row, 1 : start - 1] = np.arange(len(context) - len(before), len(context))
        index[row, start : end - 1] = np.arange(len(context), len(context) + len(said))
    return tokens, index


def _encoded(backend: Any, texts: Sequence[Words]) -> list[Any]:
    """What the tokenizer makes of words without its special tokens."""
    words = [list(each) for each in texts]
    return list(backend.encode_batch(words, is_pretokenized=True, add_special_tokens=False))
