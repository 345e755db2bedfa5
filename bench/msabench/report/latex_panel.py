"""The tabular of a comparison in LaTeX: a column for each mean and for each spread, rows block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from msabench.report.latex import escape
from msabench.report.latex_figures import PLUS_MINUS, SMALL, FigureColumn, Numbers, fitting
from msabench.report.table import FEWER, Block, Column, Group, Half, Line, Table, halves

_SLASH = r"@{\;/\;}"
"""Between the halves of a pair"""
_DAGGER = r"$^{\dagger}$"

Place = tuple[Group, Column | None]
"""A printed column of a group; without a column that of n"""
Figures = tuple[FigureColumn, ...]
"""n in one column, or mean and spread of each metric"""


def tabular(table: Table, panels: Sequence[Sequence[Group]], numbers: Numbers) -> list[str]:
    """The lines of a `tabular` of panels that have one layout, below each other.

    Parameters
    ----------
    panels
        The groups that stand side by side in each.
    numbers
        Who aligns the figures.
    """
    places = [_places(panel) for panel in panels]
    figures = [_figures(table, alike, numbers) for alike in zip(*places, strict=True)]
    specs = "".join(_spec(found) for found in figures)
    rows: list[str] = []
    for panel in panels:
        rows += [*([r"\midrule"] if rows else []), *_panel(table, panel, figures)]
    return [
        rf"\begin{{tabular}}{{@{{}}l{specs}@{{}}}}",
        r"\toprule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
    ]


def layout(panel: Sequence[Group]) -> tuple[object, ...]:
    """What panels must have in common to stand in one tabular: the columns of each place."""
    return tuple(group.columns for group in panel)


def lines_of(block: Block, panel: Sequence[Group]) -> list[Line]:
    """The rows of a block that have runs on any dataset of a panel."""
    return [line for line in block.lines if any(group in line.coverage for group in panel)]


def row(cells: Sequence[str]) -> str:
    """A line of a tabular."""
    return " & ".join(cells) + r" \\"


# -- columns -----------------------------------------------------------------------------------------------


def _places(panel: Sequence[Group]) -> list[Place]:
    return [(group, column) for group in panel for column in (None, *group.columns)]


def _figures(table: Table, alike: Sequence[Place], numbers: Numbers) -> Figures:
    """Columns that the figures of one place fit, in all panels."""
    first = alike[0][1]
    if first is None:
        counts = [line.n(group) for group, _ in alike for block in table.blocks for line in block.lines]
        marks = {_DAGGER for text in counts if text.endswith(FEWER)}
        return (fitting([text.rstrip(FEWER) for text in counts], numbers, behind=marks),)
    found: list[FigureColumn] = []
    for metric in first.metrics:
        printed = [
            half
            for group, column in alike
            for block in table.blocks
            for line in block.lines
            if (half := _half(block, line, group, column, metric))
        ]
        found.append(fitting([half.mean for half in printed], numbers))
        spreads, stars = [half.spread for half in printed], {_stars(half) for half in printed}
        found.append(fitting(spreads, numbers, behind=stars, left=True))
    return tuple(found)


def _half(block: Block, line: Line, group: Group, column: Column | None, metric: str) -> Half | None:
    parts = halves(block, line, group, replace(column, metrics=(metric,))) if column else []
    return parts[0] if parts else None


def _stars(half: Half) -> str:
    return f"$^{{{half.stars}}}$" if half.stars else ""


def _spec(figures: Figures) -> str:
    if len(figures) == 1:
        return figures[0].spec
    pairs = zip(figures[::2], figures[1::2], strict=True)
    return _SLASH.join(f"{mean.spec}{PLUS_MINUS}>{{{SMALL}}}{spread.spec}" for mean, spread in pairs)


# -- rows --------------------------------------------------------------------------------------------------


def _panel(table: Table, panel: Sequence[Group], figures: Sequence[Figures]) -> Iterator[str]:
    columns = 1 + sum(map(len, figures))
    places = list(zip(_places(panel), figures, strict=True))
    yield from _head(panel)
    several = len(table.blocks) > 1 or table.blocks[0].oracle
    for at, block in enumerate(block for block in table.blocks if lines_of(block, panel)):
        if at:
            yield r"\addlinespace"
        if several:
            yield row([rf"\multicolumn{{{columns}}}{{@{{}}l@{{}}}}{{\textit{{{escape(block.label)}}}}}"])
        for line in lines_of(block, panel):
            cells = [_cell(block, line, *place, end=place is places[-1]) for place in places]
            yield row([_method(line), *cells])


def _head(panel: Sequence[Group]) -> list[str]:
    spans, rules, names, at = [], [], [], 2
    for group in panel:
        width = 1 + sum(2 * len(column.metrics) for column in group.columns)
        end = group is panel[-1]
        spans.append(_wide(width, f"{_data(group)}, {escape(group.convention)}", end=end))
        rules.append(rf"\cmidrule(lr){{{at}-{at + width - 1}}}")
        names.append("{$n$}")
        for column in group.columns:
            text = f"{escape(column.label)} {escape(column.arrow)}"
            last = end and column is group.columns[-1]
            names.append(_wide(2 * len(column.metrics), text, end=last))
        at += width
    return [row(["", *spans]), " ".join(rules), row(["Method", *names]), r"\midrule"]


def _wide(width: int, text: str, *, end: bool = False, behind: str = "") -> str:
    """A cell over several columns; at the table's end no space follows it."""
    return rf"\multicolumn{{{width}}}{{c{behind or ('@{}' if end else '')}}}{{{text}}}"


def _data(group: Group) -> str:
    return rf"\textbf{{{escape(group.data)}}}" if group.data_kind == "twin" else escape(group.data)


def _method(line: Line) -> str:
    marks = ",".join(escape(mark).strip("$") for mark in line.marks)
    return escape(line.title) + (f"$^{{{marks}}}$" if marks else "")


def _cell(block: Block, line: Line, place: Place, figures: Figures, *, end: bool) -> str:
    group, column = place
    if column is None:
        n = line.n(group)
        return figures[0].cell(n.rstrip(FEWER), behind=_DAGGER if n.endswith(FEWER) else "")
    found = [_half(block, line, group, column, metric) for metric in column.metrics]
    if not any(found):
        return _wide(len(figures), "", end=end)
    cells = []
    for at, half in enumerate(found):
        mean, spread = figures[2 * at : 2 * at + 2]
        last = at == len(found) - 1
        if half is not None and half.spread:
            cells.append(mean.cell(half.mean, best=half.best, tied=half.tied))
            cells.append(spread.cell(half.spread, behind=_stars(half)))
        else:
            text = escape(half.mean) if half else ""
            cells.append(_wide(2, text, end=end and last, behind="" if last else _SLASH))
    return " & ".join(cells)
