"""How long a run may take, from records of runs like it."""

from __future__ import annotations

import statistics
from pathlib import Path

from msabench.records import Store
from msabench.run import RunSpec
from msabench.search.ledger import FOLDER

OTHER = {"trial": "run", "run": "trial"}


class Estimator:
    """Seconds of a run, learnt from every study below a results root and the trials of its search."""

    def __init__(self, results_root: Path) -> None:
        self._seen: dict[tuple[str, ...], list[float]] = {}
        for folder in sorted([*results_root.glob("*/runs"), *results_root.glob(f"*/{FOLDER}/runs")]):
            for record in Store(folder.parent).readable("finished").values():
                seconds = record.setup_seconds + sum(record.seconds)
                self._seen.setdefault(_kind(record.spec), []).append(seconds)

    def seconds(self, run: RunSpec) -> float | None:
        """Median over finished runs of this method, data, encoder and budget; None if there are none.

        Trials of a search try other widths and depths than runs of one setting do, and may be pruned: each
        is judged by the other only where there is nothing else.
        """
        trial, *rest = _kind(run)
        found = self._seen.get((trial, *rest)) or self._seen.get((OTHER[trial], *rest))
        return statistics.median(found) if found else None


def _kind(run: RunSpec) -> tuple[str, ...]:
    what = "trial" if run.track == "trial" else "run"
    return (what, run.row, run.data_hash, run.text_encoder, run.text_mode, str(run.budget))


def duration(seconds: float | None) -> str:
    """
    >>> duration(None), duration(12.3), duration(240), duration(7300)
    ('?', '12 s', '4 min', '2 h 2 min')
    """
    if seconds is None:
        return "?"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
