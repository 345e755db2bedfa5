"""The README's commands do what it says, links lead somewhere, and the examples of the API run."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from msabench.cli import app

ROOT = Path(__file__).parents[1]
SCRIPT = Path(sys.executable).with_name("msabench")


def commands() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("msabench ")]


def test_every_command_of_the_readme_works_in_their_order(tmp_path: Path) -> None:
    lines = commands()
    assert len(lines) >= 10
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "COLUMNS": "200"}
    for line in lines:
        done = subprocess.run(
            [SCRIPT, *shlex.split(line)[1:]], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    assert (tmp_path / "results" / "first" / "study.toml").exists()
    assert list((tmp_path / "results" / "first" / "tables").glob("*.tex"))


@pytest.mark.parametrize("session", ["demo", "tests", "lint", "bench"])
def test_the_sessions_that_the_readme_names_exist(session: str) -> None:
    assert f"def {session}(" in (ROOT / "noxfile.py").read_text(encoding="utf-8")
    assert f"nox -s {session}" in (ROOT / "README.md").read_text(encoding="utf-8")


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def anchors(page: Path) -> set[str]:
    """Of a page's headings, as Git hosts make them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        to = (page.parent / file).resolve() if file else page
        assert to.exists(), target
        assert not anchor or anchor in anchors(to), target


def test_every_page_of_docs_is_linked_from_the_readme() -> None:
    text = PAGES[0].read_text(encoding="utf-8")
    assert [page.name for page in PAGES[1:] if f"docs/{page.name}" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_verb_and_option_that_is_written_exists(page: Path) -> None:
    command = typer.main.get_command(app)
    text = page.read_text(encoding="utf-8")
    for line in re.findall(r"(?:^|`)msabench ([a-z].*?)(?:`|$|  #)", text, re.MULTILINE):
        words = line.split()
        verb = command.commands.get(words[0])  # type: ignore[attr-defined]
        assert verb is not None, line
        inner = getattr(verb, "commands", None)
        if inner is not None:
            assert words[1] in inner, line
            verb = inner[words[1]]
        known = {option for each in verb.params for option in (*each.opts, *each.secondary_opts)}
        used = {word.split("=")[0] for word in words if word.startswith("--") and word != "--help"}
        assert used <= known, line


def test_the_examples_of_the_api_run_in_their_order(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    script = "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    assert script.count("import") >= 10
    # as in a session: no file that the workers would run again
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "p = " in done.stdout


def test_the_example_of_the_readme_reads_a_study(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    options = (
        "--methods lf_dnn --datasets demo --text-encoder tiny --seeds 2 --epochs 1 --name first --no-tracking"
    )
    subprocess.run([SCRIPT, "run", *options.split()], cwd=tmp_path, capture_output=True, check=True)
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
