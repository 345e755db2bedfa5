"""CHERMA's JSON and feature folders: what is read of them, and what a spoiled one is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msabench.data.describe import describe
from msabench.data.findings import Findings
from msabench.data.layouts.base import Options, Peek
from msabench.data.layouts.cherma import LAYOUT
from msabench.data.types import Split
from msabench.errors import DataError

SIZES = {"train": 5, "dev": 3, "test": 4}
LABELS = ("愤怒", "厌恶", "恐惧", "高兴", "平静", "悲伤", "惊奇")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """5, 3 and 4 samples; text (4, 6), audio (40 to 60, 5), vision (16, 3)."""
    rng = np.random.default_rng(0)
    for stage, n in SIZES.items():
        entries = []
        for i in range(n):
            name = f"{stage}_{i}"
            entries.append(
                {
                    "audio_file": f"{name}.wav",
                    "video_file": f"{name}.mp4",
                    "txt_label": "平静",
                    "audio_label": "悲伤",
                    "visual_label": "愤怒",
                    "video_label": LABELS[i],
                }
            )
            shapes = {"text": (4, 6), "audio": (40 + 10 * (i % 3), 5), "visual": (16, 3)}
            for kind, shape in shapes.items():
                place = tmp_path / kind / stage
                place.mkdir(parents=True, exist_ok=True)
                ending = ".mp4.npy" if kind == "visual" else ".npy"
                np.save(place / f"{name}{ending}", rng.standard_normal(shape).astype(np.float32))
        (tmp_path / f"{stage}.json").write_text(json.dumps(entries, ensure_ascii=False), encoding="utf-8")
    return tmp_path


@pytest.fixture
def read(folder: Path) -> Callable[[], list[Split]]:
    return lambda: list(LAYOUT.read(Peek(folder), Findings(file=folder, strict=True), Options()))


def _edit(folder: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    path = folder / "dev.json"
    entries = json.loads(path.read_text(encoding="utf-8"))
    change(entries)
    path.write_text(json.dumps(entries), encoding="utf-8")


def test_features_labels_and_lengths_arrive(folder: Path, read: Callable[[], list[Split]]):
    train, valid, test = read()
    assert [len(train), len(valid), len(test)] == [5, 3, 4]
    assert train.labels.tolist() == [0, 1, 2, 3, 4]
    assert {key: set(values.tolist()) for key, values in train.unimodal_labels.items()} == {
        "text": {4},
        "audio": {5},
        "vision": {0},
    }
    assert train.text_features is not None and train.text_features.shape == (5, 80, 6)
    assert train.audio.shape == (5, 50, 5) and train.vision.shape == (5, 16, 3)
    assert train.audio_lengths.tolist() == [40, 50, 50, 40, 50]
    stored = np.load(folder / "audio" / "train" / "train_2.npy")
    np.testing.assert_array_equal(train.audio[2], stored[:50])
    assert not train.audio[0, 40:].any()


def test_any_of_the_json_files_stands_for_the_folder(folder: Path):
    path = folder / "train.json"
    peek = Peek(path)
    assert LAYOUT.recognise(peek).score == LAYOUT.recognise(Peek(folder)).score == 1
    findings = Findings(file=path, strict=True)
    assert [len(split) for split in LAYOUT.read(peek, findings, Options())] == [5, 3, 4]
    assert any("longer than 50 frames" in each.what for each in findings.entries)


def test_the_parts_are_the_annotations_and_every_feature_file(folder: Path):
    parts = LAYOUT.parts(folder)
    assert [part.name for part in parts[:3]] == ["train.json", "dev.json", "test.json"]
    assert len(parts) == len(set(parts)) == 3 + 3 * sum(SIZES.values())


def test_json_beside_no_features_is_near_and_says_what_differs(folder: Path):
    (folder / "visual").rename(folder / "pictures")
    match = LAYOUT.recognise(Peek(folder))
    assert 0 < match.score < 0.5 and "visual" in match.differs


def test_english_labels_are_taken_too(folder: Path, read: Callable[[], list[Split]]):
    _edit(folder, lambda entries: entries[0].update(video_label="Surprise"))
    assert read()[1].labels[0] == 6


def test_transcripts_are_taken_where_every_sample_has_one(folder: Path, read: Callable[[], list[Split]]):
    assert read()[1].raw_text is None
    _edit(folder, lambda entries: [entry.update(txt=f"好 {i}\ud800") for i, entry in enumerate(entries)])
    assert read()[1].raw_text == ("好 0?", "好 1?", "好 2?")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda e: e[1].update(video_label="happi"),
            "'video_label' is 'happi', which is no class; did you mean",
        ),
        (lambda e: e[1].pop("txt_label"), "'txt_label' is missing"),
        (lambda e: e[1].pop("audio_file"), "'audio_file' is missing"),
        (lambda e: e[1].update(audio_file="../../secret"), "refused: 'audio_file' is '../../secret'"),
        (lambda e: e[1].update(audio_file="a\0b.wav"), "which is no plain file name"),
        (lambda e: e[1].update(audio_file="dev_0.wav"), "duplicate id 'dev_0'"),
        (lambda e: e[1].update(audio_file="absent.wav"), "there is no file absent.npy"),
        (lambda e: e.__setitem__(1, 7), "is a int, expected an object"),
    ],
)
def test_faults_of_the_annotations_are_named(
    folder: Path, read: Callable[[], list[Split]], change: Callable[[list[dict[str, Any]]], object], says: str
):
    _edit(folder, change)
    with pytest.raises(DataError) as caught:
        read()
    assert says in caught.value.what
    assert "dev" in caught.value.where and "row 1" in caught.value.where


def test_features_of_no_width_are_read(folder: Path, read: Callable[[], list[Split]]):
    for path in (folder / "audio" / "dev").glob("*.npy"):
        np.save(path, np.zeros((4, 0), np.float32))
    assert read()[1].audio.shape[2] == 0


def _pickled(path: Path) -> None:
    np.save(path, np.array([[{"a": 1}]], dtype=object), allow_pickle=True)


def _declares_too_much(path: Path) -> None:
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (10**9, 1024)}
        np.lib.format.write_array_header_1_0(file, header)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-40]), "dev_1.npy: the array is cut short"),
        (lambda path: path.write_bytes(b"PK\x03\x04"), "dev_1.npy: the file cannot be read"),
        (_pickled, "dev_1.npy: refused: it holds pickled objects"),
        (_declares_too_much, "dev_1.npy: the array is cut short or damaged"),
        (lambda path: np.save(path, np.zeros((4, 7))), "dev_1.npy: has shape (4, 7), expected (frames, 5)"),
        (lambda path: np.save(path, np.zeros(5)), "dev_1.npy: has shape (5,)"),
        (lambda path: np.save(path, np.array(3.0)), "dev_1.npy holds one value"),
        (lambda path: np.save(path, np.array([["a"] * 5])), "values of type <U1"),
        (lambda path: np.save(path, np.full((4, 5), np.nan)), "entries of NaN"),
    ],
)
def test_faults_of_a_feature_file_are_named(
    folder: Path, read: Callable[[], list[Split]], spoil: Callable[[Path], object], says: str
):
    spoil(folder / "audio" / "dev" / "dev_1.npy")
    with pytest.raises(DataError) as caught:
        read()
    assert says in caught.value.what
    assert "audio/dev" in caught.value.where and "'dev_1' (row 1)" in caught.value.where


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{not json", "not JSON"),
        (b"[" * 200_000, "nested too deeply"),
        (b"[" + b"[]," * 1_000_001 + b"[]]", "containers"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" + b"9" * 100_000 + b"]", "not JSON"),
        (b"{}", "no list of samples"),
        (b"[]", "no list of samples"),
    ],
)
def test_hostile_json_is_refused(folder: Path, read: Callable[[], list[Split]], content: bytes, says: str):
    (folder / "dev.json").write_bytes(content)
    with pytest.raises(DataError, match=says):
        read()


def test_huge_json_is_refused_unread(folder: Path, read: Callable[[], list[Split]]):
    with (folder / "dev.json").open("wb") as file:
        file.truncate(1 << 33)
    with pytest.raises(DataError, match="refused: the JSON is 8192 MiB"):
        read()


def test_a_missing_split_is_named(folder: Path, read: Callable[[], list[Split]]):
    (folder / "dev.json").unlink()
    with pytest.raises(DataError, match=r"there is no dev\.json"):
        read()


def test_the_report_shows_features_and_the_labels_of_each_modality(folder: Path):
    report = describe(folder)
    shapes = {key.key: key.shape for key in report.splits[0].keys}
    assert report.layout == "cherma" and report.sound
    assert shapes["text"] == (5, 80, 6) and shapes["audio"] == (5, 50, 5)
    assert shapes["labels_text"] == shapes["labels_vision"] == (5,)
