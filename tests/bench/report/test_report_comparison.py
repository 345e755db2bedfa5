"""Which rows, columns, marks and sentences a comparison has."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import pandas as pd
import pytest

from msabench.errors import SpecError
from msabench.metrics import CONVENTIONS
from msabench.report.comparison import assemble
from msabench.report.layout import columns_of
from msabench.report.table import Cell, Table
from msabench.run import Budget, RunRecord

Scores = Callable[..., pd.DataFrame]
Failed = Callable[..., RunRecord]


def _cell(table: Table, row: str, metric: str, block: int = 0, group: int = 0) -> Cell:
    line = next(line for line in table.blocks[block].lines if line.row == row)
    return line.cells[table.groups[group], metric]


def _best(table: Table, metric: str, block: int = 0) -> set[str]:
    return {line.row for line in table.blocks[block].lines if line.cells[table.groups[0], metric].best}


@pytest.mark.parametrize(
    ("convention", "labels"),
    [
        ("mmsa", ["Acc-7 ↑", "Acc-5 ↑", "Acc-2 (has0/non0) ↑", "F1 (has0/non0) ↑", "MAE ↓", "Corr ↑"]),
        ("sims", ["Acc-2 ↑", "Acc-3 ↑", "Acc-5 ↑", "F1 ↑", "MAE ↓", "Corr ↑"]),
        ("mag", ["Acc-2 ↑", "F1 ↑", "MAE ↓", "Corr ↑"]),
    ],
)
def test_columns_are_those_of_the_papers(convention: str, labels: list[str]) -> None:
    assert [f"{c.label} {c.arrow}" for c in columns_of(CONVENTIONS[convention])] == labels


def test_no_printed_metric_of_any_convention_lacks_a_column() -> None:
    for convention in CONVENTIONS.values():
        printed = [metric for column in columns_of(convention) for metric in column.metrics]
        assert sorted(printed) == sorted(metric.key for metric in convention.metrics)


def test_a_cell_knows_its_figures_and_the_runs_behind_them(scores: Scores) -> None:
    cell = _cell(assemble(scores({"tfn": {"acc7": [0.30, 0.34]}})), "tfn", "acc7")
    assert cell.mean == pytest.approx(0.32) and cell.sd == pytest.approx(0.04 / math.sqrt(2))
    assert (cell.n, cell.keys) == (2, ("tfn-mosi:unaligned-1111", "tfn-mosi:unaligned-1112"))


def test_best_follows_the_direction_and_holds_for_all_that_print_alike(scores: Scores) -> None:
    table = assemble(
        scores(
            {
                "tfn": {"acc7": [0.30001], "mae": [0.9]},
                "lf_dnn": {"acc7": [0.30002], "mae": [0.8]},
                "almt": {"acc7": [0.2], "mae": [1.0]},
            }
        )
    )
    assert _best(table, "acc7") == {"tfn", "lf_dnn"}
    assert _best(table, "mae") == {"lf_dnn"}


def test_an_undefined_figure_is_no_best_and_a_lone_row_beats_nobody(scores: Scores) -> None:
    table = assemble(scores({"tfn": {"corr": [0.9, math.nan]}, "almt": {"corr": [0.5, 0.6]}}))
    assert _best(table, "corr") == set()
    assert "(k/n)" in " ".join(note.text for note in table.notes)


def test_best_is_among_rows_of_one_track_and_encoder(scores: Scores) -> None:
    high = scores({"tfn": {"acc7": [0.9]}}, track="tuned")
    others = scores({"lf_dnn": {"acc7": [0.3]}, "almt": {"acc7": [0.2]}})
    elsewhere = scores({"r3dg": {"acc7": [0.8]}}, text_encoder="bert@1")
    table = assemble(pd.concat([high, others, elsewhere], ignore_index=True))
    assert _best(table, "acc7") == {"lf_dnn"}
    assert "TFN · tuned · minilm@53aa5117, frozen" in [line.title for line in table.blocks[0].lines]


def test_one_row_under_two_encoders_is_two_lines_that_say_so(scores: Scores) -> None:
    rows = {"tfn": {"acc7": [0.3]}}
    other = scores(rows, text_encoder="bert@1", key="other")
    table = assemble(pd.concat([scores(rows), other], ignore_index=True))
    assert [line.title for line in table.blocks[0].lines] == [
        "TFN · bert@1, frozen",
        "TFN · minilm@53aa5117, frozen",
    ]


def test_one_row_with_an_encoder_for_each_language_stays_one_line(scores: Scores) -> None:
    english = scores({"tfn": {"mae": [0.3]}})
    chinese = scores(
        {"tfn": {"mae": [0.4]}}, dataset="sims:unaligned", convention="sims", text_encoder="zh@1"
    )
    table = assemble(pd.concat([english, chinese], ignore_index=True))
    assert len(table.blocks[0].lines) == 1
    assert "minilm@53aa5117 on mosi:unaligned; zh@1 on sims:unaligned, frozen" in table.caption


def test_the_gap_is_positive_where_the_oracle_flatters(scores: Scores) -> None:
    same = scores({"tfn": {"acc7": [0.30, 0.34], "mae": [0.9, 0.8]}})
    best = scores({"tfn": {"acc7": [0.33, 0.35], "mae": [0.85, 0.78]}}, selection="best-epoch", oracle=True)
    table = assemble(pd.concat([best, same], ignore_index=True))
    assert [b.selection for b in table.blocks] == ["same-epoch", "best-epoch", "best-epoch − same-epoch"]
    assert "ORACLE" in table.blocks[1].label and "ORACLE" not in table.blocks[0].label
    gap = _cell(table, "tfn", "acc7", block=2)
    assert gap.mean == pytest.approx(0.02) and gap.sd == pytest.approx(0.02 / math.sqrt(2))
    assert _cell(table, "tfn", "mae", block=2).mean == pytest.approx(0.035)
    assert not gap.best


def test_unequal_seeds_and_failures_are_counted_where_they_belong(scores: Scores, failed: Failed) -> None:
    frame = scores({"tfn": {"acc7": [0.3, 0.4, 0.5]}, "almt": {"acc7": [0.3, 0.4]}})
    table = assemble(frame, failures=[failed("almt", seed=1113), failed("lf_dnn", message="boom")])
    group = table.groups[0]
    assert {line.row: line.n(group) for line in table.blocks[0].lines} == {
        "almt": "2†",
        "lf_dnn": "0†",
        "tfn": "3",
    }
    assert "2 of 7 runs failed" in table.caption and "n = 2 to 3" in table.caption
    assert [f.message for f in table.failures] == ["the loss is nan in epoch 2", "boom"]
    assert any(
        "2 (1 failed, no result of seed 1113)" in note.text and "0 (1 failed, " in note.text
        for note in table.notes
    )


def test_a_dataset_on_which_all_failed_keeps_its_place(scores: Scores, failed: Failed) -> None:
    frame = scores({"tfn": {"acc7": [0.3]}})
    table = assemble(frame, failures=[failed("tfn", dataset="mosei:unaligned")])
    assert [group.dataset for group in table.groups] == ["mosi:unaligned", "mosei:unaligned"]
    assert table.blocks[0].lines[0].n(table.groups[1]) == "0†"


def test_without_a_finished_run_the_table_says_so_and_lists_the_failures(failed: Failed) -> None:
    table = assemble(pd.DataFrame(), failures=[failed("tfn")])
    assert not table.blocks and len(table.failures) == 1
    assert "No run of this study has finished; 1 run failed" in table.caption
    assert "nothing has been recorded yet" in assemble(pd.DataFrame()).caption


def test_the_caption_says_all_that_a_figure_needs(scores: Scores) -> None:
    frame = scores({"tfn": {"acc7": [0.3, 0.4]}}, data_kind="twin")
    table = assemble(frame, budget=Budget(epochs=10, patience=3))
    for said in (
        "n = 2",
        "ddof = 1",
        "Metric convention: mmsa",
        "Epoch selection: same-epoch",
        "Track: paper",
        "Text encoder: minilm@53aa5117, frozen",
        "SYNTHETIC TWIN",
        "at most 10 epochs, patience 3",
    ):
        assert said in table.caption
    assert re.search(r"msabench \d", table.caption)
    assert "SYNTHETIC TWIN" in table.title and "SYNTHETIC TWIN" in table.groups[0].title


def test_a_real_dataset_and_its_twin_stand_apart(scores: Scores) -> None:
    rows = {"tfn": {"acc7": [0.3]}}
    twin = scores(rows, data_kind="twin", key="twin")
    table = assemble(pd.concat([scores(rows), twin], ignore_index=True))
    assert [group.data for group in table.groups] == ["mosi:unaligned", "mosi:unaligned (SYNTHETIC TWIN)"]


def test_notes_of_runs_become_footnotes_of_their_rows(scores: Scores) -> None:
    said = "fine-tunes its encoder; ran on frozen features"
    noted = scores({"almt": {"acc7": [0.3]}}, notes=said)
    table = assemble(pd.concat([scores({"tfn": {"acc7": [0.3]}}), noted], ignore_index=True))
    assert [(note.mark, note.text) for note in table.notes] == [("a", said)]
    assert {line.row: line.marks for line in table.blocks[0].lines} == {"almt": ("a",), "tfn": ()}


def test_several_conventions_are_column_groups_of_a_dataset(scores: Scores) -> None:
    rows = {"tfn": {"mae": [0.7]}}
    mag = scores(rows, convention="mag").assign(value=0.8)
    table = assemble(pd.concat([scores(rows), mag, scores(rows)], ignore_index=True))
    assert [group.convention for group in table.groups] == ["mmsa", "mag"]
    assert [_cell(table, "tfn", "mae", group=g).mean for g in (0, 1)] == [0.7, 0.8]
    assert _cell(table, "tfn", "mae").n == 1


def test_as_published_is_another_rule_for_each_method(scores: Scores) -> None:
    rows = {"tfn": {"mae": [0.7]}, "r3dg": {"mae": [0.6]}}
    published = scores(rows, selection="as-published")
    published["oracle"] = published["row"] == "r3dg"
    table = assemble(pd.concat([scores(rows).assign(value=0.8), published], ignore_index=True))
    assert _best(table, "mae", block=1) == set()
    assert {line.row: line.oracle for line in table.blocks[1].lines} == {"tfn": False, "r3dg": True}
    assert "chosen on the test split, for r3dg" in table.blocks[1].label.lower()
    assert [line.row for line in table.blocks[2].lines] == ["r3dg"]


def test_an_unknown_convention_is_refused_by_name(scores: Scores) -> None:
    with pytest.raises(SpecError, match="did you mean 'mmsa'"):
        assemble(scores({"tfn": {"mae": [0.7]}}, convention="mmsaa"))
