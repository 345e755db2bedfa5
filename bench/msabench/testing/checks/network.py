"""Checks of the network itself: what it gives, what trains it, and that a prediction is a sample's own."""

from __future__ import annotations

import fnmatch
from dataclasses import replace

import torch
from torch import Tensor

from msabench.errors import SpecError
from msabench.method import METHODS, build
from msabench.run import Task
from msabench.testing.outcome import CheckFailed, attempting, listed
from msabench.testing.subject import Subject
from msabench.testing.synthetic import SHAPES, TASKS, make_data
from msabench.testing.training import (
    Enough,
    difference,
    fit,
    make_trainer,
    predict,
    small_data,
    trained,
)
from msabench.trainer import Trainer

TOLERANCE = 1e-5
"""Of predictions that should be equal, relative to the largest: float32 sums in another order."""


LITERAL = "a size taken from a literal (768, 50 …) instead of `sizes`, a kernel longer than the sequence"


def shapes(subject: Subject) -> None:
    """Predictions have the right shape for every task declared, whatever the lengths and widths."""
    for kind in subject.method.tasks:
        for words, sizes in SHAPES.items():
            data = make_data(subject.form, TASKS[kind], sizes, unimodal=subject.unimodal)
            found = data.sizes
            where = f"{kind} with {words} (text {found.text}, audio {found.audio}, vision {found.vision})"
            trainer = make_trainer(subject, data, epochs=1)
            for samples, training in ((1, False), (7, False), (2, True), (5, True)):
                trainer.method.train(training)
                batch = data.train.batch(torch.arange(samples))
                with attempting(f"{where}: the forward pass on {samples} samples", LITERAL):
                    output = trainer.forward(batch)
                _expect_shape(output.prediction, samples, TASKS[kind], where)
    for kind in set(TASKS) - set(subject.method.tasks):
        _must_refuse(subject, TASKS[kind])


def gradient_reaches_parameters(subject: Subject) -> None:
    """Training moves every parameter but those that `dead_parameters` declares, and none of those."""
    trainer = make_trainer(subject, small_data(subject), epochs=6)
    waiting = {name: p for name, p in trainer.method.named_parameters() if p.requires_grad}
    seen: set[str] = set()
    for name, parameter in waiting.items():
        # the hook sees each backward pass of whatever `step` the method has, before gradients are cleared
        def note(reached: Tensor, name: str = name) -> None:
            if reached.grad is not None and reached.grad.any():
                seen.add(name)

        parameter.register_post_accumulate_grad_hook(note)  # type: ignore[no-untyped-call]
    expected_alive = {name for name in waiting if not _declared_dead(subject, name)}

    def enough(_: Trainer) -> None:
        # what is declared dead gets a few epochs to prove it
        if seen >= expected_alive and trainer.log.epochs >= (3 if subject.method.dead_parameters else 1):
            raise Enough

    fit(trainer, enough)
    _every_pattern_matches(subject, [name for name, _ in trainer.method.named_parameters()])
    trained_ids = {id(p) for p in trainer.parameters}
    untrained = [name for name in expected_alive if id(waiting[name]) not in trained_ids]
    if untrained:
        raise CheckFailed(
            saw=f"no optimiser holds {listed(sorted(untrained))}",
            expected="every parameter in a group of `parameter_groups`, or declared in `dead_parameters`",
            cause="`parameter_groups` lists parts by name and leaves one out",
        )
    if missed := sorted(expected_alive - seen):
        raise CheckFailed(
            saw=f"in {trainer.log.epochs} epochs no gradient reached {listed(missed)}",
            expected="a gradient for every parameter that `dead_parameters` does not declare",
            cause="a layer that `forward` does not use, `detach()` or `no_grad` before the loss, or a loss "
            "term left out; if the reference has the same dead weights, declare them and say why in the card",
        )
    alive = sorted(name for name in seen - expected_alive if id(waiting[name]) in trained_ids)
    if alive:
        raise CheckFailed(
            saw=f"training moves {listed(alive)}",
            expected="no gradient, as `dead_parameters` declares",
            cause="a pattern that matches more than it should, or a declaration from before a repair",
        )


def gradient_reaches_modalities(subject: Subject) -> None:
    """The prediction depends on text, audio and vision: its gradient reaches all three inputs."""
    data = small_data(subject)
    missing = {"text", "audio", "vision"}

    def look(trainer: Trainer) -> None:
        missing.difference_update(_modalities_reached(trainer))

    trainer = make_trainer(subject, data, epochs=2)
    look(trainer)
    fit(trainer, look)
    if missing:
        raise CheckFailed(
            saw=f"the prediction has no gradient for {' and '.join(sorted(missing))}",
            expected="a prediction that depends on all three modalities",
            cause="a modality that `forward` does not use, cuts off by `detach()`, or multiplies by a zero "
            "that never moves (a gate initialised to 0 whose other factor is 0 too)",
        )


