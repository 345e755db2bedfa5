"""Sequences of unequal lengths, gathered sample by sample into one padded array."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Sequence

import numpy as np

from msabench.data.coerce import holds_long_text
from msabench.data.findings import Place
from msabench.data.mapped import release
from msabench.run import Array

_IN_MEMORY = 1 << 24
"""Bytes; a larger array is kept in a temporary file, so that memory does not limit the dataset's size"""
_RELEASE = 1 << 24
"""Bytes moved from the feature file to a temporary one after which the memory of both is handed back"""
_WIDEST = 1 << 16
"""Features of a frame; nothing in the field comes near, and memory is not for a file to decide on"""
_SHAPES = "give every sample an array of (frames, features) of one width"


class Frames:
    """(N, L, d) float32 under construction; zeros where nothing is put, padding at the back."""

    def __init__(self, samples: int, length: int, width: int) -> None:
        self.values = _zeros((samples, max(1, length), width))
        self.lengths = np.ones(samples, np.int32)
        self._put = 0

    def put(self, row: int, frames: Array, length: int | None = None, *, start: int = 0) -> None:
        """Make (n, d) numbers the sequence of a sample.

        Parameters
        ----------
        row
            Which sample.
        frames
            What is beyond L is left out.
        length
            Its extent where that is not start + n, as for words that have no frame of their own.
        start
            Place of the first frame; what was put before it stays.
        """
        kept = frames[: max(0, self.values.shape[1] - start)]
        # a float64 beyond float32 becomes inf, which the checks then report
        with np.errstate(over="ignore", invalid="ignore"):
            self.values[row, start : start + len(kept)] = kept
        self._put += self.values[row].nbytes + kept.nbytes
        if self._put > _RELEASE:
            self._put = 0
            self._release()
            release(frames, whole=True)
        extent = start + len(frames) if length is None else length
        self.lengths[row] = min(max(1, extent), self.values.shape[1])

    def finish(self) -> None:
        """Nothing more is put: the values are read-only, so that their memory can be handed back."""
        self._release()
        self.values.flags.writeable = False

    def _release(self) -> None:
        # what was written to the file stays written; only its pages leave our memory
        if isinstance(self.values, np.memmap) and hasattr(mmap, "MADV_DONTNEED"):
            memory: mmap.mmap = self.values.base  # type: ignore[assignment]
            memory.madvise(mmap.MADV_DONTNEED)


def absent(samples: int) -> tuple[Array, Array]:
    """Values (N, 1, 0) and lengths (N,) of a modality that a dataset does not have."""
    return np.zeros((samples, 1, 0), np.float32), np.ones(samples, np.int32)


def matrix(value: object, at: Place, row: int, width: int | None = None, what: str = "") -> Array | None:
    """The (n, d) frames of one sample, or None once an error is reported.

    An array of floats is left as it is in the file, and in it: it is not read here. All else becomes float32.

    Parameters
    ----------
    value
        An array or nested lists of numbers; nothing at all (`[]`) is a sequence of no frames.
    at, row
        Where it is.
    width
        What d must be.
    what
        Put before the error, as in `context: `.
    """
    if not isinstance(value, np.ndarray | Sequence) or isinstance(value, str | bytes):
        at.error(f"{what}is a {type(value).__name__}, expected an array of numbers", row=row, fix=_SHAPES)
        return None
    if holds_long_text(value):
        at.error(f"{what}holds values of type str, expected numbers", row=row, fix=_SHAPES)
        return None
    try:
        array: Array = np.asarray(value)
    except ValueError:
        at.error(f"{what}the frames differ in width", row=row, fix=_SHAPES)
        return None
    if array.size == 0 and width is not None:
        return np.zeros((0, width), np.float32)
    if array.dtype.kind not in "biuf":
        at.error(f"{what}holds values of type {array.dtype}, expected numbers", row=row, fix=_SHAPES)
        return None
    if array.ndim != 2 or (width is not None and array.shape[1] != width):
        expected = f"(frames, {width})" if width is not None else "(frames, features)"
        at.error(f"{what}has shape {array.shape}, expected {expected}", row=row, fix=_SHAPES)
        return None
    if array.shape[1] > _WIDEST:
        at.error(f"{what}refused: {array.shape[1]} features a frame", row=row, fix=_SHAPES)
        return None
    if array is value and array.dtype.kind == "f":
        return array
    if isinstance(value, list | tuple) and isinstance(value[0], np.ndarray):
        release(value[0], whole=True)  # rows are too small to be let go one by one
    # a float64 beyond float32 becomes inf, which the checks then report
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(np.float32)


def _zeros(shape: tuple[int, ...]) -> Array:
    size = 4 * int(np.prod(shape))
    if size > _IN_MEMORY and hasattr(os, "posix_fallocate"):
        try:
            with tempfile.TemporaryFile() as file:
                # a full disk must show here, not as a crash when a page is written
                os.posix_fallocate(file.fileno(), 0, size)
                return np.memmap(file, dtype=np.float32, mode="r+", shape=shape)
        except OSError:
            pass  # memory may still have the room that the disk has not
    return np.zeros(shape, np.float32)
