"""Peak memory of converting a file, as a share of it, by layout: `python -m benchmarks.data_memory`.

Each conversion runs in a process of its own. What Python, numpy and the readers take before is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.layout_files import MAKERS, make

_PICKLES = ("mmsa", "mult", "mag", "misa", "mmim", "hkt")
CASES = [
    *((layout, protocol) for layout in _PICKLES for protocol in (2, 3, 4, 5)),
    *((layout, 0) for layout in MAKERS if layout not in _PICKLES),
]
"""Layout and pickle protocol, 0 where the format is another"""
Row = dict[str, Any]
"""`layout`, `protocol` and what `converted` says"""


def main() -> None:
    """Print a table, or a line of JSON per layout and protocol."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data_memory", description=__doc__)
    parser.add_argument("--size", type=int, default=200, help="megabytes of each file")
    parser.add_argument("--only", default=",".join(MAKERS), help="layouts, or layout:protocol")
    parser.add_argument("--work", type=Path, default=Path("benchmarks/.work"), help="scratch folder")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    only = options.only.split(",")
    cases = [case for case in CASES if case[0] in only or f"{case[0]}:{case[1]}" in only]
    measured = measure(options.work.resolve(), options.size, cases)
    if options.json:
        for row in measured:
            print(json.dumps(row))
    else:
        table(measured)


def measure(work: Path, megabytes: int, cases: Sequence[tuple[str, int]] = CASES) -> Iterator[Row]:
    """Make, convert and remove one file after the other."""
    for layout, protocol in cases:
        folder = work / "memory"
        shutil.rmtree(folder, ignore_errors=True)
        path = make(layout, folder / "file", megabytes * 10**6, protocol)
        yield {"layout": layout, "protocol": protocol, **converted(path, layout, folder / "cache")}
        shutil.rmtree(folder)


def table(rows: Iterable[Row]) -> None:
    """Print each row as soon as it is there."""
    print("\n| layout | protocol | file MB | s | MB/s | peak memory, of the file |\n" + "| --- " * 6 + "|")
    for row in rows:
        megabytes = row["size"] / 1e6
        print(
            f"| {row['layout']} | {row['protocol'] or '-'} | {megabytes:.0f} | {row['seconds']:.1f} "
            f"| {megabytes / row['seconds']:.0f} | {row['peak'] / row['size']:.2f} |",
            flush=True,
        )


def converted(path: Path, layout: str, store: Path) -> dict[str, float]:
    """Convert in a new process: its `seconds`, its `peak` of memory and the file's `size`, both in bytes."""
    command = [sys.executable, "-m", "benchmarks.data_memory", "--convert", str(path), layout, str(store)]
    # threads' own arenas and buffers would be counted as the reader's
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{layout} failed on {path}:\n{done.stderr[-3000:]}")
    result: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def convert(path: Path, layout: str, store: Path) -> dict[str, float]:
    """What `converted` says, in this process."""
    import filelock  # noqa: F401
    import psutil  # noqa: F401

    from msabench.data import cache, layouts

    name = {"mmim": "misa", "csv": "table"}.get(layout, layout)
    if layout == "csd":
        import h5py  # type: ignore[import-untyped]  # noqa: F401
    parts = layouts.parts(path, name)
    digest = cache.fingerprint_all(parts, store)
    before, started = peak(), time.perf_counter()
    cache.read(path, digest, store, name)
    return {
        "seconds": time.perf_counter() - started,
        "peak": float(peak() - before),
        "size": float(sum(part.stat().st_size for part in parts)),
    }


def peak() -> int:
    """Peak resident memory of this process in bytes; getrusage would count its parent before the exec."""
    match = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(match[1]) * 1024 if match else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--convert"]:
        print(json.dumps(convert(Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))))
    else:
        main()
