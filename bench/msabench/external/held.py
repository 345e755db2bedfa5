"""What a study holds already of an external method, and whether another result of it may be added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from msabench.errors import SpecError
from msabench.records import RecordError, Store
from msabench.run import RunRecord, RunSpec
from msabench.study import plan_line


def one_setting(records: Sequence[RunRecord], store: Store, lines: Mapping[str, Mapping[str, Any]]) -> None:
    """Seeds of one row are averaged, so they must be of one setting.

    Raises
    ------
    SpecError
        If other seeds of this name were imported with another text encoder or epoch selection.
    """
    spec, fresh = records[0].spec, {record.spec.seed for record in records}
    for key, line in lines.items():
        if (line["row"], line["dataset"]) != (spec.row, spec.dataset) or line["seed"] in fresh:
            continue
        if store.has(key) and (odd := _odd_settings(store.get(key, arrays=False).spec, spec)):
            raise SpecError(
                f"{spec.method} on {spec.dataset} has seed {line['seed']} already, and differs in {odd}: "
                "no one setting would have their mean",
                where=f"run {key} of {store.path}",
                fix="give the same options for every seed, or import under another --method",
            )


def _odd_settings(held: RunSpec, new: RunSpec) -> str:
    names = {
        "text_encoder": "text encoder",
        "text_mode": "text mode",
        "hyperparameters": "how the epoch was chosen",
        "data_hash": "data",
    }
    return ", ".join(said for name, said in names.items() if getattr(held, name) != getattr(new, name))


def outcome_of(record: RunRecord, store: Store, lines: dict[str, dict[str, Any]], *, replace: bool) -> str:
    """Whether a record is new, or the one that is there.

    Raises
    ------
    SpecError
        If another result of this name, dataset and seed is there, and is not to be replaced.
    """
    here = plan_line(record.spec)
    before = [key for key, line in lines.items() if line == here]
    before += [record.key] if store.has(record.key) and record.key not in before else []
    if not before:
        return "imported"
    if before == [record.key] and _same(record, store):
        return "unchanged"
    if replace:
        return "replaced"
    spec = record.spec
    raise SpecError(
        f"{spec.method} on {spec.dataset}, seed {spec.seed}, is in the study already, "
        f"and {_differing(record, before, store)}",
        where=f"run {before[0]} of {store.path}",
        fix="import under another --method or --seed, or take its place with --replace",
    )


def same_as_another_seed(
    records: Sequence[RunRecord], store: Store, lines: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, ...]]:
    """Remarks on each record whose predictions another seed of its row has too: one result counted twice."""
    spec, fresh = records[0].spec, {record.spec.seed for record in records}
    others = [
        store.get(key)
        for key, line in lines.items()
        if (line["row"], line["dataset"]) == (spec.row, spec.dataset)
        and line["seed"] not in fresh
        and store.has(key)
    ]
    remarks: list[tuple[str, ...]] = []
    for place, record in enumerate(records):
        equal = [each.spec.seed for each in (*others, *records[:place]) if _equal(each, record)]
        said = (
            f"its predictions are those of seed {equal[0]} too: is one result given for two?" if equal else ""
        )
        remarks.append((said,) if said else ())
    return remarks


def _same(record: RunRecord, store: Store) -> bool:
    try:
        return _equal(store.get(record.key), record)
    except RecordError:
        return False


def _equal(one: RunRecord, other: RunRecord) -> bool:
    arrays = ("test_predictions", "valid_predictions")
    return all(np.array_equal(getattr(one, a), getattr(other, a), equal_nan=True) for a in arrays)


def _differing(record: RunRecord, before: Sequence[str], store: Store) -> str:
    if record.key in before:
        return "its predictions differ"
    try:
        held = store.get(before[0], arrays=False).spec
    except RecordError:
        return "cannot be read"
    return "differs in " + _odd_settings(held, record.spec)
