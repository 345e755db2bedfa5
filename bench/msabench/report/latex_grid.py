"""Cells of text as a LaTeX tabular: columns that hold figures are found, split and aligned."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from msabench.report.latex import escape
from msabench.report.latex_figures import PLUS_MINUS, SMALL, FigureColumn, Numbers, fitting
from msabench.report.latex_panel import row
from msabench.report.table import UNDEFINED

_CELL = re.compile(r"(?P<mean>[+-]?\d+(?:\.\d+)?)(?: ?± ?(?P<spread>\d+(?:\.\d+)?|–))?(?: (?P<rest>\D.*))?")


class _Parts(NamedTuple):
    """A cell such as `82.21 ± 1.06 (3)`."""

    mean: str
    spread: str
    rest: str


@dataclass(frozen=True, kw_only=True)
class TextColumns:
    """How a column of text is printed: as one column, or as up to three that hold its figures."""

    spec: str
    """In the tabular's preamble"""
    mean: FigureColumn | None = None
    """Without it the column is text"""
    spread: FigureColumn | None = None
    rest: bool = False
    """Whether text follows the figures, in a column of its own"""

    @property
    def width(self) -> int:
        """How many columns of the tabular these are."""
        return 1 + (self.spread is not None) + self.rest

    def head(self, text: str) -> str:
        """The heading, over all of them."""
        if self.width > 1:
            return rf"\multicolumn{{{self.width}}}{{c}}{{{escape(text)}}}"
        return f"{{{escape(text)}}}" if self.mean else escape(text)

    def cell(self, text: str) -> str:
        """The cell of a text as every renderer prints it."""
        if self.mean is None:
            return _signed(text)
        parts = _parts(text)
        if parts is None and self.width > 1:
            return rf"\multicolumn{{{self.width}}}{{c}}{{{escape(text)}}}"
        if parts is None:
            return self.mean.cell(text)
        cells = [self.mean.cell(parts.mean)]
        cells += [self.spread.cell(parts.spread)] if self.spread else []
        cells += [_signed(parts.rest)] if self.rest else []
        return " & ".join(cells)


def tabular(
    head: Sequence[str], rows: Sequence[Sequence[str]], specs: Sequence[str], numbers: Numbers
) -> list[str]:
    """The lines of a `tabular` with these cells.

    Parameters
    ----------
    specs
        What stands in the preamble for each column that is found to hold text.
    """
    texts = list(zip(*rows, strict=True)) or [()] * len(head)
    columns = [text_columns(cells, numbers, spec) for cells, spec in zip(texts, specs, strict=True)]
    heads = [column.head(text) for column, text in zip(columns, head, strict=True)]
    body = [[column.cell(text) for column, text in zip(columns, cells, strict=True)] for cells in rows]
    return [
        rf"\begin{{tabular}}{{@{{}}{''.join(column.spec for column in columns)}@{{}}}}",
        r"\toprule",
        row(heads),
        r"\midrule",
        *map(row, body),
        r"\bottomrule",
        r"\end{tabular}",
    ]


def text_columns(texts: Sequence[str], numbers: Numbers, otherwise: str) -> TextColumns:
    """The columns for these texts.

    Parameters
    ----------
    texts
        All cells of the column.
    otherwise
        What stands in the preamble where it holds text: also where a cell has digits that cannot be aligned.
    """
    found = [(text, _parts(text)) for text in texts]
    parsed = [parts for _, parts in found if parts]
    aside = [text for text, parts in found if not parts]
    spreads = {bool(parts.spread) for parts in parsed}
    unaligned = any(re.search(r"\d", text) and not text.startswith((UNDEFINED, "<")) for text in aside)
    if not parsed or unaligned or len(spreads) > 1:
        return TextColumns(spec=otherwise)
    mean = fitting([parts.mean for parts in parsed], numbers)
    spec, spread = mean.spec, None
    if True in spreads:
        spread = fitting([parts.spread for parts in parsed], numbers, left=True)
        spec += f"{PLUS_MINUS}>{{{SMALL}}}{spread.spec}"
    rest = any(parts.rest for parts in parsed)
    return TextColumns(spec=spec + (r"@{~}l" if rest else ""), mean=mean, spread=spread, rest=rest)


def _parts(text: str) -> _Parts | None:
    found = _CELL.fullmatch(text)
    return _Parts(*(found[name] or "" for name in _Parts._fields)) if found else None


def _signed(text: str) -> str:
    """Text with figures in it, where a hyphen before a digit is a minus."""
    return escape(re.sub(r"(?<![\w.)-])-(?=\d)", "−", text))
