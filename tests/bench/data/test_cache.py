import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msabench.data import cache, load, source, unpickle
from msabench.errors import DataError

Content = dict[str, dict[str, Any]]


@pytest.fixture
def unpickled(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were unpickled since the test began."""
    calls: list[Path] = []
    original = unpickle.load_pickle

    def counting(path: Path) -> object:
        calls.append(path)
        return original(path)

    monkeypatch.setattr(unpickle, "load_pickle", counting)
    return calls


def test_a_file_is_unpickled_once(
    content: Content, write: Callable[..., Path], tmp_path: Path, unpickled: list[Path]
) -> None:
    path = write(content)
    first = load("mosi", file=path, cache_root=tmp_path / "cache")
    second = load("mosi", file=path, cache_root=tmp_path / "cache")
    assert unpickled == [path]
    assert first.notes == second.notes
    assert first.cache == second.cache == tmp_path / "cache" / first.fingerprint[:16]
    np.testing.assert_array_equal(first.train.audio, second.train.audio)


def test_a_copy_elsewhere_shares_the_cache(
    content: Content, write: Callable[..., Path], tmp_path: Path, unpickled: list[Path]
) -> None:
    load("mosi", file=write(content, "a.pkl"), cache_root=tmp_path / "cache")
    load("mosi", file=write(content, "b.pkl"), cache_root=tmp_path / "cache")
    assert len(unpickled) == 1


def test_large_arrays_are_memory_mapped_and_read_only(
    content: Content, write: Callable[..., Path], tmp_path: Path
) -> None:
    data = load("mosi", file=write(content), cache_root=tmp_path / "cache")
    for split in data.splits:
        for array in (split.audio, split.vision, split.text_features, split.text_tokens):
            assert isinstance(array, np.memmap)
            assert not array.flags.writeable


def test_planning_reads_no_content(
    content: Content,
    write: Callable[..., Path],
    tmp_path: Path,
    unpickled: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = write(content)
    found = source("mosi", file=path, cache_root=tmp_path / "cache")
    assert (found.name, found.path, found.kind, found.card.name) == ("mosi:unaligned", path, "real", "mosi")
    # the hash is remembered: the file is not even read again
    monkeypatch.setattr(cache, "sha256", lambda path: pytest.fail("hashed again"))
    assert source("mosi", file=path, cache_root=tmp_path / "cache") == found
    assert unpickled == []


def test_a_changed_file_is_hashed_and_converted_anew(
    content: Content, write: Callable[..., Path], tmp_path: Path, unpickled: list[Path]
) -> None:
    old = load("mosi", file=write(content), cache_root=tmp_path / "cache")
    content["train"]["regression_labels"][0] = 1.5
    path = write(content)
    os.utime(path, ns=(1, 1))
    new = load("mosi", file=path, cache_root=tmp_path / "cache")
    assert new.fingerprint != old.fingerprint
    assert new.train.labels[0] == 1.5
    assert len(unpickled) == 2


@pytest.mark.parametrize("damage", ["meta", "array", "short", "format"])
def test_a_damaged_cache_is_made_anew(
    content: Content, write: Callable[..., Path], tmp_path: Path, unpickled: list[Path], damage: str
) -> None:
    path = write(content)
    folder = load("mosi", file=path, cache_root=tmp_path / "cache").cache
    if damage == "meta":
        (folder / "meta.json").unlink()
    elif damage == "array":
        (folder / "train.audio.npy").unlink()
    elif damage == "short":
        whole = (folder / "test.vision.npy").read_bytes()
        (folder / "test.vision.npy").write_bytes(whole[: len(whole) // 2])
    else:
        meta = json.loads((folder / "meta.json").read_text())
        (folder / "meta.json").write_text(json.dumps({**meta, "format": 0}))
    data = load("mosi", file=path, cache_root=tmp_path / "cache")
    assert len(unpickled) == 2
    np.testing.assert_array_equal(data.train.audio, content["train"]["audio"])
    np.testing.assert_array_equal(data.test.vision, content["test"]["vision"])


@pytest.mark.parametrize(
    ("name", "put"),
    [
        ("train.labels.npy", np.zeros(3)),
        ("train.labels.npy", np.array(1.0)),
        ("train.labels.npy", np.array(["x"] * 6)),
        ("train.labels.npy", np.array([{}] * 6, dtype=object)),
        ("valid.ids.npy", np.zeros(6)),
        ("test.audio.npy", np.zeros(4, np.float32)),
        ("test.vision_lengths.npy", np.zeros((4, 2))),
        ("test.raw_text.json", ["one"]),
        ("meta.json", []),
        ("meta.json", {"format": 3, "sha256": []}),
    ],
)
def test_a_cache_that_was_tampered_with_is_made_anew(
    content: Content,
    write: Callable[..., Path],
    tmp_path: Path,
    unpickled: list[Path],
    name: str,
    put: object,
) -> None:
    path = write(content)
    folder = load("mosi", file=path, cache_root=tmp_path / "cache").cache
    if isinstance(put, np.ndarray):
        np.save(folder / name, put, allow_pickle=True)
    else:
        (folder / name).write_text(json.dumps(put))
    data = load("mosi", file=path, cache_root=tmp_path / "cache")
    assert len(unpickled) == 2
    np.testing.assert_array_equal(data.train.labels, content["train"]["regression_labels"])


def test_a_cache_whose_header_declares_too_much_is_made_anew(
    content: Content, write: Callable[..., Path], tmp_path: Path, unpickled: list[Path]
) -> None:
    path = write(content)
    folder = load("mosi", file=path, cache_root=tmp_path / "cache").cache
    with (folder / "train.labels.npy").open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (1 << 45,)}
        np.lib.format.write_array_header_1_0(file, header)
    load("mosi", file=path, cache_root=tmp_path / "cache")
    assert len(unpickled) == 2


def test_a_file_that_is_refused_leaves_nothing_behind(
    content: Content, write: Callable[..., Path], tmp_path: Path
) -> None:
    content["test"]["audio"][0, 0, 0] = np.nan
    with pytest.raises(DataError):
        load("mosi", file=write(content), cache_root=tmp_path / "cache")
    left = [path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()]
    assert left == ["hashes"]


def test_an_interrupted_conversion_is_not_used(
    content: Content, write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(content)

    def interrupt(made: Path, folder: Path, digest: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cache, "_publish", interrupt)
        with pytest.raises(KeyboardInterrupt):
            load("mosi", file=path, cache_root=tmp_path / "cache")
    assert len(load("mosi", file=path, cache_root=tmp_path / "cache").train) == 12


def test_two_processes_converting_at_once_do_no_harm(
    content: Content, write: Callable[..., Path], tmp_path: Path
) -> None:
    path = write(content)
    program = (
        "import sys; from pathlib import Path; from msabench.data import load\n"
        "sys.stdin.readline()\n"
        "data = load('mosi', file=Path(sys.argv[1]), cache_root=Path(sys.argv[2]))\n"
        "print(len(data.train), float(data.train.audio.sum()))\n"
    )
    command = [sys.executable, "-c", program, str(path), str(tmp_path / "cache")]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    for worker in workers:  # all are started before any is let go
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    said = {worker.communicate(timeout=60)[0] for worker in workers}
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    assert len(said) == 1
    assert not [path for path in (tmp_path / "cache").iterdir() if path.name.startswith(".")]


def test_a_conversion_that_finds_another_one_finished_keeps_that(
    content: Content, write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As happens where the file system has no locks."""
    path, root = write(content), tmp_path / "cache"
    original = cache._publish

    def slow(made: Path, folder: Path, digest: str) -> None:
        shutil.copytree(made, folder)
        original(made, folder, digest)

    monkeypatch.setattr(cache, "_publish", slow)
    assert len(load("mosi", file=path, cache_root=root).train) == 12
    assert not [path for path in root.iterdir() if path.name.startswith(".")]


def test_the_cache_is_below_the_data_root_where_that_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    writable, locked = tmp_path / "data", tmp_path / "locked"
    writable.mkdir()
    locked.mkdir(mode=0o555)
    assert cache.default_root(writable) == writable / ".cache"
    assert cache.default_root(locked) == tmp_path / "xdg" / "msabench"
    assert cache.default_root(tmp_path / "absent") == tmp_path / "xdg" / "msabench"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.default_root(locked) == Path.home() / ".cache" / "msabench"


def test_a_cache_that_cannot_be_written_is_said(
    content: Content, write: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "occupied").write_text("a file, not a folder")
    with pytest.raises(DataError, match="the cache cannot be written"):
        load("mosi", file=write(content), cache_root=tmp_path / "occupied")
