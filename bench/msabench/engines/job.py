"""The job: one RunSpec to one record on disk. Running it twice does no harm."""

from __future__ import annotations

import contextlib
import json
import os
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msabench.data import DataSource, open_source
from msabench.data.types import Dataset
from msabench.encoders import EncoderRef
from msabench.engines.claim import claim
from msabench.engines.log import kept_log
from msabench.errors import MsabenchError, WriteError, write_errors
from msabench.records import Store
from msabench.run import Cause, Failure, RunSpec, Status

if TYPE_CHECKING:
    from msabench.train import EpochReport

UNFINISHED = ".unfinished"
"""Below the study's folder: checkpoints and progress of runs that have no record yet."""
GOES_ON = frozenset[Cause]({"killed", "timeout", "out-of-memory"})
"""Failures that keep their checkpoint: their runs, tried again, go on from it. One that the method's own
code brought about begins anew, or it would only fail again, or mix epochs of that code and of the mended."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """All that a worker needs, small enough to send to another machine."""

    spec: RunSpec
    source: DataSource
    encoder: EncoderRef
    study: Path
    device: str = "cpu"
    threads: int = 1
    """Of torch within one operation; part of what makes a result the same to the last bit"""
    checkpoint_seconds: float = 60.0
    """An interrupted run loses at most so much work, and one epoch"""
    pace: tuple[float, ...] = ()
    """Ends a trial of a search early, see `search.pruning`"""

    @property
    def key(self) -> str:
        """The run's key."""
        return self.spec.key


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A job that is over."""

    job: Job
    status: Status | None
    """None where its worker died or failed outside training: no record was written"""
    reason: str = ""
    """Why there is no record, as a sentence's end for a table"""
    cause: Cause = "killed"
    """Of the failure that is recorded, where there is no record"""
    traceback: str = ""
    elapsed: float = 0.0
    """Seconds since its worker took it, where there is no record and the engine knows"""
    halt: WriteError | None = None
    """What no run is at fault for, as a full disk: nothing is recorded, and the study stops with it"""


class Engine(Protocol):
    """What runs jobs. It does not know what they compute, and which engine ran a job changes no result."""

    def run(
        self,
        jobs: Sequence[Job],
        poll: Callable[[], None],
        more: Callable[[], Sequence[Job]] | None = None,
    ) -> Iterator[Ended]:
        """Run jobs and yield each as it ends.

        Parameters
        ----------
        poll
            Called several times a second while jobs run.
        more
            Called after each job that ended: jobs that its result has made known.

        Notes
        -----
        A worker that dies loses its own job only. When the caller stops iterating (Ctrl-C), workers are
        stopped; their runs go on from their checkpoints next time.
        """


@dataclass(frozen=True, kw_only=True)
class RunProgress:
    """How far a run is that has no record yet."""

    key: str
    row: str
    dataset: str
    seed: int
    epoch: int
    epochs: int
    seconds_per_epoch: float
    process: int
    spent: float = 0.0
    """Seconds of setup and epochs so far"""


_opened: dict[str, Dataset] = {}


def opened(job: Job) -> Dataset:
    """The job's dataset, opened once in each process."""
    key = f"{job.source.name} {job.source.fingerprint}"
    if key not in _opened:
        _opened[key] = open_source(job.source)
    return _opened[key]


def attempt(job: Job) -> Ended:
    """What a worker of any engine does with a job: perform it, its output kept in its log.

    Nothing that the job does raises here, short of ending the process.
    """
    with kept_log(log_path(job.study, job.key)):
        try:
            return Ended(job=job, status=perform(job))
        except WriteError as error:
            return Ended(job=job, status=None, reason=error.what, halt=error)
        except (Exception, SystemExit) as error:
            trace = "".join(traceback.format_exception(error))
            print(trace, flush=True)
            text = str(error).strip().split("\n")[0]
            cause: Cause = "out-of-memory" if isinstance(error, MemoryError) else "exception"
            reason = f"{type(error).__name__}: {text}"
            return Ended(job=job, status=None, reason=reason, cause=cause, traceback=trace)


