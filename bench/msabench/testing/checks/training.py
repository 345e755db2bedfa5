"""Checks of a training as a whole: its loss terms, its randomness, its state, and that it learns."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from msabench.method import Progress
from msabench.metrics import criterion
from msabench.run import Array, Task
from msabench.testing.outcome import CheckFailed, attempting, listed
from msabench.testing.subject import Subject
from msabench.testing.synthetic import TASKS, absent, make_data
from msabench.testing.training import (
    Enough,
    difference,
    fit,
    forward,
    left_by,
    make_trainer,
    small_data,
    trained,
)
from msabench.trainer import Trainer

OVERFIT_EPOCHS = 250
OVERFIT_SHARE = 0.5
"""Of the criterion of the best constant prediction; what a method that learns falls below on its own data."""


def loss_terms(subject: Subject) -> None:
    """Losses are named, finite scalars, and their sum has a gradient."""
    data = small_data(subject)
    trainer = make_trainer(subject, data, epochs=2)
    progress = Progress(epoch=1, epochs=2, batch=0, batches=2)
    with attempting("the hooks before the first batch"):
        trainer.method.on_fit_start(replace(progress, epoch=0, batches=0))
        trainer.method.train()
        trainer.method.on_epoch_start(progress)
    for samples in (2, 7):
        batch = data.train.batch(torch.arange(samples))
        output = forward(trainer, data.train, list(range(samples)))
        with attempting(f"`losses` on {samples} samples"):
            terms = trainer.method.losses(output, batch, progress)
        _expect_terms(terms, samples)
    total = torch.stack(list(terms.values())).sum()
    parameters = [p for p in trainer.parameters if p.requires_grad]
    with attempting("the gradient of the terms' sum"):
        gradients = torch.autograd.grad(total, parameters, allow_unused=True)
    if not any(g is not None and bool(g.any()) for g in gradients):
        raise CheckFailed(
            saw="the sum of the loss terms has no gradient for any parameter that is trained",
            expected="a sum that training can lower",
            cause="a loss that is constant, or whose parameters no optimiser holds",
        )
    _expect_validation_loss(trained(subject, data, epochs=1), replace(progress, epoch=2))


def labels(subject: Subject) -> None:
    """Predictions never depend on labels: `forward` reads none, and training ignores the test split's."""
    data = small_data(subject)
    trainer = trained(subject, data, epochs=2)
    poisoned = replace(data, test=replace(data.test, labels=torch.ones_like(data.test.labels)))
    if found := difference(left_by(trainer), left_by(trained(subject, poisoned, epochs=2))):
        raise CheckFailed(
            saw=f"with other labels on the test split, {found}",
            expected="the same training, to the last bit",
            cause="`forward` reads `batch.labels`, or keeps what it sees in evaluation",
        )
    hidden = replace(data.train, labels=absent(data.train.labels))
    for training in (True, False):
        trainer.method.train(training)
        outputs = []
        for split in (data.train, hidden):
            torch.manual_seed(0)
            outputs.append(forward(trainer, split, list(range(8))).prediction.detach())
        if found := difference(outputs[0], outputs[1], "prediction"):
            raise CheckFailed(
                saw=f"with the labels hidden, in {'training' if training else 'evaluation'} mode, {found}",
                expected="the same prediction, whatever `batch.labels` holds",
                cause="`forward` reads `batch.labels`; what needs labels belongs in `losses` or in a hook",
            )


def determinism(subject: Subject) -> None:
    """One seed gives one result, to the last bit; another seed gives another network."""
    data = small_data(subject)
    first = trained(subject, data, seed=1)
    if found := difference(left_by(first), left_by(trained(subject, data, seed=1))):
        raise CheckFailed(
            saw=f"two trainings with the same seed are unequal ({found})",
            expected="the same result, to the last bit",
            cause="randomness from `random` or `numpy` instead of torch, a generator of the method's own, or "
            "state kept on the class or the module, which outlives a run",
        )
    states = []
    for seed in (1, 2):
        trainer = make_trainer(subject, data, seed=seed, epochs=1)
        built = torch.get_rng_state()
        torch.manual_seed(seed)
        trainer.method.train()
        forward(trainer, data.train, [0, 1, 2, 3])
        states.append((built, torch.get_rng_state(), dict(trainer.method.named_parameters())))
    (built_1, drawn_1, values_1), (built_2, drawn_2, values_2) = states
    for what, same in (
        ("building the method", torch.equal(built_1, built_2) or not difference(values_1, values_2)),
        ("a forward pass", torch.equal(drawn_1, drawn_2)),
    ):
        if same:
            raise CheckFailed(
                saw=f"{what} leaves the same random numbers under two seeds",
                expected="a seed that decides initialisation and dropout",
                cause="`torch.manual_seed` inside the method: seeding is the harness's business",
            )


