"""Reads out of a study's records what the site shows of it, each record once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import tomli_w

from msabench.errors import DataError, MsabenchError, SpecError
from msabench.metrics import CONVENTIONS, Convention
from msabench.records import Store
from msabench.report import FILES, PUBLISHED_FILES, TableOptions, published_table, render_csv, tables
from msabench.report.blocks import RowTitle, titles_of
from msabench.report.comparison import failed_runs
from msabench.report.layout import dataset_order
from msabench.report.separate import separate
from msabench.report.site.content import Board, Row, Study
from msabench.report.site.significance import SELECTION, Pairs, tests
from msabench.report.table import Table
from msabench.run import Array, RunRecord
from msabench.search import read_ledgers
from msabench.selection import Reading, oracle_of

SELECTIONS = ("same-epoch", "valid-per-metric", "last", "best-epoch", "best-epoch-joint", "as-published")
"""The rules whose figures the site holds"""


def read_study(folder: Path, *, allow_unequal_budgets: bool = False) -> Study:
    """Everything that the site shows of one study.

    Parameters
    ----------
    folder
        The study's folder.
    allow_unequal_budgets
        Whether tuned rows may stand together whose searches had unequal budgets; the site then says so.

    Raises
    ------
    DataError
        If the study has no finished run, or the runs of one cell are of different settings.
    SpecError
        If tuned rows had unequal budgets.
    """
    store = Store(folder)
    options = TableOptions(allow_unequal_budgets=allow_unequal_budgets)
    table = tables(folder, selections=["same-epoch", "best-epoch"], options=options)[0]
    if not table.blocks:
        raise DataError(
            f"the study {folder.name} has no finished run, so there is nothing to show",
            where=str(folder),
            fix="msabench run makes them; msabench status shows how far they are",
        )
    published = published_table(store)
    downloads = {name: render(table) for name, render in FILES.values()}
    if table.failures:
        downloads["failures.csv"] = render_csv.render_failures(table)
    if published.blocks:
        downloads |= {name: render(published) for name, render in PUBLISHED_FILES.values()}
    return Study(
        name=folder.name,
        settings=_settings(folder / "study.toml"),
        boards=_boards(store, folder.name),
        caption=table.caption,
        notes=_texts(table),
        ledgers=tuple(read_ledgers(folder)),
        published=published.blocks,
        sources=published.sources,
        published_notes={note.mark: note.text for note in published.notes},
        downloads=downloads,
        superseded=len(store.superseded()),
    )


def _settings(path: Path) -> str:
    """The frozen study as text; of feature files the names alone, since a site is published."""
    try:
        frozen = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    files = frozen.get("files")
    if isinstance(files, dict):
        frozen["files"] = {dataset: Path(str(file)).name for dataset, file in files.items()}
    return tomli_w.dumps(frozen)


def _texts(table: Table) -> tuple[str, ...]:
    return tuple(dict.fromkeys(note.text for note in table.notes))


@dataclass
class _Found:
    """What the records of one board have given so far."""

    runs: list[RunRecord] = field(default_factory=list)
    failed: list[RunRecord] = field(default_factory=list)
    scores: dict[str, dict[str, Array]] = field(default_factory=dict)
    """Convention to run key to (S, M)"""
    chosen: dict[str, int] = field(default_factory=dict)
    predictions: dict[str, Array] = field(default_factory=dict)
    """Run key to the test predictions of its same-epoch"""
    truths: dict[str, Array] = field(default_factory=dict)
    """Hash of truths to those of the test split"""
    notes: dict[str, None] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Apart:
    """What tells runs apart that must not be averaged, by run key."""

    dataset: Mapping[str, str]
    """Its name, with its version where a study has several"""
    setting: Mapping[str, str]
    """Encoder, version, budget or hyperparameters, where they differ; else empty"""
    titles: Mapping[str, RowTitle]
    """By row"""


def _boards(store: Store, study: str) -> tuple[Board, ...]:
    finished, failures = store.summaries("finished"), store.failures()
    frame = failed_runs([*finished.values(), *failures])
    named, _, _ = separate(frame, frame.iloc[:0])
    apart = _Apart(
        dataset=dict(zip(named["key"], named["dataset"], strict=True)),
        setting=dict(zip(named["key"], named["setting"], strict=True)),
        titles=titles_of(frame, frame.iloc[:0]),
    )
    boards: dict[tuple[str, str], _Found] = {}
    for key in finished:
        record = store.get(key)
        _add(boards.setdefault((apart.dataset[key], record.spec.data_kind), _Found()), record)
    for record in failures:
        place = (apart.dataset[record.key], record.spec.data_kind)
        boards.setdefault(place, _Found()).failed.append(record)
    order = sorted(boards, key=lambda place: (dataset_order(place[0]), place))
    return tuple(_board(study, place[0], boards[place], apart) for place in order)


def _add(found: _Found, record: RunRecord) -> None:
    """Score one finished run, and keep of it what is small."""
    assert record.truths is not None  # a store reads them with the predictions
    for convention, figures in _score(record, found.notes).items():
        found.scores.setdefault(convention, {})[record.key] = figures
    epoch = next(iter(Reading(record).select(SELECTION).values()), 0)
    found.chosen[record.key] = epoch
    if epoch:
        found.predictions[record.key] = record.test_predictions[epoch - 1]
    found.truths[record.truths_hash] = record.truths.test
    found.runs.append(_bare(record))


def _board(study: str, dataset: str, found: _Found, apart: _Apart) -> Board:
    rows = _rows(found, apart)
    first = (found.runs or found.failed)[0]
    order = [record.key for row in rows for record in row.runs]
    notes = list(found.notes)
    compared: Mapping[str, Pairs] = {}
    if len(found.truths) == 1:
        truths = next(iter(found.truths.values()))
        compared = tests(rows, found.predictions, truths, first.convention)
    elif found.truths:
        notes.append("The runs are of several versions of the data: no test compares them.")
    return Board(
        study=study,
        dataset=dataset,
        data_kind=first.spec.data_kind,
        task=first.task,
        convention=first.convention,
        rows=rows,
        scores={
            convention: np.stack([by_run[key] for key in order])
            for convention, by_run in found.scores.items()
        },
        tests=compared,
        notes=tuple(notes),
    )


def _bare(record: RunRecord) -> RunRecord:
    """Without what takes memory: a site of four thousand runs holds no prediction."""
    nothing = np.zeros((0, 0), np.float32)
    return replace(record, truths=None, valid_predictions=nothing, test_predictions=nothing)


def _score(record: RunRecord, notes: dict[str, None]) -> dict[str, Array]:
    """Convention to (S, M) figures; what cannot be scored is nan, and noted."""
    found = {}
    for convention in _conventions(record):
        reading = Reading(record, convention.name)
        keys = [metric.key for metric in convention.metrics]
        figures = np.full((len(SELECTIONS), len(keys)), np.nan)
        for place, rule in enumerate(SELECTIONS):
            try:
                scored = reading.scored(rule)
            except MsabenchError as error:
                notes[f"{record.spec.row} has no figures under {rule} in {convention.name}: {error.what}"] = (
                    None
                )
                continue
            figures[place] = [scored[key].value for key in keys]
        found[convention.name] = figures
    return found


def _conventions(record: RunRecord) -> list[Convention]:
    """Those that can score the record's task, its dataset's own first."""
    fit = [convention for convention in CONVENTIONS.values() if convention.takes(record.task)]
    return sorted(fit, key=lambda convention: convention.name != record.convention)


def _rows(found: _Found, apart: _Apart) -> tuple[Row, ...]:
    cells: dict[tuple[str, ...], tuple[list[RunRecord], list[RunRecord]]] = {}
    for place, part in enumerate((found.runs, found.failed)):
        for record in sorted(part, key=lambda record: record.spec.seed):
            about = record.spec
            setting = apart.setting[record.key]
            key = (about.row, about.track, about.text_encoder, about.text_mode, setting)
            cells.setdefault(key, ([], []))[place].append(record)
    rows = []
    for (row, *_, setting), (done, lost) in sorted(cells.items()):
        first = (done or lost)[0]
        spec, title = first.spec, apart.titles[row]
        rows.append(
            Row(
                row=row,
                method=spec.method,
                title=" · ".join(filter(None, (title.title, setting))),
                track=spec.track,
                text_encoder=spec.text_encoder,
                text_mode=spec.text_mode,
                reconstruction=title.reconstruction,
                external=spec.external,
                oracle=tuple(_oracle(first, rule) for rule in SELECTIONS),
                runs=tuple(done),
                failed=tuple(lost),
                chosen=tuple(found.chosen[record.key] for record in done),
            )
        )
    return tuple(rows)


def _oracle(record: RunRecord, rule: str) -> bool | None:
    """Whether a rule looks at the test split; None where no card is here to say."""
    try:
        return oracle_of(record, rule)
    except SpecError:
        return None
