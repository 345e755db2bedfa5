"""Feature files as memory-mapped arrays, converted once and kept in a folder named by the file's hash.

    <cache>/<first 16 digits of sha256>/train.audio.npy ... meta.json
    <cache>/hashes/<hash of the path>.json                what the file's sha256 was, by size and time

A folder is written under another name, synced and renamed, so it is whole or absent. A lock spares two
processes the same work; they would do no harm without it. What a killed process leaves is removed by the next
one that converts. Arrays go from the feature file to the cache in parts: memory does not grow with them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from msabench.arrays import map_npy
from msabench.data import checks, layouts
from msabench.data.findings import Findings
from msabench.data.mapped import save
from msabench.data.scratch import scratch
from msabench.data.types import SPLITS, Split, SplitName
from msabench.errors import DataError
from msabench.run import Array

FORMAT = 3
"""Raised when the folder's contents change; folders of another format are made anew"""
_MAPPED = ("audio", "vision", "text_features", "text_tokens", "context_words")
_LOADED = ("ids", "labels", "audio_lengths", "vision_lengths")
_KINDS = {"ids": "U", "audio_lengths": "i", "vision_lengths": "i", "text_tokens": "i", "context_words": "i"}
"""Kind of values where they are not float32"""
_GROUPS = {"unimodal_labels": "unimodal_", "extra": "extra_"}
"""Fields of named arrays, and what their files' names begin with"""
_TEXTS = ("raw_text", "words", "context")
_BLOCK = 1 << 22
_TEXTS_AT_ONCE = 4096


@dataclass(frozen=True, kw_only=True)
class Cached:
    """A converted feature file."""

    folder: Path
    layout: str
    """The layout it was read in"""
    splits: tuple[Split, Split, Split]
    remarks: tuple[str, ...]
    """What reading the file turned up, a line each"""


def default_root(data_root: Path) -> Path:
    """Where caches go: below the data root, or in the user's cache folder where that cannot be written."""
    # root may write anywhere; a folder that is marked read-only is meant to stay as it is
    if data_root.is_dir() and os.access(data_root, os.W_OK) and data_root.stat().st_mode & 0o222:
        return data_root / ".cache"
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "msabench"


def fingerprint(path: Path, cache_root: Path) -> str:
    """sha256 of a file in hex, read once and remembered for as long as its size and time stay.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    try:
        path = path.resolve(strict=True)
        stat = path.stat()
        seen = {"path": str(path), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
        note = cache_root / "hashes" / f"{hashlib.sha256(str(path).encode()).hexdigest()[:16]}.json"
        with contextlib.suppress(OSError, ValueError, AttributeError):
            known = json.loads(note.read_text(encoding="utf-8"))
            if {key: known.get(key) for key in seen} == seen:
                return str(known["sha256"])
        digest = sha256(path)
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}", where=str(path)) from error
    # a cache that cannot be written costs time, nothing else
    with contextlib.suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=note.parent, delete=False, encoding="utf-8") as file:
            json.dump({**seen, "sha256": digest}, file)
        Path(file.name).replace(note)
    return digest


def fingerprint_all(paths: Sequence[Path], cache_root: Path | None) -> str:
    """sha256 of the names and hashes of several files that are one dataset; of one file, the file's own.

    They are remembered in the cache's folder, if there is one.

    Raises
    ------
    DataError
        If a file cannot be read.
    """
    digests = [fingerprint(path, cache_root) if cache_root else sha256(path) for path in paths]
    if len(paths) == 1:
        return digests[0]
    lines = (f"{path.name}:{digest}\n" for path, digest in zip(paths, digests, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def sha256(path: Path) -> str:
    """sha256 of a file in hex, streamed."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def read(path: Path, digest: str, root: Path, layout: str, dataset: str = "") -> Cached:
    """The arrays of a feature file, converted if they are not yet.

    Parameters
    ----------
    path
        The file, or the folder where a layout is one.
    digest
        Its sha256 in hex (`fingerprint`, `fingerprint_all`).
    root
        The cache's folder.
    layout
        The layout that it must have.
    dataset
        The dataset that it is read as, for layouts that depend on it.

    Raises
    ------
    DataError
        For the first thing that is wrong with the file, or if the cache cannot be written.
    """
    name = digest[:16] + (f"-{dataset}" if layouts.LAYOUTS[layout].by_dataset else "")
    folder = root / name
    cached = _open(folder, digest)
    if cached is None:
        from filelock import FileLock

        try:
            root.mkdir(parents=True, exist_ok=True)
            with FileLock(root / f"{name}.lock"):
                # another process may have been quicker
                cached = _open(folder, digest) or _convert(path, digest, folder, layout, dataset)
        except OSError as error:
            raise DataError(
                f"the cache cannot be written: {error.strerror or error}",
                where=str(root),
                fix="free some space (a cache is as large as its feature file), or name another cache folder",
            ) from error
    if cached.layout != layout:
        raise layouts.disagreement(path, cached.layout, layout)
    return cached


