"""Whole searches through the command line: equal, repeatable, blind to the test split, and safe to kill."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

SCRIPT = Path(sys.executable).with_name("msabench")
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def command(tmp_path: Path, data: Path) -> Callable[..., list[str]]:
    def made(**options: str) -> list[str]:
        given = {
            "methods": "lf_dnn", "datasets": "demo", "text_encoder": "tiny", "seeds": "1", "epochs": "2",
            "trials": "3", "name": "s", "workers": "2",
        }  # fmt: skip
        given |= {"data_root": str(data), "results_root": str(tmp_path / "results"), **options}
        words = [w for name, value in given.items() for w in (f"--{name.replace('_', '-')}", value)]
        return [str(SCRIPT), "run", "--no-tracking", *words]

    return made


@pytest.fixture
def run(command: Callable[..., list[str]]) -> Run:
    def called(**options: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "COLUMNS": "200"}
        return subprocess.run(command(**options), capture_output=True, text=True, env=env)

    return called


def found(folder: Path) -> dict[str, tuple[Any, ...]]:
    """What a search left that must not depend on chance: each trial's setting and validation curve."""
    records = (json.loads(p.read_text()) for p in (folder / "search" / "runs").glob("[!.]*/run.json"))
    return {r["key"]: (r["spec"]["hyperparameters"], r["valid_criterion"], r["status"]) for r in records}


def chosen(folder: Path) -> list[Any]:
    """Hyperparameters of the tuned runs."""
    records = [json.loads(p.read_text()) for p in sorted((folder / "runs").glob("[!.]*/run.json"))]
    return [r["spec"]["hyperparameters"] for r in records if r["spec"]["track"] == "tuned"]


def test_every_row_gets_the_same_trials_and_its_best_setting_every_seed(run: Run, tmp_path: Path) -> None:
    done = run(methods="lf_dnn,tfn[fusion_width=8]", seeds="2", track="paper,tuned")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "results" / "s"
    ledger = {each["row"]: each for each in json.loads((folder / "search" / "ledger.json").read_text())}
    assert {each["trials"] for each in ledger.values()} == {3} and len(ledger) == 2
    assert "tuned" in done.stdout and "paper" in done.stdout
    records = [json.loads(p.read_text()) for p in (folder / "runs").glob("[!.]*/run.json")]
    assert sorted((r["spec"]["method"], r["spec"]["track"], r["spec"]["seed"]) for r in records) == sorted(
        (m, t, s) for m in ("lf_dnn", "tfn") for t in ("paper", "tuned") for s in (1111, 1112)
    )
    assert {h["fusion_width"] for h in chosen(folder) if "fusion_width" in h} >= {8}, "brackets stay as set"
    trials = [json.loads(p.read_text()) for p in (folder / "search" / "runs").glob("[!.]*/run.json")]
    assert {r["spec"]["seed"] for r in trials} == {4242}
    for path in (folder / "search" / "runs").glob("[!.]*/predictions.npz"):
        with np.load(path) as file:
            assert file["valid"].shape == (2, 60) and file["test"].size == 0
    shown = subprocess.run(
        [str(SCRIPT), "search", "show", "s", "--data-root", str(command_root(done)), "--results-root",
         str(tmp_path / "results")],
        capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert "SYNTHETIC TWIN" in shown.stdout and "3 of 3 trials" in shown.stdout
    assert "expected best after k trials" in shown.stdout


def command_root(done: subprocess.CompletedProcess[str]) -> str:
    return done.args[done.args.index("--data-root") + 1]


def test_the_test_split_has_no_say_in_a_search(run: Run, data: Path, tmp_path: Path) -> None:
    limits = {"trials": "7", "epochs": "4", "prune": "median", "search_hours": "10"}
    assert run(name="a", **limits, workers="1").returncode == 0
    original = next(data.rglob("demo*.pkl"))
    content = pickle.loads(original.read_bytes())
    rng = np.random.default_rng(0)
    for name in ("regression_labels", "audio", "vision", "text"):
        part = content["test"][name]
        content["test"][name] = rng.permutation(np.asarray(part)).astype(part.dtype)
    altered = tmp_path / "data" / original.relative_to(data)
    altered.parent.mkdir(parents=True)
    altered.write_bytes(pickle.dumps(content, protocol=4))
    done = run(name="b", data_root=str(tmp_path / "data"), **limits)
    assert done.returncode == 0, done.stderr
    a, b = (found(tmp_path / "results" / name) for name in "ab")
    assert list(a) != list(b), "another file, other keys"
    curves = [sorted(json.dumps(values, sort_keys=True) for values in each.values()) for each in (a, b)]
    assert curves[0] == curves[1]
    assert chosen(tmp_path / "results" / "a") == chosen(tmp_path / "results" / "b")
    (ledger,) = json.loads((tmp_path / "results" / "b" / "search" / "ledger.json").read_text())
    assert ledger["pruned"] > 0 and ledger["epochs"] < 7 * 4 and f"{ledger['pruned']} pruned" in done.stdout


@pytest.mark.parametrize(("sampler", "trials"), [("qmc", "4"), ("tpe", "7")])
def test_workers_and_interruptions_change_nothing(
    run: Run, command: Callable[..., list[str]], tmp_path: Path, sampler: str, trials: str
) -> None:
    assert run(name="whole", trials=trials, epochs="1", sampler=sampler, workers="1").returncode == 0
    folder = tmp_path / "results" / "killed"
    options = {"name": "killed", "trials": trials, "epochs": "1", "sampler": sampler}
    process = subprocess.Popen(command(**options), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while not found(folder) if folder.exists() else True:
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    psutil.wait_procs(workers, timeout=60)
    assert 0 < len(found(folder)) < int(trials) and not chosen(folder)
    assert run(**options).returncode == 0
    whole = tmp_path / "results" / "whole"
    assert found(folder) == found(whole) and chosen(folder) == chosen(whole)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"trials": "0"}, "trials >= 1"),
        ({"sampler": "grid"}, "choose of qmc, random, tpe"),
        ({"seeds": "4242,"}, "is the search's own"),
        ({"prune": "halving"}, "choose of none, median"),
        ({"search_hours": "0"}, "hours > 0"),
        ({"max_seconds": "-1"}, "seconds > 0"),
        ({"track": "paper,best"}, "track 'best' is not known"),
    ],
)
def test_bad_options_are_answered_before_any_work(
    run: Run, tmp_path: Path, options: dict[str, str], words: str
) -> None:
    done = run(**options)
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


