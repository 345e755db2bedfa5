"""Computational sequences: alignment to words, folds, and hostile HDF5."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from msabench.data.findings import Findings
from msabench.data.layouts import csd, csd_probe
from msabench.data.layouts.base import Options, Peek
from msabench.data.layouts.csd import LAYOUT
from msabench.data.layouts.csd_align import Timeline, average
from msabench.data.types import Split
from msabench.errors import DataError

VIDEOS = {"train": ("2iD-tVS8NPw", "8d-gEyoeBzc"), "valid": ("WKA5OygbEKI",), "test": ("tmZoasNr4rU",)}
"""Of the official folds of CMU-MOSI"""
WORDS = ("sp", "it", "was", "sp", "really", "good", "but", "long", "sp")
BOUNDS = np.array([[i / 2, (i + 1) / 2] for i in range(len(WORDS))])
"""Words of half a second each, from 0 to 4.5 s"""
SEGMENTS = np.array([[0.4, 3.0], [3.0, 4.5]])


def _write(path: Path, root: str, entries: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    with h5py.File(path, "w") as file:
        for video, (intervals, features) in entries.items():
            group = file.create_group(f"{root}/data/{video}")
            group["intervals"] = intervals
            group["features"] = features
        text = file.create_group(f"{root}/metadata").create_dataset(
            "root name", (1,), dtype=h5py.string_dtype()
        )
        text[0] = json.dumps(root)


@pytest.fixture(autouse=True)
def unprobed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process for each test would take most of the time."""
    monkeypatch.setattr(csd, "probe", lambda paths: None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """4 videos of two segments each: words, labels, COVAREP (100 Hz, 3 wide), FACET 4.2 (30 Hz, 2 wide)."""
    rng = np.random.default_rng(0)
    videos = [video for ids in VIDEOS.values() for video in ids]
    words = np.array([[word] for word in WORDS], dtype="S32")

    def rate(hertz: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        start = np.arange(0, 4.5, 1 / hertz)
        return np.stack([start, start + 1 / hertz], 1), rng.standard_normal((len(start), width))

    labels = np.array([[2.4], [-1.0]])
    sequences = {
        "CMU_MOSI_TimestampedWords": ("words", lambda: (BOUNDS, words)),
        "CMU_MOSI_Opinion_Labels": ("Opinion Segment Labels", lambda: (SEGMENTS, labels)),
        "CMU_MOSI_COVAREP": ("COVAREP", lambda: rate(100, 3)),
        "CMU_MOSI_Visual_Facet_42": ("FACET_4.2", lambda: rate(30, 2)),
    }
    for name, (root, make) in sequences.items():
        _write(tmp_path / f"{name}.csd", root, {video: make() for video in videos})
    return tmp_path


@pytest.fixture
def read(folder: Path) -> Callable[[], list[Split]]:
    return lambda: list(LAYOUT.read(Peek(folder), Findings(file=folder, strict=True), Options()))


def test_words_labels_and_folds_arrive(read: Callable[[], list[Split]]):
    train, valid, test = read()
    assert train.ids.tolist() == [f"{video}[{i}]" for video in VIDEOS["train"] for i in (0, 1)]
    assert [len(valid), len(test)] == [2, 2]
    assert train.labels.tolist() == pytest.approx([2.4, -1.0, 2.4, -1.0])
    assert train.words is not None and train.raw_text is not None
    assert train.words[:2] == (("it", "was", "really", "good"), ("but", "long"))
    assert train.raw_text[0] == "it was really good"
    assert train.audio.shape == (4, 4, 3) and train.vision.shape == (4, 4, 2)
    assert train.audio_lengths.tolist() == train.vision_lengths.tolist() == [4, 2, 4, 2]


def test_features_are_the_mean_of_the_frames_of_each_word(folder: Path, read: Callable[[], list[Split]]):
    with h5py.File(folder / "CMU_MOSI_COVAREP.csd") as file:
        frames = file[f"COVAREP/data/{VIDEOS['train'][1]}/features"][()]
    train = read()[0]
    # 'really' is the fifth word: 2.0 to 2.5 s, frames 200 to 249 at 100 Hz
    np.testing.assert_allclose(train.audio[2, 2], frames[200:250].mean(0), rtol=1e-5)
    # 'long' is the eighth
    np.testing.assert_allclose(train.audio[3, 1], frames[350:400].mean(0), rtol=1e-5)
    assert not train.audio[3, 2:].any()


def test_alignment_agrees_with_looking_at_every_pair():
    rng = np.random.default_rng(1)
    for _ in range(20):
        start = np.sort(rng.uniform(0, 10, 60))
        intervals = np.stack([start, start + rng.exponential(0.5, 60)], 1)  # they overlap and nest
        low, high = sorted(rng.uniform(0, 11, 2))
        shared = np.minimum(intervals[:, 1], high) - np.maximum(intervals[:, 0], low)
        assert Timeline(intervals).within(low, high).tolist() == np.flatnonzero(shared > 1e-5).tolist()


def test_a_word_without_a_frame_gets_zeros():
    values, empty = average(np.array([[0.0, 1.0]]), np.array([[3.0]]), np.array([[0.5, 2.0], [1.0, 2.0]]))
    assert values.tolist() == [[3.0], [0.0]] and empty == 1


def test_one_sequence_of_a_kind_is_taken_and_phones_are_left_out(folder: Path):
    videos = [video for ids in VIDEOS.values() for video in ids]
    for name, root in (
        ("CMU_MOSI_OpenSmile_EB10", "OpenSmile-emobase2010"),
        ("CMU_MOSI_Visual_OpenFace_2", "x"),
    ):
        _write(folder / f"{name}.csd", root, {video: (BOUNDS, np.ones((9, 5))) for video in videos})
    phones = np.array([["ah"]] * 9, dtype="S32")
    _write(folder / "CMU_MOSI_TimestampedPhones.csd", "phones", {video: (BOUNDS, phones) for video in videos})
    findings = Findings(file=folder, strict=True)
    train = next(iter(LAYOUT.read(Peek(folder), findings, Options())))
    assert train.audio.shape[2] == 3 and train.vision.shape[2] == 2
    note = findings.entries[0].what
    assert "audio: COVAREP" in note and "vision: FACET_4.2" in note
    assert "left out: CMU_MOSI_OpenSmile_EB10.csd" in note


def test_word_vectors_alone_are_text_too(folder: Path, read: Callable[[], list[Split]]):
    (folder / "CMU_MOSI_TimestampedWords.csd").unlink()
    vectors = np.arange(len(WORDS) * 4.0).reshape(-1, 4)
    videos = [video for ids in VIDEOS.values() for video in ids]
    _write(
        folder / "CMU_MOSI_TimestampedWordVectors.csd",
        "glove_vectors",
        {v: (BOUNDS, vectors) for v in videos},
    )
    train = read()[0]
    assert train.words is None and train.raw_text is None
    assert train.text_features is not None
    np.testing.assert_array_equal(train.text_features[1, :3], vectors[6:9])


def test_the_sentiment_is_the_first_label_column(folder: Path, read: Callable[[], list[Split]]):
    wide = np.array([[1.5, 9, 9, 9, 9, 9, 9], [-0.5, 9, 9, 9, 9, 9, 9]])
    videos = [video for ids in VIDEOS.values() for video in ids]
    _write(
        folder / "CMU_MOSI_Opinion_Labels.csd", "All Labels", {video: (SEGMENTS, wide) for video in videos}
    )
    assert read()[0].labels.tolist() == [1.5, -0.5, 1.5, -0.5]


def test_entries_of_an_aligned_sequence_are_put_together(folder: Path, read: Callable[[], list[Split]]):
    before = read()[0].audio
    path = folder / "CMU_MOSI_COVAREP.csd"
    with h5py.File(path) as file:
        whole = {video: (e["intervals"][()], e["features"][()]) for video, e in file["COVAREP/data"].items()}
    pieces = {
        f"{video}[{number}]": (intervals[part], features[part])
        for video, (intervals, features) in whole.items()
        for number, part in enumerate((slice(300, None), slice(0, 300)))
    }
    _write(path, "COVAREP", pieces)
    np.testing.assert_array_equal(read()[0].audio, before)


def test_folds_beside_the_files_come_first(folder: Path, read: Callable[[], list[Split]]):
    folds = {"train": VIDEOS["valid"], "dev": VIDEOS["test"], "test": VIDEOS["train"]}
    (folder / "folds.json").write_text(json.dumps(folds))
    assert [len(split) for split in read()] == [2, 2, 4]
    assert (folder / "folds.json") in LAYOUT.parts(folder)


@pytest.mark.parametrize(
    ("folds", "says"),
    [
        ({"train": ["a"], "test": ["b"]}, "'valid' is missing"),
        ({"train": ["a"], "valid": ["a"], "test": ["b"]}, "video 'a' is in the folds twice"),
        ([1], "'train' is missing"),
    ],
)
def test_unsound_folds_are_refused(folder: Path, read: Callable[[], list[Split]], folds: object, says: str):
    (folder / "folds.json").write_text(json.dumps(folds))
    with pytest.raises(DataError, match=says):
        read()


def test_videos_of_no_dataset_are_told_how_to_name_folds(folder: Path, read: Callable[[], list[Split]]):
    for path in folder.glob("*.csd"):
        with h5py.File(path, "a") as file:
            data = file[next(iter(file))]["data"]
            for number, video in enumerate(list(data)):
                data.move(video, f"mine{number}")
    with pytest.raises(DataError, match="none of the official folds") as caught:
        read()
    assert "folds.json" in caught.value.fix


def test_videos_missing_from_a_sequence_are_left_out_with_a_warning(folder: Path):
    with h5py.File(folder / "CMU_MOSI_COVAREP.csd", "a") as file:
        del file[f"COVAREP/data/{VIDEOS['train'][0]}"]
    findings = Findings(file=folder, strict=True)
    assert [len(split) for split in LAYOUT.read(Peek(folder), findings, Options())] == [2, 2, 2]
    assert any("1 labelled videos are not in every sequence" in each.what for each in findings.entries)


def test_a_folder_without_labels_is_named(folder: Path, read: Callable[[], list[Split]]):
    (folder / "CMU_MOSI_Opinion_Labels.csd").unlink()
    with pytest.raises(DataError, match="files holds the labels"):
        read()


VIDEO = VIDEOS["valid"][0]


def _replace(folder: Path, make: Callable[[h5py.Group], object], key: str = "features") -> None:
    with h5py.File(folder / "CMU_MOSI_COVAREP.csd", "a") as file:
        entry = file[f"COVAREP/data/{VIDEO}"]
        del entry[key]
        make(entry)


def _external_storage(entry: h5py.Group) -> None:
    entry.create_dataset("features", (450, 3), "f4", external=[("/etc/passwd", 0, 450 * 12)])


def _virtual(entry: h5py.Group) -> None:
    layout = h5py.VirtualLayout((450, 3), "f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "x", (450, 3))
    entry.create_virtual_dataset("features", layout)


def _bomb(entry: h5py.Group) -> None:
    entry.create_dataset("features", (450, 100_000), "f4", chunks=(450, 1000), compression="gzip")


def _foreign_filter(entry: h5py.Group) -> None:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((10, 3))
    properties.set_filter(305, h5py.h5z.FLAG_OPTIONAL, ())
    space = h5py.h5s.create_simple((450, 3))
    h5py.h5d.create(entry.id, b"features", h5py.h5t.NATIVE_FLOAT, space, properties)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda e: e.__setitem__("features", h5py.ExternalLink("/etc/passwd", "/x")),
            "a link to another file",
        ),
        (lambda e: e.__setitem__("features", h5py.SoftLink("/COVAREP/data")), "a soft link"),
        (_external_storage, "kept in another file"),
        (_virtual, "kept in another file"),
        (_bomb, "180000000 bytes for which 0 are stored"),
        (
            lambda e: e.create_dataset("features", (10**7, 10**7), "f8", chunks=(10, 10)),
            "an array declared as",
        ),
        (
            lambda e: e.create_dataset("features", (450, 3), "f8", chunks=(10, 10**7), maxshape=(None, None)),
            "declared",
        ),
        (_foreign_filter, "compression by filter 305"),
        (lambda e: e.create_dataset("features", (450, 1), h5py.string_dtype()), "values of type object"),
        (lambda e: e.create_dataset("features", (450, 1), h5py.vlen_dtype(np.float32)), "of type object"),
        (lambda e: e.create_dataset("features", (450, 1), h5py.ref_dtype), "values of type object"),
        (lambda e: e.create_dataset("features", (450, 1), h5py.regionref_dtype), "values of type object"),
        (lambda e: e.create_dataset("features", (450, 3), np.dtype("V9")), "values of type |V9"),
        (lambda e: e.__setitem__("features", np.dtype("f8")), "is a Datatype, expected a Dataset"),
        (lambda e: e.__setitem__("features", h5py.Empty("f8")), "is empty"),
        (lambda e: e.__setitem__("features", 3.5), "features have shape (), "),
        (lambda e: e.__setitem__("features", h5py.SoftLink(f"{e.name}/features")), "a soft link"),
        (lambda e: e.__setitem__("features", e), "is a Group, expected a Dataset"),
        (lambda e: e.__setitem__("features", e.parent), "is a Group, expected a Dataset"),
        (lambda e: e.create_dataset("features", (10**7, 3), "f8", fillvalue=1.0), "0 are stored"),
        (
            lambda e: e.create_dataset("features", (450, 1), "S600000"),
            "an array declared as 450 x 1 of |S600000",
        ),
        (lambda e: e.create_dataset("features", (450, 1), [("a", "f4")]), "numbers and fixed-length"),
        (lambda e: e.create_group("features"), "is a Group, expected a Dataset"),
        (lambda e: None, "lacks 'features'"),
        (lambda e: e.create_dataset("features", data=np.zeros((449, 3))), "but there are 450 intervals"),
        (
            lambda e: e.create_dataset("features", data=np.zeros((450, 4))),
            "of 3 columns, but of 4 for WKA5OygbEKI",
        ),
        (
            lambda e: e.create_dataset("features", data=np.zeros((450, 1), "S4")),
            "unlike those of other videos",
        ),
        (lambda e: e.create_dataset("features", data=np.full((450, 3), np.nan)), "entries of NaN"),
    ],
)
def test_hostile_and_faulty_features_are_refused(
    folder: Path, read: Callable[[], list[Split]], make: Callable[[h5py.Group], object], says: str
):
    _replace(folder, make)
    with pytest.raises(DataError) as caught:
        read()
    assert says in caught.value.what


