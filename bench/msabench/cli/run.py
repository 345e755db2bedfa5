"""`msabench run`: carry out a study, with progress, and end with its comparison."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from msabench.cli import options as o
from msabench.cli.engines import EngineOptions
from msabench.cli.groups import with_groups
from msabench.cli.slurm import SlurmGroup
from msabench.cli.study_options import StudyOptions

if TYPE_CHECKING:
    from msabench.execute import Machine, Outcome
    from msabench.study import Plan

_CONVENTION = "Of the table at the end; repeatable; default: each dataset's own (msabench list conventions)."
_SELECTION = "Epoch rule of the table at the end; repeatable; default: same-epoch and best-epoch."
HEADLINES = ["same-epoch", "best-epoch"]
"""What a study ends with: the honest reading, and beside it the one that the test set chose"""


@with_groups
def run(
    study: StudyOptions,
    engine: EngineOptions,
    slurm: SlurmGroup,
    retry: Annotated[
        str | None,
        typer.Option(help="'failed' runs again what failed before; default: only what has no record."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would run (msabench plan).")
    ] = False,
    convention: Annotated[list[str] | None, typer.Option("--convention", "-c", help=_CONVENTION)] = None,
    selection: Annotated[list[str] | None, typer.Option("--selection", "-s", help=_SELECTION)] = None,
    data_root: o.DataRoot = Path("datasets"),
    results_root: o.ResultsRoot = Path("results"),
    cache_root: o.CacheRoot = None,
    tracking_uri: Annotated[
        str | None, typer.Option(envvar="MLFLOW_TRACKING_URI", help="MLflow server; default: a local store.")
    ] = None,
    tracking: Annotated[bool, typer.Option(help="Mirror the records in MLflow.")] = True,
) -> None:
    """Train every method on every dataset with every seed, then compare them.

    Run the same command again to go on after an interruption: recorded runs are not run again.
    """
    from msabench.cli.plan import print_plan
    from msabench.cli.progress import working
    from msabench.cli.slurm import engine_of, submit_study
    from msabench.errors import SpecError
    from msabench.study import plan as make_plan

    if retry not in (None, "failed"):
        raise SpecError(f"--retry takes 'failed', but got '{retry}'")
    spec = study.spec()
    with working("finding the data and hashing what is new"):
        plan = make_plan(spec, data_root, cache_root)
    if dry_run:
        print_plan(plan, results_root, retry_failed=retry == "failed")
        return
    _refuse_contradictions(plan)
    _refuse_unknown_readings(plan, convention or [], selection or HEADLINES)
    from msabench.engines.local import gpu_count
    from msabench.execute import Machine

    gpus, on_cluster = gpu_count(), engine.engine == "slurm"
    if slurm.given and not on_cluster:
        raise SpecError(f"{', '.join(slurm.given)}: of --engine slurm alone")
    if on_cluster and (engine.workers or engine.jobs_per_gpu or engine.time_limit):
        raise SpecError(
            "--workers, --jobs-per-gpu and --time-limit are not for --engine slurm",
            fix="--max-jobs caps the jobs that run at a time, --time what each may take",
        )
    machine = Machine(
        engine=engine_of(slurm, results_root) if on_cluster else engine.engine_of(gpus),
        gpus=gpus,
        tracking_uri=tracking_uri,
        tracking=tracking,
    )
    if on_cluster:
        done = submit_study(plan, results_root, slurm, machine, sys.argv[1:], retry_failed=retry == "failed")
        if done is None:
            return
        outcome = done
    else:
        outcome = _carry_out(plan, results_root, machine, retry_failed=retry == "failed")
    _conclude(outcome, convention, selection, results_root, tracking_uri, tracking)


def _refuse_contradictions(plan: Plan) -> None:
    """What a method's own dataclass refuses of the brackets is said now, not once for each run."""
    variants = {(run.row, run.dataset): run for run in plan.runs if run.variant}
    if variants:
        from msabench.method import settings

        for run in variants.values():
            settings(run.method, run.hyperparameters)


def _refuse_unknown_readings(plan: Plan, conventions: Sequence[str], selections: Sequence[str]) -> None:
    """A slip in what the closing table is asked for is said now, not after hours of training."""
    from msabench.metrics import convention_named
    from msabench.selection import bind

    for name in conventions:
        convention_named(name)
    runs = (*plan.runs, *(search.template for search in plan.searches))
    for rule in selections:
        for method, dataset in {(run.method, run.dataset) for run in runs}:
            bind(rule, method, dataset)


def _carry_out(plan: Plan, results_root: Path, machine: Machine, *, retry_failed: bool) -> Outcome:
    """Execute a plan with its progress on the screen."""
    from msabench.cli.progress import Screen
    from msabench.execute import execute

    with Screen() as screen:
        for skip in plan.skipped:
            screen.warn(f"{skip.method} is left out on {skip.dataset}: {skip.reason}")
        for note in plan.notes:
            screen.warn(note)
        try:
            return execute(plan, results_root, machine, screen, retry_failed=retry_failed)
        except KeyboardInterrupt:
            screen.interrupted(results_root / plan.study.folder)
            raise typer.Exit(130) from None


def _conclude(
    outcome: Outcome,
    convention: list[str] | None,
    selection: list[str] | None,
    results_root: Path,
    tracking_uri: str | None,
    tracking: bool,
) -> None:
    from msabench.cli.report import print_report

    print_report(outcome.folder, convention or [None], selection or HEADLINES)
    if tracking:
        from msabench.tracking import Tracker

        typer.echo(f"MLflow runs: {Tracker(tracking_uri, results_root).ui_hint}")
    if outcome.failed:
        typer.secho(
            f"{len(outcome.failed)} runs failed; the table above names them. "
            "Run them again with the same command and --retry failed.",
            fg=typer.colors.YELLOW,
            err=True,
        )
        raise typer.Exit(1)
