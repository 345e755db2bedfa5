"""How R3DG is trained: the AdamW of an older transformers, and which weights it decays."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

BETAS, EPSILON = (0.9, 0.999), 1e-8


class TransformersAdamW(torch.optim.AdamW):
    """`AdamW` as transformers shipped it up to 4.x, fused into one pass over the weights.

    With m and v the usual running means, c = 1 - beta^t, step size a and decay w,

        p <- p - a sqrt(c_2)/c_1 m/(sqrt(v) + eps),    then    p <- (1 - a w) p:

    eps stands before the bias correction and the decay acts after the update. PyTorch's fused AdamW does the
    same, up to rounding, if it is given eps/sqrt(c_2), a (1 - a w) and w/(1 - a w) at step t.
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        super().__init__(groups, betas=BETAS, eps=EPSILON, fused=True)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        given = [(group["lr"], group["weight_decay"], group["eps"]) for group in self.param_groups]
        for group, (rate, decay, eps) in zip(self.param_groups, given, strict=True):
            kept = 1 - rate * decay
            group["lr"], group["weight_decay"] = rate * kept, decay / kept
            group["eps"] = eps / math.sqrt(1 - BETAS[1] ** (self._steps(group["params"]) + 1))
        super().step()
        for group, (rate, decay, eps) in zip(self.param_groups, given, strict=True):
            group["lr"], group["weight_decay"], group["eps"] = rate, decay, eps

    def _steps(self, parameters: Iterable[nn.Parameter]) -> float:
        """Updates that a group has had: its parameters get their gradients together."""
        return next((float(self.state[p]["step"]) for p in parameters if self.state.get(p)), 0.0)


def split_by_decay(
    method: nn.Module, encoder: nn.Module | None, *, decay_norm_gains: bool
) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Trained parameters with weight decay, and without.

    The reference goes by name: whatever is called a bias, or is a gain of a layer called LayerNorm as in
    BERT, is not decayed. Other norms' gains are, unless `decay_norm_gains` is false.
    """
    named = [*method.named_parameters(), *(encoder.named_parameters() if encoder else ())]
    gains = {id(m.weight) for m in method.modules() if isinstance(m, nn.LayerNorm)}
    decayed: list[nn.Parameter] = []
    spared: list[nn.Parameter] = []
    for name, parameter in named:
        if not parameter.requires_grad:
            continue
        by_name = "bias" in name or "LayerNorm.weight" in name
        spare = by_name or (id(parameter) in gains and not decay_norm_gains)
        (spared if spare else decayed).append(parameter)
    return decayed, spared
