"""Reader for CHERMA: a JSON file of labels per split, and a folder of .npy features per modality.

    train.json, dev.json, test.json       a list of objects: audio_file, txt_label, audio_label, ...
    text/<split>/<name>.npy               (80, 1024)
    audio/<split>/<name>.npy              (T, 1024)
    visual/<split>/<name>.mp4.npy         (16, 2048)

The layout is that of https://github.com/sunjunaimer/LFMIM, whose loader takes <name> from `audio_file`
without its `.wav`; `video_label` is the label of the whole. Lengths are cut as there: text 80, audio 50,
vision 16.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from msabench.arrays import map_npy
from msabench.data import checks
from msabench.data.findings import Findings, Place
from msabench.data.layouts.base import Layout, Match, Options, Peek
from msabench.data.layouts.frames import Frames, matrix
from msabench.data.layouts.plain_json import load_json
from msabench.data.types import SPLITS, Split, SplitName
from msabench.errors import DataError
from msabench.run import Array

_STAGES: Mapping[SplitName, tuple[str, ...]] = {
    "train": ("train",),
    "valid": ("dev", "valid", "val"),
    "test": ("test",),
}
_FOLDERS = {
    "text": ("text", ".npy", 80),
    "audio": ("audio", ".npy", 50),
    "vision": ("visual", ".mp4.npy", 16),
}
"""Folder, ending and longest sequence by modality"""
_LABELS = {"": "video_label", "text": "txt_label", "audio": "audio_label", "vision": "visual_label"}
_TEXTS = ("txt", "text")
_CLASSES = (
    ("愤怒", "anger"),
    ("厌恶", "disgust"),
    ("恐惧", "fear"),
    ("高兴", "happy"),
    ("平静", "neutral"),
    ("悲伤", "sad"),
    ("惊奇", "surprise"),
)
"""In the order in which LFMIM and R3DG number them"""
_NUMBERS = {word: number for number, words in enumerate(_CLASSES) for word in words}
_PATIENCE = 20
"""Samples with an error after which a split is given up"""
Entry = dict[str, object]


def _root(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _stage(root: Path, name: SplitName) -> str | None:
    return next((stage for stage in _STAGES[name] if (root / f"{stage}.json").is_file()), None)


def _recognise(peek: Peek) -> Match:
    if peek.format not in ("folder", "json"):
        return Match(score=0)
    root = _root(peek.path)
    stages = [stage for name in SPLITS if (stage := _stage(root, name))]
    if not stages or (peek.format == "json" and peek.path.stem not in stages):
        return Match(score=0)
    missing = [folder for folder, _, _ in _FOLDERS.values() if not (root / folder).is_dir()]
    if missing:
        return Match(score=0.4, differs=f"the folders {', '.join(missing)} are not beside the JSON files")
    return Match(score=1)


def _parts(path: Path) -> tuple[Path, ...]:
    root = _root(path)
    stages = [stage for name in SPLITS if (stage := _stage(root, name))]
    arrays = (
        file
        for folder, _, _ in _FOLDERS.values()
        for stage in stages
        for file in sorted((root / folder / stage).glob("*.npy"))
    )
    return (*(root / f"{stage}.json" for stage in stages), *arrays)


def _read(peek: Peek, findings: Findings, options: Options) -> Iterator[Split]:
    root = _root(peek.path)
    for name in SPLITS:
        stage = _stage(root, name)
        if stage is None:
            findings.at(name).error(
                f"there is no {' or '.join(f'{each}.json' for each in _STAGES[name])}",
                fix="put the JSON files of all three splits in one folder",
            )
            continue
        before = findings.errors
        split = _split(root, name, stage, findings)
        if split is not None and findings.errors == before:
            yield split
        del split  # before the next one is built


def _split(root: Path, name: SplitName, stage: str, findings: Findings) -> Split | None:
    at = findings.at(name, f"{stage}.json")
    before = findings.errors
    entries = _entries(root / f"{stage}.json", at)
    names = _names(entries, at)
    findings.ids[name] = names
    checks.unique(names, at)
    labels = {modality: _labels(entries, key, at) for modality, key in _LABELS.items()}
    if not entries or findings.errors > before:
        return None
    frames: dict[str, Frames] = {}
    for modality, (folder, ending, longest) in _FOLDERS.items():
        paths = [root / folder / stage / f"{each}{ending}" for each in names]
        gathered = _gather(paths, longest, findings.at(name, f"{folder}/{stage}"))
        if gathered is None:
            return None
        gathered.values = checks.finite(
            gathered.values, findings.at(name, f"{folder}/{stage}"), mend=modality == "audio"
        )
        frames[modality] = gathered
    return Split(
        name=name,
        ids=np.array(names, dtype=np.str_),
        labels=labels.pop(""),
        audio=frames["audio"].values,
        audio_lengths=frames["audio"].lengths,
        vision=frames["vision"].values,
        vision_lengths=frames["vision"].lengths,
        text_features=frames["text"].values,
        raw_text=_texts(entries),
        unimodal_labels=labels,
    )


def _entries(path: Path, at: Place) -> list[Entry]:
    try:
        content = load_json(path)
    except DataError as error:
        at.error(error.what, fix=error.fix)
        return []
    if not isinstance(content, list) or not content:
        at.error("holds no list of samples", fix="see the layout: a list of one object per sample")
        return []
    for row, entry in enumerate(content):
        if not isinstance(entry, dict):
            at.error(f"is a {type(entry).__name__}, expected an object", row=row, fix="correct the entry")
            return []
    return content


def _names(entries: list[Entry], at: Place) -> list[str]:
    names: list[str] = []
    for row, entry in enumerate(entries):
        stored = entry.get("audio_file")
        if not isinstance(stored, str) or not stored:
            at.error("'audio_file' is missing or no string", row=row, fix="it names the sample's files")
            return []
        # a name that is a path could lead anywhere on this machine
        if any(each in stored for each in "/\\") or not stored.isprintable() or len(stored) > 200:
            at.error(
                f"refused: 'audio_file' is {stored!r:.80}, which is no plain file name",
                row=row,
                fix="name the file alone; features are looked for in text/, audio/ and visual/",
            )
            return []
        names.append(stored.removesuffix(".wav"))
    return names


def _labels(entries: list[Entry], key: str, at: Place) -> Array:
    numbers = np.zeros(len(entries), np.float32)
    for row, entry in enumerate(entries):
        word = entry.get(key)
        if isinstance(word, str) and word.strip().lower() in _NUMBERS:
            numbers[row] = _NUMBERS[word.strip().lower()]
            continue
        near = difflib.get_close_matches(str(word), _NUMBERS, n=1)
        known = ", ".join(f"{chinese} ({english})" for chinese, english in _CLASSES)
        held = "is missing" if word is None else f"is {word!r:.40}, which is no class"
        at.error(
            f"'{key}' {held}{f'; did you mean {near[0]!r}?' if near else ''}",
            row=row,
            fix=f"the classes are {known}",
        )
        break
    return numbers


def _texts(entries: list[Entry]) -> tuple[str, ...] | None:
    for key in _TEXTS:
        texts = [entry.get(key) for entry in entries]
        if all(isinstance(text, str) for text in texts):
            # JSON can say half a surrogate pair, which is no text
            return tuple(str(text).encode("utf-8", "replace").decode() for text in texts)
    return None


def _gather(paths: list[Path], longest: int, at: Place) -> Frames | None:
    """The arrays of all samples as (N, longest, d); None once an error is reported."""
    frames: Frames | None = None
    cut, faults = 0, 0
    for row, path in enumerate(paths):
        stored = _npy(path, at, row)
        width = frames.values.shape[2] if frames else None
        array = None if stored is None else matrix(stored[:longest], at, row, width, f"{path.name}: ")
        if stored is None or array is None:
            faults += 1
            if faults == _PATIENCE:
                break
            continue
        frames = frames or Frames(len(paths), longest, array.shape[1])
        frames.put(row, array)
        cut += len(stored) > longest
    if frames:
        frames.finish()
    if cut:
        at.note(f"{cut} sequences are longer than {longest} frames and are cut")
    return None if faults else frames


def _npy(path: Path, at: Place, row: int) -> Array | None:
    """A mapped .npy file: its header is held against the file's size before any memory is taken."""
    if not path.is_file():
        at.error(f"there is no file {path.name}", row=row, fix="unpack the features again; some are missing")
        return None
    try:
        array = map_npy(path)
    except DataError as error:
        at.error(f"{path.name}: {error.what}", row=row, fix="unpack the features again")
        return None
    if not array.ndim:
        at.error(f"{path.name} holds one value, expected (frames, features)", row=row, fix="unpack it again")
        return None
    return array[0] if array.ndim == 3 and array.shape[0] == 1 else array


LAYOUT = Layout(
    name="cherma",
    title="CHERMA's JSON and feature folders",
    structure="a folder with train.json, dev.json and test.json (each a list of objects with audio_file, "
    "txt_label, audio_label, visual_label, video_label), and text/, audio/, visual/ with a .npy per sample.",
    recognise=_recognise,
    read=_read,
    parts=_parts,
)
