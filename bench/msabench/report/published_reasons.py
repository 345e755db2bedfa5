"""Why a measured figure cannot be set against a published one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msabench.data.cards import DATASETS
from msabench.encoders.find import BERT_OF
from msabench.errors import SpecError
from msabench.registry import AS_PUBLISHED, MethodCard, PublishedFigure
from msabench.run import RunSpec

_NAMED = 3
"""Settings that are named where more of them differ"""


def reasons(figure: PublishedFigure, spec: RunSpec, card: MethodCard) -> tuple[str, ...]:
    """What the runs of a spec have that the published figure's had not; empty where they are alike.

    Parameters
    ----------
    spec
        Of any run: what differs between seeds plays no part.
    """
    return (
        *_data(figure, spec),
        *_encoder(figure, spec, card),
        *_settings(figure, spec, card),
        *([f"withdrawn: {figure.withdrawn}"] if figure.withdrawn else []),
        *([figure.not_comparable] if figure.not_comparable else []),
    )


def on_dataset(figure: PublishedFigure, dataset: str) -> bool:
    """Whether a figure belongs to a dataset, whichever its feature files are."""
    return figure.dataset.partition(":")[0] == dataset.partition(":")[0]


def same_files(figure: PublishedFigure, dataset: str) -> bool:
    """Whether it belongs to these feature files."""
    return _canonical(figure.dataset) == dataset


def closest(figures: list[PublishedFigure], spec: RunSpec, card: MethodCard) -> list[PublishedFigure]:
    """Of all figures on a dataset, those of the runs' own feature files and, among its ablations, settings.

    Where the card has none of the same files (then those of the dataset's usual ones are taken) or settings,
    the reasons say so.
    """
    own = [figure for figure in figures if same_files(figure, spec.dataset)]
    own = own or [figure for figure in figures if ":" not in figure.dataset] or figures
    nearest = min(own, key=lambda figure: len(_differences(figure, spec, card)))  # the first of equals
    return [figure for figure in own if figure.settings == nearest.settings]


def _canonical(dataset: str) -> str:
    try:
        return DATASETS.canonical(dataset)
    except SpecError:
        return dataset


def _data(figure: PublishedFigure, spec: RunSpec) -> Iterator[str]:
    if spec.data_kind == "twin":
        yield "the data are a generated twin"
    published = _canonical(figure.dataset)
    if published != spec.dataset:
        yield f"feature files {spec.dataset}, published {published}"
        return
    try:
        stated = DATASETS.resolve(spec.dataset)[1].sha256
    except SpecError:
        return
    if spec.data_kind == "real" and stated and stated != spec.data_hash:
        yield f"feature file {spec.data_hash[:8]}, its owners publish {stated[:8]}"


def _encoder(figure: PublishedFigure, spec: RunSpec, card: MethodCard) -> Iterator[str]:
    published = figure.encoder
    if not published:
        try:
            published = BERT_OF[DATASETS.resolve(spec.dataset)[0].language]
        except SpecError:
            published = "BERT-base"
    used = spec.text_encoder.partition("@")[0]
    if used != published:
        yield f"text encoder {used}, published {published}"
    mode = "frozen" if published == "features" else card.text
    if spec.text_mode != mode:
        yield f"text encoder {spec.text_mode}, published {mode}"


def _settings(figure: PublishedFigure, spec: RunSpec, card: MethodCard) -> Iterator[str]:
    differing = _differences(figure, spec, card)
    named = list(differing.items())[: _NAMED if len(differing) > _NAMED + 1 else None]
    yield from (f"{name} = {_shown(used)}, published {_shown(said)}" for name, (used, said) in named)
    if len(named) < len(differing):
        yield f"{len(differing) - len(named)} more settings"
    cap, patience = spec.budget.epochs, spec.budget.patience
    epochs = spec.hyperparameters.get("epochs", 0)
    if cap is not None and cap < epochs:
        yield f"at most {cap} of {epochs} epochs"
    if patience is not None and patience != spec.hyperparameters.get("patience", patience):
        yield f"patience {patience}, published {spec.hyperparameters['patience']}"
    if spec.budget.seconds is not None:
        yield f"at most {spec.budget.seconds:g} s of training"


def _differences(
    figure: PublishedFigure, spec: RunSpec, card: MethodCard
) -> Mapping[str, tuple[object, object]]:
    """Hyperparameters that the runs have otherwise than the method as published: (used, published)."""
    overlay: dict[str, Any] = {AS_PUBLISHED: True} if AS_PUBLISHED in card.hyperparameters else {}
    published = card.values(spec.dataset, {**overlay, **figure.settings})
    # a record that is older than a switch was made with what is now its default: or the version had changed
    used = {**card.values(spec.dataset), **spec.hyperparameters}
    return {
        name: (value, published.get(name, "none"))
        for name, value in sorted(used.items())
        if value != published.get(name, "none")
    }


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
