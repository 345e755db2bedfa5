"""The loop: one for every method, from the first batch to the last epoch.

It keeps the predictions of every epoch and chooses none: selection is made later, from the record.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from msabench.method import Batch, Method, Output, Progress, Step
from msabench.metrics import criterion
from msabench.run import Stopped
from msabench.search.pruning import pruned_at
from msabench.streams import batch_order, stream
from msabench.tensors import TensorData, TensorSplit


class NotFinite(ArithmeticError):
    """A loss or a prediction became NaN or infinite."""


@dataclass(kw_only=True)
class Log:
    """What training has left so far, epoch by epoch; part of a checkpoint."""

    losses: list[dict[str, float]] = field(default_factory=list)
    valid_loss: list[float] = field(default_factory=list)
    valid_criterion: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    valid: list[Tensor] = field(default_factory=list)
    test: list[Tensor] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        """Epochs finished."""
        return len(self.seconds)

    def without_improvement(self) -> int:
        """Epochs since the best criterion; a tie keeps the earlier epoch."""
        return self.epochs - 1 - int(np.argmin(self.valid_criterion)) if self.epochs else 0


class Trainer:
    """A method in training: everything between its construction and its last epoch.

    Parameters
    ----------
    method, encoder
        The encoder is None unless it is fine-tuned.
    data
        Its test split has no labels.
    seed
        Of the run; batch order and dropout are drawn from streams of it.
    epochs, patience
        What this run may spend; a patience of 0 never stops early.
    seconds
        Of setup and training, after which no further epoch begins; None is no limit.
    pace
        What the best validation criterion of a trial may be after each epoch, see `search.pruning`.
    test
        Whether the test split is predicted; in a search it is never looked at.
    """

    def __init__(
        self,
        method: Method,
        encoder: nn.Module | None,
        data: TensorData,
        *,
        seed: int,
        epochs: int,
        patience: int,
        seconds: float | None = None,
        pace: Sequence[float] = (),
        test: bool = True,
    ) -> None:
        self.method, self.encoder, self.data = method, encoder, data
        self.seed, self.epochs, self.patience, self.test = seed, epochs, patience, test
        self.seconds, self.pace = seconds, pace
        self.setup_seconds = 0.0
        """Taken before the first epoch; it counts against `seconds`."""
        self.optimizers = self._optimizers()
        self.parameters = [p for o in self.optimizers for g in o.param_groups for p in g["params"]]
        self.tail = method.inputs(method.hp).text_tail
        self.log = Log()
        self.device = data.train.labels.device

    def forward(self, batch: Batch) -> Output:
        """Encode the text if its encoder is trained, then the method's forward pass."""
        if self.encoder is not None:
            batch = replace(batch, text=self.encoder(batch.tokens, self.tail))
        output: Output = self.method(batch)
        return output

    def finished(self) -> Stopped:
        """What ends training now; empty if nothing does."""
        if pruned_at(self.log.valid_criterion, self.pace):
            return "pruned"
        if self.log.epochs >= self.epochs:
            return "epochs"
        if self.patience and self.log.without_improvement() >= self.patience:
            return "patience"
        spent = self.setup_seconds + sum(self.log.seconds)
        if self.seconds is not None and self.log.epochs and spent >= self.seconds:
            return "seconds"
        return ""

    def fit(self, after_epoch: Callable[[Trainer], None] | None = None) -> None:
        """Train until something ends it."""
        if not self.log.epochs:
            self.method.on_fit_start(self._progress(0, 0, 0))
        while not self.finished():
            self.epoch()
            if after_epoch:
                after_epoch(self)

    def epoch(self) -> None:
        """One epoch of training, and predictions on validation and test.

        Raises
        ------
        NotFinite
            If a loss term or a prediction is NaN or infinite.
        """
        started, number = time.perf_counter(), self.log.epochs + 1
        torch.manual_seed(stream(self.seed, "dropout", number))
        losses = self._train(number)
        progress = self._progress(number, 0, 0)
        valid, valid_loss = self._evaluate(self.data.valid, progress)
        _must_be_finite(f"validation predictions of epoch {number}", valid)
        test = self._predict_test(number)
        task = self.data.sizes.task
        value = criterion(task, valid.numpy(), self.data.valid.labels.cpu().numpy())
        self.method.on_epoch_end(progress, valid_loss)
        log = self.log
        log.losses.append(losses)
        log.valid_loss.append(valid_loss)
        log.valid_criterion.append(value)
        log.valid.append(valid)
        log.test += test
        log.seconds.append(time.perf_counter() - started)

    def _train(self, number: int) -> dict[str, float]:
        self.method.train()
        if self.encoder is not None:
            self.encoder.train()
        order = batch_order(
            self.data.name, self.seed, number, len(self.data.train), self.method.hp.batch_size
        )
        first = self._progress(number, 0, len(order))
        if number > 1 and self.method.restarts_optimizers(first):
            self.optimizers = self._optimizers()
        self.method.on_epoch_start(first)
        sums: dict[str, Tensor] = {}
        for i, rows in enumerate(order):
            progress = self._progress(number, i, len(order))
            factor = self.method.rate(progress)
            for optimizer in self.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = group["base_lr"] * factor
            batch = self.data.train.batch(torch.from_numpy(rows).to(self.device))
            step = Step(
                forward=self.forward,
                optimizers=self.optimizers,
                parameters=self.parameters,
                progress=progress,
            )
            for name, term in self.method.step(batch, step).items():
                # on the device: a transfer per batch would stall a GPU
                sums[name] = sums.get(name, torch.zeros((), device=self.device)) + term.detach() * len(rows)
            self.method.on_batch_end(batch, progress)
            del batch  # before the next one is made, which then takes its memory
        losses = {name: float(total) / len(self.data.train) for name, total in sums.items()}
        for name, value in losses.items():
            if not math.isfinite(value):
                raise NotFinite(f"the training loss '{name}' became {value} in epoch {number}")
        return losses

    def _predict_test(self, number: int) -> list[Tensor]:
        if not self.test:
            return []
        test, _ = self._evaluate(self.data.test, None)
        _must_be_finite(f"test predictions of epoch {number}", test)
        return [test]

    @torch.inference_mode()
    def _evaluate(self, split: TensorSplit, progress: Progress | None) -> tuple[Tensor, float]:
        """Predictions on the CPU, float32; with a progress, the validation loss too."""
        self.method.eval()
        if self.encoder is not None:
            self.encoder.eval()
        parts, total = [], torch.zeros((), device=self.device)
        rows = torch.arange(len(split), device=self.device)
        for part in rows.split(self.method.evaluation_batch):  # type: ignore[no-untyped-call]
            batch = split.batch(part)
            output = self.forward(batch)
            parts.append(output.prediction.float())
            if progress is not None:
                total += self.method.validation_loss(output, batch, progress) * len(batch)
            del batch, output
        return torch.cat(parts).cpu(), float(total) / len(split)

    def _optimizers(self) -> list[torch.optim.Optimizer]:
        optimizers = self.method.optimizers(self.method.parameter_groups(self.encoder))
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["base_lr"] = float(group["lr"])
        return optimizers

    def _progress(self, epoch: int, batch: int, batches: int) -> Progress:
        return Progress(epoch=epoch, epochs=self.epochs, batch=batch, batches=batches)

    def state(self) -> dict[str, Any]:
        """Everything a later process needs to go on after the last finished epoch."""
        return {
            "method": self.method.state_dict(),
            "encoder": self.encoder.state_dict() if self.encoder is not None else None,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "log": vars(self.log),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self.method.load_state_dict(state["method"])
        if self.encoder is not None:
            self.encoder.load_state_dict(state["encoder"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.log = Log(**state["log"])
        # predictions are kept in main memory, wherever the rest of a checkpoint belongs
        self.log.valid = [each.cpu() for each in self.log.valid]
        self.log.test = [each.cpu() for each in self.log.test]


def _must_be_finite(what: str, values: Tensor) -> None:
    if not torch.isfinite(values).all():
        bad = int((~torch.isfinite(values)).sum())
        raise NotFinite(f"{bad} of {values.numel()} {what} are not finite")
