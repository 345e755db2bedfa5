"""Figures in LaTeX's columns: room for the widest, what is no figure braced, text left as text."""

from __future__ import annotations

import re

import pytest

from msabench.errors import SpecError
from msabench.report.latex_figures import checked, fitting
from msabench.report.latex_grid import tabular


def test_a_column_has_room_for_its_widest_figure() -> None:
    assert fitting(["9.12", "-0.1", "105.3"], "siunitx").spec == "S[table-format=-3.2]"
    assert fitting(["3", "10"], "siunitx").spec == "S[table-format=2]"
    assert fitting(["+3.0", "–", "inf"], "siunitx").spec == "S[table-format=+1.1]"
    marked = fitting(["3.0"], "siunitx", behind=["$^{*}$", "$^{**}$", ""], left=True)
    assert marked.spec == "S[table-format=1.1,table-alignment=left,table-space-text-post={$^{**}$}]"


@pytest.mark.parametrize(
    ("text", "siunitx", "plain"),
    [
        ("82.21", "82.21", r"\phantom{$-$}82.21"),
        ("-5.21", "-5.21", r"\phantom{0}$-$5.21"),
        ("", "", ""),
        ("–", "{--}", "--"),
        ("inf", "{inf}", "inf"),
        ("-1.20e+06", "{$-$1.20e+06}", "$-$1.20e+06"),
        ("n/a", "{n/a}", "n/a"),
    ],
)
def test_what_is_no_figure_is_braced(text: str, siunitx: str, plain: str) -> None:
    texts = ["-82.21", text]
    assert fitting(texts, "siunitx").cell(text) == siunitx
    assert fitting(texts, "plain").cell(text) == plain


def test_ink_leaves_figures_in_their_place() -> None:
    column = fitting(["82.21", "5.21", "inf"], "siunitx", behind=["$^{*}$"])
    assert column.cell("5.21", best=True, behind="$^{*}$") == r"\best 5.21{$^{*}$}"
    assert column.cell("5.21", tied=True) == r"{\phantom{0}\tied{5.21}\phantom{$^{*}$}}"
    assert column.cell("inf", best=True) == r"{\textbf{inf}}"
    plain = fitting(["82.21", "5.21"], "plain")
    assert plain.cell("5.21", tied=True) == r"\phantom{0}\underline{5.21}"
    assert plain.cell("82.21", best=True) == r"\textbf{82.21}"


def test_figures_are_found_in_cells_of_text() -> None:
    head = ("Method", "n", "F1 ↑", "share", "places", "p")
    rows = [
        ("a-1", "3", "66.67±0.00", "45 %", "2/3 (1–5)", "0.031"),
        ("b [x=-1]", "10", "5.00±12.34", "7 %", "1 (1)", "< 0.001"),
        ("c", "2", "– (1/2)", "–", "–", "–"),
    ]
    lines = tabular(head, rows, "llrrrr", "siunitx")
    assert lines[0] == (
        r"\begin{tabular}{@{}lS[table-format=2]S[table-format=2.2]@{\,{\scriptsize$\pm$}\,}"
        r">{\scriptsize}S[table-format=2.2,table-alignment=left]S[table-format=2]@{~}lrS[table-format=1.3]@{}}"
    )
    assert lines[2] == (
        r"Method & {n} & \multicolumn{2}{c}{F1 $\uparrow$} & \multicolumn{2}{c}{share} & places & {p} \\"
    )
    assert [re.split(r" & | \\\\", line)[:-1] for line in lines[4:7]] == [
        ["a-1", "3", "66.67", "0.00", "45", r"\%", "2/3 (1--5)", "0.031"],
        ["b {[}x=$-$1{]}", "10", "5.00", "12.34", "7", r"\%", "1 (1)", r"{\textless{} 0.001}"],
        ["c", "2", r"\multicolumn{2}{c}{-- (1/2)}", r"\multicolumn{2}{c}{--}", "--", "{--}"],
    ]


def test_a_table_without_rows_is_a_table() -> None:
    assert r"\midrule" in tabular(("Method", "n"), [], "ll", "siunitx")


def test_an_unknown_way_to_align_is_refused() -> None:
    with pytest.raises(SpecError, match="did you mean 'siunitx'"):
        checked("siuntx")
