"""The files of a site: complete, escaped, the same twice, and never over somebody's work."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
from typer.testing import CliRunner

import msabench.report.site
from msabench.cli import app
from msabench.errors import DataError, SpecError
from msabench.metrics import CONVENTIONS
from msabench.records import Store
from msabench.report.site import SELECTIONS, read_study, significance, write_site
from msabench.report.site.provenance import libraries

VENDOR = Path(msabench.report.site.__file__).parent / "vendor"
HOSTILE = '<script>document.title="harm"</script><img src=x onerror="window.harm=1">'
"""The name of a method of the study"""
VOID = {"meta", "link", "img", "input", "br", "hr"}


class Outline(HTMLParser):
    """Refuses what a browser would have to mend, and keeps ids, links, scripts and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.labels: list[str] = []
        self.words = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.labels += [found["for"] or ""] if "for" in found else []
        self.links += [found[name] or "" for name in ("href", "src") if found.get(name)]
        assert tag != "img" and not any(name.startswith("onerror") for name in found)
        assert tag != "th" or "scope" in found
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def _pages(site: Path) -> dict[str, Outline]:
    return {path.name: Outline(path.read_text(encoding="utf-8")) for path in site.glob("*.html")}


def test_every_page_is_well_formed_and_every_link_leads_somewhere(site: Path) -> None:
    pages = _pages(site)
    assert {"index.html", "compare.html", "method-tfn.html", "dataset-mosi.html"} <= set(pages)
    for name, page in pages.items():
        assert len(page.ids) == len(set(page.ids)), name
        assert set(page.labels) <= set(page.ids), name
        for link in page.links:
            target, _, _ = link.partition("#")
            if target and not re.match(r"https?://|data:", target):
                assert (site / target).is_file(), f"{name} leads to {link}"
            assert not link.startswith("http") or not target.endswith((".js", ".css"))


def test_methods_of_any_name_have_pages_of_their_own(results: Path, tmp_path: Path) -> None:
    store = Store(results / "small")
    record = next(store.runs("finished"))
    assert record.truths is not None
    names = (
        "../../etc/passwd",
        "a/b",
        "a b",
        "模型",
        "x" * 300,
        "x" * 299,
        "javascript:alert(1)",
        "a,b\n\"'",
    )
    for name in names:
        Store(tmp_path / "odd").write(replace(record, spec=replace(record.spec, method=name)), record.truths)
    site = write_site([tmp_path / "odd"], tmp_path / "site").folder
    made = _pages(site)
    assert len([name for name in made if name.startswith("method-")]) == len(names)
    for name, page in made.items():
        for link in page.links:
            target = link.partition("#")[0]
            assert not target or re.match(r"https?://|data:,", target) or (site / target).is_file(), (
                name,
                link,
            )
    headings = " ".join(page.words for page in made.values())
    assert all(" ".join(name.split()) in " ".join(headings.split()) for name in names)


def test_the_gap_of_an_epoch_chosen_outside_is_not_zero_but_unknown(results: Path, tmp_path: Path) -> None:
    record = next(Store(results / "small").runs("finished"))
    assert record.truths is not None
    spec = replace(record.spec, method="external:Theirs", track="external")
    one = replace(
        record, spec=spec, valid_predictions=record.valid_predictions[:1], seconds=(math.nan,),
        test_predictions=record.test_predictions[:1], valid_loss=(0.0,), valid_criterion=(0.5,), losses=({},),
    )  # fmt: skip
    for made in (record, one):
        Store(tmp_path / "joined").write(made, record.truths)
    site = write_site([tmp_path / "joined"], tmp_path / "site").folder
    text = (site / "data/site.js").read_text(encoding="utf-8")
    (board,) = json.loads(text[text.index("(") + 1 : text.rindex(")")])["boards"]
    assert {row["row"]: row["outside"] for row in board["rows"]} == {
        record.spec.row: False,
        "external:Theirs": True,
    }
    assert "External" in _pages(site)["method-external-theirs.html"].words


def test_what_a_record_says_is_text_and_never_markup(site: Path) -> None:
    own = _pages(site)["method-script-document-title-harm-script-img-src-x-onerror-window-harm-1.html"]
    assert HOSTILE in own.words
    for path in site.glob("data/*.js"):
        assert "<" not in path.read_text(encoding="utf-8")


def test_embedded_figures_are_exactly_those_of_the_store(site: Path, results: Path) -> None:
    store = Store(results / "small")
    for convention in ("mmsa", "mag"):
        text = (site / f"data/small-mosi-unaligned.{convention}.js").read_text(encoding="utf-8")
        payload = json.loads(text[text.index(",") + 1 : text.rindex(")")])
        metrics = [metric.key for metric in CONVENTIONS[convention].metrics]
        values = np.frombuffer(base64.b64decode(payload["values"]), "<f8")
        values = values.reshape(len(payload["runs"]), len(SELECTIONS), len(metrics))
        for place, rule in enumerate(SELECTIONS[:5]):
            frame = store.frame(convention, rule).set_index(["key", "metric"])["value"]
            for run, (_, _, key) in enumerate(payload["runs"]):
                np.testing.assert_array_equal(values[run, place], [frame[key, metric] for metric in metrics])


