"""`msabench doctor`: what is missing has advice, what is broken has an exit code."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from msabench.cli import app
from msabench.registry import METHODS


def doctor(tmp_path: Path, *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    roots = ["--data-root", str(tmp_path / "data"), "--results-root", str(tmp_path / "results")]
    result = CliRunner().invoke(app, ["doctor", "--json", *roots, *arguments])
    assert result.exit_code in (0, 1), result.output
    return result.exit_code, {check["name"]: check for check in json.loads(result.stdout)}


def test_a_sound_installation(tmp_path: Path) -> None:
    place = tmp_path / "data" / "mosi" / "unaligned_50.pkl"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"")
    code, checks = doctor(tmp_path)
    assert code == 0, [check for check in checks.values() if check["state"] == "broken"]
    assert {"python", "msabench", "torch", "mlflow", "device", "cores", "memory", "disk"} <= set(checks)
    assert set(METHODS) <= set(checks)
    assert checks["mosi:unaligned"]["state"] == "ok" and checks["mosi:unaligned"]["found"] == str(place)
    assert "mosi:aligned" not in checks, "one variant is enough"
    assert checks["sims"]["state"] == "missing" and "--twin" in checks["sims"]["advice"]
    assert "--twin" not in checks["cherma"]["advice"], "it has none"
    assert checks["tiny"]["state"] == "ok"
    for check in checks.values():
        assert check["state"] == "ok" or check["advice"] or check["name"] == "MLflow"
    assert not (tmp_path / "results").exists(), "looking must leave nothing behind"


def test_the_table_marks_what_is_missing(tmp_path: Path) -> None:
    arguments = ["doctor", "--data-root", str(tmp_path), "--results-root", str(tmp_path)]
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert result.exit_code == 0
    line = next(line for line in result.stdout.splitlines() if " sims " in line)
    assert line.strip().startswith("–") and "msabench show sims" in line
    assert "0 broken" in result.stdout


@pytest.mark.parametrize(
    ("requirement", "name", "state", "code"),
    [
        ("no-such-package>=1", "no-such-package", "broken", 1),
        ("typer>=999", "typer", "broken", 1),
        ("no-such-package>=1; extra == 'minilm'", "no-such-package", "missing", 0),
    ],
)
def test_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requirement: str, name: str, state: str, code: int
) -> None:
    monkeypatch.setattr("msabench.health.requires", lambda _: [requirement])
    found, checks = doctor(tmp_path)
    assert (checks[name]["state"], found) == (state, code)
    assert "pip install" in checks[name]["advice"]


def test_torch_that_does_not_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    code, checks = doctor(tmp_path)
    assert code == 1 and checks["device"]["state"] == "broken" and "pytorch.org" in checks["device"]["advice"]


def test_results_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file in the way")
    code, checks = doctor(tmp_path)
    assert code == 1 and checks["results root"]["state"] == "broken"


def test_an_mlflow_server_that_is_down_stops_nothing(tmp_path: Path) -> None:
    code, checks = doctor(tmp_path, "--tracking-uri", "http://127.0.0.1:9")
    assert code == 0 and checks["MLflow"]["state"] == "missing"
    assert "no answer" in checks["MLflow"]["found"] and "sync" in checks["MLflow"]["advice"]
