"""Layers of CMCBEP-CL. Notation and deviations: see `model.py`.

Most parts of the model exist three times with weights of their own (three pairs, three roles). Here such
copies lie side by side: every layer holds n of them and maps (n, B, ·) to (n, B, ·) in one batched product.
Parts that exist once have n = 1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Linear(nn.Module):
    """n linear layers, side by side; weights start normal with variance 2/inputs, biases as PyTorch's."""

    def __init__(self, n: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n, outputs, inputs) * math.sqrt(2 / inputs))
        self.bias = nn.Parameter(torch.empty(n, outputs).uniform_(-1, 1) / math.sqrt(inputs))

    def forward(self, x: Tensor) -> Tensor:
        """(n, B, inputs) -> (n, B, outputs)"""
        return torch.baddbmm(self.bias[:, None], x, self.weight.mT)


class Norm(nn.Module):
    """n layer normalisations with the unbiased deviation, to which (not to the variance) 1e-6 is added."""

    def __init__(self, n: int, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(n, width))
        self.bias = nn.Parameter(torch.zeros(n, width))

    def forward(self, x: Tensor) -> Tensor:
        """(n, B, d) -> (n, B, d)"""
        x = x - x.mean(-1, keepdim=True)
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)  # (n, B, 1); faster than `std`
        deviation = length / math.sqrt(x.shape[-1] - 1)
        return torch.addcmul(self.bias[:, None], self.gain[:, None], x / (deviation + 1e-6))


class SlotAttention(nn.Module):
    """Attention of a vector's slices to another vector's slices, within each sample (D9).

    Query, key and value are vectors cut into H slices of c = d/H. What the slices found, an (H, c) matrix, is
    transposed before it is laid flat again: component H j + s is coordinate j of slice s.
    """

    def __init__(self, n: int, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.value = Linear(n, width, width)
        self.key = Linear(n, width, width)
        self.query = Linear(n, width, width)
        self.out = Linear(n, width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, source: Tensor, query: Tensor) -> Tensor:
        """(n, B, d), (n, B, d) -> (n, B, d); keys and values come from `source`."""
        slices = (*source.shape[:2], self.heads, -1)
        q, k, v = (
            layer(x).view(slices)  # (n, B, H, c)
            for layer, x in ((self.query, query), (self.key, source), (self.value, source))
        )
        weights = torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), dim=-1)  # (n, B, H, H)
        found = self.dropout(weights) @ v  # (n, B, H, c)
        moved: Tensor = self.out(found.mT.flatten(2))  # (n, B, d)
        return moved


class FeedForward(nn.Module):
    """Linear, ReLU, dropout, linear."""

    def __init__(self, n: int, width: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.linear_1 = Linear(n, width, hidden)
        self.linear_2 = Linear(n, hidden, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(n, B, d) -> (n, B, d)"""
        moved: Tensor = self.linear_2(self.dropout(self.linear_1(x).relu()))
        return moved


class Refinement(nn.Module):
    """Slot attention of a vector to itself and a narrow feed-forward, each with a residual; one shared
    norm."""

    def __init__(self, n: int, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = SlotAttention(n, width, heads, dropout)
        self.feed_forward = FeedForward(n, width, width)
        self.norm = Norm(n, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(n, B, d) -> (n, B, d)"""
        x = self.norm(x + self.dropout(self.attention(x, x)))
        refined: Tensor = self.norm(x + self.dropout(self.feed_forward(x)))
        return refined


class TokenTransformer(nn.Module):
    """A post-norm Transformer layer over a sequence of one token.

    Softmax over one key is 1 whatever query and key are: `query_key` is registered as in the reference and
    never used (D15). Dropout of attention weights still silences whole heads.
    """

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query_key = Linear(1, width, 2 * width)
        self.value = Linear(1, width, width)
        self.out = Linear(1, width, width)
        self.linear_1 = Linear(1, width, hidden)
        self.linear_2 = Linear(1, hidden, width)
        self.norm_1 = nn.LayerNorm(width)
        self.norm_2 = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(1, B, d) -> (1, B, d)"""
        value = self.value(x).view(*x.shape[:2], self.heads, -1)  # (1, B, H, c)
        heard = self.dropout(torch.ones_like(value[..., :1])) * value
        x = self.norm_1(x + self.dropout(self.out(heard.flatten(2))))
        moved: Tensor = self.norm_2(x + self.dropout(self.linear_2(self.linear_1(x).relu())))
        return moved
