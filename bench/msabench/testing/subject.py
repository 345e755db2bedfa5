"""The method under test: its class with its card, whether it is installed or lies in a folder."""

from __future__ import annotations

import importlib
import inspect
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from msabench.errors import SpecError
from msabench.method import METHODS, Hyperparameters, InputForm, Method
from msabench.registry import GROUP, UNIMODAL_LABELS, MethodCard, Registry, read_card


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A method as the battery sees it."""

    name: str
    method: type[Method]
    card: MethodCard
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Hyperparameters that make a large method small enough to be tested"""

    def hp(self, dataset: str = "", **changes: Any) -> Hyperparameters:
        """The card's hyperparameters for a dataset with the overrides, then the changes."""
        return self.method.hyperparameters(**{**self.card.values(dataset, self.overrides), **changes})

    @property
    def form(self) -> InputForm:
        """How the method wants its inputs."""
        return self.method.inputs(self.hp())

    @property
    def unimodal(self) -> bool:
        """Whether it cannot be tested without labels per modality."""
        return UNIMODAL_LABELS in self.method.needs


def subject(
    method: str | type[Method] | Subject,
    *,
    registry: Registry = METHODS,
    overrides: Mapping[str, Any] | None = None,
) -> Subject:
    """Find a method's class and card.

    Parameters
    ----------
    method
        A registered name, or a class whose `card.toml` lies beside its source file.

    Raises
    ------
    SpecError
        If the name is unknown, or the card is missing or malformed.
    """
    if isinstance(method, Subject):
        return method
    if isinstance(method, str):
        name = registry.entry(method).name
        card, cls = registry.card(name), registry[name]
    else:
        card = read_card(Path(inspect.getfile(method)).parent / "card.toml")
        name, cls = card.name, method
    return Subject(name=name, method=cls, card=card, overrides=dict(overrides or {}))


@contextmanager
def methods_at(folder: Path) -> Iterator[Registry]:
    """The methods that a package in a folder registers, without installing it.

    While the context is open the package's sources are importable.

    Raises
    ------
    SpecError
        If the folder has no `pyproject.toml`, or that registers no method, or names a package that is not
        there.
    """
    project = folder / "pyproject.toml"
    try:
        settings = tomllib.loads(project.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SpecError(
            "this folder is not a package of methods: it has no pyproject.toml",
            where=str(folder),
            fix="give the folder that `msabench new method NAME` wrote, or a registered method's name",
        ) from None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"a package's settings cannot be read: {error}", where=str(project)) from error
    group = settings.get("project", {}).get("entry-points", {}).get(GROUP, {})
    if not group:
        raise SpecError(
            "this package registers no method",
            where=str(project),
            fix=f'add [project.entry-points."{GROUP}"] with a line NAME = "PACKAGE.model:CLASS"',
        )
    entries = {name: EntryPoint(name, value, GROUP) for name, value in group.items()}
    sources = [str(_source_root(project, entry)) for entry in entries.values()]
    before = list(sys.path)
    sys.path[:0] = list(dict.fromkeys(sources))
    importlib.invalidate_caches()
    try:
        yield Registry(entries)
    finally:
        sys.path[:] = before


def _source_root(project: Path, entry: EntryPoint) -> Path:
    """The folder that must be on the path for an entry point's module to be found."""
    top = entry.module.partition(".")[0]
    for root in (
        project.parent / "src",
        project.parent,
        *sorted(p for p in project.parent.iterdir() if p.is_dir()),
    ):
        if (root / top / "__init__.py").is_file():
            return root
    raise SpecError(
        f"method '{entry.name}' is registered as '{entry.value}', but there is no package '{top}'",
        where=str(project),
        fix=f"put the package at src/{top}/, with an __init__.py",
    )
