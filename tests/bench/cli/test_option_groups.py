"""Groups of options: written once, seen by typer as options of each verb that takes them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from msabench.cli import app
from msabench.cli.groups import with_groups
from msabench.cli.study_options import StudyOptions
from msabench.errors import SpecError


@dataclass(frozen=True, kw_only=True)
class Colours:
    ink: Annotated[str, typer.Option("--ink", "-i", help="Of the text.")] = "black"
    paper: Annotated[list[str] | None, typer.Option(help="Repeatable.")] = None


def test_a_verb_gets_an_instance_of_each_group_it_takes() -> None:
    seen = []

    @with_groups
    def draw(colours: Colours, width: Annotated[int, typer.Option()] = 3) -> None:
        seen.append((colours, width))

    tool = typer.Typer()
    tool.command()(draw)
    for line in ([], ["-i", "red", "--paper", "white", "--paper", "grey", "--width", "5"]):
        assert CliRunner().invoke(tool, line).exit_code == 0
    assert seen == [(Colours(), 3), (Colours(ink="red", paper=["white", "grey"]), 5)]
    assert CliRunner().invoke(tool, ["--colours", "red"]).exit_code == 2, "the group itself is no option"


def test_two_options_of_one_name_are_refused_at_once() -> None:
    def draw(colours: Colours, ink: str = "blue") -> None: ...

    with pytest.raises(ValueError, match="duplicate parameter name: 'ink'"):
        with_groups(draw)


def test_every_option_of_a_study_is_one_of_run_and_of_plan() -> None:
    for verb in ("run", "plan"):
        helped = CliRunner().invoke(app, [verb, "--help"], env={"COLUMNS": "200"}).stdout
        for name in StudyOptions.__dataclass_fields__:
            assert f"--{name.replace('_', '-')}" in helped, f"{verb} lacks {name}"
        assert "almt[fusion=off]" in helped, "brackets of a help text are no markup"


def test_a_study_is_read_from_its_file_or_its_folder(tmp_path: Path) -> None:
    frozen = tmp_path / "mine" / "study.toml"
    frozen.parent.mkdir()
    frozen.write_text('methods = ["tfn"]\ndatasets = ["demo"]\nseeds = [1, 2]\n', encoding="utf-8")
    by_file, by_folder = (StudyOptions(study=path).spec() for path in (frozen, frozen.parent))
    assert by_file == by_folder and by_folder.seeds == (1, 2)
    with pytest.raises(SpecError, match=r"no study file[\s\S]*study\.toml"):
        StudyOptions(study=tmp_path).spec()
