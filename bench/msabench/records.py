"""The store on disk: one folder a run, written whole or not at all.

<study>/runs/<key>/run.json          spec, environment, status, timings, losses per epoch, the failure if any
<study>/runs/<key>/predictions.npz   valid (E, Nv[, C]) and test (E, Nt[, C]), float32
<study>/data/<dataset>-<hash>.npz    ids and truths, once
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from msabench.arrays import read_npz
from msabench.errors import DataError, MsabenchError
from msabench.metrics import convention_named
from msabench.run import Failure, RunRecord, RunSpec, Status, Task, Truths
from msabench.selection import bind, oracle_of, scored

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
COLUMNS = (
    "row",
    "method",
    "dataset",
    "data_kind",
    "track",
    "text_encoder",
    "text_mode",
    "seed",
    "key",
    "metric",
    "value",
    "epoch",
    "epochs",
    "convention",
    "selection",
    "oracle",
    "notes",
    "method_version",
    "data_hash",
    "truths_hash",
    "budget",
    "hyperparameters",
)
"""Of `Store.frame`; hyperparameters are a hash of them: what is averaged over seeds must agree in these"""
_ARRAYS = ("valid_predictions", "test_predictions")
_NOT_IN_JSON = (*_ARRAYS, "truths", "spec", "task", "failure")


class RecordError(MsabenchError):
    """A record on disk that cannot be read, or predictions that do not belong to the truths beside them."""


class Store:
    """The records of one study.

    Parameters
    ----------
    path
        The study's folder; made on the first write.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.runs_folder = self.path / "runs"

    def has(self, key: str) -> bool:
        """Whether a record of this key is there, finished or failed."""
        return (self.runs_folder / key / "run.json").is_file()

    def status(self, key: str) -> Status | None:
        """`finished`, `failed`, or None where there is no record, or none that can be read."""
        try:
            status: Status = _read_json(self.runs_folder / key / "run.json")["status"]
        except (RecordError, KeyError):
            return None
        return status

    def keys(self, status: Status | None = None) -> list[str]:
        """Keys of the records in the store, of one status if that is asked for."""
        if not self.runs_folder.is_dir():
            return []
        found = sorted(p.name for p in self.runs_folder.iterdir() if not p.name.startswith("."))
        return [key for key in found if self.has(key) and (status is None or self.status(key) == status)]

    def planned(self) -> dict[str, dict[str, Any]]:
        """The runs that the study was made for: key to row, dataset and seed; empty if no plan was frozen."""
        path = self.path / "plan.json"
        if not path.exists():
            return {}
        try:
            lines: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RecordError(
                f"the study's plan cannot be read: {error}",
                where=str(path),
                fix="delete it and run the study's command again: no record is lost",
            ) from error
        return lines

    def superseded(self) -> list[str]:
        """Keys of records that the plan no longer names: an older version of a method, or other data.

        They stay on disk; `frame` and `failures` leave them out, since they cannot be compared with the rest.
        """
        current = self.planned()
        return [key for key in self.keys() if key not in current] if current else []

    def get(self, key: str, *, arrays: bool = True) -> RunRecord:
        """Read one record, with its predictions and truths unless only the rest is wanted.

        Raises
        ------
        RecordError
            If it is absent, damaged, or its truths are not those it was made with.
        """
        folder = self.runs_folder / key
        raw = _read_json(folder / "run.json")
        try:
            record = _from_json(raw)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _damaged(folder / "run.json", repr(error)) from error
        if not arrays:
            return record
        if record.status == "finished":
            record = replace(record, **_read_arrays(folder / "predictions.npz"))
        record = replace(record, truths=self._truths(record))
        _check_shapes(record, folder / "predictions.npz")
        return record

    def runs(self, status: Status | None = None) -> Iterator[RunRecord]:
        """Every record, one at a time.

        Raises
        ------
        RecordError
            At a damaged record; `damaged` lists them without raising.
        """
        for key in self.keys(status):
            yield self.get(key)

    def failures(self) -> list[RunRecord]:
        """Records of the runs that failed, but for superseded ones."""
        old = set(self.superseded())
        return [self.get(key) for key in self.keys("failed") if key not in old]

    def damaged(self) -> dict[str, str]:
        """Keys of records that cannot be read, and why."""
        problems = {}
        for key in self.keys():
            try:
                self.get(key)
            except RecordError as error:
                problems[key] = error.what
        return problems

    def set_aside(self, key: str) -> Path:
        """Move a damaged record out of the way, so that its run is made again; nothing is deleted."""
        target = self.runs_folder / f".damaged-{key}-{uuid4().hex[:8]}"
        (self.runs_folder / key).rename(target)
        return target

    def write(self, record: RunRecord, truths: Truths) -> None:
        """Write a record to a temporary folder, sync, rename. An older record of its key is replaced."""
        self._write_truths(record, truths)
        temporary = self.runs_folder / f".tmp-{record.key}-{uuid4().hex[:8]}"
        temporary.mkdir(parents=True)
        if record.status == "finished":
            with (temporary / "predictions.npz").open("wb") as file:
                arrays = {name.split("_")[0]: getattr(record, name) for name in _ARRAYS}
                np.savez_compressed(file, **arrays)
                os.fsync(file.fileno())
        with (temporary / "run.json").open("w", encoding="utf-8") as file:
            json.dump(_to_json(record), file, indent=1, allow_nan=False)
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(temporary)
        target = self.runs_folder / record.key
        if target.exists():
            target.rename(self.runs_folder / f".old-{record.key}-{uuid4().hex[:8]}")
        temporary.rename(target)
        _sync_folder(self.runs_folder)
        for old in self.runs_folder.glob(f".old-{record.key}-*"):
            shutil.rmtree(old, ignore_errors=True)

    def tasks(self) -> dict[str, Task]:
        """The task of each dataset that has a finished run."""
        old = set(self.superseded())
        records = (self.get(key, arrays=False) for key in self.keys("finished") if key not in old)
        return {record.spec.dataset: record.task for record in records}

    def frame(
        self,
        convention: str | Callable[[RunRecord], str] | None = None,
        selection: str = "same-epoch",
        *,
        methods: Collection[str] | None = None,
    ) -> pd.DataFrame:
        """Scores of every finished run that is not superseded, one line for each run and metric.

        Runs on datasets whose task the convention cannot score are left out; `tasks` tells which these are.

        Parameters
        ----------
        convention
            None scores each dataset under its own; a function says for each record which.
        methods
            Only runs of these; None takes all.

        Returns
        -------
        DataFrame with the columns `COLUMNS`; value is a fraction, nan where undefined; epoch counts from 1.
        """
        import pandas as pd

        lines: list[dict[str, Any]] = []
        if selection != "as-published":  # which depends on the method; the others are checked before any work
            bind(selection)
        old = set(self.superseded())
        for key in self.keys("finished"):
            if key in old:
                continue
            record = self.get(key, arrays=False)
            used = convention(record) if callable(convention) else convention or record.convention
            if not convention_named(used).takes(record.task):
                continue
            if methods is not None and record.spec.method not in methods:
                continue
            record = self.get(key)
            spec = record.spec
            about = {
                "row": spec.row, "method": spec.method, "dataset": spec.dataset, "data_kind": spec.data_kind,
                "track": spec.track, "text_encoder": spec.text_encoder, "text_mode": spec.text_mode,
                "seed": spec.seed, "key": record.key, "epochs": record.epochs, "convention": used,
                "selection": selection, "oracle": oracle_of(record, selection),
                "notes": "; ".join(record.notes),
                "method_version": spec.method_version, "data_hash": spec.data_hash,
                "truths_hash": record.truths_hash, "budget": str(spec.budget),
                "hyperparameters": spec.settings,
            }  # fmt: skip
            for metric, (value, epoch) in scored(record, selection, used).items():
                lines.append(
                    {**about, "metric": metric, "value": math.nan if value is None else value, "epoch": epoch}
                )
        return pd.DataFrame(lines, columns=list(COLUMNS))

    def _write_truths(self, record: RunRecord, truths: Truths) -> None:
        path = self._truths_path(record)
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}-{uuid4().hex[:8]}")
        with temporary.open("wb") as file:
            np.savez_compressed(
                file,
                valid_ids=np.asarray(truths.valid_ids, dtype=str),
                valid=np.asarray(truths.valid, dtype=np.float32),
                test_ids=np.asarray(truths.test_ids, dtype=str),
                test=np.asarray(truths.test, dtype=np.float32),
            )
            os.fsync(file.fileno())
        temporary.replace(path)

    def _truths_path(self, record: RunRecord) -> Path:
        name = f"{record.spec.dataset.replace(':', '-')}-{record.truths_hash[:8]}.npz"
        return self.path / "data" / name

    def _truths(self, record: RunRecord) -> Truths:
        path = self._truths_path(record)
        truths = _load_truths(path, path.stat().st_mtime_ns if path.exists() else 0)
        if truths.fingerprint != record.truths_hash:
            raise RecordError(
                f"the truths of {record.spec.dataset} are not those that run {record.key} was made with",
                where=str(path),
                fix="put back the original file, or delete both and run again",
            )
        return truths


