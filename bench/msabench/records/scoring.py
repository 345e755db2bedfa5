"""Scores of records under a convention and a selection, each worked out once.

What was scored is kept per convention and selection in the study's index. A score holds for one content of
`run.json`, predictions and truths, for one rule (`as-published` stands for another one when a card changes),
and for one state of the code (`derived.code`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from msabench.metrics import convention_named
from msabench.records import derived
from msabench.records.crew import spread
from msabench.records.index import FOLDER, Entry, Index, settled
from msabench.records.reading import RecordError, Signature, read_record
from msabench.run import RunRecord
from msabench.selection import Reading
from msabench.selection.table import bound


class Wanted(NamedTuple):
    """How a record is to be scored."""

    convention: str
    selection: str


class Scored(NamedTuple):
    """Figures of one record in the order of the convention's."""

    values: list[float]
    """Fractions; nan where undefined"""
    epochs: list[int]
    """From 1; 0 where the rule could choose none"""


Stamp = list[Any]
"""What a score holds for: signatures of the files, and the rule"""


def scores(
    study: Path, index: Index, records: Mapping[str, RunRecord], wanted: Mapping[str, Sequence[Wanted]]
) -> dict[Wanted, dict[str, Scored]]:
    """Score records, each read at most once.

    Parameters
    ----------
    records
        What the index told of each, by key, when its entries were last asked for.
    wanted
        Key to what is asked of it.

    Raises
    ------
    RecordError
        At a damaged record; what was scored before it is kept.
    MsabenchError
        If a rule does not suit a convention, or a record.
    """
    entries = index.found()
    tables = {
        each: _Table(study, each) for each in dict.fromkeys(w for asked in wanted.values() for w in asked)
    }
    found: dict[Wanted, dict[str, Scored]] = {each: {} for each in tables}
    sound: list[tuple[str, Signature]] = []
    truths = _TruthsOf(index)
    rules = _Rules()
    open_: dict[str, list[tuple[Wanted, Stamp]]] = {}
    for key, asked in wanted.items():
        files = truths.of(entries[key])
        for each in asked:
            stamp = _stamp(entries[key], files, rules.text(each.selection, records[key]))
            held = tables[each].held(key, stamp)
            if held is None:
                open_.setdefault(key, []).append((each, stamp))
            else:
                found[each][key] = held
    read = time.time_ns()
    calls = [(study, key, [each for each, _ in asked]) for key, asked in open_.items()]
    try:
        for (key, ways), made in zip(open_.items(), spread(score_record, calls), strict=True):
            files = truths.of(entries[key])
            lasting = entries[key].settled and files is not None and settled(files, read)
            if lasting and files is not None:
                sound.append((key, files))
            for (each, stamp), score in zip(ways, made, strict=True):
                found[each][key] = score
                if lasting:
                    tables[each].put(key, stamp, score)
    finally:
        for table in tables.values():
            table.save()
        index.mark_sound(sound)
    return found


def score_record(study: Path, key: str, wanted: Sequence[Wanted]) -> list[Scored]:
    """Read a record and score it in every way that is wanted."""
    record = read_record(study, key)
    readings = {name: Reading(record, name) for name in dict.fromkeys(each.convention for each in wanted)}
    made = []
    for convention, selection in wanted:
        figures = readings[convention].scored(selection).values()
        made.append(Scored([each.value for each in figures], [each.epoch for each in figures]))
    return made


class _Table:
    """Scores under one convention and selection, of any number of records."""

    def __init__(self, study: Path, wanted: Wanted) -> None:
        self._path = study / FOLDER / f"{quote(wanted.convention, '')}--{quote(wanted.selection, '')}.json"
        self._figures = len(convention_named(wanted.convention).figures)
        self._records: dict[str, list[Any]] = derived.load(self._path).get("records", {})
        self._changed = False

    def held(self, key: str, stamp: Stamp) -> Scored | None:
        kept = self._records.get(key)
        if kept is None or kept[0] != stamp or len(kept[1]) != self._figures:
            return None
        return Scored(kept[1], kept[2])

    def put(self, key: str, stamp: Stamp, score: Scored) -> None:
        self._records[key] = [stamp, *score]
        self._changed = True

    def save(self) -> None:
        if self._changed:
            derived.save(self._path, {"records": self._records})


class _TruthsOf:
    """Signatures of truths, looked up once for each of their files."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._known: dict[tuple[str, str], Signature | None] = {}

    def of(self, entry: Entry) -> Signature | None:
        if entry.summary is None:
            return None
        name = entry.summary["spec"]["dataset"], entry.summary["truths_hash"]
        if name not in self._known:
            self._known[name] = self._index.truths(entry)
        return self._known[name]


class _Rules:
    """What a selection comes to for a run, as text."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], str] = {}

    def text(self, selection: str, record: RunRecord) -> str:
        if selection.strip() != "as-published" or record.chosen_outside:  # which has one epoch under any rule
            return selection
        spec = record.spec
        name = (spec.method, spec.dataset, spec.settings if spec.external else "")
        if name not in self._known:
            rule = bound(selection, spec)
            self._known[name] = f"{rule.selection.name} {getattr(rule.pick, 'keywords', {})}"
        return self._known[name]


def _stamp(entry: Entry, truths: Signature | None, rule: str) -> Stamp:
    return [*entry.run, *(entry.predictions or ()), *(truths or ()), rule]


def check_all(study: Path, index: Index) -> dict[str, str]:
    """Keys of records that cannot be read, or do not fit their truths, and why."""
    problems: dict[str, str] = {}
    sound: list[tuple[str, Signature]] = []
    truths = _TruthsOf(index)
    for key, entry in index.entries().items():
        files, read = truths.of(entry), time.time_ns()
        if entry.settled and files is not None and entry.sound == files:
            continue
        try:
            read_record(study, key)
        except RecordError as error:
            problems[key] = error.what
        else:
            if entry.settled and files is not None and settled(files, read):
                sound.append((key, files))
    index.mark_sound(sound)
    folders = (study / "runs").glob("[!.]*")
    problems |= {f.name: "its run.json is gone" for f in folders if not (f / "run.json").exists()}
    return problems
