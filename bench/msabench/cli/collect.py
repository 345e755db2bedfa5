"""`msabench collect`: what came of a study that was submitted to a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from msabench.cli.options import ResultsRoot

if TYPE_CHECKING:
    from rich.console import Console

    from msabench.engines.slurm_submissions import Look


def collect(
    study: Annotated[str, typer.Argument(help="A study's folder name.")],
    results_root: ResultsRoot = Path("results"),
    submit: Annotated[
        bool, typer.Option("--submit", help="Submit what is missing, or the next stage of a search.")
    ] = False,
    tracking_uri: Annotated[
        str | None, typer.Option(envvar="MLFLOW_TRACKING_URI", help="MLflow server; default: a local store.")
    ] = None,
    tracking: Annotated[bool, typer.Option(help="Mirror the records in MLflow.")] = True,
) -> None:
    """Count what is recorded, record deaths, mirror to MLflow, and say what is missing.

    Reads folders, and asks the cluster which jobs are over; it never trains.
    """
    from rich.console import Console

    from msabench.cli.folders import planned_study
    from msabench.cli.sync import sync
    from msabench.search.trials import store_of

    folder = planned_study(results_root, study)
    console = Console(emoji=False, soft_wrap=True, highlight=False)
    places = {"trials": store_of(folder).path, "runs": folder}
    looks = {what: _collected(console, what, place) for what, place in places.items()}
    if tracking and any((folder / "runs").glob("*")):
        sync(study, results_root, tracking_uri)
    _say_next(console, folder, looks, submit=submit)


def _collected(console: Console, what: str, place: Path) -> Look:
    from msabench.engines.slurm_collect import collect
    from msabench.engines.slurm_queue import QueueError
    from msabench.engines.slurm_submissions import look
    from msabench.errors import DataError
    from msabench.records import Store

    try:
        found, dead = collect(place)
    except (QueueError, DataError) as error:
        console.print(f"[yellow]deaths cannot be recorded:[/] {error}", markup=True)
        found, dead = look(place, ask=False), []
    if found.recorded or found.alive or found.lost:
        done = list(found.recorded.values())
        console.print(
            f"{what}: {done.count('finished')} finished, {done.count('failed')} failed, "
            f"{len(found.running)} running, {len(found.queued)} queued, {len(found.lost)} lost"
        )
    for key in dead:
        failure = Store(place).get(key, arrays=False).failure
        console.print(f"died: {key}: {failure.message if failure else ''}", style="red", markup=False)
    return found


def _say_next(console: Console, folder: Path, looks: dict[str, Look], *, submit: bool) -> None:
    """What is missing, and the command that submits it."""
    from msabench.engines.slurm_submissions import kept_command, run_again
    from msabench.records import Store
    from msabench.study import read_study

    alive = {key for found in looks.values() for key in found.alive}
    planned = Store(folder).planned()
    missing = [key for key in planned if key not in alive and not Store(folder).has(key)]
    for key in missing:
        run = planned[key]
        console.print(f"missing: {run['row']} {run['dataset']} seed {run['seed']} ({key})", markup=False)
    lost = looks["trials"].lost
    tuned = any(run.get("track") == "tuned" for run in planned.values())
    frozen = folder / "study.toml"  # a study of imports alone has none
    searched = frozen.exists() and read_study(frozen).search is not None
    stage = searched and not tuned and not looks["trials"].alive
    if not (missing or lost or stage):
        failed = [
            key for found in looks.values() for key, state in found.recorded.items() if state == "failed"
        ]
        hint = "; failures run again with the study's command and --retry failed" if failed else ""
        text = (
            "the rest is with the cluster"
            if alive
            else f"every run is recorded: msabench report {folder.name}"
        )
        console.print(f"{text}{hint}")
        return
    arguments, where = kept_command(folder)
    if lost:
        console.print(f"missing: {len(lost)} trials, whose jobs are gone")
    elif stage:
        console.print("no trial is queued or running: the search goes on, or its chosen settings are trained")
    if not arguments:
        console.print("nothing was submitted from here: run the study's command again")
    elif submit:
        raise typer.Exit(run_again(arguments, where))
    else:
        command = " ".join(["msabench", *arguments])
        console.print(
            f"to submit: msabench collect {folder.name} --submit, which runs in {where}\n  {command}"
        )
