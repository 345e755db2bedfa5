"""Terminal: one rich table for each dataset and convention, as dense as the terminal is narrow."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from msabench.report.table import GAP, Block, Column, FailureLine, Group, Line, Table, halves

WIDTH = 160
"""Columns where the output is no terminal: a file or a pipe needs no folding"""

_DENSITIES = ((" / ", ""), (" /\n", ""), (" /\n", "\n"))
"""What stands between the halves of a pair, and before a spread: from one line a row to four"""


def show(table: Table, console: Console | None = None) -> None:
    """Print a table to a console, standard output unless another is given."""
    console = fitted(console)
    for part in render(table, console):
        console.print(part)


def fitted(console: Console | None) -> Console:
    """The console given or standard output, as wide as tables need where it is no terminal."""
    console = console or Console(emoji=False)
    if not console.is_terminal:
        console = Console(emoji=False, file=console.file, width=max(WIDTH, console.width))
    return console


def render(table: Table, console: Console) -> list[RenderableType]:
    """What `show` prints, in order; each group in the first density that fits the console."""
    parts: list[RenderableType] = [Text(table.title, style="bold"), Text()]
    for group in table.groups:
        layouts = [_group(table, group, *density) for density in _DENSITIES]
        natural = console.options.update(max_width=10_000)
        widths = [Measurement.get(console, natural, layout).maximum for layout in layouts]
        fitting = (layout for layout, width in zip(layouts, widths, strict=True) if width <= console.width)
        parts.append(next(fitting, layouts[-1]))
    parts += [Text(f"{note.mark} {note.text}") for note in table.notes]
    parts.append(Text(table.caption))
    if table.failures:
        parts += [Text(), failures_grid(table.failures)]
    return parts


def _group(table: Table, group: Group, between: str, spread: str) -> RichTable:
    twin = group.data_kind == "twin"
    rich = RichTable(
        title=Text(group.title, style="bold yellow" if twin else "bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    rich.add_column("Method", overflow="fold", max_width=24)
    rich.add_column("n", justify="right", overflow="fold")
    for column in group.columns:
        name, bracket, rest = column.label.partition(" (")
        head = f"{name} {column.arrow}" + (f"\n({rest}" if bracket else "")
        rich.add_column(Text(head), justify="right", overflow="fold")
    several = len(table.blocks) > 1 or table.blocks[0].oracle
    for block in table.blocks:
        lines = [line for line in block.lines if group in line.coverage]
        if several and lines:
            rich.add_section()
            rich.add_row(Text(_head(block), style="italic"))
        for line in lines:
            cells = [_cell(block, line, group, column, between, spread) for column in group.columns]
            rich.add_row(Text(_method(line)), line.n(group), *cells)
    return rich


def _head(block: Block) -> str:
    """Short, as it stands in the column of the methods; the caption says the rest."""
    if block.gap:
        return block.selection.replace(GAP, f"{GAP.rstrip()}\n")
    if not block.oracle:
        return block.selection
    partly = any(line.cells and not line.oracle for line in block.lines)
    return f"{block.selection}\n{'partly ' * partly}ORACLE"


def _method(line: Line) -> str:
    return f"{line.title} ({','.join(line.marks)})" if line.marks else line.title


def _cell(block: Block, line: Line, group: Group, column: Column, between: str, before: str) -> Text:
    texts = [
        Text(
            (f"{half.mean}{before}±{half.spread}" if half.spread else half.mean) + half.stars,
            style="bold" if half.best else "underline" if half.tied else "",
        )
        for half in halves(block, line, group, column)
    ]
    return Text(between).join(texts)


def failures_grid(failures: Sequence[FailureLine]) -> RichTable:
    """The failed runs, one a row."""
    rich = RichTable(title=Text("Failed runs", style="bold red"), title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("method", "dataset", "seed", "cause", "message"):
        rich.add_column(name, overflow="fold", justify="right" if name == "seed" else "left")
    for f in failures:
        rich.add_row(*(Text(text) for text in (f.method, f.dataset, str(f.seed), f.cause, f.message)))
    return rich
