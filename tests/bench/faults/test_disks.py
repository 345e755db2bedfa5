"""Disks that refuse: one message, exit code 2, nothing half-written that counts, and on with room again."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SETTINGS = {"methods": "lf_dnn", "seeds": "4"}
Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def disk(tmp_path: Path, sound: Path) -> Iterator[Path]:
    """A disk of 4 MiB, in memory, with the study `s` in which one run of four is recorded."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)], capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"mounting a small disk needs permissions: {made.stderr.strip()}")
    try:
        shutil.copytree(sound, folder / "s", ignore=shutil.ignore_patterns("tables", ".index*"))
        for run in sorted((folder / "s" / "runs").glob("[!.]*"))[1:]:
            shutil.rmtree(run)
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def refused(done: subprocess.CompletedProcess[str], words: str) -> None:
    assert done.returncode == 2, (done.returncode, done.stderr[-2000:])
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    assert done.stderr.count("error:") == 1 and words in done.stderr, done.stderr


def fill(ballast: Path, spare: int = 0) -> None:
    """Leave so many bytes free on the disk, rounded to its pages."""
    with ballast.open("ab", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(bytes(1024))
    with ballast.open("r+b") as file:
        file.truncate(ballast.stat().st_size - spare)


def test_a_full_disk_stops_a_study_until_there_is_room(
    study: Callable[..., list[str]],
    call: Call,
    hashes: Callable[[Path], dict[str, str]],
    identities: Callable[[Path], dict[str, tuple[int, int]]],
    disk: Path,
    sound: Path,
) -> None:
    before, ballast = identities(disk / "s"), disk / "ballast"
    assert len(before) == 1
    command = study(**SETTINGS, results_root=str(disk))
    for spare in (0, 4 * 1024):  # a page is room to begin; a record takes two
        fill(ballast, spare)
        refused(call(command), "the disk is full")
        assert identities(disk / "s") == before
    refused(
        call([command[0], "merge", "copy", "s", str(sound), "--results-root", str(disk)]), "the disk is full"
    )
    ballast.unlink()
    done = call(command)
    assert done.returncode == 0, done.stderr
    assert before.items() <= identities(disk / "s").items(), "what was recorded was run again"
    assert hashes(disk / "s") == hashes(sound)


def test_a_read_only_folder_is_refused_and_left_as_it_is(
    study: Callable[..., list[str]], call: Call, disk: Path
) -> None:
    def listing() -> dict[str, int]:
        return {str(path.relative_to(disk)): path.stat().st_mtime_ns for path in disk.rglob("*")}

    before = listing()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    refused(call(study(**SETTINGS, results_root=str(disk))), "read-only")
    refused(call(study(**SETTINGS, name="new", results_root=str(disk))), "read-only")
    assert listing() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
def test_every_verb_says_in_one_message_what_a_disk_refuses(study: Callable[..., list[str]]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [study()[0], "list", "conventions"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    done.stdout = ""
    refused(done, "the disk is full")
