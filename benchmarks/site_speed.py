"""The leaderboard of 50 methods x 8 datasets x 10 seeds in headless Chromium: how long a reader waits.

`python -m benchmarks --only site`, or `python -m benchmarks.site_speed --methods 5 --seeds 3` for a quick
look. Records are generated as for `at_scale`; the methods that are installed stand under their names, the
others under made-up ones. Pages open from files, as a reader's copy does. Every time ends when the browser
has painted what was asked for: two animation frames after the change.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.at_scale import DATASETS, SIZES, Maker
from msabench.records import Store
from msabench.registry import METHODS
from msabench.study import StudySpec, plan

STUDY = "leaderboard"
EPOCHS = 20
PAINTED = "await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));"
OPENED = """
new MutationObserver((_, observer) => {
  if (window.painted !== undefined || !document.querySelector(%r)) return;
  observer.disconnect();
  requestAnimationFrame(() => requestAnimationFrame(() => { window.painted = performance.now(); }));
}).observe(document, { childList: true, subtree: true });
"""
"""Runs before a page's own scripts: milliseconds from the start of the navigation until the page is ready"""
READY = {
    "index.html": "#leaderboard tbody tr",
    "overview.html": "#overview tbody tr",
    "compare.html": "#all tbody tr",
    "method-lf-dnn.html": "#curves canvas",
    "dataset-mosi.html": "footer",
    "provenance.html": "footer",
}
"""Page to what it shows when a reader has what it is for"""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a reader does with an open page: the scripts of several turns, taken one after the other."""

    name: str
    page: str
    turns: Sequence[str]


def _sorts(table: str) -> list[str]:
    """Every heading, twice; DataTables sorts when the click's event is over, and then says which way."""
    click = (
        "const head = document.querySelector('#{0} thead th:nth-child({1})'), was = head.ariaSort;"
        "head.click(); while (head.ariaSort === was) await new Promise((done) => setTimeout(done));"
    )
    return [click.format(table, place) for place in (2, 3, 4, 5) for _ in range(2)]


def _choices(control: str, table: str, count: int) -> list[str]:
    """The first options of a control, one after the other."""
    choose = (
        "const old = document.querySelector('{1}'), control = document.querySelector('#{0}');"
        "control.selectedIndex = {2}; control.dispatchEvent(new Event('change'));"
        "while (document.querySelector('{1}') === old) await new Promise((done) => setTimeout(done));"
    )
    return [choose.format(control, table, place) for place in (*range(1, count), 0)]


def _words(*words: str) -> list[str]:
    filled = "const box = document.querySelector('#filter'); box.value = '{}';"
    return [filled.format(word) + "box.dispatchEvent(new Event('input'));" for word in words]


CHANGES = (
    Change(name="sort it", page="index.html", turns=_sorts("leaderboard")),
    Change(name="filter it", page="index.html", turns=_words("1", "12", "method", "x", "")),
    Change(name="its convention", page="index.html", turns=_choices("convention", "#leaderboard", 4)),
    Change(name="its selection", page="index.html", turns=_choices("selection", "#leaderboard", 6)),
    Change(name="its dataset", page="index.html", turns=_choices("board", "#leaderboard", 8)),
    Change(name="sort it", page="overview.html", turns=_sorts("overview")),
    Change(name="its selection", page="overview.html", turns=_choices("selection", "#overview", 6)),
    Change(name="its first method", page="compare.html", turns=_choices("a", "#all table", 6)),
)


