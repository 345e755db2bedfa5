"""Reads out of a study what the site shows of it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import tomli_w

from msabench.errors import DataError
from msabench.records import Store
from msabench.report import FILES, PUBLISHED_FILES, TableOptions, published_table, render_csv, tables
from msabench.report.site.boards import boards_of
from msabench.report.site.content import Study
from msabench.report.table import Table
from msabench.search import read_ledgers


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
    if not store.summaries("finished"):
        raise DataError(
            f"the study {folder.name} has no finished run, so there is nothing to show",
            where=str(folder),
            fix="msabench run makes them; msabench status shows how far they are",
        )
    boards = boards_of(store)  # first: what it scores, the tables need not score again
    table = tables(folder, selections=["same-epoch", "best-epoch"], options=options)[0]
    published = published_table(store)
    downloads = {name: render(table) for name, render in FILES.values()}
    if table.failures:
        downloads["failures.csv"] = render_csv.render_failures(table)
    if published.blocks:
        downloads |= {name: render(published) for name, render in PUBLISHED_FILES.values()}
    return Study(
        name=folder.name,
        settings=_settings(folder / "study.toml"),
        boards=boards,
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
    """The footnotes, each with the rows that it is of."""
    lines = [line for block in table.blocks for line in block.lines]
    said = []
    for note in table.notes:
        rows = dict.fromkeys(line.title for line in lines if note.mark in line.marks)
        said.append(f"{', '.join(rows)}: {note.text}" if rows else note.text)
    return tuple(dict.fromkeys(said))
