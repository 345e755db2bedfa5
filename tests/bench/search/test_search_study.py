"""Whole searches through the command line: equal, repeatable, blind to the test split, and safe to kill."""

import hashlib
import io
import itertools
import json
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from msabench.cli import main

SCRIPT = Path(sys.executable).with_name("msabench")
LIMITS = {"trials": "8", "epochs": "4", "prune": "median", "search_hours": "10"}
"""Trials 5, 6 and 7 are held to the pace of those before them"""
Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


def msabench(*words: str) -> Done:
    """The console script in this process, which need not import everything again."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setenv("COLUMNS", "400")
        patch.setattr(sys, "argv", ["msabench", *words])
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def words_of(data: Path, results: Path, **options: str) -> list[str]:
    """A command that searches; options of the study by their names."""
    given = {
        "methods": "lf_dnn", "datasets": "demo", "text_encoder": "tiny", "seeds": "1", "epochs": "2",
        "trials": "3", "name": "s", "workers": "2",
    }  # fmt: skip
    given |= {"data_root": str(data), "results_root": str(results), **options}
    return ["run", "--no-tracking", *(w for n, v in given.items() for w in (f"--{n.replace('_', '-')}", v))]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def run(tmp_path: Path, data: Path) -> Run:
    return lambda **options: msabench(*words_of(data, tmp_path / "results", **options))


@pytest.fixture(scope="module")
def both_tracks(tmp_path_factory: pytest.TempPathFactory, data: Path) -> tuple[Path, Done]:
    """A study of two rows in both tracks, and what its command printed; tests that change it copy it."""
    root = tmp_path_factory.mktemp("both")
    rows = "lf_dnn,lf_dnn[fusion_width=8]"
    done = msabench(*words_of(data, root, methods=rows, seeds="2", track="paper,tuned", workers="1"))
    assert done.returncode == 0, done.stderr
    return root / "s", done


@pytest.fixture
def study(both_tracks: tuple[Path, Done], tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(both_tracks[0], tmp_path / "results" / "s")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """A search with pruning whose only worker was never interrupted."""
    root = tmp_path_factory.mktemp("undisturbed")
    assert msabench(*words_of(data, root, **LIMITS, workers="1")).returncode == 0
    return root / "s"


def records(folder: Path) -> list[dict[str, Any]]:
    """What `run.json` says of every run in a store."""
    return [json.loads(path.read_text()) for path in (folder / "runs").glob("[!.]*/run.json")]


def found(folder: Path) -> dict[str, tuple[Any, ...]]:
    """What a study left that must not depend on chance: of each trial and run by its key."""
    return {
        record["key"]: (
            *(record[name] for name in ("valid_criterion", "status", "stopped")),
            record["spec"]["track"],
            record["spec"]["hyperparameters"],
            predictions(place / "runs" / record["key"]),
        )
        for place in (folder / "search", folder)
        for record in records(place)
    }


def predictions(folder: Path) -> str:
    """A hash over every epoch's predictions."""
    with np.load(folder / "predictions.npz") as file:
        parts = [f"{name} {file[name].shape}".encode() + file[name].tobytes() for name in ("valid", "test")]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def ledgers(folder: Path) -> list[dict[str, Any]]:
    """The ledgers of a study, without the seconds."""
    held = json.loads((folder / "search" / "ledger.json").read_text())
    return [{name: value for name, value in each.items() if name != "seconds"} for each in held]


def chosen(folder: Path) -> list[Any]:
    """Hyperparameters of the tuned runs."""
    return [r["spec"]["hyperparameters"] for r in records(folder) if r["spec"]["track"] == "tuned"]


def test_every_row_gets_the_same_trials_and_its_best_setting_every_seed(
    both_tracks: tuple[Path, Done], data: Path
) -> None:
    folder, done = both_tracks
    assert [each["trials"] for each in ledgers(folder)] == [3, 3]
    assert "tuned" in done.stdout and "paper" in done.stdout
    made = [tuple(r["spec"][name] for name in ("variant", "track", "seed")) for r in records(folder)]
    rows = ("", "fusion_width=8")
    assert sorted(made) == sorted(itertools.product(rows, ("paper", "tuned"), (1111, 1112)))
    for place in (folder, folder / "search"):
        specs = [r["spec"] for r in records(place) if r["spec"]["variant"]]
        assert {spec["hyperparameters"]["fusion_width"] for spec in specs} == {8}, "brackets stay as set"
    assert {r["spec"]["seed"] for r in records(folder / "search")} == {4242}
    for path in (folder / "search" / "runs").glob("[!.]*/predictions.npz"):
        with np.load(path) as file:
            assert file["valid"].shape == (2, 60) and file["test"].size == 0
    shown = msabench("search", "show", "s", "--results-root", str(folder.parent))
    assert shown.returncode == 0, shown.stderr
    assert "SYNTHETIC TWIN" in shown.stdout and "3 of 3 trials" in shown.stdout
    assert "expected best" in shown.stdout and "90 % of draws" in shown.stdout


