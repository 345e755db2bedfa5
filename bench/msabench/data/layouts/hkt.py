"""Reader for HKT's pickles of UR-FUNNY and MUStARD: a punchline, what was said before it, and a yes or no.

The layout is that of https://github.com/matalvepu/HKT: a dict of train, dev and test, each a list of
((words, visual, acoustic, hcf), the same of the context, id, label). Words of the punchline are one string,
those of the context one string per sentence; features have a row per word. Of the 81 acoustic and 91 visual
columns every published model takes the first 60 and the last 36, and so does this reader.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from msabench.data import checks, coerce
from msabench.data.findings import Findings, Place
from msabench.data.layouts.base import Layout, Match, Options, Peek
from msabench.data.layouts.frames import Frames, matrix
from msabench.data.types import SPLITS, Split, SplitName
from msabench.run import Array

_ALIASES = {"dev": "valid", "val": "valid"}
_USED = {"acoustic": (81, slice(0, 60)), "visual": (91, slice(55, 91))}
"""Stored width, and the columns that are used of it; other widths are used whole"""
_STREAMS = ("visual", "acoustic", "hcf")
_WORDS = 100
"""Longest punchline and context that are kept, in words; published models take 64 to 77 pieces of both"""
_SAMPLE = "a sample is ((words, visual, acoustic, hcf), (context words, ...), id, label)"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Speech:
    """A punchline or its context: row j of each stream belongs to word j."""

    text: str
    words: tuple[str, ...]
    """With a full stop behind each sentence but a context's last, as HKT gives them to the text encoder"""
    streams: dict[str, Array]
    uneven: bool
    """Whether the file has more rows or fewer than words"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sample:
    id: str
    label: float
    punchline: _Speech
    context: _Speech


def _recognise(peek: Peek) -> Match:
    raw = peek.content
    if not isinstance(raw, dict):
        return Match(score=0)
    first = next((part[0] for part in raw.values() if isinstance(part, list | tuple) and part), None)
    if not isinstance(first, list | tuple):
        return Match(score=0)
    if len(first) != 4:
        return Match(score=0.1, differs=f"a sample has {len(first)} parts, not punchline, context, id, label")
    if all(isinstance(half, list | tuple) and len(half) == 4 for half in first[:2]):
        return Match(score=1)
    return Match(score=0.4, differs="punchline and context are not both (words, visual, acoustic, hcf)")


def _read(peek: Peek, findings: Findings, options: Options) -> Iterator[Split]:
    raw = peek.take()
    by_name = {_ALIASES.get(str(k), str(k)): v for k, v in raw.items()} if isinstance(raw, dict) else {}
    del raw
    read: dict[SplitName, list[_Sample]] = {}
    widths: dict[str, int] = {}
    for name in SPLITS:
        part = by_name.pop(name, None)
        if not isinstance(part, list | tuple) or not part:
            held = "is missing" if part is None else "is empty or no list"
            findings.at(name).error(f"split '{name}' {held}", fix="the file needs lists train, dev and test")
            continue
        before = findings.errors
        samples = _samples(part, findings.at(name), widths)
        if findings.errors == before:
            read[name] = samples
    everything = [sample for samples in read.values() for sample in samples]
    longest = max((sum(_kept(each)) for each in everything), default=1)
    del everything
    for name in list(read):
        before = findings.errors
        split = _split(name, read.pop(name), longest, findings)
        if findings.errors == before:
            yield split
        del split  # before the next one is built


def _samples(part: Sequence[object], at: Place, widths: dict[str, int]) -> list[_Sample]:
    """The samples of a split that have no error; the file's own are let go one by one."""
    rows = part if isinstance(part, list) else list(part)
    samples: list[_Sample] = []
    # ids first, so that errors can name the sample
    at.findings.ids[at.split] = [
        coerce.text(each[2]) if isinstance(each, list | tuple) and len(each) == 4 else "" for each in rows
    ]
    for row in range(len(rows)):
        sample = _sample(rows[row], at, row, widths)
        rows[row] = None
        if sample is not None:
            samples.append(sample)
    checks.unique(at.findings.ids[at.split], at)
    return samples


def _sample(value: object, at: Place, row: int, widths: dict[str, int]) -> _Sample | None:
    if not isinstance(value, list | tuple) or len(value) != 4:
        at.error("not a tuple of punchline, context, id and label", row=row, fix=_SAMPLE)
        return None
    label = value[3]
    if not isinstance(label, bool | int | float | np.number) or float(label) not in (0, 1):
        at.error(f"label {label!r:.40}; expected 0 or 1", row=row, fix="correct or leave out the sample")
        return None
    punchline = _speech(value[0], at, row, "punchline", widths)
    context = _speech(value[1], at, row, "context", widths)
    if punchline is None or context is None:
        return None
    return _Sample(id=coerce.text(value[2]), label=float(label), punchline=punchline, context=context)


