"""The index of a store is derived: never stale, never needed, never wrong after a change of code."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msabench.estimate import Estimator
from msabench.records import COLUMNS, RecordError, Store, derived, index, scoring
from msabench.records.reading import signature
from msabench.registry import METHODS
from msabench.run import Failure, RunRecord, RunSpec, Task, Truths
from msabench.selection import oracle_of, scored

LABELS = np.array([-1.0, 0.0, 2.0, 1.0, 0.4], np.float32)
TRUTHS = Truths(
    valid_ids=np.array([f"v{i}" for i in range(5)]), valid=LABELS,
    test_ids=np.array([f"t{i}" for i in range(5)]), test=LABELS[::-1].copy(),
)  # fmt: skip
READINGS = ((None, "same-epoch"), ("mult", "best-epoch"), ("mmsa", "as-published"), (None, "same-epoch:corr"))


def record(seed: int = 1, method: str = "tfn", failed: bool = False, draw: int = 0) -> RunRecord:
    rng = np.random.default_rng([seed, draw])
    predictions = rng.normal(size=(2, 3, 5)).astype(np.float32)
    spec = RunSpec(
        method=method, method_version=1, hyperparameters={"epochs": 3}, dataset="mosi:unaligned",
        data_kind="twin", data_hash="ab" * 32, seed=seed, text_encoder="tiny@0", text_mode="frozen",
    )  # fmt: skip
    made = RunRecord(
        spec=spec, status="finished", task=Task(kind="regression"), convention="mmsa",
        truths_hash=TRUTHS.fingerprint, losses=({"l1": 1.0},) * 3, valid_loss=tuple(rng.random(3)),
        valid_criterion=tuple(rng.random(3)), valid_predictions=predictions[0],
        test_predictions=predictions[1], seconds=(1.0, 2.0, 3.0), setup_seconds=1.0, notes=("a", "b"),
    )  # fmt: skip
    if failed:
        none = np.zeros((0, 0), np.float32)
        made = replace(made, status="failed", failure=Failure(cause="nan", message="m", traceback="t"))
        made = replace(made, valid_predictions=none, test_predictions=none)
    return made


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """After it is called, all that was written before lies a minute back."""
    real = time.time_ns
    offset = [0]
    monkeypatch.setattr(time, "time_ns", lambda: real() + offset[0])

    def move() -> None:
        offset[0] += 60 * 10**9

    return move


@pytest.fixture
def study(tmp_path: Path, later: Callable[[], None]) -> Path:
    """Five finished runs and a failed one, in an index that is up to date."""
    store = Store(tmp_path / "study")
    for seed in (1, 2, 3):
        store.write(record(seed), TRUTHS)
    store.write(record(1, "almt"), TRUTHS)
    store.write(record(2, "almt"), TRUTHS)
    store.write(record(9, failed=True), TRUTHS)
    later()
    store.frames(READINGS)
    store.damaged()
    return store.path


def plainly(folder: Path, convention: str | None, selection: str) -> pd.DataFrame:
    """The frame by its definition: every record read, every figure worked out."""
    lines = []
    for read in Store(folder).runs("finished"):
        spec, used = read.spec, convention or read.convention
        for metric, (value, epoch) in scored(read, selection, used).items():
            lines.append(
                {
                    "row": spec.row, "method": spec.method, "dataset": spec.dataset,
                    "data_kind": spec.data_kind, "track": spec.track, "text_encoder": spec.text_encoder,
                    "text_mode": spec.text_mode, "seed": spec.seed, "key": read.key, "metric": metric,
                    "value": value, "epoch": epoch, "epochs": read.epochs, "convention": used,
                    "selection": selection, "oracle": oracle_of(read, selection),
                    "notes": "; ".join(read.notes), "method_version": spec.method_version,
                    "data_hash": spec.data_hash, "truths_hash": read.truths_hash,
                    "budget": str(spec.budget), "hyperparameters": spec.settings,
                }
            )  # fmt: skip
    return pd.DataFrame(lines, columns=list(COLUMNS))


def same_as_plainly(folder: Path) -> None:
    for made, reading in zip(Store(folder).frames(READINGS), READINGS, strict=True):
        pd.testing.assert_frame_equal(made, plainly(folder, *reading))


def no_reading(*_: Any, **__: Any) -> RunRecord:
    raise AssertionError("predictions were read again")


def test_with_and_without_an_index_the_frame_is_the_same(study: Path) -> None:
    same_as_plainly(study)
    shutil.rmtree(study / "index")
    same_as_plainly(study)


def test_what_has_not_changed_is_not_read_again(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "read_record", no_reading)
    store = Store(study)
    assert len(store.frame()) and len(store.frame("mult", "best-epoch"))
    assert store.damaged() == {}
    with pytest.raises(AssertionError, match="read again"):
        store.frame("mult", "last")


def test_a_replaced_record_is_noticed(study: Path, later: Callable[[], None]) -> None:
    store = Store(study)
    before = store.frame()
    store.write(record(2, draw=7), TRUTHS)
    changed = store.frame()
    assert not changed["value"].equals(before["value"])
    same_as_plainly(study)
    later()
    same_as_plainly(study)


def test_predictions_changed_in_place_with_their_old_date_are_noticed(study: Path) -> None:
    path = study / "runs" / record(3).key / "predictions.npz"
    was, content = path.stat(), bytearray(path.read_bytes())
    content[200] ^= 0xFF
    path.write_bytes(content)
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert list(Store(study).damaged()) == [record(3).key]
    with pytest.raises(RecordError, match="damaged"):
        Store(study).frame()


def test_a_record_written_just_now_is_never_taken_from_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def coarse(path: Path | str) -> tuple[int, int, int, int] | None:
        """A file system that counts whole hours and gives every file the same inode."""
        found, hour = signature(path), 3600 * 10**9
        return found and (found[0], found[1] // hour * hour, 0, 0)

    monkeypatch.setattr(index, "signature", coarse)
    monkeypatch.setattr(index, "_SETTLED", 2 * 3600 * 10**9)
    store = Store(tmp_path)
    for draw in range(3):
        store.write(replace(record(1, draw=draw), valid_loss=(1.0,) * 3, valid_criterion=(1.0,) * 3), TRUTHS)
        same_as_plainly(tmp_path)


def test_other_truths_in_the_place_of_the_old_ones_are_noticed(study: Path) -> None:
    path = next((study / "data").glob("*.npz"))
    with np.load(path) as held:
        arrays = dict(held)
    np.savez(path, **{**arrays, "test": arrays["test"][::-1]})
    with pytest.raises(RecordError, match="truths"):
        Store(study).frame()
    assert len(Store(study).damaged()) == 6


@pytest.mark.parametrize("name", ["run.json", "predictions.npz"])
def test_what_is_deleted_is_gone(study: Path, name: str) -> None:
    key = record(1).key
    (study / "runs" / key / name).unlink()
    if name == "run.json":
        assert key not in Store(study).statuses() and key not in set(Store(study).frame()["key"])
    else:
        with pytest.raises(RecordError, match="damaged"):
            Store(study).frame()
    shutil.rmtree(study / "runs" / key)
    same_as_plainly(study)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_damaged_index_is_as_none(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("study")
    real = time.time_ns
    store = Store(folder)
    for seed in (1, 2):
        store.write(record(seed), TRUTHS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: real() + 60 * 10**9)
        expected = store.frame()
        path = data.draw(st.sampled_from(sorted((folder / "index").iterdir())))
        content = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(content) - 1))
        damage = data.draw(st.sampled_from(["cut", "flip", "empty", "other"]))
        if damage == "flip":
            content[at] ^= data.draw(st.integers(1, 255))
        path.write_bytes({"cut": content[:at], "empty": b"", "other": b"{}"}.get(damage, bytes(content)))
        pd.testing.assert_frame_equal(Store(folder).frame(), expected)
        assert Store(folder).keys() == store.keys()


def test_scores_of_other_code_are_not_used(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = (study / "index").glob("mmsa--same-epoch.json")
    head, body = path.read_bytes().split(b"\n", 1)
    content = json.loads(body)
    for _, values, _ in content["records"].values():
        values[0] = 99.0
    derived.save(path, content)
    assert (Store(study).frame()["value"] == 99.0).any(), "this is what a stale score would look like"
    monkeypatch.setattr(derived, "code", lambda: "a metric was mended")
    assert not (Store(study).frame()["value"] == 99.0).any()
    assert head.decode().split()[0] != derived.code()


def test_the_fingerprint_covers_what_scores_are_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    before = derived.code()
    read: list[str] = []
    real = Path.read_bytes

    def changed(path: Path) -> bytes:
        read.append(path.name)
        return real(path) + (b"#" if path.name == "regression.py" else b"")

    monkeypatch.setattr(Path, "read_bytes", changed)
    derived.code.cache_clear()
    try:
        assert derived.code() != before
    finally:
        monkeypatch.undo()
        derived.code.cache_clear()
    assert {"primitives.py", "reading.py", "reference.py", "run.py", "scoring.py"} <= set(read)


def test_a_card_that_names_another_rule_has_its_own_scores(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Store(study).frame("mmsa", "as-published")
    card = replace(METHODS.card("almt"), as_published="last", selections={})
    real = METHODS.card
    monkeypatch.setattr(METHODS, "card", lambda name: card if name == "almt" else real(name))
    after = Store(study).frame("mmsa", "as-published")
    assert set(after[after.method == "almt"]["epoch"]) == {3} != set(before[before.method == "almt"]["epoch"])
    pd.testing.assert_frame_equal(after, plainly(study, "mmsa", "as-published"))


def test_a_folder_that_cannot_be_written_works_without_an_index(study: Path) -> None:
    shutil.rmtree(study / "index")
    (study / "index").write_text("in the way")  # also stops root, whom permissions do not
    same_as_plainly(study)
    assert Store(study).damaged() == {} and len(Store(study).keys("failed")) == 1
    assert (study / "index").read_text() == "in the way"


def test_readers_and_a_writer_at_once_see_whole_records(tmp_path: Path) -> None:
    program = (
        "import sys, time\nfrom msabench.records import Store\nuntil = time.time() + 2.5\nn = 0\n"
        "while time.time() < until:\n    frame = Store(sys.argv[1]).frame()\n"
        "    assert len(frame) == 9 * frame['key'].nunique(); n = frame['key'].nunique()\nprint(n)"
    )
    store = Store(tmp_path)
    store.write(record(0), TRUTHS)
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    for seed in range(1, 60):
        store.write(record(seed), TRUTHS)
    ended = [reader.communicate(timeout=60) for reader in readers]
    assert [error for _, error in ended] == [b"", b""]
    assert [int(out) for out, _ in ended] == [60, 60]
    same_as_plainly(tmp_path)


def test_summaries_are_the_records_without_what_is_large(study: Path) -> None:
    store = Store(study)
    summary, whole = store.summaries()[record(1).key], store.get(record(1).key)
    for name in ("spec", "task", "status", "seconds", "epochs", "notes", "truths_hash", "parameters"):
        assert getattr(summary, name) == getattr(whole, name)
    assert summary.losses == () and summary.truths is None
    failed = store.summaries("failed")[record(9, failed=True).key].failure
    assert failed and (failed.message, failed.traceback) == ("m", "")
    assert store.statuses()[record(9, failed=True).key] == "failed"


def test_an_estimate_leaves_damaged_records_out(study: Path) -> None:
    (study / "runs" / record(2).key / "run.json").write_text("{")
    assert Estimator(study.parent).seconds(record(1).spec) == 7.0
    assert Store(study).statuses()[record(2).key] is None
