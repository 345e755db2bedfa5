"""Single options that several verbs share; those of a study are in `study_options`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ResultsRoot = Annotated[
    Path, typer.Option(envvar="MSABENCH_RESULTS", help="Folder of the studies.", show_default=True)
]
DataRoot = Annotated[Path, typer.Option(envvar="MSABENCH_DATA", help="Folder of the feature files.")]
CacheRoot = Annotated[
    Path | None,
    typer.Option(envvar="MSABENCH_CACHE", help="Folder of converted files; by default below the data root."),
]


def names(given: list[str] | None) -> tuple[str, ...]:
    """Names of a repeated option, of which each may hold several with commas between; each name once."""
    parts = (name.strip() for text in given or () for name in text.split(","))
    return tuple(dict.fromkeys(name for name in parts if name))
