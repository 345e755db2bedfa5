"""Reports: one `Table` value, rendered to terminal, LaTeX, CSV, Markdown and HTML."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from msabench.errors import SpecError, unknown
from msabench.metrics import Convention, convention_named
from msabench.records import Store
from msabench.report import render_csv, render_html, render_latex, render_markdown, render_published
from msabench.report.blocks import titles_of
from msabench.report.comparison import HEADLINE, assemble
from msabench.report.files import write
from msabench.report.latex_figures import SNIPPET, Latex
from msabench.report.ledger import search_notes
from msabench.report.published import published_table
from msabench.report.published_table import PublishedTable
from msabench.report.significance import assess, mark
from msabench.report.style import Style, styled
from msabench.report.table import Note, Table
from msabench.report.unmade import unmade_notes
from msabench.run import Task
from msabench.search import read_ledgers
from msabench.selection import SELECTIONS

__all__ = [
    "FILES",
    "PUBLISHED_FILES",
    "PublishedTable",
    "Report",
    "Style",
    "Table",
    "TableOptions",
    "published_table",
    "tables",
    "write_published",
    "write_report",
]

FILES: Mapping[str, tuple[str, Callable[[Table], str]]] = {
    "latex": ("comparison.tex", render_latex.render),
    "csv": ("comparison.csv", render_csv.render),
    "markdown": ("comparison.md", render_markdown.render),
    "html": ("comparison.html", render_html.render),
}
"""Format to file name and renderer"""


PUBLISHED_FILES: Mapping[str, tuple[str, Callable[[PublishedTable], str]]] = {
    "latex": ("published.tex", render_published.to_latex),
    "csv": ("published.csv", render_published.to_csv),
    "markdown": ("published.md", render_published.markdown),
    "html": ("published.html", render_published.html),
}
"""The same for measured beside published"""


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """What a comparison's table shows beside its figures, and how it looks."""

    allow_unequal_budgets: bool = False
    """Whether rows may stand together whose searches had unequal budgets; the table then says so"""
    significance: bool = False
    """Whether figures are underlined that cannot be told from the best of their column"""
    reference: str = ""
    """Row to star significant differences from; brings `significance` with it"""
    style: Style = field(default_factory=Style)


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a study's report consists of."""

    tables: tuple[Table, ...]
    paths: tuple[Path, ...] = ()
    """Files that were written"""


DEFAULTS = TableOptions()


def tables(
    study_folder: Path,
    conventions: Sequence[str | None] = (None,),
    selections: Sequence[str] = (HEADLINE,),
    options: TableOptions = DEFAULTS,
) -> tuple[Table, ...]:
    """The comparison tables of a study; without a finished run, one that says so and lists the failures.

    Parameters
    ----------
    conventions
        None stands for each dataset's own.
    selections
        Rules by name. An oracle among them brings same-epoch and the gap between the two with it.

    Raises
    ------
    SpecError
        If a convention, selection, row or column is unknown, a convention can score none of the study's
        datasets, tuned rows had unequal budgets, or significance is asked of single seeds.
    DataError
        If the runs of one cell are of different settings.
    """
    import pandas as pd

    rules = _rules(selections)
    store = Store(study_folder)
    used = dict.fromkeys(conventions)
    notes = _unscored(store.tasks(), [convention_named(name) for name in used if name is not None])
    frames = store.frames([(convention, rule) for rule in rules for convention in used])
    if HEADLINE not in rules and any(frame["oracle"].any() for frame in frames):
        frames += store.frames([(convention, HEADLINE) for convention in used])
    filled = [frame for frame in frames if not frame.empty]
    frame = pd.concat(filled, ignore_index=True) if filled else frames[0]
    # where budgets differ (which a frozen study prevents), each row names its own
    ours = frame.loc[frame["track"] != "external"]
    alike = not ours.empty and ours["budget"].nunique() == 1
    budget = store.get(str(ours["key"].iloc[0]), arrays=False).spec.budget if alike else None
    ledgers = read_ledgers(study_folder)
    titles = titles_of(frame, frame.iloc[:0])
    notes += search_notes(frame, ledgers, titles, allow_unequal=options.allow_unequal_budgets)
    notes += unmade_notes(store)
    table = styled(assemble(frame, failures=store.failures(), budget=budget, notes=notes), options.style)
    if options.significance or options.reference:
        table = mark(table, assess(store, table, reference=options.reference))
    return (table,)


