"""Records that were damaged, and drivers that meet on one study."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

Call = Callable[..., subprocess.CompletedProcess[str]]


def test_half_deleted_records_are_named_and_made_again(
    study: Callable[..., list[str]],
    call: Call,
    hashes: Callable[[Path], dict[str, str]],
    identities: Callable[[Path], dict[str, tuple[int, int]]],
    tmp_path: Path,
) -> None:
    command = study(methods="lf_dnn", seeds="4")
    assert call(command).returncode == 0
    folder = tmp_path / "results" / "s"
    before, untouched = hashes(folder), identities(folder)
    first, second, third, _ = sorted(before)
    (folder / "runs" / first / "run.json").unlink()
    (folder / "runs" / second / "predictions.npz").unlink()
    (folder / "runs" / third / "run.json").write_text("{")
    done = call(command)
    assert done.returncode == 0, done.stderr
    for key in (first, second, third):
        assert f"record {key} is damaged" in done.stderr
        untouched.pop(key)
    assert hashes(folder) == before
    assert untouched.items() <= identities(folder).items()
    assert len(list((folder / "runs").glob(".damaged-*"))) == 3, "nothing is deleted"


def test_of_drivers_that_start_together_one_runs_the_study(
    study: Callable[..., list[str]], records: Callable[[Path], dict[str, dict[str, Any]]], tmp_path: Path
) -> None:
    command = study(methods="lf_dnn", seeds="6", epochs="4")
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
