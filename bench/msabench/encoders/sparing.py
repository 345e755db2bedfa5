"""What a transformer need not work out: states that nobody reads, and dropout drawn one number at a time.

Real tokens never attend to padding, so their states do not depend on it: padding can be left out unless a
method reads its states. Most sentences are far shorter than the longest.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from msabench.nn import dropout

CHUNK = 32
"""Samples worked on at a time on a CPU, each chunk as long as its longest; a GPU takes whole batches"""


def in_chunks(run: Callable[[Tensor, Tensor], Tensor], tokens: Tensor, tail: int) -> Tensor:
    """States of the real tokens and of the last `tail` positions; zeros elsewhere.

    Parameters
    ----------
    run
        Tokens (n, 3, l) and the positions (n, l) at which they stand, to states (n, l, d).
    tokens
        (B, 3, L) int64: ids, mask, segment ids.

    Returns
    -------
    (B, L, d)
    """
    size, length = tokens.shape[0], tokens.shape[2]
    read = tokens[:, 1].bool()  # (B, L)
    if tail:
        read = read | (torch.arange(length, device=tokens.device) >= length - tail)
    counts = read.sum(1).clamp(min=1)
    by_length = counts.argsort(descending=True, stable=True)  # alike lengths together
    places = (~read).long().argsort(dim=1, stable=True)[by_length]  # (B, L): what is read comes first
    states = []
    for rows, where in zip(_chunks(by_length), _chunks(places), strict=True):
        kept = where[:, : int(counts[rows[0]])]  # (n, l)
        given = tokens[rows].gather(2, kept[:, None].expand(-1, 3, -1))  # (n, 3, l)
        found = run(given, kept)  # (n, l, d)
        states.append(nn.functional.pad(found, (0, 0, 0, length - kept.shape[1])))
    together = torch.cat(states)  # (B, L, d)
    back = torch.empty_like(by_length).scatter_(0, by_length, torch.arange(size, device=tokens.device))
    at = places.argsort(dim=1)[..., None].expand(-1, -1, together.shape[2])
    return together.gather(1, at)[back] * read[..., None]


def with_cheap_dropout(model: nn.Module) -> nn.Module:
    """The model, its dropout layers drawing as `msabench.nn.dropout` does."""
    for module in model.modules():
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, _Dropout(child.p))
    return model


class _Dropout(nn.Dropout):
    def forward(self, x: Tensor) -> Tensor:
        return dropout(x, self.p, self.training)


def _chunks(x: Tensor) -> tuple[Tensor, ...]:
    parts: tuple[Tensor, ...] = x.split(CHUNK if x.device.type == "cpu" else len(x))  # type: ignore[no-untyped-call]
    return parts
