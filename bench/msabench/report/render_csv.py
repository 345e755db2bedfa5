"""CSV: tidy, one line for each row, dataset and metric, with all that identifies the figure."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Container

from msabench.report.ledger import MARK as SEARCHED
from msabench.report.table import Line, Table, plain

COLUMNS = (
    *("row", "title", "dataset", "data", "convention", "selection", "oracle", "gap", "track"),
    *("text_encoder", "text_mode", "metric", "better", "unit", "mean", "sd", "n", "undefined", "printed"),
    *("best", "tied_with_best", "stars", "reconstruction", "failed", "notes", "msabench", "keys"),
)


def render(table: Table) -> str:
    """The table's figures in full precision.

    `mean` and `sd` are fractions where `unit` is `fraction`; `printed` is the figure as the other renderers
    show it, percentages times 100. Undefined figures and the spread of one seed are empty; a row without a
    finished run has n = 0 and no metric. `keys` are the runs behind the figure, `gap` marks an optimism gap.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for line in _lines(table):
        writer.writerow({name: one_line(value) for name, value in line.items()})
    return out.getvalue()


def render_failures(table: Table) -> str:
    """The failed runs, one a line."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("method", "dataset", "seed", "cause", "message", "key"))
    for f in table.failures:
        writer.writerow(map(one_line, (f.method, f.dataset, f.seed, f.cause, f.message, f.key)))
    return out.getvalue()


def _marks(line: Line, texts: Container[str]) -> tuple[str, ...]:
    """Of the notes that a line needs when it is read alone: its own, and what its search has spent."""
    searched = line.track == "tuned" and SEARCHED in texts
    return (*line.marks, *([SEARCHED] if searched else []))


def _lines(table: Table) -> list[dict[str, object]]:
    texts = {note.mark: note.text for note in table.notes}
    lines: list[dict[str, object]] = []
    for block in table.blocks:
        for line in block.lines:
            for group, runs in line.coverage.items():
                about = {
                    "row": line.row, "title": line.title, "dataset": group.dataset, "data": group.data_kind,
                    "convention": group.convention, "selection": block.selection, "oracle": line.oracle,
                    "gap": block.gap, "track": line.track, "text_encoder": runs.text_encoder,
                    "text_mode": runs.text_mode, "n": runs.n, "failed": runs.failed,
                    "reconstruction": line.reconstruction, "msabench": table.version,
                    "notes": "; ".join(texts[mark] for mark in _marks(line, texts)),
                }  # fmt: skip
                if not runs.n:
                    lines.append(about)
                for column in group.columns:
                    for metric in column.metrics:
                        cell = line.cells.get((group, metric))
                        if cell is None:
                            continue
                        printed = column.number(cell.mean, signed=block.gap)
                        figures = {
                            "metric": metric, "better": column.better,
                            "unit": "fraction" if column.percent else "score",
                            "mean": _exact(cell.mean), "sd": _exact(cell.sd), "n": cell.n,
                            "undefined": cell.undefined, "best": cell.best, "tied_with_best": cell.tied,
                            "stars": cell.stars, "keys": " ".join(cell.keys),
                            "printed": "" if cell.undefined else plain(printed, column.number(cell.sd)),
                        }  # fmt: skip
                        lines.append({**about, **figures})
    return lines


def _exact(value: float) -> str:
    return "" if math.isnan(value) else repr(value)


def one_line(value: object) -> object:
    """Text without control characters: the csv module leaves a lone carriage return unquoted."""
    return re.sub(r"[\x00-\x1f\x7f]+", " ", value) if isinstance(value, str) else value