def test_a_site_made_twice_is_the_same_twice(
    site: Path, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(msabench.report.site, "_commit", lambda: "0" * 40)  # a checkout's may move meanwhile

    def content() -> dict[str, bytes]:
        return {str(p.relative_to(site)): p.read_bytes() for p in site.rglob("*") if p.is_file()}

    write_site([results / "small"], site)
    before = content()
    (site / "old.html").write_text("of an earlier study", encoding="utf-8")
    write_site([results / "small"], site)
    assert content() == before


def test_pages_of_generated_data_say_so(site: Path) -> None:
    pages = _pages(site)
    for name in ("dataset-sims.html", "method-tfn.html", "datasets.html", "provenance.html"):
        assert "TWIN (generated)" in pages[name].words
    assert "TWIN (generated)" not in pages["dataset-mosi.html"].words


def test_a_methods_page_has_what_its_card_and_records_say(site: Path) -> None:
    words = _pages(site)["method-lf-dnn.html"].words
    for expected in (
        "@misc{lf_dnn,",
        "no luck",
        "MAE: convention mmsa, same-epoch",
        "batch_size",
        "Published",
        "Deviations",
        "failed",
        "32 | 64 | 128",
    ):
        assert expected in words
    assert "Reconstruction" in _pages(site)["method-setgf.html"].words


def test_vendored_libraries_are_those_that_are_noted_and_that_the_page_names(site: Path) -> None:
    words = _pages(site)["provenance.html"].words
    noted: set[str] = set()
    for library in libraries():
        assert f"{library.title} {library.version}, {library.licence} licence" in words
        assert (VENDOR / f"{library.name}.LICENSE.txt").read_text().startswith("The MIT License")
        for name, about in library.files.items():
            content = (VENDOR / name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == about["sha256"]
            assert name.endswith(".css") or library.version in content[:200].decode()
            noted.add(name)
    assert noted == {path.name for path in VENDOR.glob("*.min.*")}


def test_what_was_tested_is_kept_until_predictions_change(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(results / "small", tmp_path / "small", ignore=shutil.ignore_patterns("index"))
    first = read_study(tmp_path / "small").boards[0].tests
    tested: list[str] = []
    resample = significance.resample

    def counted(*given: Any, **settings: Any) -> Any:
        tested.append("a row")
        return resample(*given, **settings)

    monkeypatch.setattr(significance, "resample", counted)
    assert read_study(tmp_path / "small").boards[0].tests == first and not tested
    store = Store(tmp_path / "small")
    record = next(r for r in store.runs("finished") if r.spec.dataset == "mosi:unaligned")
    assert record.truths is not None
    store.write(replace(record, test_predictions=record.test_predictions + np.float32(0.5)), record.truths)
    again = read_study(tmp_path / "small").boards[0].tests
    assert len(tested) == 4 and again["mae"] != first["mae"]


def test_a_method_without_a_card_has_every_figure_but_those_of_its_own_rule(results: Path) -> None:
    board = next(b for b in read_study(results / "small").boards if b.dataset == "mosi:unaligned")
    runs = [(row.row, place) for row in board.rows for place, _ in enumerate(row.runs)]
    own = SELECTIONS.index("as-published")
    for (row, _), figures in zip(runs, board.scores["mmsa"], strict=True):
        assert np.isnan(figures[own]).all() == (row == HOSTILE)
        assert np.isfinite(np.delete(figures, own, axis=0)[:, 0]).all()
    assert any("has no figures under as-published" in note for note in board.notes)
    rules = {row.row: row.own_rule for row in board.rows}
    assert rules[HOSTILE] == "" and rules["tfn"] == "valid_early_stop(8)"


def test_somebodys_folder_is_never_replaced(results: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(SpecError, match="would be lost"):
        write_site([results / "small"], tmp_path)
    assert (tmp_path / "thesis.tex").exists()


def test_a_study_without_a_finished_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no finished run"):
        write_site([tmp_path / "empty"], tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_the_command_writes_a_site_and_names_an_unknown_study(results: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    settings = ["--results-root", str(results), "--out", str(tmp_path / "site")]
    made = runner.invoke(app, ["site", "small", *settings])
    assert made.exit_code == 0 and "index.html" in made.output
    assert (tmp_path / "site" / "index.html").is_file()
    wrong = runner.invoke(app, ["site", "smal", *settings])
    assert wrong.exit_code and "did you mean 'small'" in str(wrong.exception)


def test_the_command_serves_until_it_is_interrupted(results: Path, tmp_path: Path) -> None:
    code = "from msabench.cli import main; main()"
    settings = ["--results-root", str(results), "--out", str(tmp_path / "site"), "--serve", "--port", "0"]
    with subprocess.Popen(
        [sys.executable, "-c", code, "site", "small", *settings], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            said = [process.stdout.readline(), process.stdout.readline()]
            address = re.search(r"http://127\.0\.0\.1:\d+/", said[1])
            assert address, said
            with urlopen(address[0], timeout=10) as answer:
                assert b"<h1>Leaderboard</h1>" in answer.read()
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0


def test_runs_of_different_settings_share_no_row_and_no_folder_is_told(results: Path, tmp_path: Path) -> None:
    shutil.copytree(results / "small", tmp_path / "mixed")
    store = Store(tmp_path / "mixed")
    record = next(r for r in store.runs("finished") if (r.spec.row, r.spec.seed) == ("tfn", 3))
    assert record.truths is not None
    other = replace(record, spec=replace(record.spec, seed=9, hyperparameters={"batch_size": 64}))
    store.write(other, record.truths)
    (tmp_path / "mixed" / "study.toml").write_text('[files]\n"mosi:unaligned" = "/home/private/mosi.pkl"\n')
    study = read_study(tmp_path / "mixed")
    assert "mosi.pkl" in study.settings and "private" not in study.settings
    board = next(b for b in study.boards if b.dataset == record.spec.dataset)
    rows = [row for row in board.rows if row.row == "tfn"]
    assert sorted(len(row.runs) for row in rows) == [1, 3]
    assert len({row.title for row in rows}) == 2 and all("settings" in row.title for row in rows)
