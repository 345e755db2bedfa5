"""What msabench knows of a dataset before any file is read: its `card.toml`.

Planning, listing and twins need no more than this, so nothing here imports torch or opens a feature file.
"""

from __future__ import annotations

import fnmatch
import importlib.util
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args

from msabench.data import registered
from msabench.data.types import SPLITS, Language, SplitName
from msabench.errors import SpecError, unknown
from msabench.run import Task

PACKAGE = "msabench_datasets"
Layout = Literal["mmsa", "mult", "mag", "misa", "hkt", "cherma", "csd", "table"]
TWIN_LAYOUTS: tuple[Layout, ...] = ("mmsa", "mag", "hkt")
"""Layouts that generated data are written in"""
Modality = Literal["text", "audio", "vision"]
MODALITIES: tuple[Modality, ...] = ("text", "audio", "vision")
Shape = tuple[int, int]
"""(length, width) of one sample; a length of 0 is not fixed, a width of 0 not known or not there"""


@dataclass(frozen=True, kw_only=True)
class Download:
    """One file that its owners offer at a direct address."""

    file: str
    """Where it goes below the data root"""
    url: str
    sha256: str = ""
    """Empty where nobody has stated it"""
    bytes: int = 0
    """0 where nobody has stated it"""

    def __post_init__(self) -> None:
        if not re.match(r"https?://[^/\s]", self.url):
            raise ValueError(f"url = {self.url!r} does not begin with http:// or https://")
        place = PurePosixPath(self.file)
        if not self.file or place.is_absolute() or ".." in place.parts:
            raise ValueError(f"file = {self.file!r} must be a path below the data root")
        if self.sha256 and not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError(f"sha256 = {self.sha256!r} must be 64 hexadecimal digits in lower case")
        if self.bytes < 0:
            raise ValueError(f"bytes = {self.bytes} must not be negative")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One set of feature files of a dataset, as in `aligned`."""

    name: str
    layout: Layout
    """How the file is laid out, a name of `layouts.LAYOUTS`; `mmsa` is the pickle that MMSA reads"""
    files: tuple[str, ...] = ()
    """Where the file (or folder) may lie below the data root, the preferred place first"""
    text: Shape = (0, 0)
    """(L_t, d_t) of the precomputed text features"""
    audio: Shape = (0, 0)
    vision: Shape = (0, 0)
    tokens: int = 0
    """Length of `text_bert`, or what texts are tokenised to where the file has none; 0 means L_t"""
    sha256: str = ""
    """Of the file that its owners publish, where they say so"""
    splits: Mapping[SplitName, int] | None = None
    """Numbers of samples where they differ from the dataset's; an empty table where nobody has stated them"""
    download: tuple[Download, ...] = ()
    """Empty where the owners' terms or sharing service ask for a person"""
    quirks: tuple[str, ...] = ()
    """What to know of these files, and of versions that are about"""

    def __post_init__(self) -> None:
        if self.layout not in get_args(Layout):
            raise ValueError(f"layout = {self.layout!r} is not one of {', '.join(get_args(Layout))}")
        for key in ("text", "audio", "vision"):
            shape = getattr(self, key)
            if len(shape) != 2 or min(shape) < 0:
                raise ValueError(f"{key} = {list(shape)} must be [length, width], both 0 or more")
        if not isinstance(self.tokens, int) or self.tokens < 0:
            raise ValueError(f"tokens = {self.tokens!r} must be a whole number, 0 or more")
        if self.splits is not None:
            _check_splits(self.splits)

    @property
    def token_length(self) -> int:
        """Length of the token ids."""
        return self.tokens or self.text[0]


def _check_splits(splits: Mapping[SplitName, int]) -> None:
    if splits and set(splits) != set(SPLITS):
        raise ValueError(f"[splits] must name {', '.join(SPLITS)}, but names {', '.join(splits)}")
    if any(not isinstance(size, int) or size < 1 for size in splits.values()):
        raise ValueError(f"[splits] must hold numbers of samples, but holds {dict(splits)}")


