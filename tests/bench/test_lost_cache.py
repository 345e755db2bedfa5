"""A cache that is damaged while a worker reads it costs that run, and the record says what happened."""

import json
import mmap
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(sys.executable).with_name("msabench")


@pytest.mark.skipif(not hasattr(signal, "SIGBUS"), reason="the system has no such signal")
def test_a_cache_truncated_while_it_is_mapped_is_a_failed_run_with_its_likely_cause(tmp_path: Path) -> None:
    data, folder = tmp_path / "data", tmp_path / "results" / "s"
    command = f"{SCRIPT} run --no-tracking --methods lf_dnn --datasets demo --text-encoder features --name s"
    command += f" --seeds 1 --epochs 100000 --patience 0 --workers 1 --data-root {data}"
    process = subprocess.Popen(
        [*command.split(), "--results-root", str(tmp_path / "results")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    end = time.monotonic() + 120
    while not list((folder / ".unfinished").glob("*.json")):
        assert process.poll() is None and time.monotonic() < end, "it did not train"
        time.sleep(0.05)
    for path in (data / ".cache").rglob("*.npy"):
        # as when the disk fills up or another program writes there; what is on the first page stays
        if path.stat().st_size > mmap.PAGESIZE:
            os.truncate(path, mmap.PAGESIZE)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1, errors
    (record,) = (json.loads(path.read_text()) for path in (folder / "runs").glob("[!.]*/run.json"))
    assert record["status"] == "failed" and record["failure"]["cause"] == "killed"
    assert "SIGBUS" in record["failure"]["message"] and "the data cache" in record["failure"]["message"]
    assert "SIGBUS" in errors and "Traceback" not in errors
