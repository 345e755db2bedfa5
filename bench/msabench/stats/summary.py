"""Statistics over scored records. Reports print what is computed here and compute nothing themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msabench.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

IDENTITY = [
    *("row", "method", "track", "text_encoder", "text_mode", "dataset", "data_kind"),
    *("convention", "selection", "oracle", "metric"),
]
"""What two values must share to be averaged over seeds."""

_SUMMARY = (*IDENTITY, "mean", "sd", "n", "undefined", "keys")


def summarise(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean and spread over seeds of every figure.

    Parameters
    ----------
    frame
        Long form, as `Store.frame` gives it: one line for each run and metric.

    Returns
    -------
    DataFrame with one line for each combination of `IDENTITY`, in order of first appearance, and the columns
    mean, sd (sample standard deviation, ddof = 1; nan for one seed), n (runs), undefined (how many of the n
    values are nan; mean and sd are then nan, never an average of the others) and keys (tuple of run keys, in
    order of seed).

    Raises
    ------
    DataError
        If one seed appears twice in a cell: its runs differ in something that the table does not show, and n
        would count runs that are no independent seeds.
    """
    import pandas as pd

    if frame.empty:
        return pd.DataFrame(columns=list(_SUMMARY))
    _refuse_repeated_seeds(frame)
    cells = frame.sort_values("seed", kind="stable").groupby(IDENTITY, sort=False, dropna=False)
    summary = cells.agg(
        mean=("value", "mean"),
        sd=("value", "std"),  # ddof = 1 is pandas' default, and nan for one value
        n=("value", "size"),
        defined=("value", "count"),
        keys=("key", tuple),
    )
    summary["undefined"] = summary["n"] - summary.pop("defined")
    summary.loc[summary["undefined"] > 0, ["mean", "sd"]] = float("nan")
    first_seen = frame[IDENTITY].drop_duplicates()
    return first_seen.merge(summary.reset_index(), on=IDENTITY, how="left")[list(_SUMMARY)]


def _refuse_repeated_seeds(frame: pd.DataFrame) -> None:
    repeated = frame[frame.duplicated([*IDENTITY, "seed"], keep=False)]
    if repeated.empty:
        return
    first = repeated.iloc[0]
    same = repeated[(repeated[IDENTITY] == first[IDENTITY]).all(axis=1) & (repeated["seed"] == first["seed"])]
    keys = ", ".join(sorted(set(same["key"])))
    raise DataError(
        f"{first['row']} on {first['dataset']} has {len(same)} finished runs of seed {first['seed']}: "
        "they differ in version, data, hyperparameters or budget, and no one setting has their mean",
        where=f"runs {keys}",
        fix="move the runs you do not want out of the study's runs/ folder",
    )
