"""A study: what one benchmark compares, frozen into its folder, and the runs it needs."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import tomli_w

from msabench import encoders
from msabench.data import DataSource, match, source
from msabench.encoders import EncoderRef
from msabench.errors import SpecError, unknown
from msabench.records import Store
from msabench.registry import METHODS, UNIMODAL_LABELS, MethodCard
from msabench.run import Budget, RunSpec, Track
from msabench.search import Search, SearchSpec, Trial, space_of
from msabench.variants import canonical, parse_row

FIRST_SEED = 1111
"""Studies of this field count their seeds from here."""


@dataclass(frozen=True, kw_only=True)
class StudySpec:
    """What a benchmark compares, and under which equal conditions."""

    methods: tuple[str, ...]
    """Rows: a method, or a variant of it as in `almt[fusion_readout=mean_language]`"""
    datasets: tuple[str, ...]
    """Datasets with their feature files, as in `mosi:unaligned`"""
    seeds: tuple[int, ...]
    text_encoder: str = "bert"
    budget: Budget = field(default_factory=Budget)
    tracks: tuple[Track, ...] = ("paper",)
    """`paper`: every method at its published hyperparameters; `tuned`: each at the best of its search"""
    search: SearchSpec | None = None
    """What each search of the track `tuned` may spend"""
    twin: bool = False
    """Run on generated data of the datasets' sizes and shapes"""
    scale: float = 1.0
    """Size of the twins, as a share of the real dataset's"""
    files: Mapping[str, str] = field(default_factory=dict)
    """Feature files given by hand, dataset to path"""
    name: str = ""
    """The study's folder below the results root; empty derives one from the settings"""

    def __post_init__(self) -> None:
        for what in ("methods", "datasets", "seeds"):
            values = getattr(self, what)
            if not values:
                raise SpecError(f"a study needs {what}, but got none", fix="msabench run --help")
            if len(set(values)) != len(values):
                twice = sorted({str(v) for v in values if values.count(v) > 1})
                raise SpecError(f"{what} named twice in one study: {', '.join(twice)}")
        self._check_search()
        if not 0 < self.scale <= 1:
            raise SpecError(f"`0 < scale <= 1` must hold, but got scale={self.scale}")
        if self.scale != 1 and not self.twin:
            raise SpecError("`--scale` sizes twins; real datasets are used whole", fix="add --twin")
        if self.budget.epochs is not None and self.budget.epochs < 1:
            raise SpecError(f"`epochs >= 1` must hold, but got epochs={self.budget.epochs}")
        if self.budget.patience is not None and self.budget.patience < 0:
            raise SpecError(f"`patience >= 0` must hold, but got patience={self.budget.patience}")
        if self.name and not re.fullmatch(r"[\w.+-]+", self.name):
            raise SpecError(f"study name {self.name!r} is no folder name: use letters, digits, . _ + -")

    def _check_search(self) -> None:
        for track in self.tracks:
            if track not in ("paper", "tuned"):
                raise SpecError(f"track '{track}' is not known", fix="choose paper, tuned, or both")
        if ("tuned" in self.tracks) != (self.search is not None):
            raise SpecError("the track 'tuned' and a number of trials go together", fix="add --trials 20")
        if self.search and self.search.seed in self.seeds:
            raise SpecError(
                f"seed {self.search.seed} is the search's own: what it chose cannot be reported on it",
                fix="leave it out of --seeds",
            )

    @property
    def conditions(self) -> dict[str, Any]:
        """What must be equal for every run of a study; methods, datasets and seeds may be added later.

        A search may be added to a study that has none, and its runs stand beside those of the track `paper`.
        """
        kept = ("text_encoder", "budget", "twin", "scale", *(["search"] if self.search else []))
        return {name: value for name, value in asdict(self).items() if name in kept}

    @property
    def folder(self) -> str:
        """The study's folder: its name, or the datasets and a hash of the conditions."""
        if self.name:
            return self.name
        names = sorted({dataset.split(":")[0] for dataset in self.datasets})
        text = json.dumps([self.conditions, sorted(self.datasets)], sort_keys=True)
        return "+".join(names[:3]) + "-" + hashlib.sha256(text.encode()).hexdigest()[:6]

    def to_toml(self) -> str:
        """The text of `study.toml`; what is left to each method (None) is left out."""
        plain = {**asdict(self), "name": self.folder}
        plain["budget"] = {name: value for name, value in plain["budget"].items() if value is not None}
        if plain["search"] is None:
            del plain["search"]
        return tomli_w.dumps(json.loads(json.dumps(plain)))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], where: str = "") -> StudySpec:
        """From parsed TOML.

        Raises
        ------
        SpecError
            At an unknown or missing key, or a value of the wrong type.
        """
        known = {f.name for f in fields(cls)}
        for key in values:
            if key not in known:
                raise SpecError(f"{unknown('study setting', key, known)}", where=where)
        made = dict(values)
        try:
            made["budget"] = Budget(**made.get("budget", {}))
            if "search" in made:
                made["search"] = SearchSpec(**made["search"])
                made.setdefault("tracks", ("tuned",))
            for name in ("methods", "datasets", "seeds", *(["tracks"] if "tracks" in made else [])):
                made[name] = tuple(made[name])
            return cls(**made)
        except KeyError as error:
            raise SpecError(f"a study needs {error}", where=where) from error
        except TypeError as error:
            raise SpecError(f"a study setting is not of the expected form: {error}", where=where) from error


