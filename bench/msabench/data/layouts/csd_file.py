"""One computational sequence (`.csd`): an HDF5 file from a stranger, opened with care.

    <root name>/data/<video>/features     (n, d) numbers, or (n, 1) strings of fixed length for words
    <root name>/data/<video>/intervals    (n, 2) seconds from the start of the video
    <root name>/metadata/...              not read

An HDF5 file can point at other files (external and soft links, external and virtual storage) and declare
arrays of any size that take no room in it. All of that is refused before memory is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from msabench.errors import DataError
from msabench.run import Array

_ENTRY = 1 << 28
"""Bytes of one array: an hour of COVAREP takes 215 MB as float64"""
_RATIO = 1100
"""deflate packs at most 1032 to 1"""
_VIDEOS = 200_000
_FILTERS = {1, 2, 3, 32000}
"""deflate, shuffle, fletcher32, lzf: built in, so that no plugin is loaded"""
_AGAIN = "get the file again from its owners (see CMU-MultimodalSDK)"


class ComputationalSequence:
    """A `.csd` file, open for reading; a context manager.

    Parameters
    ----------
    path
        The file.

    Attributes
    ----------
    name
        The root name, as in `COVAREP`.
    videos
        Entries by video id; an aligned sequence has several, named `<video>[<segment>]`.

    Raises
    ------
    DataError
        If it is no sound HDF5 file, or not of this form. `read` raises the same.
    """

    def __init__(self, path: Path) -> None:
        import h5py  # type: ignore[import-untyped]

        self.path = path
        try:
            self._file = h5py.File(path, "r", locking=False)
        except Exception as error:  # of a damaged file the library can say nearly anything
            cut = "truncated" in str(error)
            what = "the HDF5 file is truncated" if cut else "not an HDF5 file, or a damaged one"
            raise DataError(f"{what}: {error}", where=str(path), fix=_AGAIN) from error
        try:
            with self._reading("the file"):
                names = list(self._file)
            if len(names) != 1:
                raise self._unfit(f"holds {len(names)} root groups, expected 1", "the file")
            self.name = str(names[0])
            self._data = self._child(self._child(self._file, self.name, h5py.Group), "data", h5py.Group)
            with self._reading(f"/{self.name}/data"):
                self.videos: Mapping[str, list[str]] = self._by_video()
        except DataError:
            self._file.close()
            raise

    def __enter__(self) -> ComputationalSequence:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @cached_property
    def holds_strings(self) -> bool:
        """Whether the features are words, by the first entry."""
        first = next(iter(self.videos.values()))[0]
        return bool(self._dataset(first, "features").dtype.kind in "SU")

    @cached_property
    def width(self) -> int:
        """Features of a frame, by the first entry."""
        shape = self._dataset(next(iter(self.videos.values()))[0], "features").shape
        return int(shape[1]) if len(shape) > 1 else 1

    def touch(self) -> Iterator[None]:
        """Open every array and its index of chunks, without its values; yields after each."""
        for entries in self.videos.values():
            for entry in entries:
                for key in ("intervals", "features"):
                    try:
                        dataset = self._dataset(entry, key)
                        with self._reading(entry):
                            if dataset.chunks:
                                dataset.id.get_num_chunks()
                    except DataError:
                        pass  # others may be worse
                    yield

    def read(self, video: str) -> tuple[Array, Array]:
        """Intervals (n, 2) in seconds and features (n, d) of a video, sorted by start.

        Features are numbers, or fixed-length bytes where `holds_strings`.
        """
        entries: list[tuple[Array, Array]] = []
        size = 0
        for entry in self.videos[video]:
            entries.append(self._entry(entry))
            # entries can be one array under many names, so that the file's size bounds nothing
            size += entries[-1][1].nbytes
            if size > _ENTRY:
                raise self._refused(f"more than {_ENTRY >> 20} MiB for one video", f"{self._place}/{entry}")
        intervals = np.concatenate([each[0] for each in entries])
        widths = {each[1].shape[1] for each in entries}
        if widths != {self.width}:
            raise self._unfit(
                f"holds features of {self.width} columns, but of {max(widths - {self.width})} for {video}",
                self._place,
            )
        order = np.argsort(intervals[:, 0], kind="stable")
        return intervals[order], np.concatenate([each[1] for each in entries])[order]

    def _entry(self, name: str) -> tuple[Array, Array]:
        intervals, features = self._array(name, "intervals"), self._array(name, "features")
        place = f"{self._place}/{name}"
        if intervals.dtype.kind not in "iuf" or intervals.ndim != 2 or intervals.shape[1] != 2:
            raise self._unfit(
                f"intervals have shape {intervals.shape} of {intervals.dtype}, not (n, 2)", place
            )
        if features.ndim == 1:
            features = features[:, None]
        if (features.dtype.kind == "S") != self.holds_strings:
            raise self._unfit(f"features are of {features.dtype}, unlike those of other videos", place)
        if features.ndim != 2 or len(features) != len(intervals):
            raise self._unfit(
                f"features have shape {features.shape}, but there are {len(intervals)} intervals", place
            )
        intervals = intervals.astype(np.float64)
        if not np.isfinite(intervals).all():
            raise self._unfit("an interval begins or ends at no number", place)
        return intervals, features

    def _array(self, entry: str, key: str) -> Array:
        dataset = self._dataset(entry, key)
        with self._reading(f"{self._place}/{entry}/{key}"):
            array: Array = dataset[()]
        return array

    def _dataset(self, entry: str, key: str) -> Any:
        import h5py

        dataset = self._child(self._child(self._data, entry, h5py.Group), key, h5py.Dataset)
        with self._reading(f"{self._place}/{entry}/{key}"):
            self._admit(dataset, f"{self._place}/{entry}/{key}")
        return dataset

    def _child(self, group: Any, name: str, kind: type) -> Any:
        """What a group holds under a name, if it is really in the group and of the expected kind."""
        import h5py

        place = f"{group.name.rstrip('/')}/{name}"
        with self._reading(place):
            # the link is looked at first: `name in group` would follow it
            links = group.id.links
            if not links.exists(name.encode()):
                raise self._unfit(f"lacks '{name}'", group.name)
            link = links.get_info(name.encode()).type
            if link != h5py.h5l.TYPE_HARD:
                words = {h5py.h5l.TYPE_SOFT: "a soft link", h5py.h5l.TYPE_EXTERNAL: "a link to another file"}
                raise self._refused(words.get(link, "a link of an unknown kind"), place)
            child = group[name]
        if not isinstance(child, kind):
            raise self._unfit(f"is a {type(child).__name__}, expected a {kind.__name__}", place)
        return child

    def _admit(self, dataset: Any, place: str) -> None:
        """Refuse what would lead out of the file or take more memory than the file can answer for."""
        dtype = dataset.dtype
        if dtype.kind not in "biufS":
            raise self._refused(f"values of type {dtype} (numbers and fixed-length strings are read)", place)
        if dataset.external or dataset.is_virtual:
            raise self._refused("values that are kept in another file", place)
        properties = dataset.id.get_create_plist()
        filters = {properties.get_filter(i)[0] for i in range(properties.get_nfilters())}
        if filters - _FILTERS:
            raise self._refused(f"compression by filter {min(filters - _FILTERS)}", place)
        if dataset.shape is None:
            raise self._unfit("is empty", place)
        # in Python's own numbers: a product of declared sizes may be beyond 64 bits
        declared = _product(dataset.shape) * dtype.itemsize
        chunk = _product(dataset.chunks or ()) * dtype.itemsize
        stored = int(dataset.id.get_storage_size())
        if declared > _ENTRY or chunk > _ENTRY:
            raise self._refused(
                f"an array declared as {' x '.join(map(str, dataset.shape))} of {dtype}", place
            )
        if declared > _RATIO * stored + 4096:
            raise self._refused(f"an array of {declared} bytes for which {stored} are stored", place)

    def _by_video(self) -> dict[str, list[str]]:
        if not 0 < len(self._data) <= _VIDEOS:
            raise self._unfit(f"holds {len(self._data)} videos, expected 1 to {_VIDEOS}", self._place)
        videos: dict[str, list[str]] = {}
        for entry in self._data:
            videos.setdefault(entry.partition("[")[0], []).append(entry)
        return videos

    @property
    def _place(self) -> str:
        return f"/{self.name}/data"

    @contextmanager
    def _reading(self, place: str) -> Iterator[None]:
        """Turn whatever the library says of a damaged file, which can be nearly anything, into an error."""
        try:
            yield
        except DataError:
            raise
        except Exception as error:
            raise DataError(
                f"{place} cannot be read: {error or type(error).__name__}", where=str(self.path), fix=_AGAIN
            ) from error

    def _refused(self, what: str, place: str) -> DataError:
        return DataError(f"refused: {place} is {what}", where=str(self.path), fix=_AGAIN)

    def _unfit(self, what: str, place: str) -> DataError:
        return DataError(
            f"{place} {what}",
            where=str(self.path),
            fix="a .csd file holds <root name>/data/<video>/features and intervals",
        )


def _product(sizes: tuple[int, ...]) -> int:
    product = 1
    for size in sizes:
        product *= int(size)
    return product
