"""Predictions by seed and split, as a file has them: one row a sample, or arrays of several epochs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from msabench.errors import DataError
from msabench.predictions import ID_NAMES, TRUTH_NAMES, Columns, read_columns
from msabench.run import Array

SPLIT_NAMES, SEED_NAMES, EPOCH_NAMES = ("split", "set", "fold"), ("seed", "seeds"), ("epoch", "epochs")
LARGEST_SEED = 2**63 - 1
"""Frames of scores hold seeds as int64"""
_SPLITS = {
    "test": "test", "valid": "valid", "val": "valid", "dev": "valid", "validation": "valid",
    "train": "train", "training": "train",
}  # fmt: skip
_EPOCHS = {"test": ("test", "test_predictions"), "valid": ("valid", "valid_predictions")}
_EPOCH_IDS = {"test": ("test_ids", "ids_test"), "valid": ("valid_ids", "ids_valid")}


@dataclass(frozen=True, kw_only=True)
class Part:
    """Predictions of some samples, in the file's order."""

    ids: Array
    """(N,) str"""
    values: Array
    """(E, N) or (E, N, C) float32"""
    where: str
    """File, and the columns or arrays of it"""
    split: str = ""
    """What the file says: `test`, `valid`, `train`; empty where the ids alone tell"""
    truths: Array | None = None
    """(N,) float32, where the file has them: checked against the dataset's"""

    def rows(self, index: Array) -> Part:
        """Those of some samples."""
        truths = None if self.truths is None else self.truths[index]
        return replace(self, ids=self.ids[index], values=self.values[:, index], truths=truths)


def read_submission(
    path: Path, *, form: str | None = None, pred: str | None = None
) -> dict[int | None, list[Part]]:
    """The parts of a file by seed; None where it has no column of seeds.

    Parameters
    ----------
    form
        `csv`, `tsv`, `npz`, `parquet` or `json`; without it, what the file's name ends in.
    pred
        Column of the predictions, or several columns of logits joined by commas.

    Raises
    ------
    DataError
        If the file cannot be read, has no ids or no predictions, or lengths or types do not fit.
    SpecError
        If `pred` names no column.
    """
    table = read_columns(path, form)
    if table.called(_EPOCHS["test"]):
        parts = [part for split in _EPOCHS if (part := _epochs(table, split)) is not None]
        return {_one_seed(table): parts}
    return _by_seed(table, _rows(table, pred))


def _epochs(table: Columns, split: str) -> Part | None:
    """The predictions of every epoch on one split."""
    name, ids = table.called(_EPOCHS[split]), table.called(_EPOCH_IDS[split])
    if name is None:
        return None
    if ids is None:
        raise DataError(
            f"the array '{name}' comes without ids",
            where=str(table.path),
            fix=f"add an array '{_EPOCH_IDS[split][0]}' with the id of each sample",
        )
    values = table.numbers(name, most=3)
    names = _ids(table, ids)
    if values.ndim == 1 or (values.ndim == 2 and len(values) == len(names) != values.shape[1]):
        values = values[None]  # one epoch
    if values.shape[1] != len(names):
        raise DataError(
            f"'{name}' has the shape {values.shape}, but there are {len(names)} ids in '{ids}'",
            where=str(table.path),
            fix="its shape must be (epochs, samples), or (epochs, samples, classes)",
        )
    return Part(ids=names, values=values, split=split, where=f"{table.path}, array '{name}'")


def _rows(table: Columns, pred: str | None) -> Part:
    column = table.called(ID_NAMES)
    if column is None:
        raise DataError(
            f"no column of ids; {table.found}",
            where=str(table.path),
            fix="call it 'id' in the first line: without ids nobody can tell which prediction belongs to "
            "which sample",
        )
    ids = _ids(table, column)
    if not len(ids):
        raise DataError(
            "the file holds no samples", where=str(table.path), fix="give a row for each sample of the split"
        )
    _one_epoch(table)
    outputs = table.outputs(pred)
    parts = [table.numbers(name) for name in outputs]
    for name, values in zip(outputs, parts, strict=True):
        if len(values) != len(ids):
            raise DataError(
                f"'{name}' has {len(values)} rows, but '{column}' has {len(ids)}", where=str(table.path)
            )
        if len(parts) > 1 and values.ndim > 1:
            raise DataError(
                "logits in several arrays must have one dimension each",
                where=f"{table.path}, column '{name}'",
            )
        if len(odd := np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))):
            raise DataError(
                f"{len(odd)} of {len(values)} predictions are not finite numbers, the first is "
                f"{values.reshape(len(values), -1)[odd[0]].tolist()}",
                where=table.cell(name, int(odd[0])),
                fix="a result with gaps cannot stand beside whole ones: predict every sample",
            )
    values = parts[0] if len(parts) == 1 else np.stack(parts, axis=1)
    truth = table.called(TRUTH_NAMES)
    return Part(
        ids=ids,
        values=values[None],
        where=str(table.path),
        truths=None if truth is None else table.numbers(truth, most=1),
    )


