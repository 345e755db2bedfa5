"""`msabench search show`: what the searches of a study tried, chose and spent."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from msabench.cli import options as o

if TYPE_CHECKING:
    from rich.console import Console

    from msabench.search import Search, Trial

SHOWN = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500)
"""Numbers of trials of which the expected best is printed, beside that of all"""


def show(
    study: Annotated[str, typer.Argument(help="The study's folder name (msabench status lists them).")],
    results_root: o.ResultsRoot = Path("results"),
) -> None:
    """Best settings, the importance of each hyperparameter, and what more trials would have bought.

    All of it is judged on the validation split; trials never see the test split.
    """
    from rich.console import Console
    from rich.markup import escape

    from msabench.cli.folders import planned_study
    from msabench.cli.progress import working
    from msabench.errors import SpecError
    from msabench.search.trials import store_of
    from msabench.study import read_study, searched

    folder = planned_study(results_root, study)
    if not (folder / "study.toml").is_file():
        raise SpecError(
            f"the study '{study}' holds imported results alone, which no search chose settings for",
            where=str(folder),
            fix=f"msabench report {study} shows them",
        )
    console, store = Console(emoji=False), store_of(folder)
    with working("reading the trials"):
        found = searched(folder, read_study(folder / "study.toml"))
    for (row, dataset), search in found.items():
        if isinstance(search, str):
            console.print(f"[bold]{escape(row)} on {dataset}[/]: {escape(search)}", highlight=False)
        else:
            _print_search(console, search, search.trials(store))
            if more := search.uncounted(store):
                console.print(f"  {more} more made, which do not count: beyond the hours, or on other terms")


def _print_search(console: Console, search: Search, trials: list[Trial]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from msabench.search.optuna_journal import FEWEST_TRIALS, importances

    done = [trial for trial in trials if trial.status == "finished"]
    _print_spent(console, search, trials)
    if not trials:
        console.print("  no trial counts yet")
    if not done:
        for cause in dict.fromkeys(trial.cause for trial in trials):
            console.print(f"  failed: {escape(cause)}", highlight=False)
        return
    best = min(done, key=lambda trial: (trial.value, trial.number))
    published = next((trial for trial in trials if trial.number == 0), None)
    weight = importances(search.space, trials)
    table = Table("hyperparameter", "published", f"best (trial {best.number})", "importance")
    for name in sorted(search.space.dimensions, key=lambda name: (-weight.get(name, 0.0), name)):
        was, now = search.space.published[name], best.values[name]
        table.add_row(
            name, _text(was), f"[bold]{_text(now)}[/]" if was != now else _text(now),
            f"{weight[name]:.2f}" if name in weight else "–",
        )  # fmt: skip
    console.print(table)
    if not weight and search.space.dimensions:
        console.print(
            f"  no importances: they are chance with fewer than {FEWEST_TRIALS} trials", highlight=False
        )
    if published and published.status == "finished":
        console.print(
            f"  validation criterion: {best.value:.4f}, published setting {published.value:.4f}",
            highlight=False,
        )
    _print_curve(console, trials)


def _print_spent(console: Console, search: Search, trials: list[Trial]) -> None:
    from rich.markup import escape

    spec, made = search.spec, {trial.key: trial for trial in trials}
    twin = " (SYNTHETIC TWIN)" if search.template.data_kind == "twin" else ""
    counts = {
        "pruned": sum(trial.status == "pruned" for trial in trials),
        "failed": sum(trial.status == "failed" for trial in trials),
        "repeated": len(trials) - len(made),
    }
    limits = [f"sampler {spec.sampler}", f"seed {spec.seed}"]
    limits += [f"at most {spec.hours:g} h"] if spec.hours else []
    limits += [f"{spec.prune} pruning"] if spec.prune != "none" else []
    console.print(
        f"[bold]{escape(search.name)}[/]{twin}: {len(trials)} of {spec.trials} trials, "
        f"{', '.join(f'{count} {what}' for what, count in counts.items())}, "
        f"{sum(t.epochs for t in made.values())} epochs, {sum(t.seconds for t in made.values()):.0f} s; "
        f"{', '.join(limits)}",
        highlight=False,
    )


def _print_curve(console: Console, trials: list[Trial]) -> None:
    from rich.table import Table

    from msabench.search.curve import expected_best

    curve = {best.k: best for best in expected_best(trials)}
    table = Table("after k trials", "expected best", "90 % of draws")
    for k in sorted({*SHOWN, len(trials)} & curve.keys()):
        best = curve[k]
        table.add_row(str(k), _score(best.expected), f"{_score(best.low)} to {_score(best.high)}")
    console.print(table)
    if any(trial.status == "failed" for trial in trials):
        console.print("  a draw may be a failed trial: – where k draws may all be", highlight=False)


def _score(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "–"


def _text(value: object) -> str:
    from rich.markup import escape

    return escape(f"{value:g}" if isinstance(value, float) else str(value))
