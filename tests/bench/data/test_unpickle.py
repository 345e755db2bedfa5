import builtins
import collections
import functools
import io
import os
import pickle
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msabench.data.unpickle import load_pickle
from msabench.errors import DataError

VALUES: dict[str, Any] = {
    "floats": np.arange(6, dtype=np.float32).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big_endian": np.arange(3, dtype=">i4"),
    "strings": np.array(["a", "été", "情感"]),
    "bytes": np.array([b"a", b"bc"]),
    "objects": np.array(["a", None, "情感"], dtype=object),
    "truths": np.array([True, False]),
    "empty": np.zeros((0, 4), np.float16),
    "scalar": np.float32(0.5),
    "text_scalar": np.str_("字"),
    "no_text": np.str_(""),
    "plain": [1, 2.5, "x", b"\xff\x00", None, (1, 2), {"a": {1, 2}}, frozenset({3}), 1 << 80, True],
    "ordered": collections.OrderedDict(a=1, b=2),
    "buffer": bytearray(b"abc"),
}


def assert_same(found: Any, expected: Any) -> None:
    if isinstance(expected, np.ndarray):
        plain = np.asarray(found)
        # numpy itself swaps foreign bytes on reading
        assert plain.dtype.newbyteorder("=") == expected.dtype.newbyteorder("=")
        np.testing.assert_array_equal(plain, expected)
    else:
        assert found == expected


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", VALUES)
def test_arrays_and_containers_of_every_protocol(
    write: Callable[..., Path], name: str, protocol: int
) -> None:
    assert_same(load_pickle(write({name: VALUES[name]}, protocol=protocol))[name], VALUES[name])  # type: ignore[index]


@pytest.mark.parametrize("size", [255, 1023, 1024, 300_000, 5_000_000])
@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_any_size(write: Callable[..., Path], protocol: int, size: int) -> None:
    rng = np.random.default_rng(size)
    arrays = [rng.integers(0, 256, size, dtype=np.uint8) for _ in range(3)]
    found = load_pickle(write([*arrays, arrays[1]], protocol=protocol))
    assert isinstance(found, list)
    for each, expected in zip(found, [*arrays, arrays[1]], strict=True):
        assert_same(each, expected)
        assert not each.flags.writeable
    assert found[1] is found[3]


@pytest.mark.parametrize("protocol", range(6))
def test_long_transcripts_are_text_not_array_data(write: Callable[..., Path], protocol: int) -> None:
    value = {
        "texts": ["été " * 500, "long " * 5000],
        "bytes": [b"\xe9t\xe9 " * 500],
        "twice": ("字" * 2000,) * 2,
    }
    assert load_pickle(write(value, protocol=protocol)) == value


@pytest.mark.parametrize("size", [15, 16, 17, 999, 1000, 1001, 2500])
@pytest.mark.parametrize("protocol", range(1, 6))
def test_lists_of_floats(write: Callable[..., Path], protocol: int, size: int) -> None:
    rng = np.random.default_rng(size)
    rows = [rng.standard_normal(size).tolist() for _ in range(3)]
    mixed = [*rows[0], "and more"], [*rows[1], 1], [None, *rows[2]], tuple(rows[0])
    found = load_pickle(write({"rows": [*rows, rows[1]], "mixed": mixed}, protocol=protocol))
    assert isinstance(found, dict)
    for row, expected in zip(found["rows"], [*rows, rows[1]], strict=True):
        assert isinstance(row, np.ndarray if 16 <= size < 1000 else list)
        np.testing.assert_array_equal(row, expected)
    assert found["rows"][1] is found["rows"][3]
    assert found["mixed"] == mixed


@pytest.mark.parametrize("first", [0, 1, 200, 1 << 20])
def test_a_memo_that_begins_anywhere(tmp_path: Path, first: int) -> None:
    put, get = ([code + struct.pack("<I", first + i) for i in range(3)] for code in (b"r", b"j"))
    path = tmp_path / "memo.pkl"
    path.write_bytes(
        b"\x80\x02]" + put[0] + b"(U\x01a" + put[1] + b"U\x01b" + put[2] + get[1] + get[2] + b"e."
    )
    assert load_pickle(path) == ["a", "b", "a", "b"]
    path.write_bytes(b"\x80\x02]" + put[2] + get[1] + b"a.")
    with pytest.raises(DataError, match="nothing was kept at place"):
        load_pickle(path)


