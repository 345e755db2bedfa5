"""The values a run starts from and leaves behind: `RunSpec` and `RunRecord`.

Nothing here trains, scores or touches the disk, and nothing imports torch: a table over ten thousand
records needs none of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Status = Literal["finished", "failed"]
TaskKind = Literal["regression", "binary", "multiclass"]
DataKind = Literal["real", "twin"]
Stopped = Literal["epochs", "patience", "seconds", "pruned", ""]
Track = Literal["paper", "tuned", "trial", "external"]
Cause = Literal["nan", "out-of-memory", "killed", "timeout", "exception"]
TextMode = Literal["finetuned", "frozen", "unstated"]
EXTERNAL_PREFIX = "external:"
"""Begins the method of every run of the track `external`"""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is predicted: one score per sample, or one of several classes."""

    kind: TaskKind
    classes: int = 1
    """Width of the output: 1 for regression and binary (one logit), the number of classes otherwise."""
    label_range: tuple[float, float] = (-3.0, 3.0)
    """Smallest and largest label; for classes (0, classes - 1)."""

    def __post_init__(self) -> None:
        if self.kind != "multiclass" and self.classes != 1:
            raise ValueError(f"a {self.kind} task has one output, but got classes={self.classes}")
        if self.kind == "multiclass" and self.classes < 2:
            raise ValueError(f"a multiclass task needs 2 classes or more, but got classes={self.classes}")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What one run may spend; equal for every method of a study."""

    epochs: int | None = None
    """Cap on the epochs of every method; None leaves each method its published number."""
    patience: int | None = None
    """Stop after so many epochs without a better validation criterion; None leaves each method its own,
    0 never stops early."""
    seconds: float | None = None
    """Stop after the first epoch that ends later than so many seconds of setup and training; None never does.
    How many epochs fit depends on the machine."""

    def to_json(self) -> dict[str, Any]:
        """Plain containers; without a limit on seconds, as in records made before there was one."""
        return {name: value for name, value in asdict(self).items() if name != "seconds" or value is not None}


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One training, fully said: running it twice on one machine gives the same record."""

    method: str
    method_version: int
    """From the method's card; raised when its outputs change, so that old records are not taken for new."""
    hyperparameters: Mapping[str, Any]
    variant: str = ""
    """What was asked for in brackets (`almt[fusion=off]`), empty for the method as it is."""
    dataset: str
    """Dataset and feature files, as in `mosi:unaligned`."""
    data_kind: DataKind
    data_hash: str
    """sha256 of the feature file, in hex."""
    seed: int
    text_encoder: str
    """Identity of the text encoder, weights included, as in `minilm@82ca36a4`; `features`: the file's own."""
    text_mode: TextMode
    """`unstated` for external results alone, whose authors did not say"""
    budget: Budget = field(default_factory=Budget)
    track: Track = "paper"
    """`trial`: a run of the search, which keeps validation predictions only; `external`: predictions made
    elsewhere, see `msabench.external`"""

    @cached_property
    def key(self) -> str:
        """The run's name on disk: 16 hex digits of the hash of everything above."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def row(self) -> str:
        """The method as a table names it: `almt`, `almt[fusion=off]`."""
        return f"{self.method}[{self.variant}]" if self.variant else self.method

    @property
    def settings(self) -> str:
        """8 hex digits of the hash of the hyperparameters: seeds of one row must agree in it."""
        text = json.dumps(dict(self.hyperparameters), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def external(self) -> bool:
        """Whether it was trained outside msabench: only its predictions were imported."""
        return self.track == "external"

    def to_json(self) -> dict[str, Any]:
        """Plain containers, for `run.json`."""
        return {**asdict(self), "budget": self.budget.to_json()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RunSpec:
        """The inverse of `to_json`."""
        return cls(**{**values, "budget": Budget(**values["budget"])})


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a run ended without a result."""

    cause: Cause
    message: str
    """One sentence for a table."""
    traceback: str = ""


@dataclass(frozen=True, kw_only=True)
class Truths:
    """Ids and labels of the evaluated splits, in the order of the predictions."""

    valid_ids: Array
    valid: Array  # (Nv,) float32
    test_ids: Array
    test: Array  # (Nt,) float32

    @property
    def without_test(self) -> Truths:
        """The validation split alone: all that a trial of a search may know."""
        return replace(self, test_ids=self.test_ids[:0], test=self.test[:0])

    @property
    def fingerprint(self) -> str:
        """sha256 over ids and labels; in each record, so that predictions never meet foreign truths."""
        digest = hashlib.sha256()
        for ids, labels in ((self.valid_ids, self.valid), (self.test_ids, self.test)):
            digest.update("\n".join(map(str, ids)).encode())
            digest.update(np.ascontiguousarray(labels, dtype=np.float32).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What a run leaves. Epochs count from 1 wherever they are named; arrays hold epoch 1 at index 0."""

    spec: RunSpec
    status: Status
    task: Task
    convention: str
    """The dataset's own metric convention, as in `mmsa`."""
    truths_hash: str
    losses: tuple[Mapping[str, float], ...] = ()
    """Per epoch: mean training loss of each named term, weighted by samples."""
    valid_loss: tuple[float, ...] = ()
    """Per epoch: the method's own validation loss, an exact mean over the split."""
    valid_criterion: tuple[float, ...] = ()
    """Per epoch: the study's criterion on the validation split (`metrics.criterion`), lower is better."""
    valid_predictions: Array = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """(E, Nv) float32, or (E, Nv, C) logits."""
    test_predictions: Array = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """(E, Nt) float32, or (E, Nt, C) logits."""
    seconds: tuple[float, ...] = ()
    """Per epoch: wall seconds of training and both evaluations."""
    setup_seconds: float = 0.0
    """Before the first epoch; of a failure all that was spent outside finished epochs."""
    peak_memory_mib: float = 0.0
    """Peak resident memory of the process; on a GPU, peak allocated memory of the device."""
    parameters: Mapping[str, int] = field(default_factory=dict)
    """`method`, `encoder`, and of both together `trainable`."""
    stopped: Stopped = ""
    """What ended training; empty for a failure."""
    environment: Mapping[str, str] = field(default_factory=dict)
    started: str = ""
    """UTC, ISO 8601."""
    notes: tuple[str, ...] = ()
    """What a reader of a table must know of this run."""
    failure: Failure | None = None
    truths: Truths | None = None
    """Filled by the store; not part of `run.json`."""

    @property
    def key(self) -> str:
        """The run's name on disk."""
        return self.spec.key

    @property
    def epochs(self) -> int:
        """How many epochs were trained."""
        return len(self.seconds)

    @property
    def chosen_outside(self) -> bool:
        """Whether the epoch was chosen before the result came here: an external one of a single epoch."""
        return self.spec.external and self.epochs == 1
