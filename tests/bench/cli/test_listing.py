"""`msabench list`: everything there is, by name or wildcard, without torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from msabench.cli import app
from msabench.data.cards import DATASETS
from msabench.errors import SpecError
from msabench.metrics import CONVENTIONS
from msabench.registry import METHODS
from msabench.selection import SELECTIONS


def listed(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["list", *arguments], env={"COLUMNS": "220"})
    assert result.exit_code == 0, result.output or result.exception
    return result.stdout


def first_words(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize(
    ("what", "known"),
    [
        ("methods", METHODS),
        ("datasets", DATASETS),
        ("conventions", CONVENTIONS),
        ("selections", SELECTIONS),
        ("encoders", {"minilm": 0, "features": 0, "tiny": 0, "bert-base-chinese": 0}),
    ],
)
def test_everything_is_listed(what: str, known: Mapping[str, object]) -> None:
    assert set(known) <= set(first_words(listed(what)))


def test_a_wildcard_narrows() -> None:
    names = first_words(listed("conventions", "mi*"))
    assert {"misa", "mib", "misa_humor"} <= set(names) and "sims" not in names
    assert "tfn" in listed("methods", "tf*") and "lf_dnn" not in listed("methods", "tf*")


def test_oracles_are_marked() -> None:
    lines = {line.split()[0]: line for line in listed("selections").splitlines() if line.strip()}
    assert "oracle" in lines["best-epoch"] and "oracle" not in lines["same-epoch"]


def test_datasets_say_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "sims").mkdir()
    (tmp_path / "sims" / "unaligned_39.pkl").write_bytes(b"")
    lines = listed("datasets", "--data-root", str(tmp_path)).splitlines()
    assert next(line for line in lines if line.startswith("sims ")).split()[-1] == "yes"
    assert "--twin" in next(line for line in lines if line.startswith("mosi "))
    assert "16326/1871/4659" in listed("datasets", "mosei")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["method"], "'methods'"),
        (["methods", "tfm"], "'tfn'"),
        (["datasets", "mosii"], "'mosi'"),
        (["conventions", "mmssa"], "'mmsa'"),
        (["encoders", "minilmm"], "'minilm'"),
    ],
)
def test_the_nearest_name_is_suggested(arguments: list[str], hint: str) -> None:
    result = CliRunner().invoke(app, ["list", *arguments])
    assert isinstance(result.exception, SpecError) and f"did you mean {hint}" in str(result.exception)


def test_listing_and_showing_import_no_torch(tmp_path: Path) -> None:
    commands = [["list", what] for what in ("methods", "datasets", "conventions", "selections", "encoders")]
    commands += [["show", "tfn"], ["show", "mosi"]]
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from msabench.cli import app\n"
        f"for command in {commands!r}:\n"
        "    assert CliRunner().invoke(app, command).exit_code == 0, command\n"
        "    heavy = {'torch', 'transformers', 'mlflow', 'optuna'} & set(sys.modules)\n"
        "    assert not heavy, (command, heavy)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
