"""The Ray engine: runs on the nodes of a Ray cluster, or on a Ray of this machine's own.

Ray places runs on nodes by the cores and the shares of GPUs that they need. It is told to retry nothing: what
is to be run again is decided here, where it is known whether a node was lost (its runs go on elsewhere) or a
run brought its worker down (that run has failed).
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from msabench.engines.job import UNFINISHED, Ended, Job
from msabench.engines.ray_cluster import connected, slots
from msabench.engines.ray_node import Errand, Returned, carry_out, versions
from msabench.errors import SpecError, write_errors
from msabench.records import Store

POLL_SECONDS = 0.2
COUNT_SECONDS = 5.0
"""How often the cluster is asked what nodes it has"""
EMPTY_SECONDS = 300.0
"""How long runs wait for a node when the last one is lost"""


@dataclass(frozen=True, kw_only=True)
class RayEngine:
    """Runs on a Ray cluster. Results are those of the local engine, to the last bit.

    Raises
    ------
    SpecError
        If what a run needs makes no sense.
    """

    address: str = ""
    """`auto`, `host:port` or `ray://host:port`; empty starts a Ray of this machine's own"""
    cpus_per_run: float = 1.0
    """Cores, above 0"""
    gpus_per_run: float = 0.0
    """0 trains on CPUs; 0.25 puts four runs on a GPU"""
    max_running: int | None = None
    """Runs handed to Ray at a time; None keeps every slot of the cluster busy"""
    retries: int = 3
    """Times that a run is started again whose node was lost"""
    time_limit: float | None = None
    """Seconds that a run may take, preparations of its worker not counted; None is for ever"""

    def __post_init__(self) -> None:
        if self.cpus_per_run <= 0 or self.gpus_per_run < 0:
            given = f"cpus_per_run={self.cpus_per_run}, gpus_per_run={self.gpus_per_run}"
            raise SpecError(f"`cpus_per_run > 0` and `gpus_per_run >= 0` must hold, but got {given}")
        if self.gpus_per_run > 1 and self.gpus_per_run != int(self.gpus_per_run):
            raise SpecError(f"above 1, gpus_per_run must be whole, but got {self.gpus_per_run}")
        if self.max_running is not None and self.max_running < 1:
            raise SpecError(f"`max_running >= 1` must hold, but got {self.max_running}")

    def run(
        self,
        jobs: Sequence[Job],
        poll: Callable[[], None],
        more: Callable[[], Sequence[Job]] | None = None,
    ) -> Iterator[Ended]:
        """Run jobs on the cluster and yield each as it ends: see `Engine`.

        Raises
        ------
        SpecError
            If Ray is not installed, the cluster cannot be reached, or has no node that a run fits on.
        DataError, SpecError
            If a node lacks the data, the text encoder or the driver's versions of packages.
        """
        with connected(self.address, self.cpus_per_run) as ray, contextlib.ExitStack() as stack:
            drive = _Drive(engine=self, ray=ray, waiting=deque(jobs))
            stack.callback(drive.cancel)
            while drive.waiting or drive.running:
                drive.submit()
                ended = drive.next()
                poll()
                if ended is not None:
                    yield ended
                    drive.waiting.extend(more() if more else ())


