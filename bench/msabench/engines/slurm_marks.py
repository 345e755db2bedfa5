"""Marks of runs that an array element has begun and not ended.

They are what tells a run that died with its job from one that was never begun.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = "slurm"
"""In the folder of a study's records: what was submitted, marks of runs that began, logs"""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A run that an element has begun, and has not ended."""

    key: str
    job: str
    """Of the cluster, as in `4711_3`"""
    host: str
    reason: str = ""
    """Why the run ended without a record, where the element could still say so"""


def marks(study: Path, key: str = "*") -> list[Mark]:
    """Runs that an element has begun and not ended; of elements that were killed, too."""
    found = []
    for path in sorted((study / FOLDER / "begun").glob(f"{key}.*.json")):
        try:
            found.append(Mark(**json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError, TypeError):
            continue  # it ended just now
    return found


def write_mark(study: Path, mark: Mark) -> None:
    """Say that a run has begun, or why it ended without a record."""
    path = _path(study, mark)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(asdict(mark)), encoding="utf-8")
    temporary.replace(path)


def forget_mark(study: Path, mark: Mark) -> None:
    """A mark has served once its run is recorded, or submitted again."""
    _path(study, mark).unlink(missing_ok=True)


def _path(study: Path, mark: Mark) -> Path:
    return study / FOLDER / "begun" / f"{mark.key}.{mark.job}.json"
