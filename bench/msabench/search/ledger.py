"""The ledger of a search: what it might spend, what it has spent, and whether others had the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from msabench.errors import SpecError

FOLDER = "search"
"""Below the study's: trials, journal and ledgers"""
LEDGER = "ledger.json"


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What one search has spent."""

    row: str
    dataset: str
    sampler: str
    trials: int
    """Those that count, failed and pruned ones included"""
    failed: int
    pruned: int = 0
    repeated: int
    """Trials that sampled a setting tried before: counted, not trained again"""
    epochs: int
    """Of all trials that count, pruned ones as far as they went"""
    seconds: float
    chosen: int
    """Number of the trial that was chosen"""
    allowed: Mapping[str, Any] = field(default_factory=dict)
    """What the search and each of its trials might spend: `SearchSpec` and `Budget` as they are stored"""

    @property
    def budget(self) -> dict[str, Any]:
        """What must be equal between rows that are compared."""
        held = {"sampler": self.sampler, "hours": None, "prune": "none", "seconds": None, **self.allowed}
        # how many trials fit into a limit of hours is what was spent, not what was allowed
        return {**held, "trials": self.cap if held["hours"] else self.trials}

    @property
    def cap(self) -> int:
        """How many trials there might have been."""
        return int(self.allowed.get("trials", self.trials))


def write_ledgers(study: Path, ledgers: Sequence[Ledger]) -> None:
    """Keep the ledgers beside the trials, joined with those of rows searched before."""
    held = {(each.row, each.dataset): each for each in (*read_ledgers(study), *ledgers)}
    path = study / FOLDER / LEDGER
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps([asdict(each) for each in held.values()], indent=1), encoding="utf-8")
    temporary.replace(path)


def read_ledgers(study: Path) -> list[Ledger]:
    """The ledgers of a study's searches; empty if it has none.

    Raises
    ------
    SpecError
        If their file cannot be read.
    """
    path = study / FOLDER / LEDGER
    if not path.exists():
        return []
    try:
        return [Ledger(**each) for each in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise SpecError(
            f"the ledger of a search cannot be read: {error}",
            where=str(path),
            fix="delete it and run the study's command again: it is made from the trials' records",
        ) from error


def unequal(ledgers: Sequence[Ledger]) -> str:
    """How the budgets of searches differ, or empty."""
    budgets = [ledger.budget for ledger in ledgers]
    # a ledger of an earlier version does not state all of its budget
    stated = [name for name in (budgets[0] if budgets else ()) if all(name in each for each in budgets)]
    differing = [name for name in stated if any(each[name] != budgets[0][name] for each in budgets)]
    if not differing:
        return ""
    return ", ".join(
        f"{ledger.row} on {ledger.dataset} {_said(budget, differing)}"
        for ledger, budget in zip(ledgers, budgets, strict=True)
    )


def _said(budget: Mapping[str, Any], differing: Sequence[str]) -> str:
    others = [f"{name} {budget[name]}" for name in differing if name not in ("trials", "sampler")]
    return ", ".join([f"{budget['trials']} {budget['sampler']} trials", *others])
