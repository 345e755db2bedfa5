"""What a node of a Ray cluster does with a job: find its data, train in a child process, return the record.

The child is what Ray's own worker cannot be: its end has a cause (a signal, an exit code, a time limit), and
it stays for the next job while Ray lends the worker the same GPUs.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from multiprocessing.connection import wait
from pathlib import Path

from msabench.data import DataSource, cache, layouts
from msabench.encoders.find import resolve, weights
from msabench.encoders.ref import EncoderRef, identity
from msabench.engines.job import UNFINISHED, Ended, Job, opened
from msabench.engines.process import WorkerProcess, died, late
from msabench.errors import DataError, MsabenchError, SpecError
from msabench.records import Store
from msabench.run import RunRecord

PACKAGES = ("msabench", "torch", "numpy", "transformers")
"""What must be the same on every node, or results would not be"""
POLL_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class Errand:
    """What is sent to a node."""

    job: Job
    """With absolute paths, as they are on the driver's machine"""
    mark: str
    """A file among the study's unfinished runs, by which a node knows that it sees the driver's folder"""
    versions: Mapping[str, str]
    """Of Python and `PACKAGES` on the driver's machine"""
    time_limit: float | None = None
    """Seconds that the run may take"""


@dataclass(frozen=True, kw_only=True)
class Returned:
    """What comes back from a node."""

    ended: Ended | None = None
    record: RunRecord | None = None
    """With predictions and truths, where one was written"""
    shared: bool = True
    """Whether it was written into the study's own folder"""
    obstacle: MsabenchError | None = None
    """What is wrong with the node, not with the run: no job could be done there"""


def versions() -> dict[str, str]:
    """Of Python and of every package that results depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def carry_out(errand: Errand) -> Returned:
    """Do a job on this node; the task that Ray runs.

    `MSABENCH_DATA` and `MSABENCH_CACHE` of the node's own environment are looked at where the folders that
    the driver names do not exist.
    """
    try:
        job = placed(errand, *(_folder(name) for name in ("MSABENCH_DATA", "MSABENCH_CACHE")))
        opened(job)
    except MsabenchError as error:
        where = f"{error.where} on node {socket.gethostname()}".strip()
        return Returned(obstacle=type(error)(error.what, where=where, fix=error.fix))
    shared = job.study == errand.job.study
    ended = _train(job, errand.time_limit)
    if ended.status is None:
        on_node = f"on node {socket.gethostname()}: {ended.reason}"
        return Returned(ended=replace(ended, reason=on_node), shared=shared)
    store = Store(job.study)
    record = store.get(job.key)
    if not shared:
        shutil.rmtree(store.runs_folder / job.key, ignore_errors=True)
    return Returned(ended=ended, record=record, shared=shared)


def placed(errand: Errand, data_root: Path | None = None, cache_root: Path | None = None) -> Job:
    """The job with the places where its data, text encoder and study are on this node.

    Parameters
    ----------
    data_root, cache_root
        The node's own, for what is not where the driver has it.

    Raises
    ------
    DataError
        If the dataset is not here, or another file lies in its place.
    SpecError
        If the text encoder is not here, or the node's packages differ from the driver's.
    """
    here = versions()
    for name, wanted in errand.versions.items():
        if here.get(name) != wanted:
            raise SpecError(
                f"the node has {name} {here.get(name, 'not installed')}, the driver has {wanted}",
                fix="install the same versions on every node: results would depend on where a run was made",
            )
    job = errand.job
    source = _source(job.source, data_root, cache_root)
    encoder = _encoder(job.encoder, source)
    study = job.study if (job.study / UNFINISHED / errand.mark).exists() else _own_study(job.study)
    return replace(job, source=source, encoder=encoder, study=study)


def _source(source: DataSource, data_root: Path | None, cache_root: Path | None) -> DataSource:
    """The dataset on this node: converted before, or a file to convert that is the driver's, by its hash."""
    if source.cache_root.is_dir():
        root = source.cache_root
    else:
        root = cache_root or (cache.default_root(data_root) if data_root else source.cache_root)
    source = replace(source, cache_root=root)
    if any(root.glob(f"{source.fingerprint[:16]}*/meta.json")):
        return source
    own = [data_root / name for name in source.variant.files] if data_root else []
    path = next((place for place in (source.path, *own) if place.exists()), None)
    if path is None:
        raise DataError(
            f"{source.name} is neither converted nor to be found here",
            where=", ".join(map(str, (source.path, *own))),
            fix="put the data root where the driver has it, or start Ray there with MSABENCH_DATA naming it",
        )
    if cache.fingerprint_all(layouts.parts(path, source.layout), root) != source.fingerprint:
        raise DataError(
            f"the file of {source.name} is another one than the driver's (its hash differs)",
            where=str(path),
            fix="copy the driver's file there",
        )
    return replace(source, path=path)


def _encoder(encoder: EncoderRef, source: DataSource) -> EncoderRef:
    """The same text encoder where this node has it."""
    if encoder.path is None:
        return encoder
    folder, root = encoder.path, source.cache_root
    if (folder / "config.json").is_file():
        files = [folder / "config.json", *weights(folder)]
        if identity(encoder.name, files, root) == encoder.identity:
            return encoder
    found = resolve(encoder.name, source.card.language, root)
    if found.identity != encoder.identity:
        raise SpecError(
            f"the text encoder here is {found.identity}, the driver's is {encoder.identity}",
            where=str(found.path),
            fix="give every node the same weights",
        )
    return found


def _own_study(study: Path) -> Path:
    """A folder of this node for a study whose own is not visible here; the same each time."""
    digest = hashlib.sha256(str(study).encode()).hexdigest()[:8]
    folder = Path(tempfile.gettempdir()) / f"msabench-{os.getuid()}" / f"{study.name}-{digest}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _folder(variable: str) -> Path | None:
    named = os.environ.get(variable)
    return Path(named).expanduser() if named else None


_child: tuple[str, WorkerProcess] | None = None
"""The process that trains for this one, and the GPUs that it was started with"""


def _train(job: Job, limit: float | None) -> Ended:
    """Do the job in the child of this process; its death, or its limit, is the run's failure."""
    global _child
    lent = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if _child is not None and (_child[0] != lent or not _child[1].process.is_alive()):
        # a process cannot change its GPUs once it has used them
        _child[1].kill()
        _child = None
    if _child is None:
        _child = (lent, WorkerProcess(job.device))
    worker = _child[1]
    worker.give(job)
    while True:
        wait([worker.connection, worker.process.sentinel], timeout=POLL_SECONDS)
        try:
            ended = worker.hear()
        except EOFError:
            _child = None
            return died(job, worker.kill())
        if ended is None and worker.overdue(limit):
            _child = None
            worker.kill(telling=True)
            ended = late(job, limit or 0)
        if ended is not None:
            return ended
