"""The HTML pages of a site. Jinja2 escapes all that records and cards say."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from msabench.data.cards import DATASETS, DatasetCard
from msabench.errors import SpecError
from msabench.metrics import convention_named
from msabench.registry import METHODS, MethodCard
from msabench.report.published_table import PublishedBlock
from msabench.report.site.bibtex import of_dataset, of_method
from msabench.report.site.content import TWIN, Board, Row, Study
from msabench.report.site.encode import seconds_of
from msabench.report.site.names import Names
from msabench.report.table import UNDEFINED
from msabench.run import RunRecord

PAGES = (
    ("index.html", "Leaderboard"),
    ("compare.html", "Compare"),
    ("methods.html", "Methods"),
    ("datasets.html", "Datasets"),
    ("provenance.html", "Provenance and downloads"),
)
DOWNLOADS = {
    "comparison.csv": "same-epoch, best-epoch and the optimism gap in full precision, with the keys of runs",
    "comparison.tex": "the same in LaTeX (booktabs)",
    "comparison.md": "the same in Markdown",
    "comparison.html": "the same as a page of its own",
    "failures.csv": "runs that ended without a result, and why",
    "published.csv": "measured beside published figures, with their sources",
    "published.tex": "the same in LaTeX",
    "published.md": "the same in Markdown",
}


class Pages:
    """Renders every page of a site.

    Parameters
    ----------
    studies
        What is shown.
    names
        File names of the pages.
    title
        Of the site.
    version, commit
        Of msabench; the commit may be empty.
    """

    def __init__(
        self, studies: Sequence[Study], names: Names, *, title: str, version: str, commit: str
    ) -> None:
        self.studies = studies
        self.names = names
        self.boards = [board for study in studies for board in study.boards]
        self._environment = Environment(
            loader=PackageLoader("msabench.report.site", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {"plain": _plain, "safe_link": _safe_link}
        self._shared: dict[str, Any] = {
            "title": title, "version": version, "commit": commit, "pages": PAGES, "studies": studies,
            "names": names, "dates": _dates(record for board in self.boards for record in _records(board)),
        }  # fmt: skip

    def all(self) -> dict[str, str]:
        """File name to HTML."""
        pages = {
            "index.html": self._page("index.html"),
            "compare.html": self._page("compare.html"),
            "methods.html": self._methods(),
            "datasets.html": self._datasets(),
            "provenance.html": self._provenance(),
        }
        pages |= {self.names.method(method): self._method(method) for method in self.names.methods}
        pages |= {self.names.dataset(dataset): self._dataset(dataset) for dataset in self.names.datasets}
        return pages

    def _page(self, template: str, **values: Any) -> str:
        values = {"here": template, "twin": any(board.twin for board in self.boards), **values}
        return self._environment.get_template(template).render(self._shared | values)

    def _methods(self) -> str:
        entries = []
        for method in self.names.methods:
            card, found = method_card(method), self._rows(method)
            marks = ["reconstruction"] if card and card.reconstruction else []
            marks += ["external"] if any(row.external for _, row in found) else []
            citation = f"{card.citation.get('authors', '')}: {card.citation.get('title', '')}" if card else ""
            entries.append(
                {
                    "page": self.names.method(method),
                    "title": card.title if card else found[0][1].title,
                    "marks": marks,
                    "texts": [citation or "no card is installed", _runs(row for _, row in found)],
                }
            )
        columns = ("Method", "Paper", "Runs")
        return self._page(
            "list.html", here="methods.html", heading="Methods", columns=columns, entries=entries
        )

    def _datasets(self) -> str:
        entries = []
        for dataset in self.names.datasets:
            boards = [board for board in self.boards if board.dataset.partition(":")[0] == dataset]
            card = dataset_card(dataset)
            kinds = ", ".join(dict.fromkeys(TWIN if board.twin else "real" for board in boards))
            variants = ", ".join(dict.fromkeys(board.dataset for board in boards))
            entries.append(
                {
                    "page": self.names.dataset(dataset),
                    "title": card.title if card else dataset,
                    "marks": [TWIN] if any(board.twin for board in boards) else [],
                    "texts": [variants, kinds, _runs(row for board in boards for row in board.rows)],
                }
            )
        columns = ("Dataset", "Feature files", "Data", "Runs")
        return self._page(
            "list.html", here="datasets.html", heading="Datasets", columns=columns, entries=entries
        )

    def _method(self, method: str) -> str:
        card, rows = method_card(method), self._rows(method)
        named = {row.row for _, row in rows}
        published = [
            (study, [block for block in study.published if block.row in named]) for study in self.studies
        ]
        return self._page(
            "method.html",
            here=self.names.method(method),
            heading=card.title if card else rows[0][1].title,
            card=card,
            bibtex=of_method(card) if card else "",
            rows=rows,
            external=any(row.external for _, row in rows),
            twin=any(board.twin for board, _ in rows),
            published=[(study, blocks) for study, blocks in published if blocks],
            ledgers=[ledger for study in self.studies for ledger in study.ledgers if ledger.row in named],
            curves=curves_file(self.names, method),
            seconds_of=lambda run: _number(seconds_of(run), 1),
            memory_of=lambda run: _number(run.peak_memory_mib, 0),
            hyperparameters=_hyperparameters,
            differing=lambda row: (
                len({_plain(_all_hyperparameters(row, i)) for i in range(len(row.runs))}) > 1
            ),
            study_sources=_sources,
            study_notes=_notes,
        )

    def _dataset(self, dataset: str) -> str:
        boards = [board for board in self.boards if board.dataset.partition(":")[0] == dataset]
        card = dataset_card(dataset)
        return self._page(
            "dataset.html",
            here=self.names.dataset(dataset),
            heading=card.title if card else dataset,
            card=card,
            bibtex=of_dataset(card) if card else "",
            boards=boards,
            convention=convention_named(card.convention) if card else None,
            twin=any(board.twin for board in boards),
        )

    def _provenance(self) -> str:
        listed = {
            study.name: [(name, DOWNLOADS[name]) for name in DOWNLOADS if name in study.downloads]
            for study in self.studies
        }
        environments = {study.name: _environments(study) for study in self.studies}
        return self._page("provenance.html", downloads=listed, environments=environments, hashes_of=_hashes)

    def _rows(self, method: str) -> list[tuple[Board, Row]]:
        return [(board, row) for board in self.boards for row in board.rows if row.method == method]


def curves_file(names: Names, method: str) -> str:
    """The data file of a method's learning curves."""
    return f"curves.{names.methods[method]}.js"