@lru_cache(maxsize=64)
def _load_truths(path: Path, _modified: int) -> Truths:
    truths = Truths(**_arrays_of(path, {field.name: field.name for field in fields(Truths)}))
    for ids, values in ((truths.valid_ids, truths.valid), (truths.test_ids, truths.test)):
        kinds = ids.dtype.kind, values.dtype.kind
        if kinds != ("U", "f") or not ids.ndim == values.ndim == 1 or len(ids) != len(values):
            raise _damaged(path, f"ids and truths of shapes {ids.shape} and {values.shape}")
    return truths


def _read_json(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RecordError(
            f"there is no run '{path.parent.name}'", where=str(path.parent), fix="msabench status lists them"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, repr(error)) from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise _damaged(path, f"its format is not {FORMAT}")
    return raw


def _read_arrays(path: Path) -> dict[str, Any]:
    return _arrays_of(path, {name: name.split("_")[0] for name in _ARRAYS})


def _arrays_of(path: Path, names: Mapping[str, str]) -> dict[str, Any]:
    """Arrays of an archive, each under the name that it gets here."""
    try:
        stored = read_npz(path)
    except DataError as error:
        raise _damaged(Path(error.where or path), error.what) from error
    missing = sorted(set(names.values()) - set(stored))
    if missing:
        raise _damaged(path, f"it lacks {', '.join(missing)}")
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
            raise _damaged(path, f"predictions {array.shape} of {array.dtype}, expected {expected}")


def _damaged(path: Path, why: str) -> RecordError:
    return RecordError(
        f"a record is damaged: {why}",
        where=str(path),
        fix="run the study's command again: damaged records are set aside and their runs made again",
    )


def _to_json(record: RunRecord) -> dict[str, Any]:
    plain = {f.name: getattr(record, f.name) for f in fields(record) if f.name not in _NOT_IN_JSON}
    return {
        "format": FORMAT,
        "key": record.key,
        **_without_nan(plain),
        "spec": record.spec.to_json(),
        "task": asdict(record.task),
        "failure": asdict(record.failure) if record.failure else None,
    }


def _from_json(raw: Mapping[str, Any]) -> RunRecord:
    plain = {f.name: raw[f.name] for f in fields(RunRecord) if f.name not in _NOT_IN_JSON}
    for name in ("valid_loss", "valid_criterion", "seconds"):
        plain[name] = tuple(math.nan if value is None else value for value in plain[name])
    plain["losses"] = tuple(
        {k: math.nan if v is None else v for k, v in row.items()} for row in plain["losses"]
    )
    plain["notes"] = tuple(plain["notes"])
    task = {**raw["task"], "label_range": tuple(raw["task"]["label_range"])}
    return RunRecord(
        **plain,
        spec=RunSpec.from_json(raw["spec"]),
        task=Task(**task),
        failure=Failure(**raw["failure"]) if raw["failure"] else None,
    )


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: an undefined figure is null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {k: _without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in value]
    return value


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
