"""What the pages work out in the browser is what `msabench report` and `msabench compare` print."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from msabench.cli import app
from msabench.metrics import CONVENTIONS
from msabench.records import Store
from msabench.registry import METHODS
from msabench.report.layout import column_of
from msabench.report.site import SELECTIONS, write_site
from msabench.run import Task

RULES = list(SELECTIONS)
READINGS = [name for name, found in CONVENTIONS.items() if found.takes(Task(kind="regression"))]
DATASET, BOARD = "mosi:unaligned", "known-mosi-unaligned"
TITLES = {"lf_dnn": "LF-DNN", "tfn": "TFN", "setgf": "SETGF (reconstruction)"}
Figures = dict[tuple[str, str, str, str], str]
"""Convention, selection, row and metric to the figure as printed"""


@pytest.fixture(scope="module")
def known(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a study `known`: `small` without the method that has no card."""
    root = tmp_path_factory.mktemp("known")
    shutil.copytree(results / "small", root / "known", ignore=shutil.ignore_patterns("index"))
    for record in Store(root / "known").runs():
        if record.spec.method not in METHODS:
            shutil.rmtree(root / "known" / "runs" / record.key)
    return root


@pytest.fixture
def page(page_at: Callable[[str], Any], known: Path) -> Any:
    if not (known / "site").exists():
        write_site([known / "known"], known / "site")
    return page_at((known / "site").as_uri())


def _command(*words: str) -> str:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.exception or done.output
    return done.output


def _reported(known: Path) -> Figures:
    """Every figure of one dataset, from the CSV of `msabench report`."""
    asked = [word for name in READINGS for word in ("-c", name)]
    asked += [word for name in RULES for word in ("-s", name)]
    _command(
        "report", "known", *asked, "-f", "csv", "--results-root", str(known), "--out", str(known / "csv")
    )
    (path,) = (known / "csv").glob("comparison.csv")
    with path.open(encoding="utf-8", newline="") as opened:
        return {
            (line["convention"], line["selection"], line["row"], line["metric"]): line["printed"]
            for line in csv.DictReader(opened)
            if line["dataset"] == DATASET and line["gap"] == "False"
        }


def _shown(page: Any) -> Figures:
    """Every figure of one dataset, switch by switch."""
    rows = {title.split(" ")[0]: row for row, title in TITLES.items()}
    figures: Figures = {}
    page.open(f"index.html#board={BOARD}", "#leaderboard tbody tr")
    for convention in READINGS:
        keys = [metric.key for metric in CONVENTIONS[convention].metrics]
        if page.run("return document.querySelector('#convention').value") != convention:
            page.choose("convention", convention)
        for selection in RULES:
            if page.run("return document.querySelector('#selection').value") != selection:
                page.choose("selection", selection)
            for method, _, *texts in page.cells():
                row = rows[method.split(" ")[0]]
                for key, text in zip(keys, texts, strict=False):
                    figures[convention, selection, row, key] = text.replace(" best", "")
    return figures


def test_every_convention_and_selection_recomputes_what_report_prints(page: Any, known: Path) -> None:
    reported, shown = _reported(known), _shown(page)
    every = sum(len(CONVENTIONS[name].metrics) for name in READINGS)
    printed = {key: reported[key].replace("-", "−").replace("±", " ± ") for key in shown}
    assert len(shown) == 3 * len(RULES) * every and shown == printed


@pytest.mark.parametrize(("a", "b", "metric"), [("lf_dnn", "tfn", "mae"), ("tfn", "setgf", "corr"),
                                                ("lf_dnn", "setgf", "acc7")])  # fmt: skip
def test_two_methods_compare_as_compare_compares_them(
    page: Any, known: Path, a: str, b: str, metric: str
) -> None:
    options = ("--dataset", DATASET, "-s", "same-epoch", "-m", metric, "-f", "json")
    every = [line for line in _all_pairs(known, options) if line["metric"] == metric]
    (found,) = (line for line in every if {line["a"], line["b"]} == {a, b})
    sign = 1 if found["a"] == a else -1
    page.open(f"compare.html#board={BOARD}", "#scatter canvas")
    titles = page.run("return [...document.querySelectorAll('#a option')].map((o) => o.textContent)")
    one, two = (titles.index(TITLES[row]) for row in (a, b))
    page.open(f"compare.html#board={BOARD}&metric={metric}&a={one}&b={two}", "#scatter canvas")
    column = column_of(next(m for m in CONVENTIONS["mmsa"].figures if m.key == metric))
    scale, decimals = 100 if column.percent else 1, column.decimals
    facts = _facts(page)
    low, high = sorted(sign * found[end] for end in ("low", "high"))
    assert facts["Difference"] == f"{sign * found['difference'] * scale:+.{decimals}f}"
    assert facts["95 % interval"] == f"{low * scale:+.{decimals}f} to {high * scale:+.{decimals}f}"
    assert float(facts["p"].lstrip("< ")) == pytest.approx(max(found["p"], 1e-4), rel=0.06)
    corrected = facts[f"p, corrected for {len(every)} pairs"]
    assert float(corrected.lstrip("< ")) == pytest.approx(max(found["p_holm"], 1e-4), rel=0.06)
    if found["p_holm"] >= 0.05:
        detectable = float(facts["Detectable with these seeds"].split()[1].rstrip(","))
        assert detectable == pytest.approx(found["detectable"] * scale, rel=0.03)
    assert f"msabench compare known {a} {b} --dataset {DATASET}" in page.find("#test").text


def _all_pairs(known: Path, options: tuple[str, ...]) -> list[dict[str, Any]]:
    said = json.loads(_command("compare", "known", *TITLES, "--results-root", str(known), *options))
    found: list[dict[str, Any]] = said["verdicts"]
    return found


def _facts(page: Any) -> dict[str, str]:
    read = "(term) => [term.textContent, term.nextSibling.textContent]"
    found: list[list[str]] = page.run(f"return [...document.querySelectorAll('#test dt')].map({read})")
    return {term: text.replace("−", "-") for term, text in found}
