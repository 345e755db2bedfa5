"""What is measured here beside what is published: the value that all renderers show."""

from __future__ import annotations

import math
from dataclasses import dataclass

from msabench.report.table import (
    FEWER,
    ORACLE,
    RECONSTRUCTED,
    UNDEFINED,
    Cell,
    Column,
    Coverage,
    FailureLine,
    Group,
    Note,
    plain,
)

MEASURED, PUBLISHED, DIFFERENCE = "measured here", "published", "measured − published"
NOT_FOUND = "not found"
HEADINGS = ("Metric", MEASURED, "n", PUBLISHED, "source", DIFFERENCE)


@dataclass(frozen=True, kw_only=True)
class PublishedLine:
    """One metric of one row on one dataset, beside one published figure of it."""

    metric: str
    column: Column
    """How both figures are printed"""
    cell: Cell | None
    """What was measured; None without a finished run, or where the convention has no such metric"""
    value: float | None
    """What was published, in the unit of `cell`; None where no source gives it"""
    source: int = 0
    """Number of the source, from 1; 0 where there is none"""
    marks: tuple[str, ...] = ()
    """Of the notes that belong to the published figure"""
    reasons: tuple[str, ...] = ()
    """Why this line's figures cannot be compared, beyond the reasons of the whole block"""
    comparable: bool = False

    @property
    def difference(self) -> float | None:
        """Measured minus published, in the unit of `cell`; None where the two cannot be compared."""
        if not self.comparable or self.cell is None or self.value is None:
            return None
        return self.cell.mean - self.value

    @property
    def label(self) -> str:
        """The metric with the direction of better."""
        return f"{self.column.label} {self.column.arrow}"

    @property
    def measured_text(self) -> str:
        """Mean and spread; `– (2/5)` where it is undefined for some runs, a dash without any."""
        if self.cell is None:
            return UNDEFINED
        if self.cell.undefined:
            return f"{UNDEFINED} ({self.cell.undefined}/{self.cell.n})"
        return plain(self.column.number(self.cell.mean), self.column.number(self.cell.sd))

    @property
    def published_text(self) -> str:
        """The figure, or that none was found."""
        return NOT_FOUND if self.value is None else self.column.number(self.value)

    @property
    def source_text(self) -> str:
        """Number of the source and marks of the notes: `[1] a`."""
        marks = ",".join(self.marks)
        return f"[{self.source}] {marks}".strip() if self.source else UNDEFINED

    @property
    def difference_text(self) -> str:
        """The signed difference, or that there is none and why."""
        if self.value is None:
            return UNDEFINED
        if self.difference is not None:
            return self.column.number(self.difference, signed=True)
        return "not comparable" + (f": {'; '.join(self.reasons)}" if self.reasons else "")

    @property
    def texts(self) -> tuple[str, ...]:
        """The cells below `HEADINGS`."""
        n = str(self.cell.n) if self.cell else "0"
        return (
            self.label,
            self.measured_text,
            n,
            self.published_text,
            self.source_text,
            self.difference_text,
        )


@dataclass(frozen=True, kw_only=True)
class PublishedBlock:
    """One row of the study on one dataset."""

    row: str
    title: str
    """As tables name the row"""
    group: Group
    """Dataset and the method's own convention"""
    selection: str
    """The method's own rule, as in `valid_early_stop(8)`"""
    oracle: bool
    """Whether that rule looks at the test split"""
    track: str
    runs: Coverage
    reconstruction: bool = False
    reasons: tuple[str, ...] = ()
    """Why no figure of the block can be compared with its published one"""
    lines: tuple[PublishedLine, ...] = ()

    @property
    def heading(self) -> str:
        """All that holds for the whole block, so that no figure stands without it."""
        name = f"{self.title} ({RECONSTRUCTED} reconstruction)" if self.reconstruction else self.title
        rule = f"{self.selection} ({ORACLE})" if self.oracle else self.selection
        runs = f"n = {self.runs.n}" + (f", {self.runs.failed} failed {FEWER}" if self.runs.failed else "")
        return (
            f"{name} on {self.group.data}: convention {self.group.convention}, selection as published "
            f"{rule}, text encoder {self.runs.text_encoder} {self.runs.text_mode}, {self.track} track, {runs}"
        )

    @property
    def remark(self) -> str:
        """Why nothing in the block can be compared; empty where something can, or nothing is published."""
        if all(line.value is None for line in self.lines):
            return f"Published: {NOT_FOUND}."
        return f"Not comparable: {'; '.join(self.reasons)}." if self.reasons else ""


@dataclass(frozen=True, kw_only=True)
class PublishedTable:
    """Measured beside published, for a whole study."""

    title: str
    caption: str
    blocks: tuple[PublishedBlock, ...] = ()
    sources: tuple[str, ...] = ()
    """Of the published figures, numbered from 1"""
    notes: tuple[Note, ...] = ()
    failures: tuple[FailureLine, ...] = ()
    version: str = ""
    """Of msabench"""


def exact(value: float | None) -> str:
    """A figure in full precision, empty where there is none."""
    return "" if value is None or math.isnan(value) else repr(value)
