"""What is fuzzed with files made of the fuzzer's choices: each target puts one file into sound company."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import atheris
import numpy as np
from atheris import FuzzedDataProvider

with atheris.instrument_imports(
    include=["msabench.arrays", "msabench.data", "msabench.predictions", "msabench.records"]
):
    from msabench.arrays import map_npy
    from msabench.data import cache
    from msabench.data.describe import describe
    from msabench.data.layouts import csd as csd_layout
    from msabench.predictions import read_predictions
    from msabench.records import Store
from benchmarks.fuzz_files import VIDEOS, archive, npy, sequence
from msabench.errors import MsabenchError
from msabench.run import RunRecord, RunSpec, Task, Truths

Once = Callable[[bytes], str]
"""Reads what one input makes, and says how that ended"""

_STAMP = Path("/tmp/msabench-was-here")
"""What the pickles among the files would leave"""


class _Plain:
    """Choices of which every one is the first: they make a sound file."""

    def ConsumeIntInRange(self, low: int, high: int) -> int:
        return low

    def ConsumeBool(self) -> bool:
        return False

    def ConsumeBytes(self, count: int) -> bytes:
        return b""

    def PickValueInList(self, values: list[object]) -> object:
        return values[0]


def csd(folder: Path) -> Once:
    """A folder of computational sequences.

    Files are not looked at in another process before, which would take most of the time; so the fuzzer stops
    at those that the HDF5 library hangs or crashes on.
    """
    csd_layout.probe = lambda paths: None
    for kind in ("words", "labels", "audio"):
        (folder / f"{kind}.csd").write_bytes(sequence(_Plain(), kind))
    folds = dict(zip(("train", "valid", "test"), ([video] for video in VIDEOS), strict=True))
    (folder / "folds.json").write_text(json.dumps(folds))  # reading the official ones takes most of the time
    sound = {path: path.read_bytes() for path in folder.glob("*.csd")}

    def once(content: bytes) -> str:
        choose = FuzzedDataProvider(content)
        kind = choose.PickValueInList(["words", "labels", "audio"])
        (folder / f"{kind}.csd").write_bytes(sequence(choose, kind))
        try:
            return _described(folder)
        finally:
            (folder / f"{kind}.csd").write_bytes(sound[folder / f"{kind}.csd"])

    return once


def csd_probed(folder: Path) -> Once:
    """The same as a user has it, for inputs that `csd` stopped at."""
    probe = csd_layout.probe
    once = csd(folder)
    csd_layout.probe = probe
    return once


def cherma(folder: Path) -> Once:
    """CHERMA's folder, with a `.npy` file per sample."""
    for stage in ("train", "dev", "test"):
        entry = {f"{key}_label": "平静" for key in ("txt", "audio", "visual", "video")}
        (folder / f"{stage}.json").write_text(json.dumps([{"audio_file": f"{stage}.wav", **entry}]))
        for kind, ending in (("text", ".npy"), ("audio", ".npy"), ("visual", ".mp4.npy")):
            (folder / kind / stage).mkdir(parents=True)
            np.save(folder / kind / stage / f"{stage}{ending}", np.ones((2, 3), np.float32))

    path = folder / "audio" / "dev" / "dev.npy"

    def once(content: bytes) -> str:
        path.write_bytes(npy(FuzzedDataProvider(content), (2, 3)))
        alone = _ended(lambda: f"read {map_npy(path).tobytes()[:0]!r}")
        # the whole folder takes a hundred times as long
        return _described(folder) if alone.startswith("read") else alone

    return once


def score(folder: Path) -> Once:
    """A file for `msabench score`."""
    path = folder / "predictions.npz"

    def once(content: bytes) -> str:
        choose = FuzzedDataProvider(content)
        logits = choose.PickValueInList([False, False, True])
        outputs = {"logit_0": (4,), "logit_1": (4,)} if logits else {"pred": (4,)}
        path.write_bytes(archive(choose, {**outputs, "truth": (4,), "id": (4,)}))
        return _ended(lambda: str(len(read_predictions(path)) and "read"))

    return once


