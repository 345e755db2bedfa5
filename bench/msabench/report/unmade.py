"""What a study plans and has no record of: a row without a single run would else be missing in silence."""

from __future__ import annotations

from collections.abc import Mapping

from msabench.records import Store
from msabench.report.table import Note

MARK, SHOWN = "*", 8


def unmade_notes(store: Store) -> tuple[Note, ...]:
    """Records that cannot be read; how many planned runs each row has no record of, and rows without any."""
    planned, recorded = store.planned(), store.statuses()
    current = [key for key in recorded if not planned or key in planned]
    damaged = [key for key in current if recorded[key] is None]
    runs: dict[tuple[str, str, str], list[bool]] = {}
    for key, line in planned.items():
        name = (str(line["row"]), str(line["dataset"]), str(line.get("track", "paper")))
        runs.setdefault(name, []).append(key in recorded)
    short = [_said(name, made, runs) for name, made in runs.items() if not all(made)]
    notes = []
    if damaged:
        keys = f"{', '.join(damaged[:SHOWN])}{', …' * (len(damaged) > SHOWN)}"
        said = f"Damaged records, in no figure: {keys}; the study's command runs them again."
        notes.append(Note(mark=MARK, text=said))
    if not short:
        return tuple(notes)
    more = f"; and {len(short) - SHOWN} more" if len(short) > SHOWN else ""
    text = f"Planned and not made yet: {'; '.join(short[:SHOWN])}{more}."
    return (*notes, Note(mark=MARK, text=text))


def _said(name: tuple[str, str, str], made: list[bool], runs: Mapping[tuple[str, str, str], object]) -> str:
    row, dataset, track = name
    several = len({each for *_, each in runs}) > 1
    missing = f"{row} on {dataset}{f' ({track})' * several} {made.count(False)} of {len(made)} runs"
    return missing if any(made) else f"{missing}, so no figure of it stands here"
