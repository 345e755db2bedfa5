"""From a dataset's name to its arrays: find the file or make the twin, read it, compare it with the card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from msabench.data import cache, checks, layouts
from msabench.data.cards import DatasetCard, Variant, resolve
from msabench.data.findings import Findings
from msabench.data.types import Dataset
from msabench.errors import DataError, SpecError
from msabench.run import DataKind

DEFAULT_ROOT = Path("datasets")


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """Which file a dataset is read from; enough to plan runs, before anything is converted."""

    name: str
    """In full, as in `mosi:unaligned`"""
    path: Path
    fingerprint: str
    """sha256 of the file, in hex; of names and hashes where the data are several files"""
    kind: DataKind
    card: DatasetCard
    variant: Variant
    cache_root: Path

    @property
    def layout(self) -> str:
        """The layout that the file must have."""
        return self.variant.layout


def find(name: str, root: Path | None = None) -> Path | None:
    """The feature file of a dataset variant below the data root, or None where there is none.

    Raises
    ------
    SpecError
        If the name is unknown.
    """
    return next((place for place in _places(name, root) if place.exists()), None)


def _places(name: str, root: Path | None) -> list[Path]:
    card, variant = resolve(name)
    homes = [card.home] if card.home else []
    return [home / place for home in (*homes, root or DEFAULT_ROOT) for place in variant.files]


def locate(name: str, root: Path | None = None, file: Path | None = None) -> Path:
    """The feature file of a dataset variant, or an error that says how to get it.

    Parameters
    ----------
    name
        As in `mosi` or `mosi:aligned`.
    root
        The data root; `datasets` where not given.
    file
        Use this file instead of looking for one.

    Raises
    ------
    DataError
        If there is none; it says where it was looked for and how to get it.
    SpecError
        If the name is unknown.
    """
    card, variant = resolve(name)
    places = [file] if file else _places(name, root)
    found = next((place for place in places if place.exists()), None)
    if found is not None:
        return found
    if file:
        raise DataError(
            f"there is no feature file of {card.name}:{variant.name} at the path given for it",
            where=str(file),
            fix="correct the path; where none is given (--file) the data root is searched",
        )
    raise DataError(
        f"no feature file of {card.name}:{variant.name}",
        where="looked for " + ", ".join(str(place) for place in places),
        fix=f"{card.how_to_get.strip()} Another data root is named by --data-root."
        + (" Without any file, --twin runs on generated data of the same shape." * card.has_twin(variant)),
    )


def source(
    name: str,
    root: Path | None = None,
    *,
    twin: bool = False,
    scale: float = 1.0,
    file: Path | None = None,
    cache_root: Path | None = None,
) -> DataSource:
    """Find (or, for a twin, make) the file of a dataset and hash it, without reading what is in it.

    Parameters are those of `load`.
    """
    card, variant = resolve(name)
    root = Path(root) if root else DEFAULT_ROOT
    kind: DataKind = "twin" if twin or card.embedded else "real"
    if kind == "twin" and file is not None:
        raise SpecError(
            f"{card.name}: a file was given ({file}), but a twin is generated", fix="leave one of the two out"
        )
    if kind == "twin":
        from msabench.data.twin import ensure_twin

        path = ensure_twin(card, variant.name, root, scale, seed=0)
    else:
        path = locate(name, root, Path(file) if file else None)
    store = Path(cache_root) if cache_root else cache.default_root(root)
    return DataSource(
        name=f"{card.name}:{variant.name}",
        path=path,
        fingerprint=cache.fingerprint_all(layouts.parts(path, variant.layout), store),
        kind=kind,
        card=card,
        variant=variant,
        cache_root=store,
    )


def load(
    name: str,
    root: Path | None = None,
    *,
    twin: bool = False,
    scale: float = 1.0,
    file: Path | None = None,
    cache_root: Path | None = None,
) -> Dataset:
    """Read a dataset: three splits, checked, with the large arrays memory-mapped.

    The first call converts the feature file; later ones open the converted arrays and read no pickle.

    Parameters
    ----------
    name
        Dataset, or dataset and variant: `mosi`, `mosi:aligned`.
    root
        The data root, searched for the places that the card names; `datasets` where not given.
    twin
        Use generated data with the dataset's sizes, shapes and label distribution.
    scale
        Share of the real number of samples, for a twin; above 0.
    file
        A feature file somewhere else.
    cache_root
        Where converted arrays are kept; by default `.cache` in the data root, or the user's cache folder
        where the data root is absent or cannot be written.

    Returns
    -------
    Dataset
        Its notes say what was mended or is odd.

    Raises
    ------
    DataError
        If the file is missing, unsafe or unsound: the first thing that is wrong, with file, split, key and
        sample. `msabench data check` lists all.
    SpecError
        If the name is unknown.
    """
    return open_source(source(name, root, twin=twin, scale=scale, file=file, cache_root=cache_root))


def open_source(found: DataSource) -> Dataset:
    """`load` for a source that is already found."""
    cached = cache.read(found.path, found.fingerprint, found.cache_root, found.layout, found.card.name)
    if found.kind == "real" and any(split.generated for split in cached.splits):
        raise DataError(
            f"the file holds generated samples (a twin), but is used as the real {found.card.title}",
            where=str(found.path),
            fix="use the real file, or --twin without --file",
        )
    findings = Findings(file=found.path, strict=True)
    findings.ids.update({split.name: split.ids.tolist() for split in cached.splits})
    checks.agreement(cached.splits, found.card, found.variant, found.kind, findings)
    checks.official(found.fingerprint, found.variant, found.kind, findings)
    train, valid, test = cached.splits
    return Dataset(
        name=found.name,
        task=found.card.task,
        convention=found.card.convention,
        language=found.card.language,
        kind=found.kind,
        fingerprint=found.fingerprint,
        cache=cached.folder,
        train=train,
        valid=valid,
        test=test,
        token_length=found.variant.token_length,
        notes=cached.remarks + findings.remarks,
    )
