"""Train one run: `train(spec, dataset, encoder) -> RunRecord`."""

from __future__ import annotations

import platform
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor

from msabench import encoders, memory
from msabench.checkpoint import Checkpoint
from msabench.data.types import Dataset
from msabench.encoders import EncoderRef
from msabench.errors import MsabenchError
from msabench.method import METHODS, build
from msabench.run import Array, Failure, RunRecord, RunSpec
from msabench.streams import stream
from msabench.tensors import prepare
from msabench.trainer import Log, NotFinite, Trainer

OUT_OF_TIME = "runs ended by the limit on seconds: how many epochs fit into it depends on the machine"


@dataclass(frozen=True, kw_only=True)
class EpochReport:
    """What a progress bar shows."""

    epoch: int
    epochs: int
    seconds: float
    criterion: float
    spent: float = 0.0
    """Seconds of setup and of all epochs so far, those before an interruption included"""


def train(
    spec: RunSpec,
    dataset: Dataset,
    encoder: EncoderRef,
    *,
    device: str = "cpu",
    checkpoint: Checkpoint | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
    pace: Sequence[float] = (),
) -> RunRecord:
    """Train one run; failures of the training itself are results, with their cause.

    Parameters
    ----------
    checkpoint
        If its file is there, the run goes on from it, with the same result to the last bit. One that is
        damaged, or of another run, version or device, is not used: the run begins anew, and prints why.
    on_epoch
        Called after each epoch.
    pace
        Ends a trial of a search early, see `search.pruning`.

    Raises
    ------
    MsabenchError
        If the method, its hyperparameters or the dataset do not fit together: a mistake, not a result.
    """
    record = _blank(spec, dataset, device)
    trainer: Trainer | None = None
    resumed = 0
    meter = memory.Meter(device)
    begun = time.perf_counter()
    try:
        trainer = set_up(spec, dataset, encoder, device)
        if checkpoint and (unfit := checkpoint.restore(trainer)):
            print(f"the checkpoint is not used, training begins anew: {unfit}", flush=True)
            trainer = set_up(spec, dataset, encoder, device)
        trainer.pace, resumed = pace, trainer.log.epochs
        trainer.setup_seconds = time.perf_counter() - begun
        trainer.fit(_after_epoch(checkpoint, on_epoch))
    except MsabenchError:
        raise
    except Exception as error:  # a method may raise anything, and that is this run's result
        log = trainer.log if trainer else Log()
        # what was spent outside finished epochs is spent too: a search's ledger counts it
        lost = time.perf_counter() - begun - sum(log.seconds[resumed:])
        return replace(
            record,
            **_kept(log),
            setup_seconds=max(0.0, lost),
            failure=describe(error),
            peak_memory_mib=meter.peak_mib(),
        )
    log, valid, stopped = trainer.log, _stack(trainer.log.valid), trainer.finished()
    return replace(
        record,
        **_kept(log),
        status="finished",
        valid_predictions=valid,
        test_predictions=_stack(log.test) if trainer.test else valid[:, :0],
        setup_seconds=trainer.setup_seconds,
        peak_memory_mib=meter.peak_mib(),
        parameters=_count(trainer),
        stopped=stopped,
        notes=(*record.notes, *([OUT_OF_TIME] if stopped == "seconds" else [])),
    )


def failed_record(
    spec: RunSpec,
    dataset: Dataset,
    failure: Failure,
    device: str = "cpu",
    *,
    seconds: Sequence[float] = (),
    others: float = 0.0,
) -> RunRecord:
    """The record of a run that ended outside training, as when its process was killed.

    Parameters
    ----------
    seconds
        Of each epoch that it had finished.
    others
        Seconds that it had beside them.
    """
    blank = _blank(spec, dataset, device)
    return replace(blank, failure=failure, seconds=tuple(seconds), setup_seconds=others)


