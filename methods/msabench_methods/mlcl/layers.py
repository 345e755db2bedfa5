"""Layers of MLCL. Notation and deviations: see `model.py`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msabench.nn import MulTEncoder, attend


class Branch(nn.Module):
    """One of a modality's two projections: linear, dropout, ReLU."""

    def __init__(self, width: int, *, dropout: float) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(..., d) -> (..., d)"""
        return torch.relu(self.dropout(self.linear(x)))


class TextConvolution(nn.Module):
    """A convolution over tokens, kernel 3, of which one vector per sample is kept (D1).

    The convolution is linear: only the tokens that reach the vector are multiplied. With `last` these are the
    last two, for the third tap meets the zeros behind them.
    """

    def __init__(self, features: int, width: int, *, pool: str) -> None:
        super().__init__()
        self.pool = pool
        self.conv = nn.Conv1d(features, width, 3, padding=1, bias=False)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D), (B, T) True on tokens -> (B, d)"""
        window = _mean_window(x, mask) if self.pool == "mean" else _window(x, self.pool)  # (B, D, 3)
        return F.linear(window.flatten(1), self.conv.weight.flatten(1))

    def sequence(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, d), the whole convolution"""
        return convolve(self.conv, x)


def convolve(conv: nn.Conv1d, x: Tensor) -> Tensor:
    """(B, T, D) -> (B, T, d)"""
    made: Tensor = conv(x.transpose(1, 2)).transpose(1, 2)
    return made


def _window(x: Tensor, pool: str) -> Tensor:
    """The first (`cls`) or last token with its neighbours, zeros outside: (B, T, D) -> (B, D, 3)"""
    pair = (x[:, :2] if pool == "cls" else x[:, -2:]).transpose(1, 2)  # (B, D, 2), or 1 token if T is 1
    missing = 2 - pair.shape[2]
    return F.pad(pair, (1, missing) if pool == "cls" else (missing, 1))


def _mean_window(x: Tensor, mask: Tensor) -> Tensor:
    """What each tap sees on average over the tokens: (B, T, D) -> (B, D, 3)"""
    weights = mask.to(x.dtype) / mask.sum(1, keepdim=True).clamp(min=1)  # (B, T)
    # the first tap sees each token's predecessor: as such, token t counts as much as t + 1 does
    taps = torch.stack([F.pad(weights[:, 1:], (0, 1)), weights, F.pad(weights[:, :-1], (1, 0))], dim=2)
    return x.transpose(1, 2) @ taps  # (B, D, T) (B, T, 3)


def last_rows(frames: Tensor, tokens: Tensor) -> Tensor:
    """Every word's row replaced by the last word's of its segment, in pairs of texts (D7).

    Parameters
    ----------
    frames
        (B, T, D): a row per token, as `tokens` has them.
    tokens
        (B, 3, T): ids, mask and segments of [CLS] context [SEP] punchline [SEP]; a sample without a second
        segment is left alone.
    """
    mask, second = tokens[:, 1].bool(), tokens[:, 1:].all(dim=1)  # (B, T) each
    size = mask.sum(1, keepdim=True)  # (B, 1)
    start = size - second.sum(1, keepdim=True)  # of the punchline
    place = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)  # (B, T)
    of_context = (place > 0) & (place < start - 1)
    of_punchline = (place >= start) & (place < size - 1)
    source = torch.where(of_context, start - 2, torch.where(of_punchline, size - 2, place))
    source = torch.where(start < size, source, place)
    return frames.gather(1, source[..., None].expand_as(frames))


class FrameEncoder(nn.Module):
    """Audio or vision: a convolution over frames, MulT's encoder, its last frame."""

    def __init__(self, features: int, width: int, encoder: MulTEncoder) -> None:
        super().__init__()
        self.conv = nn.Conv1d(features, width, 3, padding=1, bias=False)
        self.encoder = encoder

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, d); no other frame of the last layer is worked out"""
        return self.encoder.last(convolve(self.conv, x))

    def sequence(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, d), of which `forward` is the last frame"""
        frames: Tensor = self.encoder(convolve(self.conv, x))
        return frames


class CrossAttention(nn.Module):
    """Attention from latent tokens to context tokens, both normalised; dropout on its weights.

    Over a single context token the softmax is 1 whatever the query, and what is left is the token's value
    with whole heads dropped: nothing else is computed then (D2).
    """

    def __init__(self, width: int, *, heads: int, head_width: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm_latent = nn.LayerNorm(width)
        self.norm_context = nn.LayerNorm(width)
        self.to_query = nn.Linear(width, heads * head_width, bias=False)
        self.to_key = nn.Linear(width, heads * head_width, bias=False)
        self.to_value = nn.Linear(width, heads * head_width, bias=False)
        self.out = nn.Linear(heads * head_width, width)

    def forward(self, latent: Tensor, context: Tensor) -> Tensor:
        """(B, n, d), (B, m, d) -> (B, n, d)"""
        context = self.norm_context(context)
        value = self._split(self.to_value(context))  # (B, h, m, c)
        dropout = self.dropout if self.training else 0.0
        if context.shape[1] == 1:
            weights = value.new_ones(*value.shape[:2], latent.shape[1], 1)  # (B, h, n, 1)
            found = F.dropout(weights, dropout) * value  # (B, h, n, c)
        else:
            query = self._split(self.to_query(self.norm_latent(latent)))  # (B, h, n, c)
            key = self._split(self.to_key(context))
            found = attend(query, key, value, dropout=dropout)
        projected: Tensor = self.out(found.transpose(1, 2).flatten(2))
        return projected

    def _split(self, x: Tensor) -> Tensor:
        """(B, n, h c) -> (B, h, n, c)"""
        return x.view(len(x), x.shape[1], self.heads, -1).transpose(1, 2)


class GatedFeedForward(nn.Module):
    """Pre-norm feed-forward part with a GELU gate: hidden width 4d."""

    def __init__(self, width: int, *, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear_1 = nn.Linear(width, 8 * width)
        self.linear_2 = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, n, d) -> (B, n, d)"""
        hidden, gate = self.linear_1(self.norm(x)).chunk(2, dim=-1)  # (B, n, 4 d) each
        moved: Tensor = self.dropout(self.linear_2(hidden * F.gelu(gate)))
        return moved


class CrossTransformer(nn.Module):
    """Latent tokens that take from context tokens `depth` times; their mean, normalised."""

    def __init__(self, width: int, *, depth: int, heads: int, head_width: int, dropout: float) -> None:
        super().__init__()
        self.attentions = nn.ModuleList(
            CrossAttention(width, heads=heads, head_width=head_width, dropout=dropout) for _ in range(depth)
        )
        self.feed_forwards = nn.ModuleList(GatedFeedForward(width, dropout=dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, latent: Tensor, context: Tensor) -> Tensor:
        """(B, n, d), (B, m, d) -> (B, d)"""
        for attention, feed_forward in zip(self.attentions, self.feed_forwards, strict=True):
            latent = latent + attention(latent, context)
            latent = latent + feed_forward(latent)
        summary: Tensor = self.norm(latent.mean(dim=1))
        return summary
