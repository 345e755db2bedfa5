"""Reader for plain CSV: id, split, text and label, for datasets of text alone.

One file with a column for the split, or three whose names differ by train, dev (or valid) and test, such as
MELD's train_sent_emo.csv. Columns go by several names (`_NAMES`), among them those of MMSA's label.csv.
Labels are numbers, or words that the dataset's card numbers.
"""

from __future__ import annotations

import difflib
import math
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from msabench.data import cards, checks
from msabench.data.findings import Finding, Findings, Place
from msabench.data.layouts.base import Layout, Match, Options, Peek
from msabench.data.layouts.frames import absent
from msabench.data.layouts.table_file import Sheet, header, read_sheet
from msabench.data.types import SPLITS, Split, SplitName
from msabench.errors import DataError, SpecError
from msabench.run import Array

_NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "sample_id", "utt_id", "uid", "segment"),
    "split": ("split", "mode", "set", "fold", "partition"),
    "text": ("text", "utterance", "raw_text", "sentence", "transcript"),
    "label": ("label", "labels", "regression_label", "score", "sentiment", "emotion", "class"),
}
_PAIRS = (("video_id", "clip_id", "{}$_${}"), ("dialogue_id", "utterance_id", "dia{}_utt{}"))
"""Columns that make an id together, and how"""
_UNIMODAL = {"text": "label_t", "audio": "label_a", "vision": "label_v"}
_SPLITS: Mapping[str, SplitName] = {
    "train": "train",
    "training": "train",
    "dev": "valid",
    "val": "valid",
    "valid": "valid",
    "validation": "valid",
    "test": "test",
    "testing": "test",
}
_IN_NAME = re.compile(r"(?<![a-z])(training|train|validation|valid|val|dev|testing|test)(?![a-z])")
_PROBE = 200
"""Rows by which a column is judged"""
_PATIENCE = 20
"""Errors of one kind after which a split is given up"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    id: str
    text: str
    columns: tuple[str, ...]
    """With labels; one tuple for all rows of a file"""
    labels: tuple[str, ...]
    """One for each of them"""
    file: str
    line: int

    def label(self, column: str) -> str:
        """What is in a column; nothing if the file lacks it."""
        return self.labels[self.columns.index(column)] if column in self.columns else ""

    @property
    def place(self) -> str:
        """File and line, in words."""
        return f"{self.file}, line {self.line}"


def _siblings(path: Path) -> dict[SplitName, Path]:
    """The three files that one of them, or their folder, stands for; empty where there are none."""
    groups: dict[str, dict[SplitName, Path]] = defaultdict(dict)
    folder = path if path.is_dir() else path.parent
    for each in sorted(folder.glob("*.[ct]sv")):
        found = _IN_NAME.search(each.stem.lower())
        if found and each.is_file():
            rest = each.stem.lower()[: found.start()] + "*" + each.stem.lower()[found.end() :] + each.suffix
            groups[rest].setdefault(_SPLITS[found[1]], each)
    whole = [group for group in groups.values() if len(group) == len(SPLITS)]
    if not path.is_dir():
        whole = [group for group in whole if path in group.values()]
    # two sets in one folder: nothing says which is meant
    return whole[0] if len(whole) == 1 else {}


def _parts(path: Path) -> tuple[Path, ...]:
    siblings = _siblings(path)
    return tuple(siblings[name] for name in SPLITS) if siblings else (path,)


def _recognise(peek: Peek) -> Match:
    if peek.format not in ("table", "folder"):
        return Match(score=0)
    siblings = _siblings(peek.path)
    if peek.format == "folder" and not siblings:
        return Match(score=0)
    try:
        columns = header(siblings["train"] if siblings else peek.path)
    except DataError as error:
        return Match(score=0.4, differs=error.what)
    missing = [role for role in ("text", "label") if _column(columns, role) is None]
    if missing:
        held = ", ".join(columns[:12])
        return Match(score=0.3, differs=f"there is no column for {' and '.join(missing)} among {held:.200}")
    if not siblings and _column(columns, "split") is None:
        return Match(score=0.4, differs="there is no column for the split, nor three files that differ by it")
    return Match(score=0.9)


def _column(columns: Sequence[str], role: str) -> str | None:
    return next((name for name in _NAMES[role] if name in columns), None)


def _read(peek: Peek, findings: Findings, options: Options) -> Iterator[Split]:
    try:
        rows = _rows(peek.path, findings)
        names = _class_names(options.dataset)
        column = _label_column(rows, names, findings)
        numbers = _numbers(rows, column, names, findings) if column else None
    except DataError as error:
        if findings.strict:
            raise
        findings.add(Finding(severity="error", what=error.what, file=error.where, fix=error.fix))
        return
    for name in SPLITS:
        at = findings.at(name)
        if not rows[name]:
            at.error(
                "the split has no row",
                fix="the column for the split says train, valid (or dev) and test",
            )
            continue
        before = findings.errors
        findings.ids[name] = ids = [row.id for row in rows[name]]
        checks.unique(ids, at)
        labels = _labels(rows[name], column, numbers, at) if column else np.zeros(0)
        split = _split(name, rows.pop(name), labels, numbers, at)
        if findings.errors == before:
            yield split
        del split  # before the next one is built


def _rows(path: Path, findings: Findings) -> dict[SplitName, list[_Row]]:
    rows: dict[SplitName, list[_Row]] = {name: [] for name in SPLITS}
    siblings = _siblings(path)
    for name, part in siblings.items() or ((None, path),):
        sheet = read_sheet(part)
        if sheet.encoding != "utf-8-sig":
            findings.at().note(f"{part.name} is in {sheet.encoding}, not UTF-8")
        for split, row in _of_sheet(sheet, name, findings):
            rows[split].append(row)
    return rows


def _of_sheet(sheet: Sheet, name: SplitName | None, findings: Findings) -> Iterator[tuple[SplitName, _Row]]:
    columns = {column: place for place, column in enumerate(sheet.header)}
    text, split, id_column = (_column(sheet.header, role) for role in ("text", "split", "id"))
    if text is None:
        raise DataError(
            f"there is no column for the text; the file has {', '.join(sheet.header)}",
            where=str(sheet.path),
            fix=f"name it {_NAMES['text'][0]}",
        )
    if name is None and split is None:
        raise DataError(
            f"there is no column for the split; the file has {', '.join(sheet.header)}",
            where=str(sheet.path),
            fix="name it split, with train, valid and test in it; or make train.csv, dev.csv and test.csv",
        )
    pair = next((each for each in _PAIRS if each[0] in columns and each[1] in columns), None)
    wanted = tuple(each for each in (*_NAMES["label"], *_UNIMODAL.values()) if each in columns)
    if id_column is None and pair is None:
        findings.at().note(f"{sheet.path.name} has no column for the id; lines are counted")
    faults = 0
    for line, cells in sheet.rows:
        which = name or _SPLITS.get(cells[columns[split or ""]].strip().lower())
        if which is None:
            faults += 1
            if faults <= _PATIENCE:
                findings.at(key=split or "").error(
                    f"{sheet.path.name}, line {line}: {cells[columns[split or '']]!r:.40} is no split",
                    fix="write train, valid (or dev) or test",
                )
            continue
        if id_column is not None:
            label = cells[columns[id_column]].strip()
        elif pair is not None:
            label = pair[2].format(cells[columns[pair[0]]].strip(), cells[columns[pair[1]]].strip())
        else:
            label = str(line)
        # numbers that begin anew in each file
        if name is not None and (label.isdigit() or (pair is not None and id_column is None)):
            label = f"{name}/{label}"
        yield (
            which,
            _Row(
                id=label,
                text=cells[columns[text]],
                columns=wanted,
                # classes and scores are few
                labels=tuple(sys.intern(cells[columns[each]].strip()) for each in wanted),
                file=sheet.path.name,
                line=line,
            ),
        )


def _class_names(dataset: str) -> tuple[str, ...]:
    if not dataset:
        return ()
    try:
        return tuple(name.lower() for name in cards.resolve(dataset)[0].class_names)
    except SpecError:
        return ()  # a card that is not registered


def _label_column(
    rows: Mapping[SplitName, list[_Row]], names: Sequence[str], findings: Findings
) -> str | None:
    """The column with the labels: of several the one whose words are the card's classes, or the first."""
    probe = [row for name in SPLITS for row in rows[name][:_PROBE]]
    if not probe:
        return None
    candidates = [each for each in _NAMES["label"] if each in probe[0].columns]
    if not candidates:
        findings.at(key="label").error(
            "there is no column for the labels", fix=f"name it {_NAMES['label'][0]}"
        )
        return None
    chosen = max(candidates, key=lambda each: sum(row.label(each).lower() in names for row in probe))
    others = [each for each in candidates if each != chosen]
    if others:
        findings.at().note(f"labels are taken from '{chosen}'; there are also {', '.join(others)}")
    return chosen


