"""One block of the comparison: the rows under one selection rule, with their coverage and best figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from msabench.errors import SpecError
from msabench.registry import METHODS
from msabench.report.table import GAP, ORACLE, Block, Cell, CellKey, Column, Coverage, Group, Line
from msabench.run import EXTERNAL_PREFIX
from msabench.selection import SELECTIONS
from msabench.stats import summarise

if TYPE_CHECKING:
    import pandas as pd

LineKey = tuple[str, str, str]
"""Row, track, and the setting where there is something to tell apart: see `separate`"""


@dataclass(frozen=True, kw_only=True)
class RowTitle:
    """How a table names a row."""

    title: str
    reconstruction: bool


def titles_of(frame: pd.DataFrame, failed: pd.DataFrame) -> dict[str, RowTitle]:
    """Titles of all rows, from the methods' cards; a method that is no longer installed keeps its name."""
    methods: dict[str, str] = {}
    for part in (frame, failed):
        pairs = part[["row", "method"]].drop_duplicates().astype(str)
        methods.update(zip(pairs["row"], pairs["method"], strict=True))
    titles = {}
    for row, method in methods.items():
        if method.startswith(EXTERNAL_PREFIX):
            titles[row] = RowTitle(
                title=f"{method.removeprefix(EXTERNAL_PREFIX)} · external", reconstruction=False
            )
            continue
        try:
            card = METHODS.card(method)
            # a card's title is `TFN: tensor fusion network`; a table has room for the first part
            title, reconstruction = card.title.partition(":")[0], card.reconstruction
        except SpecError:
            title, reconstruction = method, False
        titles[row] = RowTitle(
            title=title + row[row.find("[") :] * ("[" in row), reconstruction=reconstruction
        )
    return titles


def build(
    part: pd.DataFrame,
    failed: pd.DataFrame,
    selection: str,
    groups: Sequence[Group],
    titles: Mapping[str, RowTitle],
    marks: Mapping[str, tuple[str, ...]],
) -> Block:
    """The block of one selection rule, or of the gap between two.

    Parameters
    ----------
    part
        The scored runs under this rule, with their `setting`.
    failed
        The study's failed runs; each row that only failed has its line here too.
    """
    gap = GAP in selection
    oracle = set(part.loc[part["oracle"].astype(bool), "row"].astype(str))
    partly = ", ".join(sorted(titles[row].title for row in oracle)) if oracle != set(part["row"]) else ""
    by_name: dict[tuple[str, str, str], Group] = {(g.dataset, g.data_kind, g.convention): g for g in groups}
    cells = _cells(part, by_name)
    coverage = _coverage(part, failed.iloc[:0] if gap else failed, groups)
    tracks = {track for _, track, _ in coverage} - {"external"}
    shown = tracks if len(tracks) > 1 else set()
    lines = [
        Line(
            row=row,
            title=" · ".join(filter(None, (titles[row].title, track if track in shown else "", setting))),
            track=track,
            setting=setting,
            oracle=row in oracle,
            reconstruction=titles[row].reconstruction,
            marks=marks.get(row, ()),
            coverage=coverage[row, track, setting],
            cells=cells.get((row, track, setting), {}),
        )
        for row, track, setting in sorted(coverage)
    ]
    return Block(
        selection=selection,
        label=label_of(selection, oracle=bool(oracle), partly=partly),
        oracle=bool(oracle),
        gap=gap,
        # as-published is another rule for each method: no two rows are comparable
        lines=tuple(lines if gap or selection == "as-published" else with_best(lines, groups)),
    )


def label_of(selection: str, *, oracle: bool, partly: str = "") -> str:
    """What heads a block: the rule, its title, and whether (for which rows) it looks at the test split."""
    if GAP in selection:
        return f"{selection}: optimism gap, positive where the oracle flatters"
    known = SELECTIONS.get(selection.split(":")[0].split("(")[0])
    label = f"{selection}: {known.title}" if known and known.title else selection
    if not oracle:
        return label
    return f"{label} ({ORACLE}, for {partly})" if partly else f"{label} ({ORACLE})"