@dataclass(frozen=True, kw_only=True)
class DatasetCard:
    """A dataset's `card.toml`."""

    name: str
    title: str
    language: Language
    convention: str
    """The metric convention its literature uses, a name of `metrics.CONVENTIONS`"""
    default_variant: str
    licence: str = ""
    url: str = ""
    how_to_get: str = ""
    """What to download, and where to put it"""
    task: Task
    class_names: tuple[str, ...] = ()
    """Of a classification, by class from 0"""
    modalities: tuple[Modality, ...] = MODALITIES
    splits: Mapping[SplitName, int] = field(default_factory=dict)
    """Official numbers of samples; empty where nobody has stated them"""
    variants: Mapping[str, Variant]
    citation: Mapping[str, str] = field(default_factory=dict)
    embedded: bool = False
    """True for a dataset that has no real files and is always made as a twin"""
    unimodal: bool = False
    """True where each modality has labels of its own"""
    twin: Mapping[str, Any] = field(default_factory=dict)
    """What the twin's generator needs beyond the above, such as the label grid; empty where it has no twin"""
    path: Path
    home: Path | None = None
    """Folder of a card that a user has added: files are looked for here before the data root"""

    def __post_init__(self) -> None:
        if self.default_variant not in self.variants:
            raise ValueError(
                f"default_variant = {self.default_variant!r} is none of {', '.join(self.variants)}"
            )
        _check_splits(self.splits)
        if not self.modalities or not set(self.modalities) <= set(MODALITIES):
            raise ValueError(f"modalities = {list(self.modalities)} must be some of {', '.join(MODALITIES)}")
        classes = {"regression": 0, "binary": 2}.get(self.task.kind, self.task.classes)
        if self.class_names and len(self.class_names) != classes:
            raise ValueError(f"class_names names {len(self.class_names)} classes, but the task has {classes}")
        if self.language not in get_args(Language):
            raise ValueError(f"language = {self.language!r} is not one of {', '.join(get_args(Language))}")

    def variant(self, name: str = "") -> Variant:
        """A variant by name, the default one without.

        Raises
        ------
        SpecError
            If there is none of that name.
        """
        wanted = name or self.default_variant
        if wanted not in self.variants:
            raise unknown(f"variant of {self.name}", wanted, self.variants, f"msabench show {self.name}")
        return self.variants[wanted]

    def sizes(self, variant: Variant) -> Mapping[SplitName, int]:
        """Official numbers of samples of a variant; empty where nobody has stated them."""
        return self.splits if variant.splits is None else variant.splits

    def has_twin(self, variant: Variant) -> bool:
        """Whether data like the variant's can be generated."""
        return bool(self.twin) and variant.layout in TWIN_LAYOUTS


_TEMPLATE = "`msabench data add --template` prints a card to fill in"


