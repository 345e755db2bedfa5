"""Attention between sequences without padding, and its dropout.

Notation: M_q and M_k valid steps of all queries and all keys, n_i and m_i those of sample i; nh heads, c
width of a head, d = nh c.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from msabench.nn import Keep
from msabench_methods.setgf.rows import Layout

Sizes = list[int]
"""Valid steps of each sample"""


def attend(
    query: Tensor, keys: Tensor, values: Tensor, *, of: Layout, to: Layout, heads: int, dropout: float
) -> Tensor:
    """Multi-head attention of each sample's queries to its own keys; softmax(q k^T / sqrt(c)) v per head.

    On a CPU samples go one by one, so that a long pair of sequences does not pad all others: on MOSI five of
    six products are saved, and the memory with them. There the probability of dropout is rounded to a
    multiple of 2^-16. Elsewhere sequences are padded and go through one fused call.

    Parameters
    ----------
    query
        (M_q, d), laid out as `of`.
    keys, values
        (M_k, d), laid out as `to`.
    dropout
        Probability of a weight to be dropped.

    Returns
    -------
    Tensor
        (M_q, d)
    """
    scaled = query * (query.shape[1] // heads) ** -0.5
    if query.device.type == "cpu":
        return _by_sample(scaled, keys, values, of, to, heads, dropout)
    return padded(scaled, keys, values, of, to, heads, dropout)


def padded(
    query: Tensor, keys: Tensor, values: Tensor, of: Layout, to: Layout, heads: int, dropout: float
) -> Tensor:
    """`attend` in one call over padded tensors, for devices where calls are dear; takes scaled queries."""
    q, k, v = (
        _split(layout.pad(x), heads)  # (B, nh, T, c)
        for x, layout in ((query, of), (keys, to), (values, to))
    )
    x = F.scaled_dot_product_attention(
        q, k, v, attn_mask=to.mask[:, None, None], dropout_p=dropout, scale=1.0
    )
    return of.take(x.transpose(1, 2).flatten(2))


def _by_sample(
    query: Tensor, keys: Tensor, values: Tensor, of: Layout, to: Layout, heads: int, dropout: float
) -> Tensor:
    keep = Keep(dropout)
    values = values / keep.share if dropout else values  # what is kept is scaled up
    out: Tensor = _Attend.apply(query, keys, values, of.sizes, to.sizes, heads, keep)  # type: ignore[no-untyped-call]
    return out


class _Attend(torch.autograd.Function):
    """One sample after the other. With weights p, dropped p' and delta = sum(out * d_out) per query and head,
    the gradient of the scores is p' * (d_out v^T) - p * delta."""

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, of: Sizes, to: Sizes, heads: int, keep: Keep
    ) -> Tensor:
        out = torch.empty_like(q)
        ctx.of, ctx.to, ctx.heads = of, to, heads
        ctx.weights, ctx.dropped = [], []
        counts = [heads * n * m for n, m in zip(of, to, strict=True)]
        drawn_at_once = keep.draw(torch.Size([sum(counts)])) if keep.dropped else None
        kept = [None] * len(of) if drawn_at_once is None else torch.split(drawn_at_once, counts)
        parts = (_heads(x, sizes, heads) for x, sizes in ((q, of), (out, of), (k, to), (v, to)))
        for q_i, o_i, k_i, v_i, kept_i in zip(*parts, kept, strict=True):
            weights = torch.bmm(q_i, k_i.transpose(1, 2)).softmax(2)  # (nh, n_i, m_i)
            dropped = weights
            if kept_i is not None:
                dropped = weights * kept_i.view(weights.shape)
            o_i.copy_(torch.bmm(dropped, v_i))
            if any(ctx.needs_input_grad):
                ctx.weights.append(weights)
                ctx.dropped.append(dropped)
        ctx.save_for_backward(q, k, v, out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, out = ctx.saved_tensors
        h = ctx.heads
        d_q, d_k, d_v = (torch.empty_like(x) for x in (q, k, v))
        delta = torch.split((out * d_out).view(len(q), h, -1).sum(2).t(), ctx.of, dim=1)  # (nh, n_i) each
        samples = zip(
            *(_heads(x, ctx.of, h) for x in (q, d_out, d_q)),
            *(_heads(x, ctx.to, h) for x in (k, v, d_k, d_v)),
            ctx.weights, ctx.dropped, delta, strict=True,
        )  # fmt: skip
        for q_i, d_o, d_qi, k_i, v_i, d_ki, d_vi, weights, dropped, delta_i in samples:
            d_vi.copy_(torch.bmm(dropped.transpose(1, 2), d_o))
            d_scores = torch.bmm(d_o, v_i.transpose(1, 2)).mul_(dropped)  # (nh, n_i, m_i)
            d_scores.addcmul_(weights, delta_i[..., None], value=-1)
            d_qi.copy_(torch.bmm(d_scores, k_i))
            d_ki.copy_(torch.bmm(d_scores.transpose(1, 2), q_i))
        return d_q, d_k, d_v, None, None, None, None


def _heads(x: Tensor, sizes: Sizes, heads: int) -> list[Tensor]:
    """(M, d) -> per sample a view (nh, n_i, c)"""
    return list(torch.split(x.view(len(x), heads, -1).transpose(0, 1), sizes, dim=1))


def _split(x: Tensor, heads: int) -> Tensor:
    """(B, T, d) -> (B, nh, T, c)"""
    return x.view(*x.shape[:2], heads, -1).transpose(1, 2)
