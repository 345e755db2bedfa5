"""The Transformer encoder of MulT, which it has from fairseq.

Tsai et al., "Multimodal Transformer for Unaligned Multimodal Language Sequences", ACL 2019,
https://aclanthology.org/P19-1656; code yaohungt/Multimodal-Transformer, `modules/`. This is its
self-attention half. Parameters have the names, shapes and order of that code, so its weights load.

Notation: B batch, T frames, d width, h heads.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msabench.nn.attention import attend
from msabench.nn.dropout import dropout


def sinusoids(length: int, width: int, *, device: torch.device | None = None) -> Tensor:
    """Fixed position vectors of positions 1 to `length`, all sines before all cosines.

    Entry (p, j) is sin(p f_j) and entry (p, d/2 + j) cos(p f_j), with f_j = 10000^(-j/(d/2 - 1)) for
    j = 0 ... d/2 - 1; an odd last channel is 0. Single precision, as in the original.

    Returns
    -------
    Tensor
        (length, width) float32; row 0 is position 1.
    """
    half = width // 2
    rates = torch.exp(
        torch.arange(half, dtype=torch.float32, device=device) * -(math.log(10000) / max(half - 1, 1))
    )  # (d/2,)
    angles = torch.arange(1, length + 1, dtype=torch.float32, device=device)[:, None] * rates  # (T, d/2)
    return F.pad(torch.cat([angles.sin(), angles.cos()], dim=1), (0, width % 2))  # (T, d)


class PackedSelfAttention(nn.Module):
    """Multi-head self-attention with queries, keys and values from one packed projection."""

    def __init__(self, width: int, heads: int, *, dropout: float) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"heads must divide the width, but got width={width}, heads={heads}")
        self.heads, self.dropout = heads, dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        _xavier(self.in_proj_weight)
        _xavier(self.out_proj.weight, self.out_proj.bias)

    def forward(self, x: Tensor, mask: Tensor | None = None, *, last: bool = False) -> Tensor:
        """(B, T, d) -> (B, T, d), or with `last` that of the last frame alone, (B, 1, d).

        `mask` (B, T) is False where not to look.
        """
        batch, _, width = x.shape
        if last:
            q = F.linear(x[:, -1:], self.in_proj_weight[:width], self.in_proj_bias[:width])  # (B, 1, d)
            k, v = F.linear(x, self.in_proj_weight[width:], self.in_proj_bias[width:]).chunk(2, dim=2)
        else:
            q, k, v = F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=2)  # (B, T, d) each
        q, k, v = (y.view(batch, y.shape[1], self.heads, -1).transpose(1, 2) for y in (q, k, v))
        if mask is not None:
            mask = mask | ~mask.any(dim=1, keepdim=True)  # a sample without any frame looks at all
        x = attend(q, k, v, mask=mask, dropout=self.dropout if self.training else 0.0)  # (B, h, n, d/h)
        projected: Tensor = self.out_proj(x.transpose(1, 2).flatten(2))
        return projected


class MulTEncoderLayer(nn.Module):
    """Pre-norm self-attention and feed-forward part, each with a residual."""

    def __init__(
        self, width: int, heads: int, *, attn_dropout: float, relu_dropout: float, res_dropout: float
    ) -> None:
        super().__init__()
        self.relu_dropout, self.res_dropout = relu_dropout, res_dropout
        self.self_attn = PackedSelfAttention(width, heads, dropout=attn_dropout)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)
        self.layer_norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        _xavier(self.fc1.weight, self.fc1.bias)
        _xavier(self.fc2.weight, self.fc2.bias)

    def forward(self, x: Tensor, mask: Tensor | None = None, *, last: bool = False) -> Tensor:
        """(B, T, d) -> (B, T, d), or with `last` that of the last frame alone, (B, 1, d)"""
        before_attention, before_feed_forward = self.layer_norms
        y = self.self_attn(before_attention(x), mask, last=last)  # (B, n, d)
        x = (x[:, -1:] if last else x) + dropout(y, self.res_dropout, self.training)
        y = self.fc1(before_feed_forward(x)).relu()  # (B, n, 4 d)
        y = self.fc2(dropout(y, self.relu_dropout, self.training))  # (B, n, d)
        return x + dropout(y, self.res_dropout, self.training)


class MulTEncoder(nn.Module):
    """Positions, `layers` pre-norm layers, a last LayerNorm.

    The original reads a frame's first channel as if it were a token id with padding id 0: a frame whose
    first channel is exactly 0 gets no position, any other the one of its index. A zero frame, such as padding
    after a projection without bias, therefore enters as zeros; unless a mask is given it is attended to.

    Parameters
    ----------
    width, heads, layers
        d, h and the number of layers; h divides d.
    attn_dropout, relu_dropout, res_dropout, embed_dropout
        Probabilities on attention weights, on the hidden feed-forward values, on what each half of a layer
        adds, and on the input with its positions.

    Raises
    ------
    ValueError
        If `heads` does not divide `width`.
    """

    def __init__(
        self,
        width: int,
        *,
        heads: int,
        layers: int,
        attn_dropout: float = 0.0,
        relu_dropout: float = 0.0,
        res_dropout: float = 0.0,
        embed_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embed_dropout = embed_dropout
        self.layers = nn.ModuleList(
            MulTEncoderLayer(
                width,
                heads,
                attn_dropout=attn_dropout,
                relu_dropout=relu_dropout,
                res_dropout=res_dropout,
            )
            for _ in range(layers)
        )
        self.layer_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, T, d) -> (B, T, d); `mask` (B, T) bool is False at frames that nothing attends to."""
        x = self._embed(x)
        for layer in self.layers:
            x = layer(x, mask)
        normalised: Tensor = self.layer_norm(x)
        return normalised

    def last(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """`forward(x, mask)[:, -1]`, (B, d): the last layer attends from that frame alone."""
        x = self._embed(x)
        for i, layer in enumerate(self.layers, start=1):
            x = layer(x, mask, last=i == len(self.layers))
        normalised: Tensor = self.layer_norm(x[:, -1])
        return normalised

    def _embed(self, x: Tensor) -> Tensor:
        positions = sinusoids(x.shape[1], x.shape[2], device=x.device).to(x.dtype)  # (T, d)
        x = math.sqrt(x.shape[2]) * x + positions * (x[..., :1] != 0)
        return dropout(x, self.embed_dropout, self.training)


def _xavier(weight: Tensor, bias: Tensor | None = None) -> None:
    nn.init.xavier_uniform_(weight)
    if bias is not None:
        nn.init.zeros_(bias)
