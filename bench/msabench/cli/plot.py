"""`msabench plot`: a study's plots, as PDF, SVG and PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from msabench.cli.options import ResultsRoot, names


def plot(
    study: Annotated[str, typer.Argument(help="The study's folder name (msabench status lists them).")],
    results_root: ResultsRoot = Path("results"),
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            "-k",
            help="intervals, seeds, curves, gap, cost, best-of-k, confusion, truth, ranks; repeatable, or "
            "separated by commas. Default: all that the study allows.",
        ),
    ] = None,
    dataset: Annotated[
        list[str] | None, typer.Option("--dataset", "-d", help="Repeatable; default: all of the study.")
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", "-m", help="Repeatable; default: the convention's accuracy and MAE."),
    ] = None,
    convention: Annotated[
        str | None, typer.Option("--convention", "-c", help="Default: each dataset's own.")
    ] = None,
    selection: Annotated[str, typer.Option("--selection", "-s", help="Epoch rule.")] = "same-epoch",
    format_: Annotated[
        str, typer.Option("--format", "-f", help="pdf, svg and png, separated by commas.")
    ] = "pdf,svg,png",
    out: Annotated[Path | None, typer.Option(help="Folder of the files; default: <study>/plots.")] = None,
    allow_unequal_budgets: Annotated[
        bool,
        typer.Option(
            "--allow-unequal-budgets", help="Plot tuned rows whose searches differ in budget; it is said."
        ),
    ] = False,
) -> None:
    """Draw a study: scores, seeds, learning curves, cost, confusion and more. Nothing is trained.

    Every figure says below it what data, convention, epoch rule, runs and text encoder it is of.
    """
    from msabench.cli.folders import study_folder
    from msabench.cli.progress import working
    from msabench.plots import KINDS, Asked, write_plots

    asked = Asked(
        datasets=names(dataset),
        metrics=names(metric),
        convention=convention,
        selection=selection,
        allow_unequal_budgets=allow_unequal_budgets,
    )
    folder = study_folder(results_root, study)
    with working("reading the records and drawing them"):
        written = write_plots(folder, asked, names(kind) or KINDS, names([format_]), out=out)
    for path in written.paths:
        typer.echo(f"written: {path}")
    for why in written.refused:
        typer.echo(f"not drawn: {why}")
