"""Feature files of every layout at any size: noise in the shapes of the field's own files."""

from __future__ import annotations

import csv
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from msabench.run import Array

SHARES = {"train": 0.7, "dev": 0.1, "test": 0.2}
WORDS = ("well", "the", "film", "was", "really", "not", "bad", "umm", "although", "expensive")
Sample = tuple[Any, ...]


def make(layout: str, folder: Path, size: int, protocol: int) -> Path:
    """Write a sound file, or a folder of files.

    Parameters
    ----------
    layout
        A key of `MAKERS`.
    folder
        Where to; made if it is absent.
    size
        Roughly how many bytes.
    protocol
        Of pickles, 2 to 5; other formats have none.

    Returns
    -------
    Path
        What to read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return MAKERS[layout](folder, size, protocol)


def _frames(rng: np.random.Generator, *shape: int) -> Array:
    return rng.standard_normal(shape, dtype=np.float32)


def _words(rng: np.random.Generator, low: int, high: int) -> list[str]:
    return [WORDS[i] for i in rng.integers(0, len(WORDS), rng.integers(low, high))]


def _lists(size: int, sample: Callable[[np.random.Generator, str], Sample]) -> dict[str, list[Sample]]:
    """As many samples of a form as fill the size, in three lists."""
    rng = np.random.default_rng(0)
    one = sum(len(pickle.dumps(sample(rng, ""), protocol=4)) for _ in range(40)) / 40
    return {
        name: [sample(rng, f"{name}[{row}]") for row in range(max(1, int(size * share / one)))]
        for name, share in SHARES.items()
    }


def _dump(path: Path, content: object, protocol: int) -> Path:
    with path.open("wb") as file:
        pickle.dump(content, file, protocol=protocol)
    return path


def _mag(folder: Path, size: int, protocol: int) -> Path:
    def sample(rng: np.random.Generator, name: str) -> Sample:
        words = _words(rng, 4, 37)
        return (words, _frames(rng, len(words), 47), _frames(rng, len(words), 74)), _frames(rng, 1, 1), name

    return _dump(folder / "mosi.pkl", _lists(size, sample), protocol)


def _misa(folder: Path, size: int, protocol: int) -> Path:
    def sample(rng: np.random.Generator, name: str) -> Sample:
        words = _words(rng, 4, 37)
        n = len(words)
        return (np.arange(n), _frames(rng, n, 47), _frames(rng, n, 74), words), _frames(rng, 1, 1), name

    for name, part in _lists(size, sample).items():
        _dump(folder / f"{name}.pkl", part, protocol)
    return folder


def _mmim(folder: Path, size: int, protocol: int) -> Path:
    def sample(rng: np.random.Generator, name: str) -> Sample:
        n, m = (int(each) for each in rng.integers(100, 500, 2))
        visual, acoustic = _frames(rng, n, 20), _frames(rng, m, 5)
        fields: Sample = ([], visual, acoustic, _words(rng, 4, 37), np.int64(n), np.int64(m))
        return fields, _frames(rng, 1, 1), name

    for name, part in _lists(size, sample).items():
        _dump(folder / f"{name}.pkl", part, protocol)
    return folder


def _hkt(folder: Path, size: int, protocol: int) -> Path:
    def speech(rng: np.random.Generator, sentences: list[str], *, joined: bool) -> Sample:
        n = sum(len(each.split()) for each in sentences)
        text = " ".join(sentences) if joined else sentences
        return text, *(_frames(rng, n, width) for width in (91, 81, 4))

    def sample(rng: np.random.Generator, name: str) -> Sample:
        before = [" ".join(_words(rng, 4, 25)) for _ in range(3)]
        spoken = speech(rng, [" ".join(_words(rng, 4, 25))], joined=True)
        return spoken, speech(rng, before, joined=False), name, int(rng.integers(0, 2))

    return _dump(folder / "ur_funny.pkl", _lists(size, sample), protocol)


def _arrays(size: int, shapes: dict[str, tuple[int, int]], **names: str) -> dict[str, dict[str, Any]]:
    """Padded arrays of each split; ids and labels go by the given names."""
    rng = np.random.default_rng(0)
    total = size / (4 * sum(length * width for length, width in shapes.values()))
    content: dict[str, dict[str, Any]] = {}
    for split, share in SHARES.items():
        n = max(1, int(total * share))
        content["valid" if split == "dev" else split] = {
            **{key: _frames(rng, n, *shape) for key, shape in shapes.items()},
            names["id"]: [f"{split}$_${row}" for row in range(n)],
            names["label"]: rng.uniform(-3, 3, n).astype(np.float32),
        }
    return content


def _mult(folder: Path, size: int, protocol: int) -> Path:
    content = _arrays(
        size, {"text": (50, 300), "audio": (500, 74), "vision": (500, 35)}, id="id", label="labels"
    )
    for part in content.values():
        for key, padding in (("text", 20), ("audio", 200), ("vision", 200)):
            part[key][:, :padding] = 0
    return _dump(folder / "mosei_senti_data_noalign.pkl", content, protocol)


def _mmsa(folder: Path, size: int, protocol: int) -> Path:
    shapes = {"text": (50, 768), "audio": (500, 74), "vision": (500, 35)}
    content = _arrays(size, shapes, id="id", label="regression_labels")
    for part in content.values():
        part["raw_text"] = np.array(["some words"] * len(part["id"]))
    return _dump(folder / "unaligned_50.pkl", content, protocol)


def _cherma(folder: Path, size: int, protocol: int) -> Path:
    rng = np.random.default_rng(0)
    shapes = {"text": (80, 1024), "audio": (50, 1024), "visual": (16, 2048)}
    total = size / (4 * sum(length * width for length, width in shapes.values()))
    for stage, share in SHARES.items():
        names = [f"{stage}_{row}" for row in range(max(1, int(total * share)))]
        label = dict.fromkeys(("txt_label", "audio_label", "visual_label", "video_label"), "平静")
        entries = [{"audio_file": f"{name}.wav", **label} for name in names]
        (folder / f"{stage}.json").write_text(json.dumps(entries), encoding="utf-8")
        for kind, shape in shapes.items():
            place = folder / kind / stage
            place.mkdir(parents=True, exist_ok=True)
            for name in names:
                np.save(place / f"{name}{'.mp4' * (kind == 'visual')}.npy", _frames(rng, *shape))
    return folder


def _csd(folder: Path, size: int, protocol: int) -> Path:
    import h5py  # type: ignore[import-untyped]

    rng = np.random.default_rng(0)
    seconds = 60
    videos = [f"video{i}" for i in range(max(3, size // (seconds * 4 * (100 * 76 + 30 * 37))))]
    rates = {"COVAREP": (100, 74), "FACET_4.2": (30, 35), "words": (2, 0), "Labels": (0.2, 1)}
    for root, (hertz, width) in rates.items():
        start = np.arange(0, seconds, 1 / hertz, dtype=np.float32)
        with h5py.File(folder / f"{root}.csd", "w") as file:
            for video in videos:
                group = file.create_group(f"{root}/data/{video}")
                group["intervals"] = np.stack([start, start + np.float32(1 / hertz)], 1)
                spoken = rng.choice(np.array(WORDS, dtype="S32"), (len(start), 1))
                group["features"] = _frames(rng, len(start), width) if width else spoken
    first, second = (int(share * (len(videos) - 3)) for share in (0.7, 0.8))
    folds = {
        "train": videos[: first + 1],
        "valid": videos[first + 1 : second + 2],
        "test": videos[second + 2 :],
    }
    (folder / "folds.json").write_text(json.dumps(folds), encoding="utf-8")
    return folder


def _table(folder: Path, size: int, protocol: int) -> Path:
    rng = np.random.default_rng(0)
    texts = [" ".join(_words(rng, 4, 60)) for _ in range(1000)]
    one = 25 + sum(map(len, texts)) / len(texts)
    with (folder / "meld.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("id", "split", "text", "label"))
        for name, share in SHARES.items():
            for row in range(int(size * share / one)):
                rows.writerow((f"{name}_{row}", name, texts[row % 1000], f"{row % 7 - 3}"))
    return folder / "meld.csv"


MAKERS: dict[str, Callable[[Path, int, int], Path]] = {
    "mmsa": _mmsa,
    "mult": _mult,
    "mag": _mag,
    "misa": _misa,
    "mmim": _mmim,
    "hkt": _hkt,
    "cherma": _cherma,
    "csd": _csd,
    "csv": _table,
}
"""By layout; `mmim` is misa's with frames of their own"""
