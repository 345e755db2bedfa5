"""One loop for every method: what it keeps, what stops it, and what it never looks at."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from msabench import encoders
from msabench.checkpoint import Checkpoint
from msabench.data import Dataset, load
from msabench.method import METHODS, Method, Progress
from msabench.run import Budget, RunRecord, RunSpec
from msabench.train import EpochReport, train
from msabench.trainer import Trainer

TINY = encoders.resolve("tiny", "en")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    torch.set_num_threads(1)
    return load("demo", tmp_path_factory.mktemp("data"))


def spec(demo: Dataset, method: str = "lf_dnn", epochs: int = 3, patience: int = 0, **over: Any) -> RunSpec:
    card = METHODS.card(method)
    return RunSpec(
        method=method,
        method_version=card.version,
        hyperparameters=card.values("demo", over),
        dataset=demo.name,
        data_kind=demo.kind,
        data_hash=demo.fingerprint,
        seed=7,
        text_encoder=TINY.identity,
        text_mode="finetuned" if card.text == "finetuned" else "frozen",
        budget=Budget(epochs=epochs, patience=patience),
    )


def run(demo: Dataset, **options: Any) -> RunRecord:
    return train(spec(demo, **options), demo, TINY)


def same(a: RunRecord, b: RunRecord) -> bool:
    arrays = ("valid_predictions", "test_predictions")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in arrays) and (
        a.losses,
        a.valid_loss,
        a.valid_criterion,
    ) == (b.losses, b.valid_loss, b.valid_criterion)


@pytest.mark.parametrize("method", ["lf_dnn", "tfn", "almt"])
def test_every_epoch_leaves_its_predictions(demo: Dataset, method: str) -> None:
    record = run(demo, method=method, epochs=2)
    assert (record.status, record.stopped, record.epochs) == ("finished", "epochs", 2)
    assert record.valid_predictions.shape == (2, 60) and record.test_predictions.shape == (2, 100)
    assert record.test_predictions.dtype == np.float32
    mae = [float(np.abs(p - demo.valid.labels).mean()) for p in record.valid_predictions]
    assert record.valid_criterion == pytest.approx(mae, abs=1e-6)
    assert all(len(row) == 1 for row in record.losses) and len(record.seconds) == 2
    assert record.parameters["trainable"] >= record.parameters["encoder"] > 0 or method != "almt"
    assert record.peak_memory_mib > 50


def test_the_same_spec_gives_the_same_bits_and_another_seed_others(demo: Dataset) -> None:
    first = run(demo)
    assert same(first, run(demo))
    other = train(replace(spec(demo), seed=8), demo, TINY)
    assert not np.array_equal(first.test_predictions, other.test_predictions)


@pytest.mark.parametrize("method", ["lf_dnn", "tfn", "almt"])
def test_an_interrupted_run_goes_on_with_the_same_bits(demo: Dataset, method: str, tmp_path: Path) -> None:
    whole = run(demo, method=method, epochs=4)
    checkpoint = Checkpoint(path=tmp_path / "run.pt", run="a", every_seconds=0)

    def interrupt(report: EpochReport) -> None:
        if report.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(spec(demo, method, 4), demo, TINY, checkpoint=checkpoint, on_epoch=interrupt)
    trained: list[int] = []
    resumed = train(
        spec(demo, method, 4), demo, TINY, checkpoint=checkpoint, on_epoch=lambda r: trained.append(r.epoch)
    )
    assert trained == [3, 4], "epochs 1 and 2 were not trained again"
    assert same(whole, resumed)


def test_training_never_sees_the_test_labels(demo: Dataset) -> None:
    poisoned = replace(demo, test=replace(demo.test, labels=demo.test.labels[::-1].copy() * 100))
    a, b = run(demo), run(poisoned)
    assert same(a, b)
    assert a.truths_hash != b.truths_hash


def test_validation_alone_decides_when_training_stops(demo: Dataset) -> None:
    record = run(demo, epochs=60, patience=2, learning_rate=0.02)
    assert record.stopped == "patience" and record.epochs < 60
    assert record.epochs - 1 - int(np.argmin(record.valid_criterion)) == 2


def test_a_limit_on_seconds_ends_a_run_after_the_epoch_that_passes_it(demo: Dataset) -> None:
    limited = replace(spec(demo, epochs=50), budget=Budget(epochs=50, patience=0, seconds=1e-6))
    record = train(limited, demo, TINY)
    assert (record.status, record.stopped, record.epochs) == ("finished", "seconds", 1)
    assert any("depends on the machine" in note for note in record.notes)
    ample = replace(limited, budget=Budget(epochs=2, patience=0, seconds=1e6))
    record = train(ample, demo, TINY)
    assert (record.stopped, record.epochs, record.notes) == ("epochs", 2, demo.notes)
    assert limited.key != spec(demo, epochs=50).key and RunSpec.from_json(limited.to_json()) == limited


def test_seconds_before_an_interruption_count_against_the_limit(demo: Dataset, tmp_path: Path) -> None:
    limited = replace(spec(demo, epochs=50), budget=Budget(epochs=50, patience=0, seconds=900.0))
    checkpoint = Checkpoint(path=tmp_path / "run.pt", run="a", every_seconds=0)

    def interrupt(report: EpochReport) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(limited, demo, TINY, checkpoint=checkpoint, on_epoch=interrupt)
    state = torch.load(checkpoint.path, weights_only=True)
    state["log"]["seconds"] = [1000.0]
    torch.save(state, checkpoint.path)
    resumed = train(limited, demo, TINY, checkpoint=checkpoint)
    assert (resumed.stopped, resumed.epochs) == ("seconds", 1)


def test_setup_counts_against_the_limit(demo: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    limited = replace(spec(demo, epochs=50), budget=Budget(epochs=50, patience=0, seconds=900.0))
    late = iter([0.0])  # the first look at the clock is 1000 s before all others
    clock = time.perf_counter
    monkeypatch.setattr("msabench.train.time.perf_counter", lambda: next(late, 1000.0 + clock()))
    record = train(limited, demo, TINY)
    assert record.setup_seconds > 900 and (record.stopped, record.epochs) == ("seconds", 1)


def test_a_trial_neither_predicts_the_test_split_nor_keeps_its_labels(demo: Dataset) -> None:
    made = train(replace(spec(demo, epochs=1), track="trial"), demo, TINY)
    assert made.test_predictions.size == 0 and made.truths is not None
    assert len(made.truths.test) == 0 and len(made.truths.test_ids) == 0
    assert made.truths_hash == demo.truths.without_test.fingerprint
    assert np.array_equal(made.valid_predictions, run(demo, epochs=1).valid_predictions)


def test_a_trial_that_lags_behind_its_pace_is_ended_with_the_epochs_it_had(demo: Dataset) -> None:
    whole = run(demo, epochs=5)
    pruned = train(spec(demo, epochs=5), demo, TINY, pace=(float("inf"), float("inf"), 0.0))
    assert (pruned.status, pruned.stopped, pruned.epochs) == ("finished", "pruned", 3)
    assert pruned.valid_criterion == whole.valid_criterion[:3] and pruned.key == whole.key
    assert same(whole, train(spec(demo, epochs=5), demo, TINY, pace=(float("inf"),) * 3))


def test_a_budget_caps_the_recipe_and_never_extends_it(demo: Dataset) -> None:
    assert run(demo, epochs=5, **{"batch_size": 64}).epochs == 5
    short = spec(demo)
    short = replace(short, hyperparameters={**short.hyperparameters, "epochs": 2}, budget=Budget(epochs=5))
    assert train(short, demo, TINY).epochs == 2


def fail(error: BaseException) -> Callable[[Trainer], None]:
    def epoch(self: Trainer) -> None:
        if self.log.epochs == 1:
            raise error
        original(self)

    original = Trainer.epoch
    return epoch


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (MemoryError("no more"), "out-of-memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "out-of-memory"),
        (
            RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"),
            "out-of-memory",
        ),
        (IndexError("index 3 is out of range"), "exception"),
    ],
)
def test_a_failure_is_a_record_with_its_cause(
    demo: Dataset, monkeypatch: pytest.MonkeyPatch, error: BaseException, cause: str
) -> None:
    monkeypatch.setattr(Trainer, "epoch", fail(error))
    record = run(demo)
    assert record.status == "failed" and record.failure is not None
    assert record.failure.cause == cause and type(error).__name__ in record.failure.traceback
    assert record.epochs == 1 and len(record.losses) == 1, "what was trained before is kept"


def test_a_failure_keeps_account_of_all_that_it_spent(demo: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Method, progress: Progress) -> None:
        if progress.epoch == 2:
            time.sleep(0.5)
            raise MemoryError

    monkeypatch.setattr(METHODS["lf_dnn"], "on_epoch_start", fail)
    begun = time.perf_counter()
    record = run(demo)
    assert record.failure is not None and record.failure.cause == "out-of-memory"
    spent = sum(record.seconds) + record.setup_seconds
    assert record.epochs == 1 and 0.5 < spent <= time.perf_counter() - begun


def test_a_loss_that_is_no_number_is_named_with_its_epoch(demo: Dataset) -> None:
    record = run(demo, learning_rate=1e30)
    assert record.failure is not None and record.failure.cause == "nan"
    assert "epoch" in record.failure.message


def test_a_method_that_fine_tunes_reads_precomputed_features_and_says_so(demo: Dataset) -> None:
    features = encoders.resolve("features", "en")
    made = replace(spec(demo, "almt", 1), text_encoder=features.identity, text_mode="frozen")
    record = train(made, demo, features)
    assert record.status == "finished" and record.parameters["encoder"] == 0
    assert any("precomputed" in note for note in record.notes)


def test_optimizers_begin_anew_where_a_method_asks_for_it(
    demo: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = run(demo, epochs=3)
    asked: list[int] = []

    def restarts(self: Method, progress: Progress) -> bool:
        asked.append(progress.epoch)
        return True

    monkeypatch.setattr(METHODS["lf_dnn"], "restarts_optimizers", restarts)
    fresh = run(demo, epochs=3)
    assert asked == [2, 3]
    assert np.array_equal(kept.test_predictions[0], fresh.test_predictions[0])
    assert not np.array_equal(kept.test_predictions[1], fresh.test_predictions[1])
    checkpoint = Checkpoint(path=tmp_path / "run.pt", run="a", every_seconds=0)

    def stop(report: EpochReport) -> None:
        if report.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(spec(demo), demo, TINY, checkpoint=checkpoint, on_epoch=stop)
    assert same(train(spec(demo), demo, TINY, checkpoint=checkpoint), fresh)


def test_an_epoch_of_fewer_batches_than_are_accumulated_makes_one_step(demo: Dataset) -> None:
    record = run(demo, epochs=3, accumulate=100, learning_rate=0.01)
    first, second, third = record.valid_predictions
    assert not np.array_equal(first, second) and not np.array_equal(second, third)
