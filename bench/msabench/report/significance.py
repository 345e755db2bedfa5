"""Marks of significance on a table: what cannot be told from the best, and what differs from a reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from msabench.errors import SpecError, unknown
from msabench.judge import Entry, against, against_best, entries
from msabench.records import Store
from msabench.report.table import Block, Cell, CellKey, Line, Table

if TYPE_CHECKING:
    import pandas as pd

ALPHA, STRICT = 0.05, 0.01
Key = tuple[str, ...]
"""Selection, dataset, kind of data, convention, track, text encoder, row, metric"""
_KEY = ["selection", "dataset", "data_kind", "convention", "track", "text_encoder", "row", "metric"]


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """What the tests have found, by figure."""

    tied: frozenset[Key]
    stars: Mapping[Key, Literal["*", "**"]]
    reference: str
    """Empty if none was asked for"""
    unjudged: Mapping[str, str]
    """Row to why it was not compared"""


def assess(
    study: Store, conventions: Sequence[str | None], rules: Sequence[str], *, reference: str = ""
) -> Verdicts:
    """Judge every figure of a comparison by the primary test, two-source t with Holm's correction.

    Parameters
    ----------
    reference
        Row whose differences are starred; empty for none.

    Raises
    ------
    SpecError
        If the reference is no row of the study.
    """
    tied: set[Key] = set()
    stars: dict[Key, Literal["*", "**"]] = {}
    why: dict[str, str] = {}
    rows: set[str] = set()
    for rule in rules:
        if rule == "as-published":
            continue  # another rule for each method: no two rows are comparable
        for convention in conventions:
            found = entries(study, convention=convention, selection=rule)
            rows |= {entry.row for entry in found}
            best = _judged(found, against_best, why)
            tied |= {_key(line) for line in best[~best["significant"]].to_dict("records")}
            if reference:
                marked = _judged(found, lambda part: against(part, reference), why)
                for line in marked[marked["significant"]].to_dict("records"):
                    stars[_key(line)] = "**" if line["p_holm"] < STRICT else "*"
    if reference and reference not in rows:
        raise unknown("row", reference, rows, "msabench status STUDY lists the rows")
    return Verdicts(tied=frozenset(tied), stars=stars, reference=reference, unjudged=why)


def _judged(
    found: Sequence[Entry], judge: Callable[[Sequence[Entry]], pd.DataFrame], why: dict[str, str]
) -> pd.DataFrame:
    """The lines that were judged; why others were not goes to `why`."""
    frame = judge(found)
    for line in frame[frame["p"].isna()].to_dict("records"):
        said = str(line["why"]).replace(" A has ", " it has ").replace(" B has ", " the other row has ")
        why.setdefault(str(line["row"]), said)
    return frame[frame["p"].notna()]


def _key(line: Mapping[Any, Any]) -> Key:
    return tuple(str(line[name]) for name in _KEY)


def mark(table: Table, found: Verdicts) -> Table:
    """The table with its figures marked, and the caption saying what the marks mean.

    Raises
    ------
    SpecError
        If the study has no figure that could be judged.
    """
    if not table.blocks:
        return table
    blocks = tuple(block if block.gap else _marked(block, found) for block in table.blocks)
    if not any(cell.n > 1 for *_, cell in table.figures):
        raise SpecError(
            "no row has two seeds or more, and one seed says nothing of the spread of training",
            fix="run more seeds, or compare two checkpoints alone: msabench compare --test randomisation",
        )
    sentence = (
        "Underlined: not distinguishable from the best of its column (two-source t over seeds and test "
        f"examples, p ≥ {ALPHA:g} after Holm's correction within dataset and metric)."
    )
    if found.reference:
        titles = {line.row: line.title for block in table.blocks for line in block.lines}
        reference = titles.get(found.reference, found.reference)
        sentence += f" * and **: differs from {reference} at {ALPHA:g} and {STRICT:g} by the same test."
    if found.unjudged:
        sentence += " Not tested: " + "; ".join(f"{row} ({why})" for row, why in found.unjudged.items()) + "."
    return replace(table, blocks=blocks, caption=f"{table.caption} {sentence}")


def _marked(block: Block, found: Verdicts) -> Block:
    return replace(block, lines=tuple(_marked_line(block, line, found) for line in block.lines))


def _marked_line(block: Block, line: Line, found: Verdicts) -> Line:
    cells: dict[CellKey, Cell] = {}
    for (group, metric), cell in line.cells.items():
        encoder = line.coverage[group].text_encoder
        where = (block.selection, group.dataset, group.data_kind, group.convention, line.track, encoder)
        key = (*where, line.row, metric)
        tied = key in found.tied and not cell.best
        cells[group, metric] = replace(cell, tied=tied, stars=found.stars.get(key, ""))
    return replace(line, cells=cells)
