"""Reads somebody's own predictions from a CSV, NPZ, Parquet or JSON file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from msabench.column_files import read_arrays
from msabench.errors import DataError, unknown
from msabench.run import Array

PREDICTION_NAMES = ("prediction", "pred", "predictions", "preds", "y_pred")
TRUTH_NAMES = ("truth", "label", "y", "truths", "labels", "y_true")
ID_NAMES = ("id", "ids", "sample_id")
LOGIT_PREFIX = "logit_"
_DIMENSIONS = {1: "one", 2: "one or two", 3: "one to three"}


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """N predictions with their truths, checked."""

    predictions: Array
    """(N,) or (N, C) float32; NaN is let through, as conventions differ on it"""
    truths: Array
    """(N,) float32, finite"""
    source: str
    """File and columns, as in `mine.csv (pred, truth)`"""

    def __len__(self) -> int:
        return len(self.truths)


def read_predictions(path: Path, *, pred: str | None = None, truth: str | None = None) -> Predictions:
    """Read a file of predictions.

    Parameters
    ----------
    path
        `.csv` or `.tsv` with a header, `.parquet`, `.npz`, or `.json`: a list of objects, or an object of
        lists.
    pred
        Column (or array) of the predictions, or several columns of logits joined by commas. Without it, the
        column called `prediction` or `pred`, or all of `logit_0`, `logit_1`, ….
    truth
        Column (or array) of the truths; without it, the one called `truth`, `label` or `y`.

    Raises
    ------
    DataError
        If the file is missing, unreadable or empty, a column is missing or could be either of two, lengths
        differ, a value is no number, or a truth is not finite; names file, row (from 1, without the
        header) and column.
    SpecError
        If `pred` or `truth` names no column.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "mine.csv")
    ...     _ = path.write_text("id,pred,truth\\na,0.5,1\\nb,-1,-1.4\\n")
    ...     read_predictions(path).predictions
    array([ 0.5, -1. ], dtype=float32)
    """
    table = read_columns(path)
    outputs = table.outputs(pred)
    label = _truth_column(table, truth)
    p = [table.numbers(column) for column in outputs]
    y = table.numbers(label)
    if y.ndim != 1:
        raise DataError(
            f"'{label}' must hold one truth per sample, but its shape is {y.shape}", where=str(path)
        )
    for column, values in zip(outputs, p, strict=True):
        if len(values) != len(y):
            raise DataError(f"'{column}' has {len(values)} rows, but '{label}' has {len(y)}", where=str(path))
    if not len(y):
        raise DataError("the file holds no samples", where=str(path))
    odd = np.flatnonzero(~np.isfinite(y))
    if len(odd):
        raise DataError(f"a truth is {y[odd[0]]}", where=table.cell(label, int(odd[0])))
    if len(p) > 1 and any(values.ndim > 1 for values in p):
        raise DataError("logits in several arrays must have one dimension each", where=str(path))
    return Predictions(
        predictions=p[0] if len(p) == 1 else np.stack(p, axis=1),
        truths=y,
        source=f"{path.name} ({', '.join([*outputs, label])})",
    )


@dataclass(frozen=True, kw_only=True)
class Columns:
    """A file's named columns or arrays, before anything is known of their meaning."""

    path: Path
    columns: Mapping[str, Array]

    def called(self, names: Sequence[str]) -> str | None:
        """The column that bears one of these names, in any case; None if there is none.

        Raises
        ------
        DataError
            If several do.
        """
        found = [column for column in self.columns if column.strip().lower() in names]
        if len(found) > 1:
            raise DataError(f"two columns mean the same: {', '.join(found)}", where=str(self.path))
        return found[0] if found else None

    def outputs(self, pred: str | None = None) -> list[str]:
        """The column of predictions, or those of logits in the order of their numbers.

        Raises
        ------
        DataError
            If there is none, or it could be either of two.
        SpecError
            If `pred` names no column.
        """
        return _prediction_columns(self, pred)

    def numbers(self, column: str, most: int = 2) -> Array:
        """A column as float32; an array (N, 1) as (N,).

        Raises
        ------
        DataError
            If a value is no real number, or the array has more than `most` dimensions.
        """
        values = self.columns[column]
        if most == 2 and values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        if not 0 < values.ndim <= most:
            raise DataError(
                f"'{column}' must have {_DIMENSIONS[most]} dimensions, but its shape is {values.shape}",
                where=str(self.path),
            )
        try:
            if values.dtype.kind in "cmM":
                raise ValueError("not real numbers")
            with np.errstate(over="ignore"):
                return values.astype(np.float64).astype(np.float32)
        except (TypeError, ValueError) as error:
            raise self._no_number(column, values) from error

    def cell(self, column: str, row: int) -> str:
        """Where a value stands, for an error."""
        name = next((c for c in self.columns if c.lower() in ID_NAMES), None)
        ids = self.columns[name] if name else np.zeros(0)
        called = f" (id {ids[row]})" if ids.ndim == 1 and len(ids) > row else ""
        return f"{self.path}, row {row + 1}{called}, column '{column}'"

    def _no_number(self, column: str, values: Array) -> DataError:
        if values.ndim == 1 and values.dtype.kind in "OUST":  # text, or a mixture
            for row, value in enumerate(values):
                try:
                    float(value)
                except (TypeError, ValueError):
                    return _no_number(value, self.cell(column, row))
        return DataError(f"'{column}' holds {values.dtype}, not real numbers", where=str(self.path))

    @property
    def found(self) -> str:
        """The names of the columns, for an error."""
        names = (name if name.strip() else "one without a name" for name in self.columns)
        return f"the file has: {', '.join(names) or 'no columns'}"


