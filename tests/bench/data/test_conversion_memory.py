"""Peak memory of converting a feature file, as a share of the file's size."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

PROGRAM = r"""
import re, sys
from pathlib import Path
import filelock, psutil
from msabench.data import cache, load, layouts
# getrusage would count the parent, as it was before the exec
peak = lambda: int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024
before = peak()
if sys.argv[3] == "check":
    from msabench.data.describe import describe
    assert describe(Path(sys.argv[1])).sound
else:
    data = load("mosi", file=Path(sys.argv[1]), cache_root=Path(sys.argv[2]))
print(peak() - before)
"""


def split(name: str, n: int, dtype: str, hole: bool) -> dict[str, Any]:
    rng = np.random.default_rng(n)
    audio = rng.standard_normal((n, 375, 20), dtype=np.float32).astype(dtype)
    if hole:
        audio[0, 0, 0] = -np.inf
    return {
        "id": [f"{name}$_${i}" for i in range(n)],
        "raw_text": np.array(["some words"] * n),
        "text": rng.standard_normal((n, 20, 300), dtype=np.float32).astype(dtype),
        "audio": audio,
        "vision": rng.standard_normal((n, 300, 20), dtype=np.float32).astype(dtype),
        "regression_labels": np.zeros(n, np.float32),
    }


def growth(tmp_path: Path, protocol: int, dtype: str, how: str, hole: bool = False) -> float:
    path = tmp_path / "large.pkl"
    sizes = {"train": 600, "valid": 100, "test": 100}
    content = {name: split(name, n, dtype, hole) for name, n in sizes.items()}
    with path.open("wb") as file:
        pickle.dump(content, file, protocol=protocol)
    command = [sys.executable, "-c", PROGRAM, str(path), str(tmp_path / "cache"), how]
    # one arena: threads' own ones would be counted as ours
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return int(done.stdout) / path.stat().st_size


@pytest.mark.parametrize("how", ["convert", "check"])
@pytest.mark.parametrize("protocol", [4, 5])
def test_far_less_than_the_file(tmp_path: Path, protocol: int, how: str) -> None:
    assert growth(tmp_path, protocol, "f4", how) < 0.5


@pytest.mark.parametrize(("protocol", "dtype", "hole"), [(2, "f4", False), (4, "f8", False), (4, "f4", True)])
def test_what_must_be_decoded_or_mended_fits_too(
    tmp_path: Path, protocol: int, dtype: str, hole: bool
) -> None:
    assert growth(tmp_path, protocol, dtype, "convert", hole) < 1


LAYOUTS = ("mult:2", "mult:4", "mag:2", "mag:4", "mmim:2", "mmim:4", "hkt:2", "hkt:4", "cherma", "csd")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_at_most_half_more_than_a_file_of_any_layout(tmp_path: Path, layout: str) -> None:
    root = Path(__file__).parents[3]
    command = [sys.executable, "-m", "benchmarks.data_memory", "--json", "--size", "60", "--only", layout]
    done = subprocess.run(
        [*command, "--work", str(tmp_path)], cwd=root, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert measured["size"] > 50e6
    assert measured["peak"] < 1.5 * measured["size"]
