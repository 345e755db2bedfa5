"""`msabench plan`: what would run, and how long it may take."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path
from typing import TYPE_CHECKING

from msabench.cli import options as o
from msabench.cli.groups import with_groups
from msabench.cli.study_options import StudyOptions

if TYPE_CHECKING:
    from rich.console import Console

    from msabench.estimate import Estimator
    from msabench.run import RunSpec
    from msabench.search import SearchSpec
    from msabench.study import Plan


@with_groups
def plan(
    study: StudyOptions,
    data_root: o.DataRoot = Path("datasets"),
    results_root: o.ResultsRoot = Path("results"),
    cache_root: o.CacheRoot = None,
) -> None:
    """Say what `run` with the same options would do: runs, those recorded already, estimated time."""
    from msabench.study import plan as make_plan

    print_plan(make_plan(study.spec(), data_root, cache_root), results_root)


def print_plan(plan: Plan, results_root: Path, *, retry_failed: bool = False) -> None:
    """Print a plan: a line for each method and dataset."""
    from rich.console import Console
    from rich.markup import escape

    from msabench.estimate import Estimator, duration
    from msabench.records import Store

    console = Console(emoji=False)
    estimator = Estimator(results_root)
    todo = plan.missing(Store(results_root / plan.study.folder), retry_failed)
    _print_table(console, plan, {run.key for run in todo}, estimator)
    _print_notes(console, plan)
    times = [estimator.seconds(run) for run in todo]
    console.print(
        f"{len(todo)} of {len(plan.runs)} runs to train; "
        f"about {duration(sum(filter(None, times)))} of one worker's time"
        + (
            ", and the runs marked '?', which nothing recorded here tells the time of"
            if None in times
            else ""
        )
    )
    for name, source in plan.sources.items():
        console.print(
            f"{escape(name)}: {escape(str(source.path))} (sha256 {source.fingerprint[:12]})",
            highlight=False,
            soft_wrap=True,
        )


def _print_table(console: Console, plan: Plan, todo: Set[str], estimator: Estimator) -> None:
    from rich.markup import escape
    from rich.table import Table

    from msabench.estimate import duration

    table = Table("method", "dataset", "data", "text encoder", title=f"Study '{plan.study.folder}'")
    for heading in ("epochs", "runs", "recorded", "to run"):
        table.add_column(heading, justify="right")
    table.add_column("one run")
    cells: dict[tuple[str, str], list[RunSpec]] = {}
    for run in plan.runs:
        cells.setdefault((run.row, run.dataset), []).append(run)
    for (row, dataset), runs in cells.items():
        first, left = runs[0], sum(run.key in todo for run in runs)
        cap = first.budget.epochs
        most = min(first.hyperparameters["epochs"], cap) if cap else first.hyperparameters["epochs"]
        table.add_row(
            escape(row),
            dataset,
            "TWIN (generated)" if first.data_kind == "twin" else "real",
            f"{first.text_encoder} ({first.text_mode})",
            f"<= {most}",
            str(len(runs)),
            str(len(runs) - left),
            str(left),
            duration(estimator.seconds(first)),
        )
    console.print(table)


def _print_notes(console: Console, plan: Plan) -> None:
    from rich.markup import escape

    from msabench.registry import RECONSTRUCTION, reconstructions

    for search in plan.searches:
        console.print(
            f"search: {escape(search.name)}: {_trials(search.spec)} over "
            f"{len(search.space.dimensions)} hyperparameters, then {len(plan.study.seeds)} runs of the best",
            highlight=False,
        )
    for method in reconstructions(run.row for run in plan.runs):
        console.print(f"{method}: {RECONSTRUCTION}")
    for skip in plan.skipped:
        console.print(f"left out: {escape(skip.method)} on {skip.dataset}: {escape(skip.reason)}")
    for note in plan.notes:
        console.print(f"note: {escape(note)}")


def _trials(spec: SearchSpec) -> str:
    limit = f", at most {spec.hours:g} h," if spec.hours else ""
    return f"{spec.trials} trials{limit}" + (f" with {spec.prune} pruning" if spec.prune != "none" else "")
