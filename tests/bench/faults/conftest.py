"""Studies of the demo through the real command line, and a third-party method that fails as it is told."""

import functools
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from msabench.scaffold import new_method

SCRIPT = Path(sys.executable).with_name("msabench")
Study = Callable[..., list[str]]

FAULTS = '''
    def on_epoch_start(self, progress: Progress) -> None:
        """Go wrong in the second epoch, in the way that is asked for."""
        import ctypes, os, signal, subprocess, torch
        if progress.epoch == 2:
            print(f"about to {self.hp.fault}, threads: {torch.get_num_threads()}")
            if self.hp.fault == "segfault":
                ctypes.string_at(0)
            if self.hp.fault == "leave":
                os._exit(0)
            if self.hp.fault == "quit":
                raise SystemExit(3)
            if self.hp.fault == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.hp.fault == "hang":
                print("child:", subprocess.Popen(["sleep", "60"]).pid)
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                while True:  # a signal ends the sleep
                    ctypes.PyDLL(None).sleep(3600)  # no other thread of Python runs meanwhile
            if self.hp.fault == "raise":
                raise RuntimeError("as asked")

    def forward('''


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


def command(data: Path, results: Path, **options: str) -> list[str]:
    given = {
        "datasets": "demo",
        "text_encoder": "tiny",
        "epochs": "2",
        "workers": "2",
        "name": "s",
        "data_root": str(data),
        "results_root": str(results),
    } | options
    words = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", value)]
    return [str(SCRIPT), "run", "--no-tracking", *words]


@pytest.fixture
def study(tmp_path: Path, data: Path) -> Study:
    """Builds a `msabench run` of the demo."""
    return functools.partial(command, data, tmp_path / "results")


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """The folder of a study of LF-DNN with four seeds that one worker made, and nothing disturbed."""
    results = tmp_path_factory.mktemp("sound")
    done = subprocess.run(
        command(data, results, methods="lf_dnn", seeds="4", workers="1"), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return results / "s"


@pytest.fixture
def faulty(tmp_path: Path) -> dict[str, str]:
    """The environment in which a method `faulty` is installed, whose `fault` says what it does."""
    home = new_method("faulty", tmp_path, registered=[]).folder / "src"
    model, card = home / "msabench_faulty" / "model.py", home / "msabench_faulty" / "card.toml"
    text = model.read_text().replace("    hidden: int\n", "    fault: str\n    hidden: int\n")
    model.write_text(text.replace("\n    def forward(", FAULTS, 1))
    card.write_text(card.read_text().replace("hidden = 64\n", 'hidden = 64\nfault = "none"\n', 1))
    about = home / "msabench_faulty-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: msabench-faulty\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[msabench.methods]\nfaulty = msabench_faulty.model:Faulty\n")
    before = os.environ.get("PYTHONPATH", "")
    return {"PYTHONPATH": f"{home}{os.pathsep}{before}" if before else str(home)}


@pytest.fixture
def call() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command to its end; more of the environment may be given."""

    def run(
        command: list[str], more: dict[str, str] | None = None, **options: object
    ) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "COLUMNS": "300", **(more or {})}
        return subprocess.run(command, capture_output=True, text=True, env=environment, **options)  # type: ignore[call-overload,no-any-return]

    return run


@pytest.fixture
def records() -> Callable[[Path], dict[str, dict[str, object]]]:
    """What the run.json of each record of a study's folder holds."""

    def read(folder: Path) -> dict[str, dict[str, object]]:
        found = (folder / "runs").glob("[!.]*/run.json")
        return {path.parent.name: json.loads(path.read_text()) for path in found}

    return read


@pytest.fixture
def hashes() -> Callable[[Path], dict[str, str]]:
    """Of the predictions of each record: the same whatever engine, workers or interruptions made them."""

    def read(folder: Path) -> dict[str, str]:
        found = {}
        for path in (folder / "runs").glob("[!.]*/predictions.npz"):
            with np.load(path) as file:
                whole = file["valid"].tobytes() + file["test"].tobytes()
            found[path.parent.name] = hashlib.sha256(whole).hexdigest()
        return found

    return read


@pytest.fixture
def identities() -> Callable[[Path], dict[str, tuple[int, int]]]:
    """Inode and time of each record: they change when it is written again."""

    def read(folder: Path) -> dict[str, tuple[int, int]]:
        stats = {path.parent.name: path.stat() for path in (folder / "runs").glob("[!.]*/run.json")}
        return {key: (stat.st_ino, stat.st_mtime_ns) for key, stat in stats.items()}

    return read
