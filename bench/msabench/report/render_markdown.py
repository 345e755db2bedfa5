"""Markdown: one pipe table for each dataset and convention."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msabench.report.table import Block, Column, FailureLine, Group, Half, Line, Table, halves, plain


def render(table: Table) -> str:
    """The table, its notes and its failures."""
    parts = [f"### {escape(table.title)}", escape(table.caption)]
    for group in table.groups:
        parts += [f"**{escape(group.title)}**", _group(table, group)]
    parts += ["\n".join(f"- {note.mark} {escape(note.text)}" for note in table.notes)]
    if table.failures:
        parts += ["**Failed runs**", failures_table(table.failures)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _group(table: Table, group: Group) -> str:
    head = ["Method", "n", *(f"{escape(c.label)} {c.arrow}" for c in group.columns)]
    several = len(table.blocks) > 1 or table.blocks[0].oracle
    rows = [["Selection"] * several + head]
    rows.append(["---"] * (several + 1) + ["---:"] * (len(head) - 1))
    for block in table.blocks:
        label = [escape(block.label)] * several
        rows += [
            [*label, _method(line), line.n(group), *(_cell(block, line, group, c) for c in group.columns)]
            for line in block.lines
            if group in line.coverage
        ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _method(line: Line) -> str:
    marks = f" <sup>{','.join(line.marks)}</sup>" if line.marks else ""
    return escape(line.title) + marks


def _cell(block: Block, line: Line, group: Group, column: Column) -> str:
    return " / ".join(_half(half) for half in halves(block, line, group, column))


def _half(half: Half) -> str:
    text = plain(half.mean, half.spread)
    marked = f"**{text}**" if half.best else f"<u>{text}</u>" if half.tied else text
    return marked + escape(half.stars)


def failures_table(failures: Sequence[FailureLine]) -> str:
    """The failed runs, one a line."""
    rows = [["Method", "Dataset", "Seed", "Cause", "Message"], ["---"] * 5]
    rows += [
        [escape(text) for text in (f.method, f.dataset, str(f.seed), f.cause, f.message)] for f in failures
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def escape(text: str) -> str:
    """Names and messages are shown as they are: no markup, no new cells or lines."""
    return re.sub(r"([\\`*_{}\[\]<>|#~])", r"\\\1", " ".join(text.split()))