def _numbers(
    rows: Mapping[SplitName, list[_Row]], column: str, names: Sequence[str], findings: Findings
) -> Mapping[str, float] | None:
    """What number a label word stands for; None where labels are numbers."""
    if names:
        return {name: float(number) for number, name in enumerate(names)}
    words = {row.label(column).lower() for name in SPLITS for row in rows[name]} - {""}
    found = sorted(word for word in words if _number(word) is None)[:_PROBE]
    if 2 * len(found) <= len(words):
        return None  # of numbers, a few of which are not
    findings.at(key=column).note(
        "no card says how the classes are numbered; taken in alphabetical order: "
        + ", ".join(f"{word} {number}" for number, word in enumerate(found[:20]))
    )
    return {word: float(number) for number, word in enumerate(found)}


def _number(word: str) -> float | None:
    try:
        number = float(word)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _labels(rows: Sequence[_Row], column: str, numbers: Mapping[str, float] | None, at: Place) -> Array:
    """(N,) float32."""
    labels = np.zeros(len(rows), np.float32)
    faults = 0
    for row, each in enumerate(rows):
        word = each.label(column)
        number = (numbers or {}).get(word.lower(), _number(word))
        if number is not None and (numbers is None or number in numbers.values()):
            labels[row] = number
            continue
        faults += 1
        if faults > _PATIENCE:
            break
        near = difflib.get_close_matches(word.lower(), numbers or (), n=1)
        guess = f"; did you mean '{near[0]}'?" if near else ""
        at.findings.at(at.split, column).error(
            f"{each.place}: label {word!r:.40} is {'no number' if numbers is None else 'no class'}{guess}",
            row=row,
            fix="labels are finite numbers" if numbers is None else f"the classes are {', '.join(numbers)}",
        )
    return labels


def _split(
    name: SplitName, rows: Sequence[_Row], labels: Array, numbers: Mapping[str, float] | None, at: Place
) -> Split:
    silent = [row for row, each in enumerate(rows) if not each.text.strip()]
    if silent:
        at.warning(f"{len(silent)} texts are empty, first {rows[silent[0]].place}", row=silent[0])
    audio, audio_lengths = absent(len(rows))
    vision, vision_lengths = absent(len(rows))
    return Split(
        name=name,
        ids=np.array([each.id for each in rows], dtype=np.str_),
        labels=labels,
        audio=audio,
        audio_lengths=audio_lengths,
        vision=vision,
        vision_lengths=vision_lengths,
        raw_text=tuple(each.text for each in rows),
        unimodal_labels={
            modality: _labels(rows, column, numbers, at)
            for modality, column in _UNIMODAL.items()
            if column in rows[0].columns
        },
    )


LAYOUT = Layout(
    name="table",
    title="a CSV table of texts",
    structure="a CSV file with the columns id, split, text and label, or three that differ in name by train, "
    "dev and test; there is no audio and no video.",
    recognise=_recognise,
    read=_read,
    parts=_parts,
    by_dataset=True,
)
