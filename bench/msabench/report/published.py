"""Assembles measured beside published: every method under its own convention and its own epoch rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

from msabench import __version__
from msabench.errors import SpecError
from msabench.metrics import Convention, convention_named
from msabench.records import Store
from msabench.registry import METHODS, RECONSTRUCTION, PublishedFigure
from msabench.report import caption
from msabench.report.blocks import titles_of
from msabench.report.comparison import failed_runs, failure_lines
from msabench.report.layout import column_of, dataset_order
from msabench.report.ledger import search_notes
from msabench.report.published_reasons import closest, on_dataset, reasons
from msabench.report.published_table import PublishedBlock, PublishedLine, PublishedTable
from msabench.report.table import FEWER, RECONSTRUCTED, Cell, Column, Coverage, Group, Note
from msabench.run import EXTERNAL_PREFIX, Budget, RunRecord, RunSpec
from msabench.search import read_ledgers
from msabench.selection import is_oracle
from msabench.stats import summarise

if TYPE_CHECKING:
    import pandas as pd

AS_PUBLISHED = "as-published"
BlockKey = tuple[str, str, str, str, str, str]
_KEY = ["row", "track", "text_encoder", "text_mode", "dataset", "data_kind"]

_ONLY_EXTERNAL = (
    "This study holds imported results alone: published figures stand on the cards of methods, and external "
    "rows have none. msabench report without --published shows them."
)


def published_table(store: Store) -> PublishedTable:
    """Every row of a study beside the published figures of its method.

    Raises
    ------
    DataError
        If one seed stands twice in one cell.
    SpecError
        If a card names a convention or a rule that does not exist, or that does not suit the dataset.
    """
    failures = store.failures()
    frame = store.frame(convention_of, AS_PUBLISHED, methods=list(METHODS))
    lines = failure_lines(failures)
    lost = failed_runs(failures)
    specs = _specs(store, frame, failures)
    if not specs:
        others = any(record.spec.external for record in store.readable("finished").values())
        return PublishedTable(
            title="No run of an installed method" if others else "No finished runs",
            caption=_ONLY_EXTERNAL if others else caption.nothing(len(lines)),
            failures=lines,
            version=__version__,
        )
    cells = _cells(frame)
    titles = titles_of(frame, lost)
    notebook = _Notebook()
    blocks = []
    for key, record in sorted(specs.items(), key=lambda item: (dataset_order(item[0][4]), item[0])):
        runs = Coverage(
            n=int(frame.loc[(frame[_KEY] == list(key)).all(axis=1), "key"].nunique()),
            failed=int((lost[_KEY] == list(key)).all(axis=1).sum()),
            text_encoder=key[2],
            text_mode=key[3],
        )
        missing = _missing(store, record.spec, runs)
        blocks.append(_block(record, titles[key[0]].title, runs, missing, cells.get(key, {}), notebook))
    return PublishedTable(
        title="Measured here beside published",
        caption=_caption(blocks, next(iter(specs.values())).spec.budget),
        blocks=tuple(blocks),
        sources=tuple(notebook.sources),
        notes=(
            *_notes(blocks),
            *notebook.notes,
            *_absent(store, specs),
            # rows stand beside what was published of them, and are not held against one another
            *search_notes(frame, read_ledgers(store.path), titles, allow_unequal=True),
        ),
        failures=lines,
        version=__version__,
    )


def convention_of(record: RunRecord) -> str:
    """The convention of the method's own evaluation on a record's dataset.

    Raises
    ------
    SpecError
        If the card names one that does not exist, or that cannot score the dataset's task.
    """
    dataset, card = record.spec.dataset, METHODS.card(record.spec.method)
    name = card.convention(dataset, record.convention)
    if not convention_named(name).takes(record.task):
        raise SpecError(
            f"the card of {card.name} scores {dataset}, a {record.task.kind} task, by the convention {name}, "
            f"which is for {' and '.join(convention_named(name).tasks)}",
            where=str(card.path),
            fix="mend its table [conventions]",
        )
    return name


class _Notebook:
    """Numbers sources and letters notes in order of appearance."""

    def __init__(self) -> None:
        self.sources: dict[str, int] = {}
        self._letters: dict[str, str] = {}

    def source(self, text: str) -> int:
        return self.sources.setdefault(text, len(self.sources) + 1)

    def mark(self, text: str) -> tuple[str, ...]:
        if not text:
            return ()
        place = len(self._letters)
        return (self._letters.setdefault(text, ascii_lowercase[place % 26] * (1 + place // 26)),)

    @property
    def notes(self) -> list[Note]:
        return [Note(mark=mark, text=text) for text, mark in self._letters.items()]


def _specs(store: Store, frame: pd.DataFrame, failures: Sequence[RunRecord]) -> dict[BlockKey, RunRecord]:
    """A record of each block: of a finished run if there is one."""
    first = frame.drop_duplicates(_KEY)["key"].tolist()
    records = [*(store.get(str(key), arrays=False) for key in first), *failures]
    found: dict[BlockKey, RunRecord] = {}
    for record in records:
        if record.spec.method in METHODS:
            s = record.spec
            key = (s.row, s.track, s.text_encoder, s.text_mode, s.dataset, s.data_kind)
            found.setdefault(key, record)
    return found


def _cells(frame: pd.DataFrame) -> dict[BlockKey, dict[str, Cell]]:
    cells: dict[BlockKey, dict[str, Cell]] = {}
    for found in summarise(frame).to_dict("records"):
        key: Any = tuple(found[name] for name in _KEY)
        figures = {name: found[name] for name in ("mean", "sd", "n", "undefined", "keys")}
        cells.setdefault(key, {})[str(found["metric"])] = Cell(**figures)
    return cells


def _missing(store: Store, spec: RunSpec, runs: Coverage) -> str:
    """What keeps a mean from being that of all runs planned, or empty."""
    if not runs.n:
        return "no finished run"
    if runs.failed:
        return f"{runs.failed} of {runs.n + runs.failed} runs failed"
    planned = [
        line
        for line in store.planned().values()
        if (line["row"], line["dataset"]) == (spec.row, spec.dataset)
    ]
    left = len(planned) - runs.n
    return f"{left} of {len(planned)} runs are not made yet" if left > 0 else ""


def _block(
    record: RunRecord,
    title: str,
    runs: Coverage,
    missing: str,
    cells: Mapping[str, Cell],
    notebook: _Notebook,
) -> PublishedBlock:
    spec = record.spec
    card = METHODS.card(spec.method)
    convention = convention_named(convention_of(record))
    figures = [figure for figure in card.published if on_dataset(figure, spec.dataset)]
    figures = closest(figures, spec, card) if figures else []
    found = [(figure, (*reasons(figure, spec, card), *_of_runs(figure, runs, missing))) for figure in figures]
    shared = [why for why in found[0][1] if all(why in own for _, own in found)] if found else []
    lines = _lines(convention, found, shared, cells, notebook)
    return PublishedBlock(
        row=spec.row,
        title=title,
        group=Group(dataset=spec.dataset, data_kind=spec.data_kind, convention=convention.name, columns=()),
        selection=card.selection(spec.dataset),
        oracle=is_oracle(AS_PUBLISHED, spec.method, spec.dataset),
        track=spec.track,
        runs=runs,
        reconstruction=card.reconstruction,
        reasons=tuple(shared),
        lines=tuple(lines),
    )


def _of_runs(figure: PublishedFigure, runs: Coverage, missing: str) -> list[str]:
    if missing:
        return [missing]
    return [f"n = {runs.n}, published a mean of {figure.seeds} seeds"] if runs.n < figure.seeds else []


def _lines(
    convention: Convention,
    found: Sequence[tuple[PublishedFigure, tuple[str, ...]]],
    shared: Sequence[str],
    cells: Mapping[str, Cell],
    notebook: _Notebook,
) -> list[PublishedLine]:
    """A line for each metric of the convention and each published figure, in the convention's order."""
    columns = {metric.key: column_of(metric) for metric in convention.figures}
    printed = {metric.key: columns[metric.key] for metric in convention.metrics}
    by_metric: dict[str, list[tuple[PublishedFigure, tuple[str, ...]]]] = {key: [] for key in printed}
    for figure, why in found:
        by_metric.setdefault(figure.metric, []).append((figure, why))
    lines = []
    for key, published in by_metric.items():
        column = columns.get(key) or _foreign(key)
        cell = cells.get(key)
        if not published:
            lines.append(PublishedLine(metric=key, column=column, cell=cell, value=None))
        for figure, why in published:
            own = [each for each in why if each not in shared]
            if key not in columns:
                own.append(f"no figure of the convention {convention.name}")
            if cell is not None and cell.undefined:
                own.append(f"undefined for {cell.undefined} of {cell.n} runs")
            lines.append(
                PublishedLine(
                    metric=key,
                    column=column,
                    cell=cell,
                    value=figure.value / 100 if column.percent else figure.value,
                    source=notebook.source(figure.source),
                    marks=notebook.mark(figure.note),
                    reasons=tuple(own),
                    comparable=not own and not shared and cell is not None,
                )
            )
    return lines


