"""Batches of sequences without their padding.

Notation: B batch, L length with padding, T longest valid length, M valid steps in the batch, D and d widths.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where the M valid steps of B padded sequences lie. Rows are in the order of samples, then steps.

    All that works on each step alone (projections, norms, feed-forward parts) runs over (M, d) rows, on MOSI
    a quarter of (B, L, d).
    """

    sizes: list[int]
    """Valid steps of each sequence"""
    lengths: Tensor
    """(B,) the same"""
    sample: Tensor
    """(M,) which sequence a row belongs to"""
    time: Tensor
    """(M,) which step of it"""

    @classmethod
    def of(cls, lengths: Tensor, longest: int) -> Layout:
        """From (B,) lengths of sequences that have their padding behind; a length below 1 counts as 1."""
        lengths = lengths.clamp(1, longest)
        sample = torch.arange(len(lengths), device=lengths.device).repeat_interleave(lengths)
        starts = lengths.cumsum(0) - lengths
        time = torch.arange(len(sample), device=lengths.device) - starts[sample]
        return cls(sizes=lengths.tolist(), lengths=lengths, sample=sample, time=time)

    @property
    def longest(self) -> int:
        """T"""
        return max(self.sizes)

    @property
    def last(self) -> Tensor:
        """(B,) the row of each sequence's last step"""
        return self.lengths.cumsum(0) - 1

    @cached_property
    def mask(self) -> Tensor:
        """(B, T) bool: False on padding"""
        return torch.arange(self.longest, device=self.lengths.device) < self.lengths[:, None]

    def take(self, padded: Tensor) -> Tensor:
        """(B, L, D) with L >= T -> (M, D), the valid steps"""
        return padded.flatten(0, 1).index_select(0, self.sample * padded.shape[1] + self.time)

    def pad(self, rows: Tensor) -> Tensor:
        """(M, d) -> (B, T, d), zero on padding"""
        empty = rows.new_zeros(len(self.sizes) * self.longest, rows.shape[1])
        filled = empty.index_copy(0, self.sample * self.longest + self.time, rows)
        return filled.view(len(self.sizes), self.longest, -1)

    def mean(self, rows: Tensor) -> Tensor:
        """(M, d) -> (B, d), over the valid steps of each sequence"""
        return self.pad(rows).sum(1) / self.lengths[:, None]

    @cached_property
    def by_step(self) -> tuple[Tensor, list[int]]:
        """Rows in the order of a packed sequence (steps, then longest first), and how many have each step."""
        order = self.lengths.argsort(descending=True, stable=True)
        steps = torch.arange(self.longest, device=self.lengths.device)[:, None]
        present = steps < self.lengths[order]  # (T, B)
        starts = self.lengths.cumsum(0) - self.lengths
        rows = (starts[order] + steps)[present]  # (M,)
        return rows, present.sum(1).tolist()
