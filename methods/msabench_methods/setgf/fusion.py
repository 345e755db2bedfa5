"""The text-guided fusion module of SETGF. Notation and decisions: see `model.py`."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from msabench_methods.setgf.layers import CrossBlock, positions, sources
from msabench_methods.setgf.recipe import SETGFHyperparameters
from msabench_methods.setgf.rows import Layout

GUIDED = ("audio_from_text", "vision_from_text")
"""Text-oriented multi-head attention: frames rewritten in terms of the words they relate to"""
MAPPINGS = ("text_from_audio", "text_from_vision", "audio_from_vision", "vision_from_audio")
"""Text-guided cross-modal mappings: their sources are the rewritten frames"""


class TextGuidedFusion(nn.Module):
    """Three sequences to one vector.

    Parameters
    ----------
    widths
        Of the rows of text, audio and vision.
    longest
        Steps of the longest sequence there may be.
    """

    def __init__(self, widths: dict[str, int], longest: int, hp: SETGFHyperparameters) -> None:
        super().__init__()
        self.toma, self.tgcm = hp.toma, hp.tgcm
        self.reads_text = hp.toma or hp.tgcm
        self.out = hp.width * (6 if hp.tgcm else 2)
        self.projections = nn.ModuleDict(
            {
                name: nn.Linear(width, hp.width, bias=False)
                for name, width in widths.items()
                if name != "text" or self.reads_text
            }
        )
        self.positions: Tensor
        self.register_buffer("positions", positions(longest, hp.width), persistent=False)
        depths = dict.fromkeys(GUIDED * hp.toma, hp.toma_layers)
        depths |= dict.fromkeys(MAPPINGS * hp.tgcm, hp.tgcm_layers)
        self.blocks = nn.ModuleDict({name: CrossBlock(hp, depth) for name, depth in depths.items()})

    def forward(self, rows: dict[str, Tensor], layouts: dict[str, Layout]) -> Tensor:
        """(M, D) rows of each modality -> (B, 6d), or (B, 2d) without mappings: means over valid steps."""
        embedded = {}
        for name, linear in self.projections.items():
            x = linear(rows[name])  # (M, d)
            embedded[name] = x + self.positions[layouts[name].time].to(x.dtype)
        found = {"audio": embedded["audio"], "vision": embedded["vision"]}

        def cross(source: str, x: Tensor, *targets: str) -> None:
            """Rows (M, d) of each target that took from the source's rows, into `found`."""
            blocks = {t: cast("CrossBlock", self.blocks[f"{t}_from_{source}"]) for t in targets}
            given = sources(list(blocks.values()), x)
            for (target, block), each in zip(blocks.items(), given, strict=True):
                made = block(embedded[target], layouts[target], each, layouts[source])
                found[target if source == "text" else f"{target}_{source}"] = made

        if self.toma:
            cross("text", embedded["text"], "audio", "vision")
        if self.tgcm:
            cross("audio", found["audio"], "text", "vision")
            cross("vision", found["vision"], "text", "audio")
        pooled = ("text_audio", "text_vision", "audio", "audio_vision", "vision", "vision_audio")
        parts = [layouts[name.partition("_")[0]].mean(found[name]) for name in pooled if name in found]
        return torch.cat(parts, dim=1)
