"""A page that needs nothing beside it: what the HTML of every report shares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap; }}
caption {{ text-align: left; font-weight: 600; padding: .6rem 0; }}
th, td {{ padding: .2rem .7rem; text-align: right; }}
th:first-child, td.text {{ text-align: left; }}
tbody th {{ font-weight: 400; }}
thead th {{ border-bottom: 1.5px solid; }}
tbody tr {{ border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }}
tr.block th {{ text-align: left; font-style: italic; padding-top: .8rem; }}
.sd {{ font-size: 80%; opacity: .75; }}
.twin {{ color: light-dark(#8a4b00, #ffc27a); }}
p {{ max-width: 70rem; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def page(title: str, body: Iterable[str]) -> str:
    """A whole document; the title is escaped here, the body is markup already."""
    return _PAGE.format(title=escape(title), body="\n".join(body))


def paragraphs(texts: Iterable[str]) -> list[str]:
    """Each text escaped, in a paragraph of its own."""
    return [f"<p>{escape(text)}</p>" for text in texts if text]


def table(caption: str, head: Sequence[str], rows: Sequence[str], *, twin: bool = False) -> str:
    """A table in a box that scrolls by itself.

    Parameters
    ----------
    caption, head
        Text, escaped here.
    rows
        Markup of whole rows.
    twin
        Whether the caption is to stand out, as of generated data.
    """
    cells = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    mark = ' class="twin"' if twin else ""
    return "\n".join(
        [
            '<div class="wide"><table>',
            f"<caption{mark}>{escape(caption)}</caption>",
            f"<thead><tr>{cells}</tr></thead>",
            "<tbody>",
            *rows,
            "</tbody>",
            "</table></div>",
        ]
    )


def row(cells: Sequence[str], *, words: int = 1) -> str:
    """A row of text, its first cell the heading of the row; so many of the first cells are words."""
    first, *rest = cells
    kinds = [' class="text"'] * (words - 1) + [""] * len(rest)
    others = "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds, rest, strict=False))
    return f'<tr><th scope="row">{escape(first)}</th>{others}</tr>'


def block_row(text: str, width: int) -> str:
    """A heading across all columns."""
    return f'<tr class="block"><th colspan="{width}" scope="rowgroup">{escape(text)}</th></tr>'
