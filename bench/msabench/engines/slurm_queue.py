"""What became of submitted jobs: asked of SLURM, or of the processes that stand in for it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import psutil

from msabench.errors import MsabenchError
from msabench.run import Cause, Failure

State = Literal["queued", "running", "over"]
WAITING = {
    "PENDING",
    "CONFIGURING",
    "REQUEUED",
    "REQUEUE_HOLD",
    "REQUEUE_FED",
    "SPECIAL_EXIT",
    "RESV_DEL_HOLD",
}
ENDED = {
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED",
    "REVOKED", "TIMEOUT",
}  # fmt: skip
BLAMELESS = {"BOOT_FAIL", "CANCELLED", "NODE_FAIL", "PREEMPTED", "REVOKED"}
"""Ends that say nothing of the run: it is submitted again, not recorded as a failure"""
HINTS: dict[str, tuple[Cause, str]] = {
    "TIMEOUT": ("timeout", "; a longer --time gives it more, and it goes on from its last epoch"),
    "OUT_OF_MEMORY": ("out-of-memory", "; --mem asks for more"),
}
SECONDS = 60


class QueueError(MsabenchError):
    """The cluster cannot be asked for the state of its jobs, or does not answer."""


@dataclass(frozen=True, kw_only=True)
class End:
    """How a job ended, as far as that is known."""

    state: str = ""
    """As `sacct` names it, as in `OUT_OF_MEMORY`; empty if it does not say"""

    @property
    def blameless(self) -> bool:
        """Whether the job was taken away: its runs are not at fault."""
        return self.state in BLAMELESS


def states(jobs: Collection[str]) -> dict[str, State]:
    """The state of SLURM's jobs, as in `4711_3`; one call of `squeue`.

    Raises
    ------
    QueueError
        If there is no `squeue` here, or it fails.
    """
    if not jobs:
        return {}
    if not shutil.which("squeue"):
        raise QueueError("there is no `squeue` on this machine", fix="ask from a login node of the cluster")
    arrays = sorted({job.partition("_")[0] for job in jobs})
    answer = _call(["squeue", "--noheader", "--array", "--format=%i|%T", f"--jobs={','.join(arrays)}"])
    # a job that is long over is unknown, which is an error if it is the only one asked for
    if answer.returncode and "nvalid job id" not in answer.stderr:
        raise QueueError(
            f"`squeue` fails: {answer.stderr.strip() or answer.returncode}", fix="try again later"
        )
    told = dict(line.strip().split("|", 1) for line in answer.stdout.splitlines() if "|" in line)
    return {job: _state(told.get(job, "")) for job in jobs}


def _state(name: str) -> State:
    if not name or name in ENDED:
        return "over"
    return "queued" if name in WAITING else "running"


def ends(jobs: Collection[str]) -> dict[str, End]:
    """How SLURM's jobs ended: by its accounting (`sacct`), or, for some minutes after, by `squeue`."""
    found = dict.fromkeys(jobs, End())
    if not jobs:
        return found
    arrays = ",".join(sorted({job.partition("_")[0] for job in jobs}))
    for command in (
        ["sacct", "-X", "-n", "-P", "-o", "JobID,State", "-j", arrays],
        ["squeue", "--noheader", "--array", "--states=all", "--format=%i|%T", f"--jobs={arrays}"],
    ):
        if any(not end.state for end in found.values()):
            found |= {job: End(state=state) for job, state in _told(command).items() if job in found}
    return found


def _told(command: Sequence[str]) -> dict[str, str]:
    """The states that a program prints, by job; nothing where there is no such program, or no answer."""
    if not shutil.which(command[0]):
        return {}
    try:
        lines = _call(command).stdout.splitlines()
    except QueueError:
        return {}
    told = {}
    for line in lines:
        job, _, state = line.strip().partition("|")
        names = re.match(r"[A-Z_]+", state)  # 'CANCELLED by 1000'
        if names and names[0] in ENDED:  # accounting may lag behind
            told.update(dict.fromkeys(_expanded(job), names[0]))
    return told


def _expanded(job: str) -> list[str]:
    """Jobs that sacct names together.

    >>> _expanded("7_[1-2,5%4]"), _expanded("7_3")
    (['7_1', '7_2', '7_5'], ['7_3'])
    """
    found = re.fullmatch(r"(\d+)_\[([\d,-]+)(?:%\d+)?\]", job)
    if not found:
        return [job]
    ranges = [part.split("-") for part in found[2].split(",")]
    return [f"{found[1]}_{i}" for low, *high in ranges for i in range(int(low), int((high or [low])[0]) + 1)]


def local_states(jobs: Mapping[str, str]) -> dict[str, State]:
    """The state of submitit's local jobs, which are processes of this machine.

    Parameters
    ----------
    jobs
        Process number to the folder that is named in its command line.
    """
    return {job: "running" if _alive(int(job), folder) else "over" for job, folder in jobs.items()}


def _alive(number: int, folder: str) -> bool:
    try:
        process = psutil.Process(number)
        # numbers are given out again
        return process.status() != psutil.STATUS_ZOMBIE and any(folder in part for part in process.cmdline())
    except psutil.Error:
        return False


def failure(end: End, job: str, reason: str, log: str) -> Failure:
    """What is recorded of a run whose job ended without a record of it."""
    if reason:
        return Failure(cause="exception", message=f"{reason}; log: {log}")
    what = f"was ended ({end.state})" if end.state else "ended without a word"
    cause, hint = HINTS.get(end.state, ("killed", ""))
    return Failure(cause=cause, message=f"its job {job} {what}{hint}; log: {log}")


def _call(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise QueueError(f"`{command[0]}` does not answer: {error}", fix="try again later") from error
