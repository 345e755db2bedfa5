"""What a plot shows: one dataset under one convention and epoch rule, as the comparison table judges it.

Rows, means and notes are those of the table, so that a plot neither averages nor hides what a table would
not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from msabench.errors import DataError, unknown
from msabench.metrics import CONVENTIONS, Convention, Metric, convention_named
from msabench.plots.look import Look, look_of
from msabench.records import Store
from msabench.report.blocks import titles_of
from msabench.report.caption import conditions
from msabench.report.comparison import HEADLINE, assemble, with_gaps
from msabench.report.ledger import search_notes
from msabench.report.table import GAP, Block, Cell, Group, Line, Table
from msabench.report.unmade import unmade_notes
from msabench.run import Array, RunRecord, Task
from msabench.search import read_ledgers

if TYPE_CHECKING:
    import pandas as pd

ORACLE_RULE = "best-epoch"
GAP_RULE = f"{ORACLE_RULE}{GAP}{HEADLINE}"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What to plot."""

    datasets: tuple[str, ...] = ()
    """Empty for all of the study"""
    metrics: tuple[str, ...] = ()
    """Empty for the convention's accuracy and headline"""
    convention: str | None = None
    """None for each dataset's own"""
    selection: str = HEADLINE
    allow_unequal_budgets: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """One row of a plot, with at least one finished run."""

    title: str
    """With the marks of the notes that concern it"""
    line: Line
    keys: tuple[str, ...]
    """Of its runs, in order of seed"""
    n: str
    look: Look

    @property
    def name(self) -> str:
        """Title and number of runs, marked where some are missing."""
        return f"{self.title} (n = {self.n})"


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """One dataset under one convention and epoch rule."""

    store: Store
    group: Group
    block: Block
    task: Task
    rows: tuple[Row, ...]
    frame: pd.DataFrame
    """Scored runs under this rule"""
    said: tuple[str, ...]
    """What every plot of it must say"""
    metrics: tuple[Metric, ...]
    """To be shown"""

    @property
    def convention(self) -> Convention:
        """That scores it."""
        return convention_named(self.group.convention)

    @property
    def selection(self) -> str:
        """The rule's name."""
        return self.block.selection

    @property
    def title(self) -> str:
        """Of which data, scored how."""
        return f"{self.group.dataset} · convention {self.group.convention} · {self.selection}"

    @property
    def twin(self) -> bool:
        """Whether its data are generated."""
        return self.group.data_kind == "twin"

    def file(self, kind: str, page: int = 0) -> str:
        """Name of a plot's file, without ending; pages count from 0."""
        parts = [
            kind,
            self.group.dataset,
            self.group.convention,
            self.selection,
            *([str(page + 1)] * bool(page)),
        ]
        return re.sub(r"[^\w.-]+", "-", "_".join(parts).replace(GAP, "-"))

    def cell(self, row: Row, metric: Metric) -> Cell:
        """The table's figure."""
        return row.line.cells[self.group, metric.key]

    def values(self, row: Row, metric: Metric) -> Array:
        """(S,) the figure of each run, in order of seed; nan where undefined."""
        return self._column("value", row, metric)

    def epochs(self, row: Row, metric: Metric) -> list[int]:
        """(S,) where each run's figure comes from; 0 where the rule could choose none."""
        return [int(epoch) for epoch in self._column("epoch", row, metric)]

    def seeds(self, row: Row) -> list[int]:
        """(S,)"""
        return [int(seed) for seed in self._column("seed", row, self.metrics[0])]

    def records(self, row: Row, *, arrays: bool = True) -> Iterator[RunRecord]:
        """One at a time: a study's predictions together may be larger than memory."""
        return (self.store.get(key, arrays=arrays) for key in row.keys)

    def predictions(self, row: Row, metric: Metric) -> tuple[Array, Array]:
        """Test predictions at the epochs chosen for a metric, (S, N) or (S, N, C), and truths (N,).

        nan where the rule could choose no epoch.
        """
        chosen, truths = [], np.zeros(0)
        for record, epoch in zip(self.records(row), self.epochs(row, metric), strict=True):
            assert record.truths is not None  # the store reads them, or raises
            truths, test = record.truths.test, record.test_predictions
            chosen.append(test[epoch - 1] if epoch else np.full_like(test[0], np.nan))
        return np.stack(chosen), truths

    def _column(self, name: str, row: Row, metric: Metric) -> Array:
        return np.array([self._lines[key, metric.key][name] for key in row.keys], dtype=np.float64)

    @cached_property
    def _lines(self) -> dict[tuple[str, str], dict[str, float]]:
        columns = ("key", "metric", "value", "epoch", "seed")
        found = self.frame.loc[:, list(columns)].itertuples(index=False, name=None)
        return {(key, metric): dict(zip(columns[2:], rest, strict=True)) for key, metric, *rest in found}