def _convert(path: Path, digest: str, folder: Path, hint: str, dataset: str) -> Cached:
    findings = Findings(file=path, strict=True)
    with scratch(folder) as made:
        names: list[SplitName] = []
        layout, peek = layouts.detect(path, hint)
        # the generator drops each raw array once read; the rest of the pickle goes with it
        for split in layout.read(peek, findings, layouts.Options(dataset=dataset)):
            _write_split(split, made)
            names.append(split.name)
            del split
        written = [_open_split(name, made) for name in names]
        checks.across(written, findings)
        meta = {
            "format": FORMAT,
            "sha256": digest,
            "source": path.name,
            "layout": layout.name,
            "samples": {split.name: len(split) for split in written},
            "remarks": list(findings.remarks),
        }
        _write(made / "meta.json", json.dumps(meta, indent=1, ensure_ascii=False).encode())
        del written
        _publish(made, folder, digest)
    cached = _open(folder, digest)
    if cached is None:
        raise DataError("the cache is unreadable just after it was written", where=str(folder))
    return cached


def _publish(made: Path, folder: Path, digest: str) -> None:
    """Rename the finished folder into place, unless one as good is there already."""
    made.chmod(0o755)  # temporary folders are private; a cache may be shared
    _sync(made)
    try:
        made.rename(folder)
    except OSError:
        if _open(folder, digest) is not None:
            return  # by a process that shares no lock with us
        # what is there is damaged or of an older format
        old = made.with_name(f"{made.name}.old")
        folder.rename(old)
        made.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    _sync(folder.parent)


def _write_split(split: Split, folder: Path) -> None:
    for field, array in _arrays(split):
        save(folder / f"{split.name}.{field}.npy", array)
    for field in _TEXTS:
        texts = getattr(split, field)
        if texts is not None:
            _write_texts(folder / f"{split.name}.{field}.json", texts)


def _arrays(split: Split) -> Iterator[tuple[str, Array]]:
    for field in (*_LOADED, *_MAPPED):
        array = getattr(split, field)
        if array is not None:
            yield field, array
    for group, prefix in _GROUPS.items():
        for name, array in getattr(split, group).items():
            yield prefix + name, array


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _write_texts(path: Path, texts: Sequence[object]) -> None:
    """A JSON list, written in parts: whole, it would take as much memory as the texts themselves thrice."""
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            part = json.dumps(texts[start : start + _TEXTS_AT_ONCE], ensure_ascii=False)
            file.write((", " if start else "") + part[1:-1])
        file.write("]")
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    # some file systems cannot sync a folder
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _open(folder: Path, digest: str) -> Cached | None:
    """A converted file, or None where there is none that is whole."""
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        if meta["format"] != FORMAT or meta["sha256"] != digest:
            return None
        train, valid, test = (_open_split(name, folder) for name in SPLITS)
        if {split.name: len(split) for split in (train, valid, test)} != meta["samples"]:
            return None
        if not all(map(_fits, (train, valid, test))):
            return None
        return Cached(
            folder=folder,
            layout=str(meta["layout"]),
            splits=(train, valid, test),
            remarks=tuple(meta["remarks"]),
        )
    except (DataError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _fits(split: Split) -> bool:
    """Whether the arrays are those of one split: a folder may have been tampered with."""
    n = len(split)
    arrays = dict(_arrays(split))
    texts = [each for each in (split.raw_text, split.words, split.context) if each is not None]
    return (
        all(array.ndim and len(array) == n for array in arrays.values())
        and all(len(each) == n for each in texts)
        and arrays["audio"].ndim == arrays["vision"].ndim == 3
        and all(array.dtype.kind == _KINDS.get(field, "f") for field, array in arrays.items())
    )


def _open_split(name: SplitName, folder: Path) -> Split:
    fields: dict[str, Any] = {field: np.array(map_npy(folder / f"{name}.{field}.npy")) for field in _LOADED}
    for field in _MAPPED:
        path = folder / f"{name}.{field}.npy"
        if path.exists():
            fields[field] = map_npy(path)
    for field in _TEXTS:
        path = folder / f"{name}.{field}.json"
        if path.exists():
            texts = json.loads(path.read_text(encoding="utf-8"))
            fields[field] = tuple(map(tuple, texts) if field == "words" else texts)
    for group, prefix in _GROUPS.items():
        fields[group] = {
            path.name.removeprefix(f"{name}.{prefix}").removesuffix(".npy"): map_npy(path)
            for path in sorted(folder.glob(f"{name}.{prefix}*.npy"))
        }
    return Split(name=name, **fields)