@pytest.mark.parametrize(
    ("value", "says"), [(np.zeros((450, 3)), "not (n, 2)"), (np.full((450, 2), np.inf), "at no number")]
)
def test_faulty_intervals_are_refused(
    folder: Path, read: Callable[[], list[Split]], value: np.ndarray, says: str
):
    _replace(folder, lambda entry: entry.create_dataset("intervals", data=value), "intervals")
    with pytest.raises(DataError) as caught:
        read()
    assert says in caught.value.what and VIDEO in caught.value.what


def test_a_link_as_the_root_is_not_followed(folder: Path, read: Callable[[], list[Split]]):
    path = folder / "CMU_MOSI_COVAREP.csd"
    path.unlink()
    with h5py.File(path, "w") as file:
        file["COVAREP"] = h5py.ExternalLink("CMU_MOSI_Visual_Facet_42.csd", "/FACET_4.2")
    with pytest.raises(DataError, match="a link to another file"):
        read()


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_truncated_file_is_named(folder: Path, read: Callable[[], list[Split]], keep: float):
    path = folder / "CMU_MOSI_COVAREP.csd"
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(DataError, match="truncated") as caught:
        read()
    assert caught.value.where == str(path)


def test_damage_anywhere_in_the_file_is_an_error_or_harmless(folder: Path, read: Callable[[], list[Split]]):
    path = folder / "CMU_MOSI_Opinion_Labels.csd"
    sound = path.read_bytes()
    rng = np.random.default_rng(2)
    for _ in range(60):
        content = bytearray(sound)
        for place in rng.integers(0, len(content), 8):
            content[place] = rng.integers(0, 256)
        path.write_bytes(content)
        try:
            read()
        except DataError:
            continue


