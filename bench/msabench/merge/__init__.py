"""Joins studies from several machines into a new one, or says why their runs cannot stand together."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock

from msabench.errors import SpecError, write_errors
from msabench.merge.compatible import incompatible
from msabench.merge.joining import join
from msabench.merge.source import Source, read_source

SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What a merge made."""

    folder: Path
    runs: int
    duplicates: int
    """Runs that several studies had, alike"""
    notes: tuple[str, ...] = field(default=())


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
    places = list({folder.resolve(): folder for folder in folders}.values())
    if len(places) < 2:
        raise SpecError("a merge joins two studies or more", fix="msabench merge OUT STUDY_A STUDY_B")
    _must_be_free(out)
    sources = [read_source(folder) for folder in places]
    if reasons := incompatible(sources):
        more = f"\n  - and {len(reasons) - SHOWN} more" if len(reasons) > SHOWN else ""
        listed = "".join(f"\n  - {reason}" for reason in reasons[:SHOWN])
        raise SpecError(
            f"these studies cannot be joined:{listed}{more}",
            fix="make the runs of one of them again as the other's were made; "
            "msabench site STUDY_A STUDY_B shows them beside each other as they are",
        )
    with write_errors(out.parent):
        out.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(out.parent / f".{out.name}.merging.lock"):
            _must_be_free(out)  # of another merge that was waited for
            made = out.parent / f".{out.name}.merging"
            shutil.rmtree(made, ignore_errors=True)  # of a merge that was cut short
            try:
                join(made, out.name, sources)
                made.rename(out)
            except BaseException:
                shutil.rmtree(made, ignore_errors=True)
                raise
    total = {key for source in sources for key in source.runs}
    return Merged(
        folder=out,
        runs=len(total),
        duplicates=sum(len(source.runs) for source in sources) - len(total),
        notes=tuple(_notes(sources)),
    )


def _must_be_free(out: Path) -> None:
    if out.exists():
        raise SpecError(
            "the folder of the joined study exists already", where=str(out), fix="give another name"
        )


def _notes(sources: Sequence[Source]) -> list[str]:
    """What differs and does no harm."""
    notes = [
        f"{source.left} superseded records of {source.folder.name} are left behind"
        for source in sources
        if source.left
    ]
    notes += [
        f"{source.unfinished} unfinished runs of {source.folder.name} begin anew here: checkpoints stay there"
        for source in sources
        if source.unfinished
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
