"""Answers `msabench compare`: which pairs of a study can be compared, and what the tests say of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

from msabench import __version__
from msabench.errors import DataError, SpecError, unknown
from msabench.judge import Entry, checkpoint_seed, entries, judge, metrics_of, pair_notes
from msabench.metrics import CONVENTIONS, convention_named
from msabench.records import Store
from msabench.registry import METHODS, RECONSTRUCTION
from msabench.report.ledger import search_lines
from msabench.report.reached import with_reach
from msabench.report.separate import said_budget
from msabench.report.table import TWIN
from msabench.report.verdicts import Question, Verdict, Verdicts, level_text
from msabench.selection import SELECTIONS
from msabench.stats import (
    TESTS,
    Comparison,
    Scope,
    corrected,
    crossed_interval,
    hedges_g,
    probability_of_improvement,
)
from msabench.stats.per_example import is_share
from msabench.stats.power import POWER

_REACH: Mapping[Scope, str] = {
    "seeds and examples": "other seeds and other examples like these",
    "this test set only": "other seeds on this test set only",
    "these checkpoints": "these checkpoints only, on other examples like these",
}


def verdicts(folder: Path, asked: Question) -> Verdicts:
    """Compare rows of a study.

    Raises
    ------
    SpecError
        If a row, dataset, convention, selection, metric or test is unknown, or rows had unequal search
        budgets and that is not allowed.
    DataError
        If nothing could be compared, with the first reason.
    """
    store = Store(folder)
    frame = store.frame(asked.convention, "same-epoch")
    asked = _resolved(asked, store, frame)
    shown: list[Verdict] = []
    notes: dict[str, None] = {}
    refused: dict[str, None] = dict.fromkeys(_absent(store, frame, asked))
    for place, selection in enumerate(asked.selections):
        try:
            found = entries(
                store,
                convention=asked.convention,
                selection=selection,
                rows=asked.rows,
                dataset=asked.dataset,
                track=asked.track,
                text_encoder=asked.text_encoder,
            )
        except SpecError as error:
            if not place:
                raise
            refused[f"{selection}: {error.what}"] = None
            continue
        for dataset in dict.fromkeys(entry.dataset for entry in found):
            here = [entry for entry in found if entry.dataset == dataset]
            if not place:
                notes.update(dict.fromkeys(_budgets(folder, here, asked)))
            shown += _on_dataset(here, asked, first=not place, notes=notes, refused=refused)
    first = [v for v in shown if v.selection == asked.selections[0]]
    if not first:
        why = next(iter(refused), "no row has a finished run")
        raise DataError(f"nothing can be compared: {why}", fix=_remedy(why))
    return Verdicts(
        title=_title(asked, first),
        test=TESTS[asked.test].title,
        scope=TESTS[asked.test].scope,
        alpha=asked.alpha,
        verdicts=tuple(first),
        others=tuple(v for v in shown if v.selection != asked.selections[0]),
        notes=(*_about(asked, first), *notes),
        refused=tuple(refused),
    )


def _budgets(folder: Path, found: Sequence[Entry], asked: Question) -> tuple[str, ...]:
    """What the searches of rows on one dataset have spent; rows in several tracks are not compared at all."""
    import pandas as pd

    tracks: dict[str, set[str]] = {}
    for entry in found:
        tracks.setdefault(entry.row, set()).add(entry.track)
    lines = [(e.row, e.method, e.track, e.dataset) for e in found if len(tracks[e.row]) == 1]
    if len({row for row, *_ in lines}) < 2:
        return ()
    frame = pd.DataFrame(lines, columns=["row", "method", "track", "dataset"])
    return search_lines(folder, frame, allow_unequal=asked.allow_unequal_budgets, across=True)


def _on_dataset(
    found: Sequence[Entry], asked: Question, *, first: bool, notes: dict[str, None], refused: dict[str, None]
) -> list[Verdict]:
    """Every pair on one dataset under one rule; Holm over the pairs, metric by metric."""
    by_row: dict[str, list[Entry]] = {}
    for entry in found:
        by_row.setdefault(entry.row, []).append(entry)
    for row, several in list(by_row.items()):
        if len(several) > 1:
            settings = "; ".join(
                f"{e.track}, {e.text_encoder}, {e.text_mode}, {e.data_kind}" for e in several
            )
            refused[f"{row} on {several[0].dataset} has several settings ({settings}): choose one"] = None
            del by_row[row]
    results: dict[str, list[Verdict]] = {}
    compared: dict[str, Entry] = {}
    found_out: dict[str, None] = {}
    for row_a, row_b in _pairs(asked):
        if row_a not in by_row or row_b not in by_row:
            continue
        a, b = by_row[row_a][0], by_row[row_b][0]
        try:
            said = pair_notes(a, b)
            metrics = _judgeable(a, asked, refused)
            judged = judge(a, b, metrics, test=asked.test, alpha=asked.alpha, seed=asked.seed)
        except DataError as error:
            what = error.what.replace(" A ", f" {row_a} ").replace(" B ", f" {row_b} ")
            refused[
                f"{row_a} and {row_b} on {a.dataset}: {what}" + (f"; {error.fix}" if error.fix else "")
            ] = None
            continue
        if first:
            compared |= {row_a: a, row_b: b}
            if TESTS[asked.test].scope == "these checkpoints":
                said = (f"checkpoints of seed {checkpoint_seed(a, b, asked.seed)}: {row_a}, {row_b}", *said)
            found_out.update(dict.fromkeys(said))
        for metric, comparison in judged.items():
            results.setdefault(metric, []).append(_verdict(a, b, metric, comparison, full=first))
    told = (*_settings(compared.values()), *found_out)
    notes.update(dict.fromkeys(f"{found[0].dataset}: {note.rstrip('.')}." for note in told))
    shown = []
    for family in results.values():
        adjusted = corrected([verdict.comparison for verdict in family])
        shown += [with_reach(replace(v, comparison=c)) for v, c in zip(family, adjusted, strict=True)]
    return sorted(shown, key=lambda v: (v.a, v.b)) if len(_pairs(asked)) > 1 else shown


def _verdict(a: Entry, b: Entry, metric: str, comparison: Comparison, *, full: bool) -> Verdict:
    figures = {m.key: m for m in convention_named(a.convention).figures}
    verdict = Verdict(
        a=a.row,
        b=b.row,
        dataset=a.dataset,
        data_kind=a.data_kind,
        convention=a.convention,
        selection=a.selection,
        oracle=" and ".join(entry.row for entry in (a, b) if entry.oracle),
        metric=figures[metric],
        comparison=comparison,
    )
    if not full or comparison.test != "two-source" or math.isnan(comparison.p):
        return verdict
    pair = [entry.draws([metric])[metric] for entry in (a, b)]
    return replace(
        verdict,
        g=hedges_g(pair[0], pair[1], alpha=comparison.alpha),
        improvement=probability_of_improvement(pair[0], pair[1], alpha=comparison.alpha),
        crossed=crossed_interval(pair[0], pair[1], alpha=comparison.alpha),
    )


def _judgeable(entry: Entry, asked: Question, refused: dict[str, None]) -> list[str]:
    """The metrics that the test can judge: McNemar's counts right answers, and no others."""
    keys = list(asked.metrics) or list(metrics_of(entry))
    if asked.test != "mcnemar":
        return keys
    figures = {m.key: m for m in convention_named(entry.convention).figures}
    left_out = [key for key in keys if key in figures and not is_share(figures[key])]
    if not left_out or len(left_out) == len(keys):
        return keys
    names = ", ".join(figures[key].label for key in left_out)
    refused[
        f"{names} on {entry.dataset}: McNemar's test counts right answers, and these are no shares of them; "
        "--test randomisation takes every metric"
    ] = None
    return [key for key in keys if key not in left_out]