def test_findings_are_collected_where_that_is_asked(folder: Path):
    _replace(folder, _bomb)
    findings = Findings(file=folder, strict=False)
    list(LAYOUT.read(Peek(folder), findings, Options()))
    assert findings.errors == 1
    assert any("CMU_MOSI_COVAREP.csd" in each.file for each in findings.entries if each.severity == "error")


def test_the_layout_is_recognised(folder: Path, tmp_path: Path):
    assert LAYOUT.recognise(Peek(folder)).score == 1
    assert LAYOUT.recognise(Peek(folder / "CMU_MOSI_COVAREP.csd")).score == 1
    other = tmp_path / "any.h5"
    with h5py.File(other, "w") as file:
        file["x"] = 1
    assert LAYOUT.recognise(Peek(other)).score < 0.5


def test_one_array_under_many_names_does_not_fill_the_memory(folder: Path, read: Callable[[], list[Split]]):
    with h5py.File(folder / "CMU_MOSI_COVAREP.csd", "a") as file:
        data = file["COVAREP/data"]
        big = data.create_group(f"{VIDEO}[0]")
        big["intervals"] = np.tile([0.0, 1.0], (100_000, 1))
        big.create_dataset("features", (100_000, 3), "f8", data=np.zeros((100_000, 3)))
        for number in range(1, 200):
            data[f"{VIDEO}[{number}]"] = big
    with pytest.raises(DataError, match="more than 256 MiB for one video"):
        read()


