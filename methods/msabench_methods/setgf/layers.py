"""Layers of SETGF. Notation, marks and decisions: see `model.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msabench.nn import dropout
from msabench_methods.setgf.attention import attend
from msabench_methods.setgf.lstm import RowLSTM
from msabench_methods.setgf.recipe import SETGFHyperparameters
from msabench_methods.setgf.rows import Layout


class Representation(nn.Module):
    """Unimodal representation learning for audio or vision: a sequence, and what sums it up.

    Parameters
    ----------
    out
        Width of the representation; 0 makes none.
    attributes
        Whether global attributes (additive attention over all steps) stand beside the last state.
    """

    def __init__(self, width: int, hidden: int, out: int, *, attributes: bool) -> None:
        super().__init__()
        self.lstm = RowLSTM(width, hidden)
        self.attributes = attributes and out > 0
        if self.attributes:
            self.attend = nn.Linear(hidden, hidden)
            self.score = nn.Linear(hidden, 1, bias=False)
        if out:
            self.linear = nn.Linear(2 * hidden if self.attributes else hidden, out)
        self.out = out

    def forward(self, rows: Tensor, layout: Layout) -> tuple[Tensor, Tensor | None]:
        """(M, D) -> features (M, h) and representation (B, out)"""
        states = self.lstm(rows, layout)  # (M, h)
        if not self.out:
            return states, None
        last = states[layout.last]  # (B, h)
        if not self.attributes:
            return states, self.linear(last)
        scores = layout.pad(self.score(self.attend(states).tanh()))[..., 0]  # (B, T)
        weights = scores.masked_fill(~layout.mask, -torch.inf).softmax(1)  # (B, T)
        pooled = (weights[:, None] @ layout.pad(states))[:, 0]  # (B, h)
        return states, self.linear(torch.cat([last, pooled], dim=1))


class CrossLayer(nn.Module):
    """Pre-norm attention to another sequence and a feed-forward part, each with a residual."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads)  # holds the weights; `CrossBlock` attends
        self.norm_1 = nn.LayerNorm(width)
        self.norm_2 = nn.LayerNorm(width)
        self.linear_1 = nn.Linear(width, 4 * width)
        self.linear_2 = nn.Linear(4 * width, width)

    def query(self, x: Tensor) -> Tensor:
        """(M, d) -> (M, d)"""
        d = x.shape[1]
        return F.linear(self.norm_1(x), self.attention.in_proj_weight[:d], self.attention.in_proj_bias[:d])

    def source_weights(self) -> tuple[Tensor, Tensor]:
        """(2d, d) and (2d,): keys and values as a linear map of the normalised source.

        With normalised step s, gain g and shift b of the norm, keys are W_k (g s + b) + b_k. The part without
        s adds the same to all scores of a query and cancels in softmax, so keys go without it.
        """
        d, norm = self.norm_1.weight.shape[0], self.norm_1
        weight, bias = self.attention.in_proj_weight[d:], self.attention.in_proj_bias[2 * d :]
        shift = F.linear(norm.bias, weight[d:], bias)  # (d,)
        return weight * norm.weight, torch.cat([torch.zeros_like(shift), shift])


class CrossBlock(nn.Module):
    """n cross layers with one source, and a LayerNorm after the last: X_n(query <- source)."""

    def __init__(self, hp: SETGFHyperparameters, depth: int) -> None:
        super().__init__()
        self.hp = hp
        self.layers = nn.ModuleList(CrossLayer(hp.width, hp.heads) for _ in range(depth))
        self.norm = nn.LayerNorm(hp.width)

    @property
    def stack(self) -> Sequence[CrossLayer]:
        """The layers."""
        return cast("Sequence[CrossLayer]", self.layers)

    def forward(
        self, x: Tensor, layout: Layout, source: Sequence[tuple[Tensor, Tensor]], to: Layout
    ) -> Tensor:
        """(M_q, d) and per layer keys and values (M_k, d) -> (M_q, d)"""
        hp, training = self.hp, self.training
        for layer, (keys, values) in zip(self.stack, source, strict=True):
            dropped = hp.attn_dropout if training else 0.0
            found = attend(layer.query(x), keys, values, of=layout, to=to, heads=hp.heads, dropout=dropped)
            x = x + dropout(layer.attention.out_proj(found), hp.res_dropout, training)
            hidden = dropout(layer.linear_1(layer.norm_2(x)).relu(), hp.relu_dropout, training)  # (M_q, 4d)
            x = x + dropout(layer.linear_2(hidden), hp.res_dropout, training)
        normed: Tensor = self.norm(x)
        return normed


def sources(blocks: Sequence[CrossBlock], rows: Tensor) -> list[list[tuple[Tensor, Tensor]]]:
    """Keys and values that every layer of several blocks takes from one source, in one product.

    Returns
    -------
    per block and layer (M, d) keys and (M, d) values
    """
    maps = [layer.source_weights() for block in blocks for layer in block.stack]
    weight, bias = (torch.cat(parts) for parts in zip(*maps, strict=True))
    d = rows.shape[1]
    parts = iter(torch.split(F.linear(F.layer_norm(rows, (d,)), weight, bias), d, dim=1))
    return [[(next(parts), next(parts)) for _ in block.stack] for block in blocks]


class Head(nn.Module):
    """A task's head, and the feature that label generation reads."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear_1 = nn.Linear(width, hidden)
        self.linear_2 = nn.Linear(hidden, hidden)
        self.linear_3 = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, width) -> score (B,) and feature (B, hidden)"""
        feature = self.linear_1(self.dropout(x)).relu()
        return self.linear_3(self.linear_2(feature).relu())[:, 0], feature


def positions(length: int, width: int) -> Tensor:
    """(L, d): sine at even, cosine at odd components, of step / 10000^(2i/d), steps from 0"""
    rate = 10000 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)  # (d/2,)
    angle = torch.arange(length, dtype=torch.float64)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)
