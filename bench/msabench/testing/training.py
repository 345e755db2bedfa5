"""Short trainings by the harness's own loop, and comparison of what they leave."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from msabench.method import Output
from msabench.streams import stream
from msabench.tensors import TensorData, TensorSplit
from msabench.testing.outcome import attempting
from msabench.testing.subject import Subject
from msabench.testing.synthetic import TASKS, TinyEncoder, make_data
from msabench.trainer import Trainer


class Enough(Exception):
    """Raised by a caller of `Trainer.fit` to end it early."""


def small_data(subject: Subject, *, train: int = 24, **options: Any) -> TensorData:
    """Data for the method's first task, with rows enough for a step even if it sums many batches."""
    rows = max(train, 3 * subject.hp().accumulate)
    return make_data(
        subject.form, TASKS[subject.method.tasks[0]], train=rows, unimodal=subject.unimodal, **options
    )


def make_trainer(
    subject: Subject, data: TensorData, *, seed: int = 1, epochs: int, batches: int = 2
) -> Trainer:
    """A method with the recipe of its card, set up as a real run is.

    The batch size alone departs from the card: it is small enough for so many batches in an epoch, and
    for a step where the gradients of several are summed.
    """
    published = subject.hp()
    batches = max(batches, published.accumulate)
    hp = subject.hp(batch_size=max(2, min(published.batch_size, len(data.train) // batches)))
    torch.manual_seed(stream(seed, "initialisation"))
    s = data.sizes
    with attempting(f"building the method for text {s.text}, audio {s.audio}, vision {s.vision}"):
        method = subject.method(sizes=data.sizes, hp=hp)
    encoder = TinyEncoder(data.sizes.text[1]) if data.train.tokens is not None else None
    with attempting("making its optimisers"):
        return Trainer(method, encoder, data, seed=seed, epochs=epochs, patience=0)


def trained(subject: Subject, data: TensorData, *, seed: int = 1, epochs: int = 2) -> Trainer:
    """A trainer after its last epoch."""
    trainer = make_trainer(subject, data, seed=seed, epochs=epochs)
    fit(trainer)
    return trainer


def fit(trainer: Trainer, after_epoch: Callable[[Trainer], None] | None = None) -> None:
    """`Trainer.fit`, ended by `Enough`; anything else it raises becomes a `CheckFailed`."""
    with attempting("training on generated data"), suppress(Enough):
        trainer.fit(after_epoch)


@torch.no_grad()
def predict(trainer: Trainer, split: TensorSplit, rows: list[int]) -> Tensor:
    """Predictions in evaluation mode, in the order of the rows."""
    trainer.method.eval()
    return forward(trainer, split, rows).prediction


def forward(trainer: Trainer, split: TensorSplit, rows: list[int]) -> Output:
    """The forward pass, text encoder included, in whatever mode the method is."""
    with attempting(f"the forward pass on {len(rows)} samples"):
        return trainer.forward(split.batch(torch.tensor(rows)))


def left_by(trainer: Trainer) -> dict[str, Any]:
    """All that a training leaves but its durations."""
    state = trainer.state()
    log = {name: values for name, values in state.pop("log").items() if name != "seconds"}
    return {"predictions": {"valid": log.pop("valid"), "test": log.pop("test")}, **log, **state}


def difference(a: Any, b: Any, name: str = "") -> str:
    """Where two nested values first differ, to the last bit; empty if they are equal."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if a.shape != b.shape:
            return f"{name}: shapes {tuple(a.shape)} and {tuple(b.shape)}"
        a, b = a.detach(), b.detach()
        unequal = ~((a == b) | (a.isnan() & b.isnan()))
        if not unequal.any():
            return ""
        most = float((a.double() - b.double()).abs().max())
        return f"{name}: {int(unequal.sum())} of {a.numel()} entries differ, by up to {most:.3g}"
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        if list(a) != list(b):
            return f"{name}: keys {list(a)} and {list(b)}"
        return _first(difference(a[key], b[key], f"{name}.{key}".lstrip(".")) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple) and len(a) == len(b):
        pairs = enumerate(zip(a, b, strict=True))
        return _first(difference(x, y, f"{name}[{i}]") for i, (x, y) in pairs)
    return "" if a == b else f"{name}: {a!r} and {b!r}"


def _first(texts: Iterable[str]) -> str:
    return next((text for text in texts if text), "")
