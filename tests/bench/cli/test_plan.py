"""`msabench plan`: what is to do, and what records tell of how long it takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from msabench.cli import app
from msabench.estimate import Estimator
from msabench.records import Store
from msabench.run import Failure, RunRecord, RunSpec, Task, Truths
from msabench.search import SearchSpec, store_of
from msabench.study import Plan, StudySpec, remaining
from msabench.study import plan as make_plan

TRUTHS = Truths(
    valid_ids=np.array(["a"]), valid=np.array([0.5], np.float32),
    test_ids=np.array(["c"]), test=np.array([2.0], np.float32),
)  # fmt: skip
LONG_ROW = "almt[fusion_readout=mean_language,use_audio=false]"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def plan(data: Path) -> Plan:
    """Five trials of one method, then two runs of the best beside two at the published setting."""
    study = StudySpec(
        methods=("lf_dnn",), datasets=("demo:unaligned",), seeds=(1, 2), text_encoder="tiny",
        tracks=("paper", "tuned"), search=SearchSpec(trials=5), name="s",
    )  # fmt: skip
    return make_plan(study, data)


def record(run: RunSpec, store: Store, seconds: float, *, failed: bool = False) -> None:
    made = RunRecord(
        spec=run, status="failed", task=Task(kind="regression"), convention="mmsa",
        truths_hash=TRUTHS.fingerprint, failure=Failure(cause="nan", message="loss became nan"),
    )  # fmt: skip
    if not failed:
        made = replace(
            made, status="finished", failure=None, valid_criterion=(1.0,), seconds=(seconds,),
            valid_predictions=np.zeros((1, 1), np.float32), test_predictions=np.zeros((1, 1), np.float32),
        )  # fmt: skip
    store.write(made, TRUTHS)


def said(root: Path, data: Path, *options: str, columns: int = 80) -> str:
    words = ["plan", "--text-encoder", "tiny", "--name", "s", *options]
    if "--methods" not in options:
        words += ["--methods", "lf_dnn", "--datasets", "demo", "--seeds", "1,2"]
    words += ["--results-root", str(root), "--data-root", str(data)]
    result = CliRunner().invoke(app, words, env={"COLUMNS": str(columns)})
    assert result.exit_code == 0, result.output or result.exception
    return result.stdout


def left(plan: Plan, folder: Path, **options: bool) -> dict[str, tuple[int, int]]:
    """Track to what is left, of how many."""
    return {w.example.track: (w.left, w.total) for w in remaining(plan, folder, **options)}


def test_80_columns_hold_a_plan_and_cut_no_name(tmp_path: Path, data: Path) -> None:
    options = [
        "--methods",
        f"lf_dnn,setgf,{LONG_ROW}",
        "--datasets",
        "demo",
        "--seeds",
        "5",
        "--trials",
        "20",
    ]
    text = said(tmp_path, data, *options, "--track", "paper,tuned")
    assert "…" not in text and "TWIN (generated)" in text and "Reconstruction" in text
    assert all(len(line) <= 80 for line in text.splitlines() if "sha256" not in line)
    assert LONG_ROW in "".join(line.split()[0] for line in text.splitlines() if line.strip())
    for track, runs in {"paper": "5 of 5", "trial": "20 of 20", "tuned": "5 of 5"}.items():
        assert text.count(f" {track} ") == 3 and runs in text
    assert "hyperparameters searched: lf_dnn 11" in " ".join(text.split())


def test_the_time_of_trials_is_part_of_the_estimate(tmp_path: Path, data: Path, plan: Plan) -> None:
    tuned = ["--track", "paper,tuned", "--trials", "5"]
    text = said(tmp_path, data, *tuned)
    assert text.count("?") == 4 and "how long is not known" in text
    store = Store(tmp_path / "s")
    record(plan.runs[0], store, 100.0)
    text = " ".join(said(tmp_path, data, *tuned).split())
    # 5 trials, 2 runs of the best, 1 at the published setting
    assert "5 of 5 trials and 3 of 4 runs to train; about 13 min of one worker's time" in text
    assert "?" not in text
    trial = replace(plan.searches[0].template, hyperparameters={"epochs": 1})
    record(trial, Store(tmp_path / "other" / "search"), 20.0)
    assert "about 7 min" in said(tmp_path, data, *tuned), "trials by trials: 5 x 20 + 3 x 100 s"
    limited = said(tmp_path, data, *tuned, "--search-hours", str(40 / 3600))
    assert "about 6 min" in limited, "40 s of trials at most, and 3 x 100 s"


def test_runs_are_told_by_trials_where_there_is_nothing_else(tmp_path: Path, plan: Plan) -> None:
    record(plan.searches[0].template, store_of(tmp_path / "s"), 7.0)
    assert Estimator(tmp_path).seconds(plan.runs[0]) == 7.0
    record(plan.runs[0], Store(tmp_path / "s"), 9.0)
    assert [Estimator(tmp_path).seconds(run) for run in (plan.runs[1], plan.searches[0].template)] == [9, 7]


def test_what_is_left_of_a_search_and_of_what_it_chose(tmp_path: Path, plan: Plan) -> None:
    folder, (search,) = tmp_path / "s", plan.searches
    trials = store_of(folder)
    assert left(plan, folder) == {"paper": (2, 2), "trial": (5, 5), "tuned": (2, 2)}
    for place in search.missing(trials):
        record(place.run, trials, 1.0, failed=place.number == 3)
    assert left(plan, folder) == {"paper": (2, 2), "trial": (0, 5), "tuned": (2, 2)}
    chosen = plan.with_tuned({search.name: search.chosen(trials)})
    record(chosen.runs[-1], Store(folder), 1.0)
    record(chosen.runs[0], Store(folder), 1.0, failed=True)
    assert left(plan, folder) == {"paper": (1, 2), "trial": (0, 5), "tuned": (1, 2)}
    again = left(plan, folder, retry_failed=True)
    assert again == {"paper": (2, 2), "trial": (1, 5), "tuned": (2, 2)}, "what will be chosen is open again"


def test_a_search_without_a_survivor_has_nothing_to_train(tmp_path: Path, plan: Plan) -> None:
    trials = store_of(tmp_path / "s")
    for place in plan.searches[0].missing(trials):
        record(place.run, trials, 1.0, failed=True)
    assert left(plan, tmp_path / "s") == {"paper": (2, 2), "trial": (0, 5)}
