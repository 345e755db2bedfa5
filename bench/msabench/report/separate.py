"""Keeps apart what must not be averaged or compared unsaid: versions of data, encoders, budgets, settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from msabench.report.blocks import RowTitle
from msabench.report.table import UNDEFINED, Note

if TYPE_CHECKING:
    import pandas as pd

MARK = "¶"
_LINE = ["row", "track", "dataset", "data_kind"]
_PLACE = ["dataset", "data_kind"]


def separate(frame: pd.DataFrame, failed: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, list[Note]]:
    """Both frames, with versions of one dataset under names of their own, and with a column `setting`.

    Parameters
    ----------
    frame, failed
        Scored and failed runs. What a frame made by hand does not say of its runs is taken to be equal.

    Returns
    -------
    The frames, and notes on what stands apart. The setting is empty where there is nothing to tell apart;
    else it names the text encoder, version, budget or hyperparameters. Runs of different settings are never
    in one mean.
    """
    import pandas as pd

    whole = ["method_version", "data_hash", "truths_hash", "budget", "hyperparameters"]
    unsaid = {name: "" for name in whole if name not in frame}
    frame, failed = frame.assign(**unsaid), failed.assign(**unsaid)
    here = [*_LINE, "text_encoder", "text_mode", "key", *whole]
    runs = pd.concat([frame[here], failed[here]], ignore_index=True).drop_duplicates()
    names, notes = _versions(runs)
    frame, failed, runs = (_renamed(part, names) for part in (frame, failed, runs))
    settings, more = _settings(runs)
    return (
        frame.assign(setting=frame["key"].map(settings).fillna("")),
        failed.assign(setting=failed["key"].map(settings).fillna("")),
        [*notes, *more, *_conventions(frame)],
    )


def unusable_note(frame: pd.DataFrame, titles: Mapping[str, RowTitle]) -> list[Note]:
    """Runs without a single figure: their predictions are not finite."""
    empty = frame["value"].isna().groupby([frame["key"], frame["selection"], frame["convention"]]).all()
    keys = list(dict.fromkeys(empty[empty].index.get_level_values("key")))
    if not keys:
        return []
    runs = frame[frame["key"].isin(keys)].drop_duplicates("key").sort_values(["row", "dataset", "seed"])
    said = [f"{titles[str(r.row)].title} on {r.dataset} seed {r.seed}" for r in runs.itertuples()]
    text = f"Not one figure is defined, as predictions are not finite numbers: {_some(said)}."
    return [Note(mark=UNDEFINED, text=text)]


def _versions(runs: pd.DataFrame) -> tuple[dict[tuple[str, ...], str], list[Note]]:
    """Names of a dataset's versions, where it has several, by dataset, kind and hashes."""
    names: dict[tuple[str, ...], str] = {}
    said = []
    for place, held in runs.groupby(_PLACE, sort=False):
        dataset, kind = map(str, place)
        # a run that failed before its data were read knows no truths
        versions = held.loc[held["truths_hash"] != "", ["data_hash", "truths_hash"]].drop_duplicates()
        files = held["data_hash"].nunique() > 1
        labels = bool(versions.duplicated("data_hash").any())
        if not files and not labels:
            continue
        for data, truths in held[["data_hash", "truths_hash"]].drop_duplicates().itertuples(index=False):
            parts = [f"data {data[:8]}"] * files + [f"labels {truths[:8] or 'unknown'}"] * labels
            names[dataset, kind, str(data), str(truths)] = f"{dataset} [{', '.join(parts)}]"
        said.append(f"{dataset} ({len(versions) or held['data_hash'].nunique()})")
    if not said:
        return names, []
    text = (
        f"Several versions of the data: {', '.join(said)}. Each has columns of its own; figures of different "
        "versions are neither averaged nor compared."
    )
    return names, [Note(mark=MARK, text=text)]


def _conventions(frame: pd.DataFrame) -> list[Note]:
    """What is said where runs of one dataset are not all judged alike."""
    said = []
    for place, held in frame[[*_PLACE, "key", "convention"]].drop_duplicates().groupby(_PLACE, sort=False):
        if held["convention"].nunique() == 1:
            continue
        used = {tuple(sorted(set(names))) for _, names in held.groupby("key")["convention"]}
        if len(used) > 1:
            said.append(f"{place[0]} ({', '.join(sorted({name for names in used for name in names}))})")
    if not said:
        return []
    text = (
        f"Runs of one dataset name different metric conventions as its own: {'; '.join(said)}. Each stands "
        "under its own, and no mean is taken over several; --convention NAME judges all alike."
    )
    return [Note(mark=MARK, text=text)]


def _renamed(part: pd.DataFrame, names: Mapping[tuple[str, ...], str]) -> pd.DataFrame:
    if not names:
        return part
    columns = (part[name].astype(str) for name in (*_PLACE, "data_hash", "truths_hash"))
    return part.assign(dataset=[names.get(each, each[0]) for each in zip(*columns, strict=True)])


def _settings(runs: pd.DataFrame) -> tuple[dict[str, str], list[Note]]:
    """What to call each run's setting, by key, and what is said of it."""
    ours = runs[runs["track"] != "external"]
    encoders = {
        *_several(runs, _LINE, ["text_encoder", "text_mode"], ["row", "track"]),
        *_rows_of(ours, _several(ours, _PLACE, ["text_encoder"], _PLACE)),
    }
    versions = _several(runs, ["row", "track"], ["method_version"], ["row", "track"])
    values = _several(runs, _LINE, ["hyperparameters"], _LINE)
    budgets = ours["budget"].nunique() > 1
    made: dict[str, str] = {}
    for run in runs.itertuples():
        line = (run.row, run.track)
        parts = [f"{run.text_encoder}, {run.text_mode}"] if line in encoders else []
        parts += [f"version {run.method_version}"] if line in versions else []
        parts += [said_budget(str(run.budget))] if budgets and run.track != "external" else []
        parts += [f"settings {run.hyperparameters}"] if (*line, run.dataset, run.data_kind) in values else []
        made[str(run.key)] = ", ".join(parts)
    differing = [
        *(["text encoders"] if encoders else []),
        *(["versions of a method"] if versions else []),
        *(["budgets"] if budgets else []),
        *(["hyperparameters within one row"] if values else []),
    ]
    if not differing:
        return made, []
    text = f"Runs differ in {' and '.join(differing)}: rows name theirs, and no mean is taken over several."
    return made, [Note(mark=MARK, text=text)]


def _several(
    runs: pd.DataFrame, within: Sequence[str], what: Sequence[str], named: Sequence[str]
) -> set[tuple[str, ...]]:
    """Which groups have several values of something, by the columns `named`."""
    found = runs[[*within, *what]].drop_duplicates()
    odd = found[found.duplicated(list(within), keep=False)]
    return set(odd[list(named)].itertuples(index=False, name=None))


def _rows_of(runs: pd.DataFrame, places: Iterable[tuple[str, ...]]) -> set[tuple[str, ...]]:
    held = set(places)
    lines = runs[[*_LINE]].drop_duplicates().itertuples(index=False, name=None)
    return {(row, track) for row, track, *place in lines if tuple(place) in held}


def said_budget(text: str) -> str:
    """`Budget(epochs=2, patience=None)` as a table says it."""
    inside = text.removeprefix("Budget(").removesuffix(")").split(", ")
    given = [part.replace("=", " ") for part in inside if not part.endswith("=None")]
    return f"budget {', '.join(given) or 'as published'}"


def _some(names: Sequence[str], shown: int = 8) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return "; ".join(names[:shown]) + more
