"""Scaled dot-product attention, in blocks that stay in a CPU's cache where weights are dropped.

PyTorch's fused attention for CPUs knows no dropout: it falls back to whole (B, h, n, T) tensors, four of
which are kept for the gradient. Here one block of heads is worked out at a time, and again for the gradient.

Notation: B batch, h heads, N = B h, n queries, T keys, c width of a head.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from msabench.nn.dropout import Keep

BLOCK = 2**18
"""Attention weights worked out at a time: 1 MiB in single precision"""


def attend(q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None = None, dropout: float = 0.0) -> Tensor:
    """Attention with dropout on its weights.

    Parameters
    ----------
    q, k, v
        (B, h, n, c), (B, h, T, c), (B, h, T, c)
    mask
        (B, T) bool, False where not to look; at least one True per sample.
    dropout
        Probability; 0 in evaluation.

    Returns
    -------
    Tensor
        (B, h, n, c)
    """
    if dropout and q.device.type == "cpu":
        bias = None
        if mask is not None:
            bias = q.new_zeros(mask.shape).masked_fill_(~mask, -torch.inf)  # (B, T)
            bias = bias.repeat_interleave(q.shape[1], dim=0)[:, None]  # (N, 1, T)
        found: Tensor = _DroppedAttention.apply(  # type: ignore[no-untyped-call]
            q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1), bias, dropout
        )
        return found.view(q.shape)
    seen = None if mask is None else mask[:, None, None]  # (B, 1, 1, T)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=seen, dropout_p=dropout)


class _DroppedAttention(torch.autograd.Function):
    """(N, n, c), (N, T, c), (N, T, c), bias (N, 1, T) or None -> (N, n, c).

    With weights w = softmax(s), their kept part w' and share a of entries kept, o = w' v/a. The gradient
    draws the same entries again: dv = w'^T do/a and, since the rows of do o sum what softmax subtracts,
    ds = w' (do v^T)/a - w rowsum(do o).
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, dropout: float) -> Tensor:
        seed = int(torch.randint(2**62, ()))
        q = q * q.shape[2] ** -0.5
        out = torch.empty_like(q)
        keep = Keep(dropout, torch.Generator().manual_seed(seed))
        for rows in _blocks(q, k):
            weights = _weights(q[rows], k[rows], None if bias is None else bias[rows])  # (G, n, T)
            torch.bmm(weights.mul_(keep.draw(weights.shape)), v[rows], out=out[rows])
        out /= keep.share
        ctx.save_for_backward(q, k, v, bias, out)
        ctx.dropout, ctx.seed = dropout, seed
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        q, k, v, bias, out = ctx.saved_tensors
        subtracted = (d_out * out).sum(2, keepdim=True)  # (N, n, 1)
        keep = Keep(ctx.dropout, torch.Generator().manual_seed(ctx.seed))
        d_out = d_out / keep.share
        d_q, d_k, d_v = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        for rows in _blocks(q, k):
            weights = _weights(q[rows], k[rows], None if bias is None else bias[rows])  # (G, n, T)
            kept = weights * keep.draw(weights.shape)
            torch.bmm(kept.transpose(1, 2), d_out[rows], out=d_v[rows])
            d_scores = torch.bmm(d_out[rows], v[rows].transpose(1, 2)).mul_(kept)  # (G, n, T)
            d_scores.addcmul_(weights, subtracted[rows], value=-1)
            torch.bmm(d_scores, k[rows], out=d_q[rows])
            torch.bmm(d_scores.transpose(1, 2), q[rows], out=d_k[rows])
        return d_q.mul_(q.shape[2] ** -0.5), d_k, d_v, None, None


def _blocks(q: Tensor, k: Tensor) -> Iterator[slice]:
    size = max(1, BLOCK // (q.shape[1] * k.shape[1]))
    return (slice(start, start + size) for start in range(0, len(q), size))


def _weights(q: Tensor, k: Tensor, bias: Tensor | None) -> Tensor:
    """(G, n, c), (G, T, c) -> (G, n, T), rows of sum 1"""
    scores = torch.bmm(q, k.transpose(1, 2))
    return torch.softmax(scores if bias is None else scores.add_(bias), dim=2)
