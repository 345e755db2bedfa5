"""LaTeX: booktabs and siunitx, in the layout of the field's papers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from textwrap import shorten

from msabench.report.latex import escape
from msabench.report.latex_figures import CLOSING, SNIPPET, Latex, Numbers, opening, written
from msabench.report.latex_panel import layout, lines_of, row, tabular
from msabench.report.table import UNDEFINED, FailureLine, Group, Note, Table

_LINE = 105
"""Characters of footnotesize figures that a page of 17 cm holds, spreads counted at their smaller size"""
_PAGE = 44
"""Table lines that a page holds beside a caption; above it each group of panels is a float of its own"""
_LISTED = 30
"""Failures printed; the CSV has all"""


def render(table: Table, latex: Latex = SNIPPET, *, label: str = "tab:comparison") -> str:
    """The table as `table*` floats, to be `\\input` where the packages are loaded that its first line names.

    Datasets stand side by side where their columns fit the text width, else below each other; what is still
    too wide is scaled down, and what is too high for one page becomes several floats.

    Parameters
    ----------
    latex
        Whether it is a document, and who aligns the figures.
    label
        For `\\ref`; further floats get `-2`, `-3`, … behind it.
    """
    panels = _panels(table.groups)
    height = sum(_height(table, panel) for panel in panels)
    floats = [[panel] for panel in panels] if height > _PAGE else [panels] if panels else []
    parts = [_float(table, content, place, label, latex.numbers) for place, content in enumerate(floats)]
    if not floats:
        parts.append(f"% {escape(table.title)}\n\\par {escape(table.caption)}\n")
    if table.failures:
        parts.append(failures_float(table.failures, f"{label}-failures"))
    return written(parts, table.version, latex)


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
    return sum(len(lines_of(block, panel)) + 1 for block in table.blocks) + 3


# -- one float ---------------------------------------------------------------------------------------------


def _float(table: Table, panels: Sequence[Sequence[Group]], place: int, first: str, numbers: Numbers) -> str:
    # panels of one layout stand below each other in one tabular, and line up
    tabulars = [tabular(table, list(alike), numbers) for _, alike in groupby(panels, layout)]
    content = tabulars[0]
    if len(tabulars) > 1:
        below = [r"\\", r"\addlinespace[1ex]"]
        parts = [line for each in tabulars for line in (*below, *each)][len(below) :]
        content = [r"\begin{tabular}{@{}c@{}}", *parts, r"\end{tabular}"]
    title = escape(table.title)
    caption = f"{title}. {escape(table.caption)}"
    if place:
        caption = rf"{title}, continued; what the caption of Table~\ref{{{first}}} says holds here too."
    label = f"{first}-{place + 1}" if place else first
    return "\n".join(
        [
            *opening(caption, label, numbers),
            *content,
            CLOSING,
            *notes_below(table.notes),
            r"\end{table*}",
            "",
        ]
    )


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
        row(
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
            *opening(f"Failed runs: {len(failures)}.{more}", label, "plain"),
            r"\begin{tabular}{@{}llrlp{0.5\linewidth}@{}}",
            r"\toprule",
            row(["Method", "Dataset", "Seed", "Cause", "Message"]),
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            CLOSING,
            r"\end{table*}",
            "",
        ]
    )