def _speech(value: object, at: Place, row: int, what: str, widths: dict[str, int]) -> _Speech | None:
    if not isinstance(value, list | tuple) or len(value) != 4:
        at.error(f"{what}: not a tuple of words, visual, acoustic and hcf", row=row, fix=_SAMPLE)
        return None
    sentences = [value[0]] if isinstance(value[0], str) else value[0]
    if not isinstance(sentences, list | tuple) or not all(isinstance(each, str) for each in sentences):
        at.error(f"{what}: the words are neither a string nor strings", row=row, fix=_SAMPLE)
        return None
    words = _words(sentences, end=what == "punchline")
    streams: dict[str, Array] = {}
    for name, stored in zip(_STREAMS, value[1:], strict=True):
        frames = matrix(stored, at, row, widths.get(name), f"{what}, {name}: ")
        if frames is None:
            return None
        widths.setdefault(name, frames.shape[1])
        stored_width, columns = _USED.get(name, (0, slice(None)))
        streams[name] = frames[:, columns] if frames.shape[1] == stored_width else frames
    return _Speech(
        text=". ".join(map(str, sentences)),
        words=words,
        streams=streams,
        uneven=any(len(frames) != len(words) for frames in streams.values()),
    )


def _words(sentences: Sequence[str], *, end: bool) -> tuple[str, ...]:
    """The words of sentences, a full stop at the last of each; at the very last one if it is to `end`."""
    spoken = [words for sentence in sentences if (words := str(sentence).split())]
    for words in spoken if end else spoken[:-1]:
        words[-1] += "."
    return tuple(word for words in spoken for word in words)


def _kept(sample: _Sample) -> tuple[int, int]:
    """How many words are kept: the last ones of the context, the first ones of the punchline."""
    return min(len(sample.context.words), _WORDS), min(len(sample.punchline.words), _WORDS)


def _split(name: SplitName, samples: list[_Sample], longest: int, findings: Findings) -> Split:
    """The arrays of one split: a row of features per word, those of the context first."""
    _remark(name, samples, findings)
    streams = {
        key: Frames(len(samples), longest, first.shape[1])
        for key, first in samples[0].punchline.streams.items()
    }
    words: list[tuple[str, ...]] = []
    for row, sample in enumerate(samples):
        before, said = _kept(sample)
        start = len(sample.context.words) - before
        words.append(sample.context.words[start:] + sample.punchline.words[:said])
        for key, frames in streams.items():
            frames.put(row, sample.context.streams[key][start : start + before])
            frames.put(row, sample.punchline.streams[key][:said], before + said, start=before)
    for key, frames in streams.items():
        frames.finish()
        frames.values = checks.finite(frames.values, findings.at(name, key), mend=key == "acoustic")
    lengths = streams["visual"].lengths
    return Split(
        name=name,
        ids=np.array([sample.id for sample in samples], dtype=np.str_),
        labels=np.array([sample.label for sample in samples], np.float32),
        audio=streams["acoustic"].values,
        audio_lengths=lengths,
        vision=streams["visual"].values,
        vision_lengths=lengths.copy(),
        raw_text=tuple(sample.punchline.text for sample in samples),
        words=tuple(words),
        context_words=np.array([_kept(sample)[0] for sample in samples], np.int32),
        context=tuple(sample.context.text for sample in samples),
        extra={"hcf": streams["hcf"].values},
    )


def _published(columns: slice) -> int:
    return int(columns.stop - columns.start)


def _remark(name: SplitName, samples: list[_Sample], findings: Findings) -> None:
    at = findings.at(name)
    widths = {key: frames.shape[1] for key, frames in samples[0].punchline.streams.items()}
    odd = [
        f"{key} {widths[key]}" for key, (_, columns) in _USED.items() if widths[key] != _published(columns)
    ]
    if odd:
        at.note(f"other columns than published models read: {', '.join(odd)}")
    for key in ("punchline", "context"):
        parts = [getattr(sample, key) for sample in samples]
        uneven = [row for row, part in enumerate(parts) if part.uneven]
        if uneven:
            at.warning(
                f"{key}: {len(uneven)} samples have not one row per word; rows are cut or filled with 0",
                row=uneven[0],
            )
        long = sum(len(part.words) > _WORDS for part in parts)
        if long:
            kept = "first" if key == "punchline" else "last"
            at.note(f"{key}: of {long} samples the {kept} {_WORDS} words are kept")
    silent = [row for row, sample in enumerate(samples) if not sample.punchline.words]
    if silent:
        at.warning(f"{len(silent)} punchlines without a word", row=silent[0])


LAYOUT = Layout(
    name="hkt",
    title="HKT's pickle with context",
    structure="a dict of train, dev and test, each a list of ((words, visual, acoustic, hcf), "
    "(context sentences, visual, acoustic, hcf), id, label): a row of features per word, label 0 or 1.",
    recognise=_recognise,
    read=_read,
)
