"""The runs that a study needs, and the folder that it is frozen into."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from msabench import encoders
from msabench.data import DataSource, source
from msabench.encoders import EncoderRef
from msabench.errors import SpecError
from msabench.records import Store
from msabench.registry import METHODS, UNIMODAL_LABELS, MethodCard
from msabench.run import RunSpec
from msabench.search import Search, Trial, space_of
from msabench.study.spec import StudySpec, read_study
from msabench.variants import canonical, parse_row


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
        If the folder holds a study under other conditions: its runs could not be compared with these. Of
        these, the number of a search's trials alone may grow.
    """
    study, path = plan.study, folder / "study.toml"
    if path.exists():
        old = read_study(path)
        for name, value in old.conditions.items():
            if name not in study.conditions:  # a search that this command does not speak of
                continue
            if study.conditions[name] != value and not (name == "search" and _more_trials(old, study)):
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
    lines = {run.key: plan_line(run) for run in plan.runs}
    replaced = {tuple(sorted(line.items())) for line in lines.values()}
    # a new version of a method or of a feature file takes the place of the old one's runs
    before = {key: {"track": "paper", **line} for key, line in Store(folder).planned().items()}
    kept = {key: line for key, line in before.items() if tuple(sorted(line.items())) not in replaced}
    write_plan(folder, {**kept, **lines})


def _more_trials(old: StudySpec, new: StudySpec) -> bool:
    """Whether a study's search goes on with more trials, those made before the first of them, for every row.

    Raises
    ------
    SpecError
        If rows or datasets of the study are left out: their budget would stay behind.
    """
    if old.search is None or new.search is None or new.search.trials < old.search.trials:
        return False
    if replace(new.search, trials=old.search.trials) != old.search:
        return False
    pairs = ((old.methods, new.methods), (old.datasets, new.datasets))
    behind = [name for had, has in pairs for name in had if name not in has]
    if behind:
        raise SpecError(
            f"{new.search.trials} trials instead of {old.search.trials} are for the whole study, but this "
            f"command leaves out {', '.join(behind)}: budgets would differ",
            fix="name every method and dataset of the study",
        )
    return True


def plan_line(run: RunSpec) -> dict[str, Any]:
    """What `plan.json` says of a run under its key."""
    return {name: getattr(run, name) for name in ("row", "dataset", "seed", "track")}


def write_plan(folder: Path, lines: Mapping[str, Mapping[str, Any]]) -> None:
    """Write `plan.json`, whole or not at all: key to `plan_line`."""
    _write(folder / "plan.json", json.dumps(dict(lines), indent=1))


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
                first = _run(study, card, overrides, found, refs[dataset], study.seeds[0])
                runs += [replace(first, seed=seed) for seed in study.seeds]
            if study.search:
                space = space_of(card, found.name, overrides)
                if not space.dimensions:
                    notes.append(f"{row} has nothing to search: every trial is its published setting")
                template = _run(study, card, overrides, found, refs[dataset], study.search.seed)
                searches.append(
                    Search(
                        template=replace(template, track="trial"),
                        space=space,
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
