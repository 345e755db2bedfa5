"""What stands below the convention lens of rows and runs that are in no place, or in one of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msabench.records import Store
from msabench.report.blocks import RowTitle
from msabench.report.comparison import HEADLINE, assemble, failed_runs
from msabench.report.separate import separate
from msabench.report.table import UNDEFINED
from msabench.report.unmade import unmade_notes

if TYPE_CHECKING:
    import pandas as pd

APART = " · "
"""Between a row and the setting that sets it apart"""


def apart(store: Store, frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with versions of one dataset and settings of one row under names of their own.

    Their runs would else be in one mean, and ranked by figures on other labels.
    """
    frame, _, _ = separate(frame, failed_runs(store.failures()))
    named = zip(frame["row"], frame["setting"], strict=True)
    names = [f"{row}{APART}{setting}" if setting else row for row, setting in named]
    return frame.assign(row=names).drop(columns="setting")


def with_settings(titles: Mapping[str, RowTitle], rows: list[str]) -> dict[str, RowTitle]:
    """Titles of rows as `apart` names them, by those of the rows that they are of."""
    found = {}
    for row in rows:
        plain, _, setting = (row, "", "") if row in titles else row.rpartition(APART)
        title = titles[plain]
        name = f"{title.title}{APART}{setting}" if setting else title.title
        found[row] = RowTitle(title=name, reconstruction=title.reconstruction)
    return found


def about_runs(store: Store) -> list[str]:
    """What the comparison's table says of runs that are missing, failed, damaged or of other settings."""
    failures = store.failures()
    table = assemble(store.frame(None, HEADLINE), failures=failures, notes=unmade_notes(store))
    said = [note.text for note in table.notes if not note.text.startswith("(k/n)")]
    if failures:
        said.append(f"Runs that failed and are in no mean: {len(failures)}; msabench report lists them.")
    return said


def unranked(part: pd.DataFrame, titles: Mapping[str, RowTitle]) -> list[str]:
    """Why rows of one table have no place.

    Parameters
    ----------
    part
        The lines of `stats.places.places` of one set of rivals, with `headline`.
    """
    if part["row"].nunique() == 1:
        return [f"{UNDEFINED} A place is one among several rows, and here is one alone."]
    gone = part[part["headline"] & (part["undefined"] > 0)]
    said = [
        f"{titles[str(row)].title} ({', '.join(dict.fromkeys(lines['family']))}: "
        f"{int(lines['undefined'].max())} of {int(lines['n'].max())} seeds)"
        for row, lines in gone.groupby("row")
    ]
    if not said:
        return []
    return [f"{UNDEFINED} No place where a seed's figure is undefined: {'; '.join(said)}."]


def seeds(part: pd.DataFrame) -> str:
    """As in `n = 3` or `n = 1 to 3`."""
    fewest, most = int(part["n"].min()), int(part["n"].max())
    return f"n = {most}" if fewest == most else f"n = {fewest} to {most}"
