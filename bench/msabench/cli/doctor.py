"""`msabench doctor`: what is installed and found, and what to do about what is not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from msabench.cli.options import DataRoot, ResultsRoot

if TYPE_CHECKING:
    from msabench.health import Check

MARKS = {"ok": "[green]✓[/]", "missing": "[yellow]–[/]", "broken": "[red]✗[/]"}


def doctor(
    data_root: DataRoot = Path("datasets"),
    results_root: ResultsRoot = Path("results"),
    tracking_uri: Annotated[
        str | None, typer.Option(envvar="MLFLOW_TRACKING_URI", help="MLflow server or database to ask.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check this installation: packages, devices, disk, MLflow, methods, datasets, text encoders.

    Ends with exit code 1 if a benchmark cannot run; what is merely missing (marked –) does not count.
    """
    from dataclasses import asdict
    from json import dumps

    from msabench.cli.progress import working
    from msabench.health import examine

    with working("loading packages and looking around"):
        checks = examine(data_root, results_root, tracking_uri)
    if json:
        typer.echo(dumps([asdict(check) for check in checks], indent=1, ensure_ascii=False))
    else:
        _print(checks)
    if any(check.state == "broken" for check in checks):
        raise typer.Exit(1)


def _print(checks: list[Check]) -> None:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from msabench.cli.tables import keep_words

    console = Console(emoji=False, highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for at, heading in enumerate(("", "", "found", "what to do")):
        table.add_column(heading, no_wrap=at < 2, overflow="fold")
    for section in dict.fromkeys(check.section for check in checks):
        table.add_section()
        table.add_row("", f"[bold]{section}[/]")
        for check in checks:
            if check.section == section:
                table.add_row(
                    MARKS[check.state], escape(check.name), escape(check.found), escape(check.advice)
                )
    console.print(keep_words(table, console))
    counts = {state: sum(check.state == state for check in checks) for state in MARKS}
    console.print(f"{counts['ok']} ok, {counts['missing']} missing, {counts['broken']} broken", markup=False)
