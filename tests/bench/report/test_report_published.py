"""Measured beside published: what is compared, what is not and why, in every format."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from msabench.cli import app
from msabench.data.cards import resolve
from msabench.errors import SpecError
from msabench.records import Store
from msabench.registry import METHODS, MethodCard, PublishedFigure
from msabench.report import published_table, render_published, write_published
from msabench.report.latex_figures import Latex
from msabench.report.published_table import PublishedLine, PublishedTable
from msabench.run import Budget, Failure, RunRecord, RunSpec, Task, Truths

LABELS = np.linspace(-2.9, 2.9, 30, dtype=np.float32)
IDS = np.array([f"v{i}" for i in range(30)])
TRUTHS = Truths(valid_ids=IDS, valid=LABELS, test_ids=IDS, test=LABELS)
OTHER = "another paper, Table 9"


def figure(metric: str, value: float, dataset: str = "mosi", **more: Any) -> PublishedFigure:
    return PublishedFigure(dataset=dataset, metric=metric, value=value, **{"source": "its Table 1", **more})


FIGURES = (
    figure("mae", 0.5, seeds=2),
    figure("mae", 0.6, source=OTHER, note="a reprint"),
    figure("acc7", 40.0, source=OTHER),
    figure("acc5", 50.0, not_comparable="weighted otherwise"),
    figure("corr", 0.9, withdrawn="erratum"),
    figure("acc2_unstated", 80.0),
    figure("mae", 0.7, settings={"text_hidden": 8}, source="its ablations"),
    figure("mae", 0.4, dataset="mosi:mag", source="its word-level files"),
)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`card(**changes)`: every method has LF-DNN's card with the figures above, and with these changes."""
    original = METHODS.card("lf_dnn")

    def change(**changes: Any) -> None:
        made = replace(original, **{"published": FIGURES, **changes})

        def of(self: object, name: str) -> MethodCard:
            return replace(made, name=name, title=f"{name.upper()}: a title")

        monkeypatch.setattr(type(METHODS), "card", of)

    change()
    return change


def record_of(method: str = "lf_dnn", seed: int = 1, *, failed: bool = False, **changes: Any) -> RunRecord:
    """A finished run under the published conditions, but for the changes to its spec."""
    values: dict[str, Any] = {
        "method": method,
        "method_version": 1,
        "hyperparameters": METHODS.card(method).values("mosi:unaligned"),
        "dataset": "mosi:unaligned",
        "data_kind": "real",
        "data_hash": resolve("mosi:unaligned")[1].sha256,
        "seed": seed,
        "text_encoder": "bert-base-uncased@0123abcd",
        "text_mode": "frozen",
    }
    spec = RunSpec(**{**values, **changes})
    about: dict[str, Any] = {"spec": spec, "task": Task(kind="regression"), "truths_hash": TRUTHS.fingerprint}
    if failed:
        why = Failure(cause="nan", message="the loss is nan")
        return RunRecord(status="failed", convention="mmsa", failure=why, **about)
    rng = np.random.default_rng(seed)
    predictions = np.stack([LABELS + rng.normal(0, 0.5, 30) for _ in range(3)]).astype(np.float32)
    return RunRecord(
        status="finished",
        convention="mmsa",
        valid_loss=(3.0, 1.0, 2.0),
        valid_criterion=(3.0, 1.0, 2.0),
        valid_predictions=predictions,
        test_predictions=predictions,
        seconds=(1.0,) * 3,
        losses=({"l1": 1.0},) * 3,
        **about,
    )


def table_of(folder: Path, *records: RunRecord) -> PublishedTable:
    store = Store(folder)
    for record in records:
        store.write(record, TRUTHS)
    return published_table(store)


def lines_of(table: PublishedTable, metric: str) -> list[PublishedLine]:
    (block,) = table.blocks
    return [line for line in block.lines if line.metric == metric]


def two(**changes: Any) -> list[RunRecord]:
    return [record_of(seed=seed, **changes) for seed in (1, 2)]


