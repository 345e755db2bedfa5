"""`Store`: the records of one study, one at a time or as a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from msabench.metrics import convention_named
from msabench.records.frame import frame_of
from msabench.records.index import Index
from msabench.records.reading import RUN, RecordError, read_json, read_record
from msabench.records.scoring import Wanted, check_all, scores
from msabench.records.writing import write_record
from msabench.run import RunRecord, Status, Task, Truths
from msabench.selection import bind

if TYPE_CHECKING:
    import pandas as pd

ConventionOf = str | Callable[[RunRecord], str] | None
"""None scores each dataset under its own; a function says for each record which"""


class Store:
    """The records of one study.

    What concerns all of them (`keys`, `summaries`, `frame`, `damaged`, …) goes through an index that is
    derived from the records and kept beside them: a file that has not changed is not read twice. Files are
    looked at each time, so that nothing is ever older than the disk; the index may be deleted at any time.

    Parameters
    ----------
    path
        The study's folder; made on the first write.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.runs_folder = self.path / "runs"
        self._index = Index(self.path)

    def has(self, key: str) -> bool:
        """Whether a record of this key is there, finished or failed."""
        return (self.runs_folder / key / RUN).is_file()

    def status(self, key: str) -> Status | None:
        """`finished`, `failed`, or None where there is no record, or none that can be read."""
        try:
            status: Status = read_json(self.runs_folder / key / RUN)["status"]
        except (RecordError, KeyError):
            return None
        return status

    def statuses(self) -> dict[str, Status | None]:
        """Key to status of every record in the store; None for one that cannot be read."""
        return {key: entry.status for key, entry in self._index.entries().items()}

    def keys(self, status: Status | None = None) -> list[str]:
        """Keys of the records in the store, of one status if that is asked for."""
        return [key for key, held in self.statuses().items() if status is None or held == status]

    def planned(self) -> dict[str, dict[str, Any]]:
        """The runs that the study was made for: key to row, dataset and seed; empty if no plan was frozen."""
        path = self.path / "plan.json"
        if not path.exists():
            return {}
        try:
            lines: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(lines, dict) or not all(map(_is_plan_line, lines.values())):
                raise ValueError("it must name row, dataset and seed of each run")
        except (OSError, ValueError, RecursionError) as error:
            raise RecordError(
                f"the study's plan cannot be read: {error}",
                where=str(path),
                fix="delete it and run the study's command again: no record is lost",
            ) from error
        return lines

    def superseded(self) -> list[str]:
        """Keys of records that the plan no longer names: an older version of a method, or other data.

        They stay on disk; `frame` and `failures` leave them out, since they cannot be compared with the rest.
        """
        current = self.planned()
        others = [key for key in self._index.names() if key not in current] if current else []
        return [key for key in others if self.has(key)]

    def get(self, key: str, *, arrays: bool = True) -> RunRecord:
        """Read one record, with its predictions and truths unless only the rest is wanted.

        Raises
        ------
        RecordError
            If it is absent, damaged, or its truths are not those it was made with.
        """
        return read_record(self.path, key, arrays=arrays)

    def runs(self, status: Status | None = None) -> Iterator[RunRecord]:
        """Every record, one at a time.

        Raises
        ------
        RecordError
            At a damaged record; `damaged` lists them without raising.
        """
        for key in self.keys(status):
            yield self.get(key)

    def summaries(self, status: Status | None = None) -> dict[str, RunRecord]:
        """Records that are not superseded, as the index knows them.

        They come without arrays, environment and traceback, and of what belongs to an epoch with `seconds`.

        Raises
        ------
        RecordError
            At a damaged record.
        """
        current = self.planned()
        return {
            key: entry.record(self.runs_folder, key)
            for key, entry in self._index.entries().items()
            if (status is None or entry.status == status) and (not current or key in current)
        }

    def readable(self, status: Status | None = None) -> dict[str, RunRecord]:
        """`summaries` of all that can be read, superseded ones too; damaged records are left out."""
        return {
            key: entry.record(self.runs_folder, key)
            for key, entry in self._index.entries().items()
            if entry.summary is not None and (status is None or entry.status == status)
        }

    def failures(self) -> list[RunRecord]:
        """`summaries` of the runs that failed: cause and message; the traceback is in the record itself."""
        return list(self.summaries("failed").values())

    def damaged(self) -> dict[str, str]:
        """Keys of records that cannot be read, and why; predictions found sound before are not read again."""
        return check_all(self.path, self._index)

    def set_aside(self, key: str) -> Path:
        """Move a damaged record out of the way, so that its run is made again; nothing is deleted."""
        target = self.runs_folder / f".damaged-{key}-{uuid4().hex[:8]}"
        (self.runs_folder / key).rename(target)
        return target

    def write(self, record: RunRecord, truths: Truths) -> None:
        """Write a record to a temporary folder, sync, rename. An older record of its key is replaced."""
        write_record(self.path, record, truths)

    def tasks(self) -> dict[str, Task]:
        """The task of each dataset that has a finished run."""
        return {record.spec.dataset: record.task for record in self.summaries("finished").values()}

    def frame(
        self,
        convention: ConventionOf = None,
        selection: str = "same-epoch",
        *,
        methods: Collection[str] | None = None,
    ) -> pd.DataFrame:
        """Scores of every finished run that is not superseded, one line for each run and metric.

        Runs on datasets whose task the convention cannot score are left out; `tasks` tells which these are.

        Parameters
        ----------
        convention
            None scores each dataset under its own; a function says which for each record, without arrays.
        methods
            Only runs of these; None takes all.

        Returns
        -------
        DataFrame with the columns `COLUMNS`; value is a fraction, nan where undefined; epoch counts from 1.

        Raises
        ------
        SpecError
            If a convention or selection is unknown, or the rule does not suit the convention.
        RecordError
            At a damaged record.
        """
        return self.frames([(convention, selection)], methods=methods)[0]

    def frames(
        self, readings: Sequence[tuple[ConventionOf, str]], *, methods: Collection[str] | None = None
    ) -> list[pd.DataFrame]:
        """A `frame` for each pair of convention and selection; each record is read once for all of them."""
        for _, selection in readings:
            if selection != "as-published":  # which depends on the method; the others are checked first
                bind(selection)
        records = {
            key: record
            for key, record in self.summaries("finished").items()
            if methods is None or record.spec.method in methods
        }
        asked = [_asked(records, convention, selection) for convention, selection in readings]
        wanted = {key: [each[key] for each in asked if key in each] for key in records}
        scored = scores(self.path, self._index, records, {k: v for k, v in wanted.items() if v})
        return [frame_of(records, each, scored) for each in asked]


def _is_plan_line(line: object) -> bool:
    return isinstance(line, dict) and {"row", "dataset", "seed"} <= line.keys()


def _asked(records: dict[str, RunRecord], convention: ConventionOf, selection: str) -> dict[str, Wanted]:
    """How each record is scored, but for those that the convention cannot score."""
    asked = {}
    for key, record in records.items():
        used = convention(record) if callable(convention) else convention or record.convention
        if convention_named(used).takes(record.task):
            asked[key] = Wanted(used, selection)
    return asked
