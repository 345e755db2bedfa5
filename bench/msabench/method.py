"""The contract of a method: what a published model must say of itself, and nothing more.

The harness owns the loop, the data, the seeds, the device, the budget and the stopping rule. A method
is a `torch.nn.Module` with a loss and a recipe; `msabench.testing` checks that it keeps this contract.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from msabench.errors import SpecError
from msabench.registry import METHODS
from msabench.run import Task

__all__ = [
    "METHODS",
    "Batch",
    "Hyperparameters",
    "InputForm",
    "InputSizes",
    "Method",
    "Output",
    "Progress",
    "Step",
    "build",
    "settings",
]


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """What every recipe has. A method's own dataclass adds its fields; values come from its card."""

    batch_size: int
    """Samples per batch."""
    epochs: int
    """Epochs of the published recipe, or a cap where it names none."""
    patience: int
    """Epochs without a better validation criterion before training stops; 0 never stops early."""
    learning_rate: float
    """Base rate of the optimiser's default group."""
    weight_decay: float = 0.0
    """Of the optimiser's default group."""
    accumulate: int = 1
    """Batches whose gradients are summed before a step."""
    clip_norm: float = 0.0
    """Largest norm of the whole gradient; 0 does not clip."""
    clip_value: float = 0.0
    """Largest absolute entry of the gradient; 0 does not clip."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "epochs", "accumulate"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name} >= 1` must hold, but got {name}={getattr(self, name)}")
        for name in ("patience", "learning_rate", "weight_decay", "clip_norm", "clip_value"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"`{name} >= 0` must hold, but got {name}={getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class InputForm:
    """How a method wants its inputs; the harness prepares them once, not per batch."""

    text: Literal["frozen", "finetuned"]
    """Whether the text encoder is trained with the method. Frozen outputs are computed once per dataset."""
    audio: Literal["sequence", "mean"] = "sequence"
    """`mean` averages over all frames, padding included, and leaves a sequence of length 1."""
    vision: Literal["sequence", "mean"] = "sequence"
    frame_window: int = 0
    """Keep so many frames of audio and vision from the first non-zero one on (the last ones if fewer
    follow); 0 keeps all. Sequences that are no longer than this are left alone."""
    token_length: int = 0
    """Tokens per sample where text is tokenised to no length of its own, as in word-level data; 0 takes the
    dataset card's. Ids or text features that come with the file keep their length, samples with a context
    have the card's."""
    text_tail: int | None = None
    """Which states at padding the method reads of a text encoder that it trains: None, any; a number, those
    of so many last positions alone. Others are then zeros, and are not worked out."""


@dataclass(frozen=True, kw_only=True)
class InputSizes:
    """Sizes of what a method is given, read from the data after `InputForm` was applied."""

    text: tuple[int, int]
    """(L_t, d_t): tokens, width of the text encoder's output"""
    audio: tuple[int, int]
    """(L_a, d_a)"""
    vision: tuple[int, int]
    """(L_v, d_v)"""
    task: Task
    train_samples: int
    """Rows of the training split, for methods that keep a value per sample."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """B samples on the training device."""

    text: Tensor
    """(B, L_t, d_t) float: the text encoder's last hidden states"""
    text_mask: Tensor
    """(B, L_t) bool: False on padding"""
    audio: Tensor
    """(B, L_a, d_a) float"""
    audio_lengths: Tensor
    """(B,) int64"""
    vision: Tensor
    """(B, L_v, d_v) float"""
    vision_lengths: Tensor
    """(B,) int64"""
    labels: Tensor
    """(B,) float scores, or (B,) int64 classes; absent labels (the test split) are NaN, or -1"""
    unimodal_labels: Mapping[str, Tensor] = field(default_factory=dict)
    """`text`, `audio`, `vision` to (B,) float, where the dataset has them"""
    index: Tensor
    """(B,) int64: row in the split"""
    tokens: Tensor | None = None
    """(B, 3, L_t) int: what the harness gives to an encoder that is fine-tuned; `text` is made from it"""

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, kw_only=True)
class Output:
    """What `forward` gives back."""

    prediction: Tensor
    """(B,) scores or binary logits, or (B, C) logits"""
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    """Whatever the method's loss needs"""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where training stands."""

    epoch: int
    """From 1"""
    epochs: int
    """Epochs that this run may train: the recipe's number, or the budget's cap if that is smaller"""
    batch: int
    """In this epoch, from 0"""
    batches: int
    """Batches per epoch"""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What `Method.step` works with."""

    forward: Callable[[Batch], Output]
    """The method's forward pass, text encoder included"""
    optimizers: Sequence[torch.optim.Optimizer]
    parameters: Sequence[nn.Parameter]
    """Everything that is trained, for clipping"""
    progress: Progress


