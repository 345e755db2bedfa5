"""What a site shows, as plain values: studies, their boards, and the rows of a board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from msabench.report.published_table import PublishedBlock
from msabench.run import Array, DataKind, RunRecord, Task
from msabench.search import Ledger

TWIN = "TWIN (generated)"
"""Stands on every page and table that shows figures of generated data"""
SELECTIONS = ("same-epoch", "valid-per-metric", "last", "best-epoch", "best-epoch-joint", "as-published")
"""The rules whose figures the site holds"""


class Pair(NamedTuple):
    """The primary test of two rows of a board; figures are None where undefined."""

    a: int
    """Place of the row"""
    b: int
    """That of the other one, which is larger"""
    difference: float | None
    """Metric of the first minus that of the second; a fraction"""
    low: float | None
    high: float | None
    """95 % interval of the difference, without correction"""
    p: float | None
    corrected: float | None
    """p after Holm, over the pairs of this board and metric"""
    detectable: float | None
    """Smallest true difference that would be significant after the correction in 80 % of such studies"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """The runs of one line of a board: what is averaged over seeds, and nothing else."""

    row: str
    """As records name it: `almt[fusion=off]`"""
    method: str
    title: str
    track: str
    text_encoder: str
    text_mode: str
    reconstruction: bool = False
    external: bool = False
    """Whether the runs were trained elsewhere and imported"""
    own_rule: str = ""
    """What `as-published` stands for; empty where nothing is known"""
    oracle: tuple[bool | None, ...] = ()
    """For each of `SELECTIONS`, whether it looks at this row's test split; None where nothing is known"""
    runs: tuple[RunRecord, ...] = ()
    """Finished, in order of seed, without their predictions"""
    failed: tuple[RunRecord, ...] = ()
    chosen: tuple[int, ...] = ()
    """Epoch of each run under same-epoch, from 1; 0 where none could be chosen"""


@dataclass(frozen=True, kw_only=True)
class Board:
    """One dataset of one study: the unit of a leaderboard. Nothing is ever averaged across boards."""

    study: str
    dataset: str
    """With its feature files: `mosi:unaligned`"""
    data_kind: DataKind
    task: Task
    convention: str
    """The dataset's own"""
    rows: tuple[Row, ...]
    scores: Mapping[str, Array] = field(default_factory=dict)
    """Convention to (R, S, M) float64: runs in order of `rows`, then `SELECTIONS`, then the convention's
    printed metrics; fractions, nan where undefined"""
    tests: Mapping[str, Sequence[Pair]] = field(default_factory=dict)
    """Metric of its own convention to the primary test of every pair of rows"""
    notes: tuple[str, ...] = ()
    """What could not be scored, and why"""

    @property
    def twin(self) -> bool:
        """Whether its data are generated."""
        return self.data_kind == "twin"


@dataclass(frozen=True, kw_only=True)
class Study:
    """One study's share of the site."""

    name: str
    settings: str = ""
    """The text of `study.toml`; empty where none was frozen"""
    boards: tuple[Board, ...] = ()
    caption: str = ""
    """Of its comparison table"""
    notes: tuple[str, ...] = ()
    """What its comparison table says below"""
    ledgers: tuple[Ledger, ...] = ()
    published: tuple[PublishedBlock, ...] = ()
    """Measured beside published figures"""
    sources: tuple[str, ...] = ()
    """Of the published figures, numbered from 1"""
    published_notes: Mapping[str, str] = field(default_factory=dict)
    """Mark of a published figure's note to its text"""
    downloads: Mapping[str, str] = field(default_factory=dict)
    """File name to text: tables in every format"""
    superseded: int = 0
    """Records of older method versions or other data, which are left out"""
