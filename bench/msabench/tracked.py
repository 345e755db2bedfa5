"""What MLflow is told of a record. Pure: no MLflow is needed here."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version

import numpy as np

from msabench.metrics import score_epochs
from msabench.registry import RECONSTRUCTION, reconstructions
from msabench.run import RunRecord
from msabench.selection import scored

KEY, STARTED = "msabench.key", "msabench.started"
"""Tags that tell which record a run shows."""
READINGS = {"same-epoch": "test/same-epoch", "best-epoch": "test/oracle/best-epoch"}
"""The selections that are mirrored, and the prefix of their metrics: what the test set chose says so."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """One MLflow run, before anything is sent; a function of the record alone, so that sending it twice
    does no harm."""

    name: str
    status: str
    start: int
    """Milliseconds since 1970"""
    end: int
    tags: dict[str, str]
    params: dict[str, str]
    metrics: list[tuple[str, float, int, int]]
    """Name, value, epoch from 1, milliseconds since 1970"""
    undefined: int
    """Metric values left out because they are NaN or infinite"""


def contents(record: RunRecord) -> Contents:
    """What MLflow is told of a record, whose truths must be filled if it is finished.

    Test metrics are those of `READINGS` under the dataset's own convention, at the epoch they come from;
    losses, criterion and validation metrics are there for every epoch.
    """
    spec, start = record.spec, _milliseconds(record.started)
    clock = [start + int(1000 * record.setup_seconds)]
    for seconds in record.seconds:
        clock.append(clock[-1] + (int(1000 * seconds) if math.isfinite(seconds) else 0))
    metrics, undefined = [], 0
    for name, value, epoch in _figures(record):
        if value is None or not math.isfinite(value):
            undefined += 1
        else:
            metrics.append((_allowed(name), float(value), epoch, clock[min(epoch, len(clock) - 1)]))
    budget = {f"budget/{name}": value for name, value in spec.budget.to_json().items()}
    params = {**spec.hyperparameters, "seed": spec.seed, **budget}
    return Contents(
        name=f"{spec.row} {spec.dataset} seed {spec.seed}",
        status="FINISHED" if record.status == "finished" else "FAILED",
        start=start,
        end=clock[-1],
        tags={**_tags(record), "undefined metrics": str(undefined)},
        params={_allowed(name): str(value)[:500] for name, value in params.items()},
        metrics=metrics,
        undefined=undefined,
    )


def _tags(record: RunRecord) -> dict[str, str]:
    spec = record.spec
    tags = {
        KEY: record.key,
        STARTED: record.started,
        "msabench.version": version("msabench"),
        "method": spec.row,
        "dataset": spec.dataset,
        "data": spec.data_kind,
        "track": spec.track,
        "text encoder": f"{spec.text_encoder} ({spec.text_mode})",
        "status": record.status,
        "convention": record.convention,
    }
    remarks = list(record.notes)
    if reconstructions([spec.row]):
        tags["code"] = "reconstruction"
        remarks.insert(0, RECONSTRUCTION)
    if spec.external:
        tags["code"] = "external"
    if spec.data_kind == "twin":
        remarks.insert(0, "Trained on generated data (a twin), not on the dataset itself.")
    if record.failure:
        tags["failure"] = f"{record.failure.cause}: {record.failure.message}"[:1000]
        remarks.insert(0, f"Failed: {tags['failure']}")
    if remarks:
        tags["mlflow.note.content"] = "\n\n".join(remarks)[:4000]
    return tags


def _figures(record: RunRecord) -> Iterator[tuple[str, float | None, int]]:
    """Name, value, epoch of everything that is measured."""
    for epoch, terms in enumerate(record.losses, 1):
        for term, value in terms.items():
            yield f"train/loss/{term}", value, epoch
    per_epoch = {
        "valid/loss": record.valid_loss,
        "valid/criterion": record.valid_criterion,
        "seconds": record.seconds,
    }
    for name, values in per_epoch.items():
        for epoch, value in enumerate(values, 1):
            yield name, value, epoch
    yield "peak memory MiB", record.peak_memory_mib, record.epochs
    if record.status != "finished" or record.truths is None:
        return
    # an external result may come without predictions of the validation split
    held = not (record.spec.external and np.isnan(record.valid_predictions).all())
    valid = score_epochs(record.convention, record.valid_predictions, record.truths.valid) if held else {}
    for metric, curve in valid.items():
        for epoch, value in enumerate(curve.tolist(), 1):
            yield f"valid/{metric}", value, epoch
    for rule, prefix in READINGS.items():
        for metric, (value, epoch) in scored(record, rule, record.convention).items():
            yield f"{prefix}/{metric}", value, epoch


def _milliseconds(started: str) -> int:
    try:
        return int(datetime.fromisoformat(started).timestamp() * 1000)
    except ValueError:
        return 0


def _allowed(name: str) -> str:
    """MLflow takes letters, digits and these marks alone in names of metrics and parameters."""
    return re.sub(r"[^\w\-. :/]", "_", name)[:250]
