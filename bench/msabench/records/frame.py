"""Scored runs as a table: one line for each run and metric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from msabench.metrics import convention_named
from msabench.records.scoring import Scored, Wanted
from msabench.run import RunRecord
from msabench.selection import oracle_of

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "row",
    "method",
    "dataset",
    "data_kind",
    "track",
    "text_encoder",
    "text_mode",
    "seed",
    "key",
    "metric",
    "value",
    "epoch",
    "epochs",
    "convention",
    "selection",
    "oracle",
    "notes",
    "method_version",
    "data_hash",
    "truths_hash",
    "budget",
    "hyperparameters",
)
"""Of `Store.frame`; hyperparameters are a hash of them: what is averaged over seeds must agree in these"""


def frame_of(
    records: Mapping[str, RunRecord],
    asked: Mapping[str, Wanted],
    scored: Mapping[Wanted, Mapping[str, Scored]],
) -> pd.DataFrame:
    """A frame with the columns `COLUMNS`.

    Parameters
    ----------
    records
        By key.
    asked
        Key to how it was scored, in the order of the lines.
    scored
        The scores of at least these.
    """
    import pandas as pd

    if not asked:
        return pd.DataFrame([], columns=list(COLUMNS))
    figures = {wanted.convention: convention_named(wanted.convention).figures for wanted in asked.values()}
    repeats = [len(figures[wanted.convention]) for wanted in asked.values()]
    about = [_about(key, records[key], wanted) for key, wanted in asked.items()]
    columns: dict[str, Any] = {
        name: np.repeat(np.array([line[name] for line in about], dtype=object), repeats) for name in about[0]
    }
    scores = [scored[wanted][key] for key, wanted in asked.items()]
    columns["metric"] = [metric.key for wanted in asked.values() for metric in figures[wanted.convention]]
    columns["value"] = np.array([value for score in scores for value in score.values], dtype=np.float64)
    columns["epoch"] = np.array([epoch for score in scores for epoch in score.epochs], dtype=np.int64)
    return pd.DataFrame(columns, columns=list(COLUMNS)).infer_objects()


def _about(key: str, record: RunRecord, wanted: Wanted) -> dict[str, Any]:
    spec = record.spec
    return {
        "row": spec.row, "method": spec.method, "dataset": spec.dataset, "data_kind": spec.data_kind,
        "track": spec.track, "text_encoder": spec.text_encoder, "text_mode": spec.text_mode,
        "seed": spec.seed, "key": key, "epochs": record.epochs, "convention": wanted.convention,
        "selection": wanted.selection, "oracle": oracle_of(record, wanted.selection),
        "notes": "; ".join(record.notes),
        "method_version": spec.method_version, "data_hash": spec.data_hash,
        "truths_hash": record.truths_hash, "budget": str(spec.budget), "hyperparameters": spec.settings,
    }  # fmt: skip
