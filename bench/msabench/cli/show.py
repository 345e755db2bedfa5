"""`msabench show`: everything about one method, dataset or run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from msabench.cli.options import DataRoot, ResultsRoot

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from msabench.data.cards import DatasetCard
    from msabench.registry import MethodCard


def show(
    name: Annotated[
        str, typer.Argument(help="A method, a dataset, a wildcard, or the first digits of a run's key.")
    ],
    dataset: Annotated[
        str | None, typer.Option("--dataset", "-d", help="Only what a method's card says of this dataset.")
    ] = None,
    data_root: DataRoot = Path("datasets"),
    results_root: ResultsRoot = Path("results"),
) -> None:
    """Show a method (citation, hyperparameters, deviations), a dataset, or a recorded run."""
    from difflib import get_close_matches
    from fnmatch import filter as matching

    from rich.console import Console

    from msabench.cli.show_run import find_runs, print_run
    from msabench.data.cards import DATASETS, resolve
    from msabench.errors import unknown
    from msabench.registry import METHODS

    console = Console(emoji=False, highlight=False)
    only = resolve(dataset)[0].name if dataset else None
    plain, _, variant = name.lower().partition(":")
    methods = matching(METHODS, plain.replace("-", "_"))
    datasets = matching(DATASETS, plain.replace("_", "-"))
    runs = {} if methods or datasets else find_runs(results_root, plain)
    if not (methods or datasets or runs):
        # of keys only one that is meant: thousands would bury the names
        known = [*METHODS, *DATASETS, *get_close_matches(plain, find_runs(results_root), n=1)]
        raise unknown("method, dataset or run", name, known, "msabench list methods, or list datasets")
    for each in methods:
        _print_method(console, METHODS.card(each), only)
    for each in datasets:
        if variant:
            DATASETS[each].variant(variant)
        _print_dataset(console, DATASETS[each], data_root)
    for key, folders in runs.items():
        for folder in folders:
            print_run(console, folder, key)


def heading(console: Console, text: str) -> None:
    """A title over what follows."""
    from rich.markup import escape

    console.print(f"\n[bold]{escape(text)}[/]")


def facts(console: Console, values: Mapping[str, object]) -> None:
    """Name and value, a line each; empty ones are left out."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in values.items():
        if value not in ("", None):
            table.add_row(_plain(name), _plain(value))
    console.print(table)


def grid(*headings: str) -> Table:
    """An empty table whose columns after the first are aligned to the right."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for at, text in enumerate(headings):
        table.add_column(text, justify="right" if at else "left", overflow="fold")
    return table


def _plain(value: object) -> str:
    from rich.markup import escape

    return escape(str(value))


def _print_method(console: Console, card: MethodCard, only: str | None) -> None:
    from msabench.registry import RECONSTRUCTION

    heading(console, f"{card.title} ({card.name}, version {card.version})")
    if card.reconstruction:
        console.print(f"[yellow]{RECONSTRUCTION}[/]")
    facts(
        console,
        {
            **card.citation,
            **{f"reference {name}": value for name, value in card.reference.items()},
            "task": ", ".join(card.tasks),
            "text encoder": card.text,
            "selection as published": "; ".join(
                [card.as_published, *(f"{rule} on {name}" for name, rule in card.selections.items())]
            ),
            "convention as published": ", ".join(f"{name} on {of}" for of, name in card.conventions.items()),
            "needs": ", ".join(card.needs).replace("_", " "),
        },
    )
    _print_published(console, card, only)
    _print_hyperparameters(console, card, only)
    if card.parameters:
        heading(console, "Parameters (trainable, without the text encoder)")
        facts(
            console, {name: f"{count:,}" for name, count in card.parameters.items() if only in (None, name)}
        )
    if card.deviations:
        heading(
            console, "Where the public code departs from what is published, and ours from the public code"
        )
        facts(console, {each.id: each.text + _switch(card, each.switch, only) for each in card.deviations})


def _print_published(console: Console, card: MethodCard, only: str | None) -> None:
    numbers: dict[str, int] = {}
    lines: dict[tuple[str, str, str], list[str]] = {}
    for figure in card.published:
        if only in (None, figure.dataset.partition(":")[0]):
            digits = f"{figure.value:.4g}" if figure.value < 10 else f"{figure.value:.2f}"
            of = ", ".join(f"{name} = {_text(value)}" for name, value in figure.settings.items())
            remarks = (
                figure.source,
                figure.note,
                f"withdrawn: {figure.withdrawn}" if figure.withdrawn else "",
                f"not comparable: {figure.not_comparable}" if figure.not_comparable else "",
            )
            number = numbers.setdefault("; ".join(filter(None, remarks)), len(numbers) + 1)
            line = (figure.dataset, of or "the method", f"[{number}]")
            lines.setdefault(line, []).append(f"{figure.metric} {digits}")
    if not lines:
        heading(console, "Published figures: not found")
        return
    heading(console, "Published elsewhere, not measured here (accuracies and F1 in percent)")
    table = grid("dataset", "of", "source", "published figures")
    for column in table.columns:
        column.justify = "left"
    for key, figures in lines.items():
        table.add_row(*map(_plain, key), ", ".join(figures))
    console.print(table)
    facts(console, {f"[{number}]": source for source, number in numbers.items()})


def _print_hyperparameters(console: Console, card: MethodCard, only: str | None) -> None:
    from msabench.registry import AS_PUBLISHED

    base = card.values(only or "default")
    heading(console, f"Hyperparameters for {only}" if only else "Hyperparameters")
    table = grid("", only or "default", "search")
    table.columns[0].no_wrap = True
    table.columns[-1].justify = "left"
    for name, value in base.items():
        differs = value != card.values("default")[name]
        table.add_row(name, _value(value, differs=differs), _range(card.search.get(name)))
    console.print(table)
    others = {} if only else {name: card.values(name) for name in card.hyperparameters}
    changes = {
        name: ", ".join(f"{key} = {_text(value)}" for key, value in values.items() if value != base[key])
        for name, values in others.items()
        if name not in ("default", AS_PUBLISHED)
    }
    if any(changes.values()):
        console.print("Other values:")
        facts(console, changes)
    if overlay := card.hyperparameters.get(AS_PUBLISHED):
        heading(console, f"As published: {card.name}[{AS_PUBLISHED}=true]")
        facts(
            console,
            {name: f"{_text(value)} instead of {_text(base[name])}" for name, value in overlay.items()},
        )


def _switch(card: MethodCard, name: str, only: str | None) -> str:
    """What a switch stands at, and what it was published with."""
    from msabench.registry import AS_PUBLISHED

    values = card.values(only or "default")
    if name not in values:
        return ""
    published = card.hyperparameters.get(AS_PUBLISHED, {}).get(name, values[name])
    also = f", as published {_text(published)}" if published != values[name] else ""
    return f" Switch: {name}, default {_text(values[name])}{also}."


def _text(value: Any) -> str:
    """As brackets take it: `false`, `0.0001`, `[1, 5]`."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _value(value: Any, *, differs: bool) -> str:
    text = _plain(_text(value))
    return f"[bold]{text}[/]" if differs else text