def write_report(
    study_folder: Path,
    conventions: Sequence[str | None] = (None,),
    selections: Sequence[str] = (HEADLINE,),
    formats: Collection[str] = tuple(FILES),
    *,
    out: Path | None = None,
    document: bool = False,
    options: TableOptions = DEFAULTS,
) -> Report:
    """Build a study's comparison and write it to files.

    Parameters
    ----------
    conventions, selections, options
        As `tables` takes them.
    formats
        Names of `FILES`; empty writes nothing. Failures go to `failures.csv` beside `comparison.csv`.
    out
        Folder to write to; by default `tables/` in the study's folder.
    document
        Whether the LaTeX file is a document that compiles by itself.

    Returns
    -------
    Report with the tables and the files written: none while no run has finished.

    Raises
    ------
    SpecError
        If a convention, selection or format is unknown, or the folder cannot be written.
    DataError
        If the runs of one cell are of different settings.
    """
    for name in formats:
        if name not in FILES:
            raise unknown("format", name, FILES)
    made = tables(study_folder, conventions, selections, options)
    table = made[0]
    if not table.blocks:
        return Report(tables=made)
    latex = Latex(document=document, numbers=options.style.latex_numbers)
    texts = {
        FILES[name][0]: render_latex.render(table, latex) if name == "latex" else FILES[name][1](table)
        for name in formats
    }
    if "csv" in formats and table.failures:
        texts["failures.csv"] = render_csv.render_failures(table)
    return Report(tables=made, paths=_write(out or study_folder / "tables", texts))


def write_published(
    study_folder: Path,
    formats: Collection[str] = tuple(FILES),
    *,
    out: Path | None = None,
    latex: Latex = SNIPPET,
) -> tuple[PublishedTable, tuple[Path, ...]]:
    """Set a study's figures beside the published ones, and write the table to files.

    Parameters
    ----------
    formats, out
        As `write_report` takes them.
    latex
        Whether the LaTeX file is a document, and who aligns its figures.

    Returns
    -------
    The table, and the files written: none while no run has finished or failed.

    Raises
    ------
    SpecError
        If a format is unknown, a card names a convention or rule that does not fit, or the folder cannot be
        written.
    """
    for name in formats:
        if name not in PUBLISHED_FILES:
            raise unknown("format", name, PUBLISHED_FILES)
    table = published_table(Store(study_folder))
    if not table.blocks:
        return table, ()
    texts = {PUBLISHED_FILES[name][0]: PUBLISHED_FILES[name][1](table) for name in formats}
    if "latex" in formats:
        texts[PUBLISHED_FILES["latex"][0]] = render_published.to_latex(table, latex)
    return table, _write(out or study_folder / "tables", texts)


def _rules(selections: Sequence[str]) -> list[str]:
    """Each rule once, checked by name."""
    rules = list(dict.fromkeys(rule.strip() for rule in selections)) or [HEADLINE]
    for rule in rules:
        if rule.split(":")[0].split("(")[0] not in SELECTIONS:
            raise unknown("selection", rule, SELECTIONS, "msabench list selections")
    return rules


def _unscored(tasks: Mapping[str, Task], conventions: Sequence[Convention]) -> tuple[Note, ...]:
    """What is not scored under a convention that was asked for, and why."""
    notes = []
    for convention in conventions:
        unfit = [name for name, task in tasks.items() if not convention.takes(task)]
        kinds = " and ".join(convention.tasks)
        if unfit and len(unfit) == len(tasks):
            raise SpecError(
                f"the convention {convention.name} scores {kinds} tasks, which no dataset of this study has",
                fix="msabench list conventions; without --convention each dataset is scored under its own",
            )
        if unfit:
            text = f"Not scored under the convention {convention.name}, which is for {kinds} tasks: "
            notes.append(Note(mark="*", text=text + ", ".join(unfit) + "."))
    return tuple(notes)


def _write(folder: Path, texts: Mapping[str, str]) -> tuple[Path, ...]:
    if "comparison.csv" in texts and "failures.csv" not in texts:
        (folder / "failures.csv").unlink(missing_ok=True)  # of an earlier report
    return write(folder, texts)
