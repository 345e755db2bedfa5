"""What a method's page says of its rows, runs, published figures and searches."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from msabench.metrics import convention_named
from msabench.registry import MethodCard
from msabench.report.layout import column_of
from msabench.report.published_table import PublishedBlock
from msabench.report.site.bibtex import of_method
from msabench.report.site.content import SELECTIONS, Board, Row, Study
from msabench.report.site.encode import seconds_of
from msabench.report.site.significance import SELECTION
from msabench.report.table import UNDEFINED

_Place = tuple[Board, Row]


def page(studies: Sequence[Study], rows: Sequence[_Place], card: MethodCard | None) -> dict[str, Any]:
    """Values of its template.

    Parameters
    ----------
    rows
        Those of the method, with the boards that they stand on.
    card
        None where the method is not installed.
    """
    named = {row.row for _, row in rows}
    published = [(study, [block for block in study.published if block.row in named]) for study in studies]
    return {
        "heading": card.title if card else rows[0][1].title,
        "card": card,
        "bibtex": of_method(card) if card else "",
        "rows": rows,
        "external": any(row.external for _, row in rows),
        "twin": any(board.twin for board, _ in rows),
        "published": [(study, blocks) for study, blocks in published if blocks],
        "ledgers": [ledger for study in studies for ledger in study.ledgers if ledger.row in named],
        "seconds_of": lambda run: _number(seconds_of(run), 1),
        "memory_of": lambda run: _number(run.peak_memory_mib or math.nan, 0),  # 0: none was measured
        "headline": lambda board: column_of(convention_named(board.convention).headline),
        "headlines": _headlines,
        "hyperparameters": lambda row: sorted(_hyperparameters(row).items()),
        "differing": _differing,
        "space": [(name, _range(about)) for name, about in card.search.items()] if card else [],
        "study_sources": _sources,
        "study_notes": _notes,
    }


def plain(value: Any) -> str:
    """A value of a card or record as text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _headlines(board: Board, row: Row) -> list[str]:
    """Each run's headline metric under same-epoch and the dataset's own convention, as tables print it."""
    if not row.runs:
        return []
    convention = convention_named(board.convention)
    column, place = column_of(convention.headline), convention.metrics.index(convention.headline)
    figures = board.scores[board.convention][:, SELECTIONS.index(SELECTION), place]
    start = sum(len(other.runs) for other in board.rows[: board.rows.index(row)])
    return [column.number(float(value)) for value in figures[start : start + len(row.runs)]]


def _hyperparameters(row: Row, place: int = 0) -> Mapping[str, Any]:
    return (row.runs or row.failed)[place].spec.hyperparameters


def _differing(row: Row) -> bool:
    return len({plain(_hyperparameters(row, place)) for place in range(len(row.runs))}) > 1


def _range(about: Mapping[str, Any]) -> str:
    """What a search may try of one hyperparameter, in words; of a form not known here, as the card has it."""
    if set(about) == {"choices"}:
        return " | ".join(map(plain, about["choices"]))
    if {"low", "high"} <= set(about) <= {"type", "low", "high", "log"}:
        ends = f"{about.get('type', '')} {plain(about['low'])} to {plain(about['high'])}".strip()
        return f"{ends}, logarithmic" if about.get("log") else ends
    return plain(about)


def _sources(study: Study, blocks: Sequence[PublishedBlock]) -> list[tuple[int, str]]:
    used = sorted({line.source for block in blocks for line in block.lines if line.source})
    return [(number, study.sources[number - 1]) for number in used]


def _notes(study: Study, blocks: Sequence[PublishedBlock]) -> list[tuple[str, str]]:
    used = dict.fromkeys(mark for block in blocks for line in block.lines for mark in line.marks)
    return [(mark, study.published_notes[mark]) for mark in used]


def _number(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}" if math.isfinite(value) else UNDEFINED
