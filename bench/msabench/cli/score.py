"""`msabench score`: figures for somebody's own predictions."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from msabench.predictions import Predictions


def score(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV, TSV, NPZ or Parquet with 'prediction' (or 'logit_0', 'logit_1', …) and 'truth'.",
            show_default=False,
        ),
    ],
    convention: Annotated[
        list[str] | None,
        typer.Option(
            "--convention",
            "-c",
            help="Metric convention; may be repeated. Without it, or with 'all': every one that fits.",
            show_default=False,
        ),
    ] = None,
    pred: Annotated[
        str | None,
        typer.Option(
            help="Column of the predictions, default: prediction; logits: several joined by commas."
        ),
    ] = None,
    truth: Annotated[str | None, typer.Option(help="Column of the truths, default: truth.")] = None,
    percent: Annotated[bool, typer.Option("--percent", help="Print accuracies and F1 in percent.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON: unrounded fractions, null if undefined.")
    ] = False,
) -> None:
    """Score a file of predictions under one or several metric conventions."""
    from msabench.errors import DataError
    from msabench.metrics import score as score_one
    from msabench.predictions import read_predictions

    given = read_predictions(file, pred=pred, truth=truth)
    names = _chosen(convention or ["all"], given)
    try:
        figures = {name: score_one(name, given.predictions, given.truths) for name in names}
    except DataError as error:
        raise DataError(error.what, where=f"{file}, {error.where}", fix=error.fix) from error
    if json:
        from json import dumps

        typer.echo(dumps({"file": str(file), "samples": len(given), "figures": figures}, indent=1))
        return
    from rich.console import Console

    console = Console(emoji=False)
    console.print(f"{given.source}, {len(given)} samples", markup=False, highlight=False)
    console.print(_table(figures, percent=percent))
    if any(value is None for scores in figures.values() for value in scores.values()):
        console.print("undefined: Corr of a constant, MAE of a NaN, or a figure over no samples", style="dim")


def _chosen(names: list[str], given: "Predictions") -> list[str]:
    from msabench.errors import DataError
    from msabench.metrics import convention_named, fitting

    if "all" not in names:
        return list(dict.fromkeys(convention_named(name).name for name in names))
    fits = list(fitting(given.predictions, given.truths))
    if not fits:
        raise DataError(
            f"no convention takes predictions of the shape {given.predictions.shape}",
            where=given.source,
            fix="msabench list conventions",
        )
    return fits


def _table(figures: dict[str, dict[str, float | None]], *, percent: bool) -> Any:
    from rich.table import Table

    from msabench.metrics import CONVENTIONS

    table = Table()
    table.add_column("metric")
    for name in figures:
        table.add_column(name, justify="right")
    metrics = {metric.key: metric for name in figures for metric in CONVENTIONS[name].figures}
    for key, metric in metrics.items():
        factor = 100 if percent and metric.percent else 1
        cells = [_cell(scores, key, factor) for scores in figures.values()]
        table.add_row(f"{metric.label} (%)" if factor == 100 else metric.label, *cells)
    return table


def _cell(scores: dict[str, float | None], key: str, factor: int) -> str:
    if key not in scores:
        return ""
    value = scores[key]
    if value is None:
        return "undefined"
    return f"{value * factor:.{2 if factor == 100 else 4}f}"
