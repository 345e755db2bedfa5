"""Figures in LaTeX tables: columns aligned at the decimal point, by siunitx or without it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from msabench.errors import unknown
from msabench.report.latex import escape

Numbers = Literal["siunitx", "plain"]
"""Who aligns figures: siunitx (of version 2 or 3), or phantoms, for journals that do not allow it"""
NUMBERS: tuple[Numbers, ...] = get_args(Numbers)

_PACKAGES = {"siunitx": ("booktabs", "graphicx", "siunitx"), "plain": ("array", "booktabs", "graphicx")}
_DOCUMENT = r"""\documentclass[10pt,a4paper]{article}
\usepackage[T1]{fontenc}
\usepackage[margin=2cm]{geometry}
\usepackage{%s}
\begin{document}
%s
\end{document}
"""
_SETUP = (
    # version 2 looks through what is not protected, and sets the figure behind it elsewhere
    r"\protected\def\best{\bfseries}\def\tied#1{\underline{\num{#1}}}",
    # names that both versions know; digits in the font of the text, not in that of formulas
    r"\sisetup{mode=text,detect-weight=true,group-digits=false,retain-explicit-plus=true,"
    r"table-align-text-post=false}",
)
_FIGURE = re.compile(r"([+-]?)(\d+)(?:\.(\d+))?")
SMALL = r"\scriptsize"
"""Size of spreads"""
PLUS_MINUS = rf"@{{\,{{{SMALL}$\pm$}}\,}}"
"""Between the column of a mean and that of its spread"""


def checked(name: str) -> Numbers:
    """The name of a way to align figures.

    Raises
    ------
    SpecError
        If there is no such way.
    """
    for each in NUMBERS:
        if each == name:
            return each
    raise unknown("way to align figures in LaTeX", name, NUMBERS)


@dataclass(frozen=True, kw_only=True)
class Latex:
    """What a LaTeX file is."""

    document: bool = False
    """Whether it is a document that compiles by itself, or floats to be `\\input` in one"""
    numbers: Numbers = "siunitx"
    """Who aligns the figures"""


SNIPPET = Latex()


def written(parts: Iterable[str], version: str, latex: Latex) -> str:
    """The text of a file: floats below a line that says which packages they need, or a whole document."""
    packages = ",".join(_PACKAGES[latex.numbers])
    head = f"% msabench {escape(version)}; \\usepackage{{{packages}}}"
    text = "\n".join([head, *parts])
    return _DOCUMENT % (packages, text) if latex.document else text


def opening(caption: str, label: str, numbers: Numbers, *, separation: int = 4) -> list[str]:
    """Lines of a float up to its tabular, in a box that shrinks what is wider than the page.

    The tabular is to be closed by `CLOSING`; what is set here holds inside the float alone.

    Parameters
    ----------
    separation
        Half the space between columns, in points.
    """
    return [
        r"\begin{table*}[tp]",
        r"\centering",
        rf"\caption{{{caption}}}",
        rf"\label{{{label}}}",
        r"\par\smallskip",
        r"\footnotesize",
        rf"\setlength{{\tabcolsep}}{{{separation}pt}}",
        *(_SETUP if numbers == "siunitx" else ()),
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
    ]


CLOSING = "}"
"""After the tabular that `opening` begins a box for"""


def is_figure(text: str) -> bool:
    """Whether a text is one figure, as `82.21` or `+0.3`, and neither a dash, `inf` nor `1.2e+06`."""
    return _FIGURE.fullmatch(text) is not None


def text_of(text: str) -> str:
    """A figure or what stands in its place, in running text: a minus is no hyphen."""
    return ("$-$" + escape(text[1:])) if text.startswith("-") else escape(text)


@dataclass(frozen=True, kw_only=True)
class FigureColumn:
    """A column of a tabular that holds figures, one a cell, aligned at the point."""

    numbers: Numbers
    sign: str = ""
    """The widest sign before a figure: `-`, `+` or none"""
    whole: int = 1
    """Most digits before the point"""
    decimals: int = 0
    """Most digits after it"""
    behind: str = ""
    """The longest LaTeX behind a figure, as marks of significance are"""
    left: bool = False
    """Whether figures stand to the left where the column is wider than they are, as spreads do"""

    @property
    def spec(self) -> str:
        """What stands for the column in the tabular's preamble."""
        if self.numbers == "plain":
            return "l" if self.left else "c"
        options = [f"table-format={self.sign}{self.whole}" + (f".{self.decimals}" if self.decimals else "")]
        if self.left:
            options.append("table-alignment=left")
        if self.behind:
            options.append(f"table-space-text-post={{{self.behind}}}")
        return f"S[{','.join(options)}]"

    def cell(self, text: str, *, best: bool = False, tied: bool = False, behind: str = "") -> str:
        """A figure in its place; what is no figure is braced, for siunitx to leave it alone.

        Parameters
        ----------
        text
            As every renderer prints it; empty for an empty cell.
        best, tied
            Bold, underlined.
        behind
            LaTeX that follows the figure.
        """
        if not text:
            return ""
        plain = self.numbers == "plain"
        if not is_figure(text):
            inner = _inked(text_of(text), best=best, tied=tied)
            return inner + behind if plain else f"{{{inner}{behind}}}"
        if plain or tied:
            inner = _inked(text_of(text), best=best, tied=tied) if plain else rf"\tied{{{text}}}"
            before, after = self._missing(text)
            inner = f"{before}{inner}{after}{behind or _blank(self.behind)}"
            return inner if plain else f"{{{inner}}}"
        return (r"\best " if best else "") + text + (f"{{{behind}}}" if behind else "")

    def _missing(self, text: str) -> tuple[str, str]:
        """Blank space as wide as what the widest figure has more, before and after this one."""
        sign, whole, decimals = _parts(text)
        before = "" if sign else text_of(self.sign)
        before += "0" * (self.whole - len(whole))
        after = "" if decimals or not self.decimals else "."
        return _blank(before), _blank(after + "0" * (self.decimals - len(decimals)))


def _parts(text: str) -> tuple[str, str, str]:
    """Sign, digits before the point, and digits after it."""
    found = _FIGURE.fullmatch(text)
    sign, whole, decimals = found.groups(default="") if found else ("", "", "")
    return sign, whole, decimals


def _inked(shown: str, *, best: bool, tied: bool) -> str:
    shown = rf"\textbf{{{shown}}}" if best else shown
    return rf"\underline{{{shown}}}" if tied else shown


def _blank(shown: str) -> str:
    return rf"\phantom{{{shown}}}" if shown else ""


def fitting(
    texts: Collection[str], numbers: Numbers, *, behind: Collection[str] = (), left: bool = False
) -> FigureColumn:
    """The column that these figures fit, whatever else they stand among.

    Parameters
    ----------
    texts
        Of all cells of the column.
    behind
        LaTeX that follows some of them.
    """
    found = [_parts(text) for text in texts if is_figure(text)]
    signs = {sign for sign, _, _ in found}
    return FigureColumn(
        numbers=numbers,
        sign=next((sign for sign in "-+" if sign in signs), ""),
        whole=max((len(whole) for _, whole, _ in found), default=1),
        decimals=max((len(decimals) for _, _, decimals in found), default=0),
        behind=max(behind, key=len, default=""),
        left=left,
    )
