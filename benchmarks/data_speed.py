"""Feature files: conversion beside `pickle.load`, `data check`, batches beside PyTorch's DataLoader, memory.

Every measurement runs in a process of its own, on a twin. Files are read once before: what is compared is not
the speed of the disk.

Batches are of 32, in a new random order each epoch, of the training split with the text features that the
file holds. The DataLoader goes over the same mapped arrays, shuffles, and collates by default. Its Dataset
makes a dict for each sample: text, audio, vision, label and lengths as tensors, and the index. MMSA makes
them by `torch.Tensor(array[i])`, which shares the memory of the array, so that collating is the one copy;
others by `torch.tensor(array[i])`, which copies. The id and the transcript that MMSA adds are left out.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import pickle
import shutil
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks import data_memory
from benchmarks.data_memory import peak

BATCH = 32
ROUNDS = 3
"""Times that each way of making batches is measured; medians are printed"""


def main(options: argparse.Namespace) -> None:
    """Print the tables."""
    from msabench.data.cards import DATASETS
    from msabench.data.twin import ensure_twin

    print("\n| twin | file MiB | step | s | MB/s | peak memory, MiB | of the file |\n" + "| --- " * 7 + "|")
    for name in options.data.split(","):
        dataset, _, variant = name.partition(":")
        file = ensure_twin(DATASETS[dataset], variant, options.work, options.data_scale)
        size = file.stat().st_size
        store = options.work / "data-cache"
        shutil.rmtree(store, ignore_errors=True)
        for step in ("pickle.load", "load_pickle", "hash", "convert", "open", "check"):
            done = measure(step, file, store)
            seconds, grown = done["seconds"], done["peak"]
            print(
                f"| {name} x {options.data_scale:g} | {size / 2**20:.0f} | {step} | {seconds:.2f} "
                f"| {size / 1e6 / seconds:.0f} | {grown / 2**20:.0f} | {grown / size:.2f} |",
                flush=True,
            )
    print("\n| twin | threads | batches by | batches/s | ours is faster by |\n" + "| --- " * 5 + "|")
    for name in options.data.split(","):
        dataset, _, variant = name.partition(":")
        file = ensure_twin(DATASETS[dataset], variant, options.work, options.data_scale)
        rates: dict[tuple[int, str], list[float]] = {}
        # in turn, so that other work on the machine disturbs all alike
        for _, threads, step in itertools.product(range(ROUNDS), (1, 2), BATCHES):
            found = measure(step, file, store, name, threads)["rate"]
            rates.setdefault((threads, step), []).append(found)
        for (threads, step), found in rates.items():
            ratios = [our / their for our, their in zip(rates[threads, "ours"], found, strict=True)]
            print(
                f"| {name} x {options.data_scale:g} | {threads} | {step} | {statistics.median(found):.0f} "
                f"| {statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f}) |",
                flush=True,
            )
    data_memory.table(data_memory.measure(options.work, 200))


def measure(step: str, file: Path, store: Path, name: str = "mosi", threads: int = 2) -> dict[str, float]:
    """Run one step in its own process; `threads` are torch's."""
    command = [sys.executable, "-m", "benchmarks.data_speed", step, str(file), str(store), name]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{step} failed on {file}:\n{done.stderr[-3000:]}")
    result: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def one(step: str, file: Path, store: Path, name: str) -> dict[str, float]:
    """A step's seconds and growth in memory, or its rate; inside the process of its own."""
    if step in BATCHES:
        return {"rate": BATCHES[step](file, store, name)}
    work = prepared(step, file, store)
    before = peak()
    started = time.perf_counter()
    work()
    return {"seconds": time.perf_counter() - started, "peak": float(peak() - before)}


def prepared(step: str, file: Path, store: Path) -> Callable[[], object]:
    """What is timed, with everything imported."""
    import filelock  # noqa: F401

    from msabench.data import cache
    from msabench.data.describe import describe
    from msabench.data.unpickle import load_pickle

    if step == "pickle.load":
        warm(file)
        return lambda: unpickled(file)
    if step == "load_pickle":
        return lambda: load_pickle(file)
    if step == "hash":
        return lambda: cache.fingerprint(file, store)
    if step == "check":
        return lambda: describe(file, cache_root=store)
    digest = cache.fingerprint(file, store)
    return lambda: cache.read(file, digest, store, "mmsa")


