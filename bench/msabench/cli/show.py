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
        known = [*METHODS, *DATASETS, *find_runs(results_root)]
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
            "selection as published": card.as_published,
        },
    )
    _print_hyperparameters(console, card, only)
    if card.parameters:
        heading(console, "Parameters (trainable, without the text encoder)")
        facts(
            console, {name: f"{count:,}" for name, count in card.parameters.items() if only in (None, name)}
        )
    _print_published(console, card, only)
    if card.deviations:
        heading(console, "Deviations from the reference")
        facts(
            console,
            {
                each.id: each.text + (f" Switch: {each.switch}." if each.switch else "")
                for each in card.deviations
            },
        )


def _print_published(console: Console, card: MethodCard, only: str | None) -> None:
    lines: dict[tuple[str, str], list[str]] = {}
    for figure in card.published:
        if only in (None, figure.dataset):
            digits = f"{figure.value:.4g}" if figure.value < 10 else f"{figure.value:.2f}"
            lines.setdefault((figure.dataset, figure.source), []).append(f"{figure.metric} {digits}")
    if not lines:
        return
    heading(console, "Published elsewhere, not measured here (accuracies and F1 in percent)")
    table = grid("dataset", "published figures", "source")
    for column in table.columns:
        column.justify = "left"
    for (dataset, source), figures in lines.items():
        table.add_row(dataset, ", ".join(figures), _plain(source))
    console.print(table)


def _print_hyperparameters(console: Console, card: MethodCard, only: str | None) -> None:
    own = [name for name, values in card.hyperparameters.items() if name != "default" and values]
    columns = {only: card.values(only)} if only else {name: card.values(name) for name in ("default", *own)}
    heading(console, "Hyperparameters as published")
    table = grid("", *columns, "search")
    for name, value in card.values("default").items():
        cells = [_value(values[name], differs=values[name] != value) for values in columns.values()]
        table.add_row(name, *cells, _range(card.search.get(name)))
    table.columns[-1].justify = "left"
    console.print(table)


def _value(value: Any, *, differs: bool) -> str:
    text = _plain(f"{value:g}" if isinstance(value, float) else value)
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
    table = grid("variant", "layout", "text", "audio", "vision", "file")
    table.columns[1].justify = table.columns[5].justify = "left"
    for variant in card.variants.values():
        name = f"{variant.name} (default)" if variant.name == card.default_variant else variant.name
        place = place_of(f"{card.name}:{variant.name}", data_root)
        missing = (
            "made on first use" if card.embedded else f"not found; looked for {' or '.join(variant.files)}"
        )
        shapes = (_shape(each) for each in (variant.text, variant.audio, variant.vision))
        table.add_row(name, variant.layout, *shapes, _plain(place or missing))
    console.print(table)
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
