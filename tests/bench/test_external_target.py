"""The split that predictions from elsewhere must fit: of the study's records, or of the dataset's file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from msabench import data
from msabench.data import Dataset, load
from msabench.errors import DataError, SpecError
from msabench.external import Request, import_predictions
from msabench.external.target import full_name, of_study, target_of
from msabench.records import Store
from msabench.run import RunRecord, RunSpec, Truths
from msabench.study import StudySpec, plan_line, write_plan


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load("demo", tmp_path_factory.mktemp("data"))


def _root(demo: Dataset) -> Path:
    return demo.cache.parents[1]


def _record(demo: Dataset, truths: Truths | None = None, **spec: Any) -> RunRecord:
    values: dict[str, Any] = {
        "method": "tfn", "method_version": 1, "hyperparameters": {}, "dataset": demo.name, "seed": 1,
        "data_kind": demo.kind, "data_hash": demo.fingerprint, "text_encoder": "minilm@1",
        "text_mode": "frozen",
    }  # fmt: skip
    held = truths or demo.truths
    return RunRecord(
        spec=RunSpec(**{**values, **spec}), status="finished", task=demo.task, convention=demo.convention,
        truths_hash=held.fingerprint, losses=({"task": 1.0},), valid_loss=(1.0,), valid_criterion=(1.0,),
        valid_predictions=held.valid[None], test_predictions=held.test[None], seconds=(1.0,),
    )  # fmt: skip


def _study(folder: Path, demo: Dataset, truths: Truths | None = None, **spec: Any) -> Store:
    Store(folder).write(_record(demo, truths, **spec), truths or demo.truths)
    return Store(folder)


def _other_labels(demo: Dataset) -> Truths:
    return replace(demo.truths, test=demo.truths.test[::-1].copy())


def test_the_studys_own_records_say_what_fits_without_the_file(demo: Dataset, tmp_path: Path) -> None:
    found = target_of(_study(tmp_path / "a", demo), demo.name, tmp_path / "no data here")
    assert found.identity == ("twin", demo.fingerprint, demo.truths.fingerprint)
    assert (found.task, found.convention, found.train_ids) == (demo.task, demo.convention, frozenset())


def test_the_file_that_a_study_was_made_with_may_be_named(demo: Dataset, tmp_path: Path) -> None:
    found = target_of(_study(tmp_path / "a", demo), demo.name, _root(demo), twin=True)
    assert found.train_ids == set(map(str, demo.train.ids)), "it was looked at, and not the records alone"


@pytest.mark.parametrize("what", ["data_kind", "data_hash", "labels"])
def test_other_data_than_the_studys_are_refused(what: str, demo: Dataset, tmp_path: Path) -> None:
    """Also other labels under one hash of the data, as of a card that was mended."""
    changes = {"data_kind": {"data_kind": "real"}, "data_hash": {"data_hash": "f" * 64}, "labels": {}}[what]
    held = _study(tmp_path / "a", demo, _other_labels(demo) if what == "labels" else None, **changes)
    with pytest.raises(SpecError, match="were made with other data") as told:
        target_of(held, demo.name, _root(demo), twin=True)
    assert "leave out --file and --twin" in told.value.fix and str(tmp_path) in told.value.where


@pytest.mark.parametrize("what", ["data_kind", "data_hash", "labels"])
def test_a_study_of_several_versions_of_the_data_takes_no_imports(
    what: str, demo: Dataset, tmp_path: Path
) -> None:
    store = _study(tmp_path / "a", demo)
    changes = {"data_kind": {"data_kind": "real"}, "data_hash": {"data_hash": "f" * 64}, "labels": {}}[what]
    truths = _other_labels(demo) if what == "labels" else None
    other = _record(demo, truths, seed=2, **changes)
    store.write(other, truths or demo.truths)
    with pytest.raises(SpecError, match="with 2 versions of the data"):
        of_study(store, demo.name)


def test_records_of_another_dataset_say_nothing(demo: Dataset, tmp_path: Path) -> None:
    assert of_study(_study(tmp_path / "a", demo, dataset="mosi:unaligned"), demo.name) is None


def test_rows_of_training_are_those_of_the_very_file_of_the_study(demo: Dataset, tmp_path: Path) -> None:
    ids = [str(demo.train.ids[0]), str(demo.test.ids[0])]
    same = target_of(_study(tmp_path / "a", demo), demo.name, _root(demo), ids=ids)
    assert ids[0] in same.train_ids
    other = _study(tmp_path / "b", demo, _other_labels(demo))
    assert target_of(other, demo.name, _root(demo), ids=ids).train_ids == frozenset()
    known = target_of(_study(tmp_path / "c", demo), demo.name, _root(demo), ids=ids[1:])
    assert known.train_ids == frozenset(), "the file is not looked at where it need not be"


@pytest.mark.parametrize(
    ("study", "given", "asked"),
    [
        (None, {}, {"twin": False, "scale": 1.0, "file": None}),
        (None, {"twin": True, "file": Path("x")}, {"twin": True, "scale": 1.0, "file": None}),
        ({"twin": True, "scale": 0.1}, {}, {"twin": True, "scale": 0.1, "file": None}),
        ({"files": {"demo:unaligned": "theirs.pkl"}}, {}, {"twin": False, "file": Path("theirs.pkl")}),
        ({"files": {"mosi:unaligned": "theirs.pkl"}}, {}, {"twin": False, "file": None}),
        ({"files": {"demo:unaligned": "a.pkl"}}, {"file": Path("b.pkl")}, {"file": Path("b.pkl")}),
    ],
)
def test_a_study_without_runs_says_which_file_or_twin_it_runs_on(
    study: dict[str, Any] | None, given: dict[str, Any], asked: dict[str, Any], demo: Dataset,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    told: dict[str, Any] = {}

    def asked_for(_name: str, _root: Path, **options: Any) -> Dataset:
        told.update(options)
        return demo

    monkeypatch.setattr(data, "load", asked_for)
    frozen = StudySpec(methods=("tfn",), datasets=(demo.name,), seeds=(1,), **study) if study else None
    target_of(Store(tmp_path / "a"), demo.name, tmp_path, study=frozen, **given)
    assert {name: told[name] for name in asked} == asked


@pytest.mark.parametrize(
    ("held", "asked", "found"),
    [
        ([], "mosi", "mosi:unaligned"),
        (["mosi:aligned"], "mosi", "mosi:aligned"),
        (["mosi:aligned", "mosei:mag"], "mosi", "mosi:aligned"),
        (["mosi:aligned", "mosi:unaligned"], "mosi", "mosi:unaligned"),
        (["mosi:aligned"], "mosi:unaligned", "mosi:unaligned"),
    ],
)
def test_a_dataset_is_the_variant_that_the_study_has(
    held: list[str], asked: str, found: str, demo: Dataset, tmp_path: Path
) -> None:
    lines = {str(i): plan_line(replace(_record(demo).spec, dataset=name)) for i, name in enumerate(held)}
    tmp_path.joinpath("a").mkdir()
    write_plan(tmp_path / "a", lines)
    assert full_name(asked, Store(tmp_path / "a")) == found


def test_of_several_variants_one_must_be_named(demo: Dataset, tmp_path: Path) -> None:
    names = ("mosi:aligned", "mosi:mag")
    lines = {name: plan_line(replace(_record(demo).spec, dataset=name)) for name in names}
    write_plan(tmp_path, lines)
    with pytest.raises(SpecError, match="2 variants of mosi, and 'mosi' names none"):
        full_name("mosi", Store(tmp_path))


def _bring(demo: Dataset, folder: Path, method: str = "Theirs", **changes: Any) -> list[str]:
    """Imports predictions of every epoch, and says what was done."""
    arrays = {"test": demo.truths.test[None] + 0.5, "valid": demo.truths.valid[None] + 0.5}
    path = folder.parent / "theirs.npz"
    arrays |= {name: changes.pop(name) for name in list(changes) if name in arrays}
    np.savez(path, test_ids=demo.truths.test_ids, valid_ids=demo.truths.valid_ids, **arrays)
    request = Request(path=path, method=method, dataset="demo", **{"seed": 1, **changes})
    return [each.outcome for each in import_predictions(request, folder, _root(demo))]


def test_other_predictions_of_validation_are_another_result(demo: Dataset, tmp_path: Path) -> None:
    other = demo.truths.valid[None] - 0.25
    assert _bring(demo, tmp_path / "a") == ["imported"] and _bring(demo, tmp_path / "a") == ["unchanged"]
    with pytest.raises(SpecError, match="its predictions differ"):
        _bring(demo, tmp_path / "a", valid=other)
    assert _bring(demo, tmp_path / "a", valid=other, replace=True) == ["replaced"]


def test_one_epoch_more_is_another_result(demo: Dataset, tmp_path: Path) -> None:
    _bring(demo, tmp_path / "a")
    twice = {name: np.stack([getattr(demo.truths, name)] * 2) for name in ("test", "valid")}
    with pytest.raises(SpecError, match="its predictions differ"):
        _bring(demo, tmp_path / "a", **twice)


def test_a_file_of_epochs_may_name_its_seed_and_only_one(demo: Dataset, tmp_path: Path) -> None:
    arrays = {f"{name}_ids": getattr(demo.truths, f"{name}_ids") for name in ("test", "valid")}
    arrays |= {name: getattr(demo.truths, name)[None] for name in ("test", "valid")}

    def bring(seed: int | None, held: object) -> str:
        np.savez(tmp_path / "theirs.npz", **arrays, seed=held)
        request = Request(path=tmp_path / "theirs.npz", method="Theirs", dataset="demo", seed=seed)
        (done,) = import_predictions(request, tmp_path / "a", _root(demo))
        return f"{done.outcome} {done.spec.seed}"

    assert bring(None, 7) == "imported 7" and bring(7, [7]) == "unchanged 7"
    with pytest.raises(SpecError, match="the file names the seeds 7, but --seed says 8"):
        bring(8, 7)
    with pytest.raises(DataError, match="names 2 seeds, but arrays of epochs are of one"):
        bring(None, [1, 2])
    with pytest.raises(DataError, match=r"'1.5' is no seed"):
        bring(None, 1.5)


def test_what_a_study_plans_and_holds_is_still_there_after_an_import(demo: Dataset, tmp_path: Path) -> None:
    """With a plan, and of records alone, which a plan without them would hide."""
    store = _study(tmp_path / "a", demo)
    trained = _record(demo)
    _bring(demo, tmp_path / "a")
    assert len(store.planned()) == 2 and trained.key in store.planned()
    _bring(demo, tmp_path / "a", seed=2)
    _bring(demo, tmp_path / "a", method="Others")
    rows = sorted((line["row"], line["seed"]) for line in store.planned().values())
    assert rows == [("external:Others", 1), ("external:Theirs", 1), ("external:Theirs", 2), ("tfn", 1)]
    assert set(store.planned()) == set(store.keys("finished")) and not store.superseded()


def test_a_result_that_takes_the_place_of_another_leaves_one_in_the_plan(
    demo: Dataset, tmp_path: Path
) -> None:
    _bring(demo, tmp_path / "a")
    (before,) = Store(tmp_path / "a").planned()
    _bring(demo, tmp_path / "a", text_encoder="bert", replace=True)
    (after,) = Store(tmp_path / "a").planned()
    assert before != after and Store(tmp_path / "a").superseded() == [before]


def test_nothing_is_imported_while_another_process_carries_out_the_study(
    demo: Dataset, tmp_path: Path
) -> None:
    _study(tmp_path / "a", demo)
    with FileLock(tmp_path / "a" / ".lock"), pytest.raises(SpecError, match="another process") as told:
        _bring(demo, tmp_path / "a")
    assert told.value.fix and len(Store(tmp_path / "a").keys()) == 1
    assert _bring(demo, tmp_path / "a") == ["imported"]


def test_one_epoch_may_lie_along_either_axis_and_others_are_refused(demo: Dataset, tmp_path: Path) -> None:
    flat = {name: getattr(demo.truths, name) for name in ("test", "valid")}
    assert _bring(demo, tmp_path / "a", **flat) == ["imported"]
    assert _bring(demo, tmp_path / "a", **{k: v[:, None] for k, v in flat.items()}) == ["unchanged"]
    with pytest.raises(DataError, match="one output a sample, but there are 2"):
        _bring(demo, tmp_path / "a", **{k: np.stack([v, v], axis=1) for k, v in flat.items()})
    with pytest.raises(DataError, match=r"has the shape \(1, 99\), but there are 100 ids"):
        _bring(demo, tmp_path / "a", test=flat["test"][None, :99])