def _cells(
    part: pd.DataFrame, by_name: Mapping[tuple[str, str, str], Group]
) -> dict[LineKey, dict[CellKey, Cell]]:
    """Every printed figure, by line, group and metric."""
    cells: dict[LineKey, dict[CellKey, Cell]] = {}
    means = [(str(s), found) for s, runs in part.groupby("setting") for found in _means(runs)]
    for setting, found in means:
        group = by_name[found["dataset"], found["data_kind"], found["convention"]]
        if not any(found["metric"] in column.metrics for column in group.columns):
            continue  # what the code base computes and does not print
        figures = {name: found[name] for name in ("mean", "sd", "n", "undefined", "keys")}
        line = cells.setdefault((str(found["row"]), str(found["track"]), setting), {})
        line[group, str(found["metric"])] = Cell(**figures)
    return cells


def _means(runs: pd.DataFrame) -> list[dict[Any, Any]]:
    found: list[dict[Any, Any]] = summarise(runs).to_dict("records")
    return found


def _coverage(
    part: pd.DataFrame, failed: pd.DataFrame, groups: Iterable[Group]
) -> dict[LineKey, dict[Group, Coverage]]:
    """How many runs finished and failed, for each line and group that has any."""
    line = ["row", "track", "setting"]
    coverage: dict[LineKey, dict[Group, Coverage]] = {}
    for group in groups:
        done = part[(part["dataset"] == group.dataset) & (part["data_kind"] == group.data_kind)]
        done = done[done["convention"] == group.convention].drop_duplicates("key")
        lost = failed[(failed["dataset"] == group.dataset) & (failed["data_kind"] == group.data_kind)]
        finished = dict(iter(done.groupby(line)))
        ended = dict(iter(lost.groupby(line)))
        seeds = {key: {int(seed) for seed in runs["seed"]} for key, runs in finished.items()}
        # those of external rows are their authors' own
        wanted = {int(s) for runs in (done, lost) for s in runs.loc[runs["track"] != "external", "seed"]}
        for key in {*finished, *ended}:
            row, track, setting = map(str, key)
            runs = finished.get(key, done.iloc[:0])
            first = (finished if key in finished else ended)[key].iloc[0]
            coverage.setdefault((row, track, setting), {})[group] = Coverage(
                n=len(runs),
                failed=len(ended.get(key, ())),
                absent=() if track == "external" else tuple(sorted(wanted - seeds.get(key, set()))),
                text_encoder=str(first["text_encoder"]),
                text_mode=str(first["text_mode"]),
            )
    return coverage


def with_best(lines: Sequence[Line], groups: Iterable[Group]) -> list[Line]:
    """Mark the best of each column, as printed, among rows of the same track and text encoder.

    A row whose epoch the test split chose is no rival of one whose epoch it did not.
    """
    best: set[tuple[int, CellKey]] = set()
    for group in groups:
        for column in group.columns:
            for metric in column.metrics:
                best |= {(place, (group, metric)) for place in _best_of(lines, group, column, metric)}
    return [
        replace(line, cells={key: replace(cell, best=(i, key) in best) for key, cell in line.cells.items()})
        for i, line in enumerate(lines)
    ]


def _best_of(lines: Sequence[Line], group: Group, column: Column, metric: str) -> set[int]:
    rivals: dict[tuple[str, str, bool], dict[int, float]] = {}
    for place, line in enumerate(lines):
        cell = line.cells.get((group, metric))
        if cell is not None and math.isfinite(cell.mean):
            setting = (line.track, line.coverage[group].text_encoder, line.oracle)
            # compared as printed: of two equal figures in a table, both are best
            rivals.setdefault(setting, {})[place] = float(column.number(cell.mean))
    winners: set[int] = set()
    for values in rivals.values():
        if len(values) > 1:
            top = max(values.values()) if column.better == "higher" else min(values.values())
            winners |= {place for place, value in values.items() if value == top}
    return winners
