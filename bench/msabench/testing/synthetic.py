"""Small generated data in the form a method asks for, with the label planted in all three modalities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from msabench.method import InputForm, InputSizes
from msabench.run import Array, Task
from msabench.tensors import TensorData, TensorSplit

VOCABULARY = 40


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """Length and width of each modality, before the method's `InputForm` is applied."""

    text: tuple[int, int] = (6, 24)
    audio: tuple[int, int] = (9, 5)
    vision: tuple[int, int] = (7, 11)


USUAL = Shapes()
SHAPES: Mapping[str, Shapes] = {
    "unequal lengths": USUAL,
    "odd lengths, other widths": Shapes(text=(13, 32), audio=(31, 74), vision=(5, 35)),
    "audio and vision of length 1": Shapes(text=(5, 16), audio=(1, 40), vision=(1, 3)),
    "every sequence of length 1": Shapes(text=(1, 24), audio=(1, 1), vision=(1, 2)),
    "audio shorter than text": Shapes(text=(11, 8), audio=(3, 6), vision=(17, 4)),
}
"""Sizes that a method meets in practice: aligned, unaligned and averaged files, windows, other encoders."""

TASKS: Mapping[str, Task] = {
    "regression": Task(kind="regression"),
    "binary": Task(kind="binary", label_range=(0.0, 1.0)),
    "multiclass": Task(kind="multiclass", classes=4, label_range=(0.0, 3.0)),
}


class TinyEncoder(nn.Module):
    """Stands in for a text encoder that is fine-tuned: an embedding and a linear layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.embedding = nn.Embedding(VOCABULARY, width)
        self.linear = nn.Linear(width, width)

    def forward(self, tokens: Tensor, tail: int | None = None) -> Tensor:
        """(B, 3, L_t) int -> (B, L_t, d_t), with zeros where `InputForm.text_tail` says that nobody reads"""
        states: Tensor = self.linear(self.embedding(tokens[:, 0].long()))
        if tail is None:
            return states
        length = tokens.shape[2]
        read = tokens[:, 1].bool() | (torch.arange(length, device=tokens.device) >= length - tail)
        return states * read[..., None]


def make_data(
    form: InputForm,
    task: Task,
    shapes: Shapes = USUAL,
    *,
    train: int = 24,
    valid: int = 12,
    test: int = 12,
    seed: int = 0,
    unimodal: bool = False,
) -> TensorData:
    """Generated splits as `tensors.prepare` would hand them over; the test split has no labels.

    Sequences are of various lengths with zeros behind them. With `unimodal`, each modality has labels of its
    own, near the whole's; most datasets have none.
    """
    rng = np.random.default_rng(seed)
    patterns = {
        name: rng.standard_normal((_code_width(task), width)).astype(np.float32)
        for name, (_, width) in vars(shapes).items()
    }
    splits = {
        name: _split(rng, form, task, shapes, patterns, size)
        for name, size in {"train": train, "valid": valid, "test": test}.items()
    }
    splits["test"] = replace(splits["test"], labels=absent(splits["test"].labels))
    if unimodal:
        for name in ("train", "valid"):
            splits[name] = replace(splits[name], unimodal_labels=_unimodal(rng, task, splits[name].labels))
    first = splits["train"]
    sizes = InputSizes(
        text=shapes.text,
        audio=(first.audio.shape[1], first.audio.shape[2]),
        vision=(first.vision.shape[1], first.vision.shape[2]),
        task=task,
        train_samples=train,
    )
    return TensorData(name="synthetic", sizes=sizes, **splits)


def absent(labels: Tensor) -> Tensor:
    """Labels as the test split has them: NaN, or -1 for classes."""
    return torch.full_like(labels, torch.nan if labels.is_floating_point() else -1)


def _unimodal(rng: np.random.Generator, task: Task, labels: Tensor) -> dict[str, Tensor]:
    """(N,) float for each modality: scores that differ from the whole's a little, or its classes."""
    low, high = task.label_range
    spread = 0.1 * (high - low) if task.kind == "regression" else 0.0
    return {
        name: (labels + spread * torch.from_numpy(rng.standard_normal(len(labels)))).clamp(low, high).float()
        for name in ("text", "audio", "vision")
    }


def _code_width(task: Task) -> int:
    return task.classes if task.kind == "multiclass" else 1


def _split(
    rng: np.random.Generator,
    form: InputForm,
    task: Task,
    shapes: Shapes,
    patterns: Mapping[str, Array],
    size: int,
) -> TensorSplit:
    low, high = task.label_range
    if task.kind == "regression":
        labels = rng.permutation(np.linspace(low, high, size)).round(1)
        code = ((labels - (low + high) / 2) * 2 / (high - low))[:, None]  # (N, 1) in [-1, 1]
    else:
        labels = rng.permutation(np.arange(size) % int(high + 1))
        code = np.eye(task.classes)[labels] if task.kind == "multiclass" else labels[:, None] * 2.0 - 1
    audio, audio_lengths = _sequence(rng, code, patterns["audio"], shapes.audio[0])
    vision, vision_lengths = _sequence(rng, code, patterns["vision"], shapes.vision[0])
    text, text_lengths = _sequence(rng, code, patterns["text"], shapes.text[0])
    mask = torch.arange(text.shape[1]) < text_lengths[:, None]  # (N, L_t)
    tokens = torch.stack([_words(rng, code, mask), mask.int(), torch.zeros_like(mask, dtype=torch.int32)], 1)
    finetuned = form.text == "finetuned"
    audio, audio_lengths = _in_form(audio, audio_lengths, form.audio, form.frame_window)
    vision, vision_lengths = _in_form(vision, vision_lengths, form.vision, form.frame_window)
    return TensorSplit(
        text=None if finetuned else text,
        tokens=tokens if finetuned else None,
        text_mask=mask,
        audio=audio,
        audio_lengths=audio_lengths,
        vision=vision,
        vision_lengths=vision_lengths,
        labels=torch.from_numpy(labels).long() if task.kind == "multiclass" else torch.Tensor(labels),
    )


def _sequence(rng: np.random.Generator, code: Array, pattern: Array, length: int) -> tuple[Tensor, Tensor]:
    """(N, L, d) frames that repeat the label's code amid noise, zero behind (N,) lengths."""
    lengths = rng.integers(max(1, length // 2), length + 1, len(code))
    frames = (code @ pattern)[:, None] + 0.3 * rng.standard_normal((len(code), length, pattern.shape[1]))
    frames *= (np.arange(length) < lengths[:, None])[..., None]
    return torch.from_numpy(frames.astype(np.float32)), torch.from_numpy(lengths)


def _words(rng: np.random.Generator, code: Array, mask: Tensor) -> Tensor:
    """(N, L_t) token ids: the label's own word in every second place, others at random between them."""
    own = 8 + (code @ np.arange(1, code.shape[1] + 1) * 6).round().astype(int)  # (N,) in 2 ... 32
    words = np.where(
        np.arange(mask.shape[1]) % 2, rng.integers(33, VOCABULARY, tuple(mask.shape)), own[:, None]
    )
    return torch.from_numpy(words.astype(np.int32)) * mask


def _in_form(values: Tensor, lengths: Tensor, form: str, window: int) -> tuple[Tensor, Tensor]:
    if form == "mean":
        return values.mean(1, keepdim=True), torch.ones_like(lengths)
    if window and values.shape[1] > window:
        return values[:, :window].contiguous(), lengths.clamp(max=window)
    return values, lengths
