"""One study that is to be joined with others, read whole."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from msabench.engines.job import progress
from msabench.errors import SpecError
from msabench.records import Store
from msabench.run import RunRecord, RunSpec
from msabench.search import Ledger, read_ledgers
from msabench.search.ledger import FOLDER
from msabench.study import StudySpec, plan_line, read_study


@dataclass(frozen=True, kw_only=True)
class Source:
    """One study, read whole: a damaged record is an error here, before anything is written."""

    folder: Path
    study: StudySpec | None
    planned: Mapping[str, Mapping[str, Any]]
    runs: Mapping[str, RunRecord]
    """Key to record, without arrays"""
    digests: Mapping[str, str]
    """Key to the hash of its predictions; empty for a failure"""
    trials: Source | None
    ledgers: Sequence[Ledger]
    left: int
    """Superseded records, which stay behind"""
    unfinished: int
    """Runs that were begun and have no record: their checkpoints stay behind too"""


def read_source(folder: Path) -> Source:
    """Read a study.

    Raises
    ------
    SpecError
        If the folder holds no study.
    RecordError
        If a record is damaged.
    """
    store = Store(folder)
    planned = store.planned()
    if not store.keys() and not planned:
        raise SpecError("there is no study here", where=str(folder), fix="msabench status lists studies")
    left, held = set(store.superseded()), store.keys()
    runs, digests = {}, {}
    for key in (each for each in held if each not in left):
        record = store.get(key)
        digests[key] = digest(record)
        none = record.valid_predictions[:0]
        runs[key] = replace(record, valid_predictions=none, test_predictions=none, truths=None)
    frozen = folder / "study.toml"
    return Source(
        folder=folder,
        study=read_study(frozen) if frozen.exists() else None,
        planned=planned or {key: plan_line(record.spec) for key, record in runs.items()},
        runs=runs,
        digests=digests,
        trials=read_source(folder / FOLDER) if (folder / FOLDER / "runs").is_dir() else None,
        ledgers=read_ledgers(folder),
        left=len(left),
        unfinished=sum(each.key not in runs for each in progress(folder)),
    )


def digest(record: RunRecord) -> str:
    """Hash of a run's predictions; empty for a failure."""
    if record.status != "finished":
        return ""
    whole = hashlib.sha256()
    for array in (record.valid_predictions, record.test_predictions):
        whole.update(str(array.shape).encode() + array.tobytes())
    return whole.hexdigest()


def cell(spec: RunSpec) -> tuple[object, ...]:
    """What makes two runs the same cell and seed of a table."""
    return tuple(plan_line(spec).values())
