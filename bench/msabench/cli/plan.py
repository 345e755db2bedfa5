"""`msabench plan`: what would run, and how long it may take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msabench.cli import options as o
from msabench.cli.groups import with_groups
from msabench.cli.study_options import StudyOptions

if TYPE_CHECKING:
    from rich.console import Console

    from msabench.estimate import Estimator
    from msabench.search import SearchSpec
    from msabench.study import Plan, Work


@with_groups
def plan(
    study: StudyOptions,
    data_root: o.DataRoot = Path("datasets"),
    results_root: o.ResultsRoot = Path("results"),
    cache_root: o.CacheRoot = None,
) -> None:
    """Say what `run` with the same options would do: runs, those recorded already, estimated time."""
    from msabench.cli.progress import working
    from msabench.study import plan as make_plan

    spec = study.spec()
    with working("finding the data and hashing what is new"):
        made = make_plan(spec, data_root, cache_root)
    print_plan(made, results_root)


def print_plan(plan: Plan, results_root: Path, *, retry_failed: bool = False) -> None:
    """Print a plan: a table for each dataset, with a line for each method and track."""
    from rich.console import Console

    from msabench.estimate import Estimator
    from msabench.study import remaining

    console = Console(emoji=False, highlight=False)
    works = remaining(plan, results_root / plan.study.folder, retry_failed=retry_failed)
    estimator = Estimator(results_root)
    console.print(f"[bold]Study '{plan.study.folder}'[/]")
    for name in plan.sources:
        _print_dataset(
            console, plan, name, [work for work in works if work.example.dataset == name], estimator
        )
    _print_notes(console, plan)
    console.print(_total(works, estimator))


def _print_dataset(
    console: Console, plan: Plan, name: str, works: Sequence[Work], estimator: Estimator
) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from msabench.estimate import duration

    source = plan.sources[name]
    kind = "TWIN (generated)" if source.kind == "twin" else "real data"
    console.print(f"\n[bold]{escape(name)}[/]: {kind}, text encoder {plan.encoders[name].identity}")
    console.print(escape(f"{source.path} (sha256 {source.fingerprint[:12]})"), style="dim", soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    # names fold where they do not fit: one that is cut cannot be told from another
    table.add_column("method", overflow="fold")
    table.add_column("track", no_wrap=True)
    table.add_column("text", no_wrap=True)
    for heading in ("epochs", "to run", "time of one"):
        table.add_column(heading, justify="right", no_wrap=True)
    above = ""
    for work in works:
        run = work.example
        cap, own = run.budget.epochs, run.hyperparameters["epochs"]
        table.add_row(
            escape(run.row) if run.row != above else "",
            run.track,
            run.text_mode,
            f"<= {min(own, cap) if cap else own}",
            f"{work.left} of {work.total}",
            duration(estimator.seconds(run)),
        )
        above = run.row
    console.print(table)


def _total(works: Sequence[Work], estimator: Estimator) -> str:
    """What there is to do in one sentence; what nothing tells the time of is never counted as none."""
    from msabench.estimate import duration

    trials = [work for work in works if work.example.track == "trial"]
    runs = [work for work in works if work.example.track != "trial"]
    parts = [f"{sum(w.left for w in runs)} of {sum(w.total for w in runs)} runs"]
    if trials:
        parts.insert(0, f"{sum(w.left for w in trials)} of {sum(w.total for w in trials)} trials")
    seconds, unknown = 0.0, False
    for work in works:
        each = estimator.seconds(work.example)
        unknown = unknown or (each is None and work.left > 0)
        seconds += min(work.left * (each or 0.0), work.seconds_most)
    about = f"about {duration(seconds)} of one worker's time"
    if unknown:
        nothing = "what is marked '?', which nothing recorded here tells the time of"
        about = f"{about}, and {nothing}" if seconds else f"how long is not known: {nothing}"
    return f"{' and '.join(parts)} to train; {about}"


def _print_notes(console: Console, plan: Plan) -> None:
    from rich.markup import escape

    from msabench.registry import RECONSTRUCTION, reconstructions

    if plan.study.search:
        counts = {search.template.row: len(search.space.dimensions) for search in plan.searches}
        console.print(
            f"search: {_trials(plan.study.search)} for each method and dataset, then {len(plan.study.seeds)} "
            f"runs of the best; hyperparameters searched: "
            f"{', '.join(f'{escape(row)} {count}' for row, count in counts.items())}"
        )
    for method in reconstructions(
        run.row for run in (*plan.runs, *(each.template for each in plan.searches))
    ):
        console.print(f"{method}: {RECONSTRUCTION}")
    for skip in plan.skipped:
        console.print(f"left out: {escape(skip.method)} on {skip.dataset}: {escape(skip.reason)}")
    for note in plan.notes:
        console.print(f"note: {escape(note)}")


def _trials(spec: SearchSpec) -> str:
    limit = f", at most {spec.hours:g} h" if spec.hours else ""
    return f"{spec.trials} trials{limit}" + (f", with {spec.prune} pruning," if spec.prune != "none" else "")