def read_study(path: Path) -> StudySpec:
    """Read a study file, or the frozen study of a results folder.

    Raises
    ------
    SpecError
        If the file is absent, is not TOML, or holds unknown settings.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SpecError("there is no study file", where=str(path)) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpecError(f"a study file cannot be read: {error}", where=str(path)) from error
    return StudySpec.from_mapping(raw, str(path))


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A row that does not run on a dataset: not defined for it, or the same run as another row."""

    method: str
    dataset: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Every run of a study, and what they read."""

    study: StudySpec
    runs: tuple[RunSpec, ...]
    """Those of the track `tuned` are known when their search has chosen: see `with_tuned`"""
    sources: Mapping[str, DataSource]
    """Dataset to feature file"""
    encoders: Mapping[str, EncoderRef]
    """Dataset to text encoder"""
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    """What to know of rows that run"""
    searches: tuple[Search, ...] = ()
    """One for each row and dataset of the track `tuned`"""

    def with_tuned(self, chosen: Mapping[str, Trial]) -> Plan:
        """The plan with the runs of the settings that the searches, by name, have chosen."""
        tuned = [
            replace(search.run(chosen[search.name].values), track="tuned", seed=seed)
            for search in self.searches
            if search.name in chosen
            for seed in self.study.seeds
        ]
        return replace(self, runs=(*self.runs, *tuned))

    def missing(self, store: Store, retry_failed: bool = False) -> list[RunSpec]:
        """Runs without a record; with `retry_failed`, also those whose record is a failure."""
        done = set(store.keys("finished") if retry_failed else store.keys())
        return [run for run in self.runs if run.key not in done]


def freeze(plan: Plan, folder: Path) -> None:
    """Write `study.toml` and `plan.json`, joined with what the folder's study already compares.

    `plan.json` names every run by its key, so that a study's state can be read without its data.

    Raises
    ------
    SpecError
        If the folder holds a study under other conditions: its runs could not be compared with these.
    """
    study, path = plan.study, folder / "study.toml"
    if path.exists():
        old = read_study(path)
        for name, value in old.conditions.items():
            if name not in study.conditions:  # a search that this command does not speak of
                continue
            if study.conditions[name] != value:
                raise SpecError(
                    f"the study '{folder.name}' has {name} = {value}, but this command has "
                    f"{study.conditions[name]}: their runs could not be compared",
                    where=str(path),
                    fix="give the same setting, or another --name",
                )
        study = replace(
            study,
            methods=tuple(dict.fromkeys((*old.methods, *study.methods))),
            datasets=tuple(dict.fromkeys((*old.datasets, *study.datasets))),
            seeds=tuple(dict.fromkeys((*old.seeds, *study.seeds))),
            tracks=tuple(dict.fromkeys((*old.tracks, *study.tracks))),
            search=study.search or old.search,
        )
    folder.mkdir(parents=True, exist_ok=True)
    _write(path, study.to_toml())
    names = ("row", "dataset", "seed", "track")
    lines = {run.key: {name: getattr(run, name) for name in names} for run in plan.runs}
    replaced = [*lines.values()]
    # a new version of a method or of a feature file takes the place of the old one's runs
    before = {key: {"track": "paper", **line} for key, line in Store(folder).planned().items()}
    kept = {key: line for key, line in before.items() if line not in replaced}
    _write(folder / "plan.json", json.dumps({**kept, **lines}, indent=1))


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def plan(study: StudySpec, data_root: Path, cache_root: Path | None = None) -> Plan:
    """The runs of a study, in the order of datasets, methods and seeds. Nothing is trained or converted.

    Raises
    ------
    DataError
        If a dataset's file is missing: where it was looked for, how to get it.
    SpecError
        If a name is unknown, or the text encoder is not to be found.
    """
    sources = {
        name: source(
            name,
            data_root,
            twin=study.twin,
            scale=study.scale,
            file=Path(study.files[name]) if name in study.files else None,
            cache_root=cache_root,
        )
        for name in study.datasets
    }
    refs = {
        name: encoders.resolve(study.text_encoder, found.card.language) for name, found in sources.items()
    }
    runs: list[RunSpec] = []
    skipped: list[Skipped] = []
    notes: list[str] = []
    searches: list[Search] = []
    for dataset, found in sources.items():
        same = _same_settings(study.methods, dataset)
        for row in study.methods:
            method, overrides = parse_row(row)
            card = METHODS.card(method)
            if reason := _unfit(card, found) or _repeated(study, row, same[row]):
                skipped.append(Skipped(method=row, dataset=dataset, reason=reason))
                continue
            if same[row] != row:
                notes.append(f"{row} is {same[row]} on {dataset}: the card has these values already")
            if "paper" in study.tracks:
                runs += [_run(study, card, overrides, found, refs[dataset], seed) for seed in study.seeds]
            if study.search:
                template = _run(study, card, overrides, found, refs[dataset], study.search.seed)
                searches.append(
                    Search(
                        template=replace(template, track="trial"),
                        space=space_of(card, found.name, overrides),
                        spec=study.search,
                    )
                )
    return Plan(
        study=study,
        runs=tuple(runs),
        sources=sources,
        encoders=refs,
        skipped=tuple(skipped),
        notes=tuple(notes),
        searches=tuple(searches),
    )


def _same_settings(rows: Sequence[str], dataset: str) -> dict[str, str]:
    """Each row's first row with equal hyperparameters on a dataset; a method without brackets comes first."""
    first: dict[str, str] = {}
    found = {}
    plain = [METHODS.card(parse_row(row)[0]).name for row in rows]
    for row in (*plain, *rows):
        method, overrides = parse_row(row)
        card = METHODS.card(method)
        settings = json.dumps([card.name, card.values(dataset, overrides)], sort_keys=True)
        found[row] = first.setdefault(settings, row)
    return found


