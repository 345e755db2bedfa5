"""Reads `.npy` and `.npz` files that may come from strangers: no pickle, and no more memory than they hold.

numpy's own reader takes memory for whatever size a header declares, unpacks archives without a bound, and
takes the last of two arrays of one name; all of that is refused here.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np

from msabench.errors import DataError
from msabench.run import Array

LARGEST = 1 << 29
"""Bytes of all arrays of an archive: 200 epochs of CHERMA's predictions take 70 MB"""
_MEMBERS = 1000
_DIRECTORY = 1 << 20
"""Bytes of an archive's list of members"""
_LONGEST = 1 << 31
"""Rows of an array; those of width 0 take no room in a file, whose size then bounds nothing"""
_NUMBERS_AND_TEXT = "biufcmMUS"
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_LENGTHS = {(1, 0): struct.Struct("<H"), (2, 0): struct.Struct("<I")}
_LONGEST_HEADER = 10_000
"""Bytes, as numpy has it"""
_PART = 1 << 20


def map_npy(path: Path) -> Array:
    """The array of a `.npy` file, memory-mapped read-only.

    Raises
    ------
    DataError
        If the file cannot be read, is damaged, or holds anything but numbers and text.
    """
    try:
        with path.open("rb") as file:
            shape, fortran, dtype = _header(file, path)
            held = path.stat().st_size - file.tell()
            if _bytes(shape, dtype, path) > held:
                raise _lying(shape, dtype, held, path)
            array: Array = (
                np.memmap(path, dtype, "r", offset=file.tell(), shape=shape, order="F" if fortran else "C")
                if math.prod(shape)
                else np.zeros(shape, dtype)
            )
    except DataError:
        raise
    except Exception as error:  # a damaged header can make numpy say nearly anything
        raise _damaged(path, error) from error
    return array


def read_npz(path: Path) -> dict[str, Array]:
    """The arrays of an `.npz` file by name.

    Raises
    ------
    DataError
        If the file cannot be read, is damaged or larger than `LARGEST` once unpacked, holds an array twice,
        or holds anything but numbers and text.
    """
    try:
        _check_directory(path)
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            names = [member.filename.removesuffix(".npy") for member in members]
            if len(members) > _MEMBERS or sum(member.file_size for member in members) > LARGEST:
                raise _refused(f"it unpacks to more than {LARGEST >> 20} MiB or {_MEMBERS} arrays", path)
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise _refused(f"it holds '{twice}' more than once", path)
            return {name: _member(archive, each, path) for name, each in zip(names, members, strict=True)}
    except DataError:
        raise
    except Exception as error:  # as above, and the same for zipfile
        raise _damaged(path, error) from error


def _check_directory(path: Path) -> None:
    """The list of members is read whole when an archive is opened, so its size is looked at before."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - (1 << 16) - 22))
        tail = file.read()
    # as zipfile looks for it: without a comment at the very end, else wherever it is found last
    plain = tail[-22:].startswith(b"PK\5\6") and tail.endswith(b"\0\0")
    at = len(tail) - 22 if plain else tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) < at + 22:
        raise zipfile.BadZipFile("it is no zip archive, or its end is missing")
    (size,) = struct.unpack_from("<I", tail, at + 12)
    if size > _DIRECTORY or tail[max(0, at - 20) : at].startswith(b"PK\6\7"):
        raise _refused("its list of arrays is too long", path)


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> Array:
    place = f"{path}, array '{member.filename.removesuffix('.npy')}'"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or member.flag_bits & 1:
        raise _refused("it is packed in a way that numpy does not use", place)
    with archive.open(member) as file:
        shape, fortran, dtype = _header(file, place)
        held = member.file_size - file.tell()
        size = _bytes(shape, dtype, place)
        if size != held:
            raise _lying(shape, dtype, held, place)
        content = np.empty(size, np.uint8)
        for start in range(0, size, _PART):
            part = file.read(min(_PART, size - start))
            content[start : start + len(part)] = np.frombuffer(part, np.uint8)
            if len(part) < min(_PART, size - start):
                raise _lying(shape, dtype, start + len(part), place)
    return content.view(dtype).reshape(shape, order="F" if fortran else "C")


def _header(file: IO[bytes], place: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise _refused("it is of a newer format than is read", place)
    shape, fortran, dtype = _parsed(_text(file, version), version)
    if dtype.hasobject:
        raise _refused("it holds pickled objects, which can run code", place)
    if dtype.kind not in _NUMBERS_AND_TEXT or not dtype.itemsize:
        raise _refused(f"it holds values of type {str(dtype)[:80]}, not numbers or text", place)
    return shape, fortran, dtype


def _text(file: IO[bytes], version: tuple[int, int]) -> bytes:
    """A header with the size before it."""
    size = file.read(_LENGTHS[version].size)
    (length,) = _LENGTHS[version].unpack(size)
    if length > _LONGEST_HEADER:
        raise ValueError(f"its header is declared as {length} bytes")
    return size + file.read(length)


@lru_cache(maxsize=256)
def _parsed(text: bytes, version: tuple[int, int]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """What a header says; a study's many files have few different ones, and numpy compiles each."""
    return _HEADERS[version](io.BytesIO(text))


def _bytes(shape: tuple[int, ...], dtype: np.dtype[Any], place: Any) -> int:
    # in Python's own numbers: a product of declared sizes may be beyond 64 bits
    if not all(0 <= size <= _LONGEST for size in shape):
        raise _refused(f"it is declared as {shape}", place)
    return math.prod(shape) * dtype.itemsize


def _lying(shape: tuple[int, ...], dtype: np.dtype[Any], held: int, place: Any) -> DataError:
    return DataError(
        f"the array is cut short or damaged: {held} bytes are there, but it is declared as "
        f"{' x '.join(map(str, shape)) or 'one value'} of {dtype}",
        where=str(place),
        fix="get or make the file again",
    )


def _refused(why: str, place: Any) -> DataError:
    return DataError(
        f"refused: {why}", where=str(place), fix="save plain arrays of numbers and text with numpy.savez"
    )


def _damaged(path: Path, error: Exception) -> DataError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return DataError(
        f"the file cannot be read: {reason or type(error).__name__}",
        where=str(path),
        fix="get or make the file again",
    )
