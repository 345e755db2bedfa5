"""Parts of CMCBEP-CL, each a step of the model. Notation and deviations: see `model.py`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from msabench_methods.cmcbep_cl.layers import FeedForward, Linear, Norm, Refinement, SlotAttention


class Dependence(nn.Module):
    """How strongly the second vector of a pair depends on the first: one unbounded score, for three pairs."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.shared = Linear(3, width, width)
        self.norm_0, self.norm_1, self.norm_2, self.norm_3 = (Norm(3, width) for _ in range(4))
        self.attention = SlotAttention(3, width, heads, dropout)
        self.feed_forward = FeedForward(3, width, hidden, dropout)
        self.score = Linear(3, width, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """(3, B, d), (3, B, d) -> (3, B)"""
        p, q = self.shared(torch.cat([first, second], dim=1)).chunk(2, dim=1)  # (3, B, d)
        h = self.norm_0(p)
        h = self.norm_1(h + self.dropout(self.attention(q, h)))
        h = self.norm_2(h + self.dropout(self.feed_forward(h)))
        score: Tensor = self.score(self.norm_3(h))[..., 0]
        return score


class GatedFusion(nn.Module):
    """Three vectors to one. The second residual starts again from c (D8): a and b act through the query and
    the gates alone. One norm serves all three places."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.shared = Linear(1, width, width)
        self.gate = Linear(1, width, width)
        self.attention_1 = SlotAttention(1, width, heads, dropout)
        self.attention_2 = SlotAttention(1, width, heads, dropout)
        self.feed_forward = FeedForward(1, width, hidden, dropout)
        self.norm = Norm(1, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        """(1, B, d) each -> (1, B, d)"""
        moved = self.shared(torch.cat([a, b, c], dim=1))  # (1, 3 B, d)
        a, b, c = moved.chunk(3, dim=1)
        gate_a, gate_b, gate_c = self.gate(moved).sigmoid().chunk(3, dim=1)
        h = self.norm(a + gate_b * self.dropout(self.attention_1(b, a)))
        h = self.norm(c + gate_c * self.dropout(self.attention_2(c, h)))
        fused: Tensor = self.norm(h + gate_a * self.dropout(self.feed_forward(h)))
        return fused


class Filter(nn.Module):
    """What is particular to each of three vectors in the light of the fused one, and how it differs."""

    def __init__(self, width: int, heads: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.linear = Linear(3, width, width)
        self.norm = Norm(3, width)
        self.blocks = nn.ModuleList(Refinement(3, width, heads, dropout) for _ in range(depth))

    def forward(self, u: Tensor, fused: Tensor) -> tuple[Tensor, Tensor]:
        """(3, B, d), (1, B, d) -> the particular and the different, (3, B, d) each"""
        weight = self.norm(u.sigmoid() * fused).sigmoid()  # (3, B, d)
        different = self.norm(self.linear(u))
        x = self.norm(different + weight * u)
        for block in self.blocks:
            x = block(x)
        return self.norm(x), different


class Head(nn.Module):
    """A vector to a hidden one and a score."""

    def __init__(self, inputs: int, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear_1 = Linear(1, inputs, width)
        self.linear_2 = Linear(1, width, width)
        self.linear_3 = Linear(1, width, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(1, B, inputs) -> (1, B, d), (1, B)"""
        hidden = self.linear_2(self.linear_1(self.dropout(x)).tanh()).tanh()
        return hidden, self.linear_3(hidden)[..., 0]
