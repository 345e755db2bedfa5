"""A method that needs labels per modality is tested with them, and must say so in class and card alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import Tensor
from torch.nn import functional as F

from msabench.method import Batch, Output, Progress
from msabench.testing import CHECKS, Subject, run_check
from msabench.testing.synthetic import TASKS, make_data

NEEDED = ("unimodal_labels",)


class ReadsUnimodalLabels:
    """Learns from the labels of each modality beside the whole's."""

    needs = NEEDED

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        own = batch.unimodal_labels
        return {"l1": F.l1_loss(output.prediction, batch.labels)} | {
            name: 0.1 * F.l1_loss(output.prediction, own[name]) for name in ("text", "audio", "vision")
        }

    def validation_loss(self, output: Output, batch: Batch, progress: Progress) -> Tensor:
        return sum(self.losses(output, batch, progress).values(), output.prediction.new_zeros(()))


class ReadsThemUnsaid(ReadsUnimodalLabels):
    """The same, undeclared."""

    needs = ()


@pytest.mark.parametrize("check", CHECKS)
def test_declared_needs_are_met(check: str, toy: Callable[..., Subject]) -> None:
    run_check(toy(ReadsUnimodalLabels, needs=NEEDED), check)


def test_undeclared_needs_are_not(toy: Callable[..., Subject], must_fail: Callable[..., None]) -> None:
    must_fail(toy(ReadsThemUnsaid), "loss_terms", "KeyError")


def test_class_and_card_must_say_the_same(
    toy: Callable[..., Subject], must_fail: Callable[..., None]
) -> None:
    must_fail(toy(ReadsUnimodalLabels), "card", "needs = []", "unimodal_labels")
    must_fail(toy(needs=("luck",)), "card", "luck")


def test_generated_labels_of_the_modalities_differ_and_keep_the_range(toy: Callable[..., Subject]) -> None:
    form = toy().form
    for task in TASKS.values():
        data = make_data(form, task, unimodal=True)
        assert not data.test.unimodal_labels, "the test split has no labels"
        own = data.train.unimodal_labels
        assert set(own) == {"text", "audio", "vision"}
        low, high = task.label_range
        for labels in own.values():
            assert labels.shape == data.train.labels.shape and low <= labels.min() <= labels.max() <= high
        if task.kind == "regression":
            assert not own["text"].equal(own["audio"])
