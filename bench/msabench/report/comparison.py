"""Assembles the comparison table from scored records: its columns, rows and blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msabench import __version__
from msabench.errors import unknown
from msabench.metrics import CONVENTIONS, Convention
from msabench.report import caption
from msabench.report.blocks import build, titles_of
from msabench.report.layout import columns_of, dataset_order
from msabench.report.separate import separate, unusable_note
from msabench.report.table import GAP, FailureLine, Group, Note, Table
from msabench.run import Budget, RunRecord

if TYPE_CHECKING:
    import pandas as pd

HEADLINE = "same-epoch"
_RUN = ["row", "method", "track", "text_encoder", "text_mode", "dataset", "data_kind", "seed", "key"]
_MUST_AGREE = ["method_version", "data_hash", "truths_hash", "budget", "hyperparameters"]


def assemble(
    frame: pd.DataFrame,
    *,
    failures: Sequence[RunRecord] = (),
    budget: Budget | None = None,
    notes: Sequence[Note] = (),
    conventions: Mapping[str, Convention] = CONVENTIONS,
) -> Table:
    """The comparison table of a study.

    Parameters
    ----------
    frame
        Scored runs in long form: what `Store.frame` gives, joined over conventions and selections. Where it
        holds an oracle selection and same-epoch, the optimism gap between them becomes a block of its own.
    failures
        Runs without a result: counted in their rows, and listed.
    budget
        The study's, for the caption.
    notes
        What else to say below the table.

    Raises
    ------
    DataError
        If one seed stands twice in one cell.
    SpecError
        If a convention is unknown.
    """
    lines = failure_lines(failures)
    if frame.empty:
        return Table(
            title="No finished runs", caption=caption.nothing(len(lines)), failures=lines, version=__version__
        )
    frame = frame.drop_duplicates(["key", "metric", "convention", "selection"]).reset_index(drop=True)
    failed = failed_runs(failures)
    frame, failed, apart = separate(with_gaps(frame, conventions), failed)
    groups = _groups(frame, failed, conventions)
    titles = titles_of(frame, failed)
    about_rows, marks = caption.row_notes(frame, titles)
    blocks = tuple(
        build(frame[frame["selection"] == selection], failed, selection, groups, titles, marks)
        for selection in _order(frame)
    )
    return Table(
        title=caption.title(groups),
        caption=caption.caption(frame, groups, blocks, len(lines), budget),
        groups=groups,
        blocks=blocks,
        notes=(
            *about_rows,
            *apart,
            *caption.fewer_note(blocks),
            *caption.undefined_note(blocks),
            *unusable_note(frame, titles),
            *notes,
        ),
        failures=lines,
        version=__version__,
    )


def with_gaps(frame: pd.DataFrame, conventions: Mapping[str, Convention]) -> pd.DataFrame:
    """The frame, and for each oracle rule every run's oracle figure minus its same-epoch figure.

    The sign is turned for metrics of which less is better: a positive gap is optimism.
    """
    import pandas as pd

    headline = frame.loc[frame["selection"] == HEADLINE, ["key", "metric", "convention", "value"]]
    lower = {(c.name, m.key) for c in conventions.values() for m in c.metrics if m.better == "lower"}
    parts = [frame]
    # an external result of one epoch is the same under every rule: its gap is not known, and not zero
    chosen_outside = (frame["track"] == "external") & (frame["epochs"] == 1)
    oracles = frame[frame["oracle"].astype(bool) & ~chosen_outside]
    for selection in oracles["selection"].unique():
        pairs = oracles[oracles["selection"] == selection].merge(
            headline, on=["key", "metric", "convention"], suffixes=("", "_headline")
        )
        names = zip(pairs["convention"], pairs["metric"], strict=True)
        sign = [-1.0 if name in lower else 1.0 for name in names]
        pairs["value"] = (pairs["value"] - pairs.pop("value_headline")) * sign
        parts.append(pairs.assign(selection=f"{selection}{GAP}{HEADLINE}"))
    return pd.concat([part for part in parts if not part.empty], ignore_index=True)


def _groups(
    frame: pd.DataFrame, failed: pd.DataFrame, conventions: Mapping[str, Convention]
) -> tuple[Group, ...]:
    """One for each dataset and convention; a dataset on which every run failed keeps its place."""
    scored = frame[["dataset", "data_kind", "convention"]].drop_duplicates()
    found = [(str(d), str(kind), str(c)) for d, kind, c in scored.itertuples(index=False)]
    covered = {(dataset, kind) for dataset, kind, _ in found}
    ended = failed[["dataset", "data_kind", "convention"]].itertuples(index=False)
    lost = [(str(d), str(kind), str(c)) for d, kind, c in ended]
    found += dict.fromkeys(group for group in lost if group[:2] not in covered)
    for _, _, name in found:
        if name not in conventions:
            raise unknown("convention", name, conventions, "msabench list conventions")
    asked = {name: place for place, name in enumerate(dict.fromkeys(name for *_, name in found))}
    found.sort(key=lambda group: (dataset_order(group[0]), group[1], asked[group[2]]))
    return tuple(
        Group(
            dataset=dataset,
            data_kind="twin" if kind == "twin" else "real",
            convention=name,
            columns=columns_of(conventions[name]),
        )
        for dataset, kind, name in found
    )


def _order(frame: pd.DataFrame) -> list[str]:
    """Same-epoch first, then the other rules that leave the test split alone, oracles, and gaps last."""
    seen = list(dict.fromkeys(frame["selection"]))
    oracle = set(frame.loc[frame["oracle"].astype(bool), "selection"])
    return sorted(seen, key=lambda s: (GAP in s, s in oracle, s != HEADLINE, seen.index(s)))


def failed_runs(failures: Sequence[RunRecord]) -> pd.DataFrame:
    """The failed runs with the columns that finished ones have."""
    import pandas as pd

    lines = [
        {
            **{name: getattr(record.spec, name) for name in _RUN},
            "convention": record.convention,
            "method_version": record.spec.method_version,
            "data_hash": record.spec.data_hash,
            "truths_hash": record.truths_hash,
            "budget": str(record.spec.budget),
            "hyperparameters": record.spec.settings,
        }
        for record in failures
    ]
    return pd.DataFrame(lines, columns=[*_RUN, "convention", *_MUST_AGREE])


def failure_lines(failures: Sequence[RunRecord]) -> tuple[FailureLine, ...]:
    """The failed runs as a report lists them, in order of row, dataset and seed."""
    return tuple(
        FailureLine(
            method=record.spec.row,
            dataset=record.spec.dataset,
            seed=record.spec.seed,
            cause=record.failure.cause if record.failure else "unknown",
            message=record.failure.message if record.failure else "",
            key=record.key,
        )
        for record in sorted(failures, key=lambda r: (r.spec.row, r.spec.dataset, r.spec.seed, r.key))
    )
