"""A plain grid of text with a caption: what is no comparison of rows over metrics, in all five formats."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msabench import __version__
from msabench.errors import unknown
from msabench.report import page
from msabench.report.latex import escape
from msabench.report.latex_figures import CLOSING, SNIPPET, Latex, Numbers, opening, written
from msabench.report.latex_grid import tabular
from msabench.report.render_markdown import escape as escape_markdown

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Text in rows and columns, and what must be said of it."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """Each as long as `head`"""
    caption: str
    notes: tuple[str, ...] = ()
    name: str = "lens"
    """What it is, in LaTeX's label"""
    words: int = 1
    """How many of the first columns hold words, set to the left; the rest hold figures"""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.head):
                raise ValueError(f"a row of {len(row)} cells in a grid of {len(self.head)} columns: {row}")


def show(grids: Sequence[Grid], console: Console | None = None) -> None:
    """Print grids to a console, standard output unless another is given."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from msabench.report.render_terminal import fitted

    console = fitted(console)
    for grid in grids:
        rich = Table(
            title=Text(grid.title, style="bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
        )
        for place, name in enumerate(grid.head):
            rich.add_column(Text(name), justify="left" if place < grid.words else "right", overflow="fold")
        for row in grid.rows:
            rich.add_row(*(Text(cell) for cell in row))
        console.print(rich)
        for line in (grid.caption, *grid.notes):
            console.print(Text(line))


def to_csv(grids: Sequence[Grid]) -> str:
    """Each grid with its title in the first column; what is said of it stands in the other formats."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for head, same in _by_head(grids).items():
        writer.writerow(["table", *head])
        writer.writerows([grid.title, *row] for grid in same for row in grid.rows)
    return out.getvalue()


def _by_head(grids: Sequence[Grid]) -> Mapping[tuple[str, ...], list[Grid]]:
    found: dict[tuple[str, ...], list[Grid]] = {}
    for grid in grids:
        found.setdefault(grid.head, []).append(grid)
    return found


def to_markdown(grids: Sequence[Grid]) -> str:
    """Pipe tables."""
    parts = []
    for grid in grids:
        ruler = ["---"] * grid.words + ["---:"] * (len(grid.head) - grid.words)
        lines = [map(escape_markdown, grid.head), ruler, *(map(escape_markdown, row) for row in grid.rows)]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        notes = "\n".join(f"- {escape_markdown(note)}" for note in grid.notes)
        parts += [f"### {escape_markdown(grid.title)}", table, escape_markdown(grid.caption), notes]
    return "\n\n".join(filter(None, parts)) + "\n"


def to_latex(grids: Sequence[Grid], latex: Latex = SNIPPET) -> str:
    """`table*` floats, to be `\\input` where the packages are loaded that the first line names."""
    parts = [_float(grid, place, latex.numbers) for place, grid in enumerate(grids, start=1)]
    return written(parts, __version__, latex)


def _float(grid: Grid, place: int, numbers: Numbers) -> str:
    specs = "l" * grid.words + "r" * (len(grid.head) - grid.words)
    caption = " ".join([f"{grid.title}.", grid.caption, *grid.notes])
    return "\n".join(
        [
            *opening(escape(caption), f"tab:{grid.name}-{place}", numbers),
            *tabular(grid.head, grid.rows, specs, numbers),
            CLOSING,
            r"\end{table*}",
            "",
        ]
    )


def to_html(grids: Sequence[Grid]) -> str:
    """A page that needs nothing beside it."""
    body: list[str] = []
    for grid in grids:
        rows = [page.row(cells, words=grid.words) for cells in grid.rows]
        body.append(page.table(grid.title, grid.head, rows))
        body += page.paragraphs((grid.caption, *grid.notes))
    return page.page(grids[0].title if grids else "", body)


def rendered(grids: Sequence[Grid], stem: str, formats: Collection[str], latex: Latex) -> dict[str, str]:
    """File name to its text.

    Parameters
    ----------
    stem
        Of the files' names.
    latex
        Whether the LaTeX file is a document, and who aligns its figures.

    Raises
    ------
    SpecError
        If a format is unknown.
    """
    for name in formats:
        if name not in FORMATS:
            raise unknown("format", name, FORMATS)
    texts = {f"{stem}.{FORMATS[name][0]}": FORMATS[name][1](grids) for name in formats}
    if "latex" in formats:
        texts[f"{stem}.tex"] = to_latex(grids, latex)
    return texts


FORMATS: Mapping[str, tuple[str, Callable[[Sequence[Grid]], str]]] = {
    "latex": ("tex", to_latex),
    "csv": ("csv", to_csv),
    "markdown": ("md", to_markdown),
    "html": ("html", to_html),
}
"""Format to the ending of its files, and renderer"""
