"""What every search of a study may spend, alike."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from msabench.errors import SpecError
from msabench.search.space import SAMPLERS, Sampler

SEARCH_SEED = 4242
"""Trials run on this seed; no reported run may"""
Pruner = Literal["none", "median"]
PRUNERS: tuple[Pruner, ...] = ("none", "median")


@dataclass(frozen=True, kw_only=True)
class SearchSpec:
    """What every method of a study may spend on its hyperparameters, alike."""

    trials: int
    """Per method and dataset, the published setting and failed trials included"""
    sampler: Sampler = "qmc"
    seed: int = SEARCH_SEED
    """Of the sampler, and of the trials' training"""
    hours: float | None = None
    """Compute-hours of training per method and dataset (GPU-hours where trials run on GPUs). Trials count in
    the order of their numbers until their hours reach this, the one that does so included; None: no limit"""
    prune: Pruner = "none"
    """`median`: trials that lag behind the first few are ended early, see `search.pruning`"""

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise SpecError(f"`trials >= 1` must hold, but got trials={self.trials}")
        if self.sampler not in SAMPLERS:
            raise SpecError(f"sampler '{self.sampler}' is not known", fix=f"choose of {', '.join(SAMPLERS)}")
        if self.prune not in PRUNERS:
            raise SpecError(f"pruner '{self.prune}' is not known", fix=f"choose of {', '.join(PRUNERS)}")
        if self.hours is not None and not 0 < self.hours < math.inf:
            raise SpecError(f"`search hours > 0` must hold, but got search-hours={self.hours}")

    @property
    def seconds(self) -> float:
        """`hours` in seconds; infinite without a limit."""
        return math.inf if self.hours is None else 3600 * self.hours

    def to_json(self) -> dict[str, Any]:
        """Plain containers; what limits nothing is left out, as in studies from before there were limits."""
        unlimited = {"hours": None, "prune": "none"}
        return {
            name: value
            for name, value in asdict(self).items()
            if name not in unlimited or value != unlimited[name]
        }
