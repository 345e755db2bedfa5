"""Tables of a narrow terminal: dense, and broken between words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_DENSITIES = ((1, 24), (0, 24), (0, 20), (0, 16), (0, 12), (0, 8))
"""Spaces between columns, beside one that is always there; and how long a word must be to be broken"""


def keep_words(table: Table, console: Console) -> Table:
    """Make each column as wide as its longest word, which Rich alone would break to spare another column.

    Parameters
    ----------
    table
        With all its rows. Its edges go, and so much of its padding and its longest words as must.
    """
    from rich.measure import Measurement

    words, wholes = [], []
    for column in table.columns:
        cells = (console.render_str(str(cell)) for cell in (column.header, *column.cells))
        widths = [Measurement.get(console, console.options.update(max_width=999), cell) for cell in cells]
        wholes.append(max(width.maximum for width in widths))
        words.append(wholes[-1] if column.no_wrap else max(width.minimum for width in widths))
    for padding, long in _DENSITIES:
        caps = (width if column.no_wrap else long for width, column in zip(words, table.columns, strict=True))
        chosen = [min(width, cap) for width, cap in zip(words, caps, strict=True)]
        spare = console.width - sum(chosen) - (1 + padding) * len(chosen) + 1
        if spare >= 0:
            break
    wanted = [whole - width for whole, width in zip(wholes, chosen, strict=True)]
    spare = max(0, spare)
    share = min(1.0, spare / max(1, sum(wanted)))
    given = [int(more * share) for more in wanted]
    given[-1] += min(spare - sum(given), wanted[-1] - given[-1])
    table.show_edge, table.padding = False, (0, padding, 0, 0)
    for column, width, more in zip(table.columns, chosen, given, strict=True):
        column.width = width + more
    return table
