"""What the searches behind tuned rows have spent; tables over unequal budgets are refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msabench.errors import SpecError
from msabench.report.blocks import RowTitle, titles_of
from msabench.report.table import Note
from msabench.search import Ledger, read_ledgers, unequal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

MARK = "§"


def search_notes(
    frame: pd.DataFrame,
    ledgers: Sequence[Ledger],
    titles: Mapping[str, RowTitle],
    *,
    allow_unequal: bool,
    across: bool = False,
) -> tuple[Note, ...]:
    """A note for the tuned rows of a table: trials (failed, pruned), epochs and seconds of each search.

    Parameters
    ----------
    frame
        Scored runs, as `Store.frame` gives them; of its columns row, dataset and track are read.
    ledgers
        Of the study; those of rows that the table does not show are left out.
    across
        Whether tuned rows are held against rows at their published settings, which had no search at all.

    Raises
    ------
    SpecError
        If searches of one dataset had unequal budgets, or one is not known, unless that is allowed; the note
        then says it.
    """
    shown = _cells(frame, "tuned")
    if not shown:
        return ()
    by_cell = {(each.row, each.dataset): each for each in ledgers}
    untuned = _cells(frame, "paper") if across else []
    unfair = [
        text
        for dataset in dict.fromkeys(dataset for _, dataset in shown)
        if (text := _unfair(dataset, shown, untuned, by_cell))
    ]
    if unfair and not allow_unequal:
        raise SpecError(
            f"tuned rows had unequal budgets: {'; '.join(unfair)}: such a comparison is not fair",
            fix="give every row the same budget (a ledger that is missing is made by the study's command), "
            "or ask for it by name: --allow-unequal-budgets",
        )
    warning = f"UNEQUAL search budgets: {'; '.join(unfair)}. " if unfair else ""
    spent = "; ".join(
        _spent(titles[cell[0]].title, cell[1], by_cell.get(cell)) for cell in sorted(shown, key=str)
    )
    limited = any(by_cell[cell].budget["hours"] for cell in shown if cell in by_cell)
    hint = " How many trials fit into a limit of hours depends on the machine." if limited else ""
    text = (
        f"{warning}Tuned rows: hyperparameters chosen on the validation split by a search. "
        f"Spent: {spent}.{hint}"
    )
    return (Note(mark=MARK, text=text),)


def search_lines(
    folder: Path, frame: pd.DataFrame, *, allow_unequal: bool, across: bool = False
) -> tuple[str, ...]:
    """`search_notes` of a study, for tables whose notes are plain sentences; the column method is read too.

    Raises
    ------
    SpecError
        As `search_notes`, or if the study's ledgers cannot be read.
    """
    titles = titles_of(frame, frame.iloc[:0])
    ledgers = read_ledgers(folder)
    notes = search_notes(frame, ledgers, titles, allow_unequal=allow_unequal, across=across)
    return tuple(note.text for note in notes)


def _cells(frame: pd.DataFrame, track: str) -> list[tuple[str, str]]:
    held = frame.loc[frame["track"] == track, ["row", "dataset"]].drop_duplicates()
    return [(str(row), str(dataset)) for row, dataset in held.itertuples(index=False)]


def _unfair(
    dataset: str,
    tuned: Sequence[tuple[str, str]],
    untuned: Sequence[tuple[str, str]],
    by_cell: Mapping[tuple[str, str], Ledger],
) -> str:
    """What keeps the rows on one dataset from being compared, or empty."""
    cells = [cell for cell in tuned if cell[1] == dataset]
    if beside := [row for row, where in untuned if where == dataset]:
        rows = ", ".join(row for row, _ in cells)
        return f"{rows} on {dataset} tuned, {', '.join(beside)} at the published setting"
    unknown = [row for row, where in cells if (row, where) not in by_cell]
    if unknown and len(cells) > 1:
        return f"{', '.join(unknown)} on {dataset} not recorded in a ledger"
    return unequal([by_cell[cell] for cell in cells if cell in by_cell])


def _spent(title: str, dataset: str, ledger: Ledger | None) -> str:
    if ledger is None:
        return f"{title} on {dataset}: not recorded"
    odd = [f"{ledger.failed} failed"] if ledger.failed else []
    odd += [f"{ledger.pruned} pruned"] if ledger.pruned else []
    odd += [f"{ledger.repeated} repeated"] if ledger.repeated else []
    hours = ledger.budget["hours"]
    count = f"{ledger.trials} of at most {ledger.cap}" if hours else str(ledger.trials)
    trials = f"{count} {ledger.sampler} trials" + (f" ({', '.join(odd)})" if odd else "")
    trials += f" within {hours:g} h" if hours else ""
    chosen = "the published setting" if ledger.chosen == 0 else f"trial {ledger.chosen}"
    return f"{title} on {dataset} {trials}, {ledger.epochs} epochs, {ledger.seconds:.0f} s, chose {chosen}"