def _looping(path: Path) -> None:
    """A virtual array whose description, once damaged, HDF5 2.0.0 never ends to read."""
    layout = h5py.VirtualLayout((4, 2), "f4")
    layout[:] = h5py.VirtualSource(".", "COVAREP", (4, 2))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("COVAREP", layout)
    content = bytearray(path.read_bytes())
    content[content.find(b"GCOL") + 24] = 0x59  # the size of the first object, no multiple of 8
    path.write_bytes(content)


def test_sound_files_pass_the_look_from_another_process(folder: Path) -> None:
    csd_probe.probe(sorted(folder.glob("*.csd")))


def test_a_file_that_the_library_never_ends_to_read_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csd, "probe", csd_probe.probe)
    monkeypatch.setattr(csd_probe, "PATIENCE", 4.0)
    path = folder / "CMU_MOSI_Opinion_Labels.csd"
    _looping(path)
    # a library that has mended this finds that it is no group
    with pytest.raises(DataError, match=r"never ends over it|COVAREP") as caught:
        list(LAYOUT.read(Peek(folder), Findings(file=folder, strict=True), Options()))
    assert caught.value.where == str(path)


def test_a_file_that_crashes_the_library_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csd_probe, "_MAIN", "import os; print('next', flush=True); os.abort()")
    files = sorted(folder.glob("*.csd"))
    with pytest.raises(DataError, match="the HDF5 library crashes over it") as caught:
        csd_probe.probe(files)
    assert caught.value.where == str(files[1])
