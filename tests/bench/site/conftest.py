"""A real browser, and a site made of records written by hand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msabench.records import Store
from msabench.report.site import write_site
from msabench.run import Array, Budget, DataKind, Failure, RunRecord, RunSpec, Task, Truths

HOSTILE = '<script>document.title="harm"</script><img src=x onerror="window.harm=1">'
"""What a hostile record may be called"""
LABELS = np.linspace(-2.9, 2.9, 32, dtype=np.float32)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def _truths() -> Truths:
    ids = np.array([f"v{i}" for i in range(len(LABELS))])
    return Truths(valid_ids=ids, valid=LABELS, test_ids=ids, test=LABELS)


def _record(
    method: str, seed: int, predictions: Array | None, *, dataset: str, kind: DataKind, track: str = "paper"
) -> RunRecord:
    spec = RunSpec(
        method=method,
        method_version=1,
        hyperparameters={"batch_size": 32, "note": HOSTILE},
        dataset=dataset,
        data_kind=kind,
        data_hash="0" * 64,
        seed=seed,
        text_encoder="minilm@53aa5117",
        text_mode="frozen",
        budget=Budget(epochs=3),
        track=track,  # type: ignore[arg-type]
    )
    about: dict[str, Any] = {
        "spec": spec,
        "task": Task(kind="regression"),
        "convention": "mmsa",
        "truths_hash": _truths().fingerprint,
        "environment": {"torch": "2.13.0", "device": HOSTILE},
        "started": "2026-11-02T10:00:00+00:00",
    }
    if predictions is None:
        return RunRecord(status="failed", failure=Failure(cause="nan", message=f"no luck {HOSTILE}"), **about)
    epochs = len(predictions)
    return RunRecord(
        status="finished",
        valid_loss=tuple(float(e) for e in range(epochs)),
        valid_criterion=(0.5, 0.4, 0.6)[:epochs],
        valid_predictions=predictions,
        test_predictions=predictions,
        seconds=(1.5,) * epochs,
        losses=({"task": 1.0},) * epochs,
        parameters={"method": 1234, "encoder": 10, "trainable": 1244},
        stopped="epochs",
        **about,
    )


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results root with the study `small`: four methods on real MOSI, two of them on a twin of SIMS."""
    root = tmp_path_factory.mktemp("results")
    rng = np.random.default_rng(7)
    store = Store(root / "small")
    for dataset, kind, methods in (
        ("mosi:unaligned", "real", {"tfn": 0.9, "lf_dnn": 0.5, "setgf": 0.7, HOSTILE: 1.1}),
        ("sims:unaligned", "twin", {"tfn": 0.6, "lf_dnn": 0.8}),
    ):
        for method, noise in methods.items():
            for seed in (1, 2, 3):
                epochs = [LABELS + rng.normal(0, scale, len(LABELS)) for scale in (1.5, noise, 0.2)]
                predictions = np.array(epochs, np.float32)
                if method == HOSTILE and seed == 3:
                    predictions[:] = 0.25  # of a constant, Corr is undefined
                made = _record(method, seed, predictions, dataset=dataset, kind=kind)  # type: ignore[arg-type]
                store.write(made, _truths())
    store.write(_record("lf_dnn", 4, None, dataset="mosi:unaligned", kind="real"), _truths())
    return root


@pytest.fixture(scope="session")
def site(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of its site."""
    return write_site([results / "small"], tmp_path_factory.mktemp("published") / "site").folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Headless Chromium, one for all tests of a file."""
    selenium = pytest.importorskip("selenium.webdriver", reason="selenium (extra `test`) is not installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no browser: install Debian's chromium and chromium-driver")
    options = selenium.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with selenium.Chrome(options=options, service=selenium.ChromeService(driver)) as opened:
        opened.set_page_load_timeout(30)
        yield opened


class Page:
    """What a reader does with a page, and sees of it."""

    def __init__(self, browser: Any, root: str) -> None:
        self.browser = browser
        self.root = root

    def open(self, name: str, ready: str = "main") -> None:
        self.browser.get("about:blank")  # a changed hash alone loads nothing
        self.browser.get(f"{self.root}/{name}")
        self.wait(f"document.querySelector('{ready}')")

    def run(self, script: str) -> Any:
        return self.browser.execute_script(script)

    def wait(self, condition: str) -> None:
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.browser, 10, poll_frequency=0.02).until(lambda _: self.run(f"return {condition}"))

    def find(self, selector: str) -> Any:
        return self.browser.find_element("css selector", selector)

    def choose(self, control: str, value: str) -> None:
        """As a reader does, through the control; returns when the table is the new one."""
        from selenium.webdriver.support.ui import Select

        self.run("document.querySelector('table').dataset.old = 1")
        Select(self.find(f"#{control}")).select_by_value(value)
        tables = ("#leaderboard", "#overview", "#all table")
        self.wait(f"document.querySelector('{', '.join(f'{each}:not([data-old])' for each in tables)}')")

    def cells(self, selector: str = "#leaderboard tbody tr") -> list[list[str]]:
        """Text of a table's rows, that for screen readers included."""
        read = "c => c.textContent.replace(/\\s+/g, ' ').trim()"
        rows: list[list[str]] = self.run(
            f"return [...document.querySelectorAll('{selector}')].map(r => [...r.children].map({read}))"
        )
        return rows

    def headings(self) -> list[str]:
        found: list[str] = self.run(
            "return [...document.querySelectorAll('#leaderboard thead th')].map(h => h.textContent)"
        )
        return found

    def wait_sorted(self, heading: str, way: str) -> None:
        """DataTables sorts a moment after the click."""
        self.wait(f"document.querySelector('{heading}').getAttribute('aria-sort') === '{way}'")

    def requests(self) -> set[str]:
        """Addresses that pages have asked for since the last call, the browser's own pages left out."""
        sent = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        asked = [one["params"] for one in sent if one["method"] == "Network.requestWillBeSent"]
        return {one["request"]["url"] for one in asked if not one["documentURL"].startswith("chrome:")}

    def trouble(self) -> list[Any]:
        """Errors and warnings of the console."""
        return [entry for entry in self.browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


@pytest.fixture
def page_at(browser: Any) -> Callable[[str], Page]:
    """`page_at(root)`: the browser at the root of a site, in its usual size."""

    def opened(root: str) -> Page:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page = Page(browser, root)
        page.trouble()
        return page

    return opened


@pytest.fixture
def page(page_at: Callable[[str], Page], site: Path) -> Iterator[Page]:
    """The site `small`; after the test its console must be clean and no record have run a script."""
    opened = page_at(site.as_uri())
    yield opened
    assert opened.trouble() == []
    assert opened.run("return window.harm") is None and opened.run("return document.title") != "harm"
