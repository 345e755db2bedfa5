"""Twins of word-level data, in the layouts of MAG-BERT and HKT: words, each with a row of audio and vision.

The planted signal is that of the other twins. In HKT's layout what was said before has words and rows of its
own; its sentiment agrees with the sample's only in part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from msabench.data import twin_features as features
from msabench.data.cards import DatasetCard, Variant
from msabench.data.twin_labels import AUDIO, TEXT, VISION, draw_latents, label_grid
from msabench.data.twin_text import write_sentences
from msabench.data.types import SPLITS, TWIN_PREFIX, SplitName
from msabench.errors import SpecError
from msabench.run import Array

LAYOUTS = ("mag", "hkt")
Stream = Callable[..., np.random.Generator]
"""The generator of a purpose, split and part"""

_LONGEST = 100  # words of a transcript
_FULL = 10  # rows are averages of frames, so their noise is weaker
_CHUNK = 256  # clips at a time: bounds the temporaries, and is part of what is drawn
_CONTEXT = 0.5  # how far the context says what the sample says
_STORED = {"acoustic": (81, 0), "visual": (91, 55)}
"""HKT's files: stored columns, and the first of those that every model reads"""
_HCF = 4


@dataclass(frozen=True, kw_only=True)
class _Speech:
    """Transcripts of one split with rows for each word."""

    texts: list[str]
    lengths: Array
    """(N,) words"""
    rows: dict[str, list[Array]]
    """`acoustic` and `visual`: (words, d) float32 of each clip"""


class WordTwin:
    """One word-level twin in the making."""

    def __init__(self, card: DatasetCard, variant: Variant, scale: float, stream: Stream) -> None:
        self.card, self.variant, self.stream = card, variant, stream
        self.grid = label_grid(card)
        try:
            self.words = _pair(card.twin["words"])
            self.context_words = _pair(card.twin["context_words"]) if variant.layout == "hkt" else None
            self.videos = {split: max(1, round(card.twin["videos"][split] * scale)) for split in SPLITS}
        except (KeyError, TypeError, ValueError) as error:
            raise SpecError(
                f"no twin can be made of {card.name}:{variant.name}: {error}", where=f"[twin] in {card.path}"
            ) from error
        # the variant's own numbers of samples, where they differ from the dataset's
        sizes = {split: int(self.grid.counts[split].sum()) for split in SPLITS}
        self.scale = {split: scale * card.sizes(variant).get(split, n) / n for split, n in sizes.items()}
        self.worlds = {
            "acoustic": features.FrameWorld.draw(features.AUDIO, variant.audio[1], stream("audio")),
            "visual": features.FrameWorld.draw(features.VISION, variant.vision[1], stream("vision")),
        }

    def dataset(self) -> dict[str, list[Any]]:
        """`train`, `dev` and `test`, each a list of samples."""
        return {"dev" if split == "valid" else split: self._split(split) for split in SPLITS}

    def _split(self, split: SplitName) -> list[Any]:
        counts = self.grid.scaled(split, self.scale[split])
        latents, levels = draw_latents(self.grid, counts, self.stream("labels", split))
        labels = self.grid.levels[levels]
        n = len(labels)
        video = np.sort(self.stream("videos", split).integers(min(self.videos[split], n), size=n))
        ids = [f"{TWIN_PREFIX}{self.card.name}-{split}{v:04d}[{row}]" for row, v in enumerate(video)]
        offsets = {
            key: world.offsets(int(video[-1]) + 1, self.stream(purpose, split))[video]
            for (key, world), purpose in zip(self.worlds.items(), ("audio", "vision"), strict=True)
        }
        rng = self.stream("text", split)
        said = self._speech(latents, self.words, offsets, rng)
        if self.context_words is None:
            return [
                (
                    (said.texts[row].split(), said.rows["visual"][row], said.rows["acoustic"][row]),
                    np.array([[labels[row]]], np.float32),
                    ids[row],
                )
                for row in range(n)
            ]
        quiet = np.zeros_like(latents)
        quiet[:, TEXT] = _CONTEXT * latents[:, TEXT] + (1 - _CONTEXT**2) ** 0.5 * rng.standard_normal(n)
        before = self._speech(quiet, self.context_words, offsets, rng)
        return [
            (_hkt(said, row, rng), _hkt(before, row, rng, sentences=True), ids[row], int(labels[row]))
            for row in range(n)
        ]

    def _speech(
        self, latents: Array, words: tuple[float, float], offsets: dict[str, Array], rng: np.random.Generator
    ) -> _Speech:
        sentences = write_sentences(
            latents[:, TEXT], language=self.card.language, length=_LONGEST + 2, words=words, rng=rng
        )
        lengths = np.array([len(text.split()) for text in sentences.raw])
        columns = {"acoustic": AUDIO, "visual": VISION}
        rows: dict[str, list[Array]] = {key: [] for key in self.worlds}
        for chunk in _chunks(len(lengths)):
            for key, world in self.worlds.items():
                made = features.frames(
                    latents[chunk, columns[key]], lengths[chunk], offsets[key][chunk], world, _FULL, rng
                )
                rows[key] += [made[:used, i].copy() for i, used in enumerate(lengths[chunk])]
        return _Speech(texts=sentences.raw, lengths=lengths, rows=rows)


def _hkt(speech: _Speech, row: int, rng: np.random.Generator, *, sentences: bool = False) -> tuple[Any, ...]:
    """(words, visual, acoustic, hcf) of one clip; the words as one text, or as `sentences`."""
    words = speech.texts[row].split()
    streams = {}
    for key, (stored, first) in _STORED.items():
        made = speech.rows[key][row]
        streams[key] = np.zeros((len(words), stored), np.float32)
        streams[key][:, first : first + made.shape[1]] = made
    text: str | list[str] = speech.texts[row]
    if sentences:
        ends = np.unique(np.minimum(rng.integers(3, 12, 12).cumsum(), len(words))).tolist()
        starts = [0, *ends[:-1]]
        text = [
            " ".join(words[start:end]) for start, end in zip(starts, [*ends[:-1], len(words)], strict=True)
        ]
    hcf = rng.standard_normal((len(words), _HCF), dtype=np.float32)
    return text, streams["visual"], streams["acoustic"], hcf


def _pair(values: Any) -> tuple[float, float]:
    median, spread = map(float, values)
    return median, spread


def _chunks(total: int) -> Iterator[slice]:
    for start in range(0, total, _CHUNK):
        yield slice(start, min(start + _CHUNK, total))
