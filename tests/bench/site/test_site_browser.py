"""The pages in a real browser: from files, and served."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from msabench.metrics import CONVENTIONS
from msabench.records import Store
from msabench.registry import METHODS
from msabench.report.layout import column_of
from msabench.report.site.serve import server
from msabench.stats import RESAMPLES, summarise

PHONE = {"width": 360, "height": 780, "deviceScaleFactor": 1, "mobile": True}
BOARD = "small-mosi-unaligned"
TWIN = "small-sims-unaligned-twin"
TABLE = "#leaderboard tbody tr"


def _expected(results: Path, dataset: str, convention: str, selection: str) -> dict[str, dict[str, str]]:
    """Row to metric to the figure as every other renderer prints it."""
    frame = Store(results / "small").frame(convention, selection)
    table: dict[str, dict[str, str]] = {}
    for found in summarise(frame[frame["dataset"] == dataset]).to_dict("records"):
        metric = next(m for m in CONVENTIONS[convention].figures if m.key == found["metric"])
        column = column_of(metric)
        mean, sd = column.number(found["mean"]), column.number(found["sd"])
        text = f"– ({found['undefined']}/{found['n']})" if math.isnan(found["mean"]) else f"{mean} ± {sd}"
        table.setdefault(str(found["row"]), {})[str(found["metric"])] = text.replace("-", "−")
    return table


def _shown(page: Any, convention: str) -> dict[str, dict[str, str]]:
    metrics = [metric.key for metric in CONVENTIONS[convention].metrics]
    titles = {"TFN": "tfn", "LF-DNN": "lf_dnn", "SETGF": "setgf"}
    shown = {}
    for method, _, *texts in page.cells():
        name = next((row for title, row in titles.items() if method.startswith(title)), method)
        figures = [text.replace(" best", "") for text in texts[: len(metrics)]]
        shown[name] = dict(zip(metrics, figures, strict=True))
    return shown


@pytest.mark.parametrize(
    ("convention", "selection"),
    [("mmsa", "same-epoch"), ("mmsa", "best-epoch"), ("mag", "last"), ("r3dg", "valid-per-metric")],
)
def test_switches_show_the_figures_of_the_store(
    page: Any, results: Path, convention: str, selection: str
) -> None:
    page.open(f"index.html#board={BOARD}&selection=best-epoch-joint", TABLE)
    if convention != "mmsa":
        page.choose("convention", convention)
    page.choose("selection", selection)
    expected = _expected(results, "mosi:unaligned", convention, selection)
    shown = _shown(page, convention)
    assert len(shown) == 4
    for row, figures in expected.items():
        name = next(name for name in shown if name.startswith(row[:20]))
        assert shown[name] == {key: figures[key] for key in shown[name]}
    caption = page.find("#leaderboard caption").text
    assert convention in caption and selection in caption
    assert ("oracle" in caption) == (selection == "best-epoch")


def _by_column(page: Any, label: str) -> list[float]:
    place = next(i for i, text in enumerate(page.headings()) if text.startswith(label))
    texts = [cells[place].split(" ")[0].replace("−", "-") for cells in page.cells()]
    return [math.nan if text == "–" else float(text) for text in texts]


def test_headings_sort_by_click_and_by_keyboard_and_say_so(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    page.open(f"index.html#board={BOARD}", TABLE)
    maes = _by_column(page, "MAE")
    assert maes == sorted(maes)  # best first
    head = "#leaderboard thead th:nth-child({})".format(
        next(i for i, text in enumerate(page.headings(), 1) if text.startswith("Acc-7"))
    )
    page.find(head).click()
    page.wait_sorted(head, "descending")
    assert (values := _by_column(page, "Acc-7")) == sorted(values, reverse=True)
    page.find(f"{head} [role=button]").send_keys(Keys.ENTER)
    page.wait_sorted(head, "ascending")
    assert (values := _by_column(page, "Acc-7")) == sorted(values)
    above = page.run("return scrollY")
    page.find(f"{head} [role=button]").send_keys(Keys.SPACE)  # works a button, and scrolls no page
    page.wait_sorted(head, "descending")
    assert page.run("return scrollY") == above


def test_undefined_figures_come_last_either_way(page: Any) -> None:
    page.open(f"index.html#board={BOARD}", TABLE)
    head = "#leaderboard thead th:nth-child({})".format(
        next(i for i, text in enumerate(page.headings(), 1) if text.startswith("Corr"))
    )
    for way in ("descending", "ascending"):
        page.find(head).click()
        page.wait_sorted(head, way)
        assert math.isnan(_by_column(page, "Corr")[-1])


def test_the_filter_and_the_columns(page: Any) -> None:
    page.open(f"index.html#board={BOARD}", TABLE)
    page.find("#filter").send_keys("lf-d")
    assert [cells[0].split()[0] for cells in page.cells()] == ["LF-DNN"]
    assert page.find("#count").text.startswith("1 of 4")
    page.find("summary").click()
    page.find("#columns input[value=acc7]").click()
    assert not any(text.startswith("Acc-7") for text in page.headings())
    assert "1 failed" in page.cells()[0][0] and page.cells()[0][1] == "3†"


def test_marks_of_best_oracle_and_reconstruction(page: Any) -> None:
    page.open(f"index.html#board={BOARD}", TABLE)
    maes = page.run("return [...document.querySelectorAll('#leaderboard strong')].map(s => s.textContent)")
    assert maes and all(text.endswith(" best") for text in maes)
    assert any("reconstruction" in cells[0] for cells in page.cells())
    page.choose("selection", "as-published")
    assert page.run("return document.querySelectorAll('#leaderboard td strong').length") == 0
    assert "no two rows are comparable" in page.find("#notes").text
    place = page.headings().index("Its own rule")
    rules = {cells[0].split()[0]: cells[place] for cells in page.cells()}
    assert rules["TFN"] == METHODS.card("tfn").selection("mosi:unaligned")
    assert "not known" in rules.values()  # of the method without a card
    gaps = page.cells("#gap tbody tr")
    assert len(gaps) == 4 and all(re.match(r"\+\d", cells[3]) for cells in gaps)


def test_a_twin_is_said_in_banner_and_caption_and_a_real_one_is_not(page: Any) -> None:
    page.open(f"index.html#board={TWIN}", TABLE)
    assert page.find("#twin").is_displayed()
    assert page.find("#leaderboard caption").text.startswith("TWIN (generated)")
    assert page.find("#gap caption").text.startswith("TWIN (generated)")
    page.choose("board", BOARD)
    assert not page.find("#twin").is_displayed()
    assert "TWIN" not in page.find("#leaderboard caption").text


def test_all_datasets_stand_side_by_side(page: Any, results: Path) -> None:
    table = "#overview tbody tr"
    page.open("overview.html#selection=last&metric=MAE", table)
    heads = page.cells("#overview thead tr")[0]
    assert heads[1].startswith("mosi:unaligned: MAE") and heads[2].startswith(
        "TWIN (generated) sims:unaligned"
    )
    assert page.find("#twin").is_displayed()
    shown = {cells[0].split()[0]: cells for cells in page.cells(table)}
    assert len(shown) == 4
    for title, row in (("TFN", "tfn"), ("LF-DNN", "lf_dnn"), ("SETGF", "setgf")):
        for place, dataset in ((1, "mosi:unaligned"), (2, "sims:unaligned")):
            figures = _expected(results, dataset, "mmsa", "last").get(row, {"mae": "no run"})
            assert shown[title][place].replace(" best", "") == figures["mae"]
    assert page.run("return document.querySelectorAll('#overview strong:not(.twin)').length") == 2
    page.find("#overview thead th:nth-child(2)").click()
    page.wait_sorted("#overview thead th:nth-child(2)", "descending")
    maes = [float(cells[1].split(" ")[0]) for cells in page.cells(table)]
    assert maes == sorted(maes, reverse=True)
    page.find("#filter").send_keys("lf-d")
    assert [cells[0].split()[0] for cells in page.cells(table)] == ["LF-DNN"]
    page.find("#filter").clear()
    page.find("#filter").send_keys(" ")
    page.choose("selection", "as-published")
    assert page.run("return document.querySelectorAll('#overview strong:not(.twin)').length") == 0
    rules = {cells[0].split()[0]: cells[-1] for cells in page.cells(table)}
    assert rules["TFN"] == METHODS.card("tfn").selection("mosi:unaligned")


def test_two_methods_compared(page: Any, results: Path) -> None:
    from msabench.stats import corrected, resample, two_source

    page.open(f"compare.html#board={BOARD}&metric=mae", "#all table")
    store = Store(results / "small")
    rows = {}
    for record in store.runs("finished"):
        if record.spec.dataset == "mosi:unaligned":
            rows.setdefault(record.spec.row, []).append(record)
    names = [option.text for option in page.find("#a").find_elements("css selector", "option")]
    keys = ["lf_dnn" if n == "LF-DNN" else n.lower() if n in ("TFN", "SETGF") else "<" for n in names]
    records = {k: sorted(r, key=lambda r: r.spec.seed) for k, r in rows.items()}
    draws = {}
    for row, found in records.items():
        truths = found[0].truths
        assert truths is not None
        predictions = [r.test_predictions[1] for r in found]  # the criterion is lowest in epoch 2
        draws["<" if row.startswith("<") else row] = resample(
            predictions, truths.test, "mmsa", ["mae"], resamples=RESAMPLES
        )["mae"]
    pairs = [(a, b) for i, a in enumerate(keys) for b in keys[i + 1 :]]
    found_by = dict(zip(pairs, corrected([two_source(draws[a], draws[b]) for a, b in pairs]), strict=True))
    one, two = keys.index("lf_dnn"), keys.index("tfn")
    page.choose("a", str(one))
    page.choose("b", str(two))
    expected = found_by["lf_dnn", "tfn"] if one < two else found_by["tfn", "lf_dnn"]
    shown = page.find("#test").text
    difference = draws["lf_dnn"].values.mean() - draws["tfn"].values.mean()
    assert f"−{abs(difference):.3f}" in shown and "95 % interval" in shown and "6 pairs" in shown
    stated = re.search(r"corrected for 6 pairs\n(< )?([\d.e-]+)", shown)
    assert f"{RESAMPLES} resamples" in shown
    assert stated and float(stated[2]) == pytest.approx(max(expected.adjusted, 0.0001), rel=0.1)
    seeds = page.cells("#seeds tbody tr")
    assert [line[0] for line in seeds] == ["1", "2", "3"]
    assert float(seeds[0][1]) == pytest.approx(draws["lf_dnn"].values[0], abs=5e-4)
    page.choose("selection", "last")
    assert "belongs to same-epoch" in page.find("#test").text
    page.find("#swap").click()
    page.wait("document.querySelector('#verdict').innerText.startsWith('TFN − LF-DNN')")


@pytest.mark.parametrize("name", ["index.html", "overview.html", "compare.html", "method-tfn.html",
                                  "dataset-mosi.html", "provenance.html", "methods.html",
                                  "datasets.html"])  # fmt: skip
def test_a_phone_shows_every_page_without_scrolling_sideways(page: Any, name: str) -> None:
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    ready = {
        "index.html": TABLE,
        "overview.html": "#overview td",
        "compare.html": "#all table",
        "method-tfn.html": "#curves canvas",
    }
    page.open(name, ready.get(name, "main"))
    assert page.run("return document.documentElement.scrollWidth") <= 360


def test_no_page_asks_for_anything_outside_of_its_folder(page: Any, site: Path) -> None:
    pages = sorted(path.name for path in site.glob("*.html"))
    page.requests()
    for name in pages:
        page.open(name)
        page.wait("document.readyState === 'complete'")
    asked = page.requests()
    assert {f"{site.as_uri()}/{name}" for name in (*pages, "assets/style.css", "data/site.js")} <= asked
    assert {url for url in asked if not url.startswith((f"{site.as_uri()}/", "data:", "about:"))} == set()


def test_each_seed_leads_to_its_run(page: Any) -> None:
    page.open(f"compare.html#board={BOARD}", "#seeds a")
    link = page.run("return document.querySelector('#seeds a').getAttribute('href')")
    page.open(link, f'[id="{link.partition("#")[2]}"]')
    figure = "document.querySelector(':target').closest('tr').children[2].textContent"
    assert re.fullmatch(r"\d\.\d{3}", page.run(f"return {figure}"))


def test_every_page_can_be_used_by_keyboard_and_read_aloud(page: Any, site: Path) -> None:
    for path in sorted(site.glob("*.html")):
        page.open(path.name)
        found = page.run(
            """
            const named = (e) => e.labels?.length || e.getAttribute("aria-label") || e.textContent.trim();
            return {
              lang: document.documentElement.lang,
              unnamed: [...document.querySelectorAll("select, input, button, a")]
                .filter((e) => !named(e)).length,
              headless: [...document.querySelectorAll("thead th, tbody tr > :first-child")]
                .filter((e) => e.tagName !== "TH" || !e.scope).length,
              stuck: [...document.querySelectorAll(".scroll")].filter((e) => e.tabIndex !== 0).length,
              h1: document.querySelectorAll("h1").length,
            };
            """
        )
        assert found == {"lang": "en", "unnamed": 0, "headless": 0, "stuck": 0, "h1": 1}, path.name
    from selenium.webdriver.common.keys import Keys

    page.open("index.html", TABLE)
    page.find("body").send_keys(Keys.TAB)
    focused = page.browser.switch_to.active_element
    assert focused.text == "Skip to the content"
    focused.send_keys(Keys.TAB)
    style = "return getComputedStyle(document.activeElement).outlineStyle"
    assert page.run(style) == "solid"


def test_served_as_well_as_from_files(page_at: Callable[[str], Any], site: Path) -> None:
    with server(site, 0) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        page = page_at(f"http://127.0.0.1:{running.server_address[1]}")
        page.trouble()
        page.open(f"index.html#board={BOARD}", TABLE)
        assert len(page.cells()) == 4
        assert page.trouble() == []
        running.shutdown()
        thread.join()