def test_the_test_split_has_no_say_in_a_search(
    run: Run, data: Path, tmp_path: Path, undisturbed: Path
) -> None:
    original = next(data.rglob("demo*.pkl"))
    content = pickle.loads(original.read_bytes())
    rng = np.random.default_rng(0)
    for name in ("regression_labels", "audio", "vision", "text"):
        part = content["test"][name]
        content["test"][name] = rng.permutation(np.asarray(part)).astype(part.dtype)
    altered = tmp_path / "data" / original.relative_to(data)
    altered.parent.mkdir(parents=True)
    altered.write_bytes(pickle.dumps(content, protocol=4))
    done = run(data_root=str(tmp_path / "data"), **LIMITS)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "results" / "s"
    a, b = (found(each / "search") for each in (undisturbed, folder))
    assert len(a) == len(b) == 8 and not a.keys() & b.keys(), "another file, other keys"
    trials = [sorted(json.dumps(values, sort_keys=True) for values in each.values()) for each in (a, b)]
    assert trials[0] == trials[1]
    assert chosen(undisturbed) == chosen(folder) and ledgers(undisturbed) == ledgers(folder)
    assert {found(undisturbed)[key][-1] for key in found(undisturbed).keys() - a.keys()} != {
        found(folder)[key][-1] for key in found(folder).keys() - b.keys()
    }, "what is reported saw another test split"
    (ledger,) = ledgers(folder)
    assert ledger["pruned"] > 0 and ledger["epochs"] < 8 * 4 and f"{ledger['pruned']} pruned" in done.stdout