def record(folder: Path) -> Once:
    """A study's record: its predictions, or the truths beside them."""
    truths = Truths(
        valid_ids=np.array(["a", "b"]),
        valid=np.ones(2, np.float32),
        test_ids=np.array(["c"]),
        test=np.zeros(1),
    )
    spec = RunSpec(
        method="tfn", method_version=1, hyperparameters={}, dataset="mosi:unaligned", data_kind="twin",
        data_hash="ab" * 32, seed=1, text_encoder="tiny@0", text_mode="frozen",
    )  # fmt: skip
    made = RunRecord(
        spec=spec, status="finished", task=Task(kind="regression"), convention="mmsa",
        truths_hash=truths.fingerprint, seconds=(1.0, 1.0), losses=({}, {}), valid_loss=(1.0, 1.0),
        valid_criterion=(1.0, 1.0), valid_predictions=np.ones((2, 2)), test_predictions=np.ones((2, 1)),
    )  # fmt: skip
    store = Store(folder)
    store.write(made, truths)
    arrays, beside = folder / "runs" / made.key / "predictions.npz", next((folder / "data").glob("*.npz"))
    sound = {path: path.read_bytes() for path in (arrays, beside)}

    def once(content: bytes) -> str:
        choose = FuzzedDataProvider(content)
        if choose.PickValueInList([True, True, False]):
            path, shapes = arrays, {"valid": (2, 2), "test": (2, 1)}
        else:
            path, shapes = beside, {"valid_ids": (2,), "valid": (2,), "test_ids": (1,), "test": (1,)}
        path.write_bytes(archive(choose, shapes))
        try:
            return _ended(lambda: "read" if store.get(made.key).epochs and store.frame() is not None else "")
        finally:
            path.write_bytes(sound[path])

    return once


def cached(folder: Path) -> Once:
    """The cache of a converted file, one of whose files is replaced: it is sound, or not used."""
    source = folder / "source.csv"
    rows = [f"{name}{row},{name},x,{row % 2}" for name in ("train", "valid", "test") for row in range(2)]
    source.write_text("\n".join(["id,split,text,label", *rows]) + "\n")
    root = folder / "cache"
    digest = cache.fingerprint(source, root)
    made = cache.read(source, digest, root, "table", "toy").folder
    files = sorted(path for path in made.iterdir() if path.suffix in (".npy", ".json"))
    sound = {path: path.read_bytes() for path in files}

    def once(content: bytes) -> str:
        choose = FuzzedDataProvider(content)
        path = choose.PickValueInList(files)
        junk = choose.PickValueInList(
            [b"{}", b"[]", b"null", b'{"format": 3}', b"[" * 10000, b"\xff", b"[1, 2]"]
        )
        path.write_bytes(npy(choose, (2,)) if path.suffix == ".npy" else junk)
        try:
            found = cache._open(made, digest)
        finally:
            path.write_bytes(sound[path])
        if found is None:
            return "made anew"
        for split in found.splits:
            assert [len(split.labels), len(split.audio), len(split.vision_lengths)] == [2, 2, 2]
            assert split.labels.dtype.kind == "f" and split.audio.ndim == 3
        return "read"

    return once


def _described(folder: Path) -> str:
    return _ended(lambda: "sound" if describe(folder).sound else "unsound")


def _ended(read: Callable[[], str]) -> str:
    """How reading ends; raises whatever should not be."""
    try:
        return read()
    except MsabenchError as error:
        if isinstance(error.__cause__, MemoryError | RecursionError):
            raise error.__cause__ from None
        if not error.where:
            raise AssertionError(f"names no place: {error.what}") from None
        return "refused" if "refused" in error.what else "damaged"
    finally:
        assert not _STAMP.exists(), "a file was executed"


TARGETS: Mapping[str, Callable[[Path], Once]] = {
    "csd": csd, "csd-probed": csd_probed, "npy": cherma, "score": score, "record": record, "cache": cached,
}  # fmt: skip