def _foreign(key: str) -> Column:
    """How to print a figure that the convention does not define: as cards give it."""
    percent = not key.endswith(("mae", "corr"))
    return Column(
        label=key, metrics=(key,), better="lower" if key.endswith("mae") else "higher", percent=percent
    )


def _caption(blocks: Sequence[PublishedBlock], budget: Budget) -> str:
    several = any(block.runs.n > 1 for block in blocks)
    spread = "mean ± standard deviation over seeds (ddof = 1)" if several else "one seed, so no spread"
    return " ".join(
        filter(
            None,
            (
                f"Measured here: test split, {spread}, every method under its own convention and its own "
                "epoch rule. Published: as printed in the numbered sources, measured by others.",
                "Accuracies and F1 in percent.",
                "A difference stands only where data, text encoder and settings are those of the published "
                "figure; otherwise what differs stands in its place.",
                caption.budget_sentence(budget),
                f"msabench {__version__}.",
            ),
        )
    )


def _notes(blocks: Sequence[PublishedBlock]) -> list[Note]:
    notes = []
    if any(block.reconstruction for block in blocks):
        notes.append(Note(mark=RECONSTRUCTED, text=RECONSTRUCTION))
    if any(block.runs.failed for block in blocks):
        notes.append(Note(mark=FEWER, text="Failed runs are in no mean."))
    return notes


def _absent(store: Store, specs: Mapping[BlockKey, RunRecord]) -> list[Note]:
    """Rows that are planned and have no record yet, methods that are no longer installed, external rows."""
    here = {(record.spec.row, record.spec.dataset) for record in specs.values()}
    rows = dict.fromkeys((str(line["row"]), str(line["dataset"])) for line in store.planned().values())
    missing = [(row, dataset) for row, dataset in rows if (row, dataset) not in here]
    left = [f"{row} on {dataset}" for row, dataset in missing if not row.startswith(EXTERNAL_PREFIX)]
    outside = dict.fromkeys(
        row.removeprefix(EXTERNAL_PREFIX) for row, _ in missing if row.startswith(EXTERNAL_PREFIX)
    )
    notes = [f"Without a record of an installed method: {'; '.join(left)}."] if left else []
    notes += [f"Not shown: external rows, which have no card: {', '.join(outside)}."] if outside else []
    return [Note(mark="*", text=text) for text in notes]


__all__ = ["convention_of", "published_table"]
