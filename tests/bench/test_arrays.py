"""`.npy` and `.npz` files from strangers: what is read of them, and how hostile ones are refused."""

import io
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msabench import arrays
from msabench.arrays import map_npy, read_npz
from msabench.errors import DataError


class Call:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def npy(shape: object = (2,), descr: str = "'<f4'", order: str = "False", data: bytes = bytes(8)) -> bytes:
    """A file with any header."""
    header = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def npz(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as file:
        for name, content in members:
            file.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.float32).reshape(3, 4),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.array(["good", "情感"]),
        np.array([b"x", b"yz"]),
        np.arange(3, dtype=">i8"),
        np.array([True, False]),
        np.array(3.5),
        np.zeros((5, 1, 0), np.float32),
        np.zeros(0),
    ],
)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back_as_they_were(array: Any, save: Any, tmp_path: Path) -> None:
    save(tmp_path / "a.npz", first=array, second=np.ones(2))
    np.save(tmp_path / "a.npy", array)
    read = read_npz(tmp_path / "a.npz")
    assert list(read) == ["first", "second"]
    for found in (read["first"], map_npy(tmp_path / "a.npy")):
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found, array)


def test_large_files_are_mapped_and_read_only(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((1000, 1000)))
    tracemalloc.start()
    array = map_npy(tmp_path / "a.npy")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20 and not array.flags.writeable


HEADERS: list[tuple[bytes, str]] = [
    (npy("(1000000000000,)"), "declared as"),
    (npy("(4611686018427387904, 4611686018427387904)"), "declared as"),
    (npy("(-1,)"), "declared as"),
    (npy("(1000000, 1000)"), "8 bytes are there"),
    (npy("(2,)", data=bytes(7)), "7 bytes are there"),
    (npy("(4000000000, 0)", data=b""), "declared as"),
    (npy("(2,)", "'|O'"), "pickled objects"),
    (npy("(2,)", "[('a', '|O')]"), "pickled objects"),
    (npy("(2,)", "[('a', '<f4')]"), "values of type"),
    (npy("(2,)", "'|V4'"), "values of type"),
    (npy("(1000000000000,)", "'<U0'"), "values of type"),
    (npy("(2,)", "'|S2000000000'"), "8 bytes are there"),
    (npy("(2,)", "'nonsense'"), "cannot be read"),
    (npy("(2,)", "__import__('os').system('true')"), "cannot be read"),
    (npy("(" * 300), "cannot be read"),
    (npy("(2,)", "'<f4'" + " " * 20000), "cannot be read"),
    (npy("(2.0,)"), "cannot be read"),
    (npy("(2,)", order="7"), "cannot be read"),
    (b"\x93NUMPY\x03\x00" + npy()[8:], "newer format"),
    (b"\x93NUMPY\x01\x00\xff\xff{", "cannot be read"),
    (b"\x93NUM", "cannot be read"),
    (b"", "cannot be read"),
    (pickle.dumps({"a": 1}), "cannot be read"),
]


@pytest.mark.parametrize(("content", "says"), HEADERS)
def test_hostile_arrays_are_refused(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.npy"
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(DataError, match=says) as caught:
        map_npy(path)
    (tmp_path / "hostile.npz").write_bytes(npz(("sound.npy", npy()), ("bad.npy", content)))
    with pytest.raises(DataError, match=says.replace("8 bytes", r"\d+ bytes")) as inside:
        read_npz(tmp_path / "hostile.npz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.where == str(path) and "hostile.npz" in inside.value.where
    assert peak < 4 << 20


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    mark = tmp_path / "was-here"
    hostile = np.array([Call(mark)], dtype=object)
    np.save(tmp_path / "a.npy", hostile, allow_pickle=True)
    np.savez(tmp_path / "a.npz", pred=hostile)
    (tmp_path / "b.npz").write_bytes(pickle.dumps(Call(mark)))
    for read, name in ((map_npy, "a.npy"), (read_npz, "a.npz"), (read_npz, "b.npz")):
        with pytest.raises(DataError):
            read(tmp_path / name)
    assert not mark.exists()


def _encrypted() -> bytes:
    content = bytearray(npz(("a.npy", npy())))
    content[6] |= 1
    content[content.rfind(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def _overlong_directory() -> bytes:
    content = bytearray(npz(("a.npy", npy())))
    struct.pack_into("<I", content, len(content) - 10, 1 << 30)
    return bytes(content)


def _damaged_content() -> bytes:
    content = bytearray(npz(("a.npy", npy((1000,), data=bytes(4000)))))
    content[2000] ^= 1
    return bytes(content)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: npz(("a.npy", npy()), ("a.npy", npy())), "'a' more than once"),
        (lambda: npz(("a.npy", npy()), ("a", npy())), "'a' more than once"),
        (lambda: npz(*((f"{i}.npy", npy()) for i in range(1200))), "1000 arrays"),
        (lambda: npz(("a.npy", npy()), method=zipfile.ZIP_LZMA), "packed in a way"),
        (lambda: npz(("a.npy", npy()), method=zipfile.ZIP_BZIP2), "packed in a way"),
        (_encrypted, "packed in a way"),
        (_overlong_directory, "list of arrays is too long"),
        (_damaged_content, "cannot be read: Bad CRC-32"),
        (lambda: npz(("a.npy", npy(data=bytes(100)))), "100 bytes are there"),
        (lambda: npz(("a.npy", npy()))[:-30], "its end is missing"),
        (lambda: b"PK\x03\x04 cut short", "no zip archive"),
    ],
)
def test_hostile_archives_are_refused(make: Callable[[], bytes], says: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.npz"
    path.write_bytes(make())
    with pytest.raises(DataError, match=says) as caught:
        read_npz(path)
    assert "hostile.npz" in caught.value.where and caught.value.fix


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9, 0.99])
def test_truncated_archives_are_refused(keep: float, tmp_path: Path) -> None:
    path = tmp_path / "cut.npz"
    np.savez_compressed(path, a=np.arange(1000), b=np.ones(3))
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(DataError, match="cannot be read"):
        read_npz(path)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "LARGEST", 1 << 22)
    path = tmp_path / "bomb.npz"
    zeros = npy((1 << 20,), data=bytes(4 << 20))
    path.write_bytes(npz(("a.npy", zeros), method=zipfile.ZIP_DEFLATED))
    assert path.stat().st_size < 10_000
    tracemalloc.start()
    with pytest.raises(DataError, match="unpacks to more than 4 MiB"):
        read_npz(path)
    # or says that it is small
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, content.rfind(b"PK\x01\x02") + 24, 1000)
    path.write_bytes(content)
    with pytest.raises(DataError):
        read_npz(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 << 20


def test_a_file_that_is_absent_is_an_error_too(tmp_path: Path) -> None:
    for read in (map_npy, read_npz):
        with pytest.raises(DataError, match="No such file"):
            read(tmp_path / "absent")
