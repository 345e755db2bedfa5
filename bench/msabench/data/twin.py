"""Twins: generated data with a real dataset's sizes, shapes and label distribution.

They are pickles in MMSA's layout, and of word-level variants in their own (`twin_words.py`).

A twin exercises everything that the real file would, and its planted signal lets methods be told apart:
words say most, voice and face less, and some of it only both together. Figures on a twin say nothing about
the real dataset. All that is drawn comes from generators seeded by (seed, dataset, split, purpose), so the
variants of one dataset share labels, ids and sentences.
"""

from __future__ import annotations

import os
import pickle
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from filelock import FileLock

from msabench.data import twin_features as features
from msabench.data import twin_words
from msabench.data.cards import TWIN_LAYOUTS, DatasetCard, Variant
from msabench.data.twin_labels import (
    AUDIO,
    TEXT,
    VISION,
    class_names,
    draw_latents,
    label_grid,
    unimodal_labels,
)
from msabench.data.twin_text import lexicon, token_ids, write_sentences
from msabench.data.types import SPLITS, TWIN_PREFIX, SplitName
from msabench.errors import DataError, SpecError
from msabench.run import Array

__all__ = ["GENERATOR_VERSION", "ensure_twin", "make_twin", "twin_path", "write_twin"]

GENERATOR_VERSION = 2
"""Part of a twin's file name; raised when the same settings would give other bytes"""

_CHUNK = 256  # clips at a time: bounds the temporaries, and is part of what is drawn
_UNALIGNED = "unaligned"

Purpose = Literal["labels", "text", "features", "audio", "vision", "world", "videos"]
_PURPOSES: tuple[Purpose, ...] = ("labels", "text", "features", "audio", "vision", "world", "videos")


@dataclass(frozen=True, kw_only=True)
class _Draws:
    """Random streams of one twin."""

    seed: int
    dataset: str

    def stream(self, purpose: Purpose, split: SplitName | None = None, part: int = 0) -> np.random.Generator:
        """The generator of a purpose; `part` counts chunks."""
        place = SPLITS.index(split) if split else len(SPLITS)
        key = [self.seed, zlib.crc32(self.dataset.encode()), place, _PURPOSES.index(purpose), part]
        return np.random.default_rng(key)


@dataclass(frozen=True, kw_only=True)
class _Sequence:
    """Audio or vision of one variant: drawn at its native shape, averaged onto tokens if that is another."""

    world: features.FrameWorld
    native: int
    """Frames drawn"""
    length: int
    """Frames kept"""
    aligned: bool


def twin_path(card: DatasetCard, variant: str, root: Path, scale: float = 1.0, seed: int = 0) -> Path:
    """Where `ensure_twin` keeps a twin."""
    share = repr(float(scale)).removesuffix(".0")
    name = f"{card.name}-{card.variant(variant).name}-scale{share}-seed{seed}-v{GENERATOR_VERSION}.pkl"
    return root / ".twins" / name


def ensure_twin(card: DatasetCard, variant: str, root: Path, scale: float = 1.0, seed: int = 0) -> Path:
    """The twin's feature file, made on first use; a second process waits for the first.

    Parameters
    ----------
    variant
        Name of one of the card's variants, or empty for the default one.
    root
        Data root; the file goes to its folder `.twins`.
    scale, seed
        As in `make_twin`.

    Raises
    ------
    SpecError
        As `make_twin`.
    DataError
        If the file cannot be written.
    """
    path = twin_path(card, variant, root, scale, seed)
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.is_file():
                write_twin(card, variant, path, scale=scale, seed=seed)
    except OSError as error:
        raise _unwritable(path, error) from error
    return path


def write_twin(card: DatasetCard, variant: str, path: Path, *, scale: float = 1.0, seed: int = 0) -> Path:
    """Make a twin and write it to `path`, whole or not at all; returns the path.

    Raises
    ------
    SpecError
        As `make_twin`.
    DataError
        If the file cannot be written.
    """
    made = make_twin(card, variant, scale=scale, seed=seed)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            # protocol 5 writes arrays from where they lie, without a copy
            pickle.dump(made, file, protocol=5)
        partial.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        partial.unlink(missing_ok=True)
    return path


