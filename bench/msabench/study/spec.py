"""What one benchmark compares, and under which equal conditions."""

from __future__ import annotations

import hashlib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import tomli_w

from msabench.errors import SpecError, unknown
from msabench.run import Budget, Track
from msabench.search import SearchSpec
from msabench.study.names import checked_name


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
        if self.budget.seconds is not None and not 0 < self.budget.seconds < math.inf:
            raise SpecError(f"`seconds > 0` must hold for a run, but got seconds={self.budget.seconds}")
        if self.budget.patience is not None and self.budget.patience < 0:
            raise SpecError(f"`patience >= 0` must hold, but got patience={self.budget.patience}")
        if self.name:
            checked_name(self.name)

    def _check_search(self) -> None:
        for track in self.tracks:
            if track not in ("paper", "tuned"):
                raise SpecError(f"track '{track}' is not known", fix="choose paper, tuned, or both")
        if ("tuned" in self.tracks) != (self.search is not None):
            raise SpecError("the track 'tuned' and a number of trials go together", fix="add --trials 20")
        if self.search and self.search.seed in self.seeds:
            raise SpecError(
                f"seed {self.search.seed} is the search's own: what it chose cannot be reported on it",
                fix="leave it out of --seeds; where the study has it already, give another --name",
            )

    @property
    def conditions(self) -> dict[str, Any]:
        """What must be equal for every run of a study; methods, datasets and seeds may be added later.

        A search may be added to a study that has none, and its runs stand beside those of the track `paper`.
        """
        equal: dict[str, Any] = {name: getattr(self, name) for name in ("text_encoder", "twin", "scale")}
        equal["budget"] = self.budget.to_json()
        if self.search:
            equal["search"] = self.search.to_json()
        return equal

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
        del plain["search"]
        if self.search:
            plain["search"] = self.search.to_json()
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
        raise SpecError(
            "there is no study file", where=str(path), fix="each study's folder has one, study.toml"
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpecError(f"a study file cannot be read: {error}", where=str(path)) from error
    return StudySpec.from_mapping(raw, str(path))
