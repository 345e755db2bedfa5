"""Labels of a twin, on the real grid and in the real shares, and the latents behind them.

A clip has three latents, what its words, its voice and its face say, each standard normal. The label follows

    0.75 text + 0.45 audio + 0.35 vision + 0.35 text * audio

through one monotone map for all splits, so that a figure of the product says whether a method sees that the
voice can sharpen or turn what the words say. The histogram of each split is met exactly: clips are drawn
until every level of the grid has its number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from msabench.data.cards import DatasetCard
from msabench.data.types import SPLITS, SplitName
from msabench.errors import SpecError
from msabench.run import Array

TEXT, AUDIO, VISION = 0, 1, 2
_WEIGHTS = np.array([0.75, 0.45, 0.35])
_PRODUCT = 0.35
_SMALLEST_SPLIT = 8
_REFERENCE_DRAWS = 200_000  # for the map from latents to levels; fixes its quantiles to about 0.002


@dataclass(frozen=True, kw_only=True)
class LabelGrid:
    """Levels that labels lie on, and how many of each a split of the real dataset has."""

    levels: Array
    """(K,) float32, ascending; classes count from 0"""
    counts: Mapping[SplitName, Array]
    """(K,) int64 per split, at the real size"""

    def scaled(self, split: SplitName, scale: float) -> Array:
        """Counts for a share of the split, at least 8 samples in all."""
        total = max(_SMALLEST_SPLIT, round(int(self.counts[split].sum()) * scale))
        return apportion(self.counts[split], total)

    @property
    def cumulative(self) -> Array:
        """(K - 1,) share of labels at or below each level but the last, over all splits."""
        pooled = np.sum(list(self.counts.values()), axis=0)
        shares: Array = np.cumsum(pooled)[:-1] / pooled.sum()
        return shares


def apportion(shares: Array, total: int) -> Array:
    """Whole numbers in proportion to the shares that add up to `total` (largest remainders).

    >>> apportion(np.array([1, 1, 2]), 5).tolist()
    [1, 1, 3]
    """
    exact = shares * (total / shares.sum())
    counts: Array = np.floor(exact + 1e-9).astype(np.int64)
    # rounded, so that remainders that are equal on paper tie: the larger share wins, then the earlier
    remainder = np.round(exact - counts, 9)
    order = np.lexsort((-shares, -remainder))
    counts[order[: total - int(counts.sum())]] += 1
    return counts


def label_grid(card: DatasetCard) -> LabelGrid:
    """The grid that a card's [twin] table describes.

    Raises
    ------
    SpecError
        If the table is missing or does not fit the card's sizes.
    """
    table = card.twin
    where = f"[twin] in {card.path}"
    try:
        if card.task.kind != "regression":
            counts = {split: np.array(table["classes"][split], np.int64) for split in SPLITS}
            return LabelGrid(levels=np.arange(len(counts["train"]), dtype=np.float32), counts=counts)
        per_unit = int(table["steps_per_unit"])
        top = round(card.task.label_range[1] * per_unit)
        levels = (np.arange(-top, top + 1) / per_unit).astype(np.float32)
        sides = [_side(table[name], top) for name in ("negative", "positive")]
        counts = {split: _counts(table["classes"][split], sides) for split in SPLITS}
    except (KeyError, TypeError, ValueError) as error:
        raise SpecError(f"no twin can be made of {card.name}: {error}", where=where) from error
    for split in SPLITS:
        if (made := int(counts[split].sum())) != card.splits[split]:
            raise SpecError(
                f"classes of {split} add up to {made}, but the card says {card.splits[split]} samples",
                where=where,
            )
    return LabelGrid(levels=levels, counts=counts)


def _side(weights: Sequence[float], top: int) -> Array:
    """Weight of each magnitude from the smallest; a weight may stand for several neighbouring levels."""
    if not weights or top % len(weights):
        raise ValueError(f"{len(weights)} weights cannot be spread over {top} magnitudes")
    return np.repeat(np.asarray(weights, dtype=np.float64), top // len(weights))


def _counts(classes: Sequence[int], sides: Sequence[Array]) -> Array:
    negative, zero, positive = classes
    below, above = apportion(sides[0], negative), apportion(sides[1], positive)
    return np.concatenate([below[::-1], [zero], above])


def draw_latents(grid: LabelGrid, counts: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Latents and the level of each clip, in random order.

    Parameters
    ----------
    counts
        (K,) how many clips of each level are wanted.

    Returns
    -------
    tuple of arrays
        (N, 3) float64 latents of text, audio and vision; (N,) rows of `grid.levels`.
    """
    thresholds = np.quantile(_score(_reference()), grid.cumulative)
    missing = counts.copy()
    kept, levels = [], []
    while missing.any():
        latents = rng.standard_normal((4 * int(missing.sum()) + 64, 3))
        level = np.searchsorted(thresholds, _score(latents))
        order = np.argsort(level, kind="stable")
        # place of each candidate among those of its level, to keep no more than are missing
        place = np.arange(len(order)) - np.searchsorted(level[order], level[order])
        chosen = order[place < missing[level[order]]]
        kept.append(latents[chosen])
        levels.append(level[chosen])
        missing -= np.bincount(level[chosen], minlength=len(counts))
    order = rng.permutation(int(counts.sum()))
    return np.concatenate(kept)[order], np.concatenate(levels)[order]


def unimodal_labels(grid: LabelGrid, latents: Array) -> dict[str, Array]:
    """`T`, `A`, `V` to (N,) float32: each modality's own latent on the dataset's grid."""
    thresholds = np.quantile(_reference()[:, TEXT], grid.cumulative)
    return {
        key: grid.levels[np.searchsorted(thresholds, latents[:, column])]
        for key, column in (("T", TEXT), ("A", AUDIO), ("V", VISION))
    }


def _reference() -> Array:
    return np.random.default_rng(0).standard_normal((_REFERENCE_DRAWS, 3))


def _score(latents: Array) -> Array:
    score: Array = latents @ _WEIGHTS + _PRODUCT * latents[:, TEXT] * latents[:, AUDIO]
    return score


def class_names(labels: Array) -> tuple[Array, Array]:
    """`annotations` and `classification_labels` of feature files: names, and 0, 1, 2 as float32."""
    sign = np.sign(labels).astype(np.int64)
    names: Any = np.array(["Negative", "Neutral", "Positive"])
    return names[sign + 1], (sign + 1).astype(np.float32)