def _by_seed(table: Columns, part: Part) -> dict[int | None, list[Part]]:
    """One part for each seed and split that the file names."""
    seeds, splits = _seeds(table, len(part.ids)), _splits(table, len(part.ids))
    rows: dict[tuple[int | None, str], list[int]] = {}
    for row, group in enumerate(zip(seeds, splits, strict=True)):
        rows.setdefault(group, []).append(row)
    made: dict[int | None, list[Part]] = {}
    for (seed, split), here in sorted(rows.items(), key=lambda each: (each[0][0] or 0, each[0][1])):
        where = part.where if seed is None else f"{part.where}, seed {seed}"
        made.setdefault(seed, []).append(replace(part.rows(np.array(here)), split=split, where=where))
    return made


def _one_epoch(table: Columns) -> None:
    """Rows are of one epoch; which one is only said, so a column of equal numbers does no harm."""
    column = table.called(EPOCH_NAMES)
    if column is None or table.columns[column].ndim != 1:
        return
    epochs = list(dict.fromkeys(str(value) for value in table.columns[column].tolist()))
    if len(epochs) > 1:
        raise DataError(
            f"'{column}' names {len(epochs)} epochs, but a row a sample is of one epoch",
            where=str(table.path),
            fix="give the epoch that you chose; or all of them as an .npz of 'test' and 'valid' "
            "(epochs, samples) with 'test_ids' and 'valid_ids', for epoch rules to choose from",
        )


def checked_seed(value: object) -> int:
    """A seed as a number.

    Raises
    ------
    ValueError
        If it is no whole number from 0 to `LARGEST_SEED`.
    """
    text = str(value).strip()
    seed = int(text) if text.isdecimal() else float(text)
    if seed != seed // 1 or not 0 <= seed <= LARGEST_SEED:
        raise ValueError(f"{value} is no seed")
    return int(seed)


def _one_seed(table: Columns) -> int | None:
    """The seed that a file of epochs names; None if it names none."""
    column = table.called(SEED_NAMES)
    if column is None:
        return None
    values = np.atleast_1d(table.columns[column])
    if values.size != 1:
        raise DataError(
            f"'{column}' names {values.size} seeds, but arrays of epochs are of one",
            where=str(table.path),
            fix="give a file for each seed",
        )
    try:
        return checked_seed(values.item())
    except (ValueError, OverflowError):
        raise DataError(
            f"'{values.item()}' is no seed", where=str(table.path), fix="give whole numbers from 0 on"
        ) from None


def _seeds(table: Columns, n: int) -> Sequence[int | None]:
    column = table.called(SEED_NAMES)
    if column is None:
        return [None] * n
    values = table.columns[column]
    if values.ndim != 1 or len(values) != n:
        raise DataError(f"'{column}' must hold one seed per sample", where=str(table.path))
    seeds: list[int] = []
    for row, value in enumerate(values):
        try:
            seeds.append(checked_seed(value))
        except (TypeError, ValueError, OverflowError):
            raise DataError(
                f"'{value}' is no seed", where=table.cell(column, row), fix="give whole numbers from 0 on"
            ) from None
    return seeds


def _splits(table: Columns, n: int) -> Sequence[str]:
    column = table.called(SPLIT_NAMES)
    if column is None:
        return [""] * n
    values = table.columns[column]
    if values.ndim != 1 or len(values) != n:
        raise DataError(f"'{column}' must hold one split per sample", where=str(table.path))
    for row, value in enumerate(values):
        if str(value).strip().lower() not in _SPLITS:
            raise DataError(
                f"'{value}' is no split", where=table.cell(column, row), fix="test, valid or train"
            )
    return [_SPLITS[str(value).strip().lower()] for value in values]


def _ids(table: Columns, column: str) -> Array:
    values = table.columns[column]
    if values.ndim != 1:
        raise DataError(f"'{column}' must hold one id per sample, not {values.shape}", where=str(table.path))
    text = [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values.tolist()]
    ids = np.array([each.strip() for each in text], dtype=str)
    if len(odd := np.flatnonzero(ids == "")):
        raise DataError(
            "an id is empty",
            where=f"{table.path}, row {odd[0] + 1}, column '{column}'",
            fix="give every row the id of its sample",
        )
    return ids
