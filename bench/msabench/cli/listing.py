"""`msabench list`: what there is to choose from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from msabench.cli.options import DataRoot

if TYPE_CHECKING:
    from rich.table import Table


def list_(
    what: Annotated[str, typer.Argument(help="methods, datasets, conventions, selections or encoders.")],
    pattern: Annotated[str, typer.Argument(help="Only names like this: 'al*', 'mosi'.")] = "*",
    data_root: DataRoot = Path("datasets"),
) -> None:
    """List what there is to choose from; `msabench show` says more of a method or dataset."""
    from rich.console import Console

    from msabench.cli.tables import keep_words
    from msabench.errors import unknown

    tables: Mapping[str, Callable[[str, Path], Table]] = {
        "methods": _methods,
        "datasets": _datasets,
        "conventions": _conventions,
        "selections": _selections,
        "encoders": _encoders,
    }
    if what not in tables:
        raise unknown("list", what, tables, f"msabench list {'|'.join(tables)}")
    console = Console(emoji=False)
    console.print(keep_words(tables[what](pattern, data_root), console))


def place_of(dataset: str, data_root: Path) -> Path | None:
    """The feature file of a dataset variant, if it is there."""
    from msabench.data import locate
    from msabench.errors import DataError

    try:
        return locate(dataset, data_root)
    except DataError:
        return None


def _table(title: str, *headings: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for at, heading in enumerate(headings):
        table.add_column(heading, no_wrap=at == 0, overflow="fold")
    return table


def _matching(kind: str, pattern: str, names: Iterable[str]) -> list[str]:
    import fnmatch

    from msabench.errors import unknown

    known = list(names)
    found = known if pattern == "all" else fnmatch.filter(known, pattern)
    if not found:
        raise unknown(kind, pattern, known, f"msabench list {kind}s")
    return found


def _methods(pattern: str, data_root: Path) -> Table:
    from rich.markup import escape

    from msabench.errors import SpecError
    from msabench.registry import METHODS

    table = _table("Methods", "name", "title", "published", "task", "text", "code")
    table.columns[-1].no_wrap = True
    for name in METHODS.match(pattern):
        try:
            card = METHODS.card(name)
        except SpecError as error:  # one method's card must not hide the others
            table.add_row(name, f"[red]{escape(error.what)}[/]")
            continue
        table.add_row(
            name,
            escape(card.title),
            escape(str(card.citation.get("venue", ""))),
            ", ".join(card.tasks),
            card.text,
            "[yellow]reconstruction[/]" if card.reconstruction else "public",
        )
    return table


def _datasets(pattern: str, data_root: Path) -> Table:
    from rich.markup import escape

    from msabench.data.cards import DATASETS
    from msabench.errors import SpecError

    headings = ("name", "lang.", "train/valid/test", "variant", "convention", "found")
    table = _table(f"Datasets (data root: {data_root})", *headings)
    for column in table.columns[:-1]:
        column.no_wrap = True  # sizes and names that are broken in two are read wrongly
    for name in _matching("dataset", pattern.partition(":")[0].replace("_", "-"), DATASETS):
        try:
            card = DATASETS[name]
        except SpecError as error:  # a user's broken card must not hide the others
            table.add_row(name, f"[red]{escape(error.what)}[/]")
            continue
        for at, (variant, about_it) in enumerate(card.variants.items()):
            if card.embedded:
                found = "made on first use"
            else:
                place = place_of(f"{name}:{variant}", data_root)
                without = " (--twin)" if card.has_twin(about_it) else ""
                found = "[green]yes[/]" if place else f"[red]no[/]{without}"
            mark = f"{variant} *" if variant == card.default_variant and len(card.variants) > 1 else variant
            sizes = "/".join(str(size) for size in card.splits.values()) or "not stated"
            about = (name, card.language, sizes) if at == 0 else ("", "", "")
            table.add_row(*about, mark, card.convention if at == 0 else "", found)
    table.caption = (
        "* is taken where none is named; another one is named as in mosi:aligned\n"
        "(--twin) runs without a file, on generated data; msabench show NAME says how to get one"
    )
    table.caption_justify = "left"
    return table


def _conventions(pattern: str, data_root: Path) -> Table:
    from msabench.data.cards import DATASETS
    from msabench.metrics import CONVENTIONS

    table = _table("Metric conventions", "name", "title", "tasks", "metrics", "used on", "default of")
    for name in _matching("convention", pattern, CONVENTIONS):
        convention = CONVENTIONS[name]
        used = [card.name for card in DATASETS.readable() if card.convention == name]
        table.add_row(
            name,
            convention.title,
            ", ".join(convention.tasks),
            ", ".join(metric.key for metric in convention.metrics),
            ", ".join(convention.datasets),
            ", ".join(used),
        )
    return table


def _selections(pattern: str, data_root: Path) -> Table:
    from rich.markup import escape

    from msabench.selection import SELECTIONS

    table = _table(
        "Selections: which epoch a figure comes from", "name", "sees the test labels", "definition"
    )
    for name in _matching("selection", pattern, SELECTIONS):
        rule = SELECTIONS[name]
        sees = "as the rule does" if rule.pick is None else "[red]yes: oracle[/]" if rule.oracle else "no"
        table.add_row(name, sees, escape(rule.doc))
    return table


def _encoders(pattern: str, data_root: Path) -> Table:
    from typing import get_args

    from rich.markup import escape

    from msabench.data.types import Language
    from msabench.encoders import available

    found = {language: available(language) for language in get_args(Language)}
    known = {status.name: status for statuses in found.values() for status in statuses}
    table = _table("Text encoders (--text-encoder)", "name", "languages", "found", "where, or what to do")
    for name in _matching("encoder", pattern, known):
        languages = [lang for lang, statuses in found.items() if name in {each.name for each in statuses}]
        status = known[name]
        mark = "[green]yes[/]" if status.found else "[red]no[/]"
        table.add_row(
            name, ", ".join(languages), mark, escape(status.where if status.found else status.advice)
        )
    return table
