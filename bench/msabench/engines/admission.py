"""Which run may start beside those that run: the machine's memory must cover what its kind takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from msabench.engines.free import free_memory
from msabench.engines.job import Job
from msabench.records import RecordError, Store

MIB = 1 << 20
PROCESS = 500 * MIB
"""Of a worker before it has read anything: mostly torch"""
FINETUNING = 1024 * MIB
"""Activations of a text encoder that is trained, at the batch sizes of this field"""
COPIES = 4
"""Of an encoder's weights while it is trained: themselves, gradients, two moments of Adam"""
_EXAMPLES = 3

Kind = tuple[str, ...]


@dataclass(kw_only=True)
class Admission:
    """What runs need, learnt from those that are recorded, and estimated until then."""

    free: Callable[[], int] = free_memory
    _peaks: dict[Kind, int] = field(default_factory=dict)
    _asked: set[Kind] = field(default_factory=set)

    def admits(self, job: Job, running: Sequence[tuple[Job, int]], reused: int = 0) -> bool:
        """Whether the memory that is free covers a run, and the growth of those beside it.

        Parameters
        ----------
        running
            Each job that runs, with the bytes that its worker fills now.
        reused
            Bytes that the worker which will take the job fills already.
        """
        if not running:  # or it would wait for ever
            return True
        growth = sum(max(0, self.need(other) - filled) for other, filled in running)
        return self.free() - growth >= self.need(job) - reused

    def need(self, job: Job) -> int:
        """Bytes that a run fills at its peak: the most that one of its kind took, or an estimate."""
        kind = _kind(job)
        if kind not in self._asked:
            self._asked.add(kind)
            for key in _recorded(job):
                self._note(kind, job.study, key)
        return self._peaks.get(kind) or estimate(job)

    def learn(self, job: Job) -> None:
        """Take the peak of a run that has ended into account."""
        self._note(_kind(job), job.study, job.key)

    def _note(self, kind: Kind, study: Path, key: str) -> None:
        if kind[-1].startswith("cuda"):
            return  # its record tells of the GPU's memory, not of the machine's
        try:
            peak = Store(study).get(key, arrays=False).peak_memory_mib
        except RecordError:
            return
        if peak:
            self._peaks[kind] = max(self._peaks.get(kind, 0), int(peak * MIB))


def estimate(job: Job) -> int:
    """Bytes of a run whose like is not recorded: all its data in memory, and its encoder in training."""
    source, weights = job.source, 0
    # the converted file, and what encoders have made of its texts
    data = sum(_sizes(folder) for folder in source.cache_root.glob(f"{source.fingerprint[:16]}*"))
    if job.spec.text_mode == "finetuned" and job.encoder.path:
        # the largest file: folders of encoders hold one set of weights in several formats
        weights = COPIES * max(map(_sizes, job.encoder.path.iterdir()), default=0) + FINETUNING
    return PROCESS + data + weights


def _kind(job: Job) -> Kind:
    spec = job.spec
    return (spec.row, spec.dataset, spec.data_hash, spec.text_encoder, spec.text_mode, job.device)


def _recorded(job: Job) -> list[str]:
    """Keys of a few finished runs of the study that are like this one."""
    store, found = Store(job.study), []
    for key, line in store.planned().items():
        if (line["row"], line["dataset"]) == (job.spec.row, job.spec.dataset) and store.has(key):
            found.append(key)
            if len(found) == _EXAMPLES:
                break
    return found


def _sizes(path: Path) -> int:
    """Bytes of a file, or of all below a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
