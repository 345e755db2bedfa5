"""Marks of significance on a table: what cannot be told from the best, and what differs from a reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

from msabench.errors import SpecError, unknown
from msabench.judge import Entry, against, against_best, entries_of
from msabench.records import Store
from msabench.report.table import Block, Cell, CellKey, Column, Group, Line, Note, Table
from msabench.run import RunRecord
from msabench.stats.power import POWER

if TYPE_CHECKING:
    import pandas as pd

ALPHA, STRICT = 0.05, 0.01
SEEN = "Δ"
"""Mark of the note on what the tests could have seen"""
Key = tuple[str, ...]
"""Selection, dataset, kind of data, convention, track, text encoder, row (with its setting), metric"""
_KEY = ["selection", "dataset", "data_kind", "convention", "track", "text_encoder"]


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """What the tests have found, by figure."""

    tied: frozenset[Key]
    stars: Mapping[Key, Literal["*", "**"]]
    reference: str
    """Empty if none was asked for"""
    unjudged: Mapping[str, str]
    """Row to why it, or a figure of it, was not compared"""
    reach: Mapping[tuple[str, str], Mapping[str, float]] = field(default_factory=dict)
    """Dataset and convention to metric to the smallest difference from the best that would have been found
    under the first rule"""


def assess(study: Store, table: Table, *, reference: str = "") -> Verdicts:
    """Judge every figure of a table by the primary test, two-source t with Holm's correction.

    Rows are those of the table, as it tells them apart, and so are the families of the correction.

    Parameters
    ----------
    reference
        Row whose differences are starred; empty for none.

    Raises
    ------
    SpecError
        If the reference is no row of the table.
    """
    rows = {line.row for block in table.blocks for line in block.lines}
    if reference and reference not in rows:
        raise unknown("row", reference, rows, "msabench status STUDY lists the rows")
    tied: set[Key] = set()
    stars: dict[Key, Literal["*", "**"]] = {}
    why: dict[str, dict[str, None]] = {}
    reach: dict[tuple[str, str], dict[str, float]] = {}
    shown = [b for b in table.blocks if not b.gap and b.selection != "as-published"]  # whose rules differ
    frames = _frames(study, shown, table.groups)
    for place, (block, group) in enumerate(product(shown, table.groups)):
        found = _entries(study, frames[block.selection, group.convention], block, group)
        best = _judged(found, against_best, why)
        tied |= {_key(line) for line in best[~best["significant"]].to_dict("records")}
        if place < len(table.groups):
            known = best[best["detectable"].notna()].groupby("metric", sort=False)["detectable"].max()
            reach[group.dataset, group.convention] = {str(key): float(v) for key, v in known.items()}
        if reference:
            marked = _judged(found, lambda part: against(part, reference), why)
            for line in marked[marked["significant"]].to_dict("records"):
                stars[_key(line)] = "**" if line["p_holm"] < STRICT else "*"
    unjudged = {_titled(table, what): "; ".join(reasons) for what, reasons in why.items()}
    return Verdicts(tied=frozenset(tied), stars=stars, reference=reference, unjudged=unjudged, reach=reach)


def _frames(
    study: Store, blocks: Sequence[Block], groups: Sequence[Group]
) -> dict[tuple[str, str], pd.DataFrame]:
    """The scored runs by rule and convention; only datasets that a table shows under one are scored so."""
    datasets: dict[str, set[str]] = {}
    for group in groups:
        datasets.setdefault(group.convention, set()).add(group.dataset.partition(" [")[0])

    def scored(convention: str) -> Callable[[RunRecord], str]:
        return lambda run: convention if run.spec.dataset in datasets[convention] else run.convention

    wanted = list(product(dict.fromkeys(block.selection for block in blocks), datasets))
    frames = study.frames([(scored(convention), rule) for rule, convention in wanted])
    return dict(zip(wanted, frames, strict=True))


def _entries(study: Store, frame: pd.DataFrame, block: Block, group: Group) -> list[Entry]:
    """The predictions behind one block's figures on one dataset, apart as its lines are."""
    settings = {
        key: line.setting
        for line in block.lines
        for (of, _), cell in line.cells.items()
        if of == group
        for key in cell.keys
    }
    frame = frame[frame["key"].isin(list(settings))]
    return entries_of(study, frame.assign(setting=frame["key"].map(settings), dataset=group.dataset))


