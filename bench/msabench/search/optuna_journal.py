"""Optuna: the journal of a search, for its dashboard and tools, and its TPE sampler. Drivers only."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from msabench.search.space import Choice, Dimension, Space
from msabench.search.trials import Search, Trial

JOURNAL = "optuna.journal"
NUMBER = "msabench_trial"
STARTUP_TRIALS = 5
"""Trials before TPE models the space; the first of them is the published setting"""
FEWEST_TRIALS = 16
"""Importances of fewer trials would be chance"""
BEST_SHARE = 0.25
"""Of the trials: those taken as the best when importances are worked out; of 16 the best four"""
LOCKED = 5
"""Seconds after which a lock on the journal is one that a killed process left: writing takes milliseconds"""
STATES = {"finished": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}

optuna.logging.set_verbosity(optuna.logging.WARNING)


def suggest(space: Space, tried: Sequence[Trial], seed: int, number: int) -> dict[str, Any]:
    """What TPE tries next; a pure function of its arguments.

    The first trials are those of the quasi-random sequence.
    """
    if number < STARTUP_TRIALS or not space.dimensions:
        return space.configuration(number, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            seed=seed + number, n_startup_trials=STARTUP_TRIALS, multivariate=True, group=False
        )
    study = optuna.create_study(sampler=sampler)
    study.add_trials(_frozen(space, tried))
    asked = study.ask(_distributions(space)).params
    return {name: _value(space.dimensions[name], asked[name]) for name in space.dimensions}


def mirror(folder: Path, searches: Sequence[tuple[Search, Sequence[Trial]]]) -> str:
    """`write`, whatever the journal went through: one that cannot be read is set aside and made anew.

    Returns
    -------
    What to warn of; empty if nothing was wrong. No trial is lost with a journal: their records hold them.
    """
    try:
        write(folder, searches)
    except OSError:
        raise  # of the disk, which a new file would not mend
    except Exception as error:  # what Optuna raises depends on where the file is damaged
        aside = folder / f".damaged-{JOURNAL}-{uuid4().hex[:8]}"
        (folder / JOURNAL).rename(aside)
        write(folder, searches)
        return (
            f"{JOURNAL} was damaged ({error}); set aside as {aside.name}, made anew from the trials' records"
        )
    return ""


def write(folder: Path, searches: Iterable[tuple[Search, Sequence[Trial]]]) -> Path:
    """Bring the journal of a study's searches up to date; trials that it holds are left alone.

    Returns
    -------
    The journal's path, which `optuna-dashboard` opens.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / JOURNAL
    storage = _storage(path)
    for search, trials in searches:
        study = optuna.create_study(storage=storage, study_name=search.name, load_if_exists=True)
        # a trial that failed and was made again stands there twice, as both
        held = {_place(trial) for trial in study.get_trials(deepcopy=False)}
        study.add_trials([each for each in _frozen(search.space, trials) if _place(each) not in held])
    return path


def _place(trial: FrozenTrial) -> tuple[Any, ...]:
    return trial.user_attrs.get(NUMBER), trial.user_attrs.get("run"), trial.state


def _storage(path: Path) -> JournalStorage:
    lock = JournalFileOpenLock(str(path), grace_period=LOCKED)
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


def join(folder: Path, others: Iterable[Path]) -> None:
    """Make one journal of those in other folders, each search once; they are only read.

    The journal mirrors the trials' records: one that cannot be read is left out, and no trial is lost.
    """
    target = _storage(folder / JOURNAL)
    for path in (other / JOURNAL for other in others):
        if not path.is_file():
            continue
        with suppress(AssertionError, AttributeError, KeyError, TypeError, ValueError):
            source = _storage(path)
            held = set(optuna.get_all_study_names(target))
            for name in (each for each in optuna.get_all_study_names(source) if each not in held):
                optuna.copy_study(from_study_name=name, from_storage=source, to_storage=target)


def importances(space: Space, tried: Sequence[Trial]) -> dict[str, float]:
    """How much each hyperparameter explains of which trials are among the best (PED-ANOVA), summing to 1.

    Pruned trials are taken at what they had reached: they are among the worse half whatever followed.
    Empty where too few trials ended with a value to say.
    """
    done = [replace(trial, status="finished") for trial in tried if trial.status != "failed"]
    if len(done) < FEWEST_TRIALS or not space.dimensions:
        return {}
    study = optuna.create_study()
    study.add_trials(_frozen(space, done))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(
            target_quantile=BEST_SHARE, evaluate_on_local=False
        )
        found: dict[str, float] = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return found


def _frozen(space: Space, tried: Iterable[Trial]) -> list[FrozenTrial]:
    return [
        optuna.trial.create_trial(
            params={name: _key(space.dimensions[name], trial.values[name]) for name in space.dimensions},
            distributions=_distributions(space),
            state=STATES[trial.status],
            value=trial.value if trial.status == "finished" else None,
            intermediate_values=dict(enumerate(trial.curve, 1)),
            user_attrs={NUMBER: trial.number, "run": trial.key, "epochs": trial.epochs},
        )
        for trial in tried
    ]


def _distributions(space: Space) -> dict[str, BaseDistribution]:
    found: dict[str, BaseDistribution] = {}
    for name, each in space.dimensions.items():
        if isinstance(each, Choice):
            found[name] = CategoricalDistribution([_key(each, value) for value in each.values])
        elif each.integer:
            found[name] = IntDistribution(int(each.low), int(each.high), log=each.log)
        else:
            found[name] = FloatDistribution(each.low, each.high, log=each.log)
    return found


def _key(dimension: Dimension, value: Any) -> Any:
    """Optuna's categories are plain values; a list of granularities goes by its text."""
    return str(value) if isinstance(dimension, Choice) and isinstance(value, list | tuple) else value


def _value(dimension: Dimension, key: Any) -> Any:
    if isinstance(dimension, Choice):
        return next(value for value in dimension.values if _key(dimension, value) == key)
    return key if dimension.integer else float(f"{key:.4g}")
