"""`msabench sync`: bring records that MLflow lacks into it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from msabench.cli.options import ResultsRoot


def sync(
    study: Annotated[str, typer.Argument(help="A study's folder name, a wildcard, or 'all'.")] = "all",
    results_root: ResultsRoot = Path("results"),
    tracking_uri: Annotated[
        str | None,
        typer.Option(envvar="MLFLOW_TRACKING_URI", help="MLflow server or database; default: a local store."),
    ] = None,
) -> None:
    """Mirror every record that is not in MLflow yet; what is there already is left alone."""
    from rich.console import Console

    from msabench.cli.progress import working
    from msabench.tracking import Mirrored, Tracker

    console = Console(emoji=False, soft_wrap=True, highlight=False)
    tracker = Tracker(tracking_uri, results_root)
    total = Mirrored()
    for folder in studies(results_root, study):
        with working(f"mirroring {folder.name}"):
            done = tracker.sync(folder)
        total += done
        undefined = f" ({done.undefined} undefined figures left out)" if done.undefined else ""
        console.print(
            f"{folder.name}: {done.new} mirrored{undefined}, {done.skipped} were there, {done.failed} failed",
            markup=False,
        )
    for warning in tracker.warnings:
        Console(emoji=False, stderr=True, soft_wrap=True).print(warning, style="yellow", markup=False)
    if total.failed:
        raise typer.Exit(1)
    console.print(f"to look at them: {tracker.ui_hint}", markup=False)


def studies(results_root: Path, pattern: str = "all") -> list[Path]:
    """Folders of the studies that a name, a wildcard or `all` stands for.

    Raises
    ------
    SpecError
        If there are none; it names the nearest one.
    """
    import fnmatch

    from msabench.errors import SpecError, unknown

    found = {path.parent.name: path.parent for path in sorted(results_root.glob("[!.]*/runs"))}
    if not found:
        raise SpecError(
            f"there is no study with records below '{results_root}'", fix="msabench run --datasets demo"
        )
    names = fnmatch.filter(found, "*" if pattern == "all" else pattern)
    if not names:
        raise unknown("study", pattern, found, f"msabench status --results-root {results_root}")
    return [found[name] for name in names]
