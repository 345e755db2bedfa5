"""A dataset in memory: three splits of arrays, memory-mapped where they are large."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from msabench.run import Array, DataKind, Task, Truths

SplitName = Literal["train", "valid", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "valid", "test")
Language = Literal["en", "zh"]
TWIN_PREFIX = "twin-"
"""Begins every id of a generated sample, so that a twin's file is known for what it is wherever it goes"""


@dataclass(frozen=True, kw_only=True)
class Split:
    """One split. Row i of every array belongs to `ids[i]`.

    Sequences may have any length, 1 included; padding is at the back and its extent is in `*_lengths`.
    """

    name: SplitName
    ids: Array
    """(N,) str"""
    labels: Array
    """(N,) float32: the score, or the class as a number"""
    audio: Array
    """(N, L_a, d_a) float32; (N, 1, 0) where a dataset has no audio"""
    audio_lengths: Array
    """(N,) int32, 1 <= length <= L_a"""
    vision: Array
    """(N, L_v, d_v) float32; (N, 1, 0) where a dataset has no video"""
    vision_lengths: Array
    """(N,) int32"""
    text_features: Array | None = None
    """(N, L_t, d_t) float32: precomputed outputs of the text encoder that the file was made with"""
    text_tokens: Array | None = None
    """(N, 3, L_t) int32: token ids, mask, segment ids as stored in the file"""
    raw_text: tuple[str, ...] | None = None
    """N transcripts"""
    words: tuple[tuple[str, ...], ...] | None = None
    """N lists of words, in word-level data alone: frame j of audio and vision belongs to word j. Where there
    is a context, its words come first"""
    context_words: Array | None = None
    """(N,) int32: how many of the words are the context's; in word-level data with a context"""
    context: tuple[str, ...] | None = None
    """N texts: what was said before"""
    extra: Mapping[str, Array] = field(default_factory=dict)
    """Further feature sequences by name, as in `hcf`, each (N, L, d) float32"""
    unimodal_labels: Mapping[str, Array] = field(default_factory=dict)
    """`text`, `audio`, `vision` to (N,) float32; empty where a dataset has none"""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def generated(self) -> bool:
        """Whether a sample of it was generated."""
        return any(str(name).startswith(TWIN_PREFIX) for name in self.ids)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A dataset variant, read and checked."""

    name: str
    """As in `mosi:unaligned`"""
    task: Task
    convention: str
    language: Language
    kind: DataKind
    fingerprint: str
    """sha256 of the feature file, in hex"""
    cache: Path
    """Folder of the memory-mapped arrays; what is derived from them is kept beside them"""
    train: Split
    valid: Split
    test: Split
    token_length: int = 0
    """Tokens per sample, by the card, where the file itself has no ids or text features; 0 where it says
    nothing"""
    notes: tuple[str, ...] = ()
    """What was mended or is odd, as in `audio: 12 entries of -inf set to 0`"""

    @property
    def splits(self) -> tuple[Split, Split, Split]:
        """Train, valid, test."""
        return self.train, self.valid, self.test

    @property
    def truths(self) -> Truths:
        """Ids and labels of the evaluated splits."""
        return Truths(
            valid_ids=self.valid.ids, valid=self.valid.labels, test_ids=self.test.ids, test=self.test.labels
        )
