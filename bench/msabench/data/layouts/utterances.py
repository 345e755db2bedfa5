"""Samples of the form ((words, visual, acoustic, ...), label, segment), of which several layouts are lists.

(words, visual, acoustic)                                  MAG-BERT, MIB, MLCL, R3DG: a frame per word
(word ids, visual, acoustic, actual words)                 MISA: the same, less the pauses
([], visual, acoustic, actual words, v length, a length)   MMIM, CMCBEP-CL: frames of their own
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from msabench.data import checks, coerce
from msabench.data.findings import Findings, Place
from msabench.data.layouts.frames import Frames, matrix
from msabench.data.types import Split, SplitName
from msabench.run import Array

_LONGEST = 100
"""Words of a sample that are kept; published models take 50 to 80 pieces"""
_WORD_LEVEL = 0.9
"""Share of samples with a frame per word from which on a file is word-level, and the others are mended"""
_FORM = "a sample is ((words, visual, acoustic), label, segment)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Utterance:
    """One sample as it is stored."""

    id: str
    label: float
    words: tuple[str, ...]
    visual: Array
    """(frames, d_v), as in the file"""
    acoustic: Array

    @property
    def aligned(self) -> bool:
        """Whether it has a frame of each modality per word."""
        return len(self.words) == len(self.visual) == len(self.acoustic)


def is_sample(value: object) -> bool:
    """Whether something looks like a sample."""
    return (
        isinstance(value, tuple | list)
        and len(value) == 3
        and isinstance(value[0], tuple | list)
        and len(value[0]) in (3, 4, 6)
        and all(isinstance(each, np.ndarray | list) for each in value[0][1:3])
    )


def parse(
    part: object, at: Place, widths: dict[str, int], word_ids: Mapping[str, object] | None = None
) -> list[Utterance]:
    """The samples of one split that are sound, in the file's order.

    Parameters
    ----------
    part
        The list; it is emptied, so that what is parsed can be freed.
    at
        The split.
    widths
        Of `visual` and `acoustic`, as far as they are known from another split; filled in.
    word_ids
        The file's vocabulary, for samples whose words are numbers.
    """
    if not isinstance(part, list | tuple) or not part:
        held = "is missing" if part is None else "is empty or no list"
        at.error(f"split '{at.split}' {held}", fix=f"each split is a list of samples; {_FORM}")
        return []
    rows: list[object] = part if isinstance(part, list) else list(part)
    names = {
        int(number): coerce.text(word)
        for word, number in (word_ids or {}).items()
        if isinstance(number, int | np.integer)
    }
    # ids first, so that errors can name the sample
    ids = [coerce.text(each[2]) if isinstance(each, tuple | list) and len(each) == 3 else "" for each in rows]
    at.findings.ids[at.split] = ids
    checks.unique(ids, at)
    labels = _Labels(at)
    found: list[Utterance] = []
    for row, sample_id in enumerate(ids):
        sample, rows[row] = rows[row], None
        if not is_sample(sample):
            at.error(f"not a sample: {type(sample).__name__}", row=row, fix=_FORM)
            continue
        fields, label, _ = cast(tuple[tuple[Any, ...], object, object], sample)
        visual, acoustic = (
            _frames(fields[i], at, row, key, widths) for i, key in ((1, "visual"), (2, "acoustic"))
        )
        words = _words(fields, names, at, row)
        value = labels.one(label, row)
        if visual is not None and acoustic is not None and words is not None:
            found.append(Utterance(id=sample_id, label=value, words=words, visual=visual, acoustic=acoustic))
    labels.remark()
    return found


def _frames(value: Any, at: Place, row: int, key: str, widths: dict[str, int]) -> Array | None:
    empty = value.size == 0 if isinstance(value, np.ndarray) else not value
    if empty and key not in widths:
        return np.zeros((0, 0), np.float32)  # of a width that later samples tell
    frames = matrix(value, at, row, widths.get(key), f"{key} ")
    if frames is not None:
        widths.setdefault(key, frames.shape[1])
    return frames


def _words(fields: tuple[object, ...], names: dict[int, str], at: Place, row: int) -> tuple[str, ...] | None:
    value = fields[3] if len(fields) > 3 else fields[0]
    words = value.reshape(-1).tolist() if isinstance(value, np.ndarray) else value
    if isinstance(words, list | tuple):
        words = [
            names.get(int(each), int(each)) if isinstance(each, int | np.integer) else each for each in words
        ]
        if all(isinstance(each, str | bytes) for each in words):
            return tuple(coerce.text(each) for each in words)
    kind = type(words[0] if isinstance(words, list | tuple) else words).__name__
    at.error(
        f"the words are {kind}, expected strings",
        row=row,
        fix="store the words themselves, or their numbers with a dict 'word2id' beside the splits",
    )
    return None


class _Labels:
    """Labels of one split: a number, (1,), (1, 1), or (1, 7) with the emotions behind the sentiment."""

    def __init__(self, at: Place) -> None:
        self._at = at
        self._wide = 0

    def one(self, value: object, row: int) -> float:
        try:
            # what is beyond float32 becomes inf
            with np.errstate(over="ignore"):
                numbers = np.asarray(value, dtype=np.float64).reshape(-1).astype(np.float32)
        except (TypeError, ValueError):
            numbers = np.zeros(0, np.float32)
        if numbers.size == 0 or not np.isfinite(numbers[0]):
            what = f"{numbers[0]:g}" if numbers.size else f"a {type(value).__name__}"
            self._at.error(f"label {what}; expected a number", row=row, fix="correct or leave out the sample")
            return 0.0
        self._wide = max(self._wide, numbers.size)
        return float(numbers[0])

    def remark(self) -> None:
        if self._wide > 1:
            self._at.note(f"labels of {self._wide} numbers, of which the first (sentiment) is used")


def splits(
    read: dict[SplitName, list[Utterance]], widths: dict[str, int], findings: Findings
) -> Iterator[Split]:
    """The arrays of each split; samples are taken out of `read` as they are used."""
    everything = [sample for samples in read.values() for sample in samples]
    if not everything:
        return
    aligned = sum(sample.aligned for sample in everything) >= _WORD_LEVEL * len(everything)
    longest = {
        key: max(1, *(len(sample.words if aligned else getattr(sample, key)) for sample in everything))
        for key in ("visual", "acoustic")
    }
    if aligned:
        longest = {key: min(length, _LONGEST) for key, length in longest.items()}
    else:
        findings.at().note("frames are not one per word: audio and vision are sequences of their own")
    del everything
    for name in list(read):
        before = findings.errors
        split = _split(name, read.pop(name), widths, longest, aligned, findings)
        if findings.errors == before:
            yield split
        del split  # before the next one is built


def _split(
    name: SplitName,
    samples: list[Utterance],
    widths: dict[str, int],
    longest: dict[str, int],
    aligned: bool,
    findings: Findings,
) -> Split:
    at = findings.at(name)
    if aligned:
        _remark(samples, longest["visual"], at)
    streams = {key: Frames(len(samples), longest[key], widths.get(key, 0)) for key in longest}
    for row, sample in enumerate(samples):
        for key, frames in streams.items():
            values = getattr(sample, key)
            if not len(values):
                values = np.zeros((0, frames.values.shape[2]), np.float32)
            if aligned:
                frames.put(row, values[: len(sample.words)], len(sample.words))
            else:
                frames.put(row, values)
    for key, frames in streams.items():
        frames.finish()
        frames.values = checks.finite(frames.values, findings.at(name, key), mend=key == "acoustic")
    return Split(
        name=name,
        ids=np.array([sample.id for sample in samples], dtype=np.str_),
        labels=np.array([sample.label for sample in samples], np.float32),
        audio=streams["acoustic"].values,
        audio_lengths=streams["acoustic"].lengths,
        vision=streams["visual"].values,
        vision_lengths=streams["visual"].lengths,
        raw_text=tuple(" ".join(sample.words) for sample in samples),
        words=tuple(sample.words[: longest["visual"]] for sample in samples) if aligned else None,
    )


def _remark(samples: list[Utterance], limit: int, at: Place) -> None:
    uneven = [row for row, sample in enumerate(samples) if not sample.aligned]
    if uneven:
        at.warning(
            f"{len(uneven)} samples have not one frame per word; frames are cut or filled with 0",
            row=uneven[0],
        )
    long = [row for row, sample in enumerate(samples) if len(sample.words) > limit]
    if long:
        at.warning(f"of {len(long)} samples only the first {limit} words are kept", row=long[0])
    silent = [row for row, sample in enumerate(samples) if not sample.words]
    if silent:
        at.warning(f"{len(silent)} samples without a word", row=silent[0])
