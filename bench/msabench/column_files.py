"""Reads the named columns of a CSV, TSV, NPZ, Parquet or JSON file, as strangers write them."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from msabench.arrays import LARGEST, read_npz
from msabench.errors import DataError
from msabench.run import Array

DELIMITERS = ",;\t"
"""Of a CSV file: that which splits its first line into most columns; a comma where several do"""
_FIX = "save it as a CSV file whose first line names the columns"
_FIXES = {
    **dict.fromkeys((".gz", ".zip", ".bz2", ".xz", ".zst"), "unpack it first"),
    **dict.fromkeys((".jsonl", ".ndjson"), "write it as one JSON list of objects"),
    **dict.fromkeys((".txt", ".dat", ".tab"), "call it .csv or .tsv if it holds text in columns"),
}
_FIXES_OF_READING = {
    "csv": "save it as a CSV file in UTF-8",
    "tsv": "save it as a TSV file in UTF-8",
    "json": "write a list of objects, as pandas does with to_json(orient='records')",
}


def read_arrays(path: Path, form: str | None = None) -> dict[str, Array]:
    """A file's columns by name.

    Parameters
    ----------
    form
        `csv`, `tsv`, `npz`, `parquet` or `json`; without it, what the file's name ends in.

    Raises
    ------
    DataError
        If the file is missing, empty, no file, too large, cannot be read, or its rows differ in length.
    """
    suffix = f".{form.strip().lower().removeprefix('.')}" if form else path.suffix.lower()
    reader = _READERS.get(suffix)
    if path.is_dir():
        raise DataError("a file of predictions is expected, but this is a folder", where=str(path))
    if reader is None:
        ends = f"--format says '{form}'" if form else f"this one ends in '{path.suffix}'"
        raise DataError(
            f"a file of predictions ends in {', '.join(_READERS)}, but {ends}",
            where=str(path),
            fix=_FIXES.get(suffix, _FIX),
        )
    if not path.is_file():
        raise DataError("the file of predictions does not exist", where=str(path.absolute()))
    size = path.stat().st_size
    if not size:
        raise DataError("the file of predictions is empty", where=str(path))
    if size > LARGEST:
        raise DataError(
            f"the file of predictions has {size >> 20} MiB, more than the {LARGEST >> 20} MiB that are read",
            where=str(path),
            fix="give the predictions of one seed, and no other columns",
        )
    try:
        return reader(path)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, csv.Error, RecursionError) as error:
        raise DataError(
            f"the file of predictions cannot be read: {error}",
            where=str(path),
            fix=_FIXES_OF_READING.get(suffix.removeprefix("."), ""),
        ) from error


def _read_csv(path: Path) -> dict[str, Array]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = next((line for line in file if line.strip()), "")
    cells = {mark: len(next(csv.reader([first], delimiter=mark), [])) for mark in DELIMITERS}
    return _read_text(path, max(cells, key=lambda mark: cells[mark]))


def _read_tsv(path: Path) -> dict[str, Array]:
    return _read_text(path, "\t")


def _read_text(path: Path, delimiter: str) -> dict[str, Array]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True)
        lines = _filled(reader)
        header = [name.strip() for name in next(lines, (0, []))[1]]
        rows = []
        for number, row in lines:
            if len(row) != len(header):
                raise DataError(
                    f"the row has {len(row)} cells, but the header {len(header)}",
                    where=f"{path}, line {number}",
                    fix="the first line names the columns, and each line after it has as many cells",
                )
            rows.append(row)
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise DataError(f"two columns are called '{twice}'", where=str(path), fix="rename or drop one")
    return {name: np.array([row[i] for row in rows], dtype=object) for i, name in enumerate(header)}


def _filled(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Rows with anything in them, and the number of the line on which each ends."""
    for row in reader:
        if any(cell.strip() for cell in row):
            yield reader.line_num, row  # type: ignore[attr-defined]  # of csv.reader, whose type has no name


def _read_parquet(path: Path) -> dict[str, Array]:
    import pandas as pd

    frame = pd.read_parquet(path)
    if any(name is not None for name in frame.index.names):  # as after set_index("id")
        frame = frame.reset_index()
    return {str(name): frame[name].to_numpy() for name in frame.columns}


def _read_json(path: Path) -> dict[str, Array]:
    raw = json.loads(path.read_text(encoding="utf-8-sig"))
    if isinstance(raw, list) and all(isinstance(row, dict) for row in raw):
        names = list(dict.fromkeys(name for row in raw for name in row))
        for number, row in enumerate(raw, start=1):
            if missing := [name for name in names if name not in row]:
                raise DataError(
                    f"the row has no '{missing[0]}'",
                    where=f"{path}, row {number}",
                    fix="give every row the same names",
                )
        return {name: _listed([row[name] for row in raw]) for name in names}
    if isinstance(raw, dict) and all(isinstance(values, list) for values in raw.values()):
        return {name: _listed(values) for name, values in raw.items()}
    raise ValueError("it must be a list of objects, or an object of lists")


def _listed(values: list[object]) -> Array:
    """Numbers as numbers; what is mixed or ragged stays as it is, for whoever needs numbers to name it."""
    if any(not isinstance(value, int | float | list) for value in values):
        made = np.empty(len(values), dtype=object)
        made[:] = values
        return made
    return np.array(values)


_READERS: dict[str, Callable[[Path], dict[str, Array]]] = {
    ".csv": _read_csv, ".tsv": _read_tsv, ".npz": read_npz, ".parquet": _read_parquet, ".json": _read_json,
}  # fmt: skip
