"""Sorts a study's runs into boards, which are ranked, and rows, which are averaged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from msabench.errors import SpecError
from msabench.records import Store
from msabench.report.blocks import RowTitle, titles_of
from msabench.report.comparison import failed_runs
from msabench.report.layout import dataset_order
from msabench.report.separate import separate
from msabench.report.site.content import SELECTIONS, Board, Row
from msabench.report.site.scores import Scores, score
from msabench.report.site.significance import Pairs, kept_in, tests
from msabench.run import Array, RunRecord
from msabench.selection import oracle_of
from msabench.selection.table import bound


@dataclass
class _Found:
    """The runs of one board."""

    runs: list[RunRecord] = field(default_factory=list)
    failed: list[RunRecord] = field(default_factory=list)
    predictions: dict[str, Array] = field(default_factory=dict)
    """Run key to the test predictions of its same-epoch"""
    truths: dict[str, Array] = field(default_factory=dict)
    """Hash of truths to those of the test split"""


@dataclass(frozen=True, kw_only=True)
class _Apart:
    """What tells runs apart that must not be averaged, by run key."""

    dataset: Mapping[str, str]
    """Its name, with its version where a study has several"""
    setting: Mapping[str, str]
    """Encoder, version, budget or hyperparameters, where they differ; else empty"""
    titles: Mapping[str, RowTitle]
    """By row"""


def boards_of(store: Store) -> tuple[Board, ...]:
    """Every board of a study, in the order of the tables.

    Raises
    ------
    RecordError
        At a damaged record.
    """
    finished, failures = store.summaries("finished"), store.failures()
    scores = score(store, finished)
    frame = failed_runs([*finished.values(), *failures])
    named, _, _ = separate(frame, frame.iloc[:0])
    apart = _Apart(
        dataset=dict(zip(named["key"], named["dataset"], strict=True)),
        setting=dict(zip(named["key"], named["setting"], strict=True)),
        titles=titles_of(frame, frame.iloc[:0]),
    )
    places: dict[tuple[str, str], list[str]] = {}
    lost: dict[tuple[str, str], list[RunRecord]] = {}
    for key, summary in finished.items():
        places.setdefault((apart.dataset[key], summary.spec.data_kind), []).append(key)
    for record in failures:
        lost.setdefault((apart.dataset[record.key], record.spec.data_kind), []).append(record)
    order = sorted({*places, *lost}, key=lambda place: (dataset_order(place[0]), place))
    return tuple(
        # one board's predictions at a time
        _board(
            store, place[0], _found(store, places.get(place, []), lost.get(place, []), scores), scores, apart
        )
        for place in order
    )


def _found(store: Store, keys: list[str], failed: list[RunRecord], scores: Scores) -> _Found:
    found = _Found(failed=failed)
    for key in keys:
        record = store.get(key)
        assert record.truths is not None  # a store reads them with the predictions
        epoch = scores.chosen.get(key, 0)
        if epoch:
            found.predictions[key] = record.test_predictions[epoch - 1].copy()
        found.truths[record.truths_hash] = record.truths.test
        found.runs.append(_bare(record))
    return found


def _bare(record: RunRecord) -> RunRecord:
    """Without what takes memory: a site of four thousand runs holds no prediction."""
    nothing = np.zeros((0, 0), np.float32)
    return replace(record, truths=None, valid_predictions=nothing, test_predictions=nothing)


def _board(store: Store, dataset: str, found: _Found, scores: Scores, apart: _Apart) -> Board:
    rows = _rows(found, scores, apart)
    first = (found.runs or found.failed)[0]
    order = [record.key for row in rows for record in row.runs]
    notes = list(dict.fromkeys(text for key in order for text in scores.notes.get(key, ())))
    compared: Pairs = {}
    if len(found.truths) == 1:
        truths = next(iter(found.truths.values()))
        kept = kept_in(store.path, dataset, first.spec.data_kind)
        compared = tests(rows, found.predictions, truths, first.convention, kept=kept)
    elif found.truths:
        notes.append("The runs are of several versions of the data: no test compares them.")
    figures = {
        convention: np.stack([by_run[key] for key in order])
        for convention, by_run in scores.figures.items()
        if order and order[0] in by_run
    }
    return Board(
        study=store.path.name,
        dataset=dataset,
        data_kind=first.spec.data_kind,
        task=first.task,
        convention=first.convention,
        rows=rows,
        # its own first
        scores=dict(sorted(figures.items(), key=lambda item: item[0] != first.convention)),
        tests=compared,
        notes=tuple(notes),
    )


def _rows(found: _Found, scores: Scores, apart: _Apart) -> tuple[Row, ...]:
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
                own_rule=_own_rule(first),
                oracle=tuple(_oracle(first, rule) for rule in SELECTIONS),
                runs=tuple(done),
                failed=tuple(lost),
                chosen=tuple(scores.chosen.get(record.key, 0) for record in done),
            )
        )
    return tuple(rows)


def _own_rule(record: RunRecord) -> str:
    """What `as-published` stands for; empty where no card is here to say."""
    if record.chosen_outside:
        return "the epoch that its authors chose"
    try:
        rule = bound("as-published", record.spec)
    except SpecError:
        return ""
    arguments: Mapping[str, object] = getattr(rule.pick, "keywords", {})
    metric, patience = arguments.get("metric"), arguments.get("patience")
    return rule.selection.name + (f":{metric}" if metric else "") + (f"({patience})" if patience else "")


def _oracle(record: RunRecord, rule: str) -> bool | None:
    """Whether a rule looks at the test split; None where no card is here to say."""
    try:
        return oracle_of(record, rule)
    except SpecError:
        return None
