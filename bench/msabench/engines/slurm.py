"""The slurm engine: runs become job arrays, and the command that submitted them returns.

It keeps the contract of an engine but for one thing: it does not wait. `run` submits what is not queued or
running already and raises `Detached`; the same command, or `msabench collect`, sees later what came of it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import submitit

from msabench.engines.job import Ended, Job
from msabench.engines.slurm_bundles import Seconds, bundles, shares, spread
from msabench.engines.slurm_element import Command, Element
from msabench.engines.slurm_marks import forget_mark, marks
from msabench.engines.slurm_options import Group, SlurmOptions
from msabench.engines.slurm_submissions import Submission, asked, logs_of, look, remember, submissions
from msabench.errors import SpecError

ARRAY_MOST = 1000
"""Elements of one array; SLURM's `MaxArraySize` is 1001 unless a cluster says otherwise"""
TIMEOUTS = 1_000_000  # of submitit; an element itself sees when going on makes no sense


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One job array that was submitted."""

    group: Group
    jobs: tuple[str, ...]
    """Of its elements, as in `4711_3`"""
    runs: int

    @property
    def job(self) -> str:
        """What `scancel` and `squeue` take."""
        return self.jobs[0].partition("_")[0] if len({*map(_array, self.jobs)}) == 1 else ",".join(self.jobs)


class Detached(Exception):
    """The runs of a study are with the cluster now; nobody waits for them.

    Parameters
    ----------
    study
        The folder that their records come to.
    sent
        What was submitted just now.
    alive
        Runs that were queued or running before.
    jobs
        Arrays with runs that are not done.
    """

    def __init__(self, study: Path, sent: Sequence[Sent], alive: int, jobs: Sequence[str]) -> None:
        super().__init__(f"{sum(each.runs for each in sent)} runs of {study} are submitted")
        self.study, self.sent, self.alive, self.jobs = study, tuple(sent), alive, tuple(jobs)


@dataclass(frozen=True, kw_only=True)
class SlurmEngine:
    """Job arrays of a SLURM cluster, or processes in their place.

    Raises
    ------
    SpecError
        At construction, if this machine cannot submit jobs.
    """

    options: SlurmOptions
    seconds: Seconds = lambda run: None
    """How long a run may take, by which runs are bundled"""

    def __post_init__(self) -> None:
        if self.options.executor == "local":
            return
        absent = [program for program in ("sbatch", "srun", "squeue") if not shutil.which(program)]
        if absent:
            raise SpecError(
                f"there is no `{absent[0]}` on this machine: --engine slurm submits jobs to a SLURM cluster",
                fix="use a login node of the cluster, or try it here with --slurm-executor local",
            )

    def run(
        self,
        jobs: Sequence[Job],
        poll: Callable[[], None],
        more: Callable[[], Sequence[Job]] | None = None,
    ) -> Iterator[Ended]:
        """Submit every job that is not with the cluster yet, and leave.

        Raises
        ------
        Detached
            Always, if there are jobs.
        QueueError
            If the cluster does not say which jobs it has; nothing is submitted then.
        SpecError
            If it refuses the jobs.
        """
        if not jobs:
            return
        yield from ()  # what calls an engine takes, and closes, a generator
        study = jobs[0].study
        before = look(study)
        fresh = [job for job in jobs if job.key not in before.alive]
        again = {job.key for job in fresh}
        for mark in marks(study):
            if mark.key in again:
                forget_mark(study, mark)
        sent = self._submit(study, fresh)
        alive = [job for job, state in before.jobs.items() if state != "over"]
        raise Detached(
            study,
            sent,
            len(jobs) - len(fresh),
            sorted({_array(job) for job in (*alive, *(job for each in sent for job in each.jobs))}),
        )

    def _submit(self, study: Path, jobs: Sequence[Job]) -> list[Sent]:
        """Arrays by resources, at most `max_jobs` elements at a time over all of them."""
        options = self.options
        parts: dict[Group, list[list[Job]]] = {}
        for group in ("gpu", "cpu"):
            members = [job for job in jobs if options.group(job.spec.text_mode) == group]
            made = bundles(
                members,
                lambda job: self.seconds(job.spec),
                runs_per_job=options.runs_per_job,
                minutes=min(options.element_minutes, options.minutes / 2),
            )
            # processes have no queue: there are no more of them than may run at a time
            parts[group] = spread(made, options.max_jobs or 1) if options.executor == "local" else made
        parts = {group: made for group, made in parts.items() if made}
        most = shares([len(made) for made in parts.values()], options.max_jobs)
        in_turn = options.max_jobs is not None and options.max_jobs < len(parts)
        sent: list[Sent] = []
        for (group, made), cap in zip(parts.items(), most, strict=True):
            for i in range(0, len(made), ARRAY_MOST):
                after = sent[-1:] if i or in_turn else []
                sent.append(self._array(study, group, made[i : i + ARRAY_MOST], cap, after))
        return sent

    def _array(
        self, study: Path, group: Group, parts: Sequence[Sequence[Job]], cap: int, after: Sequence[Sent]
    ) -> Sent:
        device = "cuda:0" if group == "gpu" else "cpu"
        elements = [
            Element(
                jobs=tuple(
                    # an element that is queued again goes on from its last finished epoch
                    replace(job, study=study.resolve(), device=device, checkpoint_seconds=0.0)
                    for job in part
                )
            )
            for part in parts
        ]
        settings = {**self.options.parameters(group), "array_parallelism": cap}
        if after:
            settings["dependency"] = _after([each.job for each in after])
        names = submit(study, elements, self.options, settings)
        when = datetime.now(UTC).isoformat()
        remember(
            study,
            [
                Submission(
                    job=name, executor=self.options.executor, keys=tuple(job.key for job in part), when=when
                )
                for name, part in zip(names, parts, strict=True)
            ],
        )
        return Sent(group=group, jobs=tuple(names), runs=sum(len(part) for part in parts))


def submit(
    study: Path, calls: Sequence[Element | Command], options: SlurmOptions, settings: Mapping[str, Any]
) -> list[str]:
    """Submit one job array; returns the name of each element.

    Raises
    ------
    SpecError
        If the cluster refuses it.
    """
    folder = logs_of(study)
    folder.mkdir(parents=True, exist_ok=True)
    executor: submitit.LocalExecutor | submitit.SlurmExecutor
    if options.executor == "local":
        executor = submitit.LocalExecutor(folder, max_num_timeout=TIMEOUTS)
        executor.update_parameters(
            timeout_min=settings["time"],
            gpus_per_node=settings.get("gpus_per_node", 0),
            signal_delay_s=settings["signal_delay_s"],
            setup=settings.get("setup", ()),
        )
    else:
        executor = submitit.SlurmExecutor(folder, max_num_timeout=TIMEOUTS)
        executor.update_parameters(job_name=f"msabench-{study.name}", **settings)
    try:
        return [job.job_id for job in executor.submit_array(calls)]
    except (submitit.core.utils.FailedJobError, submitit.core.utils.FailedSubmissionError) as error:
        raise SpecError(
            f"the cluster refuses the jobs: {str(error).strip()}",
            where=str(folder),
            fix="see --partition, --account, --time, --mem and --slurm-config",
        ) from error


def submit_command(
    study: Path, arguments: Sequence[str], options: SlurmOptions, group: Group, after: Sequence[str] = ()
) -> str | None:
    """Submit a job that runs a command of msabench, when other jobs have ended; returns its name.

    None if such a job is waiting already. One that is running is the one that asks.
    """
    waiting = {each.job: each.executor for each in submissions(study) if not each.keys}
    if any(state == "queued" for state in asked(study, waiting).values()):
        return None
    settings = {**options.parameters(group), "array_parallelism": 1}
    if after:
        settings["dependency"] = _after(after)
    command = Command(arguments=tuple(arguments), folder=Path.cwd())
    (name,) = submit(study, [command], options, settings)
    when = datetime.now(UTC).isoformat()
    remember(study, [Submission(job=name, executor=options.executor, keys=(), when=when)])
    return name


def _after(jobs: Sequence[str]) -> str:
    return ":".join(["afterany", *jobs])


def _array(job: str) -> str:
    return job.partition("_")[0]
