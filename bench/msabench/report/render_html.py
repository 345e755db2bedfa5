"""HTML: a page of its own, one table for each dataset and convention."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from msabench.report import page
from msabench.report.table import Block, Column, FailureLine, Group, Line, Table, halves


def render(table: Table) -> str:
    """The table, its notes and its failures."""
    body = [f"<h1>{escape(table.title)}</h1>"]
    for group in table.groups:
        head = ["Method", "n", *(f"{column.label} {column.arrow}" for column in group.columns)]
        body.append(page.table(group.title, head, _rows(table, group), twin=group.data_kind == "twin"))
    body += page.paragraphs(f"{note.mark} {note.text}" for note in table.notes)
    body += page.paragraphs([table.caption])
    if table.failures:
        body.append(failures(table.failures))
    return page.page(table.title, body)


def _rows(table: Table, group: Group) -> list[str]:
    several = len(table.blocks) > 1 or table.blocks[0].oracle
    rows = []
    for block in table.blocks:
        lines = [line for line in block.lines if group in line.coverage]
        if several and lines:
            rows.append(page.block_row(block.label, len(group.columns) + 2))
        rows += [_row(block, line, group) for line in lines]
    return rows


def _row(block: Block, line: Line, group: Group) -> str:
    marks = f" <sup>{escape(','.join(line.marks))}</sup>" if line.marks else ""
    cells = "".join(f"<td>{_cell(block, line, group, column)}</td>" for column in group.columns)
    n = escape(line.n(group))
    return f'<tr><th scope="row">{escape(line.title)}{marks}</th><td>{n}</td>{cells}</tr>'


def _cell(block: Block, line: Line, group: Group, column: Column) -> str:
    texts = []
    for half in halves(block, line, group, column):
        figure = escape(half.mean)
        if half.best:
            figure = f"<strong>{figure}</strong>"
        elif half.tied:
            figure = f"<u>{figure}</u>"
        stars = f"<sup>{half.stars}</sup>" if half.stars else ""
        spread = f' <span class="sd">±{escape(half.spread)}</span>' if half.spread else ""
        texts.append(figure + stars + spread)
    return " / ".join(texts)


def failures(lines: Sequence[FailureLine]) -> str:
    """The failed runs, one a row."""
    rows = [page.row([f.method, f.dataset, str(f.seed), f.cause, f.message], words=5) for f in lines]
    return page.table("Failed runs", ["method", "dataset", "seed", "cause", "message"], rows)