def test_a_difference_is_measured_minus_published_under_the_methods_own_rule(
    card: Callable[..., None], tmp_path: Path
) -> None:
    records = two()
    table = table_of(tmp_path, *records)
    (block,) = table.blocks
    # the card's rule takes epoch 2, which has the lowest validation loss
    measured = np.mean([np.abs(r.test_predictions[1] - LABELS).mean() for r in records])
    first, second = lines_of(table, "mae")
    assert first.cell is not None and first.cell.mean == pytest.approx(measured, abs=1e-6)
    assert first.difference == pytest.approx(measured - 0.5, abs=1e-6)
    assert second.difference == pytest.approx(measured - 0.6, abs=1e-6)
    (acc7,) = lines_of(table, "acc7")
    assert acc7.cell is not None and acc7.difference == pytest.approx(acc7.cell.mean - 0.4)
    assert acc7.difference_text == f"{100 * acc7.difference:+.2f}"
    assert block.selection == "valid_early_stop(8)" and not block.oracle and not block.remark
    assert set(table.sources) == {OTHER, "its Table 1"}
    assert [table.sources[line.source - 1] for line in (first, second)] == ["its Table 1", OTHER]
    assert [note.text for note in table.notes] == ["a reprint"] and second.marks == ("a",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data_kind": "twin"}, "the data are a generated twin"),
        ({"text_encoder": "minilm@1"}, "text encoder minilm, published bert-base-uncased"),
        ({"text_mode": "finetuned"}, "text encoder finetuned, published frozen"),
        ({"dataset": "mosi:aligned"}, "feature files mosi:aligned, published mosi:unaligned"),
        ({"data_hash": "ab" * 32}, "feature file abababab, its owners publish 78e0f8b5"),
        ({"budget": Budget(epochs=3)}, "at most 3 of 200 epochs"),
        ({"budget": Budget(patience=2)}, "patience 2, published 8"),
        ({"batch_size": 4}, "batch_size = 4, published 128"),
        ({"track": "tuned", **{f: 0.9 for f in ("audio_dropout", "vision_dropout", "fusion_dropout")},
          "batch_size": 4, "learning_rate": 1.0}, "2 more settings"),
    ],
)  # fmt: skip
def test_what_differs_stands_in_the_place_of_the_difference(
    card: Callable[..., None], tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    own = METHODS.card("lf_dnn").values("mosi:unaligned")
    spec = {name: value for name, value in changes.items() if name not in own}
    hp = {**own, **{name: value for name, value in changes.items() if name in own}}
    table = table_of(tmp_path, *two(hyperparameters=hp, **spec))
    (block,) = table.blocks
    assert words in block.remark
    assert all(line.difference is None for line in block.lines)
    for line in lines_of(table, "mae"):
        assert line.difference_text.startswith("not comparable") and line.published_text != "not found"


def test_figures_that_cannot_be_compared_say_why_themselves(
    card: Callable[..., None], tmp_path: Path
) -> None:
    table = table_of(tmp_path, *two())
    for metric, words in {
        "acc5": "weighted otherwise",
        "corr": "withdrawn: erratum",
        "acc2_unstated": "no figure of the convention mmsa",
    }.items():
        (line,) = lines_of(table, metric)
        assert line.difference is None and words in line.difference_text
    (absent,) = lines_of(table, "has0_acc2")
    assert absent.published_text == "not found" and absent.measured_text[0].isdigit()


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([record_of, 1], "n = 1, published a mean of 2 seeds"),
        ([record_of, 2, "failed"], "1 of 3 runs failed"),
        ([record_of, 0, "failed"], "no finished run"),
    ],
)
def test_fewer_runs_are_no_match(card: Callable[..., None], tmp_path: Path, records: Any, words: str) -> None:
    made = [record_of(seed=seed) for seed in range(records[1])]
    made += [record_of(seed=9, failed=True)] if "failed" in records else []
    table = table_of(tmp_path, *made)
    first = lines_of(table, "mae")[0]
    assert first.difference is None and words in table.blocks[0].remark + first.difference_text
    assert len(table.failures) == ("failed" in records)


def test_the_figures_of_the_same_files_and_ablation_are_taken(
    card: Callable[..., None], tmp_path: Path
) -> None:
    own = METHODS.card("lf_dnn").values("mosi:mag")
    ablated = two(hyperparameters={**own, "text_hidden": 8}, variant="text_hidden=8")
    word_level = two(method="tfn", dataset="mosi:mag", data_hash="0" * 64)
    table = table_of(tmp_path, *ablated, *word_level)
    values = {
        block.row: [line.value for line in block.lines if line.metric == "mae"] for block in table.blocks
    }
    assert values == {"lf_dnn[text_hidden=8]": [0.7], "tfn": [0.4]}
    assert all(block.remark == "" for block in table.blocks)


def test_of_equally_near_figures_those_of_the_whole_method_are_taken(
    card: Callable[..., None], tmp_path: Path
) -> None:
    own = METHODS.card("lf_dnn").values("mosi")
    (block,) = table_of(tmp_path, *two(hyperparameters={**own, "text_hidden": 9})).blocks
    assert [line.value for line in block.lines if line.metric == "mae"] == [0.5, 0.6]
    assert block.remark == "Not comparable: text_hidden = 9, published 128."


def test_a_record_older_than_a_switch_has_its_default(card: Callable[..., None], tmp_path: Path) -> None:
    own = METHODS.card("lf_dnn").values("mosi")
    (block,) = table_of(
        tmp_path, *two(hyperparameters={k: v for k, v in own.items() if k != "text_out"})
    ).blocks
    assert block.remark == ""


def test_as_published_settings_are_what_figures_belong_to(card: Callable[..., None], tmp_path: Path) -> None:
    tables = METHODS.card("lf_dnn").hyperparameters
    card(hyperparameters={**tables, "as_published": {"batch_size": 7}})
    own = METHODS.card("lf_dnn").values("mosi")
    plain = two(hyperparameters=own)
    as_published = two(hyperparameters={**own, "batch_size": 7}, variant="as_published=true")
    table = table_of(tmp_path, *plain, *as_published)
    remarks = {block.row: block.remark for block in table.blocks}
    assert remarks == {
        "lf_dnn": "Not comparable: batch_size = 128, published 7.",
        "lf_dnn[as_published=true]": "",
    }