def _repeated(study: StudySpec, row: str, same: str) -> str:
    """Why a row would train another row's runs again, or empty.

    A search keeps both: what brackets fix, the search of that row does not change.
    """
    if same == row or same not in study.methods or study.search:
        return ""
    return f"the same run as {same}: its brackets change nothing here"


def _unfit(card: MethodCard, found: DataSource) -> str:
    """Why a method is not defined for a dataset, or empty."""
    if found.card.task.kind not in card.tasks:
        return f"defined for {' and '.join(card.tasks)}, not for {found.card.task.kind}"
    lacking = [name for name in card.modalities if name not in found.card.modalities]
    if UNIMODAL_LABELS in card.needs and not found.card.unimodal:
        lacking.append("labels per modality")
    if lacking:
        return f"needs {' and '.join(lacking)}, which {found.card.title} does not have"
    return ""


def _run(
    study: StudySpec,
    card: MethodCard,
    overrides: Mapping[str, Any],
    found: DataSource,
    encoder: EncoderRef,
    seed: int,
) -> RunSpec:
    return RunSpec(
        method=card.name,
        method_version=card.version,
        hyperparameters=card.values(found.name, overrides),
        variant=canonical(card.name, overrides).partition("[")[2].removesuffix("]"),
        dataset=found.name,
        data_kind=found.kind,
        data_hash=found.fingerprint,
        seed=seed,
        text_encoder=encoder.identity,
        text_mode="frozen" if card.text == "frozen" or encoder.name == "features" else "finetuned",
        budget=study.budget,
    )


def expand_datasets(names: str | Sequence[str], *, twin: bool = False) -> tuple[str, ...]:
    """Names and wildcards, separated by commas, as canonical `dataset:variant`.

    With `twin`, `all` is every dataset that has a twin.
    """
    parts = names.split(",") if isinstance(names, str) else names
    found = [name for part in parts if part.strip() for name in match(part.strip(), twin=twin)]
    return tuple(dict.fromkeys(found))


def expand_seeds(text: str | int) -> tuple[int, ...]:
    """A count (`5`: 1111 to 1115), a range (`1-3`) or a list (`1,2,7`, `1111,` for one seed).

    Raises
    ------
    SpecError
        If the text is none of these.

    >>> expand_seeds("3"), expand_seeds("1,5"), expand_seeds("7-9")
    ((1111, 1112, 1113), (1, 5), (7, 8, 9))
    """
    text = str(text).strip()
    if re.fullmatch(r"\d{1,3}", text) and int(text) > 0:
        return tuple(range(FIRST_SEED, FIRST_SEED + int(text)))
    seeds: list[int] = []
    for part in filter(None, text.split(",")):
        numbers = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if not numbers:
            raise SpecError(f"seeds '{text}' are not a count (5), a range (1-3) or a list (1,2,7)")
        first, last = int(numbers[1]), int(numbers[2] or numbers[1])
        seeds += range(first, last + 1)
    if not seeds:
        raise SpecError(f"seeds '{text}' name no seed")
    return tuple(dict.fromkeys(seeds))
