"""Rows of large arrays, gathered into batches: padding is hardly read, and memory is used again.

A batch costs memory traffic. Most of a feature file is padding, so an array is looked at in blocks of frames,
and every block of zeros is read from one place, which stays in the processor's cache. And the system hands
out new pages for a large result, zeroed one by one, which takes several times as long as the copy; so a batch
is written where an earlier one was that nothing refers to any more.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from msabench.data.mapped import parts
from msabench.run import Array

BLOCK = 4096
"""Bytes of a block at most, unless one frame has more: large enough to be copied at full speed"""
ALIGNMENT = 64
"""Of the memory of a batch, as torch's own: the last bits of a product may depend on it"""
KEPT = 8
"""Free memories of one size that are kept: a batch has three tensors, and the next is made before it goes"""


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """Where the blocks of each row of an array are read from."""

    of: Tensor
    """(N, L, d), contiguous"""
    table: Tensor
    """(N, C) int32: for block c of row n, the block of (N * C, L / C * d) that has its values"""


def blocks(values: Array) -> Array:
    """The table of `Blocks`: every block is read from its own place, blocks of zeros from the first of them.

    Parameters
    ----------
    values
        (N, L, d), L and d at least 1; read in parts, so that a large memory map is never held whole.

    Returns
    -------
    (N, C) int32. C divides L, so that a block has whole frames. A zero is one whose bits are all 0: -0.0 is
    copied as it is.
    """
    length = values.shape[1]
    frame = values.shape[2] * values.itemsize
    frames = max(n for n in range(1, length + 1) if length % n == 0 and (n == 1 or n * frame <= BLOCK))
    table = np.arange(len(values) * (length // frames), dtype=np.int32).reshape(len(values), -1)
    zero = np.empty(table.shape, bool)
    for start, part in parts(values):
        bits = np.ascontiguousarray(part).view(f"i{values.itemsize}")
        zero[start : start + len(part)] = ~bits.reshape(len(part), table.shape[1], -1).any(2)
    if zero.any():
        table[zero] = zero.argmax()
    return table


class Buffers:
    """Memory for tensors on the CPU, used again once no tensor refers to it.

    A tensor made here may be kept for as long as one likes, by a view, a graph or another thread: its memory
    comes back when the last of them is gone.
    """

    def __init__(self) -> None:
        self._free: dict[int, list[Array]] = {}

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """A tensor with whatever values its memory had, as `torch.empty`."""
        size = int(np.prod(shape)) * dtype.itemsize
        # powers of two, so that last batches of many sizes share few; what is never touched has no pages
        room = 1 << (size + ALIGNMENT - 1).bit_length()
        free = self._free.setdefault(room, [])
        try:
            # one step, and so safe where several threads cut batches
            memory = free.pop()
        except IndexError:
            memory = np.empty(room, np.uint8)
        start = -memory.ctypes.data % ALIGNMENT
        lent = memory[start : start + size]
        # torch holds this view for as long as any tensor shares the storage that is made of it
        weakref.finalize(lent, _back, free, memory).atexit = False
        return torch.from_numpy(lent).view(dtype).view(shape)


def _back(free: list[Array], memory: Array) -> None:
    if len(free) < KEPT:
        free.append(memory)


def gather(x: Tensor, rows: Tensor, buffers: Buffers, blocks: Blocks | None = None) -> Tensor:
    """`x.index_select(0, rows)` to the last bit, in memory of `buffers` where x is on the CPU.

    Parameters
    ----------
    x
        (N, ...), on any device.
    rows
        (B,) int64 in [0, N).
    blocks
        Of x.
    """
    if x.device.type != "cpu":
        return x.index_select(0, rows)
    made = buffers.empty((len(rows), *x.shape[1:]), x.dtype)
    if blocks is None:
        return torch.index_select(x, 0, rows, out=made)
    places = blocks.table.index_select(0, rows).view(-1)  # (B * C)
    flat = x.view(blocks.table.numel(), -1)
    torch.index_select(flat, 0, places, out=made.view(len(places), flat.shape[1]))
    return made
