"""The bytes of arrays, which stay outside Python's memory: in the pickle, or decoded in a file of our own."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from msabench.data.mapped import let_go
from msabench.data.pickles.limits import Budget
from msabench.errors import DataError
from msabench.run import Array

_BLOCK = 1 << 22
"""Bytes of text that are decoded together"""


class Stored:
    """Bytes in a mapped file."""

    __slots__ = ("memory", "size", "start")

    def __init__(self, memory: mmap.mmap, start: int, size: int) -> None:
        self.memory = memory
        self.start = start
        self.size = size

    def __str__(self) -> str:
        return f"{self.size} bytes that belong to no array"


def array_of(
    raw: Stored | bytes | bytearray, shape: tuple[int, ...], dtype: np.dtype[Any], order: Any = "C"
) -> Array:
    """A read-only array over bytes, which are not copied; stored ones are not read either."""
    if isinstance(raw, Stored):
        return np.ndarray(shape, dtype, raw.memory, raw.start, order=order)
    values: Array = np.frombuffer(raw, dtype).reshape(shape, order=order)
    values.setflags(write=False)
    return values


class Utf8:
    """A long text that is still in the file: array data, as Python 3 writes it in protocols below 3."""

    __slots__ = ("_data", "_size", "_start")

    def __init__(self, data: mmap.mmap, start: int, size: int) -> None:
        self._data = data
        self._start = start
        self._size = size

    def __str__(self) -> str:
        return f"a text of {self._size} bytes"

    def latin1(self, scratch: Scratch) -> Stored | bytes:
        """The bytes that the text's characters stand for."""
        return scratch.keep(self._blocks(), self._size)

    def _blocks(self) -> Iterator[bytes]:
        data, at, end = self._data, self._start, self._start + self._size
        while at < end:
            stop = min(at + _BLOCK, end)
            while end > stop > at + _BLOCK - 4 and data[stop] & 0xC0 == 0x80:
                stop -= 1  # not within a character, which has 4 bytes at most
            yield data[at:stop].decode("utf-8").encode("latin1")
            at = stop
            if at < end:
                let_go(data)


class Scratch:
    """Room for decoded bytes in a temporary file as large as the pickle; in memory once that is full.

    Parameters
    ----------
    budget
        Charged with what is kept, wherever that is.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._file: IO[bytes] | None = None
        self._memory: mmap.mmap | None = None
        self._used = 0
        self._room = budget.size

    def keep(self, blocks: Iterator[bytes], most: int) -> Stored | bytes:
        """Keep some blocks, `most` bytes at most, as one."""
        if most > self._room - self._used or not self._opened():
            return b"".join(self._charged(blocks))
        assert self._file is not None and self._memory is not None
        start = self._used
        for block in self._charged(blocks):
            self._used += len(block)
            self._write(memoryview(block))
        return Stored(self._memory, start, self._used - start)

    def _write(self, rest: memoryview) -> None:
        assert self._file is not None
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise DataError(
                f"the decoded arrays cannot be written: {error.strerror or error}",
                where=tempfile.gettempdir(),
                fix="free some space (as much as the feature file takes), or set TMPDIR to another folder",
            ) from error

    def _charged(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self._budget.charge(64 + len(block))
            yield block

    def _opened(self) -> bool:
        """Whether there is a file; not where none can be made or mapped."""
        if self._file is None and self._room:
            try:
                # gone with the last array over it; what is not written to takes no room on the disk
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
                self._file.truncate(self._room)
                self._memory = mmap.mmap(self._file.fileno(), self._room, access=mmap.ACCESS_READ)
            except (OSError, ValueError):
                self._room = 0
        return self._memory is not None
