"""LaTeX: booktabs, in the layout of the field's papers; needs the packages booktabs and graphicx alone."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import shorten

from msabench.report.latex import escape
from msabench.report.table import UNDEFINED, Block, Column, FailureLine, Group, Line, Note, Table, halves

PACKAGES = ("booktabs", "graphicx")
_LINE = 105
"""Characters of footnotesize figures that a page of 17 cm holds, spreads counted at their smaller size"""
_PAGE = 44
"""Table lines that a page holds beside a caption; above it each group of panels is a float of its own"""
_LISTED = 30
"""Failures printed; the CSV has all"""

DOCUMENT = r"""\documentclass[10pt,a4paper]{article}
\usepackage[T1]{fontenc}
\usepackage[margin=2cm]{geometry}
\usepackage{booktabs,graphicx}
\begin{document}
%s
\end{document}
"""


def render(table: Table, *, document: bool = False, label: str = "tab:comparison") -> str:
    """The table as `table*` floats, to be `\\input` where booktabs and graphicx are loaded.

    Datasets stand side by side where their columns fit the text width, else below each other; what is still
    too wide is scaled down, and what is too high for one page becomes several floats.

    Parameters
    ----------
    document
        Whether to wrap it in a document that compiles by itself.
    label
        For `\\ref`; further floats get `-2`, `-3`, … behind it.
    """
    panels = _panels(table.groups)
    height = sum(_height(table, panel) for panel in panels)
    floats = [[panel] for panel in panels] if height > _PAGE else [panels] if panels else []
    parts = [_float(table, content, place, label) for place, content in enumerate(floats)]
    if not floats:
        parts.append(f"% {escape(table.title)}\n\\par {escape(table.caption)}\n")
    if table.failures:
        parts.append(failures_float(table.failures, f"{label}-failures"))
    head = f"% msabench {escape(table.version)}; \\usepackage{{{','.join(PACKAGES)}}}"
    text = "\n".join([head, *parts])
    return DOCUMENT % text if document else text


# -- what stands where -------------------------------------------------------------------------------------


def _panels(groups: Sequence[Group]) -> list[list[Group]]:
    """Groups that fit one line of the page together, in order."""
    panels: list[list[Group]] = []
    for group in groups:
        if panels and _width([*panels[-1], group]) <= _LINE:
            panels[-1].append(group)
        else:
            panels.append([group])
    return panels


def _width(groups: Sequence[Group]) -> int:
    """Characters of a panel's line: 12 for the method, 3 for n, 9 for a figure with its small spread."""
    return 12 + sum(3 + sum(10 * len(column.metrics) for column in group.columns) for group in groups)


def _height(table: Table, panel: Sequence[Group]) -> int:
    lines = sum(len(_lines(block, panel)) + 1 for block in table.blocks)
    return lines + 3


def _lines(block: Block, panel: Sequence[Group]) -> list[Line]:
    return [line for line in block.lines if any(group in line.coverage for group in panel)]


# -- one float ---------------------------------------------------------------------------------------------


def _float(table: Table, panels: Sequence[Sequence[Group]], place: int, first: str) -> str:
    columns = max(sum(len(group.columns) + 1 for group in panel) for panel in panels)
    rows: list[str] = []
    for panel in panels:
        rows += [*([r"\midrule"] if rows else []), *_panel(table, panel, columns)]
    title = escape(table.title)
    caption = f"{title}. {escape(table.caption)}"
    if place:
        caption = rf"{title}, continued; what the caption of Table~\ref{{{first}}} says holds here too."
    label = f"{first}-{place + 1}" if place else first
    return "\n".join(
        [
            r"\begin{table*}[tp]",
            r"\centering",
            rf"\caption{{{caption}}}",
            rf"\label{{{label}}}",
            r"\par\smallskip",
            r"\footnotesize",
            r"\setlength{\tabcolsep}{4pt}",
            # shrinks what is wider than the page and leaves the rest alone
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{@{{}}l{'c' * columns}@{{}}}}",
            r"\toprule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}}",
            *notes_below(table.notes),
            r"\end{table*}",
            "",
        ]
    )


