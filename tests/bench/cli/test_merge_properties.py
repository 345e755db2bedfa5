"""Merging is a union: independent of order, of repetition, and of what interrupted it."""

from __future__ import annotations

import contextlib
import csv
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from typer.testing import CliRunner

from msabench import merge as merging
from msabench.cli import app
from msabench.errors import MsabenchError, SpecError
from msabench.merge.source import Source
from msabench.records import Store
from msabench.run import Failure, RunRecord, RunSpec, Task, Truths
from msabench.search import Ledger, read_ledgers
from msabench.search.ledger import write_ledgers
from msabench.study import StudySpec, plan_line, read_study, write_plan

merge = merging.merge
LABELS = np.linspace(-2.9, 2.9, 12, dtype=np.float32)
IDS = np.array([f"v{i}" for i in range(12)])
TRUTHS = Truths(valid_ids=IDS, valid=LABELS, test_ids=IDS, test=LABELS)


def _record(method: str = "tfn", seed: int = 1, *, failed: bool = False, **spec: Any) -> RunRecord:
    """What a run leaves, with predictions that depend on the run alone."""
    values: dict[str, Any] = {
        "method": method, "method_version": 1, "hyperparameters": {}, "dataset": "mosi:unaligned",
        "data_kind": "real", "data_hash": "0" * 64, "seed": seed, "text_encoder": "minilm@1",
        "text_mode": "frozen",
    }  # fmt: skip
    predictions = np.random.default_rng([seed, len(method)]).normal(size=(2, 2, 12)).astype(np.float32)
    record = RunRecord(
        spec=RunSpec(**{**values, **spec}), status="finished", task=Task(kind="regression"),
        convention="mmsa", truths_hash=TRUTHS.fingerprint, losses=({"task": 1.0},) * 2,
        valid_loss=(1.0, 0.5), valid_criterion=(1.0, 0.5), valid_predictions=predictions[0],
        test_predictions=predictions[1], seconds=(1.0, 1.0),
    )  # fmt: skip
    if not failed:
        return record
    none = np.zeros((0, 0), np.float32)
    broken = Failure(cause="nan", message="the loss is nan")
    return replace(record, status="failed", failure=broken, valid_predictions=none, test_predictions=none)


def _external(seed: int) -> RunRecord:
    given: dict[str, Any] = {"method_version": 0, "track": "external", "text_encoder": "theirs"}
    return _record("external:Theirs", seed, **given)


POOL = [
    *(_record(method, seed) for method in ("tfn", "lf_dnn") for seed in (1, 2)),
    *(_external(seed) for seed in (1, 2)),
]
PART = st.dictionaries(st.integers(0, len(POOL) - 1), st.booleans(), min_size=1)
"""Of a study: which runs it has, and whether they failed there"""


def _study(folder: Path, part: dict[int, bool]) -> Path:
    store = Store(folder)
    held = []
    for place, failed in part.items():
        record = POOL[place]
        if failed and not record.spec.external:
            record = _record(record.spec.method, record.spec.seed, failed=True)
        held.append(record)
        store.write(record, TRUTHS)
    write_plan(folder, {record.key: plan_line(record.spec) for record in held})
    return folder


def _seen(folder: Path) -> tuple[pd.DataFrame, set[str], list[str]]:
    """Scores, failures and plan, in an order of their own."""
    store = Store(folder)
    frame = store.frame().sort_values(["key", "metric"]).reset_index(drop=True)
    return frame, {record.key for record in store.failures()}, sorted(store.planned())


def _alike(one: Path, other: Path) -> None:
    (frame, failed, planned), (again, lost, lines) = _seen(one), _seen(other)
    pd.testing.assert_frame_equal(frame, again)
    assert failed == lost and planned == lines


def _figures(folder: Path) -> list[dict[str, str]]:
    done = CliRunner().invoke(app, ["report", folder.name, "--results-root", str(folder.parent)])
    assert done.exit_code in (0, 1), done.exception
    path = folder / "tables" / "comparison.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return sorted(csv.DictReader(file), key=str)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(PART, min_size=3, max_size=3), order=st.permutations([0, 1, 2]))
def test_three_studies_in_any_order_and_grouping_are_one(
    parts: list[dict[int, bool]], order: Sequence[int]
) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        made = [_study(root / f"part{i}", part) for i, part in enumerate(parts)]
        merge(root / "all", made)
        merge(root / "turned", [made[i] for i in order])
        merge(root / "pair", made[:2])
        merge(root / "grouped", [root / "pair", made[2]])
        merge(root / "again", [root / "all", *made])
        for name in ("turned", "grouped", "again"):
            _alike(root / "all", root / name)
        whole: dict[int, bool] = {}
        for part in parts:  # one that finished anywhere has finished
            whole |= {place: failed and whole.get(place, True) for place, failed in part.items()}
        _alike(root / "all", _study(root / "whole", whole))