def _unwritable(path: Path, error: OSError) -> DataError:
    return DataError(
        f"a twin cannot be written: {error.strerror or error}",
        where=str(path),
        fix="choose another folder with --data-root or --out, or a smaller --scale",
    )


def make_twin(card: DatasetCard, variant: str = "", scale: float = 1.0, seed: int = 0) -> dict[str, Any]:
    """Generate a dataset.

    Parameters
    ----------
    variant
        Name of one of the card's variants, or empty for the default one. `aligned` holds the frames of
        `unaligned`, averaged onto the token positions.
    scale
        Share of the real number of samples, above 0; each split has 8 at least. Shapes stay as they are.
    seed
        0 or more; other seeds give other worlds.

    Returns
    -------
    dict
        `train`, `valid`, `test`, each with MMSA's keys: `raw_text`, `text`, `text_bert` (N, 3, L), `audio`,
        `vision`, `audio_lengths`, `vision_lengths`, `id`, `annotations`, `classification_labels`,
        `regression_labels`; for datasets with unimodal labels the last two with `_T`, `_A`, `_V` as well.
        Of word-level variants `train`, `dev` and `test`, each a list of samples as in the variant's layout.

    Raises
    ------
    SpecError
        If scale or seed is out of range, the variant is unknown, or the card describes no twin.
    """
    if not 0 < scale <= 100:
        raise SpecError(
            f"`0 < scale <= 100` must hold, but got scale={scale:g}", fix="--scale 1 is the real size"
        )
    if seed < 0:
        raise SpecError(f"`seed >= 0` must hold, but got seed={seed}")
    if not card.has_twin(card.variant(variant)):
        raise SpecError(
            f"{card.name}:{card.variant(variant).name} has no twin: data are generated in the layouts "
            f"{', '.join(TWIN_LAYOUTS)}, and only like a dataset whose card has a [twin] table",
            where=str(card.path),
            fix=f"use the real files (msabench show {card.name} says how to get them), or another dataset's "
            "twin: mosi, mosei, sims",
        )
    made = card.variant(variant)
    if made.layout in twin_words.LAYOUTS:
        return twin_words.WordTwin(card, made, scale, _Draws(seed=seed, dataset=card.name).stream).dataset()
    return _Generator(card, made, scale, seed).dataset()


