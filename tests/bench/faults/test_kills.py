"""Workers and drivers are killed at random: nothing is lost, nothing runs twice, no figure changes."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

RUNS, KILLS = 30, 3
SETTINGS = {"methods": "lf_dnn,tfn", "seeds": "15"}
SEED = int(os.environ.get("MSABENCH_TEST_SEED", "5"))
"""Of the moments and the victims; another one tries others"""
Records = Callable[[Path], dict[str, dict[str, Any]]]
Identities = Callable[[Path], dict[str, tuple[int, int]]]


def test_a_study_of_thirty_runs(
    study: Callable[..., list[str]],
    call: Callable[..., subprocess.CompletedProcess[str]],
    records: Records,
    hashes: Callable[[Path], dict[str, str]],
    identities: Identities,
    tmp_path: Path,
) -> None:
    whole = call(study(**SETTINGS, name="whole", workers="1"))
    assert whole.returncode == 0, whole.stderr
    results, chance, before = tmp_path / "results", random.Random(SEED), dict[str, tuple[int, int]]()
    folder = results / "s"
    for kill in range(KILLS):
        driver = subprocess.Popen(
            study(**SETTINGS), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        _wait_for_records(records, folder, 1 + kill * RUNS // (KILLS + 1), driver)
        _kill_both(driver, chance)
        finished = {key for key, record in records(folder).items() if record["status"] == "finished"}
        now = {key: identity for key, identity in identities(folder).items() if key in finished}
        assert {key: now.get(key) for key in before} == before, "a record was lost, or written again"
        before = now
    done = call([*study(**SETTINGS), "--retry", "failed"])
    assert done.returncode == 0, done.stderr
    after = identities(folder)
    assert {key: after[key] for key in before} == before, "a recorded run was run again"
    assert len(after) == RUNS and done.stderr.count("done [") == RUNS - len(before)
    assert hashes(folder) == hashes(results / "whole"), "interruptions changed predictions"
    for table in ("comparison.tex", "comparison.csv", "comparison.md"):
        made = [(results / name / "tables" / table).read_text() for name in ("s", "whole")]
        assert made[0] == made[1], f"interruptions changed {table}"
    assert not list((folder / ".unfinished").glob("[!.]*")), "a run left something behind"


def _wait_for_records(records: Records, folder: Path, wanted: int, driver: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 300
    while len(records(folder)) < wanted:
        if driver.poll() is not None:
            pytest.fail(f"the study ended: {driver.communicate()[1][-2000:]}")
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


def _kill_both(driver: subprocess.Popen[str], chance: random.Random) -> None:
    """Kill a worker, then the driver, which takes its other workers along."""
    time.sleep(chance.uniform(0, 0.3))
    workers = [p for p in psutil.Process(driver.pid).children() if "spawn_main" in " ".join(p.cmdline())]
    if workers:  # a quick machine may be through with the study
        os.kill(chance.choice(workers).pid, signal.SIGKILL)
    time.sleep(chance.uniform(0, 0.8))  # its death is recorded before the driver's, or is not
    workers = psutil.Process(driver.pid).children()
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    _, left = psutil.wait_procs(workers, timeout=30)
    assert not left, "workers must leave with their driver"
