"""The driver's hold on one worker process: give it a job, hear of it, end it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from contextlib import suppress

import psutil

from msabench.engines.job import Ended, Job, log_path
from msabench.engines.worker import READY, WHERE_IT_IS, serve

HINTS = {
    "SIGKILL": "; the system kills processes so when memory runs out",
    # what a mapped file gives for a page that it has no longer
    "SIGBUS": "; the data cache, or the disk that it is on, changed while it was read",
}
"""What most likely ended a worker, by signal"""
_TO_TELL = 0.5  # seconds that a worker past its limit gets to write where it is


class WorkerProcess:
    """One worker and the job that it has.

    Each has a pipe of its own: workers share no lock that one of them could die with.
    """

    def __init__(self, device: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.device = device
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, os.getpid()), name="msabench worker")
        self.process.start()
        theirs.close()
        self.ready = False
        self.job: Job | None = None
        self.since = 0.0

    def give(self, job: Job) -> None:
        """Send a job; one that is not ready takes it when it is."""
        self.job, self.since = job, time.monotonic()
        with suppress(OSError):  # it died just now, which `hear` tells
            self.connection.send(job)

    def hear(self) -> Ended | None:
        """What the worker has said of its job, if it has.

        Raises
        ------
        EOFError
            If it died, or said something that breaks off.
        """
        while self.connection.poll():
            try:
                said = self.connection.recv()
            except Exception as error:  # half a message may raise anything
                raise EOFError from error
            if said != READY:
                self.job = None
                return said  # type: ignore[no-any-return]
            # its time runs on a clock that nobody sets
            self.ready, self.since = True, time.monotonic()
        if not self.process.is_alive() and not self.connection.poll():
            raise EOFError
        return None

    def elapsed(self) -> float:
        """Seconds that its run has had."""
        return time.monotonic() - self.since if self.job and self.ready else 0.0

    def overdue(self, limit: float | None) -> bool:
        """Whether its run has had more seconds than the limit."""
        return bool(limit and self.elapsed() > limit)

    def resident(self) -> int:
        """Bytes of memory that it fills now."""
        try:
            return int(psutil.Process(self.process.pid).memory_info().rss)
        except psutil.Error:
            return 0

    def kill(self, *, telling: bool = False) -> int | None:
        """End it, and what it started, whatever they are doing; returns the exit code.

        Parameters
        ----------
        telling
            Let it write first, into its log, where it is.
        """
        if telling and self.process.is_alive() and self.process.pid:
            os.kill(self.process.pid, WHERE_IT_IS)
            self.process.join(_TO_TELL)
        with suppress(psutil.Error):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                with suppress(psutil.Error):
                    child.kill()
        self.process.kill()
        self.process.join()
        self.connection.close()
        return self.process.exitcode


def died(job: Job, code: int | None) -> Ended:
    """A job whose worker process is gone."""
    number = -code if code and code < 0 else 0
    name = signal.Signals(number).name if number in signal.valid_signals() and number else ""
    ending = f"signal {name or number}" if number else f"exit code {code}"
    return Ended(
        job=job, status=None, reason=f"its worker process died ({ending}){HINTS.get(name, '')}{see_log(job)}"
    )


def late(job: Job, limit: float) -> Ended:
    """A job that took longer than it may."""
    reason = f"it did not end within its limit of {limit:g} s (--time-limit){see_log(job)}"
    return Ended(job=job, status=None, cause="timeout", reason=reason)


def starved(job: Job) -> Ended:
    """A job whose worker the system killed for memory, with no other run beside it."""
    reason = f"the system killed its worker process because memory ran out{see_log(job)}"
    return Ended(job=job, status=None, cause="out-of-memory", reason=reason)


def see_log(job: Job) -> str:
    """Where the log of a run is, as the end of a sentence; empty where it printed nothing."""
    path = log_path(job.study, job.key)
    return f"; see {path}" if path.is_file() and path.stat().st_size else ""
