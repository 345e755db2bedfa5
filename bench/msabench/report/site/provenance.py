"""What the provenance page says: downloads, hashes of data, versions of the runs and of the site itself."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from msabench.report.site.content import Board, Study
from msabench.run import RunRecord

DOWNLOADS = {
    "comparison.csv": "same-epoch, best-epoch and the optimism gap in full precision, with the keys of runs",
    "comparison.tex": "the same in LaTeX; its first lines name the packages",
    "comparison.md": "the same in Markdown",
    "comparison.html": "the same as a page of its own",
    "failures.csv": "runs that ended without a result, and why",
    "published.csv": "measured beside published figures, with their sources",
    "published.tex": "the same in LaTeX",
    "published.md": "the same in Markdown",
    "published.html": "the same as a page of its own",
}


@dataclass(frozen=True, kw_only=True)
class Library:
    """What a site carries of others."""

    name: str
    """Of its licence's file, before the first dot"""
    title: str
    package: str
    """On npm"""
    version: str
    url: str
    licence: str
    files: Mapping[str, Mapping[str, str]]
    """File to where it is from in the package, and its sha256"""


def libraries() -> tuple[Library, ...]:
    """Everything in `vendor/`, as its `versions.toml` says."""
    text = (files("msabench.report.site") / "vendor" / "versions.toml").read_text(encoding="utf-8")
    return tuple(Library(name=name, **about) for name, about in tomllib.loads(text).items())


def page(studies: Sequence[Study]) -> dict[str, Any]:
    """Values of its template."""
    listed = {
        study.name: [(name, DOWNLOADS[name]) for name in DOWNLOADS if name in study.downloads]
        for study in studies
    }
    return {
        "downloads": listed,
        "environments": {study.name: _environments(study) for study in studies},
        "hashes_of": _hashes,
        "libraries": libraries(),
    }


def records_of(board: Board) -> Iterable[RunRecord]:
    """Finished and failed ones."""
    return (record for row in board.rows for record in (*row.runs, *row.failed))


def dates(boards: Iterable[Board]) -> str:
    """First and last day of the runs, by their own records: a site made twice is the same twice."""
    records = (record for board in boards for record in records_of(board))
    days = sorted({record.started[:10] for record in records if record.started})
    return " to ".join(dict.fromkeys([days[0], days[-1]])) if days else ""


def _hashes(board: Board) -> list[list[str]]:
    records = list(records_of(board))
    found = ({r.spec.data_hash for r in records}, {r.truths_hash for r in records if r.truths_hash})
    return [sorted(hashes) for hashes in found]


def _environments(study: Study) -> list[tuple[str, list[tuple[str, int]]]]:
    """What the runs recorded of their surroundings: name to values, each with its number of runs."""
    counts: dict[str, Counter[str]] = {}
    for board in study.boards:
        for record in records_of(board):
            versions = {"method version": f"{record.spec.method} {record.spec.method_version}"}
            for name, value in {**record.environment, **versions}.items():
                counts.setdefault(name, Counter())[value] += 1
    return [(name, sorted(values.items())) for name, values in counts.items()]
