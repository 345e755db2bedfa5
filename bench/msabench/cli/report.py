"""`msabench report`: a study's comparison, on the terminal and as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from msabench.cli.options import ResultsRoot

if TYPE_CHECKING:
    from msabench.report import TableOptions
    from msabench.report.latex_figures import Latex
    from msabench.report.style import Style

_READING = "reading the records and scoring what is new"
DEFAULT_SELECTIONS = ["same-epoch"]
_FORMATS = ("terminal", "latex", "csv", "markdown", "html")


def report(
    study: Annotated[str, typer.Argument(help="The study's folder name (msabench status lists them).")],
    results_root: ResultsRoot = Path("results"),
    convention: Annotated[
        list[str] | None,
        typer.Option(
            "--convention",
            "--conventions",
            "-c",
            help="Repeatable; default: each dataset's own (msabench list conventions). "
            "'all': the convention lens, where each method ranks under every convention and epoch rule.",
        ),
    ] = None,
    selection: Annotated[
        list[str] | None,
        typer.Option(
            "--selection",
            "-s",
            help="Repeatable; default: same-epoch. An oracle brings its optimism gap with it.",
        ),
    ] = None,
    format_: Annotated[
        list[str] | None,
        typer.Option(
            "--format", "-f", help="terminal, latex, csv, markdown, html or all (default); repeatable."
        ),
    ] = None,
    published: Annotated[
        bool,
        typer.Option(
            "--published",
            help="Measured beside published, each method under its own convention and epoch rule.",
        ),
    ] = False,
    per_class: Annotated[
        bool, typer.Option("--per-class", help="F1 of each class, on datasets that have classes.")
    ] = False,
    allow_unequal_budgets: Annotated[
        bool,
        typer.Option(
            "--allow-unequal-budgets", help="Compare tuned rows whose searches differ in budget; it is said."
        ),
    ] = False,
    significance: Annotated[
        bool,
        typer.Option("--significance", help="Underline what cannot be told from the best of its column."),
    ] = False,
    reference: Annotated[
        str | None, typer.Option(help="Star what differs significantly from this row: 'lf_dnn'.")
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(help="Metrics in printed order: 'acc7,has0_acc2/non0_acc2'; default: a paper's."),
    ] = None,
    rows: Annotated[
        str | None, typer.Option(help="Rows in printed order, 'almt,tfn'; others are left out.")
    ] = None,
    decimals: Annotated[
        int | None,
        typer.Option(
            help="Digits after the point of percentages, 0 to 7 (default: 2); other figures get one more."
        ),
    ] = None,
    style: Annotated[
        Path | None,
        typer.Option(
            help="TOML with columns, rows, decimals, names, labels, latex_numbers; options go above it."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the files; default: <study>/tables.")] = None,
    standalone: Annotated[
        bool, typer.Option("--standalone", help="Make the LaTeX file a document that compiles by itself.")
    ] = False,
    latex_numbers: Annotated[
        str | None,
        typer.Option(
            help="Who aligns figures in LaTeX: siunitx (the default), or plain, without that package."
        ),
    ] = None,
) -> None:
    """Compare the methods of a study: mean and spread over seeds under any convention and epoch rule.

    Nothing is trained: the same records answer every convention and selection.
    """
    from msabench.cli.folders import study_folder
    from msabench.errors import SpecError
    from msabench.report import TableOptions
    from msabench.report.latex_figures import Latex

    lens = "all" in (convention or [])
    if published and (convention or selection):
        raise SpecError(
            "--published reads each method under its own convention and its own epoch rule",
            fix="leave out --convention and --selection, or leave out --published",
        )
    if per_class and ((convention and not lens) or len(selection or ()) > 1):
        raise SpecError(
            "--per-class prints F1 of each class under one epoch rule, whatever the convention",
            fix="leave out --convention, and give --selection once",
        )
    _refuse_idle(
        {"--published": published, "--conventions all": lens, "--per-class": per_class},
        {
            "--significance": significance,
            "--reference": reference is not None,
            "--columns": columns is not None,
            "--rows": rows is not None,
            "--decimals": decimals is not None,
        },
    )
    folder = study_folder(results_root, study)
    formats = format_ or ["all"]
    looks = _style(style, columns, rows, decimals, latex_numbers)
    latex = Latex(document=standalone, numbers=looks.latex_numbers)
    unequal = {"allow_unequal_budgets": allow_unequal_budgets}
    if per_class:
        rule = (selection or DEFAULT_SELECTIONS)[0]
        shown = print_per_class(folder, rule, formats=formats, out=out, latex=latex, **unequal)
    elif lens:
        shown = print_lens(folder, selection, formats=formats, out=out, latex=latex, **unequal)
    elif published:
        shown = print_published(folder, formats=formats, out=out, latex=latex)
    else:
        shown = print_report(
            folder,
            convention or [None],
            selection or DEFAULT_SELECTIONS,
            formats=formats,
            out=out,
            document=standalone,
            options=TableOptions(
                allow_unequal_budgets=allow_unequal_budgets,
                significance=significance,
                reference=reference or "",
                style=looks,
            ),
        )
    if not shown:
        raise typer.Exit(1)


def _refuse_idle(layouts: Mapping[str, bool], options: Mapping[str, bool]) -> None:
    """Tables of another layout are made alone, and without the options that only scores by method obey."""
    from msabench.errors import SpecError

    wanted = [name for name, given in layouts.items() if given]
    idle = [name for name, given in options.items() if given]
    if len(wanted) > 1:
        raise SpecError(f"{' and '.join(wanted)} make tables of their own", fix="ask for one at a time")
    if wanted and idle:
        raise SpecError(f"the table of {wanted[0]} knows no {', '.join(idle)}", fix="leave one of them out")


def _style(
    path: Path | None,
    columns: str | None,
    rows: str | None,
    decimals: int | None,
    latex_numbers: str | None,
) -> Style:
    """A style file's settings, and the command line's above them."""
    from dataclasses import replace

    from msabench.report.latex_figures import checked
    from msabench.report.style import Style, read_style
    from msabench.variants import split_rows

    found = read_style(path) if path else Style()
    if columns is not None:
        found = replace(found, columns=tuple(name.strip() for name in columns.split(",") if name.strip()))
    if rows is not None:
        found = replace(found, rows=split_rows(rows))
    if decimals is not None:
        found = replace(found, decimals={**found.decimals, "percent": decimals, "score": decimals + 1})
    if latex_numbers is not None:
        found = replace(found, latex_numbers=checked(latex_numbers))
    return found


def print_report(
    folder: Path,
    conventions: Sequence[str | None],
    selections: Sequence[str],
    *,
    formats: Sequence[str] = ("all",),
    out: Path | None = None,
    document: bool = False,
    options: TableOptions | None = None,
) -> bool:
    """Print a study's comparison and write its files.

    Returns
    -------
    Whether the study has a finished run.
    """
    from msabench.cli.progress import working
    from msabench.report import TableOptions, write_report
    from msabench.report.render_terminal import show

    chosen, files = _formats(formats)
    with working(_READING):
        made = write_report(
            folder,
            conventions,
            selections,
            files,
            out=out,
            document=document,
            options=options or TableOptions(),
        )
    for table in made.tables:
        if "terminal" in chosen or not table.blocks:
            show(table)
    _say_what_was_written(folder, made.paths)
    return any(table.blocks for table in made.tables)


def print_published(
    folder: Path, *, latex: Latex, formats: Sequence[str] = ("all",), out: Path | None = None
) -> bool:
    """Print a study's figures beside the published ones, and write the files.

    Returns
    -------
    Whether the study has a record.
    """
    from msabench.cli.progress import working
    from msabench.report import write_published
    from msabench.report.render_published import show

    chosen, files = _formats(formats)
    with working(_READING):
        table, paths = write_published(folder, files, out=out, latex=latex)
    if "terminal" in chosen or not table.blocks:
        show(table)
    _say_what_was_written(folder, paths)
    return bool(table.blocks)


def print_lens(
    folder: Path,
    selections: Sequence[str] | None,
    *,
    latex: Latex,
    formats: Sequence[str] = ("all",),
    out: Path | None = None,
    allow_unequal_budgets: bool = False,
) -> bool:
    """Print where each method ranks under every convention and rule, and write the files.

    Returns
    -------
    True: a study without a finished run is an error.
    """
    from msabench.cli.progress import working
    from msabench.report.grid import show
    from msabench.report.lens import RULES, details, lens, readings, write_lens

    chosen, files = _formats(formats)
    rules = tuple(dict.fromkeys(("same-epoch", *selections))) if selections else RULES
    with working(_READING):
        ranked = readings(folder, rules)
    grids = lens(folder, ranked, rules, allow_unequal_budgets=allow_unequal_budgets)
    paths = write_lens(grids, details(ranked), files, out or folder / "tables", latex)
    if "terminal" in chosen:
        show(grids)
    _say_what_was_written(folder, paths)
    return True


def print_per_class(
    folder: Path,
    selection: str,
    *,
    latex: Latex,
    formats: Sequence[str] = ("all",),
    out: Path | None = None,
    allow_unequal_budgets: bool = False,
) -> bool:
    """Print F1 of each class, and write the files.

    Returns
    -------
    True: a study without classes is an error.
    """
    from msabench.cli.progress import working
    from msabench.report.files import write
    from msabench.report.grid import rendered, show
    from msabench.report.per_class import per_class

    chosen, files = _formats(formats)
    with working(_READING):
        grids = per_class(folder, selection, allow_unequal_budgets=allow_unequal_budgets)
    paths = write(out or folder / "tables", rendered(grids, "per_class", files, latex))
    if "terminal" in chosen:
        show(grids)
    _say_what_was_written(folder, paths)
    return True


def _formats(formats: Sequence[str]) -> tuple[list[str], list[str]]:
    """The formats asked for, and those of them that are files."""
    from msabench.errors import unknown

    for name in formats:
        if name not in (*_FORMATS, "all"):
            raise unknown("format", name, (*_FORMATS, "all"))
    chosen = list(_FORMATS) if "all" in formats else list(dict.fromkeys(formats))
    return chosen, [name for name in chosen if name != "terminal"]


def _say_what_was_written(folder: Path, paths: Sequence[Path]) -> None:
    from msabench.records import Store

    for path in paths:
        typer.echo(f"written: {path}")
    if old := Store(folder).superseded():
        typer.echo(f"left out: {len(old)} records of older method versions, other data or earlier choices")
