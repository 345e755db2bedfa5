"""`msabench run --engine ray` as a person types it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from msabench.records import Store

SCRIPT = Path(sys.executable).with_name("msabench")


def msabench(tmp_path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    study = (
        "run --no-tracking --methods lf_dnn --datasets demo --text-encoder tiny --seeds 2 --epochs 2 --name s"
    )
    places = f"--data-root {tmp_path / 'data'} --results-root results"
    return subprocess.run(
        [SCRIPT, *study.split(), *places.split(), *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_study_on_a_ray_of_its_own_with_folders_named_from_here(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra [ray] is not installed")
    done = msabench(tmp_path, "--engine", "ray")
    assert done.returncode == 0, done.stderr
    assert len(Store(tmp_path / "results" / "s").keys("finished")) == 2
    said = done.stdout + done.stderr
    assert "ray.io" not in said and "raylet" not in said and "INFO" not in said, said


def test_an_address_where_nobody_is_ends_in_one_message(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra [ray] is not installed")
    done = msabench(tmp_path, "--engine", "ray", "--address", "127.0.0.1:1")
    assert done.returncode == 2
    assert "no Ray cluster answers at '127.0.0.1:1'" in done.stderr and "Traceback" not in done.stderr


def test_options_of_ray_are_refused_for_other_engines(tmp_path: Path) -> None:
    done = msabench(tmp_path, "--gpus-per-run", "0.25")
    assert done.returncode == 2 and "of --engine ray alone" in done.stderr
