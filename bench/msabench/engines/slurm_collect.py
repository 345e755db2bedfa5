"""Record the runs whose job ended without a record of them: a death is a failure, not a gap."""

from __future__ import annotations

from pathlib import Path

from msabench.engines.job import Job, forget, opened, spent
from msabench.engines.slurm_element import Element
from msabench.engines.slurm_marks import Mark, forget_mark, marks
from msabench.engines.slurm_queue import End, failure
from msabench.engines.slurm_submissions import Look, log_of, logs_of, look
from msabench.errors import DataError
from msabench.records import Store


def collect(study: Path) -> tuple[Look, list[str]]:
    """What became of every run that was submitted, deaths recorded as failures with their cause and log.

    Returns
    -------
    What became of them, and the keys of the runs that were recorded as dead just now.

    Raises
    ------
    QueueError
        If the cluster does not say which jobs it has.
    DataError
        If the dataset of a dead run cannot be read: its record needs the ids and labels.
    """
    found = look(study)
    for key, (mark, end) in found.dead.items():
        _record(study, mark, end)
        found.recorded[key] = "failed"
    return found, list(found.dead)


def _record(study: Path, mark: Mark, end: End) -> None:
    from msabench.train import failed_record

    store = Store(study)
    if mark not in marks(study, mark.key):
        return
    job = _job(study, mark)
    dataset = opened(job)
    what = failure(end, mark.job, mark.reason, str(log_of(study, mark.job)))
    seconds, others = spent(study, mark.key)
    record = failed_record(job.spec, dataset, what, job.device, seconds=seconds, others=others)
    store.write(record, record.truths or dataset.truths)
    forget(study, mark.key, what)
    forget_mark(study, mark)


def _job(study: Path, mark: Mark) -> Job:
    """The job as it was submitted, from submitit's own file."""
    import submitit

    path = submitit.core.utils.JobPaths(logs_of(study), job_id=mark.job).submitted_pickle
    try:
        element = submitit.helpers.DelayedSubmission.load(path).function
    except Exception as error:  # unpickling may raise anything
        raise DataError(
            f"what job {mark.job} was to do cannot be read: {error}",
            where=str(path),
            fix="delete it and its marks in slurm/begun: the run counts as missing then",
        ) from error
    assert isinstance(element, Element)
    return next(job for job in element.jobs if job.key == mark.key)