def test_another_budget_in_the_same_study_is_refused(run: Run) -> None:
    assert run(epochs="1", trials="1").returncode == 0
    done = run(epochs="1", trials="2")
    assert done.returncode == 2 and "could not be compared" in done.stderr


def test_the_ledger_stands_under_a_tuned_table_and_unequal_budgets_are_refused(
    run: Run, tmp_path: Path
) -> None:
    assert run(methods="lf_dnn,tfn", epochs="1", trials="2").returncode == 0
    folder = tmp_path / "results" / "s"

    def report(*more: str) -> subprocess.CompletedProcess[str]:
        words = [str(SCRIPT), "report", "s", "--results-root", str(tmp_path / "results"), *more]
        env = {**os.environ, "COLUMNS": "400"}
        return subprocess.run(words, capture_output=True, text=True, env=env)

    fair = report()
    assert "LF-DNN on demo:unaligned 2 qmc trials, 2 epochs" in fair.stdout
    for name in ("comparison.tex", "comparison.md", "comparison.csv", "comparison.html"):
        assert "2 qmc trials" in (folder / "tables" / name).read_text()
    path = folder / "search" / "ledger.json"
    ledgers = json.loads(path.read_text())
    ledgers[0]["trials"] = 5
    path.write_text(json.dumps(ledgers))
    unfair = report()
    assert unfair.returncode == 2 and "unequal budgets" in unfair.stderr
    assert "--allow-unequal-budgets" in unfair.stderr and "Traceback" not in unfair.stderr
    allowed = report("--allow-unequal-budgets")
    assert allowed.returncode == 0 and "UNEQUAL search budgets" in allowed.stdout
    path.write_text("[{]")
    assert "ledger of a search cannot be read" in report().stderr
