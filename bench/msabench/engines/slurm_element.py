"""An element of a job array: several runs, one after another, on a node of the cluster.

submitit calls it, and calls `checkpoint` when SLURM announces that the job's time is over or that a more
urgent one takes its place; the element is then queued again and goes on from its run's last epoch.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import submitit

from msabench.engines.claim import claim
from msabench.engines.job import UNFINISHED, Job, perform
from msabench.engines.slurm_marks import Mark, forget_mark, marks, write_mark
from msabench.engines.slurm_submissions import run_again
from msabench.errors import MsabenchError, WriteError
from msabench.records import Store

STALLED = 3
"""Times that an element is queued again without having finished an epoch"""


@dataclass(frozen=True, kw_only=True)
class Element:
    """What one array element does. Going through it twice does no harm."""

    jobs: tuple[Job, ...]
    stalled: int = 0
    """Times in a row that it was queued again without progress"""
    before: str = ""
    """The state of its unfinished runs when it was last queued again"""

    def __call__(self) -> None:
        """Train every run that has no record; a run that cannot be recorded does not stop the others."""
        job_id = submitit.JobEnvironment().job_id
        for job in self.jobs:
            if Store(job.study).status(job.key) == "finished":
                continue
            with claim(job.study / UNFINISHED, job.key, wait=False) as mine:
                if mine:
                    _train(job, Mark(key=job.key, job=job_id, host=socket.gethostname()))
                else:
                    print(f"{job.key} is being trained by another process", flush=True)

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """What is queued in the element's place; called by submitit inside a handler of a signal.

        Raises
        ------
        SystemExit
            If it was queued again several times and no epoch was finished between: the run that it is at
            does not get through an epoch in the time that a job has.
        """
        now = self._state()
        stalled = self.stalled + 1 if now == self.before else 0
        if stalled >= STALLED:
            for job in self.jobs:
                for mark in marks(job.study, job.key):
                    write_mark(
                        job.study, replace(mark, reason=f"no epoch finished in {STALLED} jobs in a row")
                    )
            raise SystemExit(1)
        return submitit.helpers.DelayedSubmission(replace(self, stalled=stalled, before=now))

    def _state(self) -> str:
        """Changes with every epoch that a checkpoint holds, and every record."""
        parts = []
        for job in self.jobs:
            saved = job.study / UNFINISHED / f"{job.key}.pt"
            recorded = Store(job.study).status(job.key)
            parts.append(f"{job.key} {recorded} {saved.stat().st_mtime_ns if saved.exists() else 0}")
        return "\n".join(parts)


def _train(job: Job, mark: Mark) -> None:
    write_mark(job.study, mark)
    try:
        status = perform(job)
    except WriteError:
        # no run is at fault for a full disk: it is submitted again when there is room
        forget_mark(job.study, mark)
        raise
    except Exception as error:  # of the disk or the data; of training itself, it would be in the record
        what = error.what if isinstance(error, MsabenchError) else f"{type(error).__name__}: {error}"
        write_mark(job.study, replace(mark, reason=what))
        print(f"{job.key}: {what}", file=sys.stderr, flush=True)
        return
    forget_mark(job.study, mark)
    print(f"{job.key} {status}: {job.spec.row} {job.spec.dataset} seed {job.spec.seed}", flush=True)


@dataclass(frozen=True, kw_only=True)
class Command:
    """A job that runs a command of msabench again: to prepare the data, or to submit what comes next."""

    arguments: Sequence[str]
    folder: Path
    """Where the command was typed"""

    def __call__(self) -> None:
        """Run it; its output is the job's."""
        if code := run_again(self.arguments, self.folder):
            raise RuntimeError(f"the command ended with exit code {code}")