def _no_number(value: object, where: str) -> DataError:
    text = str(value).strip()
    if not text:
        return DataError("the cell is empty", where=where, fix="give every sample a value")
    fix = "give scores, logits, or the numbers of classes from 0 on"
    if re.fullmatch(r"[+-]?\d+,\d+", text):
        fix = "write decimals with a point"
    return DataError(f"'{text}' is no number", where=where, fix=fix)


def _prediction_columns(table: Columns, pred: str | None) -> list[str]:
    if pred is not None:
        return [_named(table, name.strip(), "--pred") for name in pred.split(",")]
    single = [c for c in table.columns if c.strip().lower() in PREDICTION_NAMES]
    logits = [c for c in table.columns if c.strip().lower().startswith(LOGIT_PREFIX)]
    if len(single) > 1 or (single and logits):
        several = ", ".join(single + logits)
        raise DataError(
            f"the predictions could be any of: {several}",
            where=str(table.path),
            fix="name the column with --pred",
        )
    if single:
        return single
    if not logits:
        raise DataError(
            f"no column of predictions; {table.found}",
            where=str(table.path),
            fix="call it 'prediction' or 'pred' (logits: 'logit_0', 'logit_1', …), or name it with --pred",
        )
    ordered = {c.strip().lower(): c for c in logits}
    wanted = [f"{LOGIT_PREFIX}{i}" for i in range(len(logits))]
    missing = next((name for name in wanted if name not in ordered), None)
    if len(logits) == 1:
        raise DataError(
            f"'{logits[0]}' is the only column of logits: whether it speaks for class 0 or 1 is not said",
            where=str(table.path),
            fix="call it 'prediction' if it is above 0 for class 1, or add the other class's",
        )
    if missing is not None:
        raise DataError(
            f"the file has {len(logits)} columns of logits, but not '{missing}'; {table.found}",
            where=str(table.path),
            fix="number them from 0, one for each class, or name them with --pred in the classes' order",
        )
    return [ordered[name] for name in wanted]


def _truth_column(table: Columns, truth: str | None) -> str:
    if truth is not None:
        return _named(table, truth, "--truth")
    found = [c for c in table.columns if c.strip().lower() in TRUTH_NAMES]
    if len(found) == 1:
        return found[0]
    raise DataError(
        f"the truths could be any of: {', '.join(found)}" if found else f"no column of truths; {table.found}",
        where=str(table.path),
        fix="name the column with --truth" if found else "call it 'truth', 'label' or 'y', or use --truth",
    )


def _named(table: Columns, name: str, option: str) -> str:
    if name not in table.columns:
        raise unknown(f"column of {table.path.name}, given with {option},", name, table.columns, table.found)
    return name


def read_columns(path: Path, form: str | None = None) -> Columns:
    """A file's columns.

    Parameters
    ----------
    form
        `csv`, `tsv`, `npz`, `parquet` or `json`; without it, what the file's name ends in.

    Raises
    ------
    DataError
        If the file is missing, empty, cannot be read, or its rows differ in length.
    """
    return Columns(path=path, columns=read_arrays(path, form))
