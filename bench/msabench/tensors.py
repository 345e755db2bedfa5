"""A dataset as one method wants it: tensors in memory, cut into batches without per-sample Python."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from msabench import encoders
from msabench.data.mapped import save
from msabench.data.scratch import replacing
from msabench.data.types import SPLITS, Dataset, Split
from msabench.encoders import EncoderRef
from msabench.encoders.ref import FEATURES
from msabench.gather import BLOCK, Blocks, Buffers, blocks, gather
from msabench.method import Batch, InputForm, InputSizes
from msabench.run import Array, Task

Modality = Literal["audio", "vision"]


@dataclass(frozen=True, kw_only=True)
class TensorSplit:
    """One split on the training device; row i of every tensor is sample i."""

    text: Tensor | None
    """(N, L_t, d_t), None where the encoder is fine-tuned"""
    tokens: Tensor | None
    """(N, 3, L_t) int32, only where the encoder is fine-tuned"""
    text_mask: Tensor
    audio: Tensor
    audio_lengths: Tensor
    vision: Tensor
    vision_lengths: Tensor
    labels: Tensor
    unimodal_labels: Mapping[str, Tensor] = field(default_factory=dict)
    blocks: tuple[Blocks, ...] = ()
    """Where text, audio and vision are zero, if that is known"""
    buffers: Buffers = field(default_factory=Buffers)
    """What the large tensors of batches are written to"""

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Tensor) -> Batch:
        """The samples of these rows, (B,) int64 on the split's device."""

        def take(x: Tensor) -> Tensor:
            return x.index_select(0, rows)

        def large(x: Tensor) -> Tensor:
            return gather(x, rows, self.buffers, next((b for b in self.blocks if b.of is x), None))

        mask = take(self.text_mask)
        return Batch(
            text=large(self.text)
            if self.text is not None
            else mask.new_zeros((*mask.shape, 0), dtype=torch.float32),
            text_mask=mask,
            audio=large(self.audio),
            audio_lengths=take(self.audio_lengths),
            vision=large(self.vision),
            vision_lengths=take(self.vision_lengths),
            labels=take(self.labels),
            unimodal_labels={name: take(values) for name, values in self.unimodal_labels.items()},
            index=rows,
            tokens=take(self.tokens) if self.tokens is not None else None,
        )

    def batches(self, size: int) -> list[Batch]:
        """All samples in the split's order."""
        rows = torch.arange(len(self), device=self.labels.device)
        return [self.batch(part) for part in rows.split(size)]  # type: ignore[no-untyped-call]


@dataclass(frozen=True, kw_only=True)
class TensorData:
    """What `train` works on."""

    name: str
    train: TensorSplit
    valid: TensorSplit
    test: TensorSplit
    """Its labels are absent: nothing in training can read them"""
    sizes: InputSizes


def prepare(
    dataset: Dataset, form: InputForm, encoder: EncoderRef, *, finetuned: bool, device: torch.device
) -> TensorData:
    """Bring a dataset into a method's input form.

    What is derived from the feature file (means over time, windows, frozen text features) is computed once
    and kept beside the dataset's cache. In word-level data each word's frame is repeated for the pieces that
    the encoder's tokenizer makes of it, 0 at special tokens and padding, as MAG-BERT does. Where a sample has
    a context, text and frames are those of the context followed by its own.

    Raises
    ------
    DataError
        If the dataset has nothing that the encoder can read.
    """
    length = form.token_length
    text = None if finetuned else encoders.frozen(encoder, dataset, length=length, device=str(device))
    tokens = encoders.tokens(encoder, dataset, length) if finetuned else None
    masks = encoders.mask(encoder, dataset, length)
    # the file's own text features have a row per word, as its frames
    by_word = dataset.train.words is not None and encoder != FEATURES
    words = encoders.word_index(encoder, dataset, length) if by_word else None
    buffers = Buffers()

    def split(source: Split) -> TensorSplit:
        aligned = _Pieces(words=words[source.name], tokens=masks[source.name].sum(1)) if words else None
        audio, audio_lengths = _sequence(dataset, source, "audio", form, aligned)
        vision, vision_lengths = _sequence(dataset, source, "vision", form, aligned)
        labels = source.labels if source.name != "test" else np.full(len(source), np.nan, np.float32)
        unimodal = source.unimodal_labels if source.name != "test" else {}

        large: list[Blocks] = []

        def move(x: Array) -> Tensor:
            return _tensor(x).to(device)

        def move_large(x: Array) -> Tensor:
            moved = move(x)
            large.extend(_blocks(dataset, x, moved))
            return moved

        # what an encoder computes is nowhere zero, not even on padding
        move_text = move_large if encoder == FEATURES else move

        return TensorSplit(
            text=move_text(text[source.name]) if text else None,
            tokens=move(tokens[source.name]) if tokens else None,
            text_mask=move(masks[source.name]),
            audio=move_large(audio),
            audio_lengths=move(audio_lengths).long(),
            vision=move_large(vision),
            vision_lengths=move(vision_lengths).long(),
            labels=_labels(labels, dataset.task).to(device),
            unimodal_labels={name: move(values) for name, values in unimodal.items()},
            blocks=tuple(large),
            buffers=buffers,
        )

    splits = {source.name: split(source) for source in dataset.splits}
    first = splits["train"]
    length = first.text_mask.shape[1]
    width = encoder.width if finetuned or first.text is None else first.text.shape[2]
    sizes = InputSizes(
        text=(length, width),
        audio=(first.audio.shape[1], first.audio.shape[2]),
        vision=(first.vision.shape[1], first.vision.shape[2]),
        task=dataset.task,
        train_samples=len(first),
    )
    return TensorData(name=dataset.name, sizes=sizes, **{name: splits[name] for name in SPLITS})