def _panel(table: Table, panel: Sequence[Group], columns: int) -> list[str]:
    spans, rules, names, at = [], [], [], 2
    for group in panel:
        width = len(group.columns) + 1
        spans.append(rf"\multicolumn{{{width}}}{{c}}{{{_data(group)}, {escape(group.convention)}}}")
        rules.append(rf"\cmidrule(lr){{{at}-{at + width - 1}}}")
        names += [r"$n$", *(f"{escape(column.label)} {escape(column.arrow)}" for column in group.columns)]
        at += width
    rows = [_row(["", *spans]), " ".join(rules), _row(["Method", *names]), r"\midrule"]
    several = len(table.blocks) > 1 or table.blocks[0].oracle
    shown = [block for block in table.blocks if _lines(block, panel)]
    for place, block in enumerate(shown):
        if place:
            rows.append(r"\addlinespace")
        if several:
            rows.append(
                _row([rf"\multicolumn{{{columns + 1}}}{{@{{}}l}}{{\textit{{{escape(block.label)}}}}}"])
            )
        for line in _lines(block, panel):
            rows.append(
                _row([_method(line), *(text for group in panel for text in _cells(block, line, group))])
            )
    return rows


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _data(group: Group) -> str:
    return rf"\textbf{{{escape(group.data)}}}" if group.data_kind == "twin" else escape(group.data)


def _method(line: Line) -> str:
    marks = ",".join(escape(mark).strip("$") for mark in line.marks)
    return escape(line.title) + (f"$^{{{marks}}}$" if marks else "")


def _cells(block: Block, line: Line, group: Group) -> list[str]:
    n = line.n(group)
    count = escape(n.rstrip("†")) + (r"$^{\dagger}$" if n.endswith("†") else "")
    return [count, *(_cell(block, line, group, column) for column in group.columns)]


def _cell(block: Block, line: Line, group: Group, column: Column) -> str:
    texts = []
    for half in halves(block, line, group, column):
        if not half.spread:
            texts.append(escape(half.mean))
            continue
        figure = _figure(half.mean)
        if half.best:
            figure = rf"\mathbf{{{figure}}}"
        elif half.tied:
            figure = rf"\underline{{{figure}}}"
        stars = f"^{{{half.stars}}}" if half.stars else ""
        # an empty nucleus, so that the spread of an underlined figure stands no lower than others
        texts.append(rf"${figure}{{}}_{{\pm {_figure(half.spread)}}}{stars}$")
    return " / ".join(texts)


def _figure(text: str) -> str:
    """A printed number in math mode, where a dash would be a minus and letters slanted."""
    if text == UNDEFINED:
        return r"\mbox{\tiny--}"
    return rf"\mathrm{{{text}}}" if "inf" in text or "e" in text else text


def notes_below(notes: Sequence[Note]) -> list[str]:
    """Footnotes below a tabular, one a line."""
    if not notes:
        return []
    texts = [f"{_mark(note.mark)} {escape(note.text)}" for note in notes]
    return [
        r"\par\smallskip",
        r"\begin{minipage}{\linewidth}\footnotesize\raggedright",
        " \\\\\n".join(texts),
        r"\end{minipage}",
    ]


def _mark(mark: str) -> str:
    return escape(mark) if mark == UNDEFINED else f"$^{{{escape(mark).strip('$')}}}$"


def failures_float(failures: Sequence[FailureLine], label: str) -> str:
    """A float of its own for the failed runs."""
    rows = [
        _row(
            [
                escape(f.method),
                escape(f.dataset),
                str(f.seed),
                escape(f.cause),
                escape(shorten(f.message, 200)),
            ]
        )
        for f in failures[:_LISTED]
    ]
    left = len(failures) - _LISTED
    more = f" {left} more are in failures.csv." if left > 0 else ""
    return "\n".join(
        [
            r"\begin{table*}[tp]",
            r"\centering",
            rf"\caption{{Failed runs: {len(failures)}.{more}}}",
            rf"\label{{{label}}}",
            r"\par\smallskip",
            r"\footnotesize",
            r"\begin{tabular}{@{}llrlp{0.5\linewidth}@{}}",
            r"\toprule",
            _row(["Method", "Dataset", "Seed", "Cause", "Message"]),
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table*}",
            "",
        ]
    )
