"""Plots of a study's records, as vector graphics and PNG; the same records give the same files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from msabench.errors import DataError, MsabenchError, SpecError, unknown
from msabench.plots.cost import cost
from msabench.plots.curves import curves
from msabench.plots.look import METADATA, RC
from msabench.plots.page import Plot, settle
from msabench.plots.predicted import confusion, truth
from msabench.plots.ranks import ranks
from msabench.plots.scene import Asked, Scene, scenes
from msabench.plots.scores import gap, intervals, seeds
from msabench.plots.search import best_of_k

__all__ = ["FORMATS", "KINDS", "Asked", "Plot", "Scene", "Written", "plots", "scenes", "write_plots"]

T = TypeVar("T")
FORMATS = tuple(METADATA)
_BY_DATASET: Mapping[str, Callable[[Scene], Iterator[Plot]]] = {
    "intervals": intervals,
    "seeds": seeds,
    "curves": curves,
    "gap": gap,
    "cost": cost,
    "best-of-k": best_of_k,
    "confusion": confusion,
    "truth": truth,
}
KINDS = (*_BY_DATASET, "ranks")
"""In the order in which they are drawn"""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What became of a request for plots."""

    paths: tuple[Path, ...]
    refused: tuple[str, ...]
    """Kinds that could not be drawn, each with the reason"""


def plots(
    folder: Path, asked: Asked, kinds: Collection[str] = KINDS, refused: dict[str, str] | None = None
) -> Iterator[Plot]:
    """A study's plots, one at a time. Draw and save them within `matplotlib.rc_context(look.RC)`.

    Parameters
    ----------
    refused
        Receives why a kind could not be drawn, by kind and dataset; None raises that instead.

    Raises
    ------
    SpecError
        If a name is unknown, or tuned rows had unequal budgets and that is not allowed.
    DataError
        If the study has no finished run.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise unknown("plot", kind, KINDS)
    all_of_them = scenes(folder, asked)
    gaps: list[Scene] | None = None
    for kind in kinds:
        if kind == "ranks":
            yield from _guarded(kind, "", lambda: iter([ranks(all_of_them)]), refused)
            continue
        if kind == "gap" and gaps is None:
            gaps = list(_guarded(kind, "", lambda: iter(scenes(folder, asked, gap=True)), refused))
        for scene in gaps or [] if kind == "gap" else all_of_them:
            draw = _BY_DATASET[kind]
            yield from _guarded(kind, scene.group.dataset, lambda d=draw, s=scene: d(s), refused)  # type: ignore[misc]


def write_plots(
    folder: Path,
    asked: Asked,
    kinds: Collection[str] = KINDS,
    formats: Collection[str] = FORMATS,
    *,
    out: Path | None = None,
) -> Written:
    """Draw a study's plots and write each in every format.

    Parameters
    ----------
    formats
        Of `FORMATS`.
    out
        Folder to write to; by default `plots/` in the study's folder.

    Raises
    ------
    SpecError
        As `plots`, or if a format is unknown or the folder cannot be written.
    DataError
        As `plots`, or if not one of the kinds can be drawn.
    """
    from matplotlib import rc_context

    for name in formats:
        if name not in FORMATS:
            raise unknown("format", name, FORMATS)
    target, paths, refused = out or folder / "plots", [], dict[str, str]()
    with rc_context(RC):
        for plot in plots(folder, asked, kinds, refused):
            settle(plot.figure)
            for name in formats:
                path = target / f"{plot.name}.{name}"
                try:
                    target.mkdir(parents=True, exist_ok=True)
                    plot.figure.savefig(path, metadata=METADATA[name])
                except OSError as error:
                    raise SpecError(
                        f"the plot cannot be written: {error}", where=str(path), fix="give another --out"
                    ) from error
                paths.append(path)
    said = tuple(f"{what}: {why}" for what, why in refused.items())
    if not paths:
        raise DataError(f"nothing could be drawn: {'; '.join(said)}", where=str(folder))
    return Written(paths=tuple(paths), refused=said)


def _guarded(
    kind: str, dataset: str, draw: Callable[[], Iterator[T]], refused: dict[str, str] | None
) -> Iterator[T]:
    """What can be drawn; why not goes to `refused`, if there is one."""
    try:
        yield from draw()
    except MsabenchError as error:
        if refused is None:
            raise
        refused[f"{kind} of {dataset}" if dataset else kind] = error.what
