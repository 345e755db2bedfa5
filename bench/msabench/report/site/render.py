"""The HTML pages of a site. Jinja2 escapes all that records and cards say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from msabench.data.cards import DATASETS, DatasetCard
from msabench.errors import SpecError
from msabench.metrics import convention_named
from msabench.registry import METHODS, MethodCard
from msabench.report.site import method_page, provenance
from msabench.report.site.bibtex import of_dataset
from msabench.report.site.content import TWIN, Board, Row, Study
from msabench.report.site.names import Names

PAGES = (
    ("index.html", "Leaderboard"),
    ("overview.html", "All datasets"),
    ("compare.html", "Compare"),
    ("methods.html", "Methods"),
    ("datasets.html", "Datasets"),
    ("provenance.html", "Provenance and downloads"),
)


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
        filters = {"plain": method_page.plain, "safe_link": _safe_link, "authors": _authors}
        self._environment.filters |= filters
        self._shared: dict[str, Any] = {
            "title": title, "version": version, "commit": commit, "pages": PAGES, "studies": studies,
            "names": names, "dates": provenance.dates(self.boards),
        }  # fmt: skip

    def all(self) -> dict[str, str]:
        """File name to HTML."""
        pages = {
            "index.html": self._page("index.html"),
            "overview.html": self._page("overview.html"),
            "compare.html": self._page("compare.html"),
            "methods.html": self._methods(),
            "datasets.html": self._datasets(),
            "provenance.html": self._page("provenance.html", **provenance.page(self.studies)),
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
            citation = (
                f"{_authors(card.citation.get('authors', ''))}: {card.citation.get('title', '')}"
                if card
                else ""
            )
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
        values = method_page.page(self.studies, self._rows(method), method_card(method))
        curves = curves_file(self.names, method)
        return self._page("method.html", **values | {"here": self.names.method(method), "curves": curves})

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


def _runs(rows: Iterable[Row]) -> str:
    rows = list(rows)
    finished, failed = sum(len(row.runs) for row in rows), sum(len(row.failed) for row in rows)
    return f"{finished}" + (f" and {failed} failed" if failed else "")


def _authors(text: str) -> str:
    """Those of a card, which may say that none were found."""
    return f"Authors {text}" if text.startswith("not found") else text


def _safe_link(url: str) -> str:
    """An address that a link may have: a card's `javascript:` leads nowhere."""
    return url if url.startswith(("https://", "http://")) else "#"