def method_card(method: str) -> MethodCard | None:
    """The card of a method that is installed."""
    try:
        return METHODS.card(method)
    except SpecError:
        return None


def dataset_card(dataset: str) -> DatasetCard | None:
    """The card of a dataset that is known here."""
    return DATASETS.get(dataset)


def _records(board: Board) -> Iterable[RunRecord]:
    return (record for row in board.rows for record in (*row.runs, *row.failed))


def _runs(rows: Iterable[Row]) -> str:
    rows = list(rows)
    finished, failed = sum(len(row.runs) for row in rows), sum(len(row.failed) for row in rows)
    return f"{finished}" + (f" and {failed} failed" if failed else "")


def _dates(records: Iterable[RunRecord]) -> str:
    """First and last day of the runs, by their own records: a site made twice is the same twice."""
    days = sorted({record.started[:10] for record in records if record.started})
    return " to ".join(dict.fromkeys([days[0], days[-1]])) if days else ""


def _hashes(board: Board) -> list[list[str]]:
    records = list(_records(board))
    found = ({r.spec.data_hash for r in records}, {r.truths_hash for r in records if r.truths_hash})
    return [sorted(hashes) for hashes in found]


def _environments(study: Study) -> list[tuple[str, list[tuple[str, int]]]]:
    """What the runs recorded of their surroundings: name to values, each with its number of runs."""
    counts: dict[str, Counter[str]] = {}
    for board in study.boards:
        for record in _records(board):
            versions = {"method version": f"{record.spec.method} {record.spec.method_version}"}
            for name, value in {**record.environment, **versions}.items():
                counts.setdefault(name, Counter())[value] += 1
    return [(name, sorted(values.items())) for name, values in counts.items()]


def _all_hyperparameters(row: Row, place: int = 0) -> Mapping[str, Any]:
    return (row.runs or row.failed)[place].spec.hyperparameters


def _hyperparameters(row: Row) -> list[tuple[str, Any]]:
    return sorted(_all_hyperparameters(row).items())


def _sources(study: Study, blocks: Sequence[PublishedBlock]) -> list[tuple[int, str]]:
    used = sorted({line.source for block in blocks for line in block.lines if line.source})
    return [(number, study.sources[number - 1]) for number in used]


def _notes(study: Study, blocks: Sequence[PublishedBlock]) -> list[tuple[str, str]]:
    used = dict.fromkeys(mark for block in blocks for line in block.lines for mark in line.marks)
    return [(mark, study.published_notes[mark]) for mark in used]


def _number(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}" if math.isfinite(value) else UNDEFINED


def _plain(value: Any) -> str:
    """A value of a card or record as text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _safe_link(url: str) -> str:
    """An address that a link may have: a card's `javascript:` leads nowhere."""
    return url if url.startswith(("https://", "http://")) else "#"
