"""Files of columns as strangers write them: read alike, or refused with what, where and how to mend."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from msabench import column_files
from msabench.column_files import read_arrays
from msabench.errors import DataError
from msabench.predictions import read_columns

FRAME = pd.DataFrame({"id": ["a$_$1", "b, c", "d[0]"], "prediction": [0.5, -1.25, 2.0]})
PLAIN = {"id": ["a$_$1", "b, c", "d[0]"], "prediction": ["0.5", "-1.25", "2.0"]}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sep": ";"},
        {"sep": "\t"},
        {"encoding": "utf-8-sig"},
        {"lineterminator": "\r\n"},
        {"lineterminator": "\r"},
        {"quoting": 1},
        {"quoting": 1, "sep": ";"},
    ],
)
def test_text_is_read_alike_however_a_spreadsheet_saved_it(options: dict[str, str], tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "mine.csv", index=False, **options)
    found = read_arrays(tmp_path / "mine.csv")
    assert {name: values.tolist() for name, values in found.items()} == PLAIN


def test_blanks_after_separators_blank_lines_and_empty_rows_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text('\n"id", "prediction"\n\n"a$_$1", "0.5"\n,\n"b, c", -1.25\n"d[0]",2.0\n  \n')
    assert {name: values.tolist() for name, values in read_arrays(path).items()} == PLAIN


def test_a_format_that_is_named_goes_before_the_files_name(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "mine.txt", index=False, sep="\t")
    for form in ("tsv", "TSV", ".tsv", "csv"):
        assert list(read_arrays(tmp_path / "mine.txt", form)) == ["id", "prediction"]
    FRAME.to_csv(tmp_path / "semicolon.tsv", index=False, sep=";")
    assert list(read_arrays(tmp_path / "semicolon.tsv")) == ["id;prediction"], "a TSV file has tabs alone"


def test_an_index_with_a_name_is_a_column_of_a_parquet_file(tmp_path: Path) -> None:
    FRAME.set_index("id").to_parquet(tmp_path / "mine.parquet")
    assert read_arrays(tmp_path / "mine.parquet")["id"].tolist() == PLAIN["id"]
    FRAME.to_parquet(tmp_path / "plain.parquet")
    assert list(read_arrays(tmp_path / "plain.parquet")) == ["id", "prediction"]


@pytest.mark.parametrize(
    ("name", "content", "says", "fix"),
    [
        ("mine.xlsx", b"PK\3\4", "ends in .csv, .*, but this one ends in '.xlsx'", "CSV"),
        ("mine.csv.gz", b"\x1f\x8b", "but this one ends in '.gz'", "unpack it"),
        ("mine.txt", b"id,pred", "but this one ends in '.txt'", "call it .csv"),
        ("mine.jsonl", b"{}", "but this one ends in '.jsonl'", "one JSON list"),
        ("mine.csv", "id,pred\né,1\n".encode("utf-16"), "cannot be read: 'utf-8' codec", "UTF-8"),
        ("mine.csv", "id,pred\né,1\n".encode("latin-1"), "cannot be read: 'utf-8' codec", "UTF-8"),
        ("mine.csv", b"id,pred\na,1\n\nb,2,3\n", "3 cells, but the header 2\n.* line 4", "each line"),
        ("mine.csv", b"id,pred,pred\n", "two columns are called 'pred'", "rename"),
        ("mine.json", b'{"a": 1}\n{"a": 2}', "cannot be read: Extra data", "orient='records'"),
        ("mine.json", b'{"pred": {"0": 1.0}}', "a list of objects, or an object", "orient='records'"),
        ("mine.json", b'[{"id": "a", "pred": 1}, {"id": "b"}]', "no 'pred'\n.*, row 2", "same names"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_how_to_mend_it(
    name: str, content: bytes, says: str, fix: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=says) as told:
        read_arrays(tmp_path / name)
    assert fix in told.value.fix and name in told.value.where


def test_a_folder_and_a_format_that_is_none_are_named(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").mkdir()
    with pytest.raises(DataError, match="but this is a folder"):
        read_arrays(tmp_path / "mine.csv")
    with pytest.raises(DataError, match="but --format says 'xlsx'"):
        read_arrays(tmp_path / "mine", "xlsx")


def test_a_file_too_large_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(column_files, "LARGEST", 1 << 20)
    with (tmp_path / "mine.csv").open("wb") as file:
        file.truncate(3 << 20)  # as many zeros, which take no room on disk
    with pytest.raises(DataError, match="has 3 MiB, more than the 1 MiB that are read"):
        read_arrays(tmp_path / "mine.csv")


@pytest.mark.parametrize(
    ("value", "says", "fix"),
    [
        ("1,46", "'1,46' is no number", "decimals with a point"),
        ("positive", "'positive' is no number", "numbers of classes from 0"),
        ("tensor(1.4)", r"'tensor\(1.4\)' is no number", "give scores"),
        (" ", "the cell is empty", "every sample"),
    ],
)
def test_a_cell_that_is_no_number_is_named_with_its_id(
    value: str, says: str, fix: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.json").write_text(json.dumps({"id": ["a", "b"], "pred": ["1.5", value]}))
    table = read_columns(tmp_path / "mine.json")
    with pytest.raises(DataError, match=says) as told:
        table.numbers("pred")
    assert "row 2 (id b), column 'pred'" in told.value.where and fix in told.value.fix
    np.testing.assert_array_equal(read_columns(tmp_path / "mine.json").columns["id"], ["a", "b"])