def _judged(
    found: Sequence[Entry], judge: Callable[[Sequence[Entry]], pd.DataFrame], why: dict[str, dict[str, None]]
) -> pd.DataFrame:
    """The lines that were judged; why others were not goes to `why`, by row and setting."""
    frame = judge(found)
    for line in frame[frame["p"].isna()].to_dict("records"):
        said = str(line["why"])
        for side, name in (("A", line["row"]), ("B", line["reference"])):
            said = said.replace(f" {side} has ", f" {name} has ").replace(
                f" of {side} is ", f" of {name} is "
            )
        why.setdefault(_named(line), {})[f"{line['dataset']}: {said}"] = None
    return frame[frame["p"].notna()]


def _named(line: Mapping[Any, Any]) -> str:
    return " · ".join(filter(None, (str(line["row"]), str(line["setting"]))))


def _titled(table: Table, name: str) -> str:
    """A line's title, by its row and setting."""
    lines = (line for block in table.blocks for line in block.lines)
    return next((line.title for line in lines if name == _named(vars(line))), name)


def _key(line: Mapping[Any, Any]) -> Key:
    return (*(str(line[name]) for name in _KEY), _named(line), str(line["metric"]))


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
        f"examples, p ≥ {ALPHA:g} after Holm's correction over all pairs of rows within dataset and metric)."
    )
    if found.reference:
        titles = {x.title for block in table.blocks for x in block.lines if x.row == found.reference}
        reference = titles.pop() if len(titles) == 1 else found.reference
        sentence += (
            f" * and **: differs from {reference} at {ALPHA:g} and {STRICT:g} by the same test, corrected "
            "over its comparisons."
        )
    if found.unjudged:
        alike: dict[str, list[str]] = {}
        for row, reason in found.unjudged.items():
            alike.setdefault(reason, []).append(row)
        parts = "; ".join(f"{', '.join(rows)} ({reason})" for reason, rows in alike.items())
        sentence += f" Not tested, or in part: {parts}."
    seen = _reach(table, found)
    if seen:
        sentence += f" What could have been seen: {SEEN}."
    return replace(
        table,
        blocks=blocks,
        caption=f"{table.caption} {sentence}",
        notes=(*table.notes, *([Note(mark=SEEN, text=seen)] if seen else [])),
    )


def _reach(table: Table, found: Verdicts) -> str:
    """The smallest difference from the best that the tests would have found, metric by metric."""
    parts = []
    for group in table.groups:
        seen = found.reach.get((group.dataset, group.convention), {})
        figures = [
            f"{column.label if len(column.metrics) == 1 else column.label.partition(' (')[0]} "
            + "/".join(_smallest(column, seen[key]) for key in column.metrics)
            for column in group.columns
            if all(key in seen for key in column.metrics)
        ]
        if figures:
            parts.append(f"{group.title}: " + ", ".join(figures))
    if not parts:
        return ""
    return (
        f"Smallest difference from the best that is found with {POWER:.0%} power (median pair of rows, at "
        f"the corrected level, {table.blocks[0].selection}): {'; '.join(parts)}. msabench power says how "
        "many seeds a smaller one needs."
    )


def _smallest(column: Column, value: float) -> str:
    """As the column prints it; no two percentages differ by more than 100."""
    return "more than 100" if column.percent and value > 1 else column.number(value)


def _marked(block: Block, found: Verdicts) -> Block:
    return replace(block, lines=tuple(_marked_line(block, line, found) for line in block.lines))


def _marked_line(block: Block, line: Line, found: Verdicts) -> Line:
    cells: dict[CellKey, Cell] = {}
    for (group, metric), cell in line.cells.items():
        encoder = line.coverage[group].text_encoder
        where = (block.selection, group.dataset, group.data_kind, group.convention, line.track, encoder)
        key = (*where, _named(vars(line)), metric)
        tied = key in found.tied and not cell.best
        cells[group, metric] = replace(cell, tied=tied, stars=found.stars.get(key, ""))
    return replace(line, cells=cells)
