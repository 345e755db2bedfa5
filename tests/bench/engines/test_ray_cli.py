"""`msabench run --engine ray` as a person types it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from msabench.records import Store

SCRIPT = Path(sys.executable).with_name("msabench")


def msabench(tmp_path: Path, *options: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    study = (
        "run --no-tracking --methods lf_dnn --datasets demo --text-encoder tiny --seeds 2 --epochs 2 --name s"
    )
    places = f"--data-root {tmp_path / 'data'} --results-root results"
    return subprocess.run(
        [SCRIPT, *study.split(), *places.split(), *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "HOME": str(home)} if home else None,
    )


@pytest.fixture
def head(tmp_path: Path) -> Iterator[tuple[Path, str, str]]:
    """A cluster of `ray start` that asks for the token in the home of its user: home and both addresses."""
    pytest.importorskip("ray", reason="the extra [ray] is not installed")
    home = tmp_path / "home"
    (home / ".ray").mkdir(parents=True)
    (home / ".ray" / "auth_token").write_text("0123456789abcdef" * 4)
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
    started = subprocess.Popen(
        [
            SCRIPT.with_name("ray"),
            *("start", "--head", "--block", "--num-cpus=1", "--num-gpus=0", "--include-dashboard=false"),
            *("--port=0", f"--ray-client-server-port={port}"),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "HOME": str(home), "RAY_USAGE_STATS_ENABLED": "0"},
    )
    try:
        assert started.stdout is not None
        said = iter(started.stdout.readline, "")
        address = next(found[1] for line in said if (found := re.search(r"--address='([^']+)'", line)))
        yield home, address, f"ray://127.0.0.1:{port}"
    finally:
        processes = [psutil.Process(started.pid), *psutil.Process(started.pid).children(recursive=True)]
        for process in processes:
            if process.is_running():
                process.kill()
        started.wait()


def test_a_cluster_that_asks_for_a_token_is_reached_by_either_address(
    tmp_path: Path, head: tuple[Path, str, str]
) -> None:
    home, address, client = head
    for given, seeds in ((address, "1,"), (client, "1,2")):
        done = msabench(tmp_path, "--engine", "ray", "--address", given, "--seeds", seeds, home=home)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("done [") == 1
    assert len(Store(tmp_path / "results" / "s").keys("finished")) == 2


def test_an_address_where_nobody_is_ends_in_one_message(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra [ray] is not installed")
    done = msabench(tmp_path, "--engine", "ray", "--address", "127.0.0.1:1")
    assert done.returncode == 2
    assert "no Ray cluster answers at '127.0.0.1:1'" in done.stderr and "Traceback" not in done.stderr


def test_options_of_ray_are_refused_for_other_engines(tmp_path: Path) -> None:
    done = msabench(tmp_path, "--gpus-per-run", "0.25")
    assert done.returncode == 2 and "of --engine ray alone" in done.stderr
