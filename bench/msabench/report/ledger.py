"""What the searches behind tuned rows have spent; tables over unequal budgets are refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msabench.errors import SpecError
from msabench.report.blocks import RowTitle
from msabench.report.table import Note
from msabench.search import Ledger, unequal

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

MARK = "§"


def search_notes(
    frame: pd.DataFrame, ledgers: Sequence[Ledger], titles: Mapping[str, RowTitle], *, allow_unequal: bool
) -> tuple[Note, ...]:
    """A note for the tuned rows of a table: trials (failed, pruned), epochs and seconds of each search.

    Parameters
    ----------
    frame
        Scored runs, as `Store.frame` gives them.
    ledgers
        Of the study; those of rows that the table does not show are left out.

    Raises
    ------
    SpecError
        If searches of one dataset had unequal budgets, unless that is allowed; the note then says it.
    """
    tuned = frame.loc[frame["track"] == "tuned", ["row", "dataset"]].drop_duplicates()
    shown = [(str(row), str(dataset)) for row, dataset in tuned.itertuples(index=False)]
    if not shown:
        return ()
    by_cell = {(each.row, each.dataset): each for each in ledgers}
    differing = [
        text
        for dataset in dict.fromkeys(dataset for _, dataset in shown)
        if (text := unequal([by_cell[cell] for cell in shown if cell[1] == dataset and cell in by_cell]))
    ]
    if differing and not allow_unequal:
        raise SpecError(
            f"tuned rows had unequal budgets: {'; '.join(differing)}: such a comparison is not fair",
            fix="give every row the same number of trials, or ask for it by name: --allow-unequal-budgets",
        )
    warning = f"UNEQUAL search budgets: {'; '.join(differing)}. " if differing else ""
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
