"""Where a report's files go."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msabench.errors import SpecError


def write(folder: Path, texts: Mapping[str, str]) -> tuple[Path, ...]:
    """Write texts by file name; returns their paths.

    Raises
    ------
    SpecError
        If the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise SpecError(
            f"the report cannot be written: {error}", where=str(folder), fix="give another --out"
        ) from error
    return tuple(folder / name for name in texts)
