"""HDF5 and numpy files made of a fuzzer's choices: sound ones with hostile parts, and damage over that."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import h5py
import numpy as np

VIDEOS = ("2iD-tVS8NPw", "WKA5OygbEKI", "tmZoasNr4rU")
"""One of each official fold of CMU-MOSI"""
_DIMENSIONS = (0, 1, 2, 3, 4, 7, 100, 1 << 20, 1 << 31, 1 << 40, (1 << 62) + 1)


class Choices(Protocol):
    """What is used of atheris' FuzzedDataProvider."""

    def ConsumeIntInRange(self, low: int, high: int) -> int: ...
    def ConsumeBool(self) -> bool: ...
    def ConsumeBytes(self, count: int) -> bytes: ...
    def PickValueInList(self, values: list[Any]) -> Any: ...


def damaged(content: bytes, choose: Choices) -> bytes:
    """The content with a few places overwritten, cut out or repeated, or its end cut off; or as it is."""
    made = bytearray(content)
    for _ in range(choose.ConsumeIntInRange(0, 4)):
        at = choose.ConsumeIntInRange(0, len(made))
        kind = choose.ConsumeIntInRange(0, 5)
        if kind <= 2:
            put = choose.ConsumeBytes(choose.ConsumeIntInRange(1, 8))
            made[at : at + len(put)] = put
        elif kind == 3:
            del made[at : at + choose.ConsumeIntInRange(1, 64)]
        elif kind == 4:
            made[at:at] = made[at : at + choose.ConsumeIntInRange(1, 256)]
        else:
            del made[at:]
    return bytes(made)


# -- HDF5 ---------------------------------------------------------------------------------------------------


def sequence(choose: Choices, kind: str) -> bytes:
    """A `.csd` file, of words, labels or frames, with up to four hostile entries and some damage."""
    root = {"words": "words", "labels": "Opinion Segment Labels"}.get(kind, "COVAREP")
    libver = choose.PickValueInList(["earliest", "latest"])
    with h5py.File("made", "w", driver="core", backing_store=False, libver=libver) as file:
        for video in VIDEOS:
            entry = file.create_group(f"{root}/data/{video}")
            entry["intervals"] = np.stack([np.arange(4.0), np.arange(1.0, 5.0)], 1)
            if kind == "words":
                entry["features"] = np.array([[b"so"], [b"good"], [b"sp"], [b"film"]], "S32")
            else:
                entry["features"] = np.linspace(-1, 1, 4 if kind == "labels" else 8).reshape(4, -1)
        for _ in range(choose.ConsumeIntInRange(0, 4)):
            _spoil(file, root, choose)
        file.flush()
        content = bytes(file.id.get_file_image())
    return damaged(content, choose)


def _spoil(file: Any, root: str, choose: Choices) -> None:
    """Put something hostile in the place of an entry, of one of its arrays, or of all entries."""
    video, what = choose.PickValueInList(list(VIDEOS)), choose.PickValueInList(list(HOSTILE))
    entry = f"{root}/data/{video}"
    place, key = choose.PickValueInList(
        [(entry, "features"), (entry, "intervals"), (f"{root}/data", video), (root, "data"), ("/", root)]
    )
    try:
        group = file[place]
        if not isinstance(group, h5py.Group):
            return
        if key in group and choose.ConsumeIntInRange(0, 9):
            del group[key]
        HOSTILE[what](group, key, choose)
    except (AttributeError, ValueError, TypeError, OSError, RuntimeError, KeyError, OverflowError):
        return  # what cannot be written is of no interest


def _shape(choose: Choices) -> tuple[int, ...]:
    return tuple(choose.PickValueInList(list(_DIMENSIONS)) for _ in range(choose.ConsumeIntInRange(0, 4)))


