"""CSV tables: columns, encodings, labels, and what a spoiled one is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from msabench.data import cache
from msabench.data.findings import Findings
from msabench.data.layouts.base import Options, Peek
from msabench.data.layouts.table import LAYOUT
from msabench.data.types import Split
from msabench.errors import DataError

ROWS = (
    "id,split,text,label",
    'a1,train,"well, yes",1.5',
    "a2,train,no,-2",
    'a3,train,say ""it"",0',
    "b1,dev,fine,0.4",
    "c1,test,bad,-1.2",
    "c2,test,good,3",
)
MELD = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,StartTime"


@pytest.fixture
def read() -> Callable[..., list[Split]]:
    def from_path(path: Path, dataset: str = "") -> list[Split]:
        findings = Findings(file=path, strict=True)
        return list(LAYOUT.read(Peek(path), findings, Options(dataset=dataset)))

    return from_path


def _write(path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path.write_bytes("\r\n".join(lines).encode(encoding))
    return path


def _meld(folder: Path) -> Path:
    spoken = {
        "train": (("What?", "surprise", "negative"), ("Yes, “really”!", "joy", "positive")),
        "dev": (("Hey.", "neutral", "neutral"),),
        "test": (("No!", "anger", "negative"), ("Fine.", "neutral", "neutral")),
    }
    for split, rows in spoken.items():
        lines = [
            f'{i},"{text}",Ross,{emotion},{mood},0,{i},"0:1,5"'
            for i, (text, emotion, mood) in enumerate(rows)
        ]
        _write(folder / f"{split}_sent_emo.csv", MELD, *lines)
    return folder


def test_one_file_with_a_column_for_the_split(tmp_path: Path, read: Callable[..., list[Split]]):
    train, valid, test = read(_write(tmp_path / "set.csv", *ROWS))
    assert train.ids.tolist() == ["a1", "a2", "a3"] and valid.ids.tolist() == ["b1"]
    assert train.raw_text is not None and train.raw_text[0] == "well, yes"
    assert train.labels.tolist() == [1.5, -2.0, 0.0] and test.labels.tolist() == pytest.approx([-1.2, 3.0])
    assert train.audio.shape == train.vision.shape == (3, 1, 0)
    assert train.audio_lengths.tolist() == [1, 1, 1]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_delimiter_is_found_out(tmp_path: Path, read: Callable[..., list[Split]], delimiter: str):
    lines = [delimiter.join(line.split(",")) for line in ROWS if '"' not in line]
    assert [len(split) for split in read(_write(tmp_path / "set.csv", *lines))] == [1, 1, 2]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("utf-8-sig", "naïve 心"), ("cp1252", "it’s naïve"), ("latin-1", "na\x81ïve"), ("utf-16", "心")],
)
def test_the_encoding_is_found_out(
    tmp_path: Path, read: Callable[..., list[Split]], encoding: str, text: str
):
    path = _write(tmp_path / "set.csv", ROWS[0], f"x,train,{text},1", *ROWS[4:], encoding=encoding)
    train = read(path)[0]
    assert train.raw_text == (text,) and train.ids.tolist() == ["x"]


def test_three_files_of_meld_stand_for_one_another(tmp_path: Path, read: Callable[..., list[Split]]):
    folder = _meld(tmp_path)
    for path in (folder, folder / "dev_sent_emo.csv"):
        assert LAYOUT.recognise(Peek(path)).score > 0.5
        assert [part.name for part in LAYOUT.parts(path)] == [
            "train_sent_emo.csv",
            "dev_sent_emo.csv",
            "test_sent_emo.csv",
        ]
        train, valid, test = read(path, "meld")
        assert [len(train), len(valid), len(test)] == [2, 1, 2]
        assert train.ids.tolist() == ["train/dia0_utt0", "train/dia0_utt1"]
        assert train.raw_text == ("What?", "Yes, “really”!")


def test_the_card_says_which_column_and_how_classes_are_numbered(
    tmp_path: Path, read: Callable[..., list[Split]]
):
    folder = _meld(tmp_path)
    assert read(folder, "meld")[0].labels.tolist() == [1.0, 4.0]  # surprise, joy
    assert read(folder, "meld-sentiment")[0].labels.tolist() == [2.0, 1.0]  # negative, positive


def test_without_a_card_words_are_numbered_by_the_alphabet(tmp_path: Path):
    folder = _meld(tmp_path)
    findings = Findings(file=folder, strict=True)
    train, valid, _ = LAYOUT.read(Peek(folder), findings, Options())
    assert train.labels.tolist() == [0.0, 2.0] and valid.labels.tolist() == [1.0]
    assert any("negative 0, neutral 1, positive 2" in each.what for each in findings.entries)
    assert any("taken from 'sentiment'" in each.what for each in findings.entries)


def test_the_columns_of_mmsas_label_file(tmp_path: Path, read: Callable[..., list[Split]]):
    path = _write(
        tmp_path / "label.csv",
        "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode",
        "v1,1,嗯,0.4,0.2,-0.2,1,Positive,train",
        "v1,2,好,-1,0,0,0,Negative,valid",
        "v2,1,不,0,0,0,0,Neutral,test",
    )
    train = read(path)[0]
    assert train.ids.tolist() == ["v1$_$1"]
    assert {key: values.tolist() for key, values in train.unimodal_labels.items()} == {
        "text": pytest.approx([0.2]),
        "audio": pytest.approx([-0.2]),
        "vision": pytest.approx([1.0]),
    }


def test_without_ids_lines_are_counted(tmp_path: Path, read: Callable[..., list[Split]]):
    path = _write(tmp_path / "set.csv", "mode,sentence,score", "train,a,1", "val,b,1", "test,c,1")
    assert [split.ids.tolist() for split in read(path)] == [["2"], ["3"], ["4"]]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("b2,dev,so", "line 8 has 3 cells, but the header names 4 columns"),
        ("b2,dev,so,1,2", "line 8 has 5 cells"),
        ("b2,evaluation,so,1", "line 8: 'evaluation' is no split"),
        ("b2,dev,so,nan", "line 8: label 'nan' is no number"),
        ("b2,dev,so,", "line 8: label '' is no number"),
        ("b2,dev,so,much", "line 8: label 'much' is no number"),
        ("b1,dev,so,1", "duplicate id 'b1'"),
        ('b2,dev,"so,1', "from line 8 on: unexpected end of data"),
        ("b2,dev," + "x" * 140_000 + ",1", "from line 8 on: field larger than field limit"),
        ("b2,dev," + "x" * 1_100_000 + ",1", "refused: line 8 is longer"),
        ("b2,dev,\0,1", "is no text"),
    ],
)
def test_faults_are_named_with_their_line(
    tmp_path: Path, read: Callable[..., list[Split]], line: str, says: str
):
    with pytest.raises(DataError) as caught:
        read(_write(tmp_path / "set.csv", *ROWS, line))
    assert says in caught.value.what
    assert "set.csv" in caught.value.where


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("id,split,words,label", "no column for the text"),
        ("id,part,text,label", "no column for the split"),
        ("id,split,text,opinion", "no column for the labels"),
        ("text,split,text,label", "two columns are named 'text'"),
        ("", "the file is empty, or its first line is"),
    ],
)
def test_missing_columns_are_named(tmp_path: Path, read: Callable[..., list[Split]], header: str, says: str):
    with pytest.raises(DataError, match=says):
        read(_write(tmp_path / "set.csv", header, *ROWS[1:]))


def test_an_unknown_class_is_named_with_the_nearest(tmp_path: Path, read: Callable[..., list[Split]]):
    folder = _meld(tmp_path)
    path = folder / "train_sent_emo.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",joy,", ",joyy,"), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read(folder, "meld")
    assert "train_sent_emo.csv, line 3: label 'joyy' is no class; did you mean 'joy'?" in caught.value.what
    assert "neutral, surprise, fear" in caught.value.fix


def test_a_missing_split_is_named(tmp_path: Path, read: Callable[..., list[Split]]):
    with pytest.raises(DataError, match="the split has no row") as caught:
        read(_write(tmp_path / "set.csv", *(line for line in ROWS if ",dev," not in line)))
    assert "valid" in caught.value.where


def test_all_faults_are_listed_where_that_is_asked(tmp_path: Path):
    path = _write(tmp_path / "set.csv", *ROWS, "b2,dev,so,x", "b3,dev,so,y", "c3,test,so,z")
    findings = Findings(file=path, strict=False)
    splits = list(LAYOUT.read(Peek(path), findings, Options()))
    assert [split.name for split in splits] == ["train"]
    assert findings.errors == 3


def test_other_tables_are_not_taken_for_one(tmp_path: Path):
    other = LAYOUT.recognise(Peek(_write(tmp_path / "wages.csv", "name,wage", "a,1")))
    assert 0 < other.score < 0.5 and "no column for text and label" in other.differs
    unsplit = LAYOUT.recognise(Peek(_write(tmp_path / "all.csv", "text,label", "a,1")))
    assert unsplit.score < 0.5 and "no column for the split" in unsplit.differs
    assert LAYOUT.recognise(Peek(tmp_path)).score == 0


def test_random_bytes_never_crash_the_reader(tmp_path: Path, read: Callable[..., list[Split]]):
    rng = np.random.default_rng(0)
    sound = "\n".join(ROWS).encode()
    path = tmp_path / "set.csv"
    for _ in range(300):
        content = bytearray(sound)
        for place in rng.integers(0, len(content), 6):
            content[place] = rng.integers(0, 256)
        path.write_bytes(content)
        LAYOUT.recognise(Peek(path))
        try:
            read(path)
        except DataError:
            continue


@pytest.mark.parametrize("count", [4095, 4096, 4097, 9000])
def test_every_text_of_a_large_table_reaches_the_cache(tmp_path: Path, count: int):
    texts = [f'text {i}, "été"' for i in range(count)]
    lines = ['{},train,"{}",1'.format(i, text.replace('"', '""')) for i, text in enumerate(texts)]
    path = _write(tmp_path / "large.csv", ROWS[0], *lines, "v,dev,fine,0", "w,test,bad,0")
    train, valid, _ = cache.read(path, cache.sha256(path), tmp_path / "cache", "table").splits
    assert train.raw_text == tuple(texts)
    assert valid.raw_text == ("fine",)
