"""The local engine: persistent worker processes on this machine, each with one run at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace

from pebble import ProcessExpired, ProcessPool

from msabench.engines.job import Ended, Job, perform
from msabench.run import Status

POLL_SECONDS = 0.2
HINTS = {
    "SIGKILL": "; the system kills processes so when memory runs out",
    # what a mapped file gives for a page that it has no longer
    "SIGBUS": "; the data cache, or the disk that it is on, changed while it was read",
}
"""What most likely ended a worker, by signal"""


def devices(workers: int, gpus: int) -> list[str]:
    """The device of each worker slot: GPUs in turn, or the CPU where there is none."""
    return [f"cuda:{i % gpus}" if gpus else "cpu" for i in range(workers)]


@dataclass(frozen=True, kw_only=True)
class LocalEngine:
    """Persistent worker processes on this machine, each with one run at a time."""

    slots: Sequence[str]
    """The device of each worker"""

    def run(
        self,
        jobs: Sequence[Job],
        poll: Callable[[], None],
        more: Callable[[], Sequence[Job]] | None = None,
    ) -> Iterator[Ended]:
        """Run jobs, one at a time in each slot, and yield each as it ends: see `Engine`."""
        waiting, free = deque(jobs), deque(self.slots[: max(1, min(len(self.slots), len(jobs)))])
        context = multiprocessing.get_context("spawn")
        pool = ProcessPool(
            max_workers=len(free), context=context, initializer=_start_worker, initargs=(os.getpid(),)
        )
        running: dict[Future[Status], Job] = {}
        try:
            while waiting or running:
                while waiting and free:
                    job = replace(waiting.popleft(), device=free.popleft())
                    running[pool.schedule(perform, args=[job])] = job
                done, _ = wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
                poll()
                for future in done:
                    job = running.pop(future)
                    free.append(job.device)
                    yield _ended(job, future.exception(), None if future.exception() else future.result())
                    waiting.extend(more() if more else ())
        finally:
            pool.stop()  # type: ignore[no-untyped-call]
            pool.join(timeout=10)


def _ended(job: Job, error: BaseException | None, status: Status | None) -> Ended:
    if error is None:
        return Ended(job=job, status=status)
    if isinstance(error, ProcessExpired):
        number = -error.exitcode if error.exitcode and error.exitcode < 0 else 0
        name = signal.Signals(number).name if number else ""
        ending = f"signal {name}" if name else f"exit code {error.exitcode}"
        reason = f"its worker process died ({ending}){HINTS.get(name, '')}"
        return Ended(job=job, status=None, reason=reason)
    return Ended(job=job, status=None, reason=f"{type(error).__name__}: {error}")


def _start_worker(driver: int) -> None:
    # Ctrl-C is the driver's to handle; it stops the workers
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with, args=(driver,), daemon=True).start()


def _leave_with(driver: int) -> None:
    """A worker whose driver was killed must not go on training for nobody."""
    while os.getppid() == driver:
        time.sleep(1)
    os._exit(1)


def default_workers(gpus: int) -> int:
    """One worker a GPU, or one a core where there is none."""
    return gpus or max(
        1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )


def gpu_count() -> int:
    """GPUs that torch can use."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0