def _declared(group: Any, key: str, choose: Choices) -> None:
    shape, dtype = (
        _shape(choose),
        choose.PickValueInList(["f4", "f8", "i1", "S32", "f2", ">f8", "b1", "g", "u8"]),
    )
    chunks = tuple(min(size, 1 << choose.ConsumeIntInRange(0, 24)) or 1 for size in shape)
    packed = choose.PickValueInList([None, "gzip", "lzf"])
    group.create_dataset(key, shape, dtype, chunks=chunks if shape else None, compression=packed)


def _huge_contiguous(group: Any, key: str, choose: Choices) -> None:
    group.create_dataset(key, _shape(choose), choose.PickValueInList(["f8", "S65535", "u1"]))


def _bomb(group: Any, key: str, choose: Choices) -> None:
    rows = choose.PickValueInList([4, 1 << 12, 1 << 17])
    group.create_dataset(key, data=np.zeros((rows, 2)), chunks=(rows, 2), compression="gzip", shuffle=True)


def _external(group: Any, key: str, choose: Choices) -> None:
    group.create_dataset(
        key, (4, 2), "f4", external=[(choose.PickValueInList(["/etc/passwd", "made"]), 0, 32)]
    )


def _virtual(group: Any, key: str, choose: Choices) -> None:
    layout = h5py.VirtualLayout((4, 2), "f4")
    layout[:] = h5py.VirtualSource(choose.PickValueInList([".", "elsewhere.h5", "/etc/passwd"]), key, (4, 2))
    group.create_virtual_dataset(key, layout)


def _unknown_filter(group: Any, key: str, choose: Choices) -> None:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((4, 2))
    properties.set_filter(choose.PickValueInList([4, 5, 6, 305, 32015]), h5py.h5z.FLAG_OPTIONAL, (1, 2))
    space = h5py.h5s.create_simple((4, 2))
    h5py.h5d.create(group.id, key.encode(), h5py.h5t.NATIVE_FLOAT, space, properties)


def _typed(group: Any, key: str, choose: Choices) -> None:
    dtypes = [
        h5py.string_dtype(),
        h5py.vlen_dtype(np.float32),
        h5py.ref_dtype,
        h5py.regionref_dtype,
        h5py.enum_dtype({"a": 1}, "i4"),
        np.dtype([("a", "f4"), ("b", "S3")]),
        np.dtype(("f4", (2, 3))),
        np.dtype("V7"),
        np.dtype("c8"),
        np.dtype("S65000"),
    ]
    group.create_dataset(key, (4, choose.ConsumeIntInRange(1, 3)), choose.PickValueInList(dtypes))


def _filled(group: Any, key: str, choose: Choices) -> None:
    value = choose.PickValueInList([np.nan, np.inf, -np.inf, 1e300, -1])
    group.create_dataset(key, (4, 2), "f8", fillvalue=value, chunks=(2, 2))


def _values(group: Any, key: str, choose: Choices) -> None:
    rows, columns = choose.ConsumeIntInRange(0, 6), choose.ConsumeIntInRange(0, 3)
    numbers = [choose.PickValueInList([0, 1, -1, 2.5, 1e300, np.nan, np.inf, -np.inf]) for _ in range(rows)]
    group[key] = np.tile(np.array(numbers, "f8")[:, None], (1, columns))


def _many(group: Any, key: str, choose: Choices) -> None:
    for number in range(choose.PickValueInList([1, 20, 100])):
        group[f"{key}[{number}]"] = group


def _renamed(group: Any, key: str, choose: Choices) -> None:
    group.create_group(choose.PickValueInList(["..", ".", "é[", "[", "x" * 5000, "a\nb", "\ud800", "[0]"]))


