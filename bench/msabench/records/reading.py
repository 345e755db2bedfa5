"""Reads one record: `run.json`, its predictions, and the truths that they belong to."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from msabench.arrays import read_npz
from msabench.errors import DataError, MsabenchError
from msabench.run import Failure, RunRecord, RunSpec, Task, Truths

FORMAT = 1
RUN, PREDICTIONS = "run.json", "predictions.npz"
ARRAYS = ("valid_predictions", "test_predictions")
"""Of a record; the file names them `valid` and `test`"""
NOT_PLAIN = (*ARRAYS, "truths", "spec", "task", "failure")
"""Fields of a record that `run.json` does not hold as they are"""
Signature = tuple[int, int, int, int]
"""Of a file: bytes, nanoseconds of its last change and of its entry's last change, inode"""


class RecordError(MsabenchError):
    """A record on disk that cannot be read, or predictions that do not belong to the truths beside them."""


def signature(path: Path | str) -> Signature | None:
    """What changes whenever a file is replaced or written to; None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116  # ten thousand at a time: a Path for each costs as much
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def read_record(study: Path, key: str, *, arrays: bool = True) -> RunRecord:
    """A record, with its predictions and truths unless only the rest is wanted.

    Raises
    ------
    RecordError
        If it is absent, damaged, or its truths are not those it was made with.
    """
    folder = study / "runs" / key
    record = from_json(read_json(folder / RUN), folder / RUN)
    if not arrays:
        return record
    if record.status == "finished":
        record = replace(
            record, **_arrays_of(folder / PREDICTIONS, {name: name.split("_")[0] for name in ARRAYS})
        )
    record = replace(record, truths=_read_truths(study, record))
    _check_shapes(record, folder / PREDICTIONS)
    return record


def truths_path(study: Path, dataset: str, truths_hash: str) -> Path:
    """Where the ids and truths of a dataset lie."""
    return study / "data" / f"{dataset.replace(':', '-')}-{truths_hash[:8]}.npz"


def read_json(path: Path) -> dict[str, Any]:
    """The content of a `run.json`.

    Raises
    ------
    RecordError
        If it is absent, no JSON, or of another format.
    """
    try:
        raw = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise RecordError(
            f"there is no run '{path.parent.name}'", where=str(path.parent), fix="msabench status lists them"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(path, repr(error)) from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise damaged(path, f"its format is not {FORMAT}")
    return raw


def from_json(raw: Mapping[str, Any], path: Path) -> RunRecord:
    """A record without its arrays, from the content of its `run.json`.

    Raises
    ------
    RecordError
        If something is missing or of the wrong form; it names the path.
    """
    try:
        plain = {name: raw[name] for name in _PLAIN}
        for name in ("valid_loss", "valid_criterion", "seconds"):
            plain[name] = tuple([math.nan if value is None else value for value in plain[name]])
        plain["losses"] = tuple(
            [{k: math.nan if v is None else v for k, v in row.items()} for row in plain["losses"]]
        )
        plain["notes"] = tuple(plain["notes"])
        task = {**raw["task"], "label_range": tuple(raw["task"]["label_range"])}
        return RunRecord(
            **plain,
            spec=RunSpec.from_json(raw["spec"]),
            task=Task(**task),
            failure=Failure(**raw["failure"]) if raw["failure"] else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(path, repr(error)) from error


_PLAIN = [f.name for f in fields(RunRecord) if f.name not in NOT_PLAIN]


def damaged(path: Path, why: str) -> RecordError:
    """The error of a record that is there and cannot be used."""
    return RecordError(
        f"a record is damaged: {why}",
        where=str(path),
        fix="run the study's command again: damaged records are set aside and their runs made again",
    )


def _read_truths(study: Path, record: RunRecord) -> Truths:
    path = truths_path(study, record.spec.dataset, record.truths_hash)
    truths, fingerprint = _load_truths(path, signature(path))
    if fingerprint != record.truths_hash:
        raise RecordError(
            f"the truths of {record.spec.dataset} are not those that run {record.key} was made with",
            where=str(path),
            fix="put back the original file, or delete both and run again",
        )
    return truths


@lru_cache(maxsize=64)
def _load_truths(path: Path, _signature: Signature | None) -> tuple[Truths, str]:
    """Truths and their fingerprint, read again whenever the file's signature is another."""
    truths = Truths(**_arrays_of(path, {field.name: field.name for field in fields(Truths)}))
    for ids, values in ((truths.valid_ids, truths.valid), (truths.test_ids, truths.test)):
        kinds = ids.dtype.kind, values.dtype.kind
        if kinds != ("U", "f") or not ids.ndim == values.ndim == 1 or len(ids) != len(values):
            raise damaged(path, f"ids and truths of shapes {ids.shape} and {values.shape}")
    return truths, truths.fingerprint


def _arrays_of(path: Path, names: Mapping[str, str]) -> dict[str, Any]:
    """Arrays of an archive, each under the name that it gets here."""
    try:
        stored = read_npz(path)
    except DataError as error:
        raise damaged(Path(error.where or path), error.what) from error
    missing = sorted(set(names.values()) - set(stored))
    if missing:
        raise damaged(path, f"it lacks {', '.join(missing)}")
    return {name: stored[held] for name, held in names.items()}


def _check_shapes(record: RunRecord, path: Path) -> None:
    """Predictions must be of each epoch and sample, or no figure could be made of them."""
    truths = record.truths
    if record.status != "finished" or truths is None:
        return
    parts = ((record.valid_predictions, len(truths.valid)), (record.test_predictions, len(truths.test)))
    for array, samples in parts:
        fits = array.ndim in (2, 3) and array.shape[:2] == (record.epochs, samples)
        if not fits or array.dtype.kind != "f":
            expected = f"({record.epochs}, {samples}) numbers"
            raise damaged(path, f"predictions {array.shape} of {array.dtype}, expected {expected}")
