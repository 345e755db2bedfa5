"""`msabench status`: how far studies are, read from their folders alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from msabench.cli.options import ResultsRoot

if TYPE_CHECKING:
    from rich.console import Console

    from msabench.engines.job import RunProgress

SILENT_EPOCHS, SILENT_SECONDS = 3.0, 60.0
"""A run that has not told of an epoch for so long is taken for interrupted"""


def status(
    study: Annotated[
        str | None, typer.Argument(help="A study's folder name; without it, all of them.")
    ] = None,
    results_root: ResultsRoot = Path("results"),
) -> None:
    """Runs finished, failed, begun and missing, of one study or of all."""
    from rich.console import Console

    from msabench.cli.folders import planned_studies, planned_study
    from msabench.errors import SpecError

    console = Console(emoji=False)
    if study:
        _print_study(console, planned_study(results_root, study), details=True)
        return
    names = planned_studies(results_root)
    if not names:
        raise SpecError(f"there is no study below '{results_root}'", fix="msabench run --datasets demo")
    for name in names:
        _print_study(console, results_root / name, details=False)


def _print_study(console: Console, folder: Path, details: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    from msabench.engines.job import progress
    from msabench.engines.slurm_submissions import told
    from msabench.records import Store
    from msabench.registry import RECONSTRUCTION, reconstructions

    store = Store(folder)
    runs = store.planned()
    held = store.statuses()
    states = {key: held.get(key) for key in runs}
    training = {run.key: run for run in progress(folder) if states.get(run.key) is None}
    damaged = [key for key, state in states.items() if state is None and key in held]
    table = Table(title=f"Study '{folder.name}'")
    for heading in ("method", "dataset", "finished", "failed", "begun", "missing"):
        table.add_column(heading, justify="left" if heading in ("method", "dataset") else "right")
    cells: dict[tuple[str, str], list[str]] = {}
    for key, planned in runs.items():
        cells.setdefault((planned["row"], planned["dataset"]), []).append(key)
    for (row, dataset), keys in cells.items():
        counts = [sum(states[key] == state for key in keys) for state in ("finished", "failed")]
        active = sum(key in training for key in keys)
        missing = len(keys) - sum(counts) - active
        table.add_row(escape(row), dataset, *map(str, (*counts, active, missing)))
    console.print(table)
    for method in reconstructions(run["row"] for run in runs.values()):
        console.print(f"{method}: {RECONSTRUCTION}")
    for run in training.values():
        title = f"begun: {escape(run.row)} {run.dataset} seed {run.seed}"
        console.print(f"{title}: {_how_far(run, folder)}", highlight=False)
    _print_trials(console, folder)
    for line in told(folder):
        console.print(line, soft_wrap=True)
    if old := store.superseded():
        console.print(
            f"{len(old)} records of older method versions, other data or earlier choices of a search are "
            "kept, and not compared"
        )
    for key in damaged:
        console.print(f"[red]damaged:[/] {key}; the study's command sets it aside and runs it again")
    failures = [record for key, record in store.readable("failed").items() if key in runs]
    for record in failures if details else []:
        failure = record.failure
        if failure:
            title = f"{record.spec.row} {record.spec.dataset} seed {record.spec.seed} ({record.key})"
            console.print(escape(f"failed: {title}: {failure.cause}: {failure.message}"), highlight=False)
    if failures:
        console.print("to run failures again: the study's command with --retry failed")


def _print_trials(console: Console, folder: Path) -> None:
    """How far the searches are; the table above is of the runs that tables are made of."""
    from collections import Counter

    from msabench.engines.job import progress
    from msabench.search import store_of

    store = store_of(folder)
    held = store.statuses()
    active = [run for run in progress(store.path) if held.get(run.key) is None]
    if held or active:
        counts = Counter(state for state in held.values() if state)
        console.print(
            f"trials of the search: {counts['finished']} finished, {counts['failed']} failed, "
            f"{len(active)} begun (msabench search show {folder.name})",
            highlight=False,
        )


def _how_far(run: RunProgress, folder: Path) -> str:
    """Of a run that has no record yet: its epoch, and whether it seems to go on."""
    import time

    from msabench.engines.job import UNFINISHED
    from msabench.estimate import duration

    said = f"epoch {run.epoch} of {run.epochs}"
    try:
        silent = time.time() - (folder / UNFINISHED / f"{run.key}.json").stat().st_mtime
    except OSError:
        return f"{said}, ended just now"
    if silent > SILENT_EPOCHS * run.seconds_per_epoch + SILENT_SECONDS:
        return (
            f"{said}, not a word for {duration(silent)}: interrupted, it seems; the study's command goes on"
        )
    return f"{said}, at most {duration((run.epochs - run.epoch) * run.seconds_per_epoch)} left"
