"""Layers of R3DG. Notation and deviations: see `model.py`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msabench.nn import MulTEncoder


class SequenceNetwork(nn.Module):
    """Frames of any width to contextual frames: a convolution over time, then MulT's encoder.

    The convolution has no bias, so padding, and zero frames inside, enter the encoder as exact zeros, which
    have no position.
    """

    def __init__(self, width: int, encoder: MulTEncoder, hidden: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, hidden, kernel_size=3, padding=1, bias=False)
        self.encoder = encoder

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, T, D) -> (B, T, d); `mask` (B, T) is False on padding"""
        frames: Tensor = self.encoder(self.conv(x.transpose(1, 2)).transpose(1, 2), mask)
        return frames


def pool(x: Tensor, segments: Sequence[int], mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Maxima over the segments of several granularities, and over all frames.

    Segment i of g covers the frames floor(i T/g) to ceil((i + 1) T/g) - 1. With a mask, frames that are not
    real take no part, and a segment without a real frame is -inf.

    Parameters
    ----------
    x
        (B, T, d)
    segments
        The granularities, together n segments.
    mask
        (B, T) bool with at least one real frame per sample.

    Returns
    -------
    tuple
        Local vectors (B, n, d), in the order of the granularities, and the global one, (B, d).
    """
    if mask is not None:
        x = x.masked_fill(~mask[..., None], -torch.inf)
    channels = x.transpose(1, 2).contiguous()  # (B, d, T)
    pooled: dict[int, Tensor] = {}
    for g in sorted({1, *segments}, reverse=True):
        # segments of a multiple of g tile those of g
        finer = next((pooled[h] for h in pooled if h % g == 0), None)
        if finer is None:
            pooled[g] = F.adaptive_max_pool1d(channels, g)  # (B, d, g)
        else:
            pooled[g] = finer.view(*finer.shape[:2], g, -1).max(dim=3).values
    return torch.cat([pooled[g] for g in segments], dim=2).transpose(1, 2), pooled[1][..., 0]


class Retrieval(nn.Module):
    """Local vectors that are most similar to the text's, and their weighted mean.

    Parameters
    ----------
    count
        k, how many are taken.
    weights, eval_weights
        See `R3DGHyperparameters`.
    temperature
        Divides similarities before a softmax over them.
    soft
        Weighs all local vectors by similarity instead of taking k of them.
    """

    def __init__(
        self, count: int, *, weights: str, eval_weights: str, temperature: float, soft: bool
    ) -> None:
        super().__init__()
        self.count, self.temperature, self.soft = count, temperature, soft
        self.weights, self.eval_weights = weights, eval_weights
        if weights == "learned" and not soft:
            self.logits = nn.Parameter(torch.zeros(count))  # one per rank

    def forward(self, text: Tensor, local: Tensor) -> Tensor:
        """(B, d), (B, n, d) -> (B, d), of length 1 at most; absent local vectors are -inf."""
        absent = local[..., 0].isneginf()  # (B, n)
        local = F.normalize(local.masked_fill(absent[..., None], 0), dim=2)
        similar = (local @ F.normalize(text, dim=1)[..., None])[..., 0]  # (B, n)
        similar = similar.masked_fill(absent, -torch.inf)
        if not self.soft:
            similar, chosen = similar.topk(self.count, dim=1)  # (B, k)
            local = local.gather(1, chosen[..., None].expand(-1, -1, local.shape[2]))  # (B, k, d)
        logits = self._logits(similar).masked_fill(similar.isneginf(), -torch.inf)
        return (logits.softmax(dim=1)[:, None] @ local)[:, 0]  # (B, d)

    def _logits(self, similar: Tensor) -> Tensor:
        """(B, k) or (B, n) logits of the weights."""
        if self.soft or self.weights == "similarity":
            return similar / self.temperature
        if self.weights == "learned":
            return self.logits.expand_as(similar)
        if self.weights == "uniform" or (self.eval_weights == "uniform" and not self.training):
            return torch.zeros_like(similar)
        # drawn in single precision whatever the weights are, as the reference does
        return torch.randn(*similar.shape, device=similar.device).to(similar.dtype)


class PairFusion(nn.Module):
    """Two vectors as a sequence of length 2 through a standard Transformer encoder, without positions."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(width, heads, batch_first=True)
        # copies of one layer: packed attention input weights start equal
        self.encoder = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """(B, d), (B, d) -> (B, 2 d)"""
        joint: Tensor = self.encoder(torch.stack([first, second], dim=1)).flatten(1)
        return joint