def _blank(spec: RunSpec, dataset: Dataset, device: str) -> RunRecord:
    truths = dataset.truths.without_test if spec.track == "trial" else dataset.truths
    return RunRecord(
        spec=spec,
        status="failed",
        task=dataset.task,
        convention=dataset.convention,
        truths_hash=truths.fingerprint,
        truths=truths,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        environment=environment(device),
        notes=_notes(spec, dataset),
    )


def set_up(spec: RunSpec, dataset: Dataset, encoder: EncoderRef, device: str) -> Trainer:
    """Data in the method's form, and the method itself, initialised from the seed's own stream."""
    finetuned = spec.text_mode == "finetuned"
    where = torch.device(device)
    hp = METHODS[spec.method].hyperparameters(**spec.hyperparameters)
    data = prepare(dataset, METHODS[spec.method].inputs(hp), encoder, finetuned=finetuned, device=where)
    torch.manual_seed(stream(spec.seed, "initialisation"))
    method = build(spec.method, data.sizes, spec.hyperparameters).to(where)
    text = encoders.load(encoder).to(where) if finetuned else None
    cap, own = spec.budget.epochs, spec.budget.patience
    return Trainer(
        method,
        text,
        data,
        seed=spec.seed,
        epochs=min(hp.epochs, cap) if cap else hp.epochs,
        patience=hp.patience if own is None else own,
        seconds=spec.budget.seconds,
        test=spec.track != "trial",
    )


def describe(error: BaseException) -> Failure:
    """A failure with its cause, from the exception that ended a run."""
    text = str(error).strip().split("\n")[0] or type(error).__name__
    if isinstance(error, NotFinite):
        return Failure(cause="nan", message=text)
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "not enough memory" in text:
        return Failure(cause="out-of-memory", message=text, traceback=trace)
    return Failure(cause="exception", message=f"{type(error).__name__}: {text}", traceback=trace)


def environment(device: str) -> dict[str, str]:
    """What a reader needs to judge whether two runs were made alike."""
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.processor() or "cpu"
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": f"{device} ({name})",
        "threads": str(torch.get_num_threads()),
        **{package: version(package) for package in ("msabench", "torch", "numpy", "transformers")},
    }


def _after_epoch(
    checkpoint: Checkpoint | None, on_epoch: Callable[[EpochReport], None] | None
) -> Callable[[Trainer], None]:
    saved, cost = time.monotonic(), 0.0

    def after(trainer: Trainer) -> None:
        nonlocal saved, cost
        log, now = trainer.log, time.monotonic()
        if checkpoint and checkpoint.due(now - saved, cost) and not trainer.finished():
            checkpoint.write(trainer)
            saved = time.monotonic()
            cost = saved - now
        if on_epoch:
            on_epoch(
                EpochReport(
                    epoch=log.epochs,
                    epochs=trainer.epochs,
                    seconds=log.seconds[-1],
                    criterion=log.valid_criterion[-1],
                    spent=trainer.setup_seconds + sum(log.seconds),
                )
            )

    return after


def _notes(spec: RunSpec, dataset: Dataset) -> tuple[str, ...]:
    method = METHODS[spec.method]
    try:
        form = method.inputs(method.hyperparameters(**spec.hyperparameters))
    except (TypeError, ValueError):
        return dataset.notes  # the run fails by these hyperparameters, and its record says how
    if form.text == "finetuned" and spec.text_mode == "frozen":
        return (*dataset.notes, "its recipe fine-tunes the text encoder; here it reads precomputed features")
    return dataset.notes


def _kept(log: Log) -> dict[str, Any]:
    names = ("losses", "valid_loss", "valid_criterion", "seconds")
    return {name: tuple(getattr(log, name)) for name in names}


def _stack(parts: list[Tensor]) -> Array:
    stacked: Array = torch.stack(parts).numpy()
    return stacked


def _count(trainer: Trainer) -> dict[str, int]:
    encoder = trainer.encoder.parameters() if trainer.encoder is not None else ()
    return {
        "method": sum(p.numel() for p in trainer.method.parameters()),
        "encoder": sum(p.numel() for p in encoder),
        "trainable": sum(p.numel() for p in trainer.parameters if p.requires_grad),
    }
