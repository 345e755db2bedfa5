"""Studies made by hand, and their plots as a user asks for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from msabench.cli import app
from msabench.run import Array, Failure, RunRecord, RunSpec, Task, Truths

LABELS = np.round(np.random.default_rng(7).uniform(-3, 3, 80), 1).astype(np.float32)
Making = Callable[..., tuple[RunRecord, Truths]]


def _make(
    method: str,
    seed: int,
    *,
    noise: float = 1.0,
    epochs: int = 4,
    dataset: str = "mosi:unaligned",
    kind: str = "real",
    task: Task | None = None,
    convention: str = "mmsa",
    labels: Array = LABELS,
    test: Array | None = None,
    track: str = "paper",
    failed: bool = False,
) -> tuple[RunRecord, Truths]:
    """A record whose validation predictions get better until the last epoch, and test ones in some order."""
    ids = np.array([f"v{i}" for i in range(len(labels))])
    truths = Truths(valid_ids=ids, valid=labels, test_ids=ids, test=labels)
    rng = np.random.default_rng([seed, int(1000 * noise)])
    sizes = noise * np.linspace(2, 1, epochs)[:, None]
    valid = (labels + sizes * rng.normal(0, 1, (epochs, len(labels)))).astype(np.float32)
    if test is None:
        test = (labels + rng.permutation(sizes) * rng.normal(0, 1, valid.shape)).astype(np.float32)
    elif test.ndim > 2:
        valid = test
    spec = RunSpec(
        method=method,
        method_version=1,
        hyperparameters={},
        dataset=dataset,
        data_kind=kind,  # type: ignore[arg-type]
        data_hash="0" * 64,
        seed=seed,
        text_encoder="minilm@53aa5117",
        text_mode="frozen",
        track=track,  # type: ignore[arg-type]
    )
    if failed:
        record = RunRecord(
            spec=spec, status="failed", task=task or Task(kind="regression"), convention=convention,
            truths_hash="", failure=Failure(cause="nan", message="the loss is nan in epoch 2"),
        )  # fmt: skip
        return record, truths
    criterion = tuple(float(value) for value in np.abs(valid.reshape(epochs, -1)[:, :80]).mean(axis=1))
    record = RunRecord(
        spec=spec,
        status="finished",
        task=task or Task(kind="regression"),
        convention=convention,
        truths_hash=truths.fingerprint,
        valid_loss=criterion,
        valid_criterion=criterion,
        valid_predictions=valid,
        test_predictions=np.asarray(test, np.float32),
        seconds=(2.0 + seed,) * epochs,
        losses=tuple({"task": 1.0 / (epoch + seed), "extra": 0.5} for epoch in range(1, epochs + 1)),
        parameters={"method": 1000 * seed, "encoder": 5, "trainable": 1000},
    )
    return record, truths


@pytest.fixture(scope="session")
def make() -> Making:
    """`make("tfn", 1, noise=0.8)`: a record with its truths, for `Store.write`."""
    return _make


@pytest.fixture(scope="session")
def plot() -> Callable[..., Result]:
    """`plot(results, "study", "--kind", "gap")`: the command; errors of msabench are raised."""

    def run(results: Path, *arguments: str) -> Result:
        found = CliRunner().invoke(app, ["plot", *arguments, "--results-root", str(results)])
        if found.exception and not isinstance(found.exception, SystemExit):
            raise found.exception
        return found

    return run
