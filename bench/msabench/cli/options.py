"""Options that several verbs share, and what they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from msabench.study import StudySpec

ResultsRoot = Annotated[
    Path, typer.Option(envvar="MSABENCH_RESULTS", help="Folder of the studies.", show_default=True)
]
DataRoot = Annotated[Path, typer.Option(envvar="MSABENCH_DATA", help="Folder of the feature files.")]
CacheRoot = Annotated[
    Path | None,
    typer.Option(envvar="MSABENCH_CACHE", help="Folder of converted files; by default below the data root."),
]
Methods = Annotated[
    str | None,
    typer.Option(
        "--methods", "-m", help="Names, wildcards, variants: 'all', 'tfn,al*', 'almt,almt[frame_window=50]'."
    ),
]
Datasets = Annotated[
    str | None, typer.Option("--datasets", "-d", help="Names and wildcards: 'mosi,mosei', 'mosi:aligned'.")
]
Seeds = Annotated[str | None, typer.Option(help="A count (5: 1111 to 1115), a range (1-3), a list (1,2,7).")]
Epochs = Annotated[int | None, typer.Option(help="Cap on every method's epochs; default: as published.")]
Patience = Annotated[
    int | None, typer.Option(help="Epochs without improvement, for every method; default: as published.")
]
Encoder = Annotated[
    str | None,
    typer.Option(
        "--text-encoder",
        "-t",
        help="'bert', 'minilm', 'features', 'tiny', a hub name in the cache, a folder.",
    ),
]
Trials = Annotated[
    int | None,
    typer.Option(help="Search every method's hyperparameters with so many trials, and report the best."),
]
SamplerName = Annotated[
    str | None, typer.Option("--sampler", help="qmc (default), random or tpe: what the trials try.")
]
TrackNames = Annotated[
    str | None,
    typer.Option("--track", help="paper, tuned or 'paper,tuned'; default: tuned with --trials, else paper."),
]
Twin = Annotated[bool, typer.Option("--twin", help="Run on generated data of the same sizes and shapes.")]
Scale = Annotated[float | None, typer.Option(help="Size of the twins, as a share of the real dataset's.")]
Files = Annotated[
    list[str] | None, typer.Option("--file", help="DATASET=PATH: a feature file lying elsewhere; repeatable.")
]
Name = Annotated[str | None, typer.Option(help="The study's folder; default: datasets and a hash.")]
StudyFile = Annotated[Path | None, typer.Option("--study", help="A study.toml with these same settings.")]


def study_of(
    *,
    study: Path | None,
    methods: str | None,
    datasets: str | None,
    seeds: str | None,
    epochs: int | None,
    patience: int | None,
    text_encoder: str | None,
    trials: int | None,
    sampler: str | None,
    track: str | None,
    twin: bool,
    scale: float | None,
    files: list[str] | None,
    name: str | None,
) -> StudySpec:
    """The study that a command line describes: the file's settings, and the options above them.

    Raises
    ------
    SpecError
        At unknown names, contradictions, or if neither a file nor datasets are given.
    """
    from dataclasses import replace

    from msabench.data.cards import DATASETS
    from msabench.errors import SpecError
    from msabench.run import Budget
    from msabench.study import StudySpec, expand_datasets, expand_seeds, read_study
    from msabench.variants import expand_methods

    if study is None and datasets is None:
        raise SpecError(
            f"no dataset is named; known are: {', '.join(DATASETS)}",
            fix="msabench run --methods all --datasets demo",
        )
    base = read_study(study) if study else None
    chosen = StudySpec(
        methods=expand_methods(methods or (base.methods if base else "all")),
        datasets=expand_datasets(
            datasets or (base.datasets if base else ""), twin=twin or bool(base and base.twin)
        ),
        seeds=base.seeds if base and seeds is None else expand_seeds(seeds if seeds is not None else "5"),
        text_encoder=text_encoder or (base.text_encoder if base else "bert"),
        budget=Budget(
            epochs=epochs if epochs is not None or base is None else base.budget.epochs,
            patience=patience if patience is not None or base is None else base.budget.patience,
        ),
        **_search_of(base, trials, sampler, track),
        twin=twin or bool(base and base.twin),
        scale=scale if scale is not None else (base.scale if base else 1.0),
        files={**(base.files if base else {}), **_files(files or [])},
        name=name or (base.name if base else ""),
    )
    return replace(chosen, name=chosen.folder)


def _search_of(
    base: StudySpec | None, trials: int | None, sampler: str | None, track: str | None
) -> dict[str, Any]:
    """The search and the tracks: the command line's, or the file's where that says nothing."""
    from dataclasses import replace

    from msabench.errors import SpecError
    from msabench.search import SearchSpec

    search = base.search if base else None
    if trials is not None:
        search = replace(search or SearchSpec(trials=trials), trials=trials)
    if sampler is not None:
        if search is None:
            raise SpecError("--sampler says what trials try, but there are none", fix="add --trials 20")
        search = replace(search, sampler=sampler)  # type: ignore[arg-type]  # SearchSpec checks it
    if track is not None:
        tracks = tuple(dict.fromkeys(name.strip() for name in track.split(",") if name.strip()))
    elif trials is None and base:
        tracks = base.tracks
    else:
        tracks = ("tuned",) if search else ("paper",)
    return {"search": search if "tuned" in tracks or track is None else None, "tracks": tracks}


def _files(pairs: list[str]) -> dict[str, str]:
    from msabench.errors import SpecError
    from msabench.study import expand_datasets

    found = {}
    for pair in pairs:
        dataset, sign, path = pair.partition("=")
        if not (dataset and sign and path):
            raise SpecError(f"--file {pair!r} is not of the form DATASET=PATH")
        for canonical in expand_datasets(dataset):
            found[canonical] = str(Path(path).expanduser().resolve())
    return found
