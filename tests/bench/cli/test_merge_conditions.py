"""What a merge refuses, leaves behind and takes along, on records made by hand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from msabench.cli import app
from msabench.engines.job import RunProgress, log_path
from msabench.errors import MsabenchError, WriteError
from msabench.merge import joining, merge
from msabench.merge.source import Source
from msabench.records import Store
from msabench.run import Budget, Failure, RunRecord, RunSpec, Task, Truths
from msabench.search import SearchSpec
from msabench.study import StudySpec, plan_line, read_study, write_plan

LABELS = np.linspace(-2.9, 2.9, 12, dtype=np.float32)
IDS = np.array([f"v{i}" for i in range(12)])
TRUTHS = Truths(valid_ids=IDS, valid=LABELS, test_ids=IDS, test=LABELS)


def _record(seed: int = 1, **changes: Any) -> RunRecord:
    spec: dict[str, Any] = {
        "method": "tfn", "method_version": 1, "hyperparameters": {}, "dataset": "mosi:unaligned",
        "data_kind": "real", "data_hash": "0" * 64, "seed": seed, "text_encoder": "minilm@1",
        "text_mode": "frozen", "budget": Budget(epochs=1),
    }  # fmt: skip
    own = {name: changes.pop(name) for name in spec if name in changes}
    predictions = (LABELS + seed / 10)[None].astype(np.float32)
    made = RunRecord(
        spec=RunSpec(**{**spec, **own}), status="finished", task=Task(kind="regression"), convention="mmsa",
        truths_hash=TRUTHS.fingerprint, losses=({"task": 1.0},), valid_loss=(1.0,), valid_criterion=(1.0,),
        valid_predictions=predictions, test_predictions=predictions, seconds=(1.0,),
    )  # fmt: skip
    return replace(made, **changes)


def _study(folder: Path, *records: RunRecord, truths: Truths = TRUTHS) -> Path:
    for record in records:
        Store(folder).write(record, truths)
    return folder


def _command(root: Path, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--results-root", str(root)])


def _refused(root: Path, *words: str) -> str:
    done = _command(root, "merge", *words)
    assert isinstance(done.exception, MsabenchError), (done.output, done.exception)
    return str(done.exception)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"convention": "mag"}, "metric convention of mosi:unaligned: mmsa in a, but mag in b"),
        ({"task": Task(kind="regression", label_range=(-1, 1))}, "task of mosi:unaligned: kind regression"),
        ({"data_kind": "twin"}, "data of mosi:unaligned: real 000000000000 in a, but twin 000000000000 in b"),
        ({"budget": Budget(patience=8)}, "budget of all runs: epochs 1 in a, but patience 8 in b"),
        ({"budget": Budget()}, "budget of all runs: epochs 1 in a, but each method's own in b"),
    ],
)
def test_what_would_be_judged_otherwise_is_refused_in_words(
    other: dict[str, Any], says: str, tmp_path: Path
) -> None:
    _study(tmp_path / "a", _record())
    _study(tmp_path / "b", _record(2, **other))
    said = _refused(tmp_path, "both", "a", "b")
    assert says in said and "msabench site STUDY_A STUDY_B" in said
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


def _import(seed: int = 5, **changes: Any) -> RunRecord:
    """An external result, as `msabench import` makes it."""
    own = {"method": "external:Theirs", "method_version": 0, "track": "external", "budget": Budget()}
    given = {**own, "text_encoder": "theirs", **changes}
    made = _record(seed, **{name: value for name, value in given.items() if name != "track"})
    return replace(made, spec=replace(made.spec, track="external"))


def test_imports_are_held_to_the_data_and_not_to_the_conditions_of_training(tmp_path: Path) -> None:
    other = replace(TRUTHS, test=LABELS[::-1].copy())
    _study(tmp_path / "a", _record())
    _study(tmp_path / "data", _import(data_hash="1" * 64))
    _study(tmp_path / "labels", _import(truths_hash=other.fingerprint), truths=other)
    _study(tmp_path / "kind", _import(data_kind="twin"))
    for study, says in (("data", "data of mosi"), ("labels", "truths of mosi"), ("kind", "but twin 0")):
        assert says in _refused(tmp_path, "both", "a", study)
    _study(tmp_path / "fits", _import())
    done = _command(tmp_path, "merge", "both", "a", "fits")
    assert done.exit_code == 0 and "2 runs joined" in done.output


def _frozen(folder: Path, **changes: Any) -> Path:
    given: dict[str, Any] = {"methods": ("tfn",), "datasets": ("mosi:unaligned",), "seeds": (1,)}
    (folder / "study.toml").write_text(StudySpec(**{**given, **changes}).to_toml())
    return folder


def test_the_frozen_study_is_of_all_that_was_joined(tmp_path: Path) -> None:
    a = _frozen(_study(tmp_path / "a", _record()), files={"mosi:unaligned": "/here/mosi.pkl"})
    b = _frozen(
        _study(tmp_path / "b", _record(2, dataset="mosei:unaligned", method="lf_dnn")),
        methods=("lf_dnn", "tfn"), datasets=("mosei:unaligned",), seeds=(2, 1), tracks=("paper", "tuned"),
        search=SearchSpec(trials=3),
        files={"mosei:unaligned": "/there/mosei.pkl", "mosi:unaligned": "/there"},
    )  # fmt: skip
    merge(tmp_path / "both", [a, b])
    found = read_study(tmp_path / "both" / "study.toml")
    assert (found.name, found.methods, found.seeds) == ("both", ("tfn", "lf_dnn"), (1, 2))
    assert found.datasets == ("mosi:unaligned", "mosei:unaligned")
    assert (found.tracks, found.search) == (("paper", "tuned"), SearchSpec(trials=3))
    here = {"mosei:unaligned": "/there/mosei.pkl", "mosi:unaligned": "/here/mosi.pkl"}
    assert dict(found.files) == here, "of two places of one file, the first study's"


def test_a_study_of_imports_takes_the_frozen_settings_of_the_other(tmp_path: Path) -> None:
    a, b = _study(tmp_path / "a", _import()), _frozen(_study(tmp_path / "b", _record(2)), text_encoder="tiny")
    merge(tmp_path / "both", [a, b])
    assert read_study(tmp_path / "both" / "study.toml").text_encoder == "tiny"
    merge(tmp_path / "imports", [a, _study(tmp_path / "c", _import(6))])
    assert not (tmp_path / "imports" / "study.toml").exists()
    assert "external:Theirs" in _command(tmp_path, "status", "imports").output


def test_every_reason_is_named_up_to_a_number_and_the_rest_counted(tmp_path: Path) -> None:
    _study(tmp_path / "a", *(_record(seed) for seed in range(8)))
    _study(
        tmp_path / "b", *(_record(seed, test_predictions=_record(9).test_predictions) for seed in range(8))
    )
    said = _refused(tmp_path, "both", "a", "b")
    assert said.count("the same run gave other predictions") == 5 and "and 3 more" in said


def test_one_study_named_by_several_paths_is_one(tmp_path: Path) -> None:
    _study(tmp_path / "a", _record())
    (tmp_path / "link").symlink_to(tmp_path / "a")
    for words in (("a", "a"), ("a", "./a"), ("a", str(tmp_path / "a")), ("a", "link")):
        assert "two studies or more" in _refused(tmp_path, "both", *words)
    _study(tmp_path / "b", _record(2))
    done = _command(tmp_path, "merge", "both", "a", "b", "link")
    assert "2 runs joined, 0 of them in several" in done.output


@pytest.mark.parametrize("name", ["../both", "a/both", ".both", "", ".."])
def test_the_joined_study_lies_below_the_results_root(name: str, tmp_path: Path) -> None:
    _study(tmp_path / "a", _record())
    _study(tmp_path / "b", _record(2))
    assert f"study name {name!r} is no folder name" in _refused(tmp_path, name, "a", "b")


def test_a_folder_that_another_merge_made_meanwhile_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [_study(tmp_path / "a", _record()), _study(tmp_path / "b", _record(2))]
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "kept").touch()

    class Waiting:
        """A lock that is free once the other merge is through."""

        def __init__(self, _path: Path) -> None: ...

        def __enter__(self) -> None:
            shutil.copytree(tmp_path / "theirs", tmp_path / "both")

        def __exit__(self, *_error: object) -> None: ...

    monkeypatch.setattr("msabench.merge.FileLock", Waiting)
    with pytest.raises(MsabenchError, match="exists already"):
        merge(tmp_path / "both", made)
    assert [path.name for path in (tmp_path / "both").iterdir()] == ["kept"]


def test_a_merge_that_the_disk_refuses_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [_study(tmp_path / "a", _record()), _study(tmp_path / "b", _record(2))]

    def full(_made: Path, _source: Source, _key: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(joining, "_copy_run", full)
    with pytest.raises(WriteError, match="the disk is full"):
        merge(tmp_path / "both", made)
    assert not [path.name for path in tmp_path.iterdir() if path.is_dir() and "both" in path.name]


def test_records_that_a_merge_cut_short_had_copied_are_in_no_later_one(tmp_path: Path) -> None:
    """It may have been of other studies."""
    _study(tmp_path / ".both.merging", _record(7))
    (tmp_path / ".both.merging" / "site").mkdir()
    made = [_study(tmp_path / "a", _record()), _study(tmp_path / "b", _record(2))]
    assert merge(tmp_path / "both", made).runs == 2
    assert set(Store(tmp_path / "both").keys()) == {_record().key, _record(2).key}
    assert not (tmp_path / "both" / "site").exists() and not (tmp_path / ".both.merging").exists()


def test_what_a_failed_run_printed_comes_along_and_unfinished_runs_are_told_of(tmp_path: Path) -> None:
    broken = Failure(cause="killed", message="the process was killed")
    none = np.zeros((0, 0), np.float32)
    failed = _record(
        3, status="failed", failure=broken, seconds=(), valid_predictions=none, test_predictions=none
    )
    a, b = _study(tmp_path / "a", _record(), failed), _study(tmp_path / "b", _record(2))
    log_path(a, failed.key).parent.mkdir()
    log_path(a, failed.key).write_text("what it printed")
    now = RunProgress(
        key=_record(4).key, row="tfn", dataset="mosi:unaligned", seed=4, epoch=1, epochs=9,
        seconds_per_epoch=1.0, process=1,
    )  # fmt: skip
    (b / ".unfinished").mkdir()
    (b / ".unfinished" / f"{now.key}.json").write_text(json.dumps(asdict(now)))
    done = merge(tmp_path / "both", [a, b])
    assert log_path(tmp_path / "both", failed.key).read_text() == "what it printed"
    assert [note for note in done.notes if "1 unfinished runs of b" in note]
    assert not (tmp_path / "both" / ".unfinished").exists()


def test_left_overs_of_a_merge_are_no_study_to_any_verb(tmp_path: Path) -> None:
    _study(tmp_path / ".both.merging", _record())
    write_plan(tmp_path / ".both.merging", {_record().key: plan_line(_record().spec)})
    write_plan(_study(tmp_path / "a", _record(2)), {_record(2).key: plan_line(_record(2).spec)})
    listed = [
        _command(tmp_path, *words)
        for words in (("show", _record().key), ("show", _record(2).key), ("status",))
    ]
    assert "unknown method, dataset or run" in str(listed[0].exception)
    assert [each.exit_code for each in listed[1:]] == [0, 0] and "merging" not in "".join(
        each.output for each in listed
    )
    from msabench.cli.sync import studies

    assert [path.name for path in studies(tmp_path)] == ["a"]


def _figures(root: Path, study: str) -> Sequence[Any]:
    return Store(root / study).frame().sort_values(["key", "metric"]).to_numpy().tolist()


def test_the_index_of_a_joined_study_is_its_own(tmp_path: Path) -> None:
    """A record that is replaced in a source does not change what was joined, nor the other way round."""
    made = [_study(tmp_path / "a", _record()), _study(tmp_path / "b", _record(2))]
    Store(made[0]).frame()  # which keeps an index beside the records
    merge(tmp_path / "both", made)
    before = _figures(tmp_path, "both")
    alone = _figures(tmp_path, "a")
    _study(made[0], _record(test_predictions=_record(9).test_predictions))
    assert _figures(tmp_path, "both") == before and _figures(tmp_path, "a") != alone