def test_places_of_the_memo_are_counted(tmp_path: Path) -> None:
    # MEMOIZE takes the number of places that are filled, whichever they are
    path = tmp_path / "memo.pkl"
    path.write_bytes(b"\x80\x04]q\x05(K\x07\x94h\x01K\x08\x94h\x02e.")
    assert load_pickle(path) == [7, 7, 8, 8] == pickle.loads(path.read_bytes())


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_full_disk_is_named(
    write: Callable[..., Path], protocol: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.FileIO):
        def write(self, content: Any) -> int:
            raise OSError(28, "No space left on device")

    full = write(b"", "scratch")
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Full(full, "r+"))
    path = write(np.arange(5000.0), protocol=protocol)
    if protocol == 2:
        with pytest.raises(DataError, match="decoded arrays cannot be written: No space left"):
            load_pickle(path)
    else:
        assert_same(load_pickle(path), np.arange(5000.0))


def test_without_a_temporary_folder_arrays_are_decoded_in_memory(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(**_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", nowhere)
    assert_same(load_pickle(write(np.arange(5000.0), protocol=2)), np.arange(5000.0))


@pytest.mark.parametrize("protocol", [2, 3])
def test_files_written_under_either_numpy(tmp_path: Path, protocol: int) -> None:
    array = np.arange(4, dtype=np.float32)
    content = pickle.dumps(array, protocol=protocol)
    for core in (b"numpy.core", b"numpy._core"):
        path = tmp_path / "old.pkl"
        path.write_bytes(content.replace(b"numpy._core", b"numpy.core").replace(b"numpy.core", core))
        assert_same(load_pickle(path), array)


def test_strings_and_arrays_of_python_2(tmp_path: Path) -> None:
    def text(raw: bytes) -> bytes:  # SHORT_BINSTRING, which only Python 2 writes
        return b"U" + bytes([len(raw)]) + raw

    raw = np.array([1.5, -2.0], dtype="<f8").tobytes()
    dtype = (
        b"cnumpy\ndtype\n"
        + text(b"f8")
        + b"K\x00K\x01\x87R(K\x03"
        + text(b"<")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85"
        + text(b"b")
        + b"\x87R(K\x01K\x02\x85"
        + dtype
        + b"\x89"
        + text(raw)
        + b"tb"
    )
    path = tmp_path / "py2.pkl"
    path.write_bytes(b"\x80\x02}(" + text(b"audio") + array + text(b"note") + text(b"caf\xe9") + b"u.")
    found = load_pickle(path)
    assert isinstance(found, dict)
    assert found["note"] == "café"
    np.testing.assert_array_equal(np.asarray(found["audio"]), [1.5, -2.0])


class _Call:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


HOSTILE: dict[str, tuple[Any, str]] = {
    "system": (_Call(os.system, "touch {mark}"), f"{os.system.__module__}.system"),
    "eval": (_Call(builtins.eval, "open({mark!r}, 'w')"), ".eval'"),
    "exec": (_Call(builtins.exec, "open({mark!r}, 'w')"), ".exec'"),
    "getattr": (_Call(getattr, _Call(__import__, "os"), "system"), ".getattr'"),
    "partial": (_Call(functools.partial, os.system, "true"), "functools.partial"),
    "chain": (_Call(map, _Call(eval, "print"), ["x"]), "map'"),
    "numpy_load": (_Call(np.load, "x.npy", None, True), "numpy.load"),
    "path": (Path("x"), "pathlib"),
    "class": (_Call, "_Call"),
    "in_an_object_array": (np.array([_Call(os.system, "touch {mark}")], dtype=object), ".system"),
    "record_array": (np.zeros(2, dtype=[("a", "f4"), ("b", "O")]), "dtype 'V12'"),
    "array_subclass": (np.ma.masked_array([1.0]), "numpy.ma"),
    "datetimes": (np.array(["2020-01-01"], dtype="M8[D]"), "dtype 'M8'"),
}


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_else_is_read_or_run(tmp_path: Path, name: str, protocol: int) -> None:
    value, refused = HOSTILE[name]
    mark = tmp_path / "executed"
    if isinstance(value, _Call):
        arguments = [a.format(mark=str(mark)) if isinstance(a, str) else a for a in value.call[1]]
        value = _Call(value.call[0], *arguments)
    path = tmp_path / "hostile.pkl"
    path.write_bytes(pickle.dumps({"train": {"audio": value}}, protocol=protocol))
    with pytest.raises(DataError) as caught:
        load_pickle(path)
    assert "refused" in str(caught.value)
    assert refused in str(caught.value)
    assert str(path) in str(caught.value)
    assert not mark.exists()


def _global(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


@pytest.mark.parametrize(
    "program",
    [
        # the reader's own functions cannot be changed by BUILD
        _global("_codecs", "encode") + b"}(U\x0a_functionU\x01xub",
        _global("_codecs", "encode") + b"N}(U\x0a_functionU\x01xu\x86b",
        _global("numpy", "ndarray") + b"K\x01\x85R",
        _global("numpy", "ndarray") + b"K\x01\x85\x81",
        _global("_codecs", "encode") + b"U\x01xU\x04zlib\x86R",
        _global("numpy.core.multiarray", "scalar")
        + _global("numpy", "dtype")
        + b"U\x01O\x85RU\x08AAAAAAAA\x86R",
        _global("numpy", "dtype") + b"U\x02O8\x85R(K\x03U\x01|NU\x01aK\x00K\x08K\x08K\x00tb",
        _global("numpy", "dtype") + b"U\x04f4,O\x85R",
        b"\x82\x01",  # the extension registry
        b"U\x01xQ",  # a persistent id
    ],
)
def test_hand_written_programs_are_refused(tmp_path: Path, program: bytes) -> None:
    path = tmp_path / "program.pkl"
    path.write_bytes(b"\x80\x02" + program + b".")
    with pytest.raises(DataError):
        load_pickle(path)
    # and the reader still works afterwards
    path.write_bytes(pickle.dumps({"a": b"\xff", "b": np.arange(3)}, protocol=2))
    assert load_pickle(path)["a"] == b"\xff"  # type: ignore[index]


def test_array_data_that_claims_to_be_objects_is_refused(tmp_path: Path) -> None:
    # bytes as the pointers of an object array would read memory at the attacker's will
    head = (
        _global("numpy.core.multiarray", "_reconstruct")
        + _global("numpy", "ndarray")
        + b"K\x00\x85U\x01b\x87R"
    )
    dtype = _global("numpy", "dtype") + b"U\x02O8\x85R"
    path = tmp_path / "pointers.pkl"
    path.write_bytes(
        b"\x80\x02" + head + b"(K\x01K\x01\x85" + dtype + b"\x89U\x08" + struct.pack("<Q", 42) + b"tb."
    )
    with pytest.raises(DataError, match="refused"):
        load_pickle(path)


@pytest.mark.parametrize("kept", [1, 2, 30, 0.5, 0.9, -1])
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_truncated_files(write: Callable[..., Path], kept: float, protocol: int) -> None:
    path = write({"train": {"audio": np.arange(5000.0)}}, protocol=protocol)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(DataError) as caught:
        load_pickle(path)
    assert "truncated" in str(caught.value)
    assert str(path) in str(caught.value)


def _npz() -> bytes:
    out = io.BytesIO()
    np.savez(out, a=np.arange(3))
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><html>quota exceeded</html>", "web page"),
        (b"\x89HDF\r\n\x1a\n and more", "HDF5"),
        (_npz(), "zip archive"),
        (b"hello, this is no pickle", "not a pickle"),
        (b"\x80\x04" + b"\xff" * 40 + b".", "damaged"),
    ],
)
def test_files_that_are_no_pickles(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "download.pkl"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load_pickle(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        load_pickle(tmp_path / "absent.pkl")