def test_the_report_of_a_merged_study_is_that_of_all_its_records(tmp_path: Path) -> None:
    parts = [{0: False, 2: True, 4: False}, {1: False, 2: False}, {3: False, 5: False, 0: False}]
    merge(tmp_path / "all", [_study(tmp_path / f"part{i}", part) for i, part in enumerate(parts)])
    whole = _study(tmp_path / "whole", dict.fromkeys(range(len(POOL)), False))
    figures = _figures(tmp_path / "all")
    assert figures and figures == _figures(whole)
    assert {line["n"] for line in figures} == {"2"}


@pytest.mark.parametrize("after", ["_copy_runs", "write_plan"])
def test_a_merge_that_was_killed_leaves_nothing_in_the_way(tmp_path: Path, after: str) -> None:
    made = [_study(tmp_path / "a", {0: False, 4: False}), _study(tmp_path / "b", {1: False})]
    script = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom msabench.merge import joining, merge\n"
        f"real = joining.{after}\n"
        f"def cut(*given):\n    real(*given)\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        f"joining.{after} = cut\n"
        "merge(Path(sys.argv[1]), [Path(each) for each in sys.argv[2:]])\n"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path / "both", *made], check=False)
    assert done.returncode == -9 and not (tmp_path / "both").exists()
    status = CliRunner().invoke(app, ["status", "--results-root", str(tmp_path)])
    assert "merging" not in status.output, "half a study is none"
    merge(tmp_path / "both", made)
    _alike(tmp_path / "both", _study(tmp_path / "whole", {0: False, 1: False, 4: False}))


def test_sources_that_are_written_to_meanwhile_give_whole_records(tmp_path: Path) -> None:
    made = [_study(tmp_path / "a", dict.fromkeys((0, 1), False)), _study(tmp_path / "b", {2: False})]
    stop = threading.Event()

    def write() -> None:
        store = Store(tmp_path / "b")
        while not stop.is_set():  # the same run again and again, as a retry would replace it
            store.write(POOL[2], TRUTHS)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for turn in range(8):
            with contextlib.suppress(MsabenchError):  # it says that the source changed
                merge(tmp_path / f"out{turn}", made)
    finally:
        stop.set()
        writer.join()
    merge(tmp_path / "after", made)
    for folder in (*sorted(tmp_path.glob("out?")), tmp_path / "after"):
        store = Store(folder)
        assert store.damaged() == {} and len(store.planned()) == 3
        for record in store.runs():
            (expected,) = (each for each in POOL if each.key == record.key)
            assert np.array_equal(record.test_predictions, expected.test_predictions)
    assert len(Store(tmp_path / "after").keys("finished")) == 3


def test_what_is_copied_is_what_was_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [_study(tmp_path / "a", {0: False}), _study(tmp_path / "b", {2: True})]
    real = merging.read_source

    def read_and_retried(folder: Path) -> Source:
        source = real(folder)
        Store(tmp_path / "b").write(POOL[2], TRUTHS)  # the failed run is made again just now
        return source

    monkeypatch.setattr(merging, "read_source", read_and_retried)
    with pytest.raises(SpecError, match="changed while it was copied"):
        merge(tmp_path / "both", made[::-1])
    monkeypatch.setattr(merging, "read_source", real)
    merge(tmp_path / "both", made)
    assert len(Store(tmp_path / "both").keys("finished")) == 2


def test_an_import_and_another_of_one_name_are_refused(tmp_path: Path) -> None:
    a, b = (Store(tmp_path / name) for name in "ab")
    a.write(_external(1), TRUTHS)
    theirs = _external(1)
    b.write(replace(theirs, test_predictions=theirs.test_predictions + 1), TRUTHS)
    with pytest.raises(SpecError, match="external:Theirs on mosi:unaligned seed 1"):
        merge(tmp_path / "both", [a.path, b.path])


def test_superseded_records_stay_behind_and_outdated_plans_are_met_by_newer_records(tmp_path: Path) -> None:
    old, new = _record("tfn", 1), _record("tfn", 1, method_version=2)
    a = _study(tmp_path / "a", {2: False})
    Store(a).write(old, TRUTHS)  # which the plan of `a` no longer names
    b = tmp_path / "b"
    Store(b).write(new, TRUTHS)
    c = _study(tmp_path / "c", {3: False})
    lines = {
        **Store(c).planned(),
        old.key: plan_line(old.spec),
    }  # planned before the method changed, not made
    write_plan(c, lines)
    done = merge(tmp_path / "all", [a, b, c])
    assert any("1 superseded records of a are left behind" in note for note in done.notes)
    store = Store(tmp_path / "all")
    assert set(store.keys()) == set(store.planned()) == {new.key, POOL[2].key, POOL[3].key}


