"""Records that were damaged, drivers that meet, and clocks that go backwards."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Call = Callable[..., subprocess.CompletedProcess[str]]
CLOCK = '''
import random, time
_true, _begun, _chance = time.time, time.monotonic(), random.Random(3)

def _backwards():
    """A clock that loses an hour each second, and jumps."""
    return _true() - 3600 * (time.monotonic() - _begun) + _chance.uniform(-5, 5)

time.time = _backwards
time.time_ns = lambda: int(_backwards() * 1e9)
'''


def test_half_deleted_records_are_named_and_made_again(
    study: Callable[..., list[str]],
    call: Call,
    hashes: Callable[[Path], dict[str, str]],
    identities: Callable[[Path], dict[str, tuple[int, int]]],
    sound: Path,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "results" / "s"
    shutil.copytree(sound, folder)
    before, untouched = hashes(folder), identities(folder)
    first, second, third, fourth = sorted(before)
    (folder / ".unfinished").mkdir(exist_ok=True)
    (folder / ".unfinished" / f"{fourth}.pt").touch()  # a kill just after its record was written
    (folder / "runs" / first / "run.json").unlink()
    (folder / "runs" / second / "predictions.npz").unlink()
    (folder / "runs" / third / "run.json").write_text("{")
    done = call(study(methods="lf_dnn", seeds="4"))
    assert done.returncode == 0, done.stderr
    for key in (first, second, third):
        assert f"record {key} is damaged" in done.stderr
        untouched.pop(key)
    assert hashes(folder) == before
    assert untouched.items() <= identities(folder).items()
    assert len(list((folder / "runs").glob(".damaged-*"))) == 3, "nothing is deleted"
    assert not list((folder / ".unfinished").iterdir()), "a run left something behind"


def test_of_drivers_that_start_together_one_runs_the_study(
    study: Callable[..., list[str]], records: Callable[[Path], dict[str, dict[str, Any]]], tmp_path: Path
) -> None:
    command = study(methods="lf_dnn", seeds="6")
    drivers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    said = [driver.communicate()[1] for driver in drivers]
    codes = [driver.returncode for driver in drivers]
    refused = [text for code, text in zip(codes, said, strict=True) if code == 2]
    assert 0 in codes and set(codes) <= {0, 2}, said
    assert all("another process is carrying out this study" in text for text in refused)
    assert all("Traceback" not in text for text in said)
    ran = [text.count("done [") for text in said]
    assert sum(ran) == 6, "a run was trained twice"
    assert {r["status"] for r in records(tmp_path / "results" / "s").values()} == {"finished"}


def test_a_clock_that_goes_backwards_changes_nothing(
    study: Callable[..., list[str]],
    call: Call,
    records: Callable[[Path], dict[str, dict[str, Any]]],
    hashes: Callable[[Path], dict[str, str]],
    identities: Callable[[Path], dict[str, tuple[int, int]]],
    sound: Path,
    tmp_path: Path,
) -> None:
    home = tmp_path / "site"
    home.mkdir()
    (home / "sitecustomize.py").write_text(CLOCK)
    before = os.environ.get("PYTHONPATH", "")
    wrong = {"PYTHONPATH": f"{home}{os.pathsep}{before}" if before else str(home)}
    told = "import time; a = time.time(); time.sleep(0.1); raise SystemExit(time.time() > a)"
    assert subprocess.run([sys.executable, "-c", told], env={**os.environ, **wrong}).returncode == 0
    results = tmp_path / "results"
    shutil.copytree(sound, results / "s", ignore=shutil.ignore_patterns("tables"))
    ahead = time.time() + 86400
    for run in sorted((results / "s" / "runs").glob("[!.]*"))[:2]:
        shutil.rmtree(run)
    for path in (results / "s").rglob("*"):  # from what is now the future
        os.utime(path, (ahead, ahead))
    first = identities(results / "s")
    done = call(study(methods="lf_dnn", seeds="4", time_limit="120"), wrong)
    assert done.returncode == 0, done.stderr
    assert "2 of 4 runs are recorded already" in done.stderr
    assert first.items() <= identities(results / "s").items()
    for record in records(results / "s").values():
        assert min(*record["seconds"], record["setup_seconds"]) >= 0
    assert hashes(results / "s") == hashes(sound)
    tables = [(folder / "tables" / "comparison.csv").read_text() for folder in (results / "s", sound)]
    assert tables[0] == tables[1]
