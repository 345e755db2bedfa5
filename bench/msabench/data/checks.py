"""Whether the arrays of a feature file are sound, and whether they are what the dataset's card says.

Each check reports to a `Place`; none looks at the disk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from msabench.data.cards import DatasetCard, Variant
from msabench.data.findings import Findings, Place
from msabench.data.mapped import parts
from msabench.data.types import Split
from msabench.errors import DataError
from msabench.run import Array, DataKind

_ABSURD = 1e6
"""COVAREP, Facet, OpenFace and LibROSA features stay well below"""
_LONGEST_ID = 1000
_TOLERANCE = 1e-4
"""Labels are means stored as float32"""
_CORRECT = "correct these samples in the file, or leave them out"


def finite(values: Array, at: Place, *, mend: bool = False) -> Array:
    """Report NaN and infinities in (N, ...) features; with `mend`, set `-inf` to 0 and note how many.

    The array may be changed in place.
    """
    counts: Counter[str] = Counter()
    samples: Counter[str] = Counter()
    first: dict[str, tuple[int, ...]] = {}
    peak, peak_row = 0.0, 0
    for start, part in parts(values):
        if not part.size:
            continue
        with np.errstate(invalid="ignore"):
            high = float(np.abs(part).max())
        if np.isfinite(high):
            if high > peak:
                peak, peak_row = high, start + int(np.abs(part).reshape(len(part), -1).max(1).argmax())
            continue
        for name, found in (
            ("NaN", np.isnan(part)),
            ("+inf", np.isposinf(part)),
            ("-inf", np.isneginf(part)),
        ):
            if found.any():
                counts[name] += int(found.sum())
                samples[name] += int(found.reshape(len(part), -1).any(1).sum())
                spot = tuple(int(i) for i in np.argwhere(found)[0])
                first.setdefault(name, (start + spot[0], *spot[1:]))
    said = {
        name: f"{counts[name]} entries of {name} in {samples[name]} of {len(values)} samples"
        for name in counts
    }
    if mend and "-inf" in counts:
        values = _without_minus_infinity(values)
        at.note(f"{said.pop('-inf')} set to 0")
    for name, words in said.items():
        row, *place = first[name]
        at.error(f"{words}, first at frame {place[0]}, feature {place[-1]}", row=row, fix=_CORRECT)
    if peak > _ABSURD:
        at.warning(f"values of up to {peak:.3g}, far beyond what features of this field reach", row=peak_row)
    return values


def _without_minus_infinity(values: Array) -> Array:
    mended: Array = values if values.flags.writeable else np.empty_like(values)
    for start, part in parts(values):
        mended[start : start + len(part)] = np.where(np.isneginf(part), np.float32(0), part)
    return mended


def tokens(values: Array, at: Place) -> Array:
    """Check (N, 3, L) token ids, mask and segment ids; return them as int32."""
    whole = np.isfinite(values) & (values == np.rint(values)) & (values >= 0) & (values < 2**31)
    if not whole.all():
        row, part, place = (int(i) for i in np.argwhere(~whole)[0])
        name = ("token id", "mask", "segment id")[part]
        at.error(
            f"{name} {values[row, part, place]:g} at position {place}; expected a whole number, 0 or more",
            row=row,
            fix="text_bert must be (N, 3, L): token ids, mask, segment ids; tokenise the texts again",
        )
        return np.zeros(values.shape, np.int32)
    odd = values[:, 1] > 1
    if odd.any():
        row, place = (int(i) for i in np.argwhere(odd)[0])
        at.error(
            f"mask {values[row, 1, place]:g} at position {place}; expected 0 or 1",
            row=row,
            fix="text_bert must be (N, 3, L) with the mask in the middle; tokenise the texts again",
        )
    empty = ~values[:, 1].any(axis=1)
    if empty.any():
        at.warning(f"{int(empty.sum())} samples have no token at all", row=int(empty.argmax()))
    return values.astype(np.int32)


def lengths(values: Array, limit: int, at: Place) -> Array:
    """Check (N,) sequence lengths against the length of the padded array; return them as int32."""
    wrong = ~((values >= 1) & (values <= limit) & (values == np.rint(values)))
    if wrong.any():
        row = int(wrong.argmax())
        at.error(
            f"length {values[row]:g}; expected a whole number from 1 to {limit}, the length of the array",
            row=row,
            fix="correct it, or leave this key out: lengths are then taken from the last frame that is not 0",
        )
        return np.ones(len(values), np.int32)
    return values.astype(np.int32)


def defined(labels: Array, at: Place) -> None:
    """Report labels that are not numbers."""
    wrong = ~np.isfinite(labels)
    if wrong.any():
        row = int(wrong.argmax())
        at.error(f"label {labels[row]:g}; {int(wrong.sum())} labels are no numbers", row=row, fix=_CORRECT)


def unique(ids: Sequence[str], at: Place) -> None:
    """Report ids that are in a split twice.

    Raises
    ------
    DataError
        If one is absurdly long, whether or not the findings are strict: an array of ids gives each the room
        of the longest.
    """
    longest = max(map(len, ids), default=0)
    if longest > _LONGEST_ID:
        raise DataError(
            f"an id of {longest} characters, where {_LONGEST_ID} are more than any needs",
            where=f"{at.findings.file}, split '{at.split}', key '{at.key}'",
            fix="ids are names of samples, such as video and clip",
        )
    seen: dict[str, int] = {}
    twice = [(row, seen[name]) for row, name in enumerate(ids) if seen.setdefault(name, row) != row]
    if twice:
        row, before = twice[0]
        at.error(
            f"duplicate id '{ids[row]}' in rows {before} and {row}; {len(twice)} duplicates in all",
            row=row,
            fix="make the ids unique (video and clip), and leave out samples that are there twice",
        )


def across(splits: Sequence[Split], findings: Findings) -> None:
    """Report samples that are in two splits, and splits whose arrays differ in length or width."""
    for i, one in enumerate(splits):
        for other in splits[i + 1 :]:
            shared = sorted(set(one.ids.tolist()) & set(other.ids.tolist()))
            if shared:
                findings.at(other.name, "id").error(
                    f"{len(shared)} ids are in '{one.name}' and in '{other.name}', first '{shared[0]}'",
                    row=other.ids.tolist().index(shared[0]),
                    fix="a sample belongs to one split; use the official folds, or leave it out of one",
                )
    for other in splits[1:]:
        if (other.raw_text is None) != (splits[0].raw_text is None):
            findings.at(other.name, "raw_text").error(
                f"raw_text is in one of '{splits[0].name}' and '{other.name}' alone",
                fix="give all splits the same keys",
            )
        for key, shape in shapes(other).items():
            expected = shapes(splits[0]).get(key)
            if shape != expected:
                findings.at(other.name, key).error(
                    f"has {_words(shape)}, but '{splits[0].name}' has {_words(expected)}",
                    fix="make all splits with the same extractor, padded to the same length",
                )


def shapes(split: Split) -> dict[str, tuple[int, ...] | None]:
    """Shape of one sample by key; None where the split lacks it."""
    arrays = {
        "audio": split.audio,
        "vision": split.vision,
        "text": split.text_features,
        "text_bert": split.text_tokens,
    }
    return {key: None if array is None else array.shape[1:] for key, array in arrays.items()}


def _words(shape: tuple[int, ...] | None) -> str:
    return "no such array" if shape is None else f"{' x '.join(map(str, shape))} per sample"


def agreement(
    splits: Sequence[Split], card: DatasetCard, variant: Variant, kind: DataKind, findings: Findings
) -> None:
    """Compare what was read with the card: labels out of range are errors, other sizes are warnings.

    A twin is not held to sizes and shapes, which may be scaled.
    """
    for split in splits:
        if card.task.kind != "regression":
            _whole(split.labels, card, findings.at(split.name, "labels"))
        keys = {"": split.labels, **split.unimodal_labels}
        for modality, labels in keys.items():
            key = "regression_labels" + (f"_{modality[0].upper()}" if modality else "")
            _in_range(labels, card, findings.at(split.name, key))
    if kind == "twin":
        return
    for split in splits:
        official = card.sizes(variant).get(split.name)
        if official is not None and len(split) != official:
            findings.at(split.name).warning(
                f"{len(split)} samples, but the official split of {card.title} has {official}"
            )
    expected = {"text": variant.text, "audio": variant.audio, "vision": variant.vision}
    for key, shape in shapes(splits[0]).items() if splits else ():
        if shape is not None and key in expected and not _fits(shape, expected[key]):
            findings.at(key=key).warning(
                f"{_words(shape)}, but the card of {card.name}:{variant.name} says {_words(expected[key])}"
            )
    if card.unimodal and splits and not splits[0].unimodal_labels:
        findings.at().warning("no unimodal labels (regression_labels_T, _A, _V), though the dataset has them")


def _fits(shape: tuple[int, ...], said: tuple[int, int]) -> bool:
    """Whether a shape is the card's, in which 0 leaves a length or width open."""
    return len(shape) == 2 and all(want in (0, have) for have, want in zip(shape, said, strict=True))