def _settings(compared: Iterable[Entry]) -> list[str]:
    """Track, text encoder, data and version of each row, rows that agree in one sentence."""
    alike: dict[str, list[str]] = {}
    held = list(compared)
    budgets = {entry.budgets for entry in held if entry.track != "external"}
    for entry in held:
        version = f", version {entry.versions[0]}" if entry.track != "external" else ""
        if len(budgets) > 1 and entry.track != "external":
            version += f", {said_budget(entry.budgets[0])}"
        setting = (
            f"track {entry.track}, text encoder {entry.text_encoder} ({entry.text_mode}), "
            f"feature file {entry.data_hashes[0][:8]}{version}"
        )
        alike.setdefault(setting, []).append(entry.row)
    lines = [f"{', '.join(rows)}: {setting}" for setting, rows in alike.items()]
    if len(budgets) > 1:
        lines.append("budgets differ: a difference between such rows is that of method and budget together")
    return lines


def _pairs(asked: Question) -> list[tuple[str, str]]:
    if asked.reference:
        return [(row, asked.reference) for row in asked.rows if row != asked.reference]
    return list(combinations(asked.rows, 2))


def _resolved(asked: Question, store: Store, frame: Any) -> Question:
    """The question with every name checked, and all rows where only a reference is named."""
    planned = {line["row"] for line in store.planned().values()}
    known = sorted({*frame["row"], *planned})
    if not known:
        raise DataError(
            "the study has no finished run", where=str(store.path), fix="msabench status tells what failed"
        )
    for row in (*asked.rows, *filter(None, [asked.reference])):
        if row not in known:
            raise unknown("row", row, known, f"msabench report {store.path.name}")
    rows = asked.rows
    if asked.reference:
        rows = tuple(dict.fromkeys((*(rows or known), asked.reference)))
    if len(set(rows)) < 2 or len(set(rows)) != len(rows):
        raise SpecError(
            f"a comparison needs two different rows, but got: {', '.join(rows) or 'none'}",
            fix=f"the study has: {', '.join(known)}",
        )
    datasets = sorted(set(frame["dataset"]))
    if asked.dataset is not None and asked.dataset not in datasets:
        near = [name for name in datasets if name.partition(":")[0] == asked.dataset]
        if len(near) != 1:
            raise unknown("dataset", asked.dataset, datasets, f"msabench status {store.path.name}")
        asked = replace(asked, dataset=near[0])
    for rule in asked.selections:
        if rule.split(":")[0].split("(")[0] not in SELECTIONS:
            raise unknown("selection", rule, SELECTIONS, "msabench list selections")
    for column in ("track", "text_encoder"):
        wanted = getattr(asked, column)
        if wanted is not None and wanted not in set(frame[column]):
            raise unknown(column.replace("_", " "), wanted, set(frame[column]))
    used = {str(name) for name in frame["convention"]}
    figures = {metric.key for name in used for metric in CONVENTIONS[name].figures}
    for metric in asked.metrics:
        if metric not in figures:
            raise unknown(f"metric of convention {' or '.join(sorted(used))}", metric, figures)
    return replace(asked, rows=rows)


