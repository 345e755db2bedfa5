"""`msabench score`, and the files it reads."""

import doctest
import json

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

import msabench.predictions
from msabench.cli.score import score as command
from msabench.errors import DataError, MsabenchError, SpecError
from msabench.metrics import score
from msabench.predictions import read_predictions

PRED = np.array([1.25, -0.5, 0.0, 2.75, -1.5], np.float32)
TRUTH = np.array([1.0, -1.0, 0.0, 3.0, 0.5], np.float32)


def _write(path, columns):
    if path.suffix == ".npz":
        np.savez(path, **columns)
    elif path.suffix == ".parquet":
        pd.DataFrame(columns).to_parquet(path)
    else:
        pd.DataFrame(columns).to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


def _invoke(*arguments):
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "160"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".npz", ".parquet"])
@pytest.mark.parametrize(
    ("pred", "truth"), [("prediction", "truth"), ("pred", "label"), ("Pred", "y"), ("y_pred", "y_true")]
)
def test_names_and_formats(tmp_path, suffix, pred, truth):
    path = _write(tmp_path / f"mine{suffix}", {"id": list("abcde"), pred: PRED, truth: TRUTH})
    given = read_predictions(path)
    np.testing.assert_array_equal(given.predictions, PRED)
    np.testing.assert_array_equal(given.truths, TRUTH)
    assert given.source == f"mine{suffix} ({pred}, {truth})"


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".parquet"])
def test_logits_in_columns_are_put_in_the_order_of_their_numbers(tmp_path, suffix):
    columns = {"logit_1": [1.0, 2.0], "y": [0, 2], "logit_0": [3.0, 4.0], "logit_2": [5.0, 6.0]}
    path = _write(tmp_path / f"mine{suffix}", columns)
    np.testing.assert_array_equal(read_predictions(path).predictions, [[3, 1, 5], [4, 2, 6]])
    chosen = read_predictions(path, pred="logit_2, logit_0")
    np.testing.assert_array_equal(chosen.predictions, [[5, 3], [6, 4]])


def test_arrays_of_logits_and_of_one_column(tmp_path):
    logits = np.arange(6.0).reshape(2, 3)
    path = _write(tmp_path / "mine.npz", {"pred": logits, "truth": np.array([[0], [1]])})
    np.testing.assert_array_equal(read_predictions(path).predictions, logits)
    np.testing.assert_array_equal(read_predictions(path).truths, [0, 1])


def test_a_nan_prediction_is_let_through_and_a_byte_order_mark_and_blank_lines_too(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("\ufeffpred , truth\n nan,1\n\n0.5, -1\n", encoding="utf-8")
    given = read_predictions(path)
    assert np.isnan(given.predictions[0]) and given.predictions[1] == 0.5 and len(given) == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("pred,truth\n", "no samples"),
        ("a,b\n1,2\n", "no column of predictions; the file has: a, b"),
        ("pred,b\n1,2\n", "no column of truths; the file has: pred, b"),
        ("pred,prediction,y\n1,2,3\n", "could be any of: pred, prediction"),
        ("pred,y,label\n1,2,3\n", "could be any of: y, label"),
        ("logit_0,logit_2,y\n1,2,3\n", "not 'logit_1'"),
        ("pred,pred,y\n1,2,3\n", "two columns are called 'pred'"),
        ("id,pred,y\na,1,2\nb,good,3\n", r"'good' is no number(.|\n)*row 2 \(id b\), column 'pred'"),
        ("pred,y\n1,2\n1,\n", r"cell is empty(.|\n)*row 2, column 'y'"),
        ("pred,y\n1,nan\n", r"truth is nan(.|\n)*row 1, column 'y'"),
        ("pred,y\n1,inf\n", r"truth is inf(.|\n)*row 1"),
        ("pred,y\n1,2,3\n", r"3 cells, but the header 2(.|\n)*line 2"),
        ('pred,y\n"1,2\n', "cannot be read"),
    ],
)
def test_text_that_cannot_be_scored(tmp_path, text, says):
    path = tmp_path / "mine.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MsabenchError, match=says) as error:
        read_predictions(path)
    assert "mine.csv" in str(error.value)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"pred": np.zeros(3), "truth": np.zeros(2)}, "'pred' has 3 rows, but 'truth' has 2"),
        ({"pred": np.zeros((2, 2, 2)), "truth": np.zeros(2)}, "one or two dimensions"),
        ({"pred": np.zeros(2), "truth": np.zeros((2, 2))}, "one truth per sample"),
        ({"pred": np.zeros(2, complex), "truth": np.zeros(2)}, "complex128"),
        ({"pred": np.array(["1", "x"]), "truth": np.zeros(2)}, "'x' is no number"),
        ({"logit_0": np.zeros((2, 2)), "logit_1": np.zeros(2), "y": np.zeros(2)}, "one dimension each"),
        ({"pred": np.array(1.0), "truth": np.zeros(2)}, "one or two dimensions"),
        ({"pred": np.array([{}, {}], dtype=object), "truth": np.zeros(2)}, "pickled objects"),
    ],
)
def test_arrays_that_cannot_be_scored(tmp_path, columns, says):
    path = tmp_path / "mine.npz"
    np.savez(path, **columns)
    with pytest.raises(DataError, match=says):
        read_predictions(path)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_predictions(tmp_path / "absent.csv")
    with pytest.raises(DataError, match="ends in"):
        read_predictions(tmp_path / "mine.txt")
    for suffix in (".npz", ".parquet", ".csv"):
        path = tmp_path / f"mine{suffix}"
        path.write_bytes(b"\xff\xfe\x00 no such format")
        with pytest.raises(DataError, match=r"cannot be read|no column"):
            read_predictions(path)
    path = _write(tmp_path / "named.csv", {"a": PRED, "b": TRUTH})
    assert len(read_predictions(path, pred="a", truth="b")) == 5
    with pytest.raises(SpecError, match=r"column of named\.csv, given with --pred, 'aa'; did you mean 'a'"):
        read_predictions(path, pred="aa", truth="b")


