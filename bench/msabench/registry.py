"""Which methods exist, and their cards: all that listing and planning need, without importing torch."""

from __future__ import annotations

import contextlib
import fnmatch
import importlib.util
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msabench.errors import SpecError, unknown

if TYPE_CHECKING:
    from msabench.method import Method

GROUP = "msabench.methods"
AS_PUBLISHED = "as_published"
"""In `[hyperparameters.…]` and in brackets after a method's name"""
UNIMODAL_LABELS = "unimodal_labels"
RECONSTRUCTION = "Reconstruction: no public code of the model exists."
"""What is said wherever a method is shown that was built from its description alone"""
NEEDS = (UNIMODAL_LABELS,)
"""What a method may ask of a dataset beside its modalities"""


@dataclass(frozen=True, kw_only=True)
class PublishedFigure:
    """A figure printed somewhere, with its source. Percent for accuracies and F1."""

    dataset: str
    """`mosi`, measured on the dataset's default feature files, or `mosi:mag`"""
    metric: str
    value: float
    source: str
    encoder: str = ""
    """`features` for the text features in the file; empty stands for the BERT-base of the language"""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Hyperparameters of the ablation it belongs to, over those of the method as published"""
    seeds: int = 0
    """Over how many it is a mean; 0 where nobody says"""
    note: str = ""
    """What to know of the figure: which classes, which epoch, which part is not stated"""
    not_comparable: str = ""
    """Why nothing measured here can be set against it, whatever the settings"""
    withdrawn: str = ""
    """Why it does not stand any more, where its authors took it back"""


@dataclass(frozen=True, kw_only=True)
class Deviation:
    """Where ours departs from the reference, or from the paper where the reference does."""

    id: str
    """`D1`, `D2`, … as the comments of the model name it"""
    text: str
    switch: str = ""
    """Hyperparameter that brings the original back, if there is one"""


@dataclass(frozen=True, kw_only=True)
class MethodCard:
    """A method's `card.toml`."""

    name: str
    title: str
    version: int
    """Raised when outputs change: recorded runs of an older version are then run again"""
    tasks: tuple[str, ...]
    text: str
    """`frozen` or `finetuned`: what the recipe does with the text encoder"""
    as_published: str
    """The method's own selection rule, a name of `selection.SELECTIONS`"""
    reconstruction: bool
    """True where no public model code exists and ours is built from the description"""
    citation: Mapping[str, str]
    reference: Mapping[str, str]
    hyperparameters: Mapping[str, Mapping[str, Any]]
    """`default` and, per dataset (`mosi`) or variant of it (`mosi:mag`), what differs from it;
    `as_published`: what brings the original's behaviour back where the default departs from it"""
    search: Mapping[str, Mapping[str, Any]]
    parameters: Mapping[str, int]
    """Per dataset: registered parameters without the text encoder, at the dataset's real sizes"""
    published: tuple[PublishedFigure, ...]
    deviations: tuple[Deviation, ...]
    path: Path
    modalities: tuple[str, ...] = ("text", "audio", "vision")
    """What it cannot do without"""
    needs: tuple[str, ...] = ()
    """Names of `NEEDS` that it cannot do without either"""
    selections: Mapping[str, str] = field(default_factory=dict)
    """Per dataset (`mosi`, `mosi:mag`): its own selection rule, where that is not `as_published`"""
    conventions: Mapping[str, str] = field(default_factory=dict)
    """Per dataset: the metric convention of its own evaluation, where that is not the dataset's usual one"""

    def selection(self, dataset: str) -> str:
        """The method's own selection rule on a dataset."""
        return _for_dataset(self.selections, dataset, self.as_published)

    def convention(self, dataset: str, usual: str) -> str:
        """The convention of the method's own evaluation on a dataset, whose usual one is given."""
        return _for_dataset(self.conventions, dataset, usual)

    def values(self, dataset: str, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Published hyperparameters for a dataset and its variant (`mosi:mag`), then the overrides.

        The override `as_published = true` stands for the card's table of that name.

        Raises
        ------
        SpecError
            If an override names no hyperparameter of this method, or is of another type.
        """
        tables = self.hyperparameters
        values = {**tables["default"], **tables.get(dataset.partition(":")[0], {}), **tables.get(dataset, {})}
        changes = self.checked(overrides or {})
        if changes.pop(AS_PUBLISHED, False):
            values |= tables[AS_PUBLISHED]
        return values | changes

    def checked(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """Overrides in the types of the card's values: `1` is a float where the card has one, `off` is false.

        Raises
        ------
        SpecError
            If a name is no hyperparameter of this method, a value is of another type, or `as_published` is
            asked for and the card has no table of that name.
        """
        models = {**self.hyperparameters["default"], AS_PUBLISHED: False}
        for name in overrides:
            if name not in models:
                raise unknown(f"hyperparameter of {self.name}", name, models, f"msabench show {self.name}")
        made = {name: _like(models[name], value, name, self.name) for name, value in overrides.items()}
        if made.get(AS_PUBLISHED) and AS_PUBLISHED not in self.hyperparameters:
            raise SpecError(
                f"{self.name} is as published already: its card names nothing that departs by default",
                fix=f"leave out [{AS_PUBLISHED}=true]",
            )
        return made


def _for_dataset(table: Mapping[str, str], dataset: str, default: str) -> str:
    """The entry of a variant (`mosi:mag`), of its dataset, or the default."""
    return table.get(dataset) or table.get(dataset.partition(":")[0]) or default


_SWITCH = {"on": True, "true": True, "off": False, "false": False}
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", list: "a list"}


def _like(model: Any, value: Any, name: str, method: str) -> Any:
    """A value in the type of the card's, where nothing is lost by it."""
    if isinstance(model, bool) and isinstance(value, str) and value.lower() in _SWITCH:
        return _SWITCH[value.lower()]
    if isinstance(model, float) and type(value) is int:
        return float(value)
    if isinstance(model, list) and isinstance(value, list):
        return [_like(model[0], each, f"each entry of {name}", method) for each in value] if model else value
    if type(value) is not type(model):
        expected = _WORDS.get(type(model), type(model).__name__)
        shown = str(model).lower() if isinstance(model, bool) else repr(model)
        raise SpecError(
            f"{method}: {name} takes {expected}, as the card's {shown}, but got {value!r}, "
            f"which is {_WORDS.get(type(value), type(value).__name__)}",
            fix=f"msabench show {method} lists the hyperparameters and their values",
        )
    return value


def read_card(path: Path) -> MethodCard:
    """Parse a `card.toml`.

    Raises
    ------
    SpecError
        If the file is not TOML, or a table or key is missing or unknown.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"a method's card cannot be read: {error}", where=str(path)) from error
    try:
        figures = [
            PublishedFigure(metric=metric, value=float(value), **row)
            for row in raw.pop("published", [])
            for metric, value in row.pop("figures").items()
        ]
        return MethodCard(
            published=tuple(figures),
            deviations=tuple(Deviation(**row) for row in raw.pop("deviation", [])),
            tasks=tuple(raw.pop("tasks")),
            modalities=tuple(raw.pop("modalities", MethodCard.modalities)),
            needs=tuple(raw.pop("needs", ())),
            reconstruction=raw.pop("reconstruction", False),
            as_published=raw.pop("as_published", "same-epoch"),
            search=raw.pop("search", {}),
            parameters=raw.pop("parameters", {}),
            path=path,
            **raw,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SpecError(f"a method's card is not of the expected form: {error}", where=str(path)) from error


class Registry(Mapping[str, "type[Method]"]):
    """Methods by name, found through the entry-point group `msabench.methods`; classes load on first use."""

    def __init__(self, entries: Mapping[str, EntryPoint]) -> None:
        self._entries = dict(entries)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, name: str) -> type[Method]:
        method: type[Method] = self.entry(name).load()
        return method

    def entry(self, name: str) -> EntryPoint:
        """The entry point of a method; `cmcbep-cl` and `cmcbep_cl` are one name."""
        canonical = name.replace("-", "_").lower()
        if canonical not in self._entries:
            raise unknown("method", name, self._entries, "msabench list methods")
        return self._entries[canonical]

    def card(self, name: str) -> MethodCard:
        """The method's card, read without importing its model."""
        package = self.entry(name).module.rsplit(".", 1)[0]
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise SpecError(
                f"method '{name}' is registered, but its package '{package}' is not installed",
                fix="install the package that provides it again",
            )
        return _card_of(Path(next(iter(spec.submodule_search_locations))) / "card.toml")

    def match(self, pattern: str) -> list[str]:
        """Names that a pattern (`all`, `*`, `al*`, `almt`) stands for.

        Raises
        ------
        SpecError
            If nothing matches; it names the nearest method.
        """
        if pattern == "all":
            return list(self)
        found = fnmatch.filter(self, pattern.replace("-", "_").lower())
        if not found:
            raise unknown("method", pattern, self, "msabench list methods")
        return found


@cache
def _card_of(path: Path) -> MethodCard:
    return read_card(path)


def installed() -> Registry:
    """Every method that an installed package registers."""
    return Registry({entry.name: entry for entry in entry_points(group=GROUP)})


METHODS = installed()


def reconstructions(rows: Iterable[str]) -> list[str]:
    """Methods of these rows (`setgf`, `setgf[toma=false]`) that are reconstructions, each once.

    A method that is not installed, or whose card cannot be read, is left out: nothing is known of it.
    """
    found = []
    for name in dict.fromkeys(row.partition("[")[0] for row in rows):
        with contextlib.suppress(SpecError):
            if METHODS.card(name).reconstruction:
                found.append(name)
    return found