def _absent(store: Store, frame: Any, asked: Question) -> list[str]:
    """Rows with no finished run on a dataset, and seeds that are missing, with what became of them."""
    failed: dict[tuple[str, str], dict[int, str]] = {}
    for record in store.failures():
        cause = record.failure.cause if record.failure else "failed"
        failed.setdefault((record.spec.row, record.spec.dataset), {})[record.spec.seed] = cause
    done = {
        (str(row), str(dataset)): {int(seed) for seed in part["seed"]}
        for (row, dataset), part in frame.groupby(["row", "dataset"])
    }
    wanted: dict[tuple[str, str], set[int]] = {}
    for line in store.planned().values():
        wanted.setdefault((str(line["row"]), str(line["dataset"])), set()).add(int(line["seed"]))
    said = []
    for dataset in sorted({d for _, d in (*wanted, *done, *failed)}):
        if asked.dataset not in (None, dataset):
            continue
        for row in asked.rows:
            lost = failed.get((row, dataset), {})
            missing = sorted(
                (wanted.get((row, dataset), set()) | set(lost)) - done.get((row, dataset), set())
            )
            if missing:
                causes = ", ".join(f"{seed} ({lost.get(seed, 'not run yet')})" for seed in missing)
                said.append(f"{row} on {dataset} lacks seeds {causes}: they are in no figure")
            elif (row, dataset) not in done:
                said.append(f"{row} has no run on {dataset}")
    return said


