"""Records are whole or absent, come back as they were written, and never meet foreign truths."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from msabench.errors import SpecError
from msabench.records import COLUMNS, RecordError, Store
from msabench.run import Budget, Failure, RunRecord, RunSpec, Task, Truths

TRUTHS = Truths(
    valid_ids=np.array(["v1", "v2", "v3", "v4"]),
    valid=np.array([-1.0, 0.0, 2.0, 1.0], np.float32),
    test_ids=np.array(["t1", "t2", "t3", "t4"]),
    test=np.array([1.0, -2.0, 0.2, -0.4], np.float32),
)


def record(seed: int = 1, status: str = "finished", **changes: object) -> RunRecord:
    spec = RunSpec(
        method="tfn", method_version=1, hyperparameters={"batch_size": 8, "epochs": 3},
        dataset="mosi:unaligned", data_kind="twin", data_hash="ab" * 32, seed=seed,
        text_encoder="tiny@00000000", text_mode="frozen",
        budget=Budget(epochs=3),
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    made = RunRecord(
        spec=spec,
        status=status,  # type: ignore[arg-type]
        task=Task(kind="regression"),
        convention="mmsa",
        truths_hash=TRUTHS.fingerprint,
        losses=({"l1": 1.5}, {"l1": 1.25}),
        valid_loss=(1.0, 0.5),
        valid_criterion=(1.0, 0.5),
        valid_predictions=rng.normal(size=(2, 4)).astype(np.float32),
        test_predictions=rng.normal(size=(2, 4)).astype(np.float32),
        seconds=(0.1, 0.2),
        parameters={"method": 10, "encoder": 0, "trainable": 10},
        stopped="epochs",
        environment={"python": "3.11"},
        started="2026-01-01T00:00:00+00:00",
        notes=("audio: 2 entries of -inf set to 0",),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def failure(seed: int = 9) -> RunRecord:
    empty = np.zeros((0, 0), np.float32)
    return record(
        seed, "failed", failure=Failure(cause="nan", message="the loss became nan"),
        valid_loss=(float("nan"),), valid_predictions=empty, test_predictions=empty,
    )  # fmt: skip


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    store, written = Store(tmp_path), record()
    store.write(written, TRUTHS)
    read = store.get(written.key)
    assert replace(read, valid_predictions=None, test_predictions=None, truths=None) == replace(  # type: ignore[arg-type]
        written,
        valid_predictions=None,
        test_predictions=None,  # type: ignore[arg-type]
    )
    assert np.array_equal(read.valid_predictions, written.valid_predictions)
    assert np.array_equal(read.test_predictions, written.test_predictions)
    assert read.truths is not None and read.truths.fingerprint == TRUTHS.fingerprint
    assert read.key == written.key


def test_run_json_is_strict_json_even_with_nan(tmp_path: Path) -> None:
    store, failed = Store(tmp_path), failure()
    store.write(failed, TRUTHS)
    text = (tmp_path / "runs" / failed.key / "run.json").read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert np.isnan(store.get(failed.key).valid_loss[0])
    assert store.status(failed.key) == "failed"
    assert [r.failure.cause for r in store.failures() if r.failure] == ["nan"]


def test_a_finished_run_replaces_its_failure(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(failure(3), TRUTHS)
    store.write(record(3), TRUTHS)
    assert store.keys("failed") == [] and store.keys("finished") == [record(3).key]
    assert [p.name for p in (tmp_path / "runs").iterdir()] == [record(3).key]


def test_a_half_written_record_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)

    def crash(*args: object, **kwargs: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(json, "dump", crash)
        with pytest.raises(OSError, match="no space"):
            store.write(record(), TRUTHS)
    assert store.keys() == [] and not store.has(record().key)
    store.write(record(), TRUTHS)
    assert store.keys() == [record().key]


@pytest.mark.parametrize("name", ["run.json", "predictions.npz"])
@pytest.mark.parametrize("content", [b"", b"{", b'{"format": 99}', b"PK\x03\x04 cut short"])
def test_a_damaged_record_is_named_and_can_be_set_aside(tmp_path: Path, name: str, content: bytes) -> None:
    store, written = Store(tmp_path), record()
    store.write(written, TRUTHS)
    (tmp_path / "runs" / written.key / name).write_bytes(content)
    with pytest.raises(RecordError, match=r"damaged") as error:
        store.get(written.key)
    assert written.key in str(error.value) and "run" in error.value.fix
    assert list(store.damaged()) == [written.key]
    aside = store.set_aside(written.key)
    assert aside.exists() and store.keys() == []


def test_predictions_never_meet_foreign_truths(tmp_path: Path) -> None:
    store, written = Store(tmp_path), record()
    store.write(written, TRUTHS)
    path = next((tmp_path / "data").glob("*.npz"))
    other = replace(TRUTHS, test=TRUTHS.test[::-1].copy())
    np.savez(path, valid_ids=other.valid_ids, valid=other.valid, test_ids=other.test_ids, test=other.test)
    with pytest.raises(RecordError, match="truths"):
        store.get(written.key)


def test_the_key_changes_with_everything_that_changes_the_result() -> None:
    spec = record().spec
    changes = {
        "method": "almt", "method_version": 2, "hyperparameters": {"batch_size": 9}, "variant": "x=1",
        "dataset": "mosi:aligned", "data_kind": "real", "data_hash": "cd" * 32, "seed": 2,
        "text_encoder": "minilm@1", "text_mode": "finetuned", "budget": Budget(epochs=4), "track": "tuned",
    }  # fmt: skip
    keys = {replace(spec, **{name: value}).key for name, value in changes.items()}
    assert len(keys | {spec.key}) == len(changes) + 1
    assert RunSpec.from_json(json.loads(json.dumps(spec.to_json()))).key == spec.key


def test_the_frame_holds_finished_runs_in_long_form(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for seed in (1, 2):
        store.write(record(seed), TRUTHS)
    store.write(failure(), TRUTHS)
    frame = store.frame()
    assert tuple(frame.columns) == COLUMNS
    assert set(frame["seed"]) == {1, 2} and set(frame["convention"]) == {"mmsa"}
    assert (frame["epoch"] == 2).all(), "same-epoch takes the epoch with the lowest criterion"
    mae = frame[(frame.seed == 1) & (frame.metric == "mae")]["value"].item()
    assert mae == pytest.approx(np.abs(record(1).test_predictions[1] - TRUTHS.test).mean(), abs=1e-6)
    assert not frame["oracle"].any() and store.frame(selection="best-epoch")["oracle"].all()


def test_records_that_the_plan_no_longer_names_are_kept_and_not_compared(tmp_path: Path) -> None:
    store, old, new = Store(tmp_path), record(1), record(2)
    for written in (old, new, failure(3)):
        store.write(written, TRUTHS)
    assert store.superseded() == [], "without a plan everything is compared"
    (tmp_path / "plan.json").write_text(json.dumps({new.key: {"row": "tfn", "dataset": "x", "seed": 2}}))
    assert set(store.superseded()) == {old.key, failure(3).key}
    assert set(store.frame()["key"]) == {new.key} and store.failures() == []
    assert store.has(old.key)


def test_an_unknown_selection_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="did you mean 'best-epoch'"):
        Store(tmp_path).frame(selection="best-epok")


@pytest.mark.parametrize(
    "arrays",
    [
        {"valid": np.ones((2, 4))},
        {"valid": np.ones((2, 4)), "test": np.ones((3, 4))},
        {"valid": np.ones((2, 4)), "test": np.ones((2, 5))},
        {"valid": np.array(1.0), "test": np.ones((2, 4))},
        {"valid": np.ones((2, 4)), "test": np.full((2, 4), "x")},
        {"valid": np.ones((2, 4)), "test": np.array([{}, {}], dtype=object)},
    ],
)
def test_predictions_of_other_epochs_or_samples_are_damage(arrays: dict[str, object], tmp_path: Path) -> None:
    store, written = Store(tmp_path), record()
    store.write(written, TRUTHS)
    np.savez(tmp_path / "runs" / written.key / "predictions.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(RecordError, match="damaged") as error:
        store.get(written.key)
    assert "predictions.npz" in error.value.where
    assert list(store.damaged()) == [written.key]


@pytest.mark.parametrize(
    "change", [{"valid": np.full(4, "x")}, {"test_ids": np.ones(4)}, {"test": np.ones(3)}]
)
def test_truths_that_are_no_truths_are_damage(change: dict[str, object], tmp_path: Path) -> None:
    store, written = Store(tmp_path), record()
    store.write(written, TRUTHS)
    names = ("valid_ids", "valid", "test_ids", "test")
    path = next((tmp_path / "data").glob("*.npz"))
    np.savez(path, **{**{name: getattr(TRUTHS, name) for name in names}, **change})  # type: ignore[arg-type]
    with pytest.raises(RecordError, match="damaged"):
        store.get(written.key)