@dataclass(kw_only=True)
class _Drive:
    """One call of `RayEngine.run`: what waits, what runs, and what became of it."""

    engine: RayEngine
    ray: Any
    waiting: deque[Job]
    running: dict[Any, Job] = field(default_factory=dict)
    lost: Counter[str] = field(default_factory=Counter)
    """By key, the times that a run's node was lost"""
    marks: dict[Path, str] = field(default_factory=dict)
    """The mark in each study's folder"""
    room: int = 0
    counted: float = -COUNT_SECONDS
    """When the nodes were last counted"""
    seen: float | None = None
    """When there was last a node that a run fits on"""

    def __post_init__(self) -> None:
        needs = {"num_cpus": self.engine.cpus_per_run, "num_gpus": self.engine.gpus_per_run}
        # max_calls: a worker stays, with its child that has torch loaded and the data mapped
        self.task = self.ray.remote(max_retries=0, max_calls=0, **needs)(carry_out)
        self.versions = versions()

    def submit(self) -> None:
        """Hand runs to Ray: as many as fit, and as many again, so that no slot waits for the driver."""
        self._count()
        most = self.engine.max_running or 2 * self.room
        while self.waiting and len(self.running) < most:
            job = self.waiting.popleft()
            sent = replace(
                job,
                study=job.study.absolute(),
                source=replace(
                    job.source,
                    path=job.source.path.absolute(),
                    cache_root=job.source.cache_root.absolute(),
                ),
                encoder=replace(job.encoder, path=job.encoder.path and job.encoder.path.absolute()),
                device="cuda:0" if self.engine.gpus_per_run else "cpu",  # the first of those that Ray lends
            )
            errand = Errand(
                job=sent,
                mark=self._mark(job.study),
                versions=self.versions,
                time_limit=self.engine.time_limit,
            )
            self.running[self.task.remote(errand)] = job

    def next(self) -> Ended | None:
        """A run that has ended, waiting a moment for one; None if none has."""
        if not self.running:
            time.sleep(POLL_SECONDS)  # until there is a node again
            return None
        done, _ = self.ray.wait(list(self.running), num_returns=1, timeout=POLL_SECONDS)
        return self._ended(done[0], self.running.pop(done[0])) if done else None

    def cancel(self) -> None:
        """Stop what still runs, and clear away the marks."""
        for task in self.running:
            with contextlib.suppress(Exception):  # the cluster may be gone
                self.ray.cancel(task, force=True)
        if self.running:
            with contextlib.suppress(Exception):
                self.ray.wait(list(self.running), num_returns=len(self.running), timeout=10)
        for study, mark in self.marks.items():
            with contextlib.suppress(OSError):
                (study / UNFINISHED / mark).unlink(missing_ok=True)

    def _ended(self, task: Any, job: Job) -> Ended | None:
        errors = self.ray.exceptions
        try:
            returned: Returned = self.ray.get(task)
        except (errors.NodeDiedError, errors.ObjectLostError) as error:
            return self._again(job, error)
        except errors.RayTaskError as error:
            cause = error.cause if error.cause is not None else error
            if isinstance(cause, ImportError) or "failed to import" in str(error):
                raise SpecError(
                    f"a node of the cluster cannot run msabench: {_line(cause)}",
                    fix="install msabench, at the driver's version, on every node",
                ) from None
            return Ended(job=job, status=None, reason=_line(cause), cause="exception", traceback=str(error))
        except errors.OutOfMemoryError as error:
            reason = f"Ray ended its worker, as its node ran out of memory: {_line(error)}"
            return Ended(job=job, status=None, reason=reason, cause="out-of-memory")
        except errors.RayError as error:
            return Ended(job=job, status=None, reason=f"its worker process died: {_line(error)}")
        return self._taken(job, returned)

    def _again(self, job: Job, error: Exception) -> Ended | None:
        """A run whose node was lost goes to the front, and on from its checkpoint where that is visible."""
        self.lost[job.key] += 1
        if self.lost[job.key] <= self.engine.retries:
            self.waiting.appendleft(job)
            self.counted = -COUNT_SECONDS  # there is less room now
            return None
        return Ended(
            job=job, status=None, reason=f"its node was lost {self.lost[job.key]} times: {_line(error)}"
        )

    def _taken(self, job: Job, returned: Returned) -> Ended:
        if returned.obstacle is not None:
            raise returned.obstacle
        record, store = returned.record, Store(job.study)
        # a folder that is shared may still show the driver what was there before
        if record is not None and not (returned.shared and store.status(job.key) == record.status):
            assert record.truths is not None, "Store.get fills it"
            with write_errors(store.path):
                store.write(record, record.truths)
        assert returned.ended is not None, "a node sends this or an obstacle"
        return replace(returned.ended, job=job)

    def _count(self) -> None:
        """How many runs fit on the cluster now."""
        now = time.monotonic()
        if now - self.counted < COUNT_SECONDS:
            return
        self.counted, self.room = now, slots(self.ray, self.engine.cpus_per_run, self.engine.gpus_per_run)
        if self.room:
            self.seen = now
        elif self.seen is None or now - self.seen > EMPTY_SECONDS:
            needs = f"{self.engine.cpus_per_run:g} CPUs and {self.engine.gpus_per_run:g} GPUs"
            gone = (
                "no node of the cluster has" if self.seen is None else "the cluster has lost every node with"
            )
            raise SpecError(f"{gone} {needs}, which a run needs", fix="ray status shows what there is")

    def _mark(self, study: Path) -> str:
        if study not in self.marks:
            self.marks[study] = f"driver-{uuid4().hex}"
            with write_errors(study):
                (study / UNFINISHED).mkdir(parents=True, exist_ok=True)
                (study / UNFINISHED / self.marks[study]).touch()
        return self.marks[study]


def _line(error: BaseException) -> str:
    return next((line for line in str(error).strip().splitlines() if line), type(error).__name__)[:300]