def scenes(folder: Path, asked: Asked, *, gap: bool = False) -> list[Scene]:
    """Every dataset that was asked for; with `gap`, the optimism gap of best-epoch instead of scores.

    Raises
    ------
    SpecError
        If a name is unknown, or tuned rows had unequal budgets and that is not allowed.
    DataError
        If the study has no finished run, or the runs of one cell are of different settings.
    """
    import pandas as pd

    store = Store(folder)
    rules = (HEADLINE, ORACLE_RULE) if gap else (asked.selection,)
    frame = pd.concat(store.frames([(asked.convention, rule) for rule in rules]), ignore_index=True)
    if frame.empty:
        raise DataError(
            "the study has no finished run to plot",
            where=str(folder),
            fix="msabench status tells what failed",
        )
    made = []
    for dataset in chosen_datasets(frame, asked.datasets, folder.name):
        made += _on_dataset(store, frame[frame["dataset"] == dataset], asked, gap)
    return made


def chosen_datasets(frame: pd.DataFrame, wanted: Sequence[str], study: str) -> list[str]:
    """Datasets of the frame by name; `mosi` will do where the study has one of its feature files.

    Raises
    ------
    SpecError
        If there is no such dataset, or several.
    """
    known = sorted(map(str, frame["dataset"].unique()))
    found = []
    for name in wanted:
        near = [name] if name in known else [each for each in known if each.partition(":")[0] == name]
        if len(near) != 1:
            raise unknown("dataset", name, known, f"msabench status {study}")
        found += near
    return list(dict.fromkeys(found)) or known


def _on_dataset(store: Store, frame: pd.DataFrame, asked: Asked, gap: bool) -> list[Scene]:
    raw = str(frame["dataset"].iloc[0])
    failures = [record for record in store.failures() if record.spec.dataset == raw]
    titles = titles_of(frame, frame.iloc[:0])
    ledgers = read_ledgers(store.path)
    notes = search_notes(frame, ledgers, titles, allow_unequal=asked.allow_unequal_budgets)
    table = assemble(frame, failures=failures, notes=(*notes, *unmade_notes(store)))
    block = next(
        (block for block in table.blocks if block.gap == gap and (not gap or block.selection == GAP_RULE)),
        None,
    )
    if block is None:
        raise DataError(f"no run on {raw} has an epoch that was chosen here: no optimism gap is known")
    shown = with_gaps(frame, CONVENTIONS)
    shown = shown[shown["selection"] == block.selection]
    return [
        Scene(
            store=store,
            group=group,
            block=block,
            task=store.tasks()[raw],
            rows=_rows(block, group),
            frame=shown,
            said=tuple(_said(store, frame, table, block, group)),
            metrics=_metrics(convention_named(group.convention), asked.metrics),
        )
        for group in table.groups
    ]


def _rows(block: Block, group: Group) -> tuple[Row, ...]:
    rows = []
    for place, line in enumerate(block.lines):
        keys = next((cell.keys for (of, _), cell in line.cells.items() if of == group), ())
        if keys:
            title = f"{line.title} {' '.join(line.marks)}".strip()
            rows.append(Row(title=title, line=line, keys=keys, n=line.n(group), look=look_of(place)))
    return tuple(rows)


def _said(store: Store, frame: pd.DataFrame, table: Table, block: Block, group: Group) -> list[str]:
    """n, fairness rule 6, the table's notes, and what failed."""
    covers = [cover for line in block.lines for of, cover in line.coverage.items() if of == group]
    sizes = sorted({cover.n for cover in covers if cover.n}) or [0]
    n = " to ".join(map(str, dict.fromkeys((sizes[0], sizes[-1]))))
    ours = frame.loc[frame["track"] != "external"]
    budget = None
    if not ours.empty and ours["budget"].nunique() == 1:
        budget = store.get(str(ours["key"].iloc[0]), arrays=False).spec.budget
    *about, version = conditions(frame, (group,), (block,), len(table.failures), budget)
    failed = "; ".join(f"{line.method} seed {line.seed} ({line.cause})" for line in table.failures)
    return [
        f"Test split, n = {n} seed{'s' * (n != '1')}.",
        *about,
        *(
            f"{note.mark} {note.text.removesuffix('.')}."
            for note in table.notes
            if not note.text.startswith("(k/n)")
        ),
        *([f"Failed: {failed}."] if failed else []),
        version,
    ]


def _metrics(convention: Convention, wanted: Sequence[str]) -> tuple[Metric, ...]:
    by_key = {metric.key: metric for metric in convention.metrics}
    standard = dict.fromkeys((convention.accuracy, convention.headline.key))
    keys = wanted or [key for key in standard if key in by_key] or [convention.metrics[0].key]
    for key in keys:
        if key not in by_key:
            raise unknown(
                f"metric of convention '{convention.name}'", key, by_key, "msabench list conventions"
            )
    return tuple(by_key[key] for key in dict.fromkeys(keys))
