"""The one table value. Renderers differ in ink alone: every figure, mark and note is decided here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from msabench.run import DataKind

UNDEFINED = "–"
FEWER, RECONSTRUCTED = "†", "‡"
ORACLE = "ORACLE: epoch chosen on the test split"
TWIN = "SYNTHETIC TWIN"
GAP = " − "
"""Between the names of the two rules of a gap block"""

CellKey = tuple["Group", str]
"""A column group and a metric's key."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One figure over the seeds of one row, and the runs behind it. Fractions for percentages."""

    mean: float
    """nan if the metric is undefined for any of the runs"""
    sd: float
    """Sample standard deviation (ddof = 1); nan for one run"""
    n: int
    undefined: int = 0
    """How many of the n values are undefined"""
    keys: tuple[str, ...] = ()
    """Run keys, in order of seed"""
    best: bool = False
    """Best among the comparable rows of its column, ties included"""
    tied: bool = False
    """Not best, but not to be told from the best of its column by the test that the caption names"""
    stars: Literal["", "*", "**"] = ""
    """Differs from the reference row at 5 %, at 1 %"""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A printed column: one metric, or a pair printed as `a / b`."""

    label: str
    metrics: tuple[str, ...]
    """Metric keys, one or two"""
    better: Literal["higher", "lower"]
    percent: bool
    digits: int | None = None
    """After the point; None prints the field's usual number"""

    @property
    def arrow(self) -> str:
        """Direction of better."""
        return "↑" if self.better == "higher" else "↓"

    @property
    def decimals(self) -> int:
        """Digits after the point: unless asked for otherwise 2 for percentages, 3 for the rest."""
        if self.digits is not None:
            return self.digits
        return 2 if self.percent else 3

    def number(self, value: float, *, signed: bool = False) -> str:
        """A mean or sd as every renderer prints it: percentages times 100."""
        if not math.isfinite(value):
            return UNDEFINED if math.isnan(value) else ("inf" if value > 0 else "-inf")
        shown = round(100 * value if self.percent else value, self.decimals) + 0.0  # no "-0.00"
        if abs(shown) >= 1e6:  # a diverged run; its digits would tear the table apart
            return f"{shown:{'+' if signed else ''}.2e}"
        return f"{shown:{'+' if signed else ''}.{self.decimals}f}"


@dataclass(frozen=True, kw_only=True)
class Group:
    """Columns of one dataset under one convention."""

    dataset: str
    data_kind: DataKind
    convention: str
    columns: tuple[Column, ...]

    @property
    def data(self) -> str:
        """The dataset's name, loudly marked where its data are generated."""
        return f"{self.dataset} ({TWIN})" if self.data_kind == "twin" else self.dataset

    @property
    def title(self) -> str:
        """Dataset, twin or not, and convention."""
        return f"{self.data}, convention {self.convention}"


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """The runs of one row on one dataset."""

    n: int
    """Finished runs; for a gap, runs scored under both rules"""
    failed: int = 0
    absent: tuple[int, ...] = ()
    """Seeds that other rows of the block have here, and this one has no result of"""
    text_encoder: str = ""
    text_mode: str = ""

    @property
    def text(self) -> str:
        """The column `n`, marked where runs are missing."""
        return f"{self.n}{FEWER}" if self.absent or self.failed else str(self.n)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row of a block."""

    row: str
    """As records name it: `almt[fusion=off]`"""
    title: str
    """As the table names it"""
    track: str
    setting: str = ""
    """What tells it from other lines of this row, where there is something to tell apart"""
    oracle: bool = False
    """Whether this row's rule looks at the test split; under `as-published` rows differ in it"""
    reconstruction: bool = False
    marks: tuple[str, ...] = ()
    """Marks of the footnotes that concern this row"""
    coverage: Mapping[Group, Coverage] = field(default_factory=dict)
    cells: Mapping[CellKey, Cell] = field(default_factory=dict)

    def n(self, group: Group) -> str:
        """Text of the column `n`; a row without a record on a dataset has none."""
        return self.coverage[group].text if group in self.coverage else ""


@dataclass(frozen=True, kw_only=True)
class Block:
    """The rows under one selection rule, or the gap between two rules."""

    selection: str
    label: str
    """Rule, its title, and whether it looks at the test split"""
    oracle: bool = False
    """Whether the rule of any row looks at the test split"""
    gap: bool = False
    """Signed differences instead of scores"""
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FailureLine:
    """A run that ended without a result."""

    method: str
    dataset: str
    seed: int
    cause: str
    message: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Note:
    """A footnote."""

    mark: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """A comparison: `blocks` of rows over `groups` of columns, and all that must be said beside them."""

    title: str
    caption: str
    groups: tuple[Group, ...] = ()
    blocks: tuple[Block, ...] = ()
    notes: tuple[Note, ...] = ()
    failures: tuple[FailureLine, ...] = ()
    version: str = ""
    """Of msabench"""

    @property
    def figures(self) -> Iterator[tuple[Block, Line, Group, Column, str, Cell]]:
        """Every cell in printed order, with where it stands; the string is the metric's key."""
        for block in self.blocks:
            for line in block.lines:
                for group in self.groups:
                    for column in group.columns:
                        for metric in column.metrics:
                            if (cell := line.cells.get((group, metric))) is not None:
                                yield block, line, group, column, metric, cell


class Half(NamedTuple):
    """One figure as printed."""

    mean: str
    spread: str
    """Empty where the mean is undefined"""
    best: bool = False
    tied: bool = False
    stars: str = ""


def halves(block: Block, line: Line, group: Group, column: Column) -> list[Half]:
    """The printed cell in its parts, one for each metric of the column.

    An undefined figure is an en dash followed by how many of the runs are undefined, as in `– (2/5)`; a
    figure of one seed has the spread `–`; a row without runs has no parts.
    """
    parts = []
    for metric in column.metrics:
        cell = line.cells.get((group, metric))
        if cell is None:
            continue
        if cell.undefined:
            parts.append(Half(f"{UNDEFINED} ({cell.undefined}/{cell.n})", ""))
        else:
            mean, spread = column.number(cell.mean, signed=block.gap), column.number(cell.sd)
            parts.append(Half(mean, spread, cell.best, cell.tied, cell.stars))
    return parts


def plain(mean: str, spread: str) -> str:
    """`85.86±0.31`, or `– (2/5)` where there is no spread to give."""
    return f"{mean}±{spread}" if spread else mean
