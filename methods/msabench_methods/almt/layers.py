"""Layers of ALMT. Notation and deviations: see `model.py`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, n, h c) -> (B, h, n, c)"""
    return x.view(len(x), x.shape[1], heads, -1).transpose(1, 2)


class WideAttention(nn.Module):
    """Attention with a LayerNorm each for queries, keys and values, and heads of a width of their own.

    Queries are few (n learned tokens, one class token) and keys are many (hundreds of frames), so the key
    and value projections are applied on the queries' side: with normalised source s, gains g and head
    matrices W,

        q . W_k (g_k s + b_k) = (g_k W_k^T q) . s + constant    and    sum_t a_t W_v (g_v s_t + b_v)
                                                                  = W_v (g_v sum_t a_t s_t + b_v).

    The constant shifts all scores of a query alike and softmax cancels it: D6.
    """

    def __init__(self, width: int, *, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, head_width**-0.5
        self.to_query = nn.Linear(width, heads * head_width, bias=False)
        self.to_key = nn.Linear(width, heads * head_width, bias=False)
        self.to_value = nn.Linear(width, heads * head_width, bias=False)
        self.out = nn.Linear(heads * head_width, width)
        self.norm_query = nn.LayerNorm(width)
        self.norm_key = nn.LayerNorm(width)
        self.norm_value = nn.LayerNorm(width)

    def forward(self, query: Tensor, source: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B or 1, n, d) and (B, T, d) -> (B, n, d); `mask` (B, T) is False where not to look."""
        h, (batch, _, width) = self.heads, source.shape
        q = split_heads(self.to_query(self.norm_query(query)), h)  # (B, h, n, c)
        q = q @ self.to_key.weight.view(h, -1, width) * self.norm_key.weight  # (B, h, n, d)
        q = q.flatten(1, 2).expand(batch, -1, -1)[:, None]  # (B, 1, h n, d)
        s = F.layer_norm(source, (width,), eps=self.norm_key.eps)[:, None]  # (B, 1, T, d)
        seen = None if mask is None else mask[:, None, None]  # (B, 1, 1, T)
        x = F.scaled_dot_product_attention(q, s, s, attn_mask=seen, scale=self.scale)[:, 0]  # (B, h n, d)
        x = x * self.norm_value.weight + self.norm_value.bias
        value = self.to_value.weight.view(h, -1, width).transpose(1, 2)  # (h, d, c)
        x = x.view(batch, h, -1, width) @ value  # (B, h, n, c)
        projected: Tensor = self.out(x.transpose(1, 2).flatten(2))  # (B, n, d)
        return projected


class WideBlock(nn.Module):
    """Pre-norm attention and feed-forward, each with a residual."""

    def __init__(self, width: int, *, heads: int, head_width: int, hidden: int) -> None:
        super().__init__()
        self.attention = WideAttention(width, heads=heads, head_width=head_width)
        self.linear_1 = nn.Linear(width, hidden)
        self.linear_2 = nn.Linear(hidden, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, query: Tensor, source: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B or 1, n, d) and (B, T, d) -> (B, n, d)"""
        x = query + self.attention(query, source, mask)  # (B, n, d)
        moved: Tensor = x + self.linear_2(F.gelu(self.linear_1(self.norm(x))))
        return moved


class Embedding(nn.Module):
    """A sequence of any width to n tokens: learned tokens in front attend to the frames."""

    def __init__(
        self, size: tuple[int, int], tokens: int, width: int, depth: int, block: Callable[[], WideBlock]
    ) -> None:
        super().__init__()
        length, features = size
        self.linear = nn.Linear(features, width)
        self.positions = nn.Parameter(torch.randn(1, tokens + length, width))
        self.tokens = nn.Parameter(torch.zeros(1, tokens, width))
        self.blocks = nn.ModuleList(block() for _ in range(depth))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, T, D) -> (B, n, d); `mask` (B, T) is False on padding."""
        n = self.tokens.shape[1]
        frames = self.linear(x) + self.positions[:, n : n + x.shape[1]]  # (B, T, d)
        query = self.tokens + self.positions[:, :n]  # (1, n, d)
        x = torch.cat([query.expand(len(x), -1, -1), frames], dim=1)  # (B, n + T, d)
        seen = None if mask is None else F.pad(mask, (n, 0), value=True)  # (B, n + T)
        *whole, last = self.blocks
        for block in whole:
            x = block(x, x, seen)
            query = x[:, :n]
        # only the first n positions leave this layer, so only they are worked out in the last block
        tokens: Tensor = last(query, x, seen)  # (B, n, d)
        return tokens


class HyperLayer(nn.Module):
    """Adaptive hyper-modality learning: language asks, audio and vision answer, the hyper state sums up."""

    def __init__(self, width: int, others: list[str], *, heads: int, head_width: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        inner = heads * head_width
        self.to_query = nn.Linear(width, inner, bias=False)
        self.to_key = nn.ModuleDict({name: nn.Linear(width, inner, bias=False) for name in others})
        self.to_value = nn.ModuleDict({name: nn.Linear(width, inner, bias=False) for name in others})
        self.out = nn.Linear(inner, width)
        self.dropout = nn.Dropout(dropout)
        self.norm_language = nn.LayerNorm(width)
        self.norm_other = nn.ModuleDict({name: nn.LayerNorm(width) for name in others})
        self.norm_hyper = nn.LayerNorm(width)

    def forward(self, language: Tensor, others: dict[str, Tensor], hyper: Tensor) -> Tensor:
        """(B, n, d) each -> the next hyper state, (B, n, d)"""
        query = split_heads(self.to_query(self.norm_language(language)), self.heads)
        found = []
        for name, tokens in others.items():
            x = self.norm_other[name](tokens)
            key = split_heads(self.to_key[name](x), self.heads)  # (B, h, n, c)
            value = split_heads(self.to_value[name](x), self.heads)
            found.append(F.scaled_dot_product_attention(query, key, value))  # (B, h, n, c)
        shift = self.out(sum(found[1:], found[0]).transpose(1, 2).flatten(2))  # (B, n, d)
        state: Tensor = self.norm_hyper(hyper) + self.dropout(shift)
        return state


class Fusion(nn.Module):
    """Cross attention from [class token; target] to [class token; source], and its read-out.

    The target is language and the source the hyper state, unless `fusion_query` exchanges them.

    Target positions do not see one another (unless `readout` is `cls_selfattn`), so only those that are
    read are worked out.
    """

    def __init__(
        self, tokens: int, width: int, depth: int, block: Callable[[], WideBlock], readout: str
    ) -> None:
        super().__init__()
        self.readout = readout
        self.positions_source = nn.Parameter(torch.randn(1, tokens + 1, width))
        self.positions_target = nn.Parameter(torch.randn(1, tokens + 1, width))
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.blocks = nn.ModuleList(block() for _ in range(depth))
        own = depth if readout == "cls_selfattn" else 0
        self.own = nn.ModuleList(block() for _ in range(own))  # self-attention among target positions

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """(B, n, d), (B, n, d) -> (B, d)"""
        token = self.token.expand(len(source), -1, -1)  # (B, 1, d)
        source = torch.cat([token, source], dim=1) + self.positions_source  # (B, 1 + n, d)
        if self.readout == "cls":
            target = self.token + self.positions_target[:, :1]  # (1, 1, d)
        elif self.readout == "mean_language":
            target = target + self.positions_target[:, 1:]  # (B, n, d)
        else:
            target = torch.cat([token, target], dim=1) + self.positions_target  # (B, 1 + n, d)
        for i, block in enumerate(self.blocks):
            if self.own:
                target = self.own[i](target, target)
            target = block(target, source)
        read: Tensor = target.mean(dim=1) if self.readout == "mean_language" else target[:, 0]  # (B, d)
        return read
