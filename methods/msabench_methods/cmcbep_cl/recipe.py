"""Recipe of CMCBEP-CL: its hyperparameters and its schedule. Deviations: see `model.py`."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite

from msabench.method import Hyperparameters
from msabench_methods.cmcbep_cl import lead

TIES = ("role", "modality")
WEIGHTS = ("fusion_weight", "diff_weight", "dep_weight", "cmd_weight", "nce_weight", "unimodal_weight")


@dataclass(frozen=True, kw_only=True)
class CMCBEPCLHyperparameters(Hyperparameters):
    """Recipe of CMCBEP-CL; published values are the defaults of the reference's `config.py` and
    `solver.py`."""

    encoder_learning_rate: float
    """Base rate of the text encoder"""
    encoder_weight_decay: float
    """Of the text encoder"""
    halve_after: int
    """Epochs without a better validation loss that are borne before all rates are halved"""
    width: int
    """Width of the model, d"""
    heads: int
    """Slices of slot attention and heads of the Transformer, H"""
    audio_hidden: int
    """Hidden width of the audio LSTM"""
    vision_hidden: int
    """Hidden width of the vision LSTM"""
    lead_hidden: int
    """Width inside the lead's Transformer; the reference takes the vision LSTM's"""
    lead_depth: int
    """Layers of the lead's Transformer"""
    feed_forward: int
    """Hidden width of the feed-forward parts in dependence estimators and fusion"""
    refinement_depth: int
    """Refinement blocks of the lead"""
    filter_depth: int
    """Refinement blocks in each filter"""
    dropout: float
    """Probability, everywhere but in front of the heads (D18)"""
    head_dropout: float
    """Probability, in front of the two heads"""
    lead_rule: str
    """Who decides which modality leads: `per_sample`, `batch_first` or `argmax` (D2, D3)"""
    tie: str
    """Whether projections, filters and classifiers belong to a `role` or a `modality` (D5)"""
    fusion_weight: float
    """Of the loss of the fusion's own score"""
    diff_weight: float
    """Of the difference loss over the three pairs of roles (D10)"""
    dep_weight: float
    """Of the reward for dependence (D4)"""
    cmd_weight: float
    """Of the discrepancy between projections of the lead and of each other role"""
    nce_weight: float
    """Of InfoNCE between the projections (D1)"""
    unimodal_weight: float
    """Of the mean loss of the three roles' own scores (D11)"""
    temperature: float
    """Of InfoNCE"""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("lead_depth", "refinement_depth", "filter_depth", "feed_forward"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name} >= 1` must hold, but got {name}={getattr(self, name)}")
        for name in (*WEIGHTS, "halve_after"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"`{name} >= 0` must hold, but got {name}={getattr(self, name)}")
        for name in ("dropout", "head_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"`0 <= {name} < 1` must hold, but got {name}={getattr(self, name)}")
        if not self.temperature > 0:
            raise ValueError(f"`temperature > 0` must hold, but got temperature={self.temperature}")
        if self.heads < 1 or self.width % self.heads or self.width < 2:
            raise ValueError(f"heads must divide width, but got heads={self.heads}, width={self.width}")
        for name, known in (("lead_rule", lead.RULES), ("tie", TIES)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is one of {', '.join(known)}, but got {getattr(self, name)!r}")


@dataclass(frozen=True, kw_only=True)
class Plateau:
    """PyTorch's `ReduceLROnPlateau` with factor 0.5, no smallest step and its other defaults."""

    best: float = inf
    """Lowest validation loss so far that was better than the one before by more than 1 in 10,000"""
    bad: int = 0
    """Epochs since then, or since the last halving"""
    factor: float = 1.0
    """On all base rates"""

    def after(self, loss: float, patience: int) -> Plateau:
        """The state after an epoch with this validation loss."""
        if isfinite(loss) and loss < self.best * (1 - 1e-4):
            return Plateau(best=loss, factor=self.factor)
        if self.bad < patience:
            return Plateau(best=self.best, bad=self.bad + 1, factor=self.factor)
        return Plateau(best=self.best, factor=self.factor / 2)
