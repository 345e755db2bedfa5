"""The split that imported predictions must fit: of the study's own records, or of the dataset's file."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from msabench.data import resolve
from msabench.errors import MsabenchError, SpecError
from msabench.records import Store
from msabench.run import DataKind, RunRecord, Task, Truths
from msabench.study import StudySpec


@dataclass(frozen=True, kw_only=True)
class Target:
    """A dataset's evaluated splits, and what a record says of them."""

    dataset: str
    """In full, as in `mosi:unaligned`"""
    data_kind: DataKind
    data_hash: str
    task: Task
    convention: str
    truths: Truths
    train_ids: frozenset[str] = frozenset()
    """Empty where only the study's records are at hand, which keep no training split"""

    @property
    def identity(self) -> tuple[str, str, str]:
        """What must be equal between runs that are compared."""
        return self.data_kind, self.data_hash, self.truths.fingerprint

    def knows(self, ids: Collection[str]) -> bool:
        """Whether every id is of one of its splits."""
        evaluated = {str(each) for each in (*self.truths.test_ids, *self.truths.valid_ids)}
        return evaluated.union(self.train_ids).issuperset(ids)


def full_name(dataset: str, store: Store) -> str:
    """`mosi` in full; where the study has one variant of it, that one.

    Raises
    ------
    SpecError
        If the name is unknown, or the study has several variants, and none of them is the default.
    """
    card, variant = resolve(dataset)
    name = f"{card.name}:{variant.name}"
    held = {str(line["dataset"]) for line in store.planned().values()}
    here = sorted(each for each in held if each.partition(":")[0] == card.name)
    if ":" in dataset or name in here or not here:
        return name
    if len(here) == 1:
        return here[0]
    raise SpecError(
        f"the study has {len(here)} variants of {card.name}, and '{dataset}' names none of them",
        fix=f"--dataset {here[0]}, or one of: {', '.join(here)}",
    )


def of_study(store: Store, dataset: str) -> Target | None:
    """The split that the study's runs on a dataset were made with; None if it has none.

    Raises
    ------
    SpecError
        If its runs were made with several versions of the data.
    RecordError
        If a record of the study is damaged.
    """
    found: dict[tuple[str, str, str], RunRecord] = {}
    for record in store.summaries().values():
        spec = record.spec
        if spec.dataset == dataset:
            found.setdefault((spec.data_kind, spec.data_hash, record.truths_hash), record)
    if not found:
        return None
    if len(found) > 1:
        raise SpecError(
            f"the study's runs on {dataset} were made with {len(found)} versions of the data",
            where=str(store.path),
            fix="import into a study of one version: give another --study",
        )
    record = store.get(next(iter(found.values())).key)
    assert record.truths is not None  # `get` fills them
    return Target(
        dataset=dataset,
        data_kind=record.spec.data_kind,
        data_hash=record.spec.data_hash,
        task=record.task,
        convention=record.convention,
        truths=record.truths,
    )


def of_data(
    dataset: str,
    root: Path,
    *,
    study: StudySpec | None = None,
    twin: bool = False,
    file: Path | None = None,
    cache_root: Path | None = None,
) -> Target:
    """The split of a dataset's file, or of the twin that the study runs on.

    Raises
    ------
    DataError
        If the file is missing or unsound.
    """
    from msabench.data import load

    given = file or (Path(study.files[dataset]) if study and dataset in study.files else None)
    data = load(
        dataset,
        root,
        twin=twin or bool(study and study.twin),
        scale=study.scale if study else 1.0,
        file=None if twin or (study and study.twin) else given,
        cache_root=cache_root,
    )
    return Target(
        dataset=data.name,
        data_kind=data.kind,
        data_hash=data.fingerprint,
        task=data.task,
        convention=data.convention,
        truths=Truths(**{name: value.copy() for name, value in vars(data.truths).items()}),
        train_ids=frozenset(map(str, data.train.ids)),
    )


def target_of(
    store: Store,
    dataset: str,
    root: Path,
    *,
    study: StudySpec | None = None,
    twin: bool = False,
    file: Path | None = None,
    cache_root: Path | None = None,
    ids: Collection[str] = (),
) -> Target:
    """The split to check against: the study's own, so that all its rows are judged by one; else the file's.

    Parameters
    ----------
    ids
        Those of the predictions. Where the study's records do not know some, as they keep no training split,
        the dataset's file is looked at too, if it is at hand.

    Raises
    ------
    SpecError
        If a file (or twin) is asked for that is not the one which the study's runs were made with.
    DataError
        If the dataset's file is needed, and missing or unsound.
    """
    held = of_study(store, dataset)
    if held is not None and not (twin or file):
        if held.knows(ids):
            return held
        with suppress(MsabenchError):
            made = of_data(dataset, root, study=study, twin=held.data_kind == "twin", cache_root=cache_root)
            return replace(held, train_ids=made.train_ids if made.identity == held.identity else frozenset())
        return held
    made = of_data(dataset, root, study=study, twin=twin, file=file, cache_root=cache_root)
    if held is not None and held.identity != made.identity:
        raise SpecError(
            f"the study's runs on {dataset} were made with other data "
            f"({held.data_kind}, sha256 {held.data_hash[:12]}) than this ({made.data_kind}, "
            f"{made.data_hash[:12]}): their figures could not be compared",
            where=str(store.path),
            fix="leave out --file and --twin, or give another --study",
        )
    return made
