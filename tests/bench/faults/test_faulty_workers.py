"""A method that brings its worker down loses its own run only, and the record says how."""

import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

ENDINGS = {
    "segfault": ("killed", "SIGSEGV", "Segmentation fault"),
    "leave": ("killed", "exit code 0", "about to leave"),
    "quit": ("exception", "SystemExit", "about to quit"),
    "kill": ("killed", "SIGKILL", "about to kill"),
    "hang": ("timeout", "--time-limit", "on_epoch_start"),
    "raise": ("exception", "as asked", "RuntimeError"),
}
"""Of each fault: the cause that is recorded, words of its message, words of its log"""


def ended(process: int) -> bool:
    """Whether it is gone, or only waits for the system to take note of its end."""
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_each_loses_its_own_run_only(
    study: Callable[..., list[str]],
    faulty: dict[str, str],
    call: Callable[..., subprocess.CompletedProcess[str]],
    records: Callable[[Path], dict[str, dict[str, Any]]],
    tmp_path: Path,
) -> None:
    rows = ["lf_dnn", *(f"faulty[fault={fault}]" for fault in ENDINGS), "faulty"]
    done = call(study(methods=",".join(rows), seeds="1", time_limit="25"), faulty)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    found = {record["spec"]["variant"]: (key, record) for key, record in
             records(tmp_path / "results" / "s").items() if record["spec"]["method"] == "faulty"}  # fmt: skip
    assert found[""][1]["status"] == "finished"
    lf_dnn = [r for r in records(tmp_path / "results" / "s").values() if r["spec"]["method"] == "lf_dnn"]
    assert [record["status"] for record in lf_dnn] == ["finished"]
    for fault, (cause, message, logged) in ENDINGS.items():
        key, record = found[f"fault={fault}"]
        assert record["failure"]["cause"] == cause, record["failure"]
        assert message in record["failure"]["message"]
        log = (tmp_path / "results" / "s" / "logs" / f"{key}.log").read_text()
        assert logged in log and f"about to {fault}, threads: 1" in log, log
        assert cause in ("exception",) or f"{key}.log" in record["failure"]["message"]
        if child := re.search(r"child: (\d+)", log):
            assert ended(int(child[1])), "what a run started outlives it"
    shown = call([*study()[:1], "show", found["fault=segfault"][0], "--results-root",
                  str(tmp_path / "results")], faulty)  # fmt: skip
    assert f"{found['fault=segfault'][0]}.log" in shown.stdout, shown.stdout + shown.stderr


def test_a_worker_that_hangs_leaves_with_its_driver(
    study: Callable[..., list[str]], faulty: dict[str, str], tmp_path: Path
) -> None:
    driver = subprocess.Popen(
        study(methods="faulty[fault=hang]", seeds="1", workers="1"),
        env={**os.environ, **faulty},
        stderr=subprocess.DEVNULL,
    )
    logs, end = tmp_path / "results" / "s" / "logs", time.monotonic() + 300
    while not any("about to hang" in path.read_text() for path in logs.glob("*.log")):
        assert driver.poll() is None and time.monotonic() < end
        time.sleep(0.1)
    workers = psutil.Process(driver.pid).children()
    driver.kill()
    driver.wait()
    _, left = psutil.wait_procs(workers, timeout=30)
    for worker in left:
        worker.kill()
    assert workers and not left, "a worker that hangs stays when its driver is killed"