class _Generator:
    """One twin in the making: what its splits share, and a method per part."""

    def __init__(self, card: DatasetCard, variant: Variant, scale: float, seed: int) -> None:
        self.card, self.variant, self.scale = card, variant, scale
        self.draws = _Draws(seed=seed, dataset=card.name)
        self.grid = label_grid(card)
        try:
            self.videos = {split: max(1, round(card.twin["videos"][split] * scale)) for split in SPLITS}
            median, spread = map(float, card.twin["words"])
        except (KeyError, TypeError, ValueError) as error:
            raise SpecError(
                f"no twin can be made of {card.name}: {error}", where=f"[twin] in {card.path}"
            ) from error
        self.words = median, spread
        shared = self.draws.stream("world")
        self.text_world = features.TextWorld.draw(len(lexicon(card.language).units), variant.text[1], shared)
        self.audio = self._sequence("audio", features.AUDIO)
        self.vision = self._sequence("vision", features.VISION)

    def _sequence(self, name: Literal["audio", "vision"], kind: features.Modality) -> _Sequence:
        length, width = getattr(self.variant, name)
        world = features.FrameWorld.draw(kind, width, self.draws.stream(name))
        source = self.card.variants.get(_UNALIGNED)
        if source is None or self.variant.name == _UNALIGNED or getattr(source, name)[1] != width:
            return _Sequence(world=world, native=length, length=length, aligned=False)
        return _Sequence(world=world, native=getattr(source, name)[0], length=length, aligned=True)

    def dataset(self) -> dict[str, dict[str, Any]]:
        """All splits."""
        return {split: self._split(split) for split in SPLITS}

    def _split(self, split: SplitName) -> dict[str, Any]:
        counts = self.grid.scaled(split, self.scale)
        latents, rows = draw_latents(self.grid, counts, self.draws.stream("labels", split))
        labels = self.grid.levels[rows]
        sentences = write_sentences(
            latents[:, TEXT],
            language=self.card.language,
            length=self.variant.token_length,
            words=self.words,
            rng=self.draws.stream("text", split),
        )
        stream = self.draws.stream("videos", split)
        video = np.sort(stream.integers(min(self.videos[split], len(rows)), size=len(rows)))
        # clips are as long as their sentences, at the pace of their speaker
        share = (
            sentences.lengths / self.variant.token_length * np.exp(0.25 * stream.standard_normal(len(rows)))
        )
        audio, audio_lengths = self._frames(
            "audio", split, latents[:, AUDIO], video, share, sentences.lengths
        )
        vision, vision_lengths = self._frames(
            "vision", split, latents[:, VISION], video, share, sentences.lengths
        )
        text = np.zeros((len(rows), *self.variant.text), np.float32)
        for part, chunk in _chunks(len(rows)):
            stream = self.draws.stream("features", split, part)
            features.text_features(text[chunk], sentences, chunk, self.text_world, stream)
        return {
            "raw_text": np.array(sentences.raw),
            "text": text,
            "text_bert": token_ids(sentences, self.card.language),
            "audio": audio,
            "vision": vision,
            "audio_lengths": audio_lengths.tolist(),
            "vision_lengths": vision_lengths.tolist(),
            "id": np.array(_ids(f"{TWIN_PREFIX}{self.card.name}-{split}", video)),
            **self._labels(labels, latents),
        }

    def _frames(
        self,
        name: Literal["audio", "vision"],
        split: SplitName,
        latent: Array,
        video: Array,
        share: Array,
        tokens: Array,
    ) -> tuple[Array, Array]:
        """Sequences of one modality, (N, L, d) float32 padded at the back, and their lengths (N,)."""
        plan: _Sequence = getattr(self, name)
        lengths = np.clip(np.ceil(share * plan.native), 1, plan.native).astype(np.int64)
        offsets = plan.world.offsets(int(video[-1]) + 1, self.draws.stream(name, split))
        out = np.zeros((len(latent), plan.length, len(plan.world.signal)), np.float32)
        tokens = np.minimum(tokens, plan.length)
        for part, chunk in _chunks(len(latent)):
            stream = self.draws.stream(name, split, part + 1)
            made = features.frames(
                latent[chunk], lengths[chunk], offsets[video[chunk]], plan.world, plan.native, stream
            )
            if plan.aligned:
                out[chunk] = features.align(made, lengths[chunk], tokens[chunk], plan.length)
            else:
                out[chunk, : len(made)] = made.transpose(1, 0, 2)
        return out, tokens if plan.aligned else lengths

    def _labels(self, labels: Array, latents: Array) -> dict[str, Any]:
        annotations, classes = class_names(labels)
        made = {"annotations": annotations, "classification_labels": classes, "regression_labels": labels}
        if self.card.unimodal:
            for key, own in unimodal_labels(self.grid, latents).items():
                made[f"classification_labels_{key}"] = class_names(own)[1]
                made[f"regression_labels_{key}"] = own
        return made


def _chunks(total: int) -> Iterator[tuple[int, slice]]:
    for part, start in enumerate(range(0, total, _CHUNK)):
        yield part, slice(start, min(start + _CHUNK, total))


def _ids(prefix: str, video: Array) -> list[str]:
    """`video$_$clip` of each sample; `video` is sorted."""
    first = np.searchsorted(video, video)
    return [f"{prefix}{v:04d}$_${i - start}" for i, (v, start) in enumerate(zip(video, first, strict=True))]
