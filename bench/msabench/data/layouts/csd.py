"""Reader for CMU-MultimodalSDK's computational sequences: a folder of `.csd` files, aligned to the words.

What a file holds is told by its root name and its own: words are the sequence of strings, labels the one so
named, and of several acoustic or visual sequences one is taken (COVAREP and FACET 4.2 first); the others are
noted. A folder that holds only the wanted ones decides otherwise.

As in the SDK's word-level example, frames are averaged over each word, words are gathered for each labelled
segment, pauses (`sp`) are dropped, and the official folds divide the videos (`csd_folds.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from msabench.data import checks
from msabench.data.findings import Finding, Findings, Place
from msabench.data.layouts.base import Layout, Match, Options, Peek
from msabench.data.layouts.csd_align import EPSILON, Timeline, average
from msabench.data.layouts.csd_file import ComputationalSequence
from msabench.data.layouts.csd_folds import BESIDE, Folds, find_folds
from msabench.data.layouts.csd_probe import probe
from msabench.data.layouts.frames import Frames, absent
from msabench.data.types import SPLITS, Split, SplitName
from msabench.errors import DataError
from msabench.run import Array

_ROLES: Mapping[str, tuple[str, ...]] = {
    "labels": (r"label",),
    "audio": (r"covarep", r"opensmile", r"acoustic|audio"),
    "vision": (r"facet.?4.?2", r"facet", r"openface.?2", r"openface", r"visual|vision"),
    "text": (r"glove", r"word.?vector", r"bert"),
}
"""Patterns for root name or file name, the preferred ones first"""
_IGNORED = r"phone"
_PAUSE = "sp"
_WORDS = 20_000_000
"""Of all videos together; MOSEI has half a million"""


@dataclass(frozen=True, kw_only=True)
class _Segment:
    """A labelled stretch of a video."""

    video: str
    id: str
    label: float
    words: tuple[str, ...]
    """Empty where only word vectors are there"""
    spans: Array
    """(words, 2) seconds"""


def _recognise(peek: Peek) -> Match:
    if peek.format == "folder":
        return Match(score=1.0 if any(each.suffix == ".csd" for each in peek.files) else 0)
    if peek.format != "hdf5":
        return Match(score=0)
    if peek.path.suffix == ".csd":
        return Match(score=1)
    return Match(score=0.3, differs="the HDF5 file is not named .csd")


def _root(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _parts(path: Path) -> tuple[Path, ...]:
    root = _root(path)
    beside = root / BESIDE
    return (
        *sorted(each for each in root.glob("*.csd") if each.is_file()),
        *([beside] if beside.is_file() else []),
    )


def _read(peek: Peek, findings: Findings, options: Options) -> Iterator[Split]:
    try:
        with ExitStack() as stack:
            files = [path for path in _parts(peek.path) if path.suffix == ".csd"]
            probe(files)
            roles = _roles([stack.enter_context(ComputationalSequence(path)) for path in files], findings)
            videos = _shared(roles, findings)
            folds = find_folds(_root(peek.path), videos, findings)
            segments = _segments(roles, folds, videos, findings)
            longest = max((len(each.spans) for part in segments.values() for each in part), default=1)
            for name in SPLITS:
                before = findings.errors
                split = _split(name, segments.pop(name), roles, min(longest, folds.longest), findings)
                if split is not None and findings.errors == before:
                    yield split
                del split  # before the next one is built
    except DataError as error:
        if findings.strict:
            raise
        findings.add(Finding(severity="error", what=error.what, file=error.where, fix=error.fix))


def _roles(opened: list[ComputationalSequence], findings: Findings) -> dict[str, ComputationalSequence]:
    """Which sequence is the words, labels, audio, vision and text (word vectors)."""
    names = {each: f"{each.name} {each.path.stem}".lower() for each in opened}
    left = [each for each in opened if not re.search(_IGNORED, names[each])]
    roles: dict[str, ComputationalSequence] = {}
    words = [each for each in left if each.holds_strings]
    if words:
        roles["words"] = words[0]
    left = [each for each in left if each not in words]
    for role, patterns in _ROLES.items():
        ranked = [each for pattern in patterns for each in left if re.search(pattern, names[each])]
        if ranked:
            roles[role] = ranked[0]
            left = [each for each in left if each not in ranked]
    unused = sorted({each.path.name for each in opened} - {each.path.name for each in roles.values()})
    used = ", ".join(f"{role}: {each.name}" for role, each in roles.items())
    findings.at().note(f"taken as {used}" + (f"; left out: {', '.join(unused)}" if unused else ""))
    if "labels" not in roles or not {"words", "text"} & set(roles):
        missing = "labels" if "labels" not in roles else "words"
        raise DataError(
            f"none of the .csd files holds the {missing}",
            where=str(findings.file),
            fix="put the sequences of one dataset in one folder: timestamped words, labels, one acoustic and "
            f"one visual; here are {', '.join(each.path.name for each in opened)}",
        )
    for role in ("audio", "vision"):
        if role not in roles:
            findings.at(key=role).warning(f"no .csd file for {role}")
    return roles


def _shared(roles: Mapping[str, ComputationalSequence], findings: Findings) -> set[str]:
    """Videos that are in every sequence; the SDK leaves the others out, too."""
    everywhere = set.intersection(*(set(each.videos) for each in roles.values()))
    labelled = set(roles["labels"].videos)
    if labelled - everywhere:
        findings.at().warning(
            f"{len(labelled - everywhere)} labelled videos are not in every sequence and are left out, "
            f"first {min(labelled - everywhere)}"
        )
    return everywhere & labelled


def _segments(
    roles: Mapping[str, ComputationalSequence], folds: Folds, videos: set[str], findings: Findings
) -> dict[SplitName, list[_Segment]]:
    segments: dict[SplitName, list[_Segment]] = {}
    columns = roles["labels"].width
    if columns > 1:
        findings.at(key="labels").note(f"labels of {columns} columns, of which the first is used")
    total = 0
    for name in SPLITS:
        found: list[_Segment] = []
        silent = 0
        for video in folds.videos[name]:
            if video not in videos:
                continue
            for segment in _of_video(video, roles):
                total += len(segment.spans)
                if len(segment.spans):
                    found.append(segment)
                else:
                    silent += 1
        if total > _WORDS:
            raise DataError(f"refused: more than {_WORDS} words", where=str(findings.file))
        if silent:
            findings.at(name).warning(f"{silent} labelled segments hold no word and are left out")
        segments[name] = found
    return segments


def _of_video(video: str, roles: Mapping[str, ComputationalSequence]) -> Iterator[_Segment]:
    """The labelled segments of a video with the words that they share time with."""
    reference = roles.get("words") or roles["text"]
    spans, features = reference.read(video)
    words = _decoded(features[:, 0]) if "words" in roles else np.full(len(spans), "", dtype=object)
    spoken = (words != _PAUSE) & (spans[:, 1] - spans[:, 0] >= EPSILON)
    words, spans = words[spoken], spans[spoken]
    timeline = Timeline(spans)
    bounds, labels = roles["labels"].read(video)
    for number, (start, end) in enumerate(bounds.tolist()):
        rows = timeline.within(start, end)
        yield _Segment(
            video=video,
            id=f"{video}[{number}]",
            label=float(labels[number, 0]),
            words=tuple(words[rows]) if "words" in roles else (),
            spans=spans[rows],
        )


def _decoded(words: Array) -> Array:
    return np.array([bytes(word).decode("utf-8", errors="replace") for word in words], dtype=object)


def _split(
    name: SplitName,
    segments: list[_Segment],
    roles: Mapping[str, ComputationalSequence],
    longest: int,
    findings: Findings,
) -> Split | None:
    at = findings.at(name)
    if not segments:
        at.error("no labelled segment of this fold is in the files", fix="the files of all folds are needed")
        return None
    findings.ids[name] = ids = [each.id for each in segments]
    checks.unique(ids, at)
    labels = np.array([each.label for each in segments], np.float32)
    checks.defined(labels, findings.at(name, "labels"))
    cut = sum(len(each.spans) > longest for each in segments)
    if cut:
        at.note(f"of {cut} segments the first {longest} words are kept")
    frames = {
        role: _gather(segments, roles[role], longest, findings.at(name, role)).values
        for role in ("audio", "vision", "text")
        if role in roles
    }
    frames = {
        role: checks.finite(values, findings.at(name, role), mend=role == "audio")
        for role, values in frames.items()
    }
    lengths = np.array([min(len(each.spans), longest) for each in segments], np.int32)
    nothing, ones = absent(len(segments))
    words = tuple(each.words for each in segments) if "words" in roles else None
    return Split(
        name=name,
        ids=np.array(ids, dtype=np.str_),
        labels=labels,
        audio=frames.get("audio", nothing),
        audio_lengths=lengths if "audio" in frames else ones,
        vision=frames.get("vision", nothing),
        vision_lengths=lengths.copy() if "vision" in frames else ones,
        text_features=frames.get("text"),
        raw_text=None if words is None else tuple(" ".join(each) for each in words),
        words=None if words is None else tuple(each[:longest] for each in words),
    )


def _gather(segments: list[_Segment], sequence: ComputationalSequence, longest: int, at: Place) -> Frames:
    """Features averaged over the words of each segment, (N, longest, d); one video is read at a time."""
    frames = Frames(len(segments), longest, sequence.width)
    empty, total, video = 0, 0, ""
    for row, segment in enumerate(segments):
        if segment.video != video:
            video = segment.video
            intervals, features = sequence.read(video)
        spans = segment.spans[:longest]
        values, missing = average(intervals, features, spans)
        frames.put(row, values)
        empty += missing
        total += len(spans)
    if empty:
        at.note(f"{empty} of {total} words have no frame and get zeros")
    return frames


LAYOUT = Layout(
    name="csd",
    title="CMU-MultimodalSDK's computational sequences",
    structure="a folder of .csd files (HDF5: <root name>/data/<video>/features and intervals) with the "
    "timestamped words, the labels, an acoustic and a visual sequence.",
    recognise=_recognise,
    read=_read,
    parts=_parts,
)