def _range(space: Mapping[str, Any] | None) -> str:
    if space is None:
        return "-"
    if "choices" in space:
        return _plain(", ".join(str(choice) for choice in space["choices"]))
    scale = " (log)" if space.get("log") else ""
    return f"{space['low']:g} to {space['high']:g}{scale}"


def _print_dataset(console: Console, card: DatasetCard, data_root: Path) -> None:
    from msabench.cli.listing import place_of

    heading(console, f"{card.title} ({card.name})")
    task = card.task
    labels = f"{task.label_range[0]:g} to {task.label_range[1]:g}"
    facts(
        console,
        {
            "language": card.language,
            "task": f"{task.kind}, labels {labels}" + (f", {task.classes} classes" * (task.classes > 1)),
            "classes": ", ".join(f"{at} {name}" for at, name in enumerate(card.class_names)),
            "modalities": ", ".join(card.modalities),
            "labels per modality": "yes" if card.unimodal else "no",
            "samples": ", ".join(f"{count} {split}" for split, count in card.splits.items()) or "not stated",
            "convention": card.convention,
            "licence": card.licence,
            "address": card.url,
            "citation": card.citation.get("text", ""),
            "how to get it": card.how_to_get.strip(),
        },
    )
    table = grid("variant", "layout", "text", "audio", "vision")
    table.columns[1].justify = "left"
    for variant in card.variants.values():
        name = f"{variant.name} (default)" if variant.name == card.default_variant else variant.name
        shapes = (_shape(each) for each in (variant.text, variant.audio, variant.vision))
        table.add_row(name, variant.layout, *shapes)
    console.print(table)
    # a line of its own: a path that a column breaks cannot be copied
    for variant in card.variants.values():
        place = place_of(f"{card.name}:{variant.name}", data_root)
        missing = (
            "made on first use" if card.embedded else f"not found; looked for {' or '.join(variant.files)}"
        )
        console.print(f"  {_plain(variant.name)}: {_plain(place or missing)}", soft_wrap=True)
    for variant in card.variants.values():
        for quirk in variant.quirks:
            console.print(f"  {_plain(variant.name)}: {_plain(quirk)}", soft_wrap=True)
    offered = [variant.name for variant in card.variants.values() if variant.download]
    if offered:
        names = ", ".join(f"msabench data get {card.name}:{name}" for name in offered)
        console.print(f"\nOffered at direct addresses: {_plain(names)}", soft_wrap=True)


def _shape(shape: tuple[int, int]) -> str:
    length, width = shape
    return f"{length or 'any'} × {width or 'any'}" if any(shape) else "-"