def read_card(path: Path) -> DatasetCard:
    """Parse a dataset's `card.toml`.

    Raises
    ------
    SpecError
        If the file is not TOML, or a table or key is missing, unknown or contradictory.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"a dataset's card cannot be read: {error}", where=str(path)) from error
    try:
        task = raw.pop("task")
        variants = {name: _variant(name, table) for name, table in raw.pop("variants").items()}
        low, high = task.pop("label_range")
        raw["default_variant"] = raw.get("default_variant") or next(iter(variants), "")
        raw["modalities"] = tuple(raw.get("modalities", MODALITIES))
        return DatasetCard(
            class_names=tuple(task.pop("class_names", ())),
            task=Task(label_range=(float(low), float(high)), **task),
            variants=variants,
            path=path,
            **raw,
        )
    except KeyError as error:
        raise SpecError(f"a dataset's card lacks {error}", where=str(path), fix=_TEMPLATE) from error
    except (AttributeError, TypeError, ValueError) as error:
        raise SpecError(
            f"a dataset's card is not of the expected form: {error}", where=str(path), fix=_TEMPLATE
        ) from error


def _variant(name: str, table: Mapping[str, Any]) -> Variant:
    values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in table.items()}
    values["download"] = tuple(Download(**each) for each in values.get("download", ()))
    return Variant(name=name, **values)


class Datasets(Mapping[str, DatasetCard]):
    """Cards by dataset name, parsed on first use.

    Parameters
    ----------
    folder
        Holds one sub-folder per dataset.
    added
        Gives the card files of further datasets by name, and is asked anew each time. A name that the folder
        has too stands for the folder's dataset.
    """

    def __init__(self, folder: Path, added: Callable[[], Mapping[str, Path]] = dict) -> None:
        self._folder = folder
        self._added = added
        self._cards: dict[tuple[Path, int], DatasetCard] = {}

    @cached_property
    def own(self) -> Mapping[str, Path]:
        """Card files of the folder's datasets, by name."""
        return {path.parent.name.replace("_", "-"): path for path in sorted(self._folder.glob("*/card.toml"))}

    @property
    def _paths(self) -> Mapping[str, Path]:
        return {**self.own, **{name: path for name, path in self._added().items() if name not in self.own}}

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def __contains__(self, name: object) -> bool:
        # a name whose card is broken is known all the same
        return isinstance(name, str) and name.replace("_", "-").lower() in self._paths

    def __getitem__(self, name: str) -> DatasetCard:
        canonical = name.replace("_", "-").lower()
        path = self._paths.get(canonical)
        if path is None:
            # mappings owe their callers a KeyError; `resolve` turns it into advice
            raise KeyError(name)
        key = (path, path.stat().st_mtime_ns if path.is_file() else 0)
        if key not in self._cards:
            self._cards[key] = self._read(canonical, path)
        return self._cards[key]

    def _read(self, name: str, path: Path) -> DatasetCard:
        if name in self.own:
            return read_card(path)
        try:
            return replace(read_card(path), home=path.parent)
        except SpecError as error:
            fix = f"mend the card of your dataset '{name}', or `msabench data add --remove {name}`"
            raise SpecError(error.what, where=error.where, fix=fix) from error

    def readable(self) -> Iterator[DatasetCard]:
        """Every card that can be read, so that a user's broken one hides no other."""
        for name in self:
            try:
                yield self[name]
            except SpecError:
                continue

    def resolve(self, name: str) -> tuple[DatasetCard, Variant]:
        """Card and variant that `mosi` or `mosi:aligned` stands for.

        Raises
        ------
        SpecError
            If the dataset or the variant is unknown; it names the nearest one.
        """
        dataset, _, variant = name.partition(":")
        if dataset not in self:
            raise unknown("dataset", dataset, self, "msabench list datasets")
        card = self[dataset]
        return card, card.variant(variant)

    def canonical(self, name: str) -> str:
        """`mosi` in full: `mosi:unaligned`."""
        card, variant = self.resolve(name)
        return f"{card.name}:{variant.name}"

    def match(self, pattern: str, *, twin: bool = False) -> list[str]:
        """Full names that a pattern stands for.

        `all` is the default variant of every dataset that has real files (with `twin`, of those that have a
        twin), `mos*` the default variants of those so named, `mosi:*` every variant of one.

        Raises
        ------
        SpecError
            If nothing matches; it names the nearest dataset.
        """
        if pattern == "all":
            real = [card for card in self.values() if not card.embedded]
            return [
                f"{card.name}:{card.default_variant}"
                for card in real
                if not twin or card.has_twin(card.variant())
            ]
        dataset, _, variant = pattern.partition(":")
        found = [
            f"{name}:{each}"
            for name in fnmatch.filter(self, dataset.replace("_", "-").lower())
            for each in fnmatch.filter(self[name].variants, variant or self[name].default_variant)
        ]
        # a plain name that meets nothing is misspelt, and `resolve` knows which half of it
        if not found and not set(pattern) & set("*?["):
            self.resolve(pattern)
        if not found:
            raise unknown("dataset", pattern, self, "msabench list datasets")
        return found


def _installed() -> Datasets:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise SpecError(f"the package '{PACKAGE}' is not installed", fix="install msabench again")
    return Datasets(Path(next(iter(spec.submodule_search_locations))), registered.paths)


DATASETS = _installed()
"""Every dataset that comes with msabench, and those that the user has added."""


def resolve(name: str) -> tuple[DatasetCard, Variant]:
    """`DATASETS.resolve`: the card and variant of a name."""
    return DATASETS.resolve(name)


def match(pattern: str, *, twin: bool = False) -> list[str]:
    """`DATASETS.match`: the full names that a pattern stands for."""
    return DATASETS.match(pattern, twin=twin)