def _labels(labels: Array, task: Task) -> Tensor:
    values = torch.from_numpy(np.array(labels, dtype=np.float32))
    return values.nan_to_num(-1).long() if task.kind == "multiclass" else values


def _tensor(array: Array) -> Tensor:
    with warnings.catch_warnings():
        # a read-only memory map is what we want; torch warns because it could be written to
        warnings.filterwarnings("ignore", message=".*not writable.*")
        return torch.from_numpy(np.ascontiguousarray(array) if not array.flags.c_contiguous else array)


@dataclass(frozen=True, kw_only=True)
class _Pieces:
    """How the words of one split were tokenised."""

    words: Array
    """(N, L_t) int32: the word of each token, -1 for none"""
    tokens: Array
    """(N,) number of tokens, special ones included"""

    @property
    def name(self) -> str:
        return f"pieces-{hashlib.sha256(np.ascontiguousarray(self.words).tobytes()).hexdigest()[:8]}"


def _sequence(
    dataset: Dataset, split: Split, modality: Modality, form: InputForm, pieces: _Pieces | None
) -> tuple[Array, Array]:
    values: Array = getattr(split, modality)
    lengths: Array = getattr(split, f"{modality}_lengths")
    name = f"{split.name}-{modality}"
    if pieces is not None and values.shape[2]:
        words, frames = pieces.words, values
        name += f"-{pieces.name}"
        values = _derived(dataset, name, lambda: encoders.spread(frames, words))
        lengths = pieces.tokens.astype(np.int32)
    if getattr(form, modality) == "mean":
        ones = np.ones(len(split), np.int32)
        if values.shape[1] == 1:
            return values, ones
        return _derived(dataset, f"{name}-mean", lambda: _mean(values)), ones
    window = form.frame_window
    if window and values.shape[1] > window:
        made = _derived(dataset, f"{name}-window{window}", lambda: _window(values, window))
        return made, np.minimum(lengths, window)
    return values, lengths


def _mean(values: Array, rows: int = 1024) -> Array:
    """(N, L, d) -> (N, 1, d), over all frames, in parts so that a large memory map is never held whole."""
    parts = [
        values[i : i + rows].mean(1, keepdims=True, dtype=np.float32) for i in range(0, len(values), rows)
    ]
    return np.concatenate(parts)


def _window(values: Array, window: int) -> Array:
    """(N, L, d) -> (N, window, d), from each sample's first frame that is not all zero, or the last ones."""
    made = np.empty((len(values), window, values.shape[2]), np.float32)
    for i, sample in enumerate(values):
        filled = np.flatnonzero(np.abs(sample).sum(1) > 0)
        start = min(int(filled[0]) if len(filled) else 0, len(sample) - window)
        made[i] = sample[start : start + window]
    return made


def _blocks(dataset: Dataset, values: Array, x: Tensor) -> tuple[Blocks, ...]:
    """Where a mapped file is zero; nothing for small rows, nor on a GPU, whose memory is quick enough."""
    file = getattr(values, "filename", None)
    if file is None or x.device.type != "cpu" or values[0].nbytes < BLOCK:
        return ()
    shape = "x".join(str(size) for size in values.shape)
    table = _derived(dataset, f"{Path(file).stem}-{shape}-blocks", lambda: blocks(values))
    return (Blocks(of=x, table=_tensor(table)),)


def _derived(dataset: Dataset, name: str, make: Callable[[], Array]) -> Array:
    """An array kept beside the dataset's cache: made on first use, renamed into place when whole."""
    path = Path(dataset.cache) / "derived" / f"{name}.npy"
    if not path.exists():
        with replacing(path) as unfinished:
            save(unfinished, make())
    array: Array = np.load(path, mmap_mode="r")
    return array