def evaluation(subject: Subject) -> None:
    """In evaluation a sample's prediction is its own: the same in any batch, order and position."""
    data = small_data(subject, test=16)
    trainer = trained(subject, data, epochs=2)
    rows = list(range(16))
    state = {
        name: value.clone()
        for name, value in trainer.method.state_dict().items()
        if isinstance(value, Tensor)
    }
    whole = predict(trainer, data.test, rows)
    _expect_same(
        whole,
        predict(trainer, data.test, rows),
        "twice in the same batch",
        "dropout or noise that does not look at `self.training`",
    )
    leak = (
        "a statistic of the batch: BatchNorm with `track_running_stats=False` or kept in training mode, a "
        "softmax or a mean over axis 0, a rule that looks at the batch's first sample"
    )
    alone = torch.cat([predict(trainer, data.test, [row]) for row in rows])
    _expect_same(whole, alone, "in a batch of 16 and alone", leak)
    turned = predict(trainer, data.test, rows[::-1]).flip(0)
    _expect_same(whole, turned, "in a batch and in the same batch backwards", leak)
    halves = torch.cat([predict(trainer, data.test, rows[:5]), predict(trainer, data.test, rows[5:])])
    _expect_same(whole, halves, "among 16 samples and among fewer", leak)
    after = {name: value for name, value in trainer.method.state_dict().items() if isinstance(value, Tensor)}
    if changed := difference(state, after):
        raise CheckFailed(
            saw=f"evaluation changed the method's state ({changed})",
            expected="the same state before and after evaluation",
            cause="a memory bank or running mean that `forward` updates without asking `self.training`",
        )
    batch = data.test.batch(torch.tensor(rows))
    if batch.tokens is None:
        moved = replace(batch, index=torch.zeros_like(batch.index))
        with torch.no_grad():
            found = trainer.method(moved).prediction
        _expect_same(
            whole,
            found,
            "as row 7 of a split and as row 0",
            "a value looked up by `batch.index`, which counts the rows of whatever split is being read",
        )


def padding(subject: Subject) -> None:
    """A method that says which states of padded tokens it reads (`InputForm.text_tail`) reads no others."""
    data = small_data(subject)
    trainer = trained(subject, data, epochs=1)
    if trainer.encoder is None or trainer.tail is None:
        return
    rows = list(range(len(data.test)))
    spared = predict(trainer, data.test, rows)
    trainer.tail = None
    _expect_same(
        spared,
        predict(trainer, data.test, rows),
        "with the states that `text_tail` asks for and with all",
        "`text_tail` leaves out what `forward` reads: a convolution, a mean or attention over padding",
    )


def _expect_shape(prediction: Tensor, samples: int, task: Task, where: str) -> None:
    wanted = (samples, task.classes) if task.kind == "multiclass" else (samples,)
    if tuple(prediction.shape) != wanted:
        raise CheckFailed(
            saw=f"{where}: the prediction for {samples} samples has shape {tuple(prediction.shape)}",
            expected=f"shape {wanted}",
            cause="the head's last axis was kept (`[:, 0]` drops it), or `squeeze()` dropped a batch of one",
        )
    if not prediction.is_floating_point() or not torch.isfinite(prediction).all():
        raise CheckFailed(
            saw=f"{where}: predictions of type {prediction.dtype}, "
            f"{int((~torch.isfinite(prediction)).sum())} of {prediction.numel()} not finite",
            expected="finite floating-point predictions",
            cause="a division by a length, a deviation or a norm that is 0 for short or constant sequences",
        )


def _must_refuse(subject: Subject, task: Task) -> None:
    if subject.name not in list(METHODS) or METHODS[subject.name] is not subject.method:
        return  # not installed: `build` finds methods by their registered names
    sizes = make_data(subject.form, TASKS[subject.method.tasks[0]]).sizes
    try:
        build(subject.name, replace(sizes, task=task), subject.card.values("", subject.overrides))
    except SpecError:
        return
    raise CheckFailed(
        saw=f"a {task.kind} task was accepted",
        expected=f"a SpecError: the method is defined for {' and '.join(subject.method.tasks)}",
        cause="`tasks` was changed on the instance instead of the class",
    )


def _declared_dead(subject: Subject, name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in subject.method.dead_parameters)


def _every_pattern_matches(subject: Subject, names: list[str]) -> None:
    for pattern in subject.method.dead_parameters:
        if not fnmatch.filter(names, pattern):
            raise CheckFailed(
                saw=f"`dead_parameters` has '{pattern}', which matches no parameter",
                expected=f"patterns of existing parameters: {listed(names)}",
                cause="a module was renamed or removed",
            )


def _modalities_reached(trainer: Trainer) -> set[str]:
    split = trainer.data.train
    batch = split.batch(torch.arange(len(split)))
    text = batch.text if trainer.encoder is None else trainer.encoder(batch.tokens, trainer.tail)
    inputs = {
        "text": text.detach().requires_grad_(),
        "audio": batch.audio.detach().clone().requires_grad_(),
        "vision": batch.vision.detach().clone().requires_grad_(),
    }
    trainer.method.train()
    with attempting("the forward pass"):
        moved = replace(batch, text=inputs["text"], audio=inputs["audio"], vision=inputs["vision"])
        prediction = trainer.method(moved).prediction
    if not prediction.requires_grad:
        return set()
    gradients = torch.autograd.grad(prediction.sum(), list(inputs.values()), allow_unused=True)
    return {name for name, g in zip(inputs, gradients, strict=True) if g is not None and bool(g.any())}


def _expect_same(a: Tensor, b: Tensor, how: str, cause: str) -> None:
    scale = max(1.0, float(a.abs().max()))
    worst = float((a - b).abs().max())
    if not worst <= TOLERANCE * scale:
        raise CheckFailed(
            saw=f"samples were predicted {how}: predictions differ by up to {worst:.3g}",
            expected=f"equal predictions, within {TOLERANCE:g} of their size",
            cause=cause,
        )


__all__ = ["evaluation", "gradient_reaches_modalities", "gradient_reaches_parameters", "shapes"]
