"""Arrays beside a dataset's cache: whole or absent, computed by one process while others wait."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from msabench.arrays import map_npy
from msabench.data.types import Dataset
from msabench.encoders.ref import EncoderRef
from msabench.errors import DataError
from msabench.run import Array

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
)


def tokenizer_files(ref: EncoderRef) -> list[Path]:
    """The files in an encoder's folder that say how it reads text."""
    return [ref.path / name for name in TOKENIZER_FILES if (ref.path / name).is_file()] if ref.path else []


def folder_of(ref: EncoderRef, dataset: Dataset, length: int) -> Path:
    """Where what is derived from a dataset with an encoder lies, at so many tokens per sample.

    The identity covers weights and config. The tokenizer's files are hashed in besides: a vocabulary
    that was mended must not meet token ids from before.
    """
    name = re.sub(r"[^\w.@+-]", "-", ref.identity)
    files = tokenizer_files(ref)
    if files:
        digest = hashlib.sha256(b"".join(file.read_bytes() for file in files))
        name += f"-{digest.hexdigest()[:8]}"
    return dataset.cache / "text" / f"{name}-{length}"


def opened(path: Path, shape: tuple[int, ...]) -> Array | None:
    """A stored array, memory-mapped read-only; None if it is absent, damaged or of another shape."""
    try:
        array = map_npy(path)
    except DataError:
        return None
    return array if array.shape == shape else None


def written(path: Path, shape: tuple[int, ...], dtype: Any, fill: Callable[[Array], None]) -> Array:
    """Make an array on disk, let `fill` write into it, and give it its name once it is whole.

    An interrupted `fill` leaves a `.tmp` file, which the next `building` removes.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    array = np.lib.format.open_memmap(partial, mode="w+", dtype=dtype, shape=shape)
    fill(array)
    array.flush()
    del array
    with partial.open("rb+") as stream:
        os.fsync(stream.fileno())
    partial.replace(path)
    stored = opened(path, shape)
    if stored is None:
        raise DataError("a file that was just written cannot be read again", where=str(path))
    return stored


@contextmanager
def building(folder: Path) -> Iterator[None]:
    """Hold a folder for writing; a second process waits here, then finds the work done.

    The lock goes with the process that holds it, so a killed one blocks nobody.

    Raises
    ------
    DataError
        If the folder cannot be written, or the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            for left in folder.glob("*.tmp"):
                left.unlink()
            yield
    except OSError as error:
        raise DataError(
            f"outputs of a text encoder cannot be kept: {error.strerror or error}",
            where=str(folder),
            fix="free some space, or name another folder for the cache",
        ) from error
