"""What a plan has left to do: runs, the trials of its searches, and the runs of what these will choose."""

from __future__ import annotations

import math
from collections.abc import Set
from dataclasses import dataclass, replace
from pathlib import Path

from msabench.errors import SpecError
from msabench.records import Store
from msabench.run import RunSpec
from msabench.search import Search, store_of
from msabench.study.planning import Plan


@dataclass(frozen=True, kw_only=True)
class Work:
    """The runs of one row on one dataset in one track."""

    example: RunSpec
    """One of them; of those whose setting is still searched, at the published one"""
    total: int
    left: int
    """Of these, those without a record; under a limit of hours on a search, at most so many trials"""
    seconds_most: float = math.inf
    """What a search's limit of hours leaves for its trials"""


def remaining(plan: Plan, folder: Path, *, retry_failed: bool = False) -> list[Work]:
    """Everything that carrying out a plan would do, done or not, dataset by dataset and row by row.

    Parameters
    ----------
    folder
        The study's, which need not be there yet.
    retry_failed
        Whether what is recorded as a failure is to be done again.

    Notes
    -----
    A search of whose trials all failed chooses nothing: no work of the track `tuned` is named for it.
    """
    store = Store(folder)
    done = frozenset(store.keys("finished") if retry_failed else store.keys())
    cells: dict[tuple[str, str], list[RunSpec]] = {}
    for run in plan.runs:
        cells.setdefault((run.dataset, run.row), []).append(run)
    works = [
        Work(example=runs[0], total=len(runs), left=sum(run.key not in done for run in runs))
        for runs in cells.values()
    ]
    trials = store_of(folder)
    again = frozenset(trials.keys("failed")) if plan.searches and retry_failed else frozenset()
    for search in plan.searches:
        made = _trials(search, trials, again)
        works += [made, *(_unchosen(plan, search) if made.left else _chosen(plan, search, trials, done))]
    place = {cell: at for at, cell in enumerate(dict.fromkeys(map(_cell, works)))}
    return sorted(works, key=lambda work: place[_cell(work)])


def _cell(work: Work) -> tuple[str, str]:
    return work.example.dataset, work.example.row


def _trials(search: Search, store: Store, again: Set[str]) -> Work:
    places = search.places(store, again)
    made = [place.trial for place in places if place.trial is not None]
    left = 0
    if len(made) < len(places):  # a setting that is sampled twice is trained once
        determined = {place.run.key for place in places if place.trial is None}
        left = len(determined) + search.spec.trials - len(places)
    spent = sum({trial.key: trial.seconds for trial in made}.values())
    total = search.spec.trials if left else len(made)
    return Work(
        example=search.template, total=total, left=left, seconds_most=max(0.0, search.spec.seconds - spent)
    )


def _unchosen(plan: Plan, search: Search) -> list[Work]:
    """The runs of a setting that is not known yet."""
    seeds = plan.study.seeds
    return [
        Work(
            example=replace(search.template, track="tuned", seed=seeds[0]), total=len(seeds), left=len(seeds)
        )
    ]


def _chosen(plan: Plan, search: Search, store: Store, done: Set[str]) -> list[Work]:
    try:
        trial = search.chosen(store)
    except SpecError:
        return []
    runs = replace(plan, runs=(), searches=(search,)).with_tuned({search.name: trial}).runs
    return [Work(example=runs[0], total=len(runs), left=sum(run.key not in done for run in runs))]
