"""Scores that several processes work out are those of one, whatever becomes of the processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

from msabench.records import RecordError, Store, crew
from msabench.run import Failure, RunRecord, RunSpec, Task, Truths

LABELS = np.array([-1.0, 0.0, 2.0, 1.0, 0.4], np.float32)
IDS = np.array([f"v{i}" for i in range(5)])
TRUTHS = Truths(valid_ids=IDS, valid=LABELS, test_ids=IDS, test=LABELS[::-1].copy())
READINGS = ((None, "same-epoch"), ("mult", "best-epoch"), ("mmsa", "as-published"))


def _record(seed: int) -> RunRecord:
    spec = RunSpec(
        method="tfn", method_version=1, hyperparameters={}, dataset="mosi:unaligned", data_kind="twin",
        data_hash="ab" * 32, seed=seed, text_encoder="tiny@0", text_mode="frozen",
    )  # fmt: skip
    valid, test = np.random.default_rng(seed).normal(size=(2, 3, 5)).astype(np.float32)
    return RunRecord(
        spec=spec, status="finished", task=Task(kind="regression"), convention="mmsa",
        truths_hash=TRUTHS.fingerprint, losses=({"l1": 1.0},) * 3, valid_loss=(3.0, 2.0, 1.0),
        valid_criterion=(1.0, 0.5, 0.7), valid_predictions=valid, test_predictions=test, seconds=(1.0,) * 3,
    )  # fmt: skip


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes for whatever is more than one call."""
    monkeypatch.setattr(crew, "FEWEST", 2)
    monkeypatch.setattr(crew, "cores", lambda: 2)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    store = Store(tmp_path / "study")
    for seed in range(1, 13):
        store.write(_record(seed), TRUTHS)
    return store.path


def test_frames_are_those_of_one_process(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = Store(study).frames(READINGS)
    shutil.rmtree(study / "index", ignore_errors=True)
    monkeypatch.setattr(crew, "FEWEST", 2)
    monkeypatch.setattr(crew, "cores", lambda: 2)
    asked: list[str] = []
    real = crew._Member.ask

    def ask(member: Any, function: Any, part: Any) -> list[Any]:
        asked.append(function.__name__)
        return real(member, function, part)

    monkeypatch.setattr(crew._Member, "ask", ask)
    for one, other in zip(alone, Store(study).frames(READINGS), strict=True):
        pd.testing.assert_frame_equal(one, other)
    assert set(asked) == {"_read", "score_record"}, "read and scored by others"


@pytest.mark.usefixtures("several")
def test_work_is_done_by_other_processes_that_are_gone_afterwards() -> None:
    before = {child.pid for child in psutil.Process().children()}
    pids = list(crew.spread(os.getpid, [()] * 250))
    assert len(pids) == 250 and os.getpid() not in pids
    begun = crew.spread(abs, [(-i,) for i in range(500)])
    assert next(begun) == 0
    begun.close()  # type: ignore[attr-defined]
    assert list(crew.spread(abs, [(-i,) for i in range(450)])) == list(range(450)), "in order"
    assert {child.pid for child in psutil.Process().children()} == before


@pytest.mark.usefixtures("several")
@pytest.mark.parametrize("start", ["raise SystemExit(1)", "import os; os.write(1, b'nonsense' * 99)"])
def test_where_processes_cannot_work_the_caller_does(
    start: str, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "_START", start)
    assert Store(study).frame()["key"].nunique() == 12
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert Store(study).frame()["key"].nunique() == 12


@pytest.mark.usefixtures("several")
def test_a_damaged_record_is_told_as_by_one_process(study: Path) -> None:
    key = _record(5).key
    (study / "runs" / key / "predictions.npz").write_bytes(b"PK")
    with pytest.raises(RecordError, match=r"a record is damaged") as told:
        Store(study).frame()
    assert key in str(told.value)


@pytest.mark.usefixtures("several")
def test_what_only_the_caller_knows_is_worked_out_by_it() -> None:
    # a function of this file cannot be loaded elsewhere
    assert list(crew.spread(_twice, [(i,) for i in range(300)])) == [2 * i for i in range(300)]


def _twice(value: int) -> int:
    return 2 * value


def test_a_script_without_a_guard_is_run_once(study: Path, tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(
        "from msabench.records import Store, crew\n"
        "crew.FEWEST, crew.cores = 2, lambda: 2\n"
        f"print('begun', Store({str(study)!r}).frame()['key'].nunique())\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["begun", "12"]


def test_failures_come_with_cause_and_message(study: Path) -> None:
    none = np.zeros((0, 0), np.float32)
    failed = replace(
        _record(99), status="failed", failure=Failure(cause="nan", message="the loss is nan", traceback="t"),
        valid_predictions=none, test_predictions=none,
    )  # fmt: skip
    Store(study).write(failed, TRUTHS)
    (found,) = Store(study).failures()
    assert (
        found.failure is not None and found.failure.message == "the loss is nan" and found.key == failed.key
    )
