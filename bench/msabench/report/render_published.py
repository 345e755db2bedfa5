"""Measured beside published, in every format: columns of their own, sources numbered below."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from html import escape as escape_html

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from msabench.report import page
from msabench.report.latex import escape
from msabench.report.latex_figures import CLOSING, SNIPPET, Latex, Numbers, opening, written
from msabench.report.latex_grid import TextColumns, text_columns
from msabench.report.latex_panel import row
from msabench.report.published_table import HEADINGS, PublishedBlock, PublishedLine, PublishedTable, exact
from msabench.report.render_csv import one_line
from msabench.report.render_html import failures
from msabench.report.render_latex import failures_float, notes_below
from msabench.report.render_markdown import escape as escape_markdown
from msabench.report.render_markdown import failures_table
from msabench.report.render_terminal import failures_grid, fitted
from msabench.report.table import Note

CSV_COLUMNS = (
    *("row", "title", "dataset", "data", "convention", "selection", "oracle", "track", "text_encoder"),
    *("text_mode", "metric", "better", "unit", "measured", "sd", "n", "failed", "published", "source"),
    *("notes", "difference", "comparable", "reasons", "reconstruction", "msabench", "keys"),
)
_PAGE = 40
"""Table lines that a page holds beside a caption"""


def show(table: PublishedTable, console: Console | None = None) -> None:
    """Print to a console, standard output unless another is given."""
    console = fitted(console)
    console.print(Text(table.title, style="bold"), Text(), sep="\n")
    for block in table.blocks:
        console.print(Text(block.heading, style="bold yellow" if block.group.data_kind == "twin" else "bold"))
        if block.remark:
            console.print(Text(block.remark, style="yellow"))
        rich = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        for heading in HEADINGS:
            rich.add_column(heading, overflow="fold", justify="left" if heading == HEADINGS[0] else "right")
        for line in block.lines:
            rich.add_row(*(Text(text) for text in line.texts))
        console.print(rich)
    for number, source in enumerate(table.sources, 1):
        console.print(Text(f"[{number}] {source}"))
    for note in table.notes:
        console.print(Text(f"{note.mark} {note.text}"))
    console.print(Text(table.caption))
    if table.failures:
        console.print(failures_grid(table.failures))


def markdown(table: PublishedTable) -> str:
    """A pipe table for each row and dataset."""
    parts = [f"### {escape_markdown(table.title)}", escape_markdown(table.caption)]
    for block in table.blocks:
        parts += [f"**{escape_markdown(block.heading)}**", escape_markdown(block.remark)]
        rows = [HEADINGS, ("---", *("---:" for _ in HEADINGS[1:]))]
        rows += [tuple(escape_markdown(text) for text in line.texts) for line in block.lines]
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
    parts.append("\n".join(f"- \\[{n}\\] {escape_markdown(text)}" for n, text in enumerate(table.sources, 1)))
    parts.append("\n".join(f"- {note.mark} {escape_markdown(note.text)}" for note in table.notes))
    if table.failures:
        parts += ["**Failed runs**", failures_table(table.failures)]
    return "\n\n".join(part for part in parts if part) + "\n"


def html(table: PublishedTable) -> str:
    """A page with a table for each row and dataset."""
    body = [f"<h1>{escape_html(table.title)}</h1>"]
    for block in table.blocks:
        rows = [page.row(line.texts) for line in block.lines]
        body.append(page.table(block.heading, HEADINGS, rows, twin=block.group.data_kind == "twin"))
        body += page.paragraphs([block.remark])
    body += page.paragraphs(f"[{number}] {source}" for number, source in enumerate(table.sources, 1))
    body += page.paragraphs(f"{note.mark} {note.text}" for note in table.notes)
    body += page.paragraphs([table.caption])
    if table.failures:
        body.append(failures(table.failures))
    return page.page(table.title, body)


def to_csv(table: PublishedTable) -> str:
    """One line for each measured figure and each published one beside it, in full precision.

    `measured`, `sd`, `published` and `difference` are fractions where `unit` is `fraction`; `published` is
    `not found` where no source gives it. `difference` is empty where the two cannot be compared, and
    `reasons` says why.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    texts = {note.mark: note.text for note in table.notes}
    for block in table.blocks:
        for line in block.lines:
            values = {**_block_values(block), **_line_values(table, block, line), "msabench": table.version}
            values["notes"] = "; ".join(texts[mark] for mark in line.marks)
            writer.writerow({name: one_line(value) for name, value in values.items()})
    return out.getvalue()


