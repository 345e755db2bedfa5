"""Writes the joined study: each record once, the plan, the frozen settings, the searches."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from msabench.engines.job import log_path
from msabench.errors import SpecError
from msabench.merge.source import Source, cell, digest
from msabench.records import RecordError, Store
from msabench.search.ledger import FOLDER, write_ledgers
from msabench.study import StudySpec, write_plan


def join(made: Path, name: str, sources: Sequence[Source]) -> None:
    """Write the joined study into an empty folder; its parts must be found `compatible` before.

    Parameters
    ----------
    name
        What the joined study is called in its frozen settings.

    Raises
    ------
    SpecError
        If a record is changed by another process meanwhile.
    """
    _copy_runs(made, sources)
    if trials := [source.trials for source in sources if source.trials]:
        _copy_runs(made / FOLDER, trials)
        write_ledgers(made, [each for source in sources for each in source.ledgers])
        if any((trial.folder / "optuna.journal").exists() for trial in trials):
            from msabench.search import optuna_journal  # takes a second to load

            optuna_journal.join(made / FOLDER, [trial.folder for trial in trials])
    write_plan(made, _plan(sources))
    if studies := [source.study for source in sources if source.study]:
        (made / "study.toml").write_text(_study(name, studies).to_toml(), encoding="utf-8")


def _plan(sources: Sequence[Source]) -> dict[str, Mapping[str, Any]]:
    """The planned runs by key, but for those that the record of a newer version has met."""
    recorded = {cell(r.spec): key for source in sources for key, r in source.runs.items()}
    lines: dict[str, Mapping[str, Any]] = {}
    for source in sources:
        for key, line in source.planned.items():
            quad = (line["row"], line["dataset"], line["seed"], line.get("track", "paper"))
            if recorded.get(quad, key) == key:
                lines[key] = line
    return lines


def _study(name: str, studies: Sequence[StudySpec]) -> StudySpec:
    """Frozen settings of the whole: of what differs, everything in the order that it was given in."""
    return replace(
        studies[0],
        name=name,
        methods=tuple(dict.fromkeys(each for study in studies for each in study.methods)),
        datasets=tuple(dict.fromkeys(each for study in studies for each in study.datasets)),
        seeds=tuple(dict.fromkeys(each for study in studies for each in study.seeds)),
        tracks=tuple(dict.fromkeys(each for study in studies for each in study.tracks)),
        search=next((study.search for study in studies if study.search), None),
        files={k: v for study in reversed(studies) for k, v in study.files.items()},
    )


def _copy_runs(made: Path, sources: Sequence[Source]) -> None:
    """Each record once, a finished one before a failed one; truths once."""
    (made / "runs").mkdir(parents=True, exist_ok=True)
    (made / "data").mkdir(exist_ok=True)
    finished = {key for source in sources for key, held in source.digests.items() if held}
    for source in sources:
        for path in sorted((source.folder / "data").glob("*.npz")):
            if not (made / "data" / path.name).exists():
                shutil.copy2(path, made / "data" / path.name)
    for source in sources:
        for key, held in source.digests.items():
            if not (made / "runs" / key).exists() and (key not in finished or held):
                _copy_run(made, source, key)


def _copy_run(made: Path, source: Source, key: str) -> None:
    """Copy a record, and see that it is the one that was read: its study may be carried out meanwhile."""
    target = made / "runs" / key
    target.mkdir()
    with suppress(FileNotFoundError, RecordError):
        for path in (source.folder / "runs" / key).iterdir():
            shutil.copy2(path, target / path.name)
        if (printed := log_path(source.folder, key)).is_file():
            log_path(made, key).parent.mkdir(exist_ok=True)
            shutil.copy2(printed, log_path(made, key))
        if digest(Store(made).get(key)) == source.digests[key]:
            return
    raise SpecError(
        f"run {key} changed while it was copied",
        where=str(source.folder),
        fix="another process works on this study: wait for it, and merge again",
    )