def perform(job: Job) -> Status:
    """Train, and write the record; returns its status. A finished record that is there is left alone.

    Raises
    ------
    WriteError
        If the record cannot be written, as on a full disk. The checkpoint stays.
    """
    store = Store(job.study)
    if store.status(job.key) == "finished":
        forget(job.study, job.key)
        return "finished"
    with claim(job.study / UNFINISHED, job.key):
        # or by another process, while this one waited for it
        return "finished" if store.status(job.key) == "finished" else _trained(job, store)


def _trained(job: Job, store: Store) -> Status:
    import torch

    from msabench.checkpoint import Checkpoint
    from msabench.train import failed_record, train

    torch.set_num_threads(job.threads)
    if job.device.startswith("cuda"):
        # the same kernels whatever else runs on the card
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False
    checkpoint = _path(job.study, job.key, "pt")
    dataset = opened(job)
    with write_errors(store.path):
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
    try:
        record = train(
            job.spec,
            dataset,
            job.encoder,
            device=job.device,
            checkpoint=Checkpoint(path=checkpoint, run=job.key, every_seconds=job.checkpoint_seconds),
            on_epoch=lambda report: _tell(job, report),
            pace=job.pace,
        )
    except MsabenchError as error:
        record = failed_record(job.spec, dataset, Failure(cause="exception", message=error.what))
    if record.failure and record.failure.traceback:
        print(record.failure.traceback, flush=True)
    with write_errors(store.path):
        store.write(record, record.truths or dataset.truths)
    forget(job.study, job.key, record.failure)
    return record.status


def progress(study: Path) -> list[RunProgress]:
    """Runs of a study that have trained an epoch and have no record yet, in any process."""
    found = []
    for path in sorted((study / UNFINISHED).glob("*.json")):
        try:
            found.append(RunProgress(**json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError, TypeError):
            continue  # it ended, or is being written, just now
    return found


def spent(study: Path, key: str, elapsed: float = 0.0) -> tuple[list[float], float]:
    """What a run that died had spent: seconds of each epoch, as its last one took, and seconds beside them.

    Parameters
    ----------
    elapsed
        As in `Ended`: no more than this has passed since its last epoch, or since it began.
    """
    path = _path(study, key, "json")
    try:
        last = RunProgress(**json.loads(path.read_text(encoding="utf-8")))
        since = min(elapsed, max(0.0, time.time() - path.stat().st_mtime))
    except (OSError, ValueError, TypeError):
        return [], elapsed
    epochs = [last.seconds_per_epoch] * last.epoch
    return epochs, max(0.0, last.spent - sum(epochs)) + since


def forget(study: Path, key: str, failure: Failure | None = None) -> None:
    """Remove what an unfinished run left, once its record is written.

    Parameters
    ----------
    failure
        How it failed, if it did: after those of `GOES_ON` its checkpoint stays.
    """
    again = failure is not None and failure.cause in GOES_ON
    for ending in ("json",) if again else ("json", "pt"):
        _path(study, key, ending).unlink(missing_ok=True)


def tidy(study: Path) -> None:
    """Remove what runs left that were killed after their record was written."""
    store = Store(study)
    for path in (study / UNFINISHED).glob("[!.]*.*"):
        if store.status(path.name.split(".")[0]) == "finished":
            path.unlink(missing_ok=True)


def log_path(study: Path, key: str) -> Path:
    """Where the output of a run's worker is kept, if there was any."""
    return study / "logs" / f"{key}.log"


def _path(study: Path, key: str, ending: str) -> Path:
    return study / UNFINISHED / f"{key}.{ending}"


def _tell(job: Job, report: EpochReport) -> None:
    path = _path(job.study, job.key, "json")
    now = RunProgress(
        key=job.key,
        row=job.spec.row,
        dataset=job.spec.dataset,
        seed=job.spec.seed,
        epoch=report.epoch,
        epochs=report.epochs,
        seconds_per_epoch=report.seconds,
        spent=report.spent,
        process=os.getpid(),
    )
    temporary = path.with_suffix(".tmp-json")
    with contextlib.suppress(OSError):  # it is only shown; the record will say that the disk is full
        temporary.write_text(json.dumps(asdict(now)), encoding="utf-8")
        temporary.replace(path)
