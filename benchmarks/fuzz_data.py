"""Fuzz the readers of files that strangers hand in, led by coverage: `python -m benchmarks.fuzz_data`.

Needs atheris (`pip install atheris`, in an environment with msabench; Linux, Python 3.11 to 3.13). Targets:

    read, check   bytes as a file of `--suffix`: the unpickler alone, or all that `msabench data check` does
    csd           HDF5: a folder of computational sequences, one of which is made of the fuzzer's choices;
                  stops where the HDF5 library itself hangs or crashes
    csd-probed    the same behind the look from another process that users have: slow, for those inputs
    npy           CHERMA's folder, with one `.npy` file so made
    score         an `.npz` file for `msabench score`
    record        predictions or truths of a study's record
    cache         one file of a converted dataset's cache

Every outcome must be a value, a report or one of msabench's errors that names the place; anything else
(another exception, a crash of a library, more than `--memory` or 10 seconds for an input, a file that was
executed) stops the fuzzer with the input in `crash-*`. Options of libFuzzer follow `--`:

    nice python -m benchmarks.fuzz_data --target csd -- -max_total_time=180
    python -m benchmarks.fuzz_data --target csd-probed -- timeout-...        # that input again
"""

from __future__ import annotations

import argparse
import atexit
import pickle
import resource
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import atheris
import numpy as np

with atheris.instrument_imports(include=["msabench.data"]):
    from msabench.data.describe import describe
    from msabench.data.pickles.limits import Damaged, Refused, Truncated
    from msabench.data.unpickle import load_pickle
from benchmarks.fuzz_targets import TARGETS, Once
from msabench.errors import DataError

EXPECTED = (Damaged, Refused, Truncated, ValueError, TypeError, OverflowError)
"""What may lie behind the DataError of a damaged file"""
COUNTS: Counter[str] = Counter()


def main() -> None:
    """Start libFuzzer; it ends at its own limits, and the outcomes are printed then."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fuzz_data",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--target", choices=("read", "check", *TARGETS), default="read")
    parser.add_argument("--suffix", default=".pkl", help="as which kind of file the bytes are checked")
    parser.add_argument("--corpus", type=Path, default=Path("benchmarks/.work/corpus"))
    parser.add_argument("--memory", type=int, default=3000, help="MiB of address space (default 3000)")
    parser.add_argument("rest", nargs="*", help="options of libFuzzer")
    options = parser.parse_args()
    corpus = options.corpus / options.target
    corpus.mkdir(parents=True, exist_ok=True)
    shared = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=shared if shared.is_dir() else None))
    if options.target in TARGETS:
        once = TARGETS[options.target](folder)
        (corpus / "seed-0").write_bytes(bytes(64))
    else:
        once = _plain(folder / f"fuzzed{options.suffix}", options.target)
        for i, seed in enumerate(seeds(options.suffix)):
            (corpus / f"seed-{i}").write_bytes(seed)
    # what takes more than this is a MemoryError, which no target lets through
    resource.setrlimit(resource.RLIMIT_AS, (options.memory << 20, options.memory << 20))
    # libFuzzer leaves by _exit, so the counts are shown as they grow
    atexit.register(show)
    replayed = [each for each in options.rest if not each.startswith("-")]
    given = (
        options.rest
        if replayed
        else ["-timeout=10", "-len_control=0", "-max_len=2000", str(corpus), *options.rest]
    )
    atheris.Setup([sys.argv[0], *given], counted(once))
    atheris.Fuzz()


def counted(once: Once) -> Any:
    """The target, which shows the counts now and then."""

    def target(content: bytes) -> None:
        COUNTS[once(content)] += 1
        if COUNTS.total() % 5000 == 0:
            show()

    return target


def show() -> None:
    """Print the outcomes so far."""
    print(COUNTS.total(), dict(COUNTS), flush=True)


def _plain(path: Path, target: str) -> Once:
    """The bytes themselves as a file."""

    def once(content: bytes) -> str:
        path.write_bytes(content)
        return outcome(path, target)

    return once


def outcome(path: Path, target: str) -> str:
    """How reading or checking a file ends; raises whatever should not be."""
    try:
        if target == "check":
            return "sound" if describe(path).sound else "unsound"
        load_pickle(path)
    except DataError as error:
        cause = error.__cause__
        if cause is not None and not isinstance(cause, EXPECTED):
            raise cause from None
        return "refused" if isinstance(cause, Refused) else "damaged"
    return "read"


def seeds(suffix: str) -> list[bytes]:
    """Small sound files to begin with."""
    if suffix == ".json":
        return [b'[{"id": "1", "text": "x", "label": 1}]', b"{}"]
    if suffix in (".csv", ".tsv"):
        return [b"id,split,text,label\na,train,x,1\nb,valid,y,0\nc,test,z,1\n"]
    return [
        pickle.dumps(value, protocol=protocol)
        for value in (mmsa(), words(), {"numbers": [1.5, 2, "x", None, (True, {1})]})
        for protocol in (0, 2, 4, 5)
    ]


def mmsa() -> dict[str, dict[str, Any]]:
    """Two samples a split in MMSA's layout."""

    def split(name: str) -> dict[str, Any]:
        return {
            "id": [f"{name}$_$0", f"{name}$_$1"],
            "raw_text": np.array(["a", "b"]),
            "text_bert": np.ones((2, 3, 4), np.float32),
            "audio": np.ones((2, 3, 2), np.float32),
            "vision": np.ones((2, 2, 2), np.float32),
            "audio_lengths": [3, 2],
            "regression_labels": np.array([0.5, -1], np.float32),
        }

    return {name: split(name) for name in ("train", "valid", "test")}


def words() -> dict[str, list[Any]]:
    """One sample a split in the word-level layout."""
    frames = np.ones((2, 3), np.float32)
    return {
        name: [((["good", "film"], frames, frames), np.array([[1.0]]), f"{name}[0]")]
        for name in ("train", "dev", "test")
    }


if __name__ == "__main__":
    main()
