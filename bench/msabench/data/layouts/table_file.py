"""One CSV file from a stranger: encoding and delimiter found out, lines, fields and rows bounded."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from msabench.errors import DataError

_LINE = 1 << 20
"""Characters; the longest transcript of the field has some ten thousand"""
_ROWS = 2_000_000
_COLUMNS = 1_000
_DELIMITERS = ",;\t|"
_ENCODINGS = ("utf-8-sig", "cp1252", "latin-1")
"""Tried in this order; the last one fits everything"""
_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A CSV file: named columns and rows of as many cells."""

    path: Path
    encoding: str
    header: tuple[str, ...]
    """In lower case, without blanks around, with _ for blanks within"""
    rows: Iterator[tuple[int, tuple[str, ...]]]
    """Each with its line in the file, from 1; of cells over several lines the last one counts. They are read
    as they are asked for, once, and raise a DataError where the file is not sound."""


def header(path: Path, encoding: str = "") -> tuple[str, ...]:
    """The column names of a CSV file, as `Sheet.header`; beyond its first row only the encoding is looked at.

    Raises
    ------
    DataError
        If it is no text, or its first row is no header.
    """
    with _open(path, encoding or _encoding(path)) as file:
        _, cells = next(_rows(path, file), (0, ()))
    return _normal(cells)


def read_sheet(path: Path) -> Sheet:
    """A CSV file, opened as far as its header.

    Raises
    ------
    DataError
        If it cannot be read, is no text, has rows of unequal length or broken quotes, or is larger than a
        dataset's annotations ever are. The message says which line.
    """
    encoding = _encoding(path)
    columns = header(path, encoding)
    twice = next((name for name in columns if name and columns.count(name) > 1), None)
    if twice:
        raise _fault(path, f"two columns are named '{twice}'")
    return Sheet(path=path, encoding=encoding, header=columns, rows=_below_header(path, encoding))


def _below_header(path: Path, encoding: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    with _open(path, encoding) as file:
        rows = _rows(path, file)
        _, names = next(rows, (0, ()))
        for number, (line, cells) in enumerate(rows, 1):
            if len(cells) != len(names):
                raise _fault(
                    path, f"line {line} has {len(cells)} cells, but the header names {len(names)} columns"
                )
            if number > _ROWS:
                raise _fault(path, f"refused: more than {_ROWS:,} rows")
            yield line, cells


def _normal(cells: tuple[str, ...]) -> tuple[str, ...]:
    return tuple("_".join(cell.strip().lower().replace("-", "_").split()) for cell in cells)


def _open(path: Path, encoding: str) -> TextIO:
    # newlines are the csv module's business: they may stand within quotes
    return path.open(encoding=encoding, newline="")


def _rows(path: Path, file: TextIO) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Lines and cells of the rows that are not empty, the header first."""
    line = 1
    try:
        first = file.readline(_LINE)
        file.seek(0)
        if not first.strip():
            raise _fault(path, "the file is empty, or its first line is")
        reader = csv.reader(_lines(path, file), delimiter=_delimiter(first), strict=True)
        for cells in reader:
            line = reader.line_num + 1
            if len(cells) > _COLUMNS:
                raise _fault(path, f"refused: line {reader.line_num} has more than {_COLUMNS} columns")
            if any(cell.strip() for cell in cells):
                yield reader.line_num, tuple(cells)
    except (csv.Error, UnicodeError) as error:
        raise _fault(path, f"from line {line} on: {error}") from error


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    number = 0
    while line := file.readline(_LINE):
        number += 1
        if len(line) == _LINE:
            raise _fault(path, f"refused: line {number} is longer than {_LINE:,} characters")
        yield line


def _delimiter(first: str) -> str:
    """What divides the header into the most names."""
    bare = "".join(first.split('"')[::2])  # what is not within quotes
    return max(_DELIMITERS, key=bare.count)


def _encoding(path: Path) -> str:
    """The first encoding in which the whole file can be read."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
            if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                return "utf-16"
            file.seek(0)
            decoders = {name: codecs.getincrementaldecoder(name)() for name in _ENCODINGS}
            while decoders:
                block = file.read(_BLOCK)
                if b"\0" in block:
                    raise _fault(path, "refused: the file holds bytes of 0 and is no text")
                for name in list(decoders):
                    try:
                        decoders[name].decode(block, final=not block)
                    except UnicodeDecodeError:
                        del decoders[name]
                if not block:
                    break
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror or error}", where=str(path)) from error
    return next(iter(decoders))


def _fault(path: Path, what: str) -> DataError:
    return DataError(
        what,
        where=str(path),
        fix="save it as CSV in UTF-8 with a header, one row per sample, quotes doubled within",
    )
