"""A figure with its title above and all that must be said of it below: no plot leaves without."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from msabench.plots.look import FOOT, HEAD, INK, TEXT
from msabench.report.table import ORACLE, TWIN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

_INCH, _POINT = 2.54, 2.54 / 72
_EM = 0.53
"""Mean width of a letter of DejaVu Sans, in its size"""
_LEADING = 1.25


@dataclass(frozen=True, kw_only=True, eq=False)
class Plot:
    """One figure."""

    name: str
    """Of its file, without ending"""
    figure: Figure


def page(
    title: str,
    said: Sequence[str],
    *,
    twin: bool,
    oracle: bool,
    height: float,
    width: float = TEXT,
) -> tuple[Figure, SubFigure]:
    """An empty figure, and the part of it to draw in.

    Parameters
    ----------
    title
        What is shown, of which data.
    said
        Sentences of the footer.
    twin, oracle
        Said in the title, in capitals.
    height, width
        Of the part to draw in, in centimetres; title and footer come on top of that.
    """
    from matplotlib.figure import Figure

    loud = [f"{TWIN}: generated data"] * twin + [ORACLE] * oracle
    heading = "\n".join(_wrapped(line, width, HEAD, bold=True) for line in (title, *loud))
    footer = _wrapped(" ".join(said), width, FOOT)
    above, below = _height(heading, HEAD), _height(footer, FOOT)
    figure = Figure(figsize=(width / _INCH, (above + height + below) / _INCH), facecolor="white")
    figure.set_layout_engine("constrained", w_pad=6 / 72, h_pad=3 / 72)
    parts: Any = figure.subfigures(3, 1, height_ratios=[above, height, below], hspace=0)
    head, body, foot = parts
    head.text(0.01, 0.9, heading, va="top", size=HEAD, weight="bold", color=INK, linespacing=1.15)
    foot.text(0.01, 0.94, footer, va="top", size=FOOT, color=INK, linespacing=1.15)
    return figure, body


def grid(body: SubFigure, panels: int, columns: int, **options: Any) -> list[Axes]:
    """Panels in rows of so many; places that are left over stay empty."""
    rows = -(-panels // columns)
    made = body.subplots(rows, columns, squeeze=False, **options).ravel()
    for extra in made[panels:]:
        extra.remove()
    return list(made[:panels])


def heading(axes: Axes, *lines: str, letters: int = 31) -> None:
    """Lines above a panel, wrapped to its width: 31 letters fill a third of a page."""
    axes.set_title("\n".join(folded(line, letters) for line in lines if line), loc="left")


def folded(text: str, letters: int = 31) -> str:
    """A row's name, which a variant can make long, in lines of so many letters."""
    return textwrap.fill(text, letters, break_on_hyphens=False)


def settle(figure: Figure) -> None:
    """Lay the figure out once for all formats.

    The solver's answers differ in their last bits from call to call, and with them ids within an SVG.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for part in figure.subfigs:
        part.bbox_relative.set_points(np.round(part.bbox_relative.get_points(), 5))
        for axes in part.axes:
            left, bottom, width, height = axes.get_position(original=True).bounds
            axes.set_position((round(left, 5), round(bottom, 5), round(width, 5), round(height, 5)))


def whole_numbers(axes: Axes) -> None:
    """Ticks of x at whole numbers alone."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def told(axes: Axes, text: str, y: float = 0.5) -> None:
    """A sentence in place of what cannot be drawn."""
    axes.text(0.5, y, textwrap.fill(text, 34), transform=axes.transAxes, ha="center", va="center", size=FOOT)


def _wrapped(text: str, width: float, size: float, *, bold: bool = False) -> str:
    letters = int(0.97 * width / (size * _POINT * _EM * (1.14 if bold else 1)))
    return textwrap.fill(text, letters, break_on_hyphens=False)


def _height(text: str, size: float) -> float:
    return (text.count("\n") + 2) * size * _LEADING * _POINT
