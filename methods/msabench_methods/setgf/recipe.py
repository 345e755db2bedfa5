"""SETGF's recipe: its hyperparameters, and which optimiser group a parameter belongs to.

Decisions D1 to D13 are named in `model.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn

from msabench.method import Hyperparameters

NO_DECAY = ("bias", "LayerNorm.weight")
"""In the names of a text encoder's parameters"""


@dataclass(frozen=True, kw_only=True)
class SETGFHyperparameters(Hyperparameters):
    """Recipe of SETGF; the card says which values are from its configuration and which are ours.

    `learning_rate` and `weight_decay` are those of fusion and heads.
    """

    encoder_learning_rate: float
    """Of the text encoder"""
    encoder_weight_decay: float
    """Of the text encoder's weights; its biases and norms have none"""
    audio_learning_rate: float
    """Of audio's representation learning"""
    audio_weight_decay: float
    """Of audio's representation learning"""
    vision_learning_rate: float
    """Of vision's representation learning"""
    vision_weight_decay: float
    """Of vision's representation learning"""
    audio_hidden: int
    """State of audio's LSTM, h"""
    vision_hidden: int
    """State of vision's LSTM, h"""
    audio_out: int
    """Width of audio's representation"""
    vision_out: int
    """Width of vision's representation"""
    width: int
    """Width of the fusion, d (D2)"""
    heads: int
    """Heads of the fusion's attention, nh (D2)"""
    toma_layers: int
    """Layers of text-oriented multi-head attention (D2)"""
    tgcm_layers: int
    """Layers of each text-guided cross-modal mapping (D2)"""
    attn_dropout: float
    """Probability, on attention weights (D2)"""
    relu_dropout: float
    """Probability, inside feed-forward parts (D2)"""
    res_dropout: float
    """Probability, on what is added to a residual (D2)"""
    post_fusion_width: int
    """Hidden width of head M"""
    post_text_width: int
    """Hidden width of head T"""
    post_audio_width: int
    """Hidden width of head A"""
    post_vision_width: int
    """Hidden width of head V"""
    post_fusion_dropout: float
    """Probability, on the input of head M"""
    post_text_dropout: float
    """Probability, on the input of head T"""
    post_audio_dropout: float
    """Probability, on the input of head A"""
    post_vision_dropout: float
    """Probability, on the input of head V"""
    label_bound: float
    """Largest absolute pseudo-label; 0 takes the dataset's largest label"""
    exclude_zero: bool
    """Whether zero labels belong to neither centre (D6)"""
    unimodal_labels: str
    """`generated`, or `human` where the dataset has them (D10)"""
    protect_heads: bool
    """No decay on heads T, A, V while their loss is zero (D4)"""
    step_on_remainder: bool
    """Whether batches left over at an epoch's end make a step (D8)"""
    toma: bool
    """Text-oriented multi-head attention; without it mappings read plain audio and vision"""
    tgcm: bool
    """Text-guided cross-modal mappings"""
    urlm_global: bool
    """Global attributes beside an LSTM's last state (D3)"""
    unimodal_tasks: bool
    """Heads T, A, V and their losses (D3)"""
    fuse_representations: bool
    """Whether head M reads the unimodal representations too (D3)"""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("width", "heads", "toma_layers", "tgcm_layers", "audio_out", "vision_out"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name} >= 1` must hold, but got {name}={getattr(self, name)}")
        if self.width % 2 or self.width % self.heads:
            raise ValueError(
                f"`width` must be even and a multiple of `heads`, "
                f"but got width={self.width}, heads={self.heads}"
            )
        if self.label_bound < 0:
            raise ValueError(f"`label_bound >= 0` must hold, but got label_bound={self.label_bound}")
        if self.unimodal_labels not in ("generated", "human"):
            raise ValueError(f"unimodal_labels is 'generated' or 'human', but got {self.unimodal_labels!r}")
        if not (self.toma or self.tgcm or self.fuse_representations):
            raise ValueError(
                "toma, tgcm and fuse_representations are all false: text would not reach the prediction"
            )


def groups(
    hp: SETGFHyperparameters,
    encoder: nn.Module | None,
    parts: dict[str, Iterable[nn.Parameter]],
    everything: Iterable[nn.Parameter],
) -> list[dict[str, Any]]:
    """Optimiser groups, each with its `name`; empty ones are left out.

    Parameters
    ----------
    encoder
        Its weights are the group `encoder`, its biases and norms `encoder_plain`, without decay.
    parts
        Parameters of `audio`, `vision` and `heads`, the last one with the rate and decay of all else.
    everything
        The method's parameters; those in no part are the group `other`.
    """
    named = [*encoder.named_parameters()] if encoder else []
    split = {
        "encoder": [p for name, p in named if not any(mark in name for mark in NO_DECAY)],
        "encoder_plain": [p for name, p in named if any(mark in name for mark in NO_DECAY)],
        **{name: list(part) for name, part in parts.items()},
    }
    taken = {id(p) for part in split.values() for p in part}
    split["other"] = [p for p in everything if id(p) not in taken]
    rates = {
        "encoder": (hp.encoder_learning_rate, hp.encoder_weight_decay),
        "encoder_plain": (hp.encoder_learning_rate, 0.0),
        "audio": (hp.audio_learning_rate, hp.audio_weight_decay),
        "vision": (hp.vision_learning_rate, hp.vision_weight_decay),
    }
    made = []
    for name, part in split.items():
        if trained := [p for p in part if p.requires_grad]:
            rate, decay = rates.get(name, (hp.learning_rate, hp.weight_decay))
            made.append({"params": trained, "lr": rate, "weight_decay": decay, "name": name})
    return made
