"""Verdicts on the terminal and as JSON, CSV, LaTeX and Markdown: the same figures and words in each."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from msabench.report.latex import escape
from msabench.report.latex_figures import CLOSING, SNIPPET, Latex, Numbers, opening, written
from msabench.report.latex_grid import tabular
from msabench.report.render_terminal import fitted
from msabench.report.verdicts import Verdict, Verdicts, level_text, p_text

Grid = tuple[str, list[str], list[list[str]]]
"""Title, heads, cells"""
_PAGE = 54
"""Lines of a LaTeX table that a page holds beside a short caption"""
_VERDICT = 38
"""Characters that a line of a verdict holds there"""


def grids(found: Verdicts) -> list[Grid]:
    """The tables in printed order: for each dataset the verdicts, then the same under other epoch rules."""
    parts: list[Grid] = []
    several = len({(v.a, v.b) for v in found.verdicts}) > 1
    for dataset, convention in dict.fromkeys((v.dataset, v.convention) for v in found.verdicts):
        here = [v for v in found.verdicts if (v.dataset, v.convention) == (dataset, convention)]
        parts.append(_verdicts(here, several, f"{dataset}, convention {convention}, {here[0].selection}"))
        others = [v for v in found.others if (v.dataset, v.convention) == (dataset, convention)]
        if others:
            parts.append(_rules(here, others, several, f"{dataset}: the same under other epoch rules"))
    return parts


def show(found: Verdicts, console: Console | None = None) -> None:
    """Print to a console, standard output unless another is given."""
    console = fitted(console)
    console.print(Text(found.title, style="bold"), Text(), sep="\n")
    for title, heads, cells in grids(found):
        below = heads[-1] == "verdict" and _width(heads, cells) > console.width
        shown = -1 if below else None
        rich = RichTable(
            title=Text(title, style="bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
        )
        for head in heads[:shown]:
            rich.add_column(Text(head), overflow="fold")
        for row in cells:
            rich.add_row(*map(Text, row[:shown]))
        console.print(rich)
        if below:
            firsts = heads.index("metric") + 1
            lines = [Text(f"{' '.join(filter(None, row[:firsts]))}: {row[-1]}") for row in cells]
            console.print(*lines, Text(), sep="\n")
    for line in (*found.notes, *(f"Not compared, or in part: {text}." for text in found.refused)):
        console.print(Text(line))


def _width(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> int:
    """Characters of a printed table whose cells are not broken."""
    widest = (max(map(cell_len, column)) for column in zip(heads, *cells, strict=True))
    return sum(width + 3 for width in widest)


def markdown(found: Verdicts) -> str:
    """Tables, then the notes as a list."""
    lines = [f"# {found.title}", ""]
    for title, heads, cells in grids(found):
        lines += [f"## {title}", "", _piped(heads), "|" + "---|" * len(heads), *map(_piped, cells), ""]
    lines += [f"- {note}" for note in found.notes]
    lines += [f"- Not compared, or in part: {text}." for text in found.refused]
    return "\n".join(lines) + "\n"


def to_latex(found: Verdicts, latex: Latex = SNIPPET) -> str:
    """`table*` floats of at most a page, to be `\\input` where the packages of the first line are loaded."""
    notes = " ".join([*found.notes, *(f"Not compared, or in part: {text}." for text in found.refused)])
    parts: list[str] = []
    for title, heads, cells in grids(found):
        caption = f"{found.title}: {title}."
        for lines in _pages(cells, 0 if parts else len(notes)):
            said = (
                rf"{escape(caption)} What the caption of Table~\ref{{tab:verdicts-1}} says holds here too."
                if parts
                else escape(f"{caption} {notes}")
            )
            parts.append(_float(said, f"tab:verdicts-{len(parts) + 1}", heads, lines, latex.numbers))
    return written(parts, found.version, latex)


def _pages(cells: Sequence[list[str]], said: int) -> list[list[list[str]]]:
    """Rows that a page holds together; the first has a caption of so many characters."""
    pages: list[list[list[str]]] = [[]]
    left = max(_PAGE - said / 70, 1)
    for line in cells:
        height = math.ceil(len(line[-1]) / _VERDICT) or 1
        if pages[-1] and height > left:
            pages.append([])
            left = _PAGE
        pages[-1].append(line)
        left -= height
    return pages


def _float(said: str, label: str, heads: Sequence[str], cells: Sequence[list[str]], numbers: Numbers) -> str:
    long = max(len(line[-1]) for line in cells) > _VERDICT
    specs = ["l"] * (len(heads) - 1) + [r"p{0.34\linewidth}" if long else "l"]
    return "\n".join(
        [
            *opening(said, label, numbers, separation=3),
            *tabular(heads, cells, specs, numbers),
            CLOSING,
            r"\end{table*}",
            "",
        ]
    )


def to_csv(found: Verdicts) -> str:
    """One line a pair, dataset, metric and epoch rule; fractions, unrounded; each with the table's notes."""
    said = {"table_notes": " ".join(found.notes)}
    lines = [_line(v) | said for v in (*found.verdicts, *found.others)]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def to_json(found: Verdicts) -> str:
    """Everything, fractions unrounded; an undefined figure is null."""
    content = {
        "title": found.title,
        "test": found.test,
        "scope": found.scope,
        "alpha": found.alpha,
        "version": found.version,
        "verdicts": [_line(v) for v in found.verdicts],
        "other_selections": [_line(v) for v in found.others],
        "notes": found.notes,
        "refused": found.refused,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


RENDERERS: Mapping[str, Callable[[Verdicts], str]] = {
    "json": to_json,
    "csv": to_csv,
    "latex": to_latex,
    "markdown": markdown,
}


def _verdicts(here: Sequence[Verdict], several: bool, title: str) -> Grid:
    level = level_text(here[0].comparison.alpha)
    sides = ["A", "B"] if several else [here[0].a, here[0].b]
    heads = [*(["A", "B"] if several else []), "metric", *(f"{side} mean ± sd (n)" for side in sides)]
    bounded = not all(math.isnan(v.comparison.interval[0]) for v in here)
    heads += [f"{' − '.join(sides)}" + f" [{level}]" * bounded, "p", "p Holm", "verdict"]
    cells = []
    for v in here:
        found = v.comparison
        sided = [
            f"{v.number(side.mean)} ± {v.number(side.sd)} ({side.n})"
            if not side.undefined
            else f"– ({side.undefined}/{side.n} undefined)"
            for side in (found.a, found.b)
        ]
        low, high = (v.number(bound, signed=True) for bound in found.interval)
        gap = v.number(found.difference, signed=True) + (f" [{low}, {high}]" if low != "–" else "")
        arrow = "↑" if v.metric.better == "higher" else "↓"
        said = [*sided, gap, p_text(found.p), p_text(found.adjusted), v.words]
        cells.append([*([v.a, v.b] if several else []), f"{v.metric.label} {arrow}", *said])
    return title, heads, cells


def _rules(here: Sequence[Verdict], others: Sequence[Verdict], several: bool, title: str) -> Grid:
    rules = list(dict.fromkeys(v.selection for v in (*here, *others)))
    by_place = {(v.a, v.b, v.metric.key, v.selection): v for v in (*here, *others)}
    oracle = {v.selection: v.oracle for v in (*here, *others)}
    heads = [*(["A", "B"] if several else []), "metric"]
    heads += [f"{rule} (ORACLE)" if oracle[rule] else rule for rule in rules] + ["changes?"]
    cells = []
    for v in here:
        found = [by_place.get((v.a, v.b, v.metric.key, rule)) for rule in rules]
        winners = {each.comparison.winner for each in found if each and not math.isnan(each.comparison.p)}
        shorts = [each.short if each else "–" for each in found]
        change = "yes" if len(winners) > 1 else "no" if winners else "–"
        cells.append([*([v.a, v.b] if several else []), v.metric.label, *shorts, change])
    return title, heads, cells


def _line(v: Verdict) -> dict[str, Any]:
    found = v.comparison
    line = {
        "a": v.a, "b": v.b, "dataset": v.dataset, "data": v.data_kind, "convention": v.convention,
        "selection": v.selection, "oracle_for": v.oracle, "metric": v.metric.key, "better": v.metric.better,
        "test": found.test, "scope": found.scope,
        "a_mean": found.a.mean, "a_sd": found.a.sd, "a_n": found.a.n,
        "b_mean": found.b.mean, "b_sd": found.b.sd, "b_n": found.b.n, "difference": found.difference,
        "low": found.interval[0], "high": found.interval[1], "p": found.p, "p_holm": found.adjusted,
        "comparisons": found.family, "df": found.df, "se": found.se, "examples": found.samples,
        "hedges_g": v.g.value, "g_low": v.g.low, "g_high": v.g.high, "p_improvement": v.improvement.value,
        "improvement_low": v.improvement.low, "improvement_high": v.improvement.high,
        "crossed_low": v.crossed.low, "crossed_high": v.crossed.high, "detectable": v.detectable,
        "seeds_needed": v.needed, "examples_needed": v.examples_needed,
        "winner": {"a": v.a, "b": v.b, "": ""}[found.winner], "verdict": v.words,
        "notes": "; ".join(found.notes),
    }  # fmt: skip
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in line.items()
    }


def _piped(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