def killed(words: list[str], folder: Path, recorded: int) -> None:
    """Carry a study out until so many trials have a record, then kill its driver."""
    process = subprocess.Popen([str(SCRIPT), *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while len(list((folder / "search" / "runs").glob("[!.]*/run.json"))) < recorded:
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.01)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    psutil.wait_procs(workers, timeout=60)


def test_workers_and_interruptions_change_nothing_of_a_pruned_search(
    run: Run, data: Path, tmp_path: Path, undisturbed: Path
) -> None:
    folder, words = tmp_path / "results" / "s", words_of(data, tmp_path / "results", **LIMITS)
    killed(words, folder, 1)
    assert 0 < len(records(folder / "search")) < 8 and not chosen(folder)
    killed(words, folder, 6)  # past the warm-up, where trials are held to a pace
    assert run(**LIMITS).returncode == 0
    assert found(folder) == found(undisturbed) and ledgers(folder) == ledgers(undisturbed)
    assert {each[2] for each in found(folder).values()} >= {"pruned", "epochs"}


def test_workers_and_interruptions_change_nothing_of_a_search_by_tpe(
    run: Run, data: Path, tmp_path: Path
) -> None:
    options = {"trials": "7", "epochs": "1", "sampler": "tpe"}
    assert run(name="whole", workers="1", **options).returncode == 0
    whole, folder = tmp_path / "results" / "whole", tmp_path / "results" / "s"
    killed(words_of(data, tmp_path / "results", **options), folder, 1)
    assert 0 < len(records(folder / "search")) < 7 and not chosen(folder)
    assert run(**options).returncode == 0
    assert found(folder) == found(whole) and ledgers(folder) == ledgers(whole)


def test_the_time_of_a_trial_that_was_ended_is_spent(run: Run, tmp_path: Path) -> None:
    done = run(trials="1", epochs="200", patience="0", time_limit="2")
    assert "did not end within its limit" in done.stdout + done.stderr
    (trial,) = records(tmp_path / "results" / "s" / "search")
    assert trial["failure"]["cause"] == "timeout"
    assert sum(trial["seconds"]) + trial["setup_seconds"] > 1.9
    shown = msabench("search", "show", "s", "--results-root", str(tmp_path / "results"))
    assert "1 failed" in shown.stdout and ", 0 s;" not in shown.stdout


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


def test_another_budget_in_the_same_study_is_refused(run: Run, study: Path) -> None:
    before = found(study)
    for other in ({"trials": "2"}, {"sampler": "random"}, {"prune": "median"}, {"search_hours": "1"}):
        done = run(methods="lf_dnn", **other)
        assert done.returncode == 2 and "could not be compared" in done.stderr
    assert found(study) == before


def test_a_search_goes_on_with_more_trials_for_every_row_alike(run: Run, study: Path, data: Path) -> None:
    before, options = found(study / "search"), {"seeds": "2", "track": "paper,tuned"}
    done = run(methods="lf_dnn", trials="5", **options)
    assert done.returncode == 2 and "leaves out lf_dnn[fusion_width=8]" in done.stderr
    assert [each["trials"] for each in ledgers(study)] == [3, 3]
    done = run(methods="lf_dnn,lf_dnn[fusion_width=8]", trials="5", **options)
    assert done.returncode == 0, done.stderr
    after = found(study / "search")
    assert before.items() <= after.items() and len(after) == 10, "those made before are the first of them"
    assert [each["trials"] for each in ledgers(study)] == [5, 5]
    runs = msabench("status", "s", "--results-root", str(study.parent))
    assert runs.returncode == 0 and "10 finished" in runs.stdout


def test_the_ledger_stands_under_a_tuned_table_and_unequal_budgets_are_refused(study: Path) -> None:
    def report(*more: str) -> Done:
        return msabench("report", "s", "--results-root", str(study.parent), *more)

    fair = report()
    assert "LF-DNN on demo:unaligned 3 qmc trials, 6 epochs" in fair.stdout
    for name in ("comparison.tex", "comparison.md", "comparison.csv", "comparison.html"):
        assert "3 qmc trials" in (study / "tables" / name).read_text()
    path = study / "search" / "ledger.json"
    held = json.loads(path.read_text())
    held[0]["trials"] = 5
    path.write_text(json.dumps(held))
    unfair = report()
    assert unfair.returncode == 2 and "unequal budgets" in unfair.stderr
    assert "--allow-unequal-budgets" in unfair.stderr and "Traceback" not in unfair.stderr
    allowed = report("--allow-unequal-budgets")
    assert allowed.returncode == 0 and "UNEQUAL search budgets" in allowed.stdout
    path.write_text("[{]")
    assert "ledger of a search cannot be read" in report().stderr


COMPARE = ("compare", "s", "lf_dnn", "lf_dnn[fusion_width=8]", "--track", "tuned")
TOLD: dict[str, tuple[tuple[str, ...], str]] = {
    "report": (("report", "s"), "tables/comparison.*"),
    "lens": (("report", "s", "--convention", "all"), "tables/lens.[!c]*"),
    **{
        f"compare {name}": ((*COMPARE, "--format", name), "")
        for name in ("terminal", "json", "csv", "latex", "markdown")
    },
    "plot": (("plot", "s", "--kind", "intervals", "--format", "svg"), "plots/*.svg"),
    "site": (("site", "s"), "site/index.html"),
}


@pytest.mark.parametrize("verb", TOLD)
def test_unequal_budgets_are_refused_and_said_in_everything_that_compares(verb: str, study: Path) -> None:
    words, files = TOLD[verb]
    shutil.rmtree(study / "tables", ignore_errors=True)
    path = study / "search" / "ledger.json"
    held = json.loads(path.read_text())
    held[0]["allowed"]["epochs"] = 9
    path.write_text(json.dumps(held))
    results = ("--results-root", str(study.parent))
    refused = msabench(*words, *results)
    assert refused.returncode == 2 and "--allow-unequal-budgets" in refused.stderr, refused.stderr
    assert "epochs 9" in refused.stderr and "epochs 2" in refused.stderr
    assert not files or not list(study.glob(files)), "nothing is written"
    allowed = msabench(*words, *results, "--allow-unequal-budgets")
    assert allowed.returncode == 0, allowed.stderr
    texts = [each.read_text() for each in study.glob(files)] if files else [allowed.stdout]
    assert texts and all("UNEQUAL" in text for text in texts)


def test_a_search_without_a_ledger_is_not_taken_to_be_equal(study: Path) -> None:
    path = study / "search" / "ledger.json"
    held = json.loads(path.read_text())
    path.write_text(json.dumps(held[:1]))
    results = ("--results-root", str(study.parent))
    refused = msabench("report", "s", *results)
    assert refused.returncode == 2 and "not recorded in a ledger" in refused.stderr
    alone = msabench(*COMPARE[:3], "lf_dnn", *COMPARE[4:], *results)
    assert "not recorded" not in alone.stderr


def test_a_tuned_row_is_held_against_a_published_one_by_name_alone(study: Path) -> None:
    plan = study / "plan.json"
    lines = json.loads(plan.read_text())
    keep = {("lf_dnn", "paper"), ("lf_dnn[fusion_width=8]", "tuned")}
    plan.write_text(json.dumps({k: v for k, v in lines.items() if (v["row"], v["track"]) in keep}))
    words = (*COMPARE[:4], "--results-root", str(study.parent))
    refused = msabench(*words)
    assert refused.returncode == 2, refused.stdout
    assert "lf_dnn at the published setting" in refused.stderr
    allowed = msabench(*words, "--allow-unequal-budgets")
    assert allowed.returncode == 0 and "UNEQUAL search budgets" in allowed.stdout
