"""The jobs that a study has in the cluster: a file in the folder of its records, and what became of each.

Every line of `slurm/submissions.jsonl` is an array element. Nothing but this file, marks and records is
needed to tell what is queued, running and done; only whether a job that says nothing is still alive is asked
of the cluster.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from msabench.engines.slurm_marks import FOLDER, Mark, marks
from msabench.engines.slurm_options import Executor
from msabench.engines.slurm_queue import End, State, ends, local_states, states
from msabench.records import Store

FILE, COMMAND = "submissions.jsonl", "command.json"
REACH = {"SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_CLUSTERS", "SLURM_JWT"}
"""What SLURM's programs reach the cluster by, in a person's environment as in a job's"""


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One element of a job array."""

    job: str
    """Of the cluster, as in `4711_3`"""
    executor: Executor
    keys: tuple[str, ...]
    """Runs that it goes through; none for a job that runs a command of msabench"""
    when: str
    """UTC, ISO 8601"""


@dataclass(kw_only=True)
class Look:
    """What became of the runs of a study, by key."""

    recorded: dict[str, str] = field(default_factory=dict)
    """Status of each record"""
    queued: list[str] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    dead: dict[str, tuple[Mark, End]] = field(default_factory=dict)
    """Begun by a job that is over, and not recorded"""
    lost: list[str] = field(default_factory=list)
    """Submitted, not begun or taken away, and the job is over: they are submitted again"""
    jobs: dict[str, State] = field(default_factory=dict)
    """Of every job with a run that has no record"""

    @property
    def alive(self) -> set[str]:
        """Keys that a job is going to train."""
        return {*self.queued, *self.running}


def folder_of(study: Path) -> Path:
    """Where the engine keeps its files."""
    return study / FOLDER


def logs_of(study: Path) -> Path:
    """Where submitit keeps its own files and the output of each job; absolute, as other machines need it."""
    return (folder_of(study) / "logs").resolve()


def log_of(study: Path, job: str) -> Path:
    """The output of a job."""
    return logs_of(study) / f"{job}_0_log.err"


def submissions(study: Path) -> list[Submission]:
    """Everything that was submitted for a study, oldest first. A line that cannot be read is left out."""
    path = folder_of(study) / FILE
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            raw = json.loads(line)
            found.append(Submission(**{**raw, "keys": tuple(raw["keys"])}))
        except (ValueError, TypeError, KeyError):
            continue  # its driver was killed while it wrote
    return found


def remember(study: Path, made: Iterable[Submission]) -> None:
    """Add lines to the file; at once after submitting, so that a second call knows of the jobs."""
    path = folder_of(study) / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(each)) + "\n" for each in made)


def look(study: Path, *, ask: bool = True) -> Look:
    """What became of every run that was submitted.

    Parameters
    ----------
    ask
        The cluster, which jobs are over. Without it directories alone are read: what has begun counts as
        running, and what has not as queued.

    Raises
    ------
    QueueError
        If the cluster does not answer.
    """
    store, last = Store(study), _last(study)
    first = {key: store.status(key) for key in last}
    jobs = {last[key].job: last[key].executor for key, status in first.items() if status != "finished"}
    found = Look(jobs=asked(study, jobs) if ask else {})
    # read after the cluster was asked: what a job that was over then has not recorded, it never will
    begun = {(mark.key, mark.job): mark for mark in marks(study)}
    over = {job for job, state in found.jobs.items() if state == "over"}
    ended = ends([job for _, job in begun if job in over and jobs[job] == "slurm"])
    for key, submission in last.items():
        status = first[key] if first[key] == "finished" else store.status(key)
        if status:
            found.recorded[key] = status
        if status == "finished":
            continue
        mark, end = begun.get((key, submission.job)), ended.get(submission.job, End())
        if submission.job in over:
            if mark and not end.blameless:
                found.dead[key] = (mark, end)
            elif not status:
                found.lost.append(key)
        elif mark and found.jobs.get(submission.job) != "queued":  # one that was preempted waits again
            found.running.append(key)
        elif not (status and _is_newer(store, key, submission)):
            found.queued.append(key)
    return found


def told(study: Path) -> list[str]:
    """What `msabench status` says of a study's jobs, from directories alone; nothing if it has none."""
    lines = []
    for what, place in (("runs", study), ("trials", study / "search")):
        found = look(place, ask=False)
        if found.alive:
            lines.append(
                f"SLURM: {len(found.running)} {what} begun, {len(found.queued)} queued "
                f"(msabench collect {study.name} asks the cluster which of them are lost)"
            )
    return lines


def _last(study: Path) -> dict[str, Submission]:
    """The last element that each run was submitted in."""
    return {key: each for each in submissions(study) for key in each.keys}


def _is_newer(store: Store, key: str, submission: Submission) -> bool:
    """Whether a failure was recorded by the job that is asked about, not before it."""
    started = store.get(key, arrays=False).started
    return datetime.fromisoformat(started) >= datetime.fromisoformat(submission.when)


def asked(study: Path, jobs: dict[str, Executor]) -> dict[str, State]:
    """The state of jobs, each asked where it runs."""
    folder = str(logs_of(study))
    local = {job: folder for job, executor in jobs.items() if executor == "local"}
    return {**local_states(local), **states([job for job in jobs if job not in local])}


def keep_command(study: Path, arguments: Sequence[str]) -> None:
    """Keep the command that a study was submitted with, so that `msabench collect` can name it."""
    path = folder_of(study) / COMMAND
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {"arguments": list(arguments), "folder": str(Path.cwd())}
    path.write_text(json.dumps(kept, indent=1), encoding="utf-8")


def kept_command(study: Path) -> tuple[list[str], Path]:
    """The arguments of that command, empty if there is none, and the folder that it was typed in."""
    try:
        kept = json.loads((folder_of(study) / COMMAND).read_text(encoding="utf-8"))
        return [str(each) for each in kept["arguments"]], Path(kept["folder"])
    except (OSError, ValueError, TypeError, KeyError):
        return [], Path.cwd()


def run_again(arguments: Sequence[str], folder: Path) -> int:
    """Run a command of msabench in a process of its own; returns its exit code."""
    # a job that submits jobs must not pass its own settings on to them
    ours = {
        name: value
        for name, value in os.environ.items()
        if name in REACH or not name.startswith(("SLURM_", "SUBMITIT_"))
    }
    program = "import sys; from msabench.cli import main; sys.argv[0] = 'msabench'; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=folder, env=ours, check=False
    ).returncode