def _in_range(labels: Array, card: DatasetCard, at: Place) -> None:
    low, high = card.task.label_range
    wrong = (labels < low - _TOLERANCE) | (labels > high + _TOLERANCE)
    if wrong.any():
        row = int(wrong.argmax())
        at.error(
            f"label {labels[row]:g} is out of range; labels of {card.name} lie in [{low:g}, {high:g}] "
            f"({int(wrong.sum())} do not)",
            row=row,
            fix="see whether the file belongs to another dataset, or rescale its labels",
        )


def _whole(labels: Array, card: DatasetCard, at: Place) -> None:
    wrong = labels != np.round(labels)
    if wrong.any():
        row = int(wrong.argmax())
        at.error(
            f"label {labels[row]:g} is no class; {card.name} is a {card.task.kind} task "
            f"({int(wrong.sum())} labels are not whole numbers)",
            row=row,
            fix="number the classes from 0, or describe the task as a regression in the card",
        )


def official(sha256: str, variant: Variant, kind: DataKind, findings: Findings) -> None:
    """Warn where a real file is not the one that its owners publish."""
    if kind == "real" and variant.sha256 and sha256 != variant.sha256:
        findings.at().warning(
            f"not the published file, whose sha256 begins with {variant.sha256[:12]} (this: {sha256[:12]})"
        )
