"""The convention lens: one set of predictions under every convention and every epoch rule.

Nothing is trained or predicted anew. A study whose ranking changes here owes its conclusion to a definition.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msabench.errors import SpecError
from msabench.metrics import CONVENTIONS
from msabench.records import Store
from msabench.registry import RECONSTRUCTION
from msabench.report.blocks import RowTitle, titles_of
from msabench.report.comparison import HEADLINE
from msabench.report.files import write
from msabench.report.grid import Grid, rendered
from msabench.report.latex_figures import SNIPPET, Latex
from msabench.report.layout import dataset_order
from msabench.report.ledger import search_lines
from msabench.report.lens_notes import about_runs, apart, seeds, unranked, with_settings
from msabench.report.table import RECONSTRUCTED, TWIN, UNDEFINED
from msabench.stats.places import READING, RIVALS, places, stability

if TYPE_CHECKING:
    import pandas as pd

RULES = ("same-epoch", "valid-per-metric", "last", "best-epoch", "best-epoch-joint", "as-published")
"""Rules by which every run can be read; those of single code bases are read through `as-published`"""


def readings(study_folder: Path, rules: Sequence[str] = RULES) -> pd.DataFrame:
    """The places of a study's rows under every convention that fits, and every rule.

    Returns
    -------
    DataFrame as `stats.places.places` gives it.

    Raises
    ------
    SpecError
        If no run has finished.
    """
    import pandas as pd

    store = Store(study_folder)
    tasks = store.tasks()
    fitting = [c.name for c in CONVENTIONS.values() if any(c.takes(task) for task in tasks.values())]
    frames = store.frames([(convention, rule) for rule in rules for convention in fitting])
    filled = [frame for frame in frames if not frame.empty]
    if not filled:
        raise SpecError("no run of this study has finished", where=str(study_folder), fix="msabench run")
    return places(apart(store, pd.concat(filled, ignore_index=True)))


def lens(
    study_folder: Path, ranked: pd.DataFrame, rules: Sequence[str], *, allow_unequal_budgets: bool = False
) -> tuple[Grid, ...]:
    """For each dataset, where every row ranks by what claims to be one metric, and how often that changes.

    The headline is the same-epoch reading under each dataset's own convention.

    Parameters
    ----------
    ranked
        What `readings` gives under these rules, same-epoch among them.

    Raises
    ------
    SpecError
        If tuned rows had unequal budgets, unless that is allowed; the notes then say so.
    """
    store = Store(study_folder)
    scored = store.frame(None, HEADLINE)
    own = dict(zip(scored["dataset"], scored["convention"], strict=True))
    named = ranked["dataset"].str.partition(" [")[0]  # versions of one dataset are told apart in brackets
    headline = (ranked["selection"] == HEADLINE) & (ranked["convention"] == named.map(own))
    ranked = ranked.assign(headline=headline, own=named.map(own))
    titles = with_settings(titles_of(scored, scored.iloc[:0]), list(ranked["row"].unique()))
    about = about_runs(store)
    order = sorted(ranked.groupby(RIVALS, sort=False), key=lambda found: dataset_order(str(found[0][0])))
    grids = []
    for _, part in order:
        # ledgers know rows and datasets by their plain names
        same = (scored[["data_kind", "track", "text_encoder"]] == part.iloc[0][RIVALS[1:]]).all(axis=1)
        plain = scored[same & (scored["dataset"] == named[part.index[0]])]
        searched = search_lines(study_folder, plain, allow_unequal=allow_unequal_budgets)
        notes = (*unranked(part, titles), *about, *searched)
        grids.append(_grid(part, titles, rules, notes))
    return tuple(grids)


def details(ranked: pd.DataFrame) -> pd.DataFrame:
    """Every reading of every row in the order of a file: mean, sd, n and place."""
    names = [*RIVALS, "family", *READING, "oracle", "row", "mean", "sd", "n", "place", "rivals"]
    return ranked[names].sort_values([*RIVALS, "family", *READING, "place"], kind="stable")


def write_lens(
    grids: Sequence[Grid],
    readings_: pd.DataFrame,
    formats: Collection[str],
    folder: Path,
    latex: Latex = SNIPPET,
) -> tuple[Path, ...]:
    """Write the lens to `lens.tex`, `.md` and `.html`, and every reading behind it to `lens.csv`.

    Raises
    ------
    SpecError
        If a format is unknown, or the folder cannot be written.
    """
    texts = rendered(grids, "lens", formats, latex)
    if "lens.csv" in texts:
        texts["lens.csv"] = readings_.to_csv(index=False)
    return write(folder, texts)


def _grid(
    part: pd.DataFrame,
    titles: Mapping[str, RowTitle],
    rules: Sequence[str],
    notes: Sequence[str],
) -> Grid:
    dataset, kind, track, encoder = (str(part[name].iloc[0]) for name in RIVALS)
    families = list(dict.fromkeys(part.loc[part["headline"], "family"]))
    rows = [
        _row(part[part["row"] == row], titles[str(row)], families)
        for row in sorted(part["row"].unique(), key=lambda row: _order(part, str(row)))
    ]
    data = f"{dataset} ({TWIN})" if kind == "twin" else dataset
    others = [_stability(part[part["family"] == name], name) for name in families]
    reconstructed = any(titles[str(row)].reconstruction for row in part["row"])
    return Grid(
        title=f"Convention lens on {data}",
        head=("Method", *families, "first in", "moved in"),
        rows=tuple(rows),
        caption=(
            f"Place under the headline ({part['own'].iloc[0]}, {HEADLINE}), and in brackets the best and "
            f"the worst place over every convention and epoch rule ({', '.join(rules)}; best-epoch, "
            "best-epoch-joint and, for some methods, as-published look at the test split: ORACLE). A metric "
            "stands for its whole family, as Acc-2 for has0 and non0; where the headline has several, the "
            f"places of all are given. Ranked are means over seeds ({seeds(part)}) as printed; equal means "
            "share a place. "
            "'first in': share of all readings that put the row first; 'moved in': share that give it "
            "another place than the headline reading of the family. "
            f"Track: {track}. Text encoder: {encoder}. Data: "
            + (f"{dataset} is a {TWIN} (generated)." if kind == "twin" else f"{dataset} is real.")
        ),
        notes=(
            *filter(None, others),
            *(note for note in notes if note != RECONSTRUCTION),  # said below, with its mark
            *([f"{RECONSTRUCTED} {RECONSTRUCTION}"] if reconstructed else []),
        ),
    )


def _row(runs: pd.DataFrame, title: RowTitle, families: Sequence[str]) -> tuple[str, ...]:
    name = f"{title.title} ({RECONSTRUCTED})" if title.reconstruction else title.title
    cells, moved, first, counted = [], 0, 0, 0
    for each in families:
        found = runs[(runs["family"] == each) & (runs["rivals"] > 1)]
        places = found["place"].dropna()
        head = found.loc[found["headline"], "place"]
        cells.append(_span([*head], places))
        first += int((places == 1).sum())
        counted += len(places)
        moved += int((~places.isin(head)).sum())
    share = (f"{100 * n / counted:.0f} %" if counted else UNDEFINED for n in (first, moved))
    return (name, *cells, *share)


def _span(head: Sequence[float], places: pd.Series) -> str:
    """As in `2/3 (1–5)`: headline places, best and worst."""
    if places.empty:
        return UNDEFINED
    shown = "/".join(UNDEFINED if math.isnan(place) else f"{place:.0f}" for place in head) or UNDEFINED
    low, high = f"{places.min():.0f}", f"{places.max():.0f}"
    return f"{shown} ({low}–{high})" if low != high else f"{shown} ({low})"


def _order(part: pd.DataFrame, row: str) -> tuple[float, str]:
    """By mean headline place."""
    head = part.loc[(part["row"] == row) & part["headline"], "place"].mean()
    return (math.inf if math.isnan(head) else float(head), row)


def _stability(ranked: pd.DataFrame, name: str) -> str:
    """A sentence on one family; empty if it has one reading, or none of the headline."""
    head = ranked["headline"] & (ranked["metric"] == _first_metric(ranked))
    found = stability(ranked, head)
    if math.isnan(found.other_winner):
        return ""
    tau = f"mean Kendall tau {found.agreement:.2f}" if math.isfinite(found.agreement) else "no order to keep"
    return (
        f"{name}: {found.readings} readings; {100 * found.other_winner:.0f} % of the others have another "
        f"first place than the headline; {tau}."
    )


def _first_metric(ranked: pd.DataFrame) -> str:
    head = ranked.loc[ranked["headline"], "metric"]
    return str(head.iloc[0]) if len(head) else ""