def test_command_prints_a_table_of_every_figure(tmp_path):
    path = _write(tmp_path / "mine.csv", {"pred": PRED, "truth": TRUTH})
    output = _invoke(path, "--convention", "mmsa", "--convention", "mag")
    figures = score("mmsa", PRED, TRUTH)
    assert f"{figures['mae']:.4f}" in output and f"{figures['has0_f1']:.4f}" in output
    assert f"{score('mag', PRED, TRUTH)['mae']:.4f}" in output
    assert "Acc-2 has0" in output and "5 samples" in output and "sims" not in output
    percent = _invoke(path, "-c", "mmsa", "--percent")
    assert "80.00" in percent and "Acc-7 (%)" in percent and "MAE (%)" not in percent


def test_command_prints_json_of_all_conventions_that_fit(tmp_path):
    path = _write(tmp_path / "mine.csv", {"pred": PRED, "truth": TRUTH})
    printed = json.loads(_invoke(path, "--json"))
    assert printed["samples"] == 5
    assert list(printed["figures"]) == ["mmsa", "mult", "misa", "mag", "mib", "r3dg"]
    assert printed["figures"]["mmsa"] == score("mmsa", PRED, TRUTH)
    assert json.loads(_invoke(path, "--json", "--convention", "all")) == printed


def test_command_says_what_is_undefined(tmp_path):
    path = _write(tmp_path / "mine.csv", {"pred": np.ones(3), "truth": [1.0, -2.0, 3.0]})
    assert "undefined" in _invoke(path, "--convention", "mmsa")
    assert json.loads(_invoke(path, "--json"))["figures"]["mmsa"]["corr"] is None


def test_command_scores_logits(tmp_path):
    path = _write(tmp_path / "mine.csv", {"logit_0": [1.0, 0.0], "logit_1": [0.0, 2.0], "label": [0, 1]})
    printed = json.loads(_invoke(path, "--json"))["figures"]
    assert printed["mhd"]["acc"] == printed["mustard"]["f1"] == 1.0


def test_command_names_the_file_in_every_error(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("pred,truth\nnan,-0.5\n1,1\n", encoding="utf-8")
    with pytest.raises(MsabenchError, match=r"sample 0 \(from 0\) is nan(.|\n)*mine\.csv"):
        _invoke(path, "--convention", "sims")
    assert "sims" not in _invoke(path)
    path.write_text("pred,truth\n0.5,-0.5\n", encoding="utf-8")
    with pytest.raises(MsabenchError, match=r"no class(.|\n)*mine\.csv"):
        _invoke(path, "--convention", "hkt")
    with pytest.raises(MsabenchError, match="did you mean 'mmsa'"):
        _invoke(path, "--convention", "mmmsa")
    wide = _write(tmp_path / "wide.npz", {"pred": np.zeros((2, 1, 1)), "truth": np.zeros(2)})
    with pytest.raises(MsabenchError, match=r"wide\.npz"):
        _invoke(wide)


def test_doctests():
    assert doctest.testmod(msabench.predictions).failed == 0
