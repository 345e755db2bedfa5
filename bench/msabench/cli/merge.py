"""`msabench merge`: one study out of several machines' studies."""

from pathlib import Path
from typing import Annotated

import typer

from msabench.cli.options import ResultsRoot


def merge(
    out: Annotated[str, typer.Argument(help="The new study's folder name.", show_default=False)],
    studies: Annotated[
        list[str],
        typer.Argument(help="Names of studies, or paths of their folders.", show_default=False),
    ],
    results_root: ResultsRoot = Path("results"),
) -> None:
    """Join studies from several machines into a new one; incompatible ones are refused with the reason.

    The studies are only read. The same run may be in several of them if its predictions are equal.
    """
    from msabench.cli.progress import working
    from msabench.merge import merge as join
    from msabench.study import checked_name

    folders = [results_root / name if (results_root / name).is_dir() else Path(name) for name in studies]
    folder = results_root / checked_name(out)
    with working("reading and comparing the studies"):
        done = join(folder, folders)
    for note in done.notes:
        typer.secho(f"note: {note}", fg=typer.colors.YELLOW, err=True)
    typer.echo(f"{done.runs} runs joined, {done.duplicates} of them in several studies: {done.folder}")
    typer.echo(f"to compare them: msabench report {out}")
