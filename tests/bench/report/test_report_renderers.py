"""The same figures, marks and sentences in every renderer."""

from __future__ import annotations

import csv
import io
import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace

import hypothesis.strategies as st
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from rich.console import Console

from msabench.registry import METHODS, RECONSTRUCTION, MethodCard
from msabench.report import render_csv, render_latex, render_markdown
from msabench.report.comparison import assemble
from msabench.report.latex import escape
from msabench.report.latex_figures import Latex
from msabench.report.render_terminal import show
from msabench.report.table import Table, halves, plain
from msabench.run import RunRecord

Scores = Callable[..., pd.DataFrame]
FIGURE = re.compile(r"[+-]?\d+\.\d+±(?:\d+\.\d+|–)|– \(\d/\d\)")


def _terminal(table: Table, width: int = 200) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    show(table, console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def _plain_latex(text: str) -> str:
    """What a reader sees of LaTeX's figures: mean and spread are cells of their own, joined by a ±."""
    text = re.sub(r"\\phantom\{[^}]*\}", "", text).replace(r"\best ", "").replace("$-$", "-")
    text = re.sub(r"\\(?:tied|textbf|underline)\{([^{}]*)\}", r"\1", text)
    text = re.sub(r"\\multicolumn\{\d\}\{c[^&]*?\}\{(-- [^}]*)\}", r"\1", text).replace("--", "–")
    text = re.sub(r"\{([^{}&]*)\}", r"\1", text)
    return re.sub(r"(?<=& )([+-]?\d+\.\d+) & (\d+\.\d+|–)", r"\1±\2", text)


@pytest.fixture(scope="module")
def table(scores: Scores, failed: Callable[..., RunRecord]) -> Table:
    """Two datasets, two selections, an undefined figure, a lone seed, a failure."""
    parts = []
    for selection, oracle, shift in (("same-epoch", False, 0.0), ("best-epoch", True, 0.0123)):
        about = {"selection": selection, "oracle": oracle}
        full = {"acc7": [0.311, 0.352, 0.3], "has0_acc2": [0.8, 0.82, 0.81], "non0_acc2": [0.83, 0.84, 0.86]}
        rows = {
            "tfn": full | {"mae": [0.91, 0.93, 1.0], "corr": [0.6, math.nan, 0.7]},
            "lf_dnn[x=1]": full | {"mae": [0.9, 0.9, 0.9], "corr": [-0.6, 0.1, 0.2]},
        }
        mosi = scores(rows, **about)
        sims = scores(
            {"tfn": {"acc2": [0.7], "acc5": [0.4], "f1": [0.3], "mae": [0.5]}},
            dataset="sims:unaligned",
            convention="sims",
            data_kind="twin",
            **about,
        )
        part = pd.concat([mosi, sims], ignore_index=True)
        parts.append(part.assign(value=part["value"] + shift))
    return assemble(
        pd.concat(parts, ignore_index=True), failures=[failed("tfn", seed=9, message="a | b_c & 100 %")]
    )


def _expected(table: Table) -> list[list[str]]:
    """Printed figures of each row, in the order of groups, blocks and rows."""
    rows = [
        [plain(mean, sd) for column in group.columns for mean, sd, *_ in halves(block, line, group, column)]
        for group in table.groups
        for block in table.blocks
        for line in block.lines
    ]
    return [row for row in rows if row]


def test_terminal_markdown_and_latex_print_the_same_figures(table: Table) -> None:
    texts = {
        "terminal": _terminal(table),
        "markdown": render_markdown.render(table).replace("**", ""),
        "latex": _plain_latex(render_latex.render(table)),
        "plain latex": _plain_latex(render_latex.render(table, Latex(numbers="plain"))),
    }
    for name, text in texts.items():
        found = [row for line in text.splitlines() if (row := FIGURE.findall(line))]
        assert found == _expected(table), name


def test_csv_holds_the_same_figures_in_full_precision(table: Table) -> None:
    lines = list(csv.DictReader(io.StringIO(render_csv.render(table))))
    figures = list(table.figures)
    found = {
        (line["selection"], line["row"], line["dataset"], line["metric"]): line
        for line in lines
        if line["metric"]
    }
    assert len(found) == len(figures) > 20
    for block, row, group, column, metric, cell in figures:
        line = found[block.selection, row.row, group.dataset, metric]
        mean = float(line["mean"] or "nan")
        assert mean == cell.mean or (math.isnan(mean) and math.isnan(cell.mean))
        assert int(line["n"]) == cell.n and line["keys"].split() == list(cell.keys)
        printed = (
            ""
            if cell.undefined
            else plain(column.number(cell.mean, signed=block.gap), column.number(cell.sd))
        )
        assert line["printed"] == printed
        assert (line["data"], line["oracle"]) == (group.data_kind, str(row.oracle))


def test_best_is_bold_in_each(table: Table) -> None:
    bold = len([cell for *_, cell in table.figures if cell.best])
    assert bold > 4
    assert render_markdown.render(table).count("±") > bold
    cells = re.findall(r"\*\*[\d.]+±[\d.]+\*\*", render_markdown.render(table))
    assert len(cells) == bold == render_latex.render(table).count(r"& \best ")
    plain = render_latex.render(table, Latex(numbers="plain"))
    assert len(re.findall(r"\\textbf\{[\d.]+\}", plain)) == bold
    console = Console(file=io.StringIO(), width=200, force_terminal=True)
    show(table, console)
    assert len(re.findall(r"\x1b\[1m[\d.]+±[\d.]+\x1b", console.file.getvalue())) == bold  # type: ignore[attr-defined]


def test_twin_oracle_caption_notes_and_failures_are_said_in_each(table: Table) -> None:
    latex = render_latex.render(table)
    for text in (_terminal(table), render_markdown.render(table), latex):
        flat = " ".join(text.replace("\\", "").split())
        assert flat.count("SYNTHETIC TWIN") >= 3
        for said in (
            "ORACLE",
            "ddof = 1",
            "undefined for k of n seeds",
            "Failed runs",
            "convention",
            "100 %",
        ):
            assert said in flat, said
    failures = list(csv.DictReader(io.StringIO(render_csv.render_failures(table))))
    assert failures[0]["message"] == "a | b_c & 100 %" and failures[0]["seed"] == "9"


def test_a_narrow_terminal_loses_no_digit(table: Table) -> None:
    wide = re.findall(r"\d+\.\d+", _terminal(table))
    narrow = _terminal(table, width=80)
    assert sorted(re.findall(r"\d+\.\d+", narrow)) == sorted(wide)
    assert "…" not in narrow and max(map(len, narrow.splitlines())) <= 80


def test_output_to_a_file_is_not_folded(table: Table) -> None:
    console = Console(file=io.StringIO(), width=40)
    show(table, console)
    assert _expected(table)[0] in [FIGURE.findall(line) for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_reconstructed_methods_are_marked_wherever_they_are_shown(
    scores: Scores, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = METHODS.card("tfn")

    def reconstructed(name: str) -> MethodCard:
        return replace(card, reconstruction=name == "tfn")

    monkeypatch.setattr(METHODS, "card", reconstructed)
    table = assemble(scores({"tfn": {"mae": [0.9]}, "lf_dnn": {"mae": [0.9]}}))
    assert {line.row: line.marks for line in table.blocks[0].lines} == {"tfn": ("‡",), "lf_dnn": ()}
    assert "TFN (‡)" in _terminal(table) and "TFN <sup>‡</sup>" in render_markdown.render(table)
    latex = render_latex.render(table)
    assert r"TFN$^{\ddagger}$" in latex and RECONSTRUCTION in latex
    lines = csv.DictReader(io.StringIO(render_csv.render(table)))
    assert {line["row"]: line["reconstruction"] for line in lines} == {"tfn": "True", "lf_dnn": "False"}


def test_names_are_shown_as_they_are(scores: Scores) -> None:
    table = assemble(scores({"a_b[*c*=|]": {"mae": [0.9]}}))
    assert r"a\_b\[\*c\*=\|\]" in render_markdown.render(table)
    assert r"a\_b{[}*c*=\textbar{}{]}" in render_latex.render(table)
    assert "a_b[*c*=|]" in _terminal(table)


def test_latex_is_ascii_for_any_text() -> None:
    assert escape("Müller 50 % #1 β 字") == r"M\"{u}ller 50 \% \#1 $\beta$ \texttt{U+5B57}"
    assert escape("a--b") == "a-{}-b"
    assert escape("x\ny\t") == "x y"


@given(st.text(max_size=40))
def test_escaped_text_has_balanced_braces_and_nothing_but_ascii(text: str) -> None:
    found = escape(text)
    bare = re.sub(r"\\.", "", found)
    assert found.isascii() and bare.count("{") == bare.count("}")
    assert len(re.findall(r"(?<!\\)\$", found)) % 2 == 0


NAMES = st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=12).filter(
    lambda name: name.strip() != "" and not unicodedata.category(name[0]).startswith("C")
)
VALUES = st.one_of(st.just(math.nan), st.just(math.inf), st.floats(-1e9, 1e9), st.floats(0, 1))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.dictionaries(
        NAMES,
        st.fixed_dictionaries(
            {"acc7": st.lists(VALUES, min_size=1, max_size=3)},
            optional={
                "has0_f1": st.lists(VALUES, min_size=1, max_size=3),
                "mae": st.lists(VALUES, min_size=1, max_size=2),
                "corr": st.lists(VALUES, min_size=1, max_size=1),
            },
        ),
        min_size=1,
        max_size=4,
    ),
    note=st.text(max_size=10),
    oracle=st.booleans(),
)
def test_nothing_that_a_study_can_hold_stops_a_renderer(
    scores: Scores,
    failed: Callable[..., RunRecord],
    rows: dict[str, dict[str, list[float]]],
    note: str,
    oracle: bool,
) -> None:
    frame = scores(rows, notes=note)
    if oracle:
        frame = pd.concat([frame, frame.assign(selection="best-epoch", oracle=True)], ignore_index=True)
    table = assemble(frame, failures=[failed(next(iter(rows)), seed=7, message=note)])
    for text in (_terminal(table, 60), render_markdown.render(table), render_latex.render(table)):
        assert "ddof = 1" in " ".join(text.split()) or "n = 1" in " ".join(text.split())
        assert (f"{'–'}" in text) or "--" in text or not any(cell.n == 1 for *_, cell in table.figures)
    assert render_latex.render(table).isascii()
    lines = list(csv.DictReader(io.StringIO(render_csv.render(table))))
    assert len([line for line in lines if line["metric"]]) == len(list(table.figures))
