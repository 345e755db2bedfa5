"""`msabench import` on what authors outside bring: their splits, seeds, epochs, classes, names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from msabench.cli import app
from msabench.data import Dataset, load
from msabench.errors import MsabenchError, SpecError
from msabench.external import external_method
from msabench.external.matching import matched
from msabench.external.submission import Part, read_submission
from msabench.external.target import Target
from msabench.records import Store
from msabench.run import RunRecord, RunSpec, Task, Truths


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load("demo", tmp_path_factory.mktemp("data"))


@pytest.fixture
def test_rows(demo: Dataset) -> pd.DataFrame:
    noise = np.random.default_rng(0).normal(0, 0.5, len(demo.test))
    return pd.DataFrame({"id": demo.test.ids, "prediction": (demo.test.labels + noise).round(4)})


@pytest.fixture
def bring(demo: Dataset, tmp_path: Path) -> Callable[..., Result]:
    """Imports a frame as `My model`."""

    def run(frame: pd.DataFrame, *words: object, method: str = "My model") -> Result:
        frame.to_csv(tmp_path / "theirs.csv", index=False)
        given = ["import", tmp_path / "theirs.csv", "--method", method, "--dataset", "demo", *words]
        given += ["--data-root", demo.cache.parents[1], "--results-root", tmp_path / "results"]
        return CliRunner().invoke(app, [str(each) for each in given])

    return run


def _refused(done: Result) -> str:
    assert isinstance(done.exception, MsabenchError), (done.output, done.exception)
    return str(done.exception)


def test_rows_of_training_are_left_out_of_a_study_that_keeps_none_of_them(
    test_rows: pd.DataFrame, bring: Callable[..., Result], demo: Dataset
) -> None:
    train = pd.DataFrame({"id": demo.train.ids, "prediction": 0.0})
    for seed in (1, 2):  # the first makes the study, whose records keep no training split
        done = bring(pd.concat([train, test_rows]), "--seed", seed)
        assert done.exit_code == 0 and "240 rows of the training split are left out" in done.output
    strange = pd.concat([train, test_rows, pd.DataFrame({"id": ["nobody"], "prediction": 0.0})])
    said = _refused(bring(strange, "--seed", 3))
    assert "1 of 341 ids" in said and "nobody" in said and "SYNTHETIC TWIN" in said


@pytest.mark.parametrize("said", ["train", "Training", " TRAIN "])
def test_rows_that_are_said_to_be_of_training_are_left_out_whatever_their_ids(
    said: str, test_rows: pd.DataFrame, bring: Callable[..., Result]
) -> None:
    strange = pd.DataFrame({"id": ["x1", "x2"], "prediction": 0.0, "split": said})
    done = bring(pd.concat([test_rows.assign(split="test"), strange]), "--seed", 1)
    assert done.exit_code == 0 and "2 rows of the training split are left out" in done.output


def test_of_several_studies_with_the_dataset_one_must_be_named(
    test_rows: pd.DataFrame, bring: Callable[..., Result]
) -> None:
    for study in ("one", "two"):
        assert bring(test_rows, "--seed", 1, "--study", study).exit_code == 0
    assert "2 studies have demo: one, two" in _refused(bring(test_rows, "--seed", 2))
    assert bring(test_rows, "--seed", 2, "--study", "two").exit_code == 0


def test_one_seed_of_several_that_does_not_fit_is_named_and_none_is_written(
    test_rows: pd.DataFrame, bring: Callable[..., Result], tmp_path: Path
) -> None:
    several = pd.concat([test_rows.assign(seed=seed) for seed in (1111, 1112, 1113)])
    said = _refused(bring(several[:-4]))
    assert "4 of 100 ids of the test split are missing" in said and "seed 1113" in said
    assert not list(tmp_path.glob("results/*"))


def test_several_epochs_in_rows_are_told_where_to_go(
    test_rows: pd.DataFrame, bring: Callable[..., Result]
) -> None:
    said = _refused(bring(pd.concat([test_rows.assign(epoch=e) for e in (1, 2)]), "--seed", 1))
    assert "'epoch' names 2 epochs" in said and "'test_ids'" in said
    assert bring(test_rows.assign(epoch=17), "--seed", 1).exit_code == 0


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_numbers_that_no_frame_holds_are_no_seeds(
    seed: int, test_rows: pd.DataFrame, bring: Callable[..., Result]
) -> None:
    assert f"--seed says {seed}" in _refused(bring(test_rows, "--seed", seed))
    assert f"'{seed}' is no seed" in _refused(bring(test_rows.assign(seed=str(seed))))


def test_large_seeds_keep_every_digit_and_those_of_pandas_are_read(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    for text, seed in ((str(2**63 - 1), 2**63 - 1), ("1111.0", 1111), ("0", 0)):
        path.write_text(f"id,prediction,seed\na,1,{text}\n")
        assert list(read_submission(path)) == [seed]


def test_one_result_given_for_two_seeds_is_a_warning(
    test_rows: pd.DataFrame, bring: Callable[..., Result]
) -> None:
    both = pd.concat([test_rows.assign(seed=seed) for seed in (1, 2)])
    done = bring(both)
    assert done.exit_code == 0 and "seed 2: its predictions are those of seed 1 too" in done.output
    assert "seed 7: its predictions are those of seed 1 too" in bring(test_rows, "--seed", 7).output
    other = bring(test_rows.assign(prediction=test_rows.prediction + 0.1), "--seed", 8)
    assert other.exit_code == 0 and "are those of" not in other.output
    again = bring(test_rows, "--seed", 1, method="Other")
    assert again.exit_code == 0 and "are those of" not in again.output, "another row"


def test_a_file_without_samples_is_named(bring: Callable[..., Result], test_rows: pd.DataFrame) -> None:
    assert "the file holds no samples" in _refused(bring(test_rows[:0], "--seed", 1))


@pytest.mark.parametrize("study", ["", ".", "..", "../out", ".hidden", "a/b", "with space", "-x"])
def test_a_study_lies_below_the_results_root(
    study: str, test_rows: pd.DataFrame, bring: Callable[..., Result], tmp_path: Path
) -> None:
    said = _refused(bring(test_rows, "--seed", 1, f"--study={study}"))
    assert f"study name {study!r} is no folder name" in said and "--results-root" in said
    assert [path.name for path in tmp_path.iterdir()] == ["theirs.csv"]


def test_left_overs_and_hidden_folders_are_no_studies_to_import_into(
    test_rows: pd.DataFrame, bring: Callable[..., Result], tmp_path: Path
) -> None:
    assert bring(test_rows, "--seed", 1).exit_code == 0
    (tmp_path / "results" / "demo-external").rename(tmp_path / "results" / ".both.merging")
    done = bring(test_rows, "--seed", 1)
    assert done.exit_code == 0 and "msabench report demo-external" in done.output


def test_names_that_look_alike_are_one_and_characters_that_are_not_seen_are_refused() -> None:
    assert external_method("Mode\u0301le") == external_method("Mod\u00e9le")
    for name in ("a\u202eb", "a\u200bb", "a\x00b", "\u2066", "external:", " "):
        with pytest.raises(SpecError, match=r"not seen|has 1 to 60 characters"):
            external_method(name)


@pytest.mark.parametrize("option", ["--text-encoder", "--epoch-selection"])
def test_what_stands_below_tables_is_short_and_seen(
    option: str, test_rows: pd.DataFrame, bring: Callable[..., Result]
) -> None:
    for text in ("x" * 201, "a\u202eb"):
        assert option in _refused(bring(test_rows, "--seed", 1, option, text))


def _target(kind: Any, classes: int = 1) -> Target:
    ids = np.array(["a", "b", "c", "d"])
    labels = np.array([0, 1, 1, 0], np.float32)
    return Target(
        dataset="ur-funny:hkt", data_kind="real", data_hash="0" * 64, convention="hkt",
        task=Task(kind=kind, classes=classes, label_range=(0, max(1, classes - 1))),
        truths=Truths(valid_ids=ids[:0], valid=labels[:0], test_ids=ids, test=labels),
    )  # fmt: skip


def _given(values: list[float]) -> list[Part]:
    return [Part(ids=np.array(["a", "b", "c", "d"]), values=np.array([values]), where="theirs.csv")]


def test_classes_of_a_binary_task_stand_for_logits_and_others_are_refused() -> None:
    binary = _target("binary")
    assert matched(_given([0, 1, 1, 0]), binary).test.tolist() == [[-1, 1, 1, -1]]
    for wrong, says in (([1, 2, 2, 1], "up to 2"), ([0.2, 0.7, 0.9, 0.4], "as probabilities do")):
        with pytest.raises(MsabenchError, match=says):
            matched(_given(wrong), binary)
    assert matched(_given([-0.2, 0.7, 3, 0]), binary).test.shape == (1, 4)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_a_result_of_one_class_is_a_warning(kind: str) -> None:
    target = _target(kind, 3 if kind == "multiclass" else 1)
    assert "all predictions of the test split are of one class" in matched(_given([1] * 4), target).remarks
    assert not matched(_given([0, 1, 1, 1]), target).remarks
    logits = np.array([[[0.1, 0.9, 0.2]] * 4])
    if kind == "multiclass":
        part = replace(_given([0] * 4)[0], values=logits)
        assert "of one class" in matched([part], target).remarks[0]


def test_imports_are_checked_against_labels_of_the_studys_own_records(tmp_path: Path) -> None:
    """A task that no dataset at hand has: the study's records say what it is."""
    target = _target("multiclass", 3)
    spec = RunSpec(
        method="tfn", method_version=1, hyperparameters={}, dataset="cherma:features", data_kind="real",
        data_hash="0" * 64, seed=1, text_encoder="features", text_mode="frozen",
    )  # fmt: skip
    logits = np.eye(3, dtype=np.float32)[[0, 1, 1, 0]][None]
    made = RunRecord(
        spec=spec, status="finished", task=target.task, convention="cherma", losses=({"task": 1.0},),
        truths_hash=target.truths.fingerprint, valid_loss=(1.0,), valid_criterion=(1.0,), seconds=(1.0,),
        valid_predictions=logits[:, :0], test_predictions=logits,
    )  # fmt: skip
    Store(tmp_path / "mine").write(made, target.truths)
    given = ["--method", "Theirs", "--dataset", "cherma", "--seed", "1", "--results-root", str(tmp_path)]

    def bring(**columns: Any) -> Result:
        pd.DataFrame({"id": list("dcba"), **columns}).to_csv(tmp_path / "theirs.csv", index=False)
        return CliRunner().invoke(app, ["import", str(tmp_path / "theirs.csv"), "--study", "mine", *given])

    assert "'happy' is no number" in _refused(bring(prediction=["happy"] * 4))
    assert "needs 3 logits a sample" in _refused(bring(prediction=[1, 2, 3, 1]))
    assert "'logit_0' is the only column of logits" in _refused(bring(logit_0=[1.0] * 4))
    assert bring(prediction=[0, 2, 1, 0]).exit_code == 0
    (key,) = (key for key, line in Store(tmp_path / "mine").planned().items() if line["track"] == "external")
    assert Store(tmp_path / "mine").get(key).test_predictions[0].argmax(axis=1).tolist() == [0, 1, 2, 0]
