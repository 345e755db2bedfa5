"""Joins studies from several machines into a new one, or says why their runs cannot stand together."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from msabench.errors import SpecError, write_errors
from msabench.records import RecordError, Store
from msabench.run import RunRecord, RunSpec
from msabench.search import Ledger, read_ledgers
from msabench.search.ledger import FOLDER, write_ledgers
from msabench.study import StudySpec, plan_line, read_study, write_plan

SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Source:
    """One study, read whole: a damaged record is an error here, before anything is written."""

    folder: Path
    study: StudySpec | None
    planned: Mapping[str, Mapping[str, Any]]
    runs: Mapping[str, RunRecord]
    """Key to record, without arrays"""
    digests: Mapping[str, str]
    """Key to the hash of its predictions; empty for a failure"""
    trials: Source | None
    ledgers: Sequence[Ledger]
    left: int
    """Superseded records, which stay behind"""


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What a merge made."""

    folder: Path
    runs: int
    duplicates: int
    """Runs that several studies had, alike"""
    notes: tuple[str, ...] = field(default=())


def read_source(folder: Path) -> Source:
    """Read a study.

    Raises
    ------
    SpecError
        If the folder holds no study.
    RecordError
        If a record is damaged.
    """
    store = Store(folder)
    planned = store.planned()
    if not store.keys() and not planned:
        raise SpecError("there is no study here", where=str(folder), fix="msabench status lists studies")
    left, held = set(store.superseded()), store.keys()
    runs, digests = {}, {}
    for key in (each for each in held if each not in left):
        record = store.get(key)
        digests[key] = _digest(record)
        none = record.valid_predictions[:0]
        runs[key] = replace(record, valid_predictions=none, test_predictions=none, truths=None)
    frozen = folder / "study.toml"
    return Source(
        folder=folder,
        study=read_study(frozen) if frozen.exists() else None,
        planned=planned or {key: plan_line(record.spec) for key, record in runs.items()},
        runs=runs,
        digests=digests,
        trials=read_source(folder / FOLDER) if (folder / FOLDER / "runs").is_dir() else None,
        ledgers=read_ledgers(folder),
        left=len(left),
    )


def _digest(record: RunRecord) -> str:
    """Hash of a run's predictions; empty for a failure."""
    if record.status != "finished":
        return ""
    whole = hashlib.sha256()
    for array in (record.valid_predictions, record.test_predictions):
        whole.update(str(array.shape).encode() + array.tobytes())
    return whole.hexdigest()


def merge(out: Path, folders: Sequence[Path]) -> Merged:
    """Join studies into a new folder, which is there whole or not at all; the sources are only read.

    Raises
    ------
    SpecError
        If there are fewer than two studies, the folder exists, their runs could not be compared (every
        reason is named), or a source changed meanwhile.
    RecordError
        If a record of a source is damaged.
    WriteError
        If the disk refuses.
    """
    if len({folder.resolve() for folder in folders}) < 2:
        raise SpecError("a merge joins two studies or more", fix="msabench merge OUT STUDY_A STUDY_B")
    if out.exists():
        raise SpecError(
            "the folder of the joined study exists already", where=str(out), fix="give another name"
        )
    sources = [read_source(folder) for folder in folders]
    if reasons := incompatible(sources):
        more = f"\n  - and {len(reasons) - SHOWN} more" if len(reasons) > SHOWN else ""
        listed = "".join(f"\n  - {reason}" for reason in reasons[:SHOWN])
        raise SpecError(f"these studies cannot be joined:{listed}{more}")
    with write_errors(out.parent):
        out.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(out.parent / f".{out.name}.merging.lock"):
            made = out.parent / f".{out.name}.merging"
            shutil.rmtree(made, ignore_errors=True)  # of a merge that was cut short
            _join(made, out.name, sources)
            made.rename(out)
    total = {key for source in sources for key in source.runs}
    return Merged(
        folder=out,
        runs=len(total),
        duplicates=sum(len(source.runs) for source in sources) - len(total),
        notes=tuple(_notes(sources)),
    )


def incompatible(sources: Sequence[Source]) -> list[str]:
    """Why studies cannot be joined, one sentence a reason; empty if they can."""
    reasons = _differing_conditions(sources)
    pools = [sources, [source.trials for source in sources if source.trials]]
    for pool in pools:
        reasons += _differing_facts([source for source in pool if source])
        reasons += _differing_runs([source for source in pool if source])
    ledgers: dict[tuple[str, str], Ledger] = {}
    for source in sources:
        for each in source.ledgers:
            held = ledgers.setdefault((each.row, each.dataset), each)
            if replace(held, seconds=0.0) != replace(each, seconds=0.0):
                reasons.append(f"the search of {each.row} on {each.dataset} spent or chose otherwise")
    return list(dict.fromkeys(reasons))


def _differing_conditions(sources: Sequence[Source]) -> list[str]:
    held: dict[str, tuple[Any, str]] = {}
    reasons = []
    for source in sources:
        for name, value in source.study.conditions.items() if source.study else ():
            first, where = held.setdefault(name, (value, source.folder.name))
            if first != value:
                reasons.append(f"{name} is {first} in {where}, but {value} in {source.folder.name}")
    return reasons


