"""`msabench data twin`: write a generated dataset of a real one's sizes and shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from msabench.cli import options as o


def twin(
    dataset: Annotated[str, typer.Argument(help="As in 'mosi', 'mosi:aligned'.")],
    scale: Annotated[float, typer.Option(help="Share of the real number of samples.")] = 1.0,
    seed: Annotated[int, typer.Option(help="0 or more; each seed gives another dataset.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="File to write; by default one below the data root, kept for --twin.")
    ] = None,
    data_root: o.DataRoot = Path("datasets"),
) -> None:
    """Generate a dataset in the layout of its files: real sizes, shapes and label shares, planted signal."""
    from rich.console import Console
    from rich.markup import escape

    from msabench.data.cards import resolve
    from msabench.data.twin import ensure_twin, write_twin
    from msabench.errors import SpecError

    if out is None and not 0 < scale <= 1:
        raise SpecError(
            f"`0 < scale <= 1` must hold for a twin that --twin takes, but got scale={scale:g}",
            fix="--out FILE writes one of any size elsewhere",
        )
    console = Console(emoji=False)
    card, variant = resolve(dataset)
    with console.status(f"generating {escape(card.name)}:{escape(variant.name)}"):
        if out is None:
            path = ensure_twin(card, variant.name, data_root, scale=scale, seed=seed)
        else:
            path = write_twin(card, variant.name, out, scale=scale, seed=seed)
    size = path.stat().st_size / 2**20
    typer.echo(f"{path}: a twin of {card.name}:{variant.name}, {size:.0f} MiB")
    typer.echo("Generated data: figures on it say nothing about the real dataset.")
