"""How plots look: sizes, palette, markers, and settings that make one record give one file.

Nothing is told by colour alone: rows differ in marker and fill, lines in their style, bars in hatches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

COLUMN, TEXT = 8.5, 17.0
"""Widths in centimetres: one column and both of a two-column paper"""
FOOT, HEAD, BODY = 6.0, 8.0, 7.0
"""Sizes of type in points"""
INK, PALE, RULE = "#000000", "#999999", "#D9D9D9"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Okabe and Ito's palette without its yellow, which a white page swallows"""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h")
STYLES = ("-", "--", "-.", ":")
HATCHES = ("", "////", "....", "xxxx", "----", "\\\\\\\\")

RC: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that no machine sets another one
    "font.size": BODY,
    "axes.labelsize": BODY,
    "axes.titlesize": BODY,
    "xtick.labelsize": BODY - 0.5,
    "ytick.labelsize": BODY,
    "legend.fontsize": BODY - 0.5,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.linewidth": 0.5,
    "text.parse_math": False,  # a row's name may hold a dollar sign
    "svg.fonttype": "none",  # text stays text, which can be searched
    "svg.hashsalt": "msabench",
    "pdf.fonttype": 42,
    "savefig.dpi": 300,
}
METADATA: dict[str, dict[str, Any]] = {
    "svg": {"Date": None},
    "pdf": {"CreationDate": None, "ModDate": None},
    "png": {"Software": None},
}
"""Without dates: the same records give the same bytes"""


@dataclass(frozen=True, kw_only=True)
class Look:
    """One row's marks, the same in every plot of a dataset."""

    colour: str
    marker: str
    filled: bool
    style: str
    hatch: str

    @property
    def face(self) -> str:
        """Colour of a marker's inside."""
        return self.colour if self.filled else "white"


def look_of(place: int) -> Look:
    """The look of the row at a place; the first 20 differ in marker or fill, whatever their colour."""
    return Look(
        colour=COLOURS[place % len(COLOURS)],
        marker=MARKERS[place % len(MARKERS)],
        filled=(place // len(MARKERS)) % 2 == 0,
        style=STYLES[place % len(STYLES)],
        hatch=HATCHES[place % len(HATCHES)],
    )
