"""What a user chooses of a table's looks: columns, rows, order, decimals, names. No figure changes."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from msabench.errors import SpecError, unknown
from msabench.report.blocks import with_best
from msabench.report.latex_figures import Numbers, checked
from msabench.report.table import Block, Column, Group, Line, Table


@dataclass(frozen=True, kw_only=True)
class Style:
    """A table's looks; what is empty stays as it is."""

    columns: tuple[str, ...] = ()
    """Metric keys in printed order, a pair in one column as `has0_acc2/non0_acc2`; on a dataset whose
    convention lacks one of them it is left out there"""
    rows: tuple[str, ...] = ()
    """Rows in printed order, as records name them; others are left out, which the caption says"""
    decimals: Mapping[str, int] = field(default_factory=dict)
    """Digits after the point: of `percent`, of `score`, or of a metric by its key"""
    names: Mapping[str, str] = field(default_factory=dict)
    """Row to the name it is printed under"""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Column, as in `columns`, to the heading it is printed under"""
    latex_numbers: Numbers = "siunitx"
    """Who aligns figures in LaTeX: `siunitx`, or `plain` for journals that do not allow it"""

    def __post_init__(self) -> None:
        for name, digits in self.decimals.items():
            if not isinstance(digits, int) or not 0 <= digits <= 8:
                raise SpecError(f"decimals of '{name}' must be 0 to 8, but got {digits!r}")
        checked(self.latex_numbers)


def read_style(path: Path) -> Style:
    """Read a style from TOML: the fields of `Style`, lists and tables.

    Raises
    ------
    SpecError
        If the file cannot be read, or holds unknown settings or values of another form.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpecError(f"a table's style cannot be read: {error}", where=str(path)) from error
    known = {f.name for f in fields(Style)}
    made: dict[str, Any] = {}
    for name, value in raw.items():
        if name not in known:
            raise SpecError(str(unknown("style setting", name, known)), where=str(path))
        listed = name in ("columns", "rows")
        form, kind = (
            ("list", list) if listed else ("text", str) if name == "latex_numbers" else ("table", dict)
        )
        if not isinstance(value, kind):
            raise SpecError(f"'{name}' of a style is a {form}, but got {value!r}", where=str(path))
        made[name] = tuple(map(str, value)) if listed else value
    return Style(**made)


def styled(table: Table, style: Style) -> Table:
    """The table in a style.

    Raises
    ------
    SpecError
        If the style names a row, or a column that no dataset of the table has.
    """
    if not table.blocks:
        return table
    known = list(dict.fromkeys(line.row for block in table.blocks for line in block.lines))
    for name in (*style.rows, *style.names):
        if name not in known:
            raise unknown("row", name, known)
    _check_columns(table.groups, style)
    groups = {group: _group(group, style) for group in table.groups}
    blocks = tuple(_block(block, style, groups) for block in table.blocks)
    left = [name for name in known if style.rows and name not in style.rows]
    caption = table.caption + (f" Left out of this table: {', '.join(left)}." if left else "")
    return replace(table, groups=tuple(groups.values()), blocks=blocks, caption=caption)


def _check_columns(groups: Sequence[Group], style: Style) -> None:
    known = {metric for group in groups for column in group.columns for metric in column.metrics}
    for name in (*style.columns, *style.labels, *style.decimals):
        for metric in name.split("/"):
            if metric not in known and metric not in ("percent", "score"):
                raise unknown("column", metric, known)


def _group(group: Group, style: Style) -> Group:
    by_metric = {metric: column for column in group.columns for metric in column.metrics}
    columns = group.columns
    if style.columns:
        wanted = [tuple(name.split("/")) for name in style.columns]
        columns = tuple(_column(keys, by_metric) for keys in wanted if all(key in by_metric for key in keys))
        if not columns:
            raise SpecError(
                f"none of the columns {', '.join(style.columns)} is of {group.title}",
                fix=f"it has {', '.join(by_metric)}",
            )
    return replace(group, columns=tuple(_dressed(column, style) for column in columns))


def _column(keys: tuple[str, ...], by_metric: Mapping[str, Column]) -> Column:
    first = by_metric[keys[0]]
    if first.metrics == keys:
        return first
    label = first.label
    if len(keys) == 1 and len(first.metrics) > 1:
        # one half of `Acc-2 (has0/non0)`
        label = f"{first.label.partition(' (')[0]} {keys[0].partition('_')[0]}"
    return replace(first, label=label, metrics=keys)


def _dressed(column: Column, style: Style) -> Column:
    name = "/".join(column.metrics)
    kind = "percent" if column.percent else "score"
    digits = style.decimals.get(column.metrics[0], style.decimals.get(kind, column.digits))
    return replace(column, label=style.labels.get(name, column.label), digits=digits)


def _block(block: Block, style: Style, groups: Mapping[Group, Group]) -> Block:
    place = {row: i for i, row in enumerate(style.rows)}
    lines = [line for line in block.lines if not place or line.row in place]
    lines.sort(key=lambda line: place.get(line.row, 0))
    dressed = [_line(line, style, groups) for line in lines]
    if not block.gap and block.selection != "as-published":
        dressed = with_best(dressed, groups.values())  # among the rows that are left, as they print now
    return replace(block, lines=tuple(dressed))


def _line(line: Line, style: Style, groups: Mapping[Group, Group]) -> Line:
    title = line.title
    if line.row in style.names:
        # what follows the name, as the track does, stays
        title = " · ".join([style.names[line.row], *line.title.split(" · ")[1:]])
    return replace(
        line,
        title=title,
        coverage={groups[group]: runs for group, runs in line.coverage.items()},
        cells={(groups[group], metric): cell for (group, metric), cell in line.cells.items()},
    )
