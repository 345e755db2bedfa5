"""Memory of arrays that are views of a file: the system lends it, and takes it back when told."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from msabench.run import Array

_PART = 1 << 22
"""Bytes looked at together, so that gigabytes need little memory"""


def parts(values: Array, size: int = _PART) -> Iterator[tuple[int, Array]]:
    """Rows of an array, some at a time, each with the number of its first row.

    Of a view of a file, the memory of each part is handed back once the next one is asked for.
    """
    step = max(1, size // max(1, values.itemsize * int(np.prod(values.shape[1:]))))
    for start in range(0, len(values), step):
        part = values[start : start + step]
        yield start, part
        release(part)


def as_float32(values: Array) -> Array:
    """A contiguous float32 array, copied in parts where it is not one already.

    A float64 beyond float32 becomes inf.
    """
    if values.dtype == np.float32 and values.flags.c_contiguous:
        return values
    made: Array = np.empty(values.shape, np.float32)
    if values.ndim == 0:
        made[()] = values
        return made
    with np.errstate(over="ignore", invalid="ignore"):
        for start, part in parts(values):
            made[start : start + len(part)] = part
    return made


def save(path: Path, array: Array) -> None:
    """Write a `.npy` file in parts, and wait until it is on the disk."""
    with path.open("wb") as file:
        header = {
            "descr": np.lib.format.dtype_to_descr(array.dtype),
            "fortran_order": False,
            "shape": array.shape,
        }
        np.lib.format.write_array_header_1_0(file, header)
        for _, part in parts(array):
            file.write(np.ascontiguousarray(part).data)
        file.flush()
        os.fsync(file.fileno())


def release(array: Array, *, whole: bool = False) -> None:
    """Let go of the memory that a read-only view of a mapped file fills; its next use reads the file again.

    Does nothing to any other array, and nothing where the system knows no such call. With `whole`, all memory
    that the file fills is handed back: arrays smaller than a page cannot be let go one by one.
    """
    # a writeable view may have changes that are nowhere else
    if array.flags.writeable or not (whole or array.flags.forc) or not hasattr(mmap, "MADV_DONTNEED"):
        return
    base: Any = array
    while base is not None and not isinstance(base, memoryview | mmap.mmap):
        base = getattr(base, "base", None)
    if isinstance(base, memoryview):
        base = base.obj
    if not isinstance(base, mmap.mmap):
        return
    if whole:
        let_go(base)
        return
    start = array.ctypes.data - _address(base)
    first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
    last = (start + array.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE
    if last > first:
        base.madvise(mmap.MADV_DONTNEED, first, last - first)


def let_go(memory: mmap.mmap) -> None:
    """Hand back all memory that a mapped file fills; its next use reads the file again."""
    if hasattr(mmap, "MADV_DONTNEED"):
        memory.madvise(mmap.MADV_DONTNEED)


def _address(mapping: mmap.mmap) -> int:
    return int(np.frombuffer(mapping, np.uint8).ctypes.data)
