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
        known = {*planned_studies(results_root), *(p.parent.name for p in results_root.glob("[!.]*/runs"))}
        raise unknown("study", study, known, f"msabench status --results-root {results_root}")
    return folder


def planned_studies(results_root: Path) -> list[str]:
    """Names of the studies below the results root that have a plan: frozen, of imports alone, or joined."""
    marks = (path for name in ("study.toml", "plan.json") for path in results_root.glob(f"[!.]*/{name}"))
    return sorted({path.parent.name for path in marks})


def planned_study(results_root: Path, study: str) -> Path:
    """The folder of one of them.

    Raises
    ------
    SpecError
        If there is none of that name; it names the nearest one.
    """
    from msabench.errors import unknown

    names = planned_studies(results_root)
    if study not in names:
        raise unknown("study", study, names, f"msabench status --results-root {results_root}")
    return results_root / study
