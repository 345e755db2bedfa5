"""The searches of a study as its trials tell of them: the feature files need not be there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from msabench.errors import SpecError
from msabench.registry import METHODS
from msabench.run import RunSpec
from msabench.search import Search, SearchSpec, space_of, store_of
from msabench.study.spec import StudySpec
from msabench.variants import parse_row


def searched(folder: Path, study: StudySpec) -> dict[tuple[str, str], Search | str]:
    """For each row and dataset of a study its search, or why there is none to show.

    Where trials are of several versions of a feature file or a method, the search is that of the latest.

    Raises
    ------
    SpecError
        If the study has no search.
    """
    if study.search is None:
        raise SpecError(
            f"the study '{folder.name}' has no search", fix="run its command again with --trials 20 added"
        )
    latest: dict[tuple[str, str], tuple[str, RunSpec]] = {}
    for record in store_of(folder).readable().values():
        cell, found = (record.spec.row, record.spec.dataset), (record.started, record.spec)
        latest[cell] = max(latest.get(cell, found), found, key=lambda each: each[0])
    specs = {cell: spec for cell, (_, spec) in latest.items()}
    cells = [(row, dataset) for dataset in study.datasets for row in study.methods]
    return {cell: _search(cell, specs, study.search) for cell in dict.fromkeys((*cells, *specs))}


def _search(
    cell: tuple[str, str], specs: Mapping[tuple[str, str], RunSpec], spec: SearchSpec
) -> Search | str:
    if cell not in specs:
        return "no trial has ended yet, or it is not defined for this dataset"
    method, overrides = parse_row(cell[0])
    try:
        card = METHODS.card(method)
        template = replace(specs[cell], hyperparameters=card.values(cell[1], overrides))
        return Search(template=template, space=space_of(card, cell[1], overrides), spec=spec)
    except SpecError as error:
        return error.what