def test_own_conventions_and_rules_of_a_method_for_each_dataset(
    card: Callable[..., None], tmp_path: Path
) -> None:
    card(conventions={"mosi": "mag"}, selections={"mosi": "test_best_mae"}, published=(), reconstruction=True)
    (block,) = table_of(tmp_path, *two()).blocks
    assert block.group.convention == "mag" and block.selection == "test_best_mae" and block.oracle
    assert "ORACLE" in block.heading and "reconstruction" in block.heading
    assert block.remark == "Published: not found."
    assert {line.metric for line in block.lines} == {"acc2", "f1", "mae", "corr"}
    card(conventions={"mosi": "hkt"})
    with pytest.raises(SpecError, match="which is for binary"):
        published_table(Store(tmp_path))


def test_a_row_that_is_planned_and_not_run_is_named(card: Callable[..., None], tmp_path: Path) -> None:
    records = two()
    lines = {r.key: {"row": r.spec.row, "dataset": r.spec.dataset, "seed": r.spec.seed} for r in records}
    lines |= {"0": {"row": "lf_dnn", "dataset": "mosi:unaligned", "seed": 3},
              "1": {"row": "tfn", "dataset": "mosi:unaligned", "seed": 1}}  # fmt: skip
    (tmp_path / "plan.json").write_text(json.dumps(lines))
    table = table_of(tmp_path, *records)
    assert "1 of 3 runs are not made yet" in table.blocks[0].remark
    assert "tfn on mosi:unaligned" in table.notes[-1].text


def test_all_formats_print_the_same_cells(card: Callable[..., None], tmp_path: Path) -> None:
    card(reconstruction=True)
    names = [*two(), record_of("tfn", 3, data_kind="twin"), record_of("tfn", 4, failed=True)]
    table = table_of(tmp_path, *names)
    console = Console(file=io.StringIO(), width=300, force_terminal=True, color_system=None)
    render_published.show(table, console)
    terminal = console.file.getvalue()  # type: ignore[attr-defined]
    markdown, latex = render_published.markdown(table), render_published.to_latex(table)
    for text in (terminal, markdown.replace("\\", ""), latex.replace("{[}", "[").replace("{]}", "]")):
        for words in ("measured here", "published", "reconstruction", "[1]", "not found", "the loss is nan"):
            assert words in text
    rows = [
        [cell.strip() for cell in line.strip("| ").split("|")]
        for line in markdown.replace("\\", "").splitlines()
        if line.startswith("|")
    ]
    shown = [tuple(row) for row in rows if len(row) == 6 and row[1] != "---:" and row[0] != "Metric"]
    assert shown == [
        tuple(text.replace("~", "") for text in line.texts) for block in table.blocks for line in block.lines
    ]
    for cells in shown:
        assert all(cells), "no cell is blank"
        assert re.search(r"\s+".join(map(re.escape, cells[:5])), terminal), cells
    found = list(csv.DictReader(io.StringIO(render_published.to_csv(table))))
    assert len(found) == len(shown)
    for line in found:
        measured, published, difference = (line[k] for k in ("measured", "published", "difference"))
        assert published and bool(difference) == (line["comparable"] == "True")
        if difference:
            assert float(difference) == pytest.approx(float(measured) - float(published))
        elif published != "not found":
            assert line["reasons"]


def test_the_command_prints_and_writes(card: Callable[..., None], tmp_path: Path) -> None:
    table_of(tmp_path / "study", *two())
    arguments = ["report", "study", "--published", "--results-root", str(tmp_path)]
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "160"})
    assert done.exit_code == 0, done.output
    assert "measured here" in done.output and "[1] " in done.output
    written = {path.name for path in (tmp_path / "study" / "tables").iterdir()}
    assert written == {"published.tex", "published.csv", "published.md", "published.html"}
    for more in (["-c", "mmsa"], ["-s", "best-epoch"]):
        refused = CliRunner().invoke(app, [*arguments, *more])
        assert isinstance(refused.exception, SpecError) and "leave out" in str(refused.exception)


def test_a_study_without_records_says_so(tmp_path: Path) -> None:
    table, paths = write_published(tmp_path)
    assert not paths and "nothing has been recorded yet" in table.caption


def test_latex_compiles(card: Callable[..., None], fits: Callable[..., Path], tmp_path: Path) -> None:
    rows = [
        record
        for place in range(6)
        for record in two(variant=f"x={place}_%&", method="tfn" if place % 2 else "lf_dnn")
    ]
    table = table_of(tmp_path / "study", *rows, record_of(seed=8, failed=True, variant="x=0_%&"))
    fits(render_published.to_latex(table, Latex(document=True)))