def _remedy(why: str) -> str:
    if "several settings" in why:
        return "--track paper or --track tuned, --text-encoder NAME"
    return "" if ";" in why else "msabench status shows what has run"


def _title(asked: Question, found: Sequence[Verdict]) -> str:
    data = ", ".join(
        dict.fromkeys(f"{v.dataset} ({TWIN})" if v.data_kind == "twin" else v.dataset for v in found)
    )
    if asked.reference:
        return f"Rows against {asked.reference} on {data}"
    return f"{' against '.join(asked.rows) if len(asked.rows) == 2 else 'All pairs'} on {data}"


def _about(asked: Question, found: Sequence[Verdict]) -> list[str]:
    """What fairness rule 6 asks to be said, and how to read the table."""
    conventions = ", ".join(dict.fromkeys(v.convention for v in found))
    family = max(v.comparison.family for v in found)
    twins = sorted({v.dataset for v in found if v.data_kind == "twin"})
    rows = dict.fromkeys(row for v in found for row in (v.a, v.b))
    oracles = ", ".join(dict.fromkeys(v.oracle for v in found if v.oracle))
    return [
        f"Test: {TESTS[asked.test].title}; its verdict holds for {_REACH[TESTS[asked.test].scope]}.",
        f"Test split, {_spread(asked)}; convention {conventions}; "
        f"epoch rule {asked.selections[0]}" + (f" (ORACLE for {oracles})" if oracles else "") + ".",
        *_levels(asked, family),
        *(f"{name} is a {TWIN}: generated data, its figures say nothing of the real one." for name in twins),
        *(f"{row}: {RECONSTRUCTION}" for row in rows if _reconstructed(row)),
        f"msabench {__version__}.",
    ]


def _spread(asked: Question) -> str:
    if TESTS[asked.test].scope == "these checkpoints":
        return "one checkpoint of each row, so no spread over seeds"
    return "mean ± standard deviation over n seeds (ddof = 1)"


def _levels(asked: Question, family: int) -> list[str]:
    """What intervals, corrected p and detectable differences are held against."""
    test, plural = TESTS[asked.test], "s" if family > 1 else ""
    level = level_text(asked.alpha)
    bounds = {"two-source": f"Intervals at {level}", "welch": f"Intervals at {level}"}.get(asked.test)
    alone = ", of each comparison by itself, uncorrected" if family > 1 else ""
    said = [f"{bounds}{alone}."] if bounds else []
    said.append(
        f"p Holm: corrected over {family} comparison{plural} a dataset and metric, significant below "
        f"{asked.alpha:g}; metrics are not corrected for one another."
    )
    corrected_level = f"{asked.alpha:g} / {family}, Holm's first step" if family > 1 else f"{asked.alpha:g}"
    unit = "examples" if test.scope == "these checkpoints" else "seeds"
    said.append(
        f"Detectable: the smallest true difference that this test finds with {POWER:.0%} power at "
        f"{corrected_level}; after it the {unit} that would find the observed difference, were it true."
    )
    return said


def _reconstructed(row: str) -> bool:
    try:
        return METHODS.card(row.split("[")[0]).reconstruction
    except SpecError:
        return False
