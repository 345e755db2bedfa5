"""The local engine: persistent worker processes on this machine, each with one run at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from signal import SIGKILL

from msabench.engines.admission import Admission
from msabench.engines.free import cores, oom_kills
from msabench.engines.job import Ended, Job
from msabench.engines.process import WorkerProcess, died, late, starved
from msabench.errors import MsabenchError, SpecError

POLL_SECONDS = 0.2
STARTS = 3
"""Workers that may die in a row before one of them was ready"""


class WorkerError(MsabenchError):
    """Worker processes that cannot be started."""


def devices(workers: int | None, gpus: int, jobs_per_gpu: int | None = None) -> list[str]:
    """The device of each worker slot: GPUs in turn, or the CPU where there is none.

    Parameters
    ----------
    workers
        How many slots; None stands for one a GPU (or `jobs_per_gpu` of them), or one a core without GPUs.
    jobs_per_gpu
        How many runs share a GPU.

    Raises
    ------
    SpecError
        If a number is below 1, or GPUs are to be shared where there are none.

    >>> devices(None, 2, 2), devices(3, 2), devices(2, 0)
    (['cuda:0', 'cuda:1', 'cuda:0', 'cuda:1'], ['cuda:0', 'cuda:1', 'cuda:0'], ['cpu', 'cpu'])
    """
    for name, value in (("workers", workers), ("jobs_per_gpu", jobs_per_gpu)):
        if value is not None and value < 1:
            raise SpecError(f"`{name} >= 1` must hold, but got {name}={value}")
    if jobs_per_gpu and not gpus:
        raise SpecError("--jobs-per-gpu shares GPUs, but torch finds none here", fix="give --workers instead")
    if not gpus:
        return ["cpu"] * (workers or default_workers(0))
    most = gpus * jobs_per_gpu if jobs_per_gpu else workers or default_workers(gpus)
    return [f"cuda:{i % gpus}" for i in range(min(most, workers or most))]


def default_workers(gpus: int) -> int:
    """One worker a GPU, or one a core where there is none."""
    return gpus or cores()


def gpu_count() -> int:
    """GPUs that torch can use."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


@dataclass(frozen=True, kw_only=True)
class LocalEngine:
    """Persistent worker processes on this machine, each with one run at a time."""

    slots: Sequence[str]
    """The device of each worker"""
    time_limit: float | None = None
    """Seconds that a run may take, preparations of its worker not counted; None is for ever"""
    admission: Admission = field(default_factory=Admission)
    """Which run may start beside those that run"""
    killed: Callable[[], int] = oom_kills
    """Processes that the system has killed for memory"""

    def run(
        self,
        jobs: Sequence[Job],
        poll: Callable[[], None],
        more: Callable[[], Sequence[Job]] | None = None,
    ) -> Iterator[Ended]:
        """Run jobs, one at a time in each slot, and yield each as it ends: see `Engine`.

        Raises
        ------
        WorkerError
            If worker processes die before they can take a job.
        """
        shift = _Shift(self, jobs)
        try:
            while shift.waiting or shift.busy:
                shift.start()
                wait(shift.signs(), timeout=POLL_SECONDS)
                poll()
                for ended in shift.ended():
                    yield ended
                    shift.waiting.extend(more() if more else ())
        finally:
            shift.close()


class _Shift:
    """The workers of one call of `LocalEngine.run`, and the jobs that they have not taken yet."""

    def __init__(self, engine: LocalEngine, jobs: Sequence[Job]) -> None:
        self.engine = engine
        self.waiting = deque(jobs)
        self.workers: list[WorkerProcess | None] = [None] * len(engine.slots)
        self.alone: set[str] = set()
        """Keys of runs that memory was too small for beside others"""
        self.kills = engine.killed()
        self.false_starts = 0

    @property
    def busy(self) -> list[WorkerProcess]:
        return [worker for worker in self.workers if worker and worker.job]

    def start(self) -> None:
        """Give waiting jobs, in their order, to free slots, as far as memory allows."""
        for place, device in enumerate(self.engine.slots):
            worker = self.workers[place]
            if not self.waiting or (worker and worker.job):
                continue
            job = replace(self.waiting[0], device=device)
            reused = worker.resident() if worker else 0
            running = [(each.job, each.resident()) for each in self.busy if each.job]
            apart = job.key in self.alone or any(other.key in self.alone for other, _ in running)
            if (running and apart) or not self.engine.admission.admits(job, running, reused):
                return
            if worker is None:
                worker = self.workers[place] = WorkerProcess(device)
            worker.give(job)
            self.waiting.popleft()

    def signs(self) -> list[Connection | int]:
        """What to wait for: a word from a worker, or its end."""
        return [sign for each in self.busy for sign in (each.connection, each.process.sentinel)]

    def ended(self) -> Iterator[Ended]:
        """Jobs that are over since the last call."""
        for place, worker in enumerate(self.workers):
            if worker is None or worker.job is None:
                continue
            job, elapsed = worker.job, worker.elapsed()
            try:
                ended = worker.hear()
            except EOFError:
                self.workers[place] = None
                ended = self._lost(worker, job)
            if ended is None and worker.overdue(self.engine.time_limit):
                self.workers[place] = None
                worker.kill(telling=True)
                ended = late(job, self.engine.time_limit or 0)
            if ended:
                self.false_starts = 0
                ended = replace(ended, elapsed=elapsed)
                if ended.status:
                    self.engine.admission.learn(job)
                yield ended

    def _lost(self, worker: WorkerProcess, job: Job) -> Ended | None:
        """What has become of the job of a worker that died: over, or waiting again."""
        code = worker.kill()
        if not worker.ready:  # no run of ours had begun
            self.false_starts += 1
            if self.false_starts >= STARTS:
                raise WorkerError(
                    f"{STARTS} worker processes in a row died as they started (exit code {code})",
                    fix="see what they printed above: a script of your own must call msabench below "
                    "`if __name__ == '__main__':`; `msabench doctor` checks the installation",
                )
            self.waiting.appendleft(job)
            return None
        before, self.kills = self.kills, self.engine.killed()
        if code != -SIGKILL or self.kills == before:
            return died(job, code)
        if job.key in self.alone or not self.busy:
            return starved(job)
        self.alone.add(job.key)
        self.waiting.appendleft(job)
        return None

    def close(self) -> None:
        """End all workers at once: what they leave on disk is whole, or is not there."""
        for worker in self.workers:
            if worker:
                worker.kill()
