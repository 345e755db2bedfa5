"""Imported predictions become records of a study, beside those of runs trained here."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from msabench import __version__
from msabench.errors import SpecError, unknown
from msabench.external.held import one_setting, outcome_of, same_as_another_seed
from msabench.external.matching import Matched, matched
from msabench.external.naming import external_method, note, words
from msabench.external.submission import LARGEST_SEED, read_submission
from msabench.external.target import Target, full_name, target_of
from msabench.metrics import criterion
from msabench.records import Store
from msabench.run import Array, RunRecord, RunSpec, TextMode, Truths
from msabench.selection import CHOSEN_ON_TEST, EPOCH_SELECTION, SELECTIONS, bind
from msabench.study import checked_name, plan_line, read_study, write_plan

UNSTATED = "unstated"
LONGEST_REASON = 200
"""Characters of how an epoch was chosen, which stands below every table"""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is imported, and as what."""

    path: Path
    method: str
    """The name it gets, as in `My model`"""
    dataset: str
    seed: int | None = None
    """None where the file has a column of seeds"""
    form: str | None = None
    pred: str | None = None
    text_encoder: str = UNSTATED
    text_mode: TextMode = "unstated"
    epoch_selection: str = ""
    """How the authors chose the epoch: `test` marks the row as oracle. Of several epochs, a rule's name"""
    replace: bool = False


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import did with one seed."""

    key: str
    spec: RunSpec
    outcome: str
    """`imported`, `replaced`, `unchanged`"""
    epochs: int
    test: int
    """Samples"""
    valid: int
    remarks: tuple[str, ...] = ()


def study_folder(results_root: Path, study: str | None, dataset: str) -> Path:
    """The study to import into: the one named, else the only one that has this dataset, else a new one.

    Raises
    ------
    SpecError
        If several studies have it, or the name is no folder's.
    """
    if study is not None:
        return results_root / checked_name(study)
    base = dataset.partition(":")[0]
    holding = [
        path.parent
        for path in sorted(results_root.glob("[!.]*/plan.json"))
        if any(
            str(line["dataset"]).partition(":")[0] == base for line in Store(path.parent).planned().values()
        )
    ]
    if len(holding) > 1:
        raise SpecError(
            f"{len(holding)} studies have {base}: {', '.join(path.name for path in holding)}",
            fix="say which one the result belongs to: --study NAME",
        )
    return holding[0] if holding else results_root / f"{base}-external"


def import_predictions(
    request: Request,
    folder: Path,
    data_root: Path,
    *,
    twin: bool = False,
    file: Path | None = None,
    cache_root: Path | None = None,
) -> list[Imported]:
    """Write the records of a file's predictions, one a seed; all are checked before the first is written.

    Parameters
    ----------
    folder
        The study's; made if it is not there.
    twin, file, cache_root
        Where the dataset's split comes from, if not from the study's own runs.

    Raises
    ------
    DataError
        If the file or its predictions do not fit the dataset's split.
    SpecError
        If a name or a seed is missing or wrong, the result is there already and `replace` is not asked for,
        or another process is carrying out the study.
    """
    method = external_method(request.method)
    store = Store(folder)
    dataset = full_name(request.dataset, store)
    frozen = read_study(folder / "study.toml") if (folder / "study.toml").exists() else None
    by_seed = _with_seeds(request, read_submission(request.path, form=request.form, pred=request.pred))
    ids = {str(name) for parts in by_seed.values() for part in parts for name in part.ids}
    target = target_of(
        store, dataset, data_root, study=frozen, twin=twin, file=file, cache_root=cache_root, ids=ids
    )
    found = {seed: matched(parts, target) for seed, parts in by_seed.items()}
    records = [_record(request, method, seed, each, target) for seed, each in found.items()]
    outcomes = _written(store, records, target.truths, replace=request.replace)
    return [
        Imported(
            key=record.key,
            spec=record.spec,
            outcome=outcome,
            epochs=record.epochs,
            test=record.test_predictions.shape[1],
            valid=0 if each.valid is None else each.valid.shape[1],
            remarks=(*each.remarks, *repeated),
        )
        for record, each, (outcome, repeated) in zip(records, found.values(), outcomes, strict=True)
    ]


def _written(
    store: Store, records: Sequence[RunRecord], truths: Truths, *, replace: bool
) -> list[tuple[str, tuple[str, ...]]]:
    """Write records and their lines of the plan.

    Returns
    -------
    For each record what was done with it, and what is odd of it beside the others.
    """
    folder = store.path
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        lines = _lines(store)
        one_setting(records, store, lines)
        outcomes = [outcome_of(record, store, lines, replace=replace) for record in records]
        repeats = same_as_another_seed(records, store, lines)
        for record, outcome in zip(records, outcomes, strict=True):
            if outcome != "unchanged":
                store.write(record, truths)
        fresh = [plan_line(record.spec) for record in records]
        kept = {key: line for key, line in lines.items() if line not in fresh}
        write_plan(folder, {**kept, **{r.key: plan_line(r.spec) for r in records}})
    return list(zip(outcomes, repeats, strict=True))


def _with_seeds(request: Request, parts: dict[int | None, list[Any]]) -> dict[int, list[Any]]:
    """The parts by seed, which the file or the command names, and not both."""
    if request.seed is not None and not 0 <= request.seed <= LARGEST_SEED:
        raise SpecError(
            f"a seed is a whole number from 0 to 2^63 - 1, but --seed says {request.seed}", fix="--seed 1"
        )
    named = [seed for seed in parts if seed is not None]
    if named and request.seed is not None and named != [request.seed]:
        raise SpecError(
            f"the file names the seeds {', '.join(map(str, named))}, but --seed says {request.seed}",
            where=str(request.path),
            fix="leave out --seed",
        )
    if not named and request.seed is None:
        raise SpecError(
            "nothing says which seed the predictions are of",
            where=str(request.path),
            fix="add --seed 1, or a column 'seed'",
        )
    return {request.seed if seed is None else seed: each for seed, each in parts.items()}  # type: ignore[misc]


def _record(request: Request, method: str, seed: int, found: Matched, target: Target) -> RunRecord:
    epochs = len(found.test)
    unknown_figures = (math.nan,) * epochs
    truths = target.truths
    valid: Array = np.full((epochs, len(truths.valid), *found.test.shape[2:]), np.nan, np.float32)
    measured = unknown_figures
    if found.valid is not None:
        valid = found.valid
        measured = tuple(criterion(target.task, each, truths.valid) for each in valid)
    encoder = words(request.text_encoder, "--text-encoder", shortest=0) or UNSTATED
    chosen = _epoch_selection(request.epoch_selection, epochs)
    spec = RunSpec(
        method=method,
        method_version=0,
        hyperparameters={EPOCH_SELECTION: chosen},
        dataset=target.dataset,
        data_kind=target.data_kind,
        data_hash=target.data_hash,
        seed=seed,
        text_encoder=encoder,
        text_mode=request.text_mode,
        track="external",
    )
    return RunRecord(
        spec=spec,
        status="finished",
        task=target.task,
        convention=target.convention,
        truths_hash=truths.fingerprint,
        losses=({},) * epochs,
        valid_loss=unknown_figures,
        valid_criterion=measured,
        valid_predictions=valid,
        test_predictions=found.test,
        seconds=unknown_figures,
        environment={
            "imported from": request.path.name,
            "sha256": hashlib.sha256(request.path.read_bytes()).hexdigest(),
            "msabench": __version__,
        },
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        notes=(note(chosen, encoder, one_epoch=epochs == 1),),
    )


def _epoch_selection(text: str, epochs: int) -> str:
    """How the epoch was chosen, or (of several epochs) the rule that `as-published` stands for."""
    plain = words(text, "--epoch-selection", longest=LONGEST_REASON, shortest=0)
    if epochs == 1:
        return CHOSEN_ON_TEST if plain.lower() == CHOSEN_ON_TEST else plain
    if plain:
        if plain.startswith("as-published") or plain.split(":")[0].split("(")[0] not in SELECTIONS:
            raise unknown("selection of several epochs", plain, SELECTIONS, "msabench list selections")
        bind(plain)
    return plain


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No driver may write the plan meanwhile."""
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise SpecError(
            "another process is carrying out this study",
            where=str(folder),
            fix="wait for it, and import then",
        ) from error
    try:
        yield
    finally:
        lock.release()


def _lines(store: Store) -> dict[str, dict[str, Any]]:
    """The plan; of a study without one, what its records say: a plan without them would hide them."""
    keys = store.keys()
    return store.planned() or {key: plan_line(store.get(key, arrays=False).spec) for key in keys}
