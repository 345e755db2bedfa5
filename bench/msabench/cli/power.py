"""`msabench power`: how many seeds a difference needs, and what difference so many seeds can show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from msabench.cli.options import ResultsRoot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from msabench.report.reach import Plan, Reach


def power(
    study: Annotated[
        str | None, typer.Argument(help="A pilot study; without one, give --sd-seed and --n-test.")
    ] = None,
    rows: Annotated[list[str] | None, typer.Argument(help="Rows to go by; default: all.")] = None,
    results_root: ResultsRoot = Path("results"),
    difference: Annotated[
        float | None, typer.Option(help="To be found, as tables print it: points for percentages, as 1.5.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="Numbers of seeds to look at.")] = "3,5,10,20",
    metric: Annotated[list[str] | None, typer.Option("--metric", "-m", help="Keys; default: all.")] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="Default: all of the study.")] = None,
    convention: Annotated[
        str | None, typer.Option("--convention", "-c", help="Default: each dataset's own.")
    ] = None,
    selection: Annotated[str, typer.Option("--selection", "-s", help="Epoch rule.")] = "same-epoch",
    sd_seed: Annotated[
        float | None, typer.Option(help="Standard deviation over seeds, as tables print it.")
    ] = None,
    n_test: Annotated[int | None, typer.Option(help="Examples of the test set.")] = None,
    sd_example: Annotated[
        float | None,
        typer.Option(
            help="Standard deviation of the two methods' difference over examples, as tables print it."
        ),
    ] = None,
    disagreement: Annotated[
        float | None,
        typer.Option(
            help="Instead, for accuracies in percent: share (0 to 1) of examples one method alone has right."
        ),
    ] = None,
    alpha: Annotated[float, typer.Option(help="Level of the test.")] = 0.05,
    power_: Annotated[float, typer.Option("--power", help="Chance of finding the difference.")] = 0.8,
    format_: Annotated[str, typer.Option("--format", "-f", help="terminal or json.")] = "terminal",
) -> None:
    """Plan a study: the seeds that a difference needs, and the smallest difference that n seeds show.

    By the variances of a pilot study's records, or by given ones. Nothing is trained.
    """
    from msabench.cli.folders import study_folder
    from msabench.cli.progress import working
    from msabench.errors import SpecError, unknown
    from msabench.report.reach import Plan, from_figures, from_study

    if format_ not in ("terminal", "json"):
        raise unknown("format", format_, ("terminal", "json"))
    plan = Plan(seeds=_numbers(seeds), difference=difference, alpha=alpha, power=power_)
    if study is None:
        if sd_seed is None or n_test is None:
            raise SpecError(
                "there is nothing to go by",
                fix="name a pilot study, or give --sd-seed and --n-test: "
                "msabench power --sd-seed 0.9 --n-test 686 --disagreement 0.12",
            )
        found = [
            from_figures(
                plan, sd_seed=sd_seed, samples=n_test, sd_example=sd_example, disagreement=disagreement
            )
        ]
    else:
        if (sd_seed, sd_example, disagreement) != (None, None, None):
            raise SpecError(
                "a study shows its variances itself", fix="leave out the study, or the --sd options"
            )
        folder = study_folder(results_root, study)
        with working("reading the records and resampling them"):
            found = from_study(
                folder,
                plan,
                rows=rows or (),
                dataset=dataset,
                convention=convention,
                selection=selection,
                metrics=metric or (),
                samples=n_test,
            )
    if format_ == "json":
        import json
        from dataclasses import asdict

        typer.echo(json.dumps([asdict(reach) for reach in found], indent=1))
    else:
        _show(found, plan)


def _numbers(text: str) -> tuple[int, ...]:
    from msabench.errors import SpecError

    try:
        return tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError as error:
        raise SpecError(f"--seeds takes numbers as in 3,5,10, but got '{text}'") from error


def _show(found: Sequence[Reach], plan: Plan) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from msabench.cli.tables import keep_words
    from msabench.report.render_terminal import fitted

    console = fitted(Console(emoji=False))
    for about in dict.fromkeys(reach.about for reach in found):
        here = [reach for reach in found if reach.about == about]
        table = Table(
            title=Text(f"{about}, {here[0].samples} test examples"), title_justify="left", box=box.SIMPLE_HEAD
        )
        heads = ["metric"] * bool(here[0].metric) + ["sd over seeds", "se of examples"]
        heads += [f"shown by {n} seeds" for n in plan.seeds] + ["by any number"]
        for head in heads:
            table.add_column(head, overflow="fold")
        for reach in here:
            figures = [reach.sd_seeds, reach.se_examples, *reach.detectable.values(), reach.limit]
            cells = [reach.metric] * bool(reach.metric) + [reach.number(value) for value in figures]
            table.add_row(*cells)
        console.print(keep_words(table, console))
        for reach in here if plan.difference is not None else ():
            of = f"{reach.metric}, a" if reach.metric else "A"
            console.print(f"{of} difference of {plan.difference:g}: {reach.answer}", soft_wrap=True)
    console.print(
        f"Two-source t, two-sided at {plan.alpha:g}, power {plan.power:.0%}; differences as tables print "
        "them (points for percentages); the same number of seeds for both methods.",
        soft_wrap=True,
    )
