"""File names of a site's pages, safe in every file system and address."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msabench.report.site.content import Board, Study


class Names:
    """One file name for each board, dataset and method of a site.

    Parameters
    ----------
    studies
        All that the site shows.
    """

    def __init__(self, studies: Iterable[Study]) -> None:
        boards = [board for study in studies for board in study.boards]
        self.datasets = _slugs(board.dataset.partition(":")[0] for board in boards)
        """Dataset without its variant to part of a file name"""
        self.methods = _slugs(row.method for board in boards for row in board.rows)
        self._boards = _slugs(_board_text(board) for board in boards)
        self._studies = _slugs(board.study for board in boards)

    def board(self, board: Board) -> str:
        """As in `first-mosi-unaligned`."""
        return self._boards[_board_text(board)]

    def study(self, study: str) -> str:
        """Folder of a study's downloads."""
        return self._studies[study]

    def method(self, method: str) -> str:
        """A method's page."""
        return f"method-{self.methods[method]}.html"

    def dataset(self, dataset: str) -> str:
        """A dataset's page: one for all its variants."""
        return f"dataset-{self.datasets[dataset.partition(':')[0]]}.html"


def _board_text(board: Board) -> str:
    return f"{board.study} {board.dataset} {board.data_kind if board.twin else ''}".strip()


LONGEST = 80
"""Of what a text gives to a file name: file systems take 255 bytes of all together"""


def _slugs(texts: Iterable[str]) -> dict[str, str]:
    """Each text once, in letters, digits and hyphens; a number parts those that would be equal.

    >>> _slugs(["mosi:mag", "mosi mag", "<b>"])
    {'mosi:mag': 'mosi-mag', 'mosi mag': 'mosi-mag-2', '<b>': 'b'}
    """
    slugs: dict[str, str] = {}
    for text in dict.fromkeys(texts):
        base = re.sub(r"[^a-z0-9]+", "-", text.lower())[:LONGEST].strip("-") or "unnamed"
        taken, slug, count = set(slugs.values()), base, 1
        while slug in taken:
            count += 1
            slug = f"{base}-{count}"
        slugs[text] = slug
    return slugs