class Method(nn.Module, ABC):
    """A published model and its training recipe.

    Subclasses set `Hyperparameters`, and implement `inputs`, `__init__`, `forward` and `losses`; the rest
    has the defaults that most recipes use. A subclass's state (memory banks, pseudo-labels) lives in
    buffers or in `get_extra_state`, so that a checkpoint holds it.
    """

    hyperparameters: ClassVar[type[Hyperparameters]]
    """The method's frozen dataclass"""
    tasks: ClassVar[tuple[str, ...]] = ("regression",)
    """Kinds of task that the method is defined for"""
    needs: ClassVar[tuple[str, ...]] = ()
    """What it asks of a dataset beside features and labels, as the card does: names of `registry.NEEDS`"""
    dead_parameters: ClassVar[tuple[str, ...]] = ()
    """Patterns of parameters that never get a gradient; the card says why"""

    def __init__(self, *, sizes: InputSizes, hp: Any) -> None:
        super().__init__()
        self.sizes, self.hp = sizes, hp

    @classmethod
    @abstractmethod
    def inputs(cls, hp: Any) -> InputForm:
        """How this method wants its inputs under these hyperparameters."""

    @abstractmethod
    def forward(self, batch: Batch) -> Output:
        """Predictions for a batch, and what the loss needs. Must not read `batch.labels`."""

    @abstractmethod
    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        """Named scalar terms whose sum is minimised; each is recorded per epoch."""

    def validation_loss(self, output: Output, batch: Batch, progress: Progress) -> Tensor:
        """The reference's loss on the validation split: a mean over the batch; by default all terms."""
        return torch.stack(list(self.losses(output, batch, progress).values())).sum()

    # -- the recipe, for most methods as it is here ------------------------------------------------------

    def parameter_groups(self, encoder: nn.Module | None) -> list[dict[str, Any]]:
        """Optimiser groups. `encoder` is the text encoder if it is fine-tuned, else None."""
        parameters = [*self.parameters(), *(encoder.parameters() if encoder else ())]
        trained = [p for p in parameters if p.requires_grad]
        return [{"params": trained, "lr": self.hp.learning_rate, "weight_decay": self.hp.weight_decay}]

    def optimizers(self, groups: list[dict[str, Any]]) -> list[torch.optim.Optimizer]:
        """Adam over the groups, fused into one pass over the weights: equal up to rounding."""
        return [torch.optim.Adam(groups, fused=True)]

    def restarts_optimizers(self, progress: Progress) -> bool:
        """Whether this epoch, which is not the first, begins with new optimisers, their moments forgotten."""
        return False

    @property
    def evaluation_batch(self) -> int:
        """Samples per batch when predicting. Only a method whose predictions depend on it may change it."""
        return 256

    def rate(self, progress: Progress) -> float:
        """Factor on every group's base learning rate, asked before each batch; pure in progress."""
        return 1.0

    def step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Train on one batch; returns its loss terms.

        Gradients of `hp.accumulate` batches are summed, then one step is made. A trailing group of
        fewer batches is dropped, as the reference trainers of this field do; an epoch of fewer batches than
        that makes one step, or a small dataset would never be learned.
        """
        progress, every = step.progress, min(self.hp.accumulate, step.progress.batches)
        if progress.batch % every == 0:
            for optimizer in step.optimizers:
                optimizer.zero_grad(set_to_none=True)
        terms = self.losses(step.forward(batch), batch, progress)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        if (progress.batch + 1) % every == 0:
            self.clip(step.parameters)
            for optimizer in step.optimizers:
                optimizer.step()
        return terms

    def clip(self, parameters: Sequence[nn.Parameter]) -> None:
        """Clip gradients as the hyperparameters say."""
        if self.hp.clip_norm:
            nn.utils.clip_grad_norm_(parameters, self.hp.clip_norm)
        if self.hp.clip_value:
            nn.utils.clip_grad_value_(parameters, self.hp.clip_value)

    # -- hooks for methods that keep state ----------------------------------------------------------------

    def on_fit_start(self, progress: Progress) -> None:
        """Before the first epoch; not called again when a run is resumed."""

    def on_epoch_start(self, progress: Progress) -> None:
        """Before an epoch's first batch."""

    def on_batch_end(self, batch: Batch, progress: Progress) -> None:
        """After a batch's step."""

    def on_epoch_end(self, progress: Progress, valid_loss: float) -> None:
        """After an epoch and its evaluation."""


def build(name: str, sizes: InputSizes, hyperparameters: Mapping[str, Any]) -> Method:
    """Construct a registered method.

    Parameters
    ----------
    hyperparameters
        Every field of the method's dataclass, as `METHODS.card(name).values(dataset)` gives them.

    Raises
    ------
    SpecError
        If the method is unknown, is not defined for the task, or a hyperparameter is missing, unknown or
        out of range.
    """
    method = METHODS[name]
    if sizes.task.kind not in method.tasks:
        raise SpecError(
            f"{name} is defined for {' and '.join(method.tasks)}, but the task is {sizes.task.kind}",
            fix="leave this method out for this dataset",
        )
    return method(sizes=sizes, hp=settings(name, hyperparameters))


def settings(name: str, hyperparameters: Mapping[str, Any]) -> Hyperparameters:
    """A registered method's hyperparameters as its own dataclass, which refuses contradictions.

    Raises
    ------
    SpecError
        If the method is unknown, or a hyperparameter is missing, unknown or out of range.
    """
    try:
        return METHODS[name].hyperparameters(**hyperparameters)
    except (TypeError, ValueError) as error:
        raise SpecError(f"{name}: {error}", fix=f"msabench show {name} lists the hyperparameters") from error