HOSTILE: Mapping[str, Callable[[Any, str, Choices], object]] = {
    "declared": _declared,
    "contiguous": _huge_contiguous,
    "bomb": _bomb,
    "external storage": _external,
    "virtual": _virtual,
    "filter": _unknown_filter,
    "type": _typed,
    "fill value": _filled,
    "values": _values,
    "many names": _many,
    "names": _renamed,
    "nothing": lambda group, key, choose: None,
    "group": lambda group, key, choose: group.create_group(key),
    "null": lambda group, key, choose: group.__setitem__(key, h5py.Empty("f8")),
    "scalar": lambda group, key, choose: group.__setitem__(key, 3.5),
    "named type": lambda group, key, choose: group.__setitem__(key, np.dtype("f8")),
    "loop": lambda group, key, choose: group.__setitem__(key, group),
    "parent": lambda group, key, choose: group.__setitem__(key, group.parent),
    "soft link": lambda group, key, choose: group.__setitem__(key, h5py.SoftLink(f"{group.name}/{key}")),
    "external link": lambda group, key, choose: group.__setitem__(key, h5py.ExternalLink("/etc/passwd", "/")),
}
"""What is put in the place of an entry, or of one of its arrays"""


# -- numpy --------------------------------------------------------------------------------------------------

DESCRIPTIONS = (
    "'<f4'", "'<f4'", "'<f4'", "'<f8'", "'>f8'", "'<i8'", "'<U8'", "'|S5'", "'|b1'", "'<f2'", "'<U0'",
    "'|S0'", "'|O'", "'|V8'", "'<c16'", "'<M8[ns]'", "'|S4000000000'", "[('a', '<f4')]", "[('a', '|O')]",
    "('<f4', (3,))", "'<f4', 'x': 1", "'" + "(" * 200, "'f4,(1000000000,)O'", "12", "None", "'g'",
)  # fmt: skip
"""As a header's `descr`"""


def npy(choose: Choices, shape: tuple[int, ...] = (4,)) -> bytes:
    """A `.npy` file, whose header may lie about what follows."""
    description = choose.PickValueInList(list(DESCRIPTIONS)) if choose.ConsumeBool() else "'<f4'"
    shape = _shape(choose) if choose.ConsumeIntInRange(0, 3) == 0 else shape
    order = choose.PickValueInList(["False", "False", "False", "True", "1", "None"])
    header = f"{{'descr': {description}, 'fortran_order': {order}, 'shape': {shape!r}, }}"
    header += " " * choose.PickValueInList([0, 0, 1, 20000]) + "\n"
    version = choose.PickValueInList([1, 1, 1, 2, 3, 9])
    size = struct.pack("<H" if version == 1 else "<I", min(len(header), 65535))
    start = b"\x93NUMPY" + bytes([version, 0]) + size + header.encode()
    return start + _payload(choose, shape, description)


def _payload(choose: Choices, shape: tuple[int, ...], description: str) -> bytes:
    digits = "".join(filter(str.isdigit, description.split(",")[0])) or "4"
    width = min(int(digits), 64) * (4 if "U" in description else 1)
    exact = width
    for size in shape:
        exact *= size
    length = choose.PickValueInList([exact, exact, exact, 0, exact // 2, exact + 7])
    kind = choose.ConsumeIntInRange(0, 3)
    if kind == 0:
        return b"cos\nsystem\n(S'touch /tmp/msabench-was-here'\ntR."
    content = choose.ConsumeBytes(min(length, 64))
    return content + bytes(max(0, min(length, 1 << 16) - len(content)))


def archive(choose: Choices, shapes: Mapping[str, tuple[int, ...]]) -> bytes:
    """An `.npz` file of these arrays, some of them hostile, missing or there twice."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, shape in shapes.items():
            for _ in range(choose.PickValueInList([1, 1, 1, 1, 1, 1, 0, 2])):
                packed = choose.PickValueInList(
                    [
                        zipfile.ZIP_STORED,
                        zipfile.ZIP_DEFLATED,
                        zipfile.ZIP_DEFLATED,
                        zipfile.ZIP_BZIP2,
                        zipfile.ZIP_LZMA,
                    ]
                )
                named = choose.PickValueInList([f"{name}.npy"] * 6 + [name, f"../{name}.npy", f"{name}.npy/"])
                content = npy(choose, shape)
                if packed == zipfile.ZIP_DEFLATED and choose.ConsumeIntInRange(0, 15) == 15:
                    content += bytes(1 << 18)
                file.writestr(named, content, compress_type=packed)
    return damaged(stream.getvalue(), choose)
