"""A pickle reader for files from strangers: numpy arrays and plain containers, and nothing that runs.

A pickle is a program: `pickle.load` imports and calls whatever the file names. Here a small machine of our
own follows it (`pickles`): it knows a dozen names, keeps count of what it makes, and calls nothing else. The
file is mapped, not read: the bytes of large arrays stay where they are until they are used.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import BinaryIO

from msabench.data import pickles
from msabench.data.pickles.limits import Damaged, Refused, Truncated
from msabench.errors import DataError

_OTHER_FORMATS = {
    b"\x89HDF": "an HDF5 file",
    b"PK\x03\x04": "a zip archive (a torch or .npz file, perhaps)",
    b"\x1f\x8b": "a gzip archive; unpack it first",
    b"\x93NUMPY": "a .npy file",
    b"<": "a web page; the shared drive answered with HTML in place of the file",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself",
}


def load_pickle(path: Path) -> object:
    """Read a pickle of plain containers and numpy arrays, protocols 0 to 5, of Python 2 or 3, numpy 1 or 2.

    Parameters
    ----------
    path
        The file. None of what it holds is executed.

    Returns
    -------
    object
        What was pickled. Arrays are read-only, and mostly views of the mapped file, which must stay as it is
        for as long as they are in use; `mapped.release` hands their memory back. A list of 16 to 999 floats
        and nothing else is an array, too.

    Raises
    ------
    DataError
        If the file is absent, no pickle, truncated, damaged, or asks for anything that is not an array or a
        plain container, or for more memory than its size can account for; the message then names it.
    """
    try:
        with path.open("rb") as file:
            _check_start(path, file)
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return pickles.run(data)
    except Refused as error:
        raise DataError(
            f"refused: the pickle asks for {error}, and feature files need nothing but arrays and containers",
            where=str(path),
            fix="do not open it with pickle.load, which would run it; get the file from its owners again, or "
            "save it anew as plain numpy arrays, lists and dicts on a machine where it may be trusted",
        ) from error
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror or error}", where=str(path)) from error
    except MemoryError as error:
        raise DataError(
            "the file does not fit in memory", where=str(path), fix="convert it on a larger machine"
        ) from error
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise _damaged(path, error) from error


def _check_start(path: Path, file: BinaryIO) -> None:
    start = file.read(32)
    file.seek(0)
    if not start:
        raise DataError("the file is empty", where=str(path), fix="download it again")
    for magic, name in _OTHER_FORMATS.items():
        if start.lstrip().startswith(magic) if magic == b"<" else start.startswith(magic):
            raise DataError(f"not a pickle: this is {name}", where=str(path), fix="download the .pkl again")


def _damaged(path: Path, error: Exception) -> DataError:
    with path.open("rb") as file:
        is_binary = file.read(1) == b"\x80"
        size = file.seek(0, 2)
        file.seek(-1, 2)
        ends = file.read(1) == b"."
    if is_binary and (isinstance(error, Truncated) or not ends):
        return DataError(
            f"the pickle is truncated: it breaks off after {size} bytes",
            where=str(path),
            fix="download it again, and compare its size with the source's",
        )
    if isinstance(error, Truncated):
        error = Damaged("it breaks off within an instruction")
    what = "the pickle is damaged" if is_binary else "not a pickle"
    return DataError(f"{what}: {error}", where=str(path), fix="download it again")