def _searched(folder: Path, row: str, trials: int) -> Path:
    """A study with a search: trials, ledger and journal."""
    _study(folder, {0: False} if row == "tfn" else {2: False})
    search = Store(folder / "search")
    for number in range(trials):
        search.write(_record(row, 4242, hyperparameters={"n": number}, track="trial"), TRUTHS)
    spent = {"failed": 0, "repeated": 0, "epochs": 2 * trials, "seconds": 1.0, "chosen": 0}
    write_ledgers(folder, [Ledger(row=row, dataset="mosi:unaligned", sampler="qmc", trials=trials, **spent)])
    backend = JournalFileBackend(str(folder / "search" / "optuna.journal"))
    journal = optuna.create_study(study_name=row, storage=JournalStorage(backend))
    journal.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=trials)
    return folder


def test_searches_are_joined_with_their_trials_ledgers_and_journal(tmp_path: Path) -> None:
    made = [_searched(tmp_path / "a", "tfn", 2), _searched(tmp_path / "b", "lf_dnn", 3)]
    before = [(path / "search" / "optuna.journal").read_bytes() for path in made]
    merge(tmp_path / "both", [*made, _study(tmp_path / "c", {4: False})])
    assert [(path / "search" / "optuna.journal").read_bytes() for path in made] == before
    assert len(Store(tmp_path / "both" / "search").keys("finished")) == 5
    assert {each.row: each.trials for each in read_ledgers(tmp_path / "both")} == {"tfn": 2, "lf_dnn": 3}
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "both" / "search" / "optuna.journal")))
    found = {name: optuna.load_study(study_name=name, storage=storage) for name in ("tfn", "lf_dnn")}
    assert {name: len(each.trials) for name, each in found.items()} == {"tfn": 2, "lf_dnn": 3}


def test_a_search_that_spent_otherwise_elsewhere_is_refused(tmp_path: Path) -> None:
    made = [_searched(tmp_path / "a", "tfn", 2), _searched(tmp_path / "b", "tfn", 3)]
    with pytest.raises(SpecError, match="the search of tfn on mosi:unaligned spent or chose otherwise"):
        merge(tmp_path / "both", made)


def test_a_trial_that_gave_other_predictions_elsewhere_is_refused(tmp_path: Path) -> None:
    made = [_searched(tmp_path / name, "tfn", 2) for name in "ab"]
    trial = next(Store(tmp_path / "b" / "search").runs())
    changed = replace(trial, valid_predictions=trial.valid_predictions + 1)
    Store(tmp_path / "b" / "search").write(changed, TRUTHS)
    with pytest.raises(SpecError, match="the same run gave other predictions: tfn"):
        merge(tmp_path / "both", made)


def test_the_same_search_that_took_another_time_is_no_hindrance(tmp_path: Path) -> None:
    made = [_searched(tmp_path / name, "tfn", 2) for name in "ab"]
    (slower,) = read_ledgers(made[1])
    write_ledgers(made[1], [replace(slower, seconds=99.0)])
    merge(tmp_path / "both", made)
    assert len(Store(tmp_path / "both" / "search").keys("finished")) == 2


def test_frozen_conditions_that_differ_are_refused_and_methods_and_seeds_joined(tmp_path: Path) -> None:
    made = [_study(tmp_path / "a", {0: False}), _study(tmp_path / "b", {3: False})]
    mine = StudySpec(methods=("tfn",), datasets=("mosi:unaligned",), seeds=(1,), name="a")
    theirs = replace(mine, methods=("lf_dnn",), seeds=(2,), name="b", text_encoder="tiny")
    (made[0] / "study.toml").write_text(mine.to_toml())
    (made[1] / "study.toml").write_text(theirs.to_toml())
    with pytest.raises(SpecError, match=r"encoder is bert in a, but tiny in b"):
        merge(tmp_path / "both", made)
    (made[1] / "study.toml").write_text(replace(theirs, text_encoder="bert").to_toml())
    merge(tmp_path / "both", made)
    joined = read_study(tmp_path / "both" / "study.toml")
    assert (joined.methods, joined.seeds, joined.name) == (("tfn", "lf_dnn"), (1, 2), "both")


def test_a_journal_that_cannot_be_read_costs_no_trial(tmp_path: Path) -> None:
    made = [_searched(tmp_path / "a", "tfn", 2), _searched(tmp_path / "b", "lf_dnn", 2)]
    (made[0] / "search" / "optuna.journal").write_text('{"nonsense')
    merge(tmp_path / "both", made)
    assert len(Store(tmp_path / "both" / "search").keys("finished")) == 4
