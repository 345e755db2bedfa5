"""Each check of network and training can fail: mixins with one defect each, and what is said of them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msabench.method import Batch, InputForm, InputSizes, Output, Progress

HIDDEN = 12
Make = Callable[..., Any]


class KeepsTheAxis:
    def forward(self, batch: Batch) -> Output:
        return Output(prediction=super().forward(batch).prediction[:, None])


class SqueezesTheBatch:
    def forward(self, batch: Batch) -> Output:
        return Output(prediction=super().forward(batch).prediction[:, None].squeeze())


class LiteralWidth:
    def __init__(self, *, sizes: InputSizes, hp: Any) -> None:
        super().__init__(sizes=sizes, hp=hp)
        self.text = nn.Linear(24, HIDDEN)


class DividesByZero:
    def forward(self, batch: Batch) -> Output:
        speed = batch.vision.diff(dim=1).mean((1, 2))  # a sequence of one has no differences
        return Output(prediction=super().forward(batch).prediction + speed)


class UnusedLayer:
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.spare = nn.Linear(3, 3)


class DeclaresLivingDead:
    dead_parameters = ("head.*",)


class DeclaresNothing:
    dead_parameters = ("tail.*",)


class ForgetsTheHead:
    def parameter_groups(self, encoder: nn.Module | None) -> list[dict[str, Any]]:
        kept = [p for name, p in self.named_parameters() if not name.startswith("head")]
        return [{"params": kept, "lr": self.hp.learning_rate}]


class IgnoresVision:
    def join(self, batch: Batch) -> Tensor:
        return super().join(replace(batch, vision=torch.zeros_like(batch.vision)))


class CutsAudioOff:
    def join(self, batch: Batch) -> Tensor:
        return super().join(replace(batch, audio=batch.audio.detach()))


class TestNetwork:
    @pytest.mark.parametrize(
        ("method", "check", "words"),
        [
            (KeepsTheAxis, "shapes", "shape (1, 1)"),
            (SqueezesTheBatch, "shapes", "for 1 samples has shape ()"),
            (LiteralWidth, "shapes", "instead of `sizes`"),
            (DividesByZero, "shapes", "1 of 1 not finite"),
            (UnusedLayer, "gradient_reaches_parameters", "spare.bias, spare.weight"),
            (DeclaresLivingDead, "gradient_reaches_parameters", "training moves head.bias, head.weight"),
            (DeclaresNothing, "gradient_reaches_parameters", "'tail.*', which matches no parameter"),
            (ForgetsTheHead, "gradient_reaches_parameters", "no optimiser holds head.bias, head.weight"),
            (IgnoresVision, "gradient_reaches_modalities", "no gradient for vision"),
            (CutsAudioOff, "gradient_reaches_modalities", "no gradient for audio"),
        ],
    )
    def test_each_defect_fails_its_check(
        self, toy: Make, must_fail: Make, method: type, check: str, words: str
    ) -> None:
        must_fail(toy(method), check, words)


class CentresTheBatch:
    def score(self, x: Tensor) -> Tensor:
        return super().score(x - x.mean(0))


class NormalisesByTheBatch:
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.norm = nn.BatchNorm1d(3 * HIDDEN, track_running_stats=False)

    def score(self, x: Tensor) -> Tensor:
        return super().score(x if len(x) > 1 else x.repeat(2, 1))[: len(x)]


class AlwaysDropsOut:
    def score(self, x: Tensor) -> Tensor:
        return super().score(F.dropout(x, 0.2))


class LooksUpItsRow:
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.register_buffer("memory", torch.linspace(0, 1, self.sizes.train_samples))

    def forward(self, batch: Batch) -> Output:
        return Output(prediction=super().forward(batch).prediction + self.memory[batch.index])


class RemembersEvaluation:
    def forward(self, batch: Batch) -> Output:
        if not self.training:
            self.level = batch.audio.mean()
        return Output(prediction=super().forward(replace(batch)).prediction - 0.01 * self.level)


class TestEvaluation:
    @pytest.mark.parametrize(
        ("method", "words"),
        [
            (CentresTheBatch, "in a batch of 16 and alone"),
            (NormalisesByTheBatch, "BatchNorm"),
            (AlwaysDropsOut, "does not look at `self.training`"),
            (LooksUpItsRow, "`batch.index`"),
            (RemembersEvaluation, "evaluation changed the method's state (level"),
        ],
    )
    def test_a_prediction_that_is_not_the_samples_own(
        self, toy: Make, must_fail: Make, method: type, words: str
    ) -> None:
        must_fail(toy(method), "evaluation", words)


class ReadsPadding:
    @classmethod
    def inputs(cls, hp: Any) -> InputForm:
        return InputForm(text="finetuned", audio="mean", text_tail=0)

    def forward(self, batch: Batch) -> Output:
        mean = batch.text.mean((1, 2))  # padding included
        return Output(prediction=super().forward(batch).prediction + mean)


class TestPadding:
    def test_a_method_that_reads_what_it_says_it_does_not(self, toy: Make, must_fail: Make) -> None:
        must_fail(toy(ReadsPadding, text="finetuned"), "padding", "text_tail")


class ReadsLabels:
    def forward(self, batch: Batch) -> Output:
        made = super().forward(batch).prediction
        return Output(prediction=made + 0.1 * batch.labels.nan_to_num(0.0))


class ReadsLabelsInTraining:
    def forward(self, batch: Batch) -> Output:
        made = super().forward(batch).prediction
        return Output(prediction=made + 0.1 * batch.labels if self.training else made)


class TestLabels:
    @pytest.mark.parametrize(
        ("method", "words"),
        [
            (ReadsLabels, "with other labels on the test split, predictions.test"),
            (ReadsLabelsInTraining, "with the labels hidden, in training mode"),
        ],
    )
    def test_reading_labels_in_forward(self, toy: Make, must_fail: Make, method: type, words: str) -> None:
        must_fail(toy(method), "labels", words)


class VectorLoss:
    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        return {"l1": (output.prediction - batch.labels).abs()}


class NumberLoss:
    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Any]:
        return {**super().losses(output, batch, progress), "norm": 1.0}


class DetachedLoss:
    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        return {"l1": F.l1_loss(output.prediction.detach(), batch.labels)}


class NoTerms:
    def losses(self, output: Output, batch: Batch, progress: Progress) -> Any:
        return F.l1_loss(output.prediction, batch.labels)


class ConstantLoss:
    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        return {"l1": 0.0 * F.l1_loss(output.prediction, batch.labels)}


class LogarithmOfZero:
    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        terms = super().losses(output, batch, progress)
        return {**terms, "entropy": -(output.prediction * 0).log().mean()}


class DeviationOfTheBatch:
    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        terms = super().losses(output, batch, progress)
        variance = (output.prediction - output.prediction.mean()).square().sum() / (len(batch) - 1)
        return {**terms, "spread": variance}


class TestLossTerms:
    @pytest.mark.parametrize(
        ("method", "words"),
        [
            (VectorLoss, "the loss term 'l1' is a tensor of shape (2,)"),
            (NumberLoss, "the loss term 'norm' is 1.0"),
            (DetachedLoss, "the sum of l1 has no gradient"),
            (NoTerms, "the sum was returned instead of its terms"),
            (ConstantLoss, "has no gradient for any parameter"),
            (LogarithmOfZero, "the loss term 'entropy' is"),
            (DeviationOfTheBatch, "`validation_loss` on 1 sample(s) is nan"),
        ],
    )
    def test_each_defect_is_told(self, toy: Make, must_fail: Make, method: type, words: str) -> None:
        must_fail(toy(method), "loss_terms", words)


class NumpyNoise:
    def score(self, x: Tensor) -> Tensor:
        return super().score(x + float(np.random.rand()) if self.training else x)  # noqa: NPY002


class OutlivesTheRun:
    steps = 0

    def score(self, x: Tensor) -> Tensor:
        type(self).steps += self.training
        return super().score(x) + 0.001 * type(self).steps


class SeedsItself:
    def __init__(self, **options: Any) -> None:
        torch.manual_seed(0)
        super().__init__(**options)


class SeedsItsDropout:
    def score(self, x: Tensor) -> Tensor:
        torch.manual_seed(0)
        return super().score(x)


class PlainState:
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.centre = torch.zeros(())

    def score(self, x: Tensor) -> Tensor:
        return super().score(x) + self.centre

    def on_batch_end(self, batch: Batch, progress: Progress) -> None:
        self.centre = self.centre * 0.9 + batch.labels.mean() * 0.1


class StateOfTheStart:
    def on_fit_start(self, progress: Progress) -> None:
        self.scale = torch.tensor(2.0)

    def score(self, x: Tensor) -> Tensor:
        return super().score(x) * self.scale


class ForeignState:
    def get_extra_state(self) -> Any:
        return pickle.PickleBuffer  # any class: what a checkpoint read safely refuses

    def set_extra_state(self, state: Any) -> None:
        """Nothing to restore."""


class TestRepeating:
    @pytest.mark.parametrize(
        ("method", "check", "words"),
        [
            (NumpyNoise, "determinism", "two trainings with the same seed are unequal"),
            (OutlivesTheRun, "determinism", "outlives a run"),
            (SeedsItself, "determinism", "building the method leaves the same random numbers"),
            (SeedsItsDropout, "determinism", "a forward pass leaves the same random numbers"),
            (PlainState, "resume", "resumed after epoch 2 of 4, the result differs"),
            (StateOfTheStart, "resume", "no attribute 'scale'"),
            (ForeignState, "resume", "weights_only=True"),
        ],
    )
    def test_each_defect_fails_its_check(
        self, toy: Make, must_fail: Make, method: type, check: str, words: str
    ) -> None:
        must_fail(toy(method), check, words)


class WrongSign:
    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        return {"l1": -F.l1_loss(output.prediction.tanh(), batch.labels)}


class BroadcastLoss:
    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        return {"l1": (output.prediction[:, None] - batch.labels).abs().mean()}


class NarrowOutput:
    def forward(self, batch: Batch) -> Output:
        return Output(prediction=super().forward(batch).prediction.tanh() * 0.5)


class TestOverfits:
    @pytest.mark.parametrize("method", [WrongSign, BroadcastLoss, NarrowOutput])
    def test_a_method_that_cannot_learn(self, toy: Make, must_fail: Make, method: type) -> None:
        must_fail(toy(method), "overfits", "on 32 samples")

    def test_a_learning_rate_that_is_off(self, toy: Make, must_fail: Make) -> None:
        must_fail(toy(hp={"learning_rate": 1e-8}), "overfits", "learning rate")
