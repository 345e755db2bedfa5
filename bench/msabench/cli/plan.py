"""`msabench plan`: what would run, and how long it may take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msabench.cli import options as o

if TYPE_CHECKING:
    from msabench.study import Plan


def plan(
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
    data_root: o.DataRoot = Path("datasets"),
    results_root: o.ResultsRoot = Path("results"),
    cache_root: o.CacheRoot = None,
) -> None:
    """Say what `run` with the same options would do: runs, those recorded already, estimated time."""
    from msabench.study import plan as make_plan

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
    print_plan(make_plan(spec, data_root, cache_root), results_root)


def print_plan(plan: Plan, results_root: Path, *, retry_failed: bool = False) -> None:
    """Print a plan: a line for each method and dataset."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from msabench.estimate import Estimator, duration
    from msabench.records import Store
    from msabench.registry import RECONSTRUCTION, reconstructions

    console = Console(emoji=False)
    estimator = Estimator(results_root)
    todo = plan.missing(Store(results_root / plan.study.folder), retry_failed)
    table = Table(title=f"Study '{plan.study.folder}'")
    for heading in (
        "method",
        "dataset",
        "data",
        "text encoder",
        "epochs",
        "runs",
        "recorded",
        "to run",
        "one run",
    ):
        table.add_column(
            heading, justify="right" if heading in ("epochs", "runs", "recorded", "to run") else "left"
        )
    total, unknown = 0.0, False
    for row, dataset in dict.fromkeys((run.row, run.dataset) for run in plan.runs):
        runs = [run for run in plan.runs if (run.row, run.dataset) == (row, dataset)]
        left = [run for run in todo if (run.row, run.dataset) == (row, dataset)]
        first, seconds = runs[0], estimator.seconds(runs[0])
        cap = first.budget.epochs
        most = min(first.hyperparameters["epochs"], cap) if cap else first.hyperparameters["epochs"]
        total += (seconds or 0) * len(left)
        unknown |= seconds is None and bool(left)
        table.add_row(
            escape(row),
            dataset,
            "TWIN (generated)" if first.data_kind == "twin" else "real",
            f"{first.text_encoder} ({first.text_mode})",
            f"<= {most}",
            str(len(runs)),
            str(len(runs) - len(left)),
            str(len(left)),
            duration(seconds),
        )
    console.print(table)
    for search in plan.searches:
        console.print(
            f"search: {escape(search.name)}: {search.spec.trials} trials over "
            f"{len(search.space.dimensions)} hyperparameters, then {len(plan.study.seeds)} runs of the best",
            highlight=False,
        )
    for method in reconstructions(run.row for run in plan.runs):
        console.print(f"{method}: {RECONSTRUCTION}")
    for skip in plan.skipped:
        console.print(f"left out: {escape(skip.method)} on {skip.dataset}: {escape(skip.reason)}")
    for note in plan.notes:
        console.print(f"note: {escape(note)}")
    console.print(
        f"{len(todo)} of {len(plan.runs)} runs to train; about {duration(total)} of one worker's time"
        + (", and the runs marked '?', which nothing recorded here tells the time of" if unknown else "")
    )
    for name, source in plan.sources.items():
        console.print(
            f"{name}: {source.path} (sha256 {source.fingerprint[:12]})", highlight=False, soft_wrap=True
        )
