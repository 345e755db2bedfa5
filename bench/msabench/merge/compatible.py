"""Why the runs of several studies cannot stand together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from msabench.merge.source import Source, cell
from msabench.run import RunRecord
from msabench.search import Ledger


def incompatible(sources: Sequence[Source]) -> list[str]:
    """Why studies cannot be joined, one sentence a reason; empty if they can."""
    conditions = _differing_conditions(sources)
    reasons = list(conditions.values())
    pools = [sources, [source.trials for source in sources if source.trials]]
    for pool in pools:
        reasons += _differing_facts([source for source in pool if source], set(conditions))
        reasons += _differing_runs([source for source in pool if source])
    ledgers: dict[tuple[str, str], Ledger] = {}
    for source in sources:
        for each in source.ledgers:
            held = ledgers.setdefault((each.row, each.dataset), each)
            if replace(held, seconds=0.0) != replace(each, seconds=0.0):
                reasons.append(f"the search of {each.row} on {each.dataset} spent or chose otherwise")
    return list(dict.fromkeys(reasons))


def _differing_conditions(sources: Sequence[Source]) -> dict[str, str]:
    """What their commands asked for: the name of a condition, and how it differs."""
    held: dict[str, tuple[Any, str]] = {}
    reasons: dict[str, str] = {}
    for source in sources:
        for name, value in source.study.conditions.items() if source.study else ():
            first, where = held.setdefault(name, (value, source.folder.name))
            if first != value:
                here = source.folder.name
                said = f"{name.replace('_', ' ')} is {_said(first)} in {where}, but {_said(value)} in {here}"
                reasons.setdefault(name, said)
    return reasons


def _said(value: Any) -> str:
    """A condition in words: `epochs 2, patience 8`, without what is left open."""
    if not isinstance(value, Mapping):
        return str(value)
    given = [f"{name} {each}" for name, each in value.items() if each is not None]
    return ", ".join(given) or "each method's own"


def _differing_facts(sources: Sequence[Source], told: Collection[str]) -> list[str]:
    """What runs of one dataset or method, or all, must share, but for conditions that are told already."""
    facts: list[tuple[str, Callable[[RunRecord], str], Callable[[RunRecord], str], bool]] = [
        ("data", _dataset, lambda r: f"{r.spec.data_kind} {r.spec.data_hash[:12]}", True),
        ("truths", _dataset, lambda r: r.truths_hash[:12], True),
        ("task", _dataset, lambda r: _said(asdict(r.task)), True),
        ("metric convention", _dataset, lambda r: r.convention, True),
        ("text encoder", _dataset, lambda r: r.spec.text_encoder, False),
        ("method version", lambda r: r.spec.method, lambda r: str(r.spec.method_version), False),
        ("budget", lambda _: "all runs", lambda r: _said(asdict(r.spec.budget)), False),
    ]
    reasons = []
    for what, where, value, external in facts:
        if what.replace(" ", "_") in told:
            continue
        held: dict[str, tuple[str, str]] = {}
        for source in sources:
            for record in source.runs.values():
                if record.spec.external and not external:
                    continue
                place = where(record)
                first, name = held.setdefault(place, (value(record), source.folder.name))
                if first != value(record):
                    reasons.append(
                        f"{what} of {place}: {first} in {name}, but {value(record)} in {source.folder.name}"
                    )
    return reasons


def _dataset(record: RunRecord) -> str:
    return record.spec.dataset


def _differing_runs(sources: Sequence[Source]) -> list[str]:
    """One run with two results, and one seed of a row with two settings."""
    reasons = []
    results: dict[str, tuple[str, str]] = {}
    settings: dict[tuple[object, ...], tuple[str, str]] = {}
    for source in sources:
        name = source.folder.name
        for key, record in source.runs.items():
            said = f"{record.spec.row} on {record.spec.dataset} seed {record.spec.seed}"
            digest = source.digests[key]
            first, where = results.setdefault(key, (digest, name))
            if first and digest and first != digest:
                reasons.append(
                    f"the same run gave other predictions: {said} ({key}) in {where} and {name}: "
                    "training is not deterministic across them"
                )
            if record.spec.track != "trial":
                held, where = settings.setdefault(cell(record.spec), (key, name))
                if held != key:
                    reasons.append(f"{said} is of other settings in {where} ({held}) than in {name} ({key})")
    return reasons
