"""A checkpoint that cannot be trusted is not used: the run begins anew, says so, and leaves the same bits."""

import zipfile
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
from msabench.method import METHODS
from msabench.run import Budget, RunRecord, RunSpec
from msabench.train import EpochReport, train

TINY = encoders.resolve("tiny", "en")
CUT = 2
"""The epoch after which a run is cut off"""
Harm = Callable[[Path], object]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    torch.set_num_threads(1)
    return load("demo", tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(demo: Dataset) -> RunSpec:
    card = METHODS.card("lf_dnn")
    return RunSpec(
        method="lf_dnn", method_version=card.version, hyperparameters=card.values("demo"), seed=7,
        dataset=demo.name, data_kind=demo.kind, data_hash=demo.fingerprint, text_encoder=TINY.identity,
        text_mode="frozen", budget=Budget(epochs=3, patience=0),
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(demo: Dataset, run: RunSpec) -> RunRecord:
    return train(run, demo, TINY)


@pytest.fixture(scope="module")
def left(demo: Dataset, run: RunSpec, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What a run that was cut off leaves."""
    checkpoint = Checkpoint(path=tmp_path_factory.mktemp("left") / "run.pt", run=run.key, every_seconds=0)
    cut_off(run, demo, checkpoint)
    return checkpoint.path.read_bytes()


def cut_off(run: RunSpec, demo: Dataset, checkpoint: Checkpoint, pace: tuple[float, ...] = ()) -> None:
    def stop(report: EpochReport) -> None:
        if report.epoch == CUT:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(run, demo, TINY, checkpoint=checkpoint, on_epoch=stop, pace=pace)


def resume(
    run: RunSpec, demo: Dataset, checkpoint: Checkpoint, **options: Any
) -> tuple[RunRecord, list[int]]:
    """The record, and the epochs that were trained for it."""
    trained: list[int] = []
    said: dict[str, Any] = {"on_epoch": lambda report: trained.append(report.epoch)}
    record = train(run, demo, TINY, checkpoint=checkpoint, **said, **options)
    return record, trained


def same(a: RunRecord, b: RunRecord) -> bool:
    arrays = ("valid_predictions", "test_predictions")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in arrays) and (
        (a.losses, a.valid_loss, a.valid_criterion, a.stopped)
        == (b.losses, b.valid_loss, b.valid_criterion, b.stopped)
    )


def flip_a_bit(path: Path) -> None:
    """In the middle of a tensor: torch reads the file without a word, and trains on with another weight."""
    with zipfile.ZipFile(path) as file:
        largest = max(file.infolist(), key=lambda each: each.file_size)
    content = bytearray(path.read_bytes())
    content[largest.header_offset + 200 + largest.file_size // 2] ^= 64
    path.write_bytes(content)


def change(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    state = torch.load(path, weights_only=True)
    edit(state)
    torch.save(state, path)


HARMS: dict[str, Harm] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-5000]),
    "no checkpoint": lambda path: path.write_text("<html>404</html>"),
    "a flipped bit": flip_a_bit,
    "of another run": lambda path: change(path, lambda state: state["made"].update(run="0" * 16)),
    "of another torch": lambda path: change(path, lambda state: state["made"].update(torch="1.13.1")),
    "from before": lambda path: change(path, lambda state: state.pop("made")),
    "of a GPU": lambda path: change(path, lambda state: state["made"].update(device="cuda")),
    "without optimisers": lambda path: change(path, lambda state: state.pop("optimizers")),
    "of another shape": lambda path: change(path, lambda state: state["method"].popitem()),
    "of a log unlike ours": lambda path: change(path, lambda state: state["log"].update(more=[])),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_checkpoint_that_cannot_be_trusted_is_not_used(
    harm: str, left: bytes, demo: Dataset, run: RunSpec, whole: RunRecord, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    checkpoint = Checkpoint(path=tmp_path / "run.pt", run=run.key, every_seconds=0)
    checkpoint.path.write_bytes(left)
    HARMS[harm](checkpoint.path)
    record, trained = resume(run, demo, checkpoint)
    assert trained == [1, 2, 3] and record.status == "finished"
    assert same(record, whole)
    assert "the checkpoint is not used, training begins anew: " in capsys.readouterr().out


def test_a_sound_one_is_used_and_nothing_is_said(
    left: bytes, demo: Dataset, run: RunSpec, whole: RunRecord, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    checkpoint = Checkpoint(path=tmp_path / "run.pt", run=run.key)
    checkpoint.path.write_bytes(left)
    record, trained = resume(run, demo, checkpoint)
    assert trained == [3] and same(record, whole) and capsys.readouterr().out == ""


def test_memory_that_runs_out_is_no_fault_of_the_file(
    left: bytes, demo: Dataset, run: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = Checkpoint(path=tmp_path / "run.pt", run=run.key)
    checkpoint.path.write_bytes(left)

    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr("msabench.checkpoint.torch.load", full)
    record = train(run, demo, TINY, checkpoint=checkpoint)
    assert record.failure is not None and record.failure.cause == "out-of-memory"


@pytest.mark.parametrize("ended", ["patience", "pruned"])
def test_what_ends_a_run_early_ends_it_alike_after_an_interruption(
    ended: str, demo: Dataset, run: RunSpec, tmp_path: Path
) -> None:
    if ended == "patience":
        values = {**run.hyperparameters, "learning_rate": 0.02}
        run = replace(run, hyperparameters=values, budget=Budget(epochs=40, patience=2))
        pace: tuple[float, ...] = ()
    else:
        run = replace(run, track="trial", budget=Budget(epochs=8, patience=0))
        pace = (*[float("inf")] * 4, 0.0)
    whole = train(run, demo, TINY, pace=pace)
    assert (whole.stopped, whole.epochs > CUT) == (ended, True)
    checkpoint = Checkpoint(path=tmp_path / "run.pt", run=run.key, every_seconds=0)
    cut_off(run, demo, checkpoint, pace)
    record, trained = resume(run, demo, checkpoint, pace=pace)
    assert trained == list(range(CUT + 1, whole.epochs + 1)) and same(record, whole)
    assert record.test_predictions.size == (0 if ended == "pruned" else whole.epochs * 100)
