"""Loss terms of CMCBEP-CL. Notation: see `model.py`; roles x, y, z are rows 0, 1, 2 of a first axis."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def difference(u: Tensor) -> Tensor:
    """Sum over the three pairs of roles of the mean squared correlation between their features, (3, B, d) ->
    ().

    Each vector is squashed to (0, 1), freed of the batch's mean and divided by its length, taken as a
    constant.
    """
    u = u.sigmoid()
    u = u - u.mean(dim=1, keepdim=True)
    u = u / (u.norm(dim=2, keepdim=True).detach() + 1e-6)
    products = u.mT @ u.roll(-1, 0)  # x with y, y with z, z with x: (3, d, d)
    return products.square().mean(dim=(1, 2)).sum()


def discrepancy(u: Tensor) -> Tensor:
    """Distance of the batch means of x and z, squashed to (0, 1), from that of y, summed; (3, B, d) -> ().

    The central moment discrepancy of the reference, which asks for its first moment alone.
    """
    x, y, z = u.sigmoid().mean(dim=1)  # (d,) each
    distance: Tensor = torch.linalg.vector_norm(x - y) + torch.linalg.vector_norm(z - y)
    return distance


def info_nce(u: Tensor, temperature: float) -> Tensor:
    """InfoNCE from x to y, x to z and y to z, their mean; (3, B, d) of unit length -> ()."""
    x, y, z = u
    similar = torch.stack([x @ y.t(), x @ z.t(), y @ z.t()]) / temperature  # (3, B, B)
    own = torch.arange(similar.shape[1], device=u.device)
    return F.cross_entropy(similar.flatten(0, 1), own.repeat(3))
