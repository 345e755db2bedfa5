"""Where a study that is named on the command line lies."""

from __future__ import annotations

from pathlib import Path


def study_folder(results_root: Path, study: str) -> Path:
    """The study's folder.

    Raises
    ------
    SpecError
        If there is none of that name; it names the nearest one.
    """
    from msabench.errors import unknown

    folder = results_root / study
    if not study or not folder.is_dir():
        names = [p.name for p in results_root.iterdir() if p.is_dir()] if results_root.is_dir() else []
        raise unknown("study", study, names, f"msabench status --results-root {results_root}")
    return folder
