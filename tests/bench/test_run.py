"""Whole studies through the command line: they end with tables, survive what kills them, and lose nothing."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

SCRIPT = Path(sys.executable).with_name("msabench")
ROWS = {"--datasets": "demo", "--text-encoder": "tiny", "--name": "s", "--workers": "2"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def here(tmp_path: Path, data: Path) -> Iterator[Callable[..., list[str]]]:
    """Builds a `msabench run` of the demo in this test's results folder."""

    def command(**options: str) -> list[str]:
        given = {**ROWS, "--data-root": str(data), "--results-root": str(tmp_path / "results")}
        given |= {f"--{name.replace('_', '-')}": value for name, value in options.items()}
        return [str(SCRIPT), "run", "--no-tracking", *(word for pair in given.items() for word in pair)]

    yield command


def call(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"})


def records(folder: Path) -> dict[str, dict[str, object]]:
    found = (folder / "runs").glob("[!.]*/run.json")
    return {path.parent.name: json.loads(path.read_text()) for path in found}


def predictions(folder: Path) -> dict[str, str]:
    """Key to a hash of every epoch's predictions."""
    hashes = {}
    for path in (folder / "runs").glob("[!.]*/predictions.npz"):
        with np.load(path) as file:
            hashes[path.parent.name] = hashlib.sha256(
                file["valid"].tobytes() + file["test"].tobytes()
            ).hexdigest()
    return hashes


def wait_for(ready: Callable[[], object], process: subprocess.Popen[str], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert process.poll() is None, f"it ended before: {process.communicate()[1][-2000:]}"
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


def test_a_study_ends_with_its_tables_and_says_that_it_is_generated(
    here: Callable[..., list[str]], tmp_path: Path
) -> None:
    done = call(here(methods="lf_dnn,tfn", seeds="2", epochs="2"))
    assert done.returncode == 0, done.stderr
    for words in ("LF-DNN", "TFN", "Acc-7", "TWIN", "tiny", "same-epoch", "oracle"):
        assert words.lower() in done.stdout.lower(), f"{words} is missing from:\n{done.stdout}"
    folder = tmp_path / "results" / "s"
    assert {p.suffix for p in (folder / "tables").iterdir()} >= {".tex", ".csv", ".md"}
    assert all(r["status"] == "finished" and len(r["seconds"]) == 2 for r in records(folder).values())  # type: ignore[arg-type]
    assert not list((folder / ".unfinished").glob("*"))


def test_killed_drivers_lose_nothing_and_repeat_nothing(
    here: Callable[..., list[str]], tmp_path: Path
) -> None:
    options = {"methods": "lf_dnn", "seeds": "8", "epochs": "20", "patience": "0"}
    folder = tmp_path / "results" / "s"
    whole = call(here(**options, name="whole"))
    assert whole.returncode == 0, whole.stderr
    for wanted in (1, 3):
        process = subprocess.Popen(
            here(**options), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        wait_for(lambda wanted=wanted: len(records(folder)) >= wanted, process)  # type: ignore[misc]
        workers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        process.wait()
        _, left = psutil.wait_procs(workers, timeout=60)
        assert not left, "workers must leave when their driver is gone"
    before = {key: (folder / "runs" / key / "run.json").stat().st_mtime_ns for key in records(folder)}
    assert 3 <= len(before) < 8
    again = call(here(**options))
    assert again.returncode == 0, again.stderr
    assert f"{len(before)} of 8 runs are recorded already" in again.stderr
    after = {key: (folder / "runs" / key / "run.json").stat().st_mtime_ns for key in before}
    assert after == before, "a recorded run was run again"
    assert len(records(folder)) == 8
    assert predictions(folder) == predictions(tmp_path / "results" / "whole"), "interruptions changed results"


def test_a_killed_worker_loses_its_own_run_only(here: Callable[..., list[str]], tmp_path: Path) -> None:
    options = {"methods": "lf_dnn", "seeds": "3", "epochs": "60", "patience": "0"}
    folder = tmp_path / "results" / "s"
    process = subprocess.Popen(here(**options), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    unfinished = folder / ".unfinished"
    wait_for(lambda: list(unfinished.glob("*.json")), process)
    victim = json.loads(next(unfinished.glob("*.json")).read_text())
    os.kill(victim["process"], signal.SIGKILL)
    _, errors = process.communicate()
    assert process.returncode == 1, "a study with failures says so"
    found = records(folder)
    assert {key for key, r in found.items() if r["status"] == "failed"} == {victim["key"]}
    assert len(found) == 3 and found[victim["key"]]["failure"]["cause"] == "killed"  # type: ignore[index]
    assert "SIGKILL" in errors and "--retry failed" in errors
    retried = call([*here(**options), "--retry", "failed"])
    assert retried.returncode == 0, retried.stderr
    assert {r["status"] for r in records(folder).values()} == {"finished"}


def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(here: Callable[..., list[str]], tmp_path: Path) -> None:
    options = {"methods": "lf_dnn", "seeds": "20", "epochs": "60", "patience": "0"}
    folder = tmp_path / "results" / "s"
    process = subprocess.Popen(
        here(**options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_for(lambda: records(folder), process)
    os.killpg(process.pid, signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "run the same command again" in errors and "Traceback" not in out + errors
    assert {r["status"] for r in records(folder).values()} == {"finished"}


def test_failures_are_results_with_their_cause(here: Callable[..., list[str]], tmp_path: Path) -> None:
    done = call(here(methods="lf_dnn,lf_dnn[learning_rate=1e30]", seeds="1", epochs="3"))
    assert done.returncode == 1
    causes = [r["failure"]["cause"] for r in records(tmp_path / "results" / "s").values() if r["failure"]]  # type: ignore[index]
    assert causes == ["nan"]
    assert "nan" in done.stdout.lower() and "LF-DNN" in done.stdout


def test_a_damaged_record_is_set_aside_and_run_again(here: Callable[..., list[str]], tmp_path: Path) -> None:
    command = here(methods="lf_dnn", seeds="1", epochs="2")
    assert call(command).returncode == 0
    folder = tmp_path / "results" / "s"
    before = predictions(folder)
    next((folder / "runs").glob("[!.]*/predictions.npz")).write_bytes(b"cut")
    done = call(command)
    assert done.returncode == 0 and "damaged" in done.stderr
    assert predictions(folder) == before
    assert list((folder / "runs").glob(".damaged-*")), "nothing is deleted"


def test_workers_do_not_change_results(here: Callable[..., list[str]], tmp_path: Path) -> None:
    for workers in ("1", "2"):
        done = call(here(methods="lf_dnn,almt", seeds="1", epochs="2", workers=workers, name=f"w{workers}"))
        assert done.returncode == 0, done.stderr
    results = tmp_path / "results"
    assert predictions(results / "w1") == predictions(results / "w2")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--datasets", "mosii"], "did you mean 'mosi'"),
        (["--methods", "amlt", "--datasets", "demo"], "did you mean 'almt'"),
        (["--datasets", "mosi"], "--twin"),
        (["--datasets", "demo", "--text-encoder", "no/such"], "no/such"),
        (["--datasets", "demo", "--seeds", "x"], "seeds"),
        (["--datasets", "demo", "--scale", "0.5"], "twin"),
        (["--datasets", "demo", "--epochs", "0"], "epochs"),
        (["--datasets", "demo", "--file", "mosi"], "DATASET=PATH"),
        ([], "no dataset is named"),
        (["--study", "absent.toml"], "absent.toml"),
    ],
)
def test_bad_input_gets_one_clear_message(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = subprocess.run([SCRIPT, "run", *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert words in done.stderr and "Traceback" not in done.stderr + done.stdout
    assert not (tmp_path / "results").exists()


def test_a_dry_run_trains_nothing(here: Callable[..., list[str]], tmp_path: Path) -> None:
    done = call([*here(methods="lf_dnn,tfn", seeds="3", epochs="2"), "--dry-run"])
    assert done.returncode == 0 and "6 of 6 runs to train" in done.stdout
    assert not (tmp_path / "results").exists()


def test_a_study_file_holds_the_same_settings(
    here: Callable[..., list[str]], tmp_path: Path, data: Path
) -> None:
    assert call(here(methods="lf_dnn", seeds="1", epochs="2")).returncode == 0
    frozen = tmp_path / "results" / "s" / "study.toml"
    again = call([str(SCRIPT), "run", "--study", str(frozen), "--no-tracking", "--data-root", str(data),
                  "--results-root", str(tmp_path / "results")])  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert len(records(tmp_path / "results" / "s")) == 1
