"""`msabench site`: studies as a leaderboard of static pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from msabench.cli.options import ResultsRoot


def site(
    studies: Annotated[
        list[str],
        typer.Argument(help="Folder names of studies (msabench status lists them)."),
    ],
    results_root: ResultsRoot = Path("results"),
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; default: site/ in the first study's folder.")
    ] = None,
    title: Annotated[str, typer.Option(help="Heading of every page.")] = "msabench leaderboard",
    allow_unequal_budgets: Annotated[
        bool,
        typer.Option(
            "--allow-unequal-budgets", help="Show tuned rows whose searches differ in budget; it is said."
        ),
    ] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Then serve it on 127.0.0.1 until Ctrl-C.")] = False,
    port: Annotated[int, typer.Option(help="Of --serve; 0 takes a free one.")] = 8000,
) -> None:
    """Write the leaderboard as a folder of pages that open from a file and need no network.

    Every run's figures under every convention and epoch rule are in it; nothing is trained.
    """
    from contextlib import nullcontext

    from msabench.cli.folders import study_folder
    from msabench.cli.progress import working
    from msabench.report.site import write_site
    from msabench.report.site.serve import server

    folders = [study_folder(results_root, study) for study in dict.fromkeys(studies)]
    folder = out or folders[0] / "site"
    with (
        server(folder, port) if serve else nullcontext() as running
    ):  # first: a port that is taken is told soon
        with working("scoring every run under every convention and epoch rule"):
            made = write_site(folders, folder, title=title, allow_unequal_budgets=allow_unequal_budgets)
        typer.echo(f"written: {made.index} ({made.files} files, {made.bytes / 2**20:.1f} MiB)")
        if running is not None:
            typer.echo(f"open http://127.0.0.1:{running.server_address[1]}/ (Ctrl-C ends)")
            try:
                running.serve_forever()
            except KeyboardInterrupt:
                typer.echo("ended")
