"""The options that describe a study: the same for every verb that takes them, each written here alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from msabench.search import SearchSpec
    from msabench.study import StudySpec


@dataclass(frozen=True, kw_only=True)
class StudyOptions:
    """What a command line says of a study; None leaves a setting to the `--study` file, or its default."""

    methods: Annotated[
        str | None,
        typer.Option(
            "--methods",
            "-m",
            help="Names, wildcards, variants: 'tfn,al*', 'almt,almt\\[fusion=off]'; default: all.",
        ),
    ] = None
    datasets: Annotated[
        str | None,
        typer.Option("--datasets", "-d", help="Names and wildcards: 'mosi,mosei', 'mosi:aligned'."),
    ] = None
    seeds: Annotated[
        str | None, typer.Option(help="A count (3: 1111 to 1113), a range (1-3), a list (1,2,7); default: 5.")
    ] = None
    epochs: Annotated[
        int | None, typer.Option(help="Cap on every method's epochs; default: as published.")
    ] = None
    patience: Annotated[
        int | None, typer.Option(help="Epochs without improvement, for every method; default: as published.")
    ] = None
    text_encoder: Annotated[
        str | None,
        typer.Option(
            "--text-encoder",
            "-t",
            help="bert (default), minilm, features, tiny, a hub name in the cache, a folder.",
        ),
    ] = None
    max_seconds: Annotated[
        float | None,
        typer.Option(help="Seconds after which a run begins no further epoch; default: no limit."),
    ] = None
    trials: Annotated[
        int | None,
        typer.Option(
            help="Search every method's hyperparameters with so many trials, and report the best; "
            "default: no search."
        ),
    ] = None
    sampler: Annotated[
        str | None, typer.Option(help="qmc (default), random or tpe: what the trials try.")
    ] = None
    search_hours: Annotated[
        float | None,
        typer.Option(help="Compute-hours of each search's trials, at most; default: no limit."),
    ] = None
    prune: Annotated[
        str | None,
        typer.Option(help="none (default) or median: end trials early that lag behind the first five."),
    ] = None
    track: Annotated[
        str | None,
        typer.Option(help="paper, tuned or 'paper,tuned'; default: tuned with --trials, else paper."),
    ] = None
    twin: Annotated[
        bool, typer.Option("--twin", help="Run on generated data of the same sizes and shapes.")
    ] = False
    scale: Annotated[
        float | None,
        typer.Option(help="Size of the twins, as a share of the real dataset's, above 0; default: 1."),
    ] = None
    file: Annotated[
        list[str] | None,
        typer.Option(help="DATASET=PATH: a feature file lying elsewhere; repeatable."),
    ] = None
    name: Annotated[str | None, typer.Option(help="The study's folder; default: datasets and a hash.")] = None
    study: Annotated[
        Path | None, typer.Option(help="A study.toml with these same settings, or the folder it is in.")
    ] = None

    def spec(self) -> StudySpec:
        """The study that the options describe: the file's settings, and the options above them.

        Raises
        ------
        SpecError
            At unknown names, contradictions, or if neither a file nor datasets are given.
        """
        from dataclasses import replace

        from msabench.data.cards import DATASETS
        from msabench.errors import SpecError
        from msabench.study import StudySpec, expand_datasets, expand_seeds, read_study
        from msabench.variants import expand_methods

        if self.study is None and self.datasets is None:
            raise SpecError(
                f"no dataset is named; known are: {', '.join(DATASETS)}",
                fix="msabench run --methods all --datasets demo",
            )
        frozen = self.study / "study.toml" if self.study and self.study.is_dir() else self.study
        base = read_study(frozen) if frozen else None
        twin = self.twin or bool(base and base.twin)
        chosen = StudySpec(
            methods=expand_methods(self.methods or (base.methods if base else "all")),
            datasets=expand_datasets(self.datasets or (base.datasets if base else ""), twin=twin),
            seeds=base.seeds if base and self.seeds is None else expand_seeds(self._seeds),
            text_encoder=self.text_encoder or (base.text_encoder if base else "bert"),
            twin=twin,
            scale=self.scale if self.scale is not None else (base.scale if base else 1.0),
            files={**(base.files if base else {}), **_files(self.file or [])},
            name=self.name or (base.name if base else ""),
            **self._budgets(base),
        )
        return replace(chosen, name=chosen.folder)

    @property
    def _seeds(self) -> str:
        return "5" if self.seeds is None else self.seeds

    def _budgets(self, base: StudySpec | None) -> dict[str, Any]:
        """What a run and a search may spend, and the tracks."""
        from dataclasses import replace

        from msabench.cli.options import names
        from msabench.errors import SpecError
        from msabench.run import Budget

        search = self._search(base.search if base else None)
        if self.track is not None:
            tracks = names([self.track])
        elif self.trials is None and base:
            tracks = base.tracks
        else:
            tracks = ("tuned",) if search else ("paper",)
        if tracks == ("paper",) and self._searching:
            raise SpecError(
                "--track paper searches nothing, but --trials, --sampler, --search-hours or --prune is given",
                fix="--track paper,tuned runs both; or leave the options of the search out",
            )
        return {
            "budget": replace(
                base.budget if base else Budget(),
                **_given(epochs=self.epochs, patience=self.patience, seconds=self.max_seconds),
            ),
            "search": search if "tuned" in tracks or self.track is None else None,
            "tracks": tracks,
        }

    @property
    def _searching(self) -> dict[str, Any]:
        return _given(trials=self.trials, sampler=self.sampler, hours=self.search_hours, prune=self.prune)

    def _search(self, base: SearchSpec | None) -> SearchSpec | None:
        from dataclasses import replace

        from msabench.errors import SpecError
        from msabench.search import SearchSpec

        given = self._searching
        if base is None and self.trials is None and given:
            raise SpecError(
                "--sampler, --search-hours and --prune speak of a search's trials, but there are none",
                fix="add --trials 20",
            )
        if not given:
            return base
        return replace(base, **given) if base else SearchSpec(**given)


def _given(**options: Any) -> dict[str, Any]:
    """The options that the command line has."""
    return {name: value for name, value in options.items() if value is not None}


def _files(pairs: list[str]) -> dict[str, str]:
    from msabench.errors import SpecError
    from msabench.study import expand_datasets

    found = {}
    for pair in pairs:
        dataset, sign, path = pair.partition("=")
        if not (dataset and sign and path):
            raise SpecError(
                f"--file {pair!r} is not of the form DATASET=PATH", fix=f"as in --file mosi={path or pair}"
            )
        for canonical in expand_datasets(dataset):
            found[canonical] = str(Path(path).expanduser().resolve())
    return found
