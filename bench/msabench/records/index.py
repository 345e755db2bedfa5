"""What is known of a study's records without opening them again.

An entry holds as long as the files that it was read from bear the signature that they had then. Files that
changed within `_SETTLED` before they were read may change once more under the same signature (the clocks of
file systems are coarse), so that they are read again every time until they are older. A file with a date in
the future is thus always read.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msabench.records import derived
from msabench.records.crew import spread
from msabench.records.reading import (
    PREDICTIONS,
    RUN,
    RecordError,
    Signature,
    from_json,
    read_json,
    signature,
    truths_path,
)
from msabench.run import RunRecord, Status

FOLDER = "index"
_FILE = "records.json"
_SETTLED = 2 * 10**9
"""Nanoseconds; FAT, the coarsest, counts in twos of seconds"""
_PER_EPOCH = ("losses", "valid_loss", "valid_criterion")


@dataclass(kw_only=True, slots=True)
class Entry:
    """One record as it was found."""

    run: Signature
    """Of `run.json`"""
    predictions: Signature | None
    read: int
    """When it was read, in nanoseconds of this machine's clock"""
    status: Status | None = None
    """None for a `run.json` that cannot be read"""
    summary: dict[str, Any] | None = None
    """Content of `run.json` without environment, losses and traceback; None where it is damaged"""
    sound: Signature | None = None
    """Of the truths that its predictions were found to fit"""
    made: RunRecord | None = None
    """What `record` gave: a report asks several times, and records cannot be changed"""

    @property
    def settled(self) -> bool:
        """Whether its files can have no other content under these signatures."""
        return settled(self.run, self.read) and (not self.predictions or settled(self.predictions, self.read))

    def record(self, runs: Path, key: str) -> RunRecord:
        """The record without arrays, environment, traceback and what is per epoch, but for `seconds`.

        Parameters
        ----------
        runs, key
            The folder of all runs, and the run's own in it.

        Raises
        ------
        RecordError
            If its `run.json` is damaged.
        """
        if self.made is None:
            path = runs / key / RUN
            self.made = from_json(read_json(path) if self.summary is None else self.summary, path)
        return self.made


def settled(file: Signature, read: int) -> bool:
    """Whether a file that was read then, in nanoseconds, can have no other content under its signature."""
    return max(file[1], file[2]) + _SETTLED < read


class Index:
    """Entries of a study's records, kept in a file between processes where the folder can be written to."""

    def __init__(self, study: Path) -> None:
        self._runs = study / "runs"
        self._study = study
        self._path = study / FOLDER / _FILE
        self._entries: dict[str, Entry] | None = None

    def entries(self) -> dict[str, Entry]:
        """Every record's entry by key, in order of keys, as the files are now."""
        known = self._load() if self._entries is None else self._entries
        found: dict[str, Entry] = {}
        unread: dict[str, tuple[Path, Signature, Signature | None]] = {}
        for key in self.names():
            folder = f"{self._runs}{os.sep}{key}{os.sep}"
            run = signature(folder + RUN)
            if run is None:
                continue
            predictions, held = signature(folder + PREDICTIONS), known.get(key)
            if held and held.settled and (held.run, held.predictions) == (run, predictions):
                found[key] = held
            else:
                unread[key] = (self._runs / key / RUN, run, predictions)
        fresh = dict(zip(unread, spread(_read, list(unread.values())), strict=True))
        changed = any(entry.settled and entry.summary is not None for entry in fresh.values())
        if fresh:
            found = dict(sorted({**found, **fresh}.items()))
        self._entries = found
        if changed or len(found) < len(known):
            self.save()
        return found

    def found(self) -> dict[str, Entry]:
        """The entries that `entries` gave last."""
        return self.entries() if self._entries is None else self._entries

    def mark_sound(self, checked: Iterable[tuple[str, Signature]]) -> None:
        """Note that predictions were read whole and fit the truths of that signature."""
        entries = self._entries or {}
        changed = False
        for key, truths in checked:
            if key in entries and entries[key].sound != truths:
                entries[key].sound = truths
                changed = changed or entries[key].settled
        if changed:
            self.save()

    def truths(self, entry: Entry) -> Signature | None:
        """Signature of the truths that a record is to be held against; None if they are absent."""
        if entry.summary is None:
            return None
        dataset, truths_hash = entry.summary["spec"]["dataset"], entry.summary["truths_hash"]
        return signature(truths_path(self._study, dataset, truths_hash))

    def save(self) -> None:
        """Keep what no longer changes."""
        lasting = {
            key: [entry.run, entry.predictions, entry.read, entry.status, entry.summary, entry.sound]
            for key, entry in (self._entries or {}).items()
            if entry.settled and entry.summary is not None
        }
        derived.save(self._path, {"records": lasting})

    def names(self) -> list[str]:
        """Every folder of a run, in order, whether or not a record is in it."""
        try:
            with os.scandir(self._runs) as found:
                return sorted(each.name for each in found if not each.name.startswith("."))
        except OSError:
            return []

    def _load(self) -> dict[str, Entry]:
        return {
            key: Entry(
                run=_tuple(run), predictions=_tuple(predictions) if predictions else None, read=read,
                status=status, summary=summary, sound=_tuple(sound) if sound else None,
            )
            for key, (run, predictions, read, status, summary, sound)
            in derived.load(self._path).get("records", {}).items()
        }  # fmt: skip


def _tuple(values: list[int]) -> Signature:
    size, changed, entered, inode = values
    return (size, changed, entered, inode)


def _read(path: Path, run: Signature, predictions: Signature | None) -> Entry:
    entry = Entry(run=run, predictions=predictions, read=time.time_ns())
    try:
        raw = read_json(path)
        entry.status = raw.get("status")
        summary = {**raw, **dict.fromkeys(_PER_EPOCH, ()), "environment": {}}
        if raw["failure"]:
            summary["failure"] = {**raw["failure"], "traceback": ""}
        from_json(summary, path)
        entry.summary = summary
    except (RecordError, KeyError, TypeError):
        pass  # whoever wants the record reads it, and is told
    return entry
