"""What killed conversions leave is removed by the next one; what is being built is not."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from msabench.data import load
from msabench.data.scratch import replacing, scratch, sweep

NAME = "0123456789abcdef"


def left_by(root: Path, owner: str, age: float = 0) -> Path:
    folder = root / f".{NAME}-{owner}-xyz"
    folder.mkdir()
    (folder / "train.audio.npy").write_bytes(b"half")
    then = time.time() - age
    os.utime(folder / "train.audio.npy", (then, then))
    os.utime(folder, (then, then))
    return folder


@pytest.fixture
def dead() -> str:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return f"{process.pid}@{socket.gethostname()}"


def test_a_killed_conversion_leaves_nothing_for_long(
    content: dict[str, Any], write: Callable[..., Path], tmp_path: Path
) -> None:
    path, root = write(content), tmp_path / "cache"
    program = (
        "import os, sys; from pathlib import Path; from msabench.data import cache, load\n"
        "cache._publish = lambda *_: os.kill(os.getpid(), 9)\n"
        "load('mosi', file=Path(sys.argv[1]), cache_root=Path(sys.argv[2]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path), str(root)])
    assert done.returncode == -signal.SIGKILL
    (left,) = root.glob(".*")
    assert (left / "meta.json").exists()
    data = load("mosi", file=path, cache_root=root)
    assert len(data.train) == 12
    assert not list(root.glob(".*"))


def test_what_dead_processes_left_is_removed(tmp_path: Path, dead: str) -> None:
    left = left_by(tmp_path, dead)
    with scratch(tmp_path / "fedcba9876543210") as made:
        assert not left.exists()
        assert made.is_dir()
    assert not made.exists()


def test_what_is_being_built_stays(tmp_path: Path, dead: str) -> None:
    mine = left_by(tmp_path, f"{os.getpid()}@{socket.gethostname()}")
    elsewhere = left_by(tmp_path, "1@another-host")
    sweep(tmp_path)
    assert mine.exists() and elsewhere.exists()
    # a container's process numbers may not be ours, but its lock is
    contained = left_by(tmp_path, dead)
    with FileLock(tmp_path / f"{NAME}.lock"):
        sweep(tmp_path)
        assert contained.exists()
    sweep(tmp_path)
    assert not contained.exists()


@pytest.mark.parametrize("owner", ["1@another-host", "1@host", "old"])
def test_what_nobody_touched_for_a_day_is_removed(tmp_path: Path, owner: str) -> None:
    left = left_by(tmp_path, owner, age=100_000)
    recent = tmp_path / f".{NAME}-2@another-host-abc"
    recent.mkdir()
    sweep(tmp_path, held=NAME)
    assert not left.exists()
    assert recent.exists()


def test_other_hidden_folders_are_none_of_its_business(tmp_path: Path) -> None:
    for name in (".git", ".twins", ".config-1@host-x"):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (0, 0))
    sweep(tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def unfinished(folder: Path, owner: str, age: float = 0) -> Path:
    path = folder / f".train-audio-mean-{owner}01234567.npy"
    path.write_bytes(b"half")
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_a_file_is_whole_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "derived" / "train-audio-mean.npy"
    with pytest.raises(RuntimeError), replacing(path) as made:
        made.write_bytes(b"half")
        raise RuntimeError
    assert not list(path.parent.iterdir())
    with replacing(path) as made:
        made.write_bytes(b"whole")
        assert not path.exists()
    assert [each.read_bytes() for each in path.parent.iterdir()] == [b"whole"]


def test_unfinished_files_are_removed_once_nobody_writes_them(tmp_path: Path, dead: str) -> None:
    left = [unfinished(tmp_path, f"{dead}-"), unfinished(tmp_path, "1@another-host-", age=100_000)]
    old = unfinished(tmp_path, "", age=100_000)
    others = [tmp_path / ".lock", tmp_path / "train-audio-mean.npy"]
    for each in others:
        each.write_bytes(b"")
        os.utime(each, (0, 0))
    mine = unfinished(tmp_path, f"{os.getpid()}@{socket.gethostname()}-")
    elsewhere = unfinished(tmp_path, "2@another-host-")
    with replacing(tmp_path / "valid-audio-mean.npy") as made:
        made.write_bytes(b"whole")
    assert not any(each.exists() for each in (*left, old))
    assert all(each.exists() for each in (*others, mine, elsewhere))


def test_what_a_killed_derivation_left_is_removed_by_the_next(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; import torch; from msabench import encoders, tensors\n"
        "from msabench.data import load; from msabench.method import InputForm\n"
        "def derive(kill):\n"
        "    half = lambda path, array: (path.write_bytes(b'half'), os.kill(os.getpid(), 9))\n"
        "    tensors.save = half if kill else tensors.save\n"
        "    data, form = load('demo', Path(sys.argv[1])), InputForm(text='frozen', audio='mean')\n"
        "    encoder = encoders.resolve('features', 'en')\n"
        "    tensors.prepare(data, form, encoder, finetuned=False, device=torch.device('cpu'))\n"
        "    print(data.cache)\n"
        "derive(sys.argv[2] == 'kill')\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    assert subprocess.run([*command, "kill"]).returncode == -signal.SIGKILL
    assert list(tmp_path.rglob(".train-audio-mean-*.npy"))
    done = subprocess.run([*command, "finish"], capture_output=True, text=True, check=True)
    derived = sorted(each.name for each in (Path(done.stdout.strip()) / "derived").iterdir())
    assert "train-audio-mean.npy" in derived and not any(name.startswith(".") for name in derived)