def resume(subject: Subject) -> None:
    """Four epochs at once, and two, a checkpoint and two more in new objects, are equal to the last bit."""
    data = small_data(subject)
    saved = io.BytesIO()

    def checkpoint(trainer: Trainer) -> None:
        if trainer.log.epochs == 2:
            with attempting("saving a checkpoint"):
                torch.save(trainer.state(), saved)

    straight = make_trainer(subject, data, epochs=4)
    fit(straight, checkpoint)
    saved.seek(0)
    with attempting(
        "reading the checkpoint back (torch.load with weights_only=True)",
        "`get_extra_state` returns objects other than tensors, numbers, strings and plain containers",
    ):
        state = torch.load(saved, weights_only=True)
    again = make_trainer(subject, data, epochs=4)
    with attempting("restoring the checkpoint in new objects", "buffers that change their shape in training"):
        again.restore(state)
    fit(again)
    if found := difference(left_by(straight), left_by(again)):
        raise CheckFailed(
            saw=f"resumed after epoch 2 of 4, the result differs ({found})",
            expected="the result of the uninterrupted training, to the last bit",
            cause="state in a plain attribute: use `register_buffer`, or `get_extra_state` and "
            "`set_extra_state`. `on_fit_start` is not called again when a run is resumed",
        )


def overfits(subject: Subject) -> None:
    """With its own optimiser and learning rate the method learns 32 samples by heart."""
    task = TASKS[subject.method.tasks[0]]
    data = make_data(subject.form, task, train=32, test=2, unimodal=subject.unimodal)
    data = replace(data, valid=data.train)  # so that the trainer evaluates on what it trains on
    truths = data.train.labels.numpy()
    baseline = criterion(task, _constant(task, truths), truths)
    target = OVERFIT_SHARE * baseline

    def enough(trainer: Trainer) -> None:
        if trainer.log.valid_criterion[-1] < target:
            raise Enough

    trainer = make_trainer(subject, data, epochs=OVERFIT_EPOCHS, batches=4)
    fit(trainer, enough)
    best = min(trainer.log.valid_criterion)
    if best >= target:
        raise CheckFailed(
            saw=f"after {trainer.log.epochs} epochs on 32 samples the error on them is {best:.3f}",
            expected=f"less than {target:.3f}, {OVERFIT_SHARE:.0%} of the best constant prediction's error",
            cause="a loss with the wrong sign or the wrong axis ((B,) against (B, 1) broadcasts to (B, B)), "
            "an output that cannot reach the labels' range, a learning rate or dropout in the card that is "
            "off by a power of ten, or gradients that never meet an optimiser step",
        )


def _expect_terms(terms: object, samples: int) -> None:
    if not isinstance(terms, Mapping) or not terms or not all(isinstance(name, str) for name in terms):
        raise CheckFailed(
            saw=f"`losses` returned {type(terms).__name__} {terms!r:.80}",
            expected="a dict of at least one term by name",
            cause="the sum was returned instead of its terms",
        )
    for name, term in terms.items():
        if not isinstance(term, Tensor) or term.dim() != 0:
            shown = f"a tensor of shape {tuple(term.shape)}" if isinstance(term, Tensor) else repr(term)
            raise CheckFailed(
                saw=f"the loss term '{name}' is {shown}",
                expected="a tensor with no axes",
                cause="`reduction='none'` without a mean, or `.item()`",
            )
        if not torch.isfinite(term):
            raise CheckFailed(
                saw=f"the loss term '{name}' is {float(term.detach())} on a batch of {samples}",
                expected="a finite number",
                cause="a deviation over one sample, a logarithm of 0, or a division by the number of pairs "
                "in a batch that has none",
            )
    total = torch.stack(list(terms.values())).sum()
    if not total.requires_grad:
        raise CheckFailed(
            saw=f"the sum of {listed(list(terms))} has no gradient",
            expected="terms that depend on the parameters",
            cause="`detach()`, `no_grad`, or a loss computed from labels alone",
        )


def _expect_validation_loss(trainer: Trainer, progress: Progress) -> None:
    """The last batch of a validation split may hold a single sample."""
    trainer.method.eval()
    for samples in (1, 5):
        batch = trainer.data.valid.batch(torch.arange(samples))
        with torch.inference_mode(), attempting(f"`validation_loss` on {samples} sample(s)"):
            output = forward(trainer, trainer.data.valid, list(range(samples)))
            value = trainer.method.validation_loss(output, batch, progress)
        if value.dim() != 0 or not torch.isfinite(value):
            raise CheckFailed(
                saw=f"`validation_loss` on {samples} sample(s) is {value}",
                expected="a finite scalar: a validation split may leave one sample for its last batch",
                cause="a term over pairs or a deviation within the batch: leave it out for a batch of one",
            )


def _constant(task: Task, truths: Array) -> Array:
    """The best prediction that does not look at the sample."""
    if task.kind == "regression":
        return np.full(len(truths), np.median(truths), np.float32)
    shares = np.bincount(truths.astype(int), minlength=2) / len(truths)
    if task.kind == "binary":
        return np.full(len(truths), np.log(shares[1] / shares[0]), np.float32)
    return np.tile(np.log(shares).astype(np.float32), (len(truths), 1))


__all__ = ["determinism", "labels", "loss_terms", "overfits", "resume"]