def unpickled(file: Path) -> object:
    """As code bases read it."""
    with file.open("rb") as stream:
        return pickle.load(stream)


def warm(file: Path) -> None:
    """Bring the file into the system's cache."""
    with file.open("rb") as stream:
        while stream.read(1 << 24):
            pass


def ours(file: Path, store: Path, name: str) -> float:
    """Batches per second of `TensorSplit.batch` in the order of a training."""
    import torch

    split = tensors(file, store, name)
    return rate(lambda: (split.batch(rows) for rows in torch.randperm(len(split)).split(BATCH)))


def loader(workers: int, make: str) -> Callable[[Path, Path, str], float]:
    """Batches per second of a DataLoader over the same arrays, with a tensor made for each sample."""

    def run(file: Path, store: Path, name: str) -> float:
        import torch
        from torch.utils.data import DataLoader, Dataset

        # the arrays are mapped read-only, and nobody writes
        warnings.filterwarnings("ignore", message=".*not writable.*")
        tensor, split = getattr(torch, make), tensors(file, store, name)
        arrays = {key: getattr(split, key).numpy() for key in ("text", "audio", "vision")}
        lengths = {key: getattr(split, key).numpy() for key in ("audio_lengths", "vision_lengths")}
        labels = split.labels.numpy()

        class Samples(Dataset[dict[str, Any]]):
            def __len__(self) -> int:
                return len(split)

            def __getitem__(self, i: int) -> dict[str, Any]:
                return {
                    **{key: tensor(array[i]) for key, array in arrays.items()},
                    **{key: array[i] for key, array in lengths.items()},
                    "index": i,
                    "labels": {"M": tensor(labels[i].reshape(-1))},
                }

        batches = DataLoader(
            Samples(), batch_size=BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0
        )
        return rate(lambda: batches)

    return run


def tensors(file: Path, store: Path, name: str) -> Any:
    """The training split, with the text features that the file holds."""
    import torch

    from msabench.data import open_source
    from msabench.data.cache import fingerprint
    from msabench.data.cards import resolve
    from msabench.data.load import DataSource
    from msabench.encoders import resolve as encoder
    from msabench.method import InputForm
    from msabench.tensors import prepare

    card, variant = resolve(name)
    found = DataSource(
        name=f"{card.name}:{variant.name}",
        path=file,
        fingerprint=fingerprint(file, store),
        kind="twin",
        card=card,
        variant=variant,
        cache_root=store,
    )
    torch.manual_seed(0)
    data = prepare(
        open_source(found),
        InputForm(text="frozen"),
        encoder("features", card.language),
        finetuned=False,
        device=torch.device("cpu"),
    )
    return data.train


def rate(epoch: Callable[[], Iterable[Any]], seconds: float = 1.5, epochs: int = 3) -> float:
    """Batches per second of the median epoch, after one that starts workers and touches the maps.

    There are `epochs` at least, and as many more as fit into the seconds.
    """
    rates: list[float] = []
    end = 0.0
    while len(rates) < epochs or time.perf_counter() < end:
        started, count, batches = time.perf_counter(), 0, iter(epoch())
        # each batch is let go before the next is asked for
        while next(batches, None) is not None:
            count += 1
        now = time.perf_counter()
        if not end:
            end = now + seconds
        else:
            rates.append(count / (now - started))
    return statistics.median(rates)


BATCHES: dict[str, Callable[[Path, Path, str], float]] = {
    "ours": ours,
    "DataLoader, 0 workers, torch.Tensor": loader(0, "Tensor"),
    "DataLoader, 0 workers, torch.tensor": loader(0, "tensor"),
    "DataLoader, 2 workers, torch.Tensor": loader(2, "Tensor"),
    "DataLoader, 2 workers, torch.tensor": loader(2, "tensor"),
}

if __name__ == "__main__":
    print(json.dumps(one(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])))