def main(options: argparse.Namespace) -> None:
    """Generate the study, write its site, measure in the browser, print tables and remove both."""
    work = options.work / "site"
    shutil.rmtree(work, ignore_errors=True)
    runs = fill(work / "results" / STUDY, options.site_methods, options.site_seeds)
    print(f"\nsite of {runs} runs of {EPOCHS} epochs: {options.site_methods} methods x {len(DATASETS)} "
          f"datasets x {options.site_seeds} seeds\n\n| what | s | MiB |\n| --- | --- | --- |")  # fmt: skip
    for state in ("nothing scored yet", "again"):
        started = time.perf_counter()
        build(work)
        size = sum(path.stat().st_size for path in (work / "site").rglob("*") if path.is_file())
        print(f"| written, {state} | {time.perf_counter() - started:.1f} | {size / 2**20:.1f} |", flush=True)
    print("\n| in the browser | median ms | worst ms | times | target ms |\n" + "| --- " * 5 + "|")
    root = (work / "site").as_uri()
    with chromium(work / "profile") as browser:
        for page in READY:
            _row(f"open {page}", [opened(browser, root, page) for _ in range(options.times)], 1000)
        for change in CHANGES:
            opened(browser, root, change.page)
            turns = [turn for _ in range(2) for turn in change.turns]
            _row(f"{change.page}: {change.name}", [took(browser, turn) for turn in turns], 100)
    shutil.rmtree(work)


def fill(folder: Path, methods: int, seeds: int) -> int:
    """Write a finished record for each method, dataset and seed; the number of them."""
    installed = list(METHODS)[:methods]
    names = [*installed, *(f"method_{place:02d}" for place in range(len(installed) + 1, methods + 1))]
    made = plan(
        StudySpec(
            methods=("lf_dnn",), datasets=DATASETS, seeds=tuple(range(1111, 1111 + seeds)), name=STUDY,
            text_encoder="tiny", twin=True, scale=0.02,
        ),
        folder.parents[1] / "data",
    )  # fmt: skip
    store = Store(folder)
    makers = {name: Maker(*SIZES["mosi"], epochs=EPOCHS) for name in DATASETS}
    with mock.patch("os.fsync"):  # nothing here must outlive a power cut
        for run in made.runs:
            maker = makers[run.dataset]
            for name in names:
                store.write(maker.record(replace(run, method=name)), maker.truths)
    return len(made.runs) * len(names)


def build(work: Path) -> None:
    """`msabench site`, in a process of its own."""
    script = Path(sys.executable).with_name("msabench")
    subprocess.run(
        [script, "site", STUDY, "--results-root", work / "results", "--out", work / "site"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


@contextmanager
def chromium(profile: Path) -> Iterator[Any]:
    """A headless browser of a new profile."""
    from selenium import webdriver

    found, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not found or not driver:
        raise SystemExit("no browser: install Debian's chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = found
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
                 "--window-size=1280,900", f"--user-data-dir={profile}"):  # fmt: skip
        options.add_argument(flag)
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as browser:
        yield browser


def opened(browser: Any, root: str, page: str) -> float:
    """Milliseconds from the start of the navigation until the page has painted what it is for."""
    browser.get("about:blank")
    watch = {"source": OPENED % READY[page]}
    script = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", watch)
    browser.get(f"{root}/{page}")
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
    deadline = time.monotonic() + 60
    while (painted := browser.execute_script("return window.painted")) is None:
        if time.monotonic() > deadline:
            raise SystemExit(f"{page} shows no {READY[page]}")
        time.sleep(0.02)
    return float(painted)


def took(browser: Any, turn: str) -> float:
    """Milliseconds from a reader's act until its effect is painted."""
    timed = f"const from = performance.now(); {turn} {PAINTED} return performance.now() - from;"
    call = "const done = arguments[arguments.length - 1]; (async () => {" + timed + "})().then(done);"
    return float(browser.execute_async_script(call))


def _row(name: str, times: Sequence[float], target: int) -> None:
    print(
        f"| {name} | {statistics.median(times):.0f} | {max(times):.0f} | {len(times)} | {target} |",
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.site_speed", description=__doc__)
    parser.add_argument("--methods", type=int, default=50, dest="site_methods")
    parser.add_argument("--seeds", type=int, default=10, dest="site_seeds")
    parser.add_argument("--times", type=int, default=10, help="that each page is opened")
    parser.add_argument("--work", type=Path, default=Path("benchmarks/.work"), help="scratch folder")
    chosen = parser.parse_args()
    chosen.work = chosen.work.resolve()
    main(chosen)
