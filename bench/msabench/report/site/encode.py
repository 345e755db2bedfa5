"""The data files of a site: classic scripts, since a page opened from a file may neither fetch nor import."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from msabench.metrics import Convention, convention_named
from msabench.report.layout import column_of
from msabench.report.site.content import SELECTIONS, TWIN, Board, Row, Study
from msabench.report.site.names import Names
from msabench.run import RunRecord
from msabench.selection import SELECTIONS as RULES
from msabench.stats import RESAMPLES

_CURVE_DIGITS = 5
"""Significant digits of a point of a learning curve: a chart shows fewer"""


def script(function: str, *arguments: Any) -> str:
    """A call as the text of a script. `<` is written as an escape, so that no text can end a script element.

    >>> script("scores", "a", {"b": "</script>"})
    'msabench.scores("a",{"b":"\\\\u003c/script>"});\\n'
    """
    texts = (json.dumps(value, separators=(",", ":"), allow_nan=False) for value in arguments)
    return f"msabench.{function}({','.join(texts)});\n".replace("<", "\\u003c")


def site(studies: Sequence[Study], names: Names, version: str) -> str:
    """`data/site.js`: everything but figures, so that the first page is light."""
    boards = [board for study in studies for board in study.boards]
    used = dict.fromkeys(name for board in boards for name in board.scores)
    return script(
        "begin",
        {
            "version": version,
            "several": len(studies) > 1,
            "resamples": RESAMPLES,
            "selections": [_selection(name) for name in SELECTIONS],
            "conventions": {name: _convention(convention_named(name)) for name in used},
            "boards": [_board(board, names) for board in boards],
        },
    )


def scores(board: Board, convention: str, names: Names) -> str:
    """`data/<board>.<convention>.js`: every run's figures under every selection.

    `values` is (R, S, M) float64, little endian, in base64: exactly the figures of `Store.frame`, in the
    order of `runs` (place of the row, seed, key), `SELECTIONS` and the convention's printed metrics.
    """
    runs = [[place, run.spec.seed, run.key] for place, row in enumerate(board.rows) for run in row.runs]
    values = np.ascontiguousarray(board.scores[convention], dtype="<f8")
    packed = base64.b64encode(values.tobytes()).decode("ascii")
    return script("scores", f"{names.board(board)}.{convention}", {"runs": runs, "values": packed})


def tests(board: Board, names: Names) -> str:
    """`data/<board>.tests.js`: the primary test of every pair of rows."""
    return script("tests", names.board(board), board.tests)


def curves(method: str, boards: Sequence[Board], *, several: bool) -> str:
    """`data/curves.<method>.js`: loss and criterion per epoch of every run of a method.

    `several` names the study of each chart.
    """
    charts = [
        {
            "title": _chart_title(board, row, several=several),
            "seeds": [run.spec.seed for run in row.runs],
            "loss": [[_point(sum(terms.values())) for terms in run.losses] for run in row.runs],
            "criterion": [[_point(value) for value in run.valid_criterion] for run in row.runs],
            "chosen": list(row.chosen),
        }
        for board in boards
        for row in board.rows
        if row.method == method and row.runs and not row.external
    ]
    return script("curves", charts)


def _chart_title(board: Board, row: Row, *, several: bool) -> str:
    study = f" ({board.study})" if several else ""
    return f"{row.title}, {row.track} track, on {board.dataset}{study}" + (f", {TWIN}" if board.twin else "")


def _point(value: float) -> float | None:
    return float(f"{value:.{_CURVE_DIGITS}g}") if math.isfinite(value) else None


def _selection(name: str) -> dict[str, Any]:
    rule = RULES[name]
    return {"name": name, "title": rule.title, "doc": rule.doc.replace("`", ""), "oracle": rule.oracle}


def _convention(convention: Convention) -> dict[str, Any]:
    columns = [column_of(metric) for metric in convention.metrics]
    return {
        "title": convention.title,
        "headline": convention.headline.key,
        "metrics": [
            {
                "key": column.metrics[0],
                "label": column.label,
                "better": column.better,
                "percent": column.percent,
                "decimals": column.decimals,
            }
            for column in columns
        ],
    }


def _board(board: Board, names: Names) -> Mapping[str, Any]:
    return {
        "id": names.board(board),
        "study": board.study,
        "dataset": board.dataset,
        "page": names.dataset(board.dataset),
        "twin": board.twin,
        "convention": board.convention,
        "conventions": list(board.scores),
        "tested": bool(board.tests),
        "notes": list(board.notes),
        "rows": [_row(row, names) for row in board.rows],
    }


def _row(row: Row, names: Names) -> dict[str, Any]:
    return {
        "row": row.row,
        "title": row.title,
        "page": names.method(row.method),
        "track": row.track,
        "encoder": row.text_encoder,
        "mode": row.text_mode,
        "reconstruction": row.reconstruction,
        "external": row.external,
        "outside": any(run.chosen_outside for run in row.runs),
        "oracle": list(row.oracle),
        "rule": row.own_rule,
        "failed": len(row.failed),
        "parameters": _mean([run.parameters["method"] for run in row.runs if "method" in run.parameters]),
        "seconds": _mean([seconds_of(run) for run in row.runs]),
    }


def seconds_of(run: RunRecord) -> float:
    """Wall seconds of a whole run; nan for an external one."""
    return run.setup_seconds + sum(run.seconds)


def _mean(values: Sequence[float]) -> float | None:
    mean = sum(values) / len(values) if values else math.nan
    return round(mean, 3) if math.isfinite(mean) else None