def _differing_facts(sources: Sequence[Source]) -> list[str]:
    """What runs of one dataset, method or row must share."""
    facts: list[
        tuple[str, Callable[[RunRecord], tuple[object, ...]], Callable[[RunRecord], object], bool]
    ] = [
        ("data", lambda r: (r.spec.dataset,), lambda r: (r.spec.data_kind, r.spec.data_hash[:12]), True),
        ("truths", lambda r: (r.spec.dataset,), lambda r: r.truths_hash[:12], True),
        ("text encoder", lambda r: (r.spec.dataset,), lambda r: r.spec.text_encoder, False),
        ("method version", lambda r: (r.spec.method,), lambda r: r.spec.method_version, False),
        ("budget", lambda r: ("all runs",), lambda r: str(r.spec.budget), False),
    ]
    reasons = []
    for what, where, value, external in facts:
        held: dict[tuple[object, ...], tuple[object, str]] = {}
        for source in sources:
            for record in source.runs.values():
                if record.spec.external and not external:
                    continue
                place = where(record)
                first, name = held.setdefault(place, (value(record), source.folder.name))
                if first != value(record):
                    reasons.append(
                        f"{what} of {' '.join(map(str, place))}: {first} in {name}, "
                        f"but {value(record)} in {source.folder.name}"
                    )
    return reasons


def _differing_runs(sources: Sequence[Source]) -> list[str]:
    """One run with two results, and one seed of a row with two settings."""
    reasons = []
    results: dict[str, tuple[str, str]] = {}
    settings: dict[tuple[object, ...], tuple[str, str]] = {}
    for source in sources:
        name = source.folder.name
        for key, record in source.runs.items():
            said = f"{record.spec.row} on {record.spec.dataset} seed {record.spec.seed}"
            digest = source.digests[key]
            first, where = results.setdefault(key, (digest, name))
            if first and digest and first != digest:
                reasons.append(
                    f"the same run gave other predictions: {said} ({key}) in {where} and {name}: "
                    "training is not deterministic across them"
                )
            if record.spec.track != "trial":
                held, where = settings.setdefault(_cell(record.spec), (key, name))
                if held != key:
                    reasons.append(f"{said} is of other settings in {where} ({held}) than in {name} ({key})")
    return reasons


def _join(made: Path, name: str, sources: Sequence[Source]) -> None:
    _copy_runs(made, sources)
    if trials := [source.trials for source in sources if source.trials]:
        _copy_runs(made / FOLDER, trials)
        write_ledgers(made, [each for source in sources for each in source.ledgers])
        if any((trial.folder / "optuna.journal").exists() for trial in trials):
            from msabench.search import optuna_journal  # takes a second to load

            optuna_journal.join(made / FOLDER, [trial.folder for trial in trials])
    recorded = {_cell(r.spec): key for source in sources for key, r in source.runs.items()}
    lines: dict[str, Mapping[str, Any]] = {}
    for source in sources:
        for key, line in source.planned.items():
            quad = (line["row"], line["dataset"], line["seed"], line.get("track", "paper"))
            if recorded.get(quad, key) == key:  # a plan of an older version is met by the record of a newer
                lines[key] = line
    write_plan(made, lines)
    studies = [source.study for source in sources if source.study]
    if studies:
        first = studies[0]
        joined = replace(
            first,
            name=name,
            methods=tuple(dict.fromkeys(each for study in studies for each in study.methods)),
            datasets=tuple(dict.fromkeys(each for study in studies for each in study.datasets)),
            seeds=tuple(dict.fromkeys(each for study in studies for each in study.seeds)),
            tracks=tuple(dict.fromkeys(each for study in studies for each in study.tracks)),
            search=next((study.search for study in studies if study.search), None),
            files={k: v for study in reversed(studies) for k, v in study.files.items()},
        )
        (made / "study.toml").write_text(joined.to_toml(), encoding="utf-8")


def _cell(spec: RunSpec) -> tuple[object, ...]:
    """What makes two runs the same cell and seed of a table."""
    return tuple(plan_line(spec).values())


def _copy_runs(made: Path, sources: Sequence[Source]) -> None:
    """Each record once, a finished one before a failed one; truths once."""
    (made / "runs").mkdir(parents=True, exist_ok=True)
    (made / "data").mkdir(exist_ok=True)
    finished = {key for source in sources for key, digest in source.digests.items() if digest}
    for source in sources:
        for path in sorted((source.folder / "data").glob("*.npz")):
            if not (made / "data" / path.name).exists():
                shutil.copy2(path, made / "data" / path.name)
    for source in sources:
        for key, digest in source.digests.items():
            if not (made / "runs" / key).exists() and (key not in finished or digest):
                _copy_run(made, source, key)


def _copy_run(made: Path, source: Source, key: str) -> None:
    """Copy a record, and see that it is the one that was read: its study may be carried out meanwhile."""
    target = made / "runs" / key
    target.mkdir()
    with suppress(FileNotFoundError, RecordError):
        for path in (source.folder / "runs" / key).iterdir():
            shutil.copy2(path, target / path.name)
        if _digest(Store(made).get(key)) == source.digests[key]:
            return
    raise SpecError(
        f"run {key} changed while it was copied",
        where=str(source.folder),
        fix="another process works on this study: wait for it, and merge again",
    )


def _notes(sources: Sequence[Source]) -> list[str]:
    """What differs and does no harm."""
    notes = [
        f"{source.left} superseded records of {source.folder.name} are left behind"
        for source in sources
        if source.left
    ]
    values: dict[str, dict[str, list[str]]] = {}
    for source in sources:
        for record in source.runs.values():
            for name, value in record.environment.items() if not record.spec.external else ():
                names = values.setdefault(name, {}).setdefault(str(value), [])
                if source.folder.name not in names:
                    names.append(source.folder.name)
    for name, held in values.items():
        if len(held) > 1:
            said = "; ".join(f"{value} in {', '.join(where)}" for value, where in list(held.items())[:SHOWN])
            notes.append(f"environments differ: {name}: {said}")
    return notes
