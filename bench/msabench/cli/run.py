"""`msabench run`: carry out a study, with progress, and end with its comparison."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from msabench.cli import options as o

if TYPE_CHECKING:
    from msabench.execute import Outcome
    from msabench.study import Plan

HEADLINES = ["same-epoch", "best-epoch"]
"""What a study ends with: the honest reading, and beside it the one that the test set chose"""


def run(
    methods: o.Methods = None,
    datasets: o.Datasets = None,
    seeds: o.Seeds = None,
    epochs: o.Epochs = None,
    patience: o.Patience = None,
    text_encoder: o.Encoder = None,
    trials: o.Trials = None,
    sampler: o.SamplerName = None,
    track: o.TrackNames = None,
    twin: o.Twin = False,
    scale: o.Scale = None,
    file: o.Files = None,
    name: o.Name = None,
    study: o.StudyFile = None,
    workers: Annotated[
        int | None, typer.Option(help="Runs at a time; default: one a GPU, or one a core.")
    ] = None,
    retry: Annotated[str | None, typer.Option(help="'failed' runs again what failed before.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would run (msabench plan).")
    ] = False,
    convention: Annotated[list[str] | None, typer.Option(help="For the report; repeatable.")] = None,
    selection: Annotated[list[str] | None, typer.Option(help="For the report; repeatable.")] = None,
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
    from msabench.errors import SpecError
    from msabench.study import plan as make_plan

    if retry not in (None, "failed"):
        raise SpecError(f"--retry takes 'failed', but got '{retry}'")
    if workers is not None and workers < 1:
        raise SpecError(f"`workers >= 1` must hold, but got workers={workers}")
    spec = o.study_of(
        study=study,
        methods=methods,
        datasets=datasets,
        seeds=seeds,
        epochs=epochs,
        patience=patience,
        text_encoder=text_encoder,
        trials=trials,
        sampler=sampler,
        track=track,
        twin=twin,
        scale=scale,
        files=file,
        name=name,
    )
    plan = make_plan(spec, data_root, cache_root)
    if dry_run:
        print_plan(plan, results_root, retry_failed=retry == "failed")
        return
    _refuse_contradictions(plan)
    from msabench.cli.progress import Screen
    from msabench.engines.local import LocalEngine, default_workers, devices, gpu_count
    from msabench.execute import Machine, execute

    gpus = gpu_count()
    machine = Machine(
        engine=LocalEngine(slots=devices(workers or default_workers(gpus), gpus)),
        gpus=gpus,
        tracking_uri=tracking_uri,
        tracking=tracking,
    )
    with Screen() as screen:
        for skip in plan.skipped:
            screen.warn(f"{skip.method} is left out on {skip.dataset}: {skip.reason}")
        for note in plan.notes:
            screen.warn(note)
        try:
            outcome = execute(plan, results_root, machine, screen, retry_failed=retry == "failed")
        except KeyboardInterrupt:
            screen.interrupted(results_root / spec.folder)
            raise typer.Exit(130) from None
    _conclude(outcome, convention, selection, results_root, tracking_uri, tracking)


def _refuse_contradictions(plan: Plan) -> None:
    """What a method's own dataclass refuses of the brackets is said now, not once for each run."""
    variants = {(run.row, run.dataset): run for run in plan.runs if run.variant}
    if variants:
        from msabench.method import settings

        for run in variants.values():
            settings(run.method, run.hyperparameters)


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