def _block_values(block: PublishedBlock) -> dict[str, object]:
    return {
        "row": block.row, "title": block.title, "dataset": block.group.dataset, "data": block.group.data_kind,
        "convention": block.group.convention, "selection": block.selection, "oracle": block.oracle,
        "track": block.track, "text_encoder": block.runs.text_encoder, "text_mode": block.runs.text_mode,
        "failed": block.runs.failed, "reconstruction": block.reconstruction,
    }  # fmt: skip


def _line_values(table: PublishedTable, block: PublishedBlock, line: PublishedLine) -> dict[str, object]:
    cell = line.cell
    reasons = (*block.reasons, *line.reasons) if line.value is not None else ()
    return {
        "metric": line.metric,
        "better": line.column.better,
        "unit": "fraction" if line.column.percent else "score",
        "measured": exact(cell.mean) if cell else "",
        "sd": exact(cell.sd) if cell else "",
        "n": cell.n if cell else 0,
        "keys": " ".join(cell.keys) if cell else "",
        "published": line.published_text if line.value is None else exact(line.value),
        "source": table.sources[line.source - 1] if line.source else "",
        "difference": exact(line.difference),
        "comparable": line.comparable,
        "reasons": "; ".join(reasons),
    }


def to_latex(table: PublishedTable, latex: Latex = SNIPPET, *, label: str = "tab:published") -> str:
    """Floats of at most a page, to be `\\input` where the packages are loaded that the first line names.

    Parameters
    ----------
    latex
        Whether it is a document, and who aligns the figures.
    label
        For `\\ref`; further floats get `-2`, `-3`, … behind it.
    """
    pages: list[list[PublishedBlock]] = []
    for block in table.blocks:
        if pages and sum(_height(each) for each in (*pages[-1], block)) <= _PAGE:
            pages[-1].append(block)
        else:
            pages.append([block])
    parts = [_float(table, page, place, label, latex.numbers) for place, page in enumerate(pages)]
    if not pages:
        parts.append(f"% {escape(table.title)}\n\\par {escape(table.caption)}\n")
    if table.failures:
        parts.append(failures_float(table.failures, f"{label}-failures"))
    return written(parts, table.version, latex)


def _height(block: PublishedBlock) -> int:
    return len(block.lines) + 5


def _float(
    table: PublishedTable, blocks: Sequence[PublishedBlock], place: int, first: str, numbers: Numbers
) -> str:
    title = escape(table.title)
    caption = f"{title}. {escape(table.caption)}"
    if place:
        caption = rf"{title}, continued; what the caption of Table~\ref{{{first}}} says holds here too."
    used = dict.fromkeys(line.source for block in blocks for line in block.lines if line.source)
    below = [Note(mark=f"[{n}]", text=table.sources[n - 1]) for n in sorted(used)]
    columns = _columns(table, numbers)
    return "\n".join(
        [
            *opening(caption, f"{first}-{place + 1}" if place else first, numbers, separation=6),
            rf"\begin{{tabular}}{{@{{}}{''.join(column.spec for column in columns)}@{{}}}}",
            r"\toprule",
            row([column.head(heading) for column, heading in zip(columns, HEADINGS, strict=True)]),
            *(line for block in blocks for line in _rows(block, columns)),
            r"\bottomrule",
            r"\end{tabular}",
            CLOSING,
            *notes_below([*below, *table.notes]),
            r"\end{table*}",
            "",
        ]
    )


def _columns(table: PublishedTable, numbers: Numbers) -> list[TextColumns]:
    """The same in all floats; the last holds reasons in sentences beside differences, and is broken."""
    cells = zip(*(line.texts for block in table.blocks for line in block.lines), strict=True)
    *figures, _ = ([text_columns(texts, numbers, "l") for texts in cells]) or [TextColumns(spec="l")] * 6
    return [*figures, TextColumns(spec=r"p{0.38\linewidth}")]


def _rows(block: PublishedBlock, columns: Sequence[TextColumns]) -> list[str]:
    texts = [rf"\textbf{{{escape(block.heading)}}}", *([escape(block.remark)] if block.remark else [])]
    width = sum(column.width for column in columns)
    wide = rf"\multicolumn{{{width}}}{{@{{}}p{{\dimexpr\linewidth\relax}}@{{}}}}{{%s\strut}} \\"
    return [
        r"\midrule",
        *(wide.replace("%s", text) for text in texts),
        *(
            row([column.cell(text) for column, text in zip(columns, line.texts, strict=True)])
            for line in block.lines
        ),
    ]
