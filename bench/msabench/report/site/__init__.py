"""The leaderboard as a folder of static pages, which needs no server and no network."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from uuid import uuid4

from msabench import __version__
from msabench.errors import SpecError
from msabench.report.site import bibtex, encode
from msabench.report.site.content import SELECTIONS, Study
from msabench.report.site.gather import read_study
from msabench.report.site.names import Names
from msabench.report.site.render import Pages, curves_file, dataset_card, method_card

__all__ = ["SELECTIONS", "Site", "read_study", "write_site", "write_studies"]

MARKER = "msabench-site.txt"
"""Tells a folder that a site may replace from any other"""
TITLE = "msabench leaderboard"


@dataclass(frozen=True, kw_only=True)
class Site:
    """A folder that was written."""

    folder: Path
    files: int
    bytes: int

    @property
    def index(self) -> Path:
        """The page to open."""
        return self.folder / "index.html"


def write_site(
    study_folders: Sequence[Path], out: Path, *, title: str = TITLE, allow_unequal_budgets: bool = False
) -> Site:
    """Write the site of one or more studies. The same records give the same files.

    Parameters
    ----------
    study_folders
        Each study keeps its tables of its own: nothing is averaged or ranked across studies.
    out
        The folder to write. A site that is there is replaced as a whole.
    title
        Of the site.
    allow_unequal_budgets
        Whether tuned rows may stand together whose searches had unequal budgets; the site then says so.

    Raises
    ------
    SpecError
        If `out` holds something that is no site or cannot be written, or tuned rows had unequal budgets.
    DataError
        If a study has no finished run, or the runs of one cell are of different settings.
    """
    _refuse_foreign(out)
    studies = [read_study(path, allow_unequal_budgets=allow_unequal_budgets) for path in study_folders]
    return write_studies(studies, out, title=title)


def write_studies(studies: Sequence[Study], out: Path, *, title: str = TITLE) -> Site:
    """`write_site` of studies that are read already.

    Raises
    ------
    SpecError
        If `out` holds something that is no site, or cannot be written.
    """
    _refuse_foreign(out)
    temporary = out.with_name(f".{out.name}-{uuid4().hex[:8]}")
    try:
        temporary.mkdir(parents=True)
        for name, text in _texts(studies, title):
            path = temporary / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for part in ("static", "vendor"):
            with as_file(files("msabench.report.site") / part) as source:
                shutil.copytree(source, temporary / "assets", dirs_exist_ok=True)
        if out.exists():
            shutil.rmtree(out)
        temporary.rename(out)
    except OSError as error:
        raise SpecError(
            f"the site cannot be written: {error}", where=str(out), fix="give another --out"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    written = [path for path in out.rglob("*") if path.is_file()]
    return Site(folder=out, files=len(written), bytes=sum(path.stat().st_size for path in written))


def _texts(studies: Sequence[Study], title: str) -> Iterator[tuple[str, str]]:
    """Path and text of every file that is made, page by page, so that no two are in memory for long."""
    names = Names(studies)
    boards = [board for study in studies for board in study.boards]
    yield MARKER, "Written by `msabench site`, which replaces this folder as a whole.\n"
    yield from Pages(studies, names, title=title, version=__version__, commit=_commit()).all().items()
    yield "data/site.js", encode.site(studies, names, __version__)
    for board in boards:
        for convention in board.scores:
            yield f"data/{names.board(board)}.{convention}.js", encode.scores(board, convention, names)
        if board.tests:
            yield f"data/{names.board(board)}.tests.js", encode.tests(board, names)
    for method in names.methods:
        yield f"data/{curves_file(names, method)}", encode.curves(method, boards, several=len(studies) > 1)
    for study in studies:
        for name, text in study.downloads.items():
            yield f"downloads/{names.study(study.name)}/{name}", text
    entries = [bibtex.of_method(card) for name in names.methods if (card := method_card(name))]
    entries += [bibtex.of_dataset(data) for name in names.datasets if (data := dataset_card(name))]
    yield "downloads/references.bib", bibtex.joined(entries)


def _refuse_foreign(out: Path) -> None:
    if out.exists() and not (out.is_dir() and ((out / MARKER).is_file() or not any(out.iterdir()))):
        raise SpecError(
            "the folder of the site holds something else, which would be lost",
            where=str(out),
            fix="give --out a new folder, an empty one, or an earlier site",
        )


def _commit() -> str:
    """The commit that an installed checkout of msabench is at; empty for a release."""
    here = Path(__file__).parents[4]
    if not (here / ".git").exists():
        return ""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return found.stdout.strip()
