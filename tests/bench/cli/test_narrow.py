"""What a terminal of 80 columns shows: nothing cut, no word broken, every option with what it takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from msabench.cli import app

LISTS = ("datasets", "methods", "conventions", "selections", "encoders")


def said(*words: str) -> str:
    result = CliRunner().invoke(app, [*words], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
    assert result.exit_code == 0, result.output
    return result.stdout


def verbs() -> list[tuple[str, ...]]:
    """Every verb, and every verb of a verb."""
    command = typer.main.get_command(app)
    found: list[tuple[str, ...]] = []
    for name, verb in command.commands.items():  # type: ignore[attr-defined]
        found += [(name, inner) for inner in getattr(verb, "commands", {})] or [(name,)]
    return found


@pytest.mark.parametrize("verb", verbs(), ids=" ".join)
def test_help_is_whole(verb: tuple[str, ...]) -> None:
    text = said(*verb, "--help")
    assert max(map(len, text.splitlines())) <= 80
    assert "'…" not in text and "…'" not in text and not re.search(r"\w…", text), "an example is cut"


def test_help_names_variants_in_their_brackets() -> None:
    """Rich takes what stands in brackets for markup, unless it is told not to."""
    for verb in ("run", "compare"):
        assert "almt[fusion=off]" in said(verb, "--help")


@pytest.mark.parametrize("what", LISTS)
def test_lists_fit_and_break_no_word(what: str, tmp_path: Path) -> None:
    narrow = said("list", what, "--data-root", str(tmp_path))
    assert max(map(len, narrow.splitlines())) <= 80
    wide = (
        CliRunner().invoke(app, ["list", what, "--data-root", str(tmp_path)], env={"COLUMNS": "400"}).stdout
    )
    # rich breaks at hyphens too: what remains must be whole words of the wide table
    known = set(re.split(r"[\s-]+", wide))
    broken = [word for word in re.split(r"[\s-]+", narrow) if word not in known and set(word) != {"─"}]
    assert what == "encoders" or not broken, "only a path may be broken"


def test_no_size_of_a_dataset_is_broken(tmp_path: Path) -> None:
    assert "16326/1871/4659" in said("list", "datasets", "--data-root", str(tmp_path))
