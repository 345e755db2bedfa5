"""The options of `--engine slurm`, and what the command does in place of waiting."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from msabench.engines.slurm import Detached, SlurmEngine
    from msabench.engines.slurm_options import SlurmOptions
    from msabench.execute import Machine, Outcome
    from msabench.study import Plan

PANEL = "With --engine slurm"


@dataclass(frozen=True, kw_only=True)
class SlurmGroup:
    """What a command line says of the cluster."""

    partition: Annotated[
        str, typer.Option(help="Of the cluster; several with commas.", rich_help_panel=PANEL)
    ] = ""
    account: Annotated[str, typer.Option(help="That the jobs are billed to.", rich_help_panel=PANEL)] = ""
    qos: Annotated[str, typer.Option(help="Quality of service.", rich_help_panel=PANEL)] = ""
    time: Annotated[
        str, typer.Option(help="Limit of one job, as sbatch takes it.", rich_help_panel=PANEL)
    ] = "4:00:00"
    gpus_per_job: Annotated[int, typer.Option(help="GPUs of a job.", rich_help_panel=PANEL)] = 0
    gres: Annotated[str, typer.Option(help="Instead: 'gpu:a100:1'.", rich_help_panel=PANEL)] = ""
    gpu_for: Annotated[
        str,
        typer.Option(
            help="Runs that get a GPU: all, or finetuned (those that train the text encoder).",
            rich_help_panel=PANEL,
        ),
    ] = "all"
    cpus: Annotated[int, typer.Option(help="Cores of a job.", rich_help_panel=PANEL)] = 1
    mem: Annotated[str, typer.Option(help="Memory of a job: '16G'.", rich_help_panel=PANEL)] = ""
    max_jobs: Annotated[
        int | None, typer.Option(help="Jobs that may run at a time.", rich_help_panel=PANEL)
    ] = None
    runs_per_job: Annotated[
        int | None, typer.Option(help="Default: by their estimated time.", rich_help_panel=PANEL)
    ] = None
    minutes_per_job: Annotated[
        float, typer.Option(help="Short runs share a job that lasts about so long.", rich_help_panel=PANEL)
    ] = 60.0
    slurm_config: Annotated[
        Path | None,
        typer.Option(
            help="A TOML file for any other option of sbatch: tables \\[all], \\[gpu], \\[cpu].",
            rich_help_panel=PANEL,
        ),
    ] = None
    slurm_executor: Annotated[
        str,
        typer.Option(help="'local' starts the jobs on this machine, to try them.", rich_help_panel=PANEL),
    ] = "slurm"
    prepare_job: Annotated[
        bool,
        typer.Option(
            "--prepare-job", help="A first job prepares the data and submits.", rich_help_panel=PANEL
        ),
    ] = False
    follow: Annotated[
        bool,
        typer.Option(help="A job that waits for the trials goes on with the chosen.", rich_help_panel=PANEL),
    ] = True

    @property
    def given(self) -> list[str]:
        """Options that are not at their defaults."""
        return [
            f"--{each.name.replace('_', '-')}"
            for each in fields(self)
            if getattr(self, each.name) != each.default
        ]

    def options(self) -> SlurmOptions:
        """The same, checked.

        Raises
        ------
        SpecError
            At contradictions, values out of range, or a settings file that cannot be read.
        """
        from msabench.engines.slurm_options import SlurmOptions, minutes_of, read_config

        return SlurmOptions(
            executor=self.slurm_executor,  # type: ignore[arg-type]  # SlurmOptions checks it
            minutes=minutes_of(self.time),
            partition=self.partition,
            account=self.account,
            qos=self.qos,
            gpus_per_job=self.gpus_per_job,
            gres=self.gres,
            gpu_for=self.gpu_for,  # type: ignore[arg-type]  # SlurmOptions checks it
            cpus=self.cpus,
            mem=self.mem,
            max_jobs=self.max_jobs,
            runs_per_job=self.runs_per_job,
            element_minutes=self.minutes_per_job,
            tables=read_config(self.slurm_config) if self.slurm_config else {},
        )


def engine_of(group: SlurmGroup, results_root: Path) -> SlurmEngine:
    """The engine that the options describe; short runs are bundled by what records tell of their time.

    Raises
    ------
    SpecError
        If submitit is not installed, or this machine cannot submit jobs.
    """
    from msabench.errors import SpecError
    from msabench.estimate import Estimator

    try:
        from msabench.engines.slurm import SlurmEngine
    except ModuleNotFoundError as error:
        raise SpecError(
            f"--engine slurm needs the package {error.name}", fix='pip install "msabench[slurm]"'
        ) from error
    return SlurmEngine(options=group.options(), seconds=Estimator(results_root).seconds)


def submit_study(
    plan: Plan,
    results_root: Path,
    group: SlurmGroup,
    machine: Machine,
    arguments: Sequence[str],
    *,
    retry_failed: bool,
) -> Outcome | None:
    """Submit what a plan lacks and say how to look and collect; None, or what is there if nothing is lacking.

    Parameters
    ----------
    machine
        With the engine of `engine_of`.
    arguments
        Of the command line: what a job that goes on with the study is to run.
    """
    from msabench.cli.progress import Screen
    from msabench.engines.slurm import Detached, submit_command
    from msabench.engines.slurm_collect import collect
    from msabench.engines.slurm_submissions import keep_command
    from msabench.execute import execute
    from msabench.search.trials import store_of
    from msabench.study import freeze

    folder, options = results_root / plan.study.folder, group.options()
    again = [each for each in arguments if each != "--prepare-job"]
    if group.prepare_job:
        freeze(plan, folder)
        keep_command(folder, again)
        job = submit_command(folder, again, options, options.group("finetuned"))
        typer.echo(f"submitted: job {job} prepares the data and submits the runs" if job else "waits already")
        _say_how(results_root, folder)
        return None
    trials = store_of(folder).path
    with Screen() as screen:
        for place in (folder, trials):
            _, dead = collect(place)
            for key in dead:
                screen.warn(f"{key}: its job ended without a record; it is a failure now")
        left: list[Detached] = []
        # the runs of the track 'paper' need not wait for the search
        for part in (plan, replace(plan, searches=())) if plan.searches and plan.runs else (plan,):
            try:
                outcome = execute(part, results_root, machine, screen, retry_failed=retry_failed)
            except Detached as detached:
                left.append(detached)
                if detached.study != trials:
                    break
    keep_command(folder, again)
    for each in left:
        _say_sent(each)
    waits = next((each.jobs for each in left if each.study == trials), ())
    if waits and group.follow and options.executor == "slurm":
        job = submit_command(folder, again, options, "cpu", waits)
        typer.echo(f"when the trials have ended, {f'job {job}' if job else 'a waiting job'} goes on")
    elif waits:
        typer.echo("when the trials have ended, the same command submits the chosen settings")
    if left:
        _say_how(results_root, folder)
        return None
    return outcome


def _say_sent(detached: Detached) -> None:
    what = "trials" if detached.study.name == "search" else "runs"
    for sent in detached.sent:
        jobs = f"{len(sent.jobs)} job{'s' * (len(sent.jobs) != 1)}"
        typer.echo(f"submitted: {sent.runs} {what} in {jobs} ({sent.group}): {sent.job}")
    if detached.alive:
        typer.echo(f"{detached.alive} {what} were queued or running before")


def _say_how(results_root: Path, folder: Path) -> None:
    root = "" if results_root == Path("results") else f" --results-root {results_root}"
    typer.echo(f"to look: msabench status {folder.name}{root}")
    typer.echo(f"to collect what is done: msabench collect {folder.name}{root}")
