"""What a reader takes from a site: files that are listed, say what they hold, and work in a paper."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from msabench.registry import METHODS
from msabench.report.site import bibtex

PAPER = r"""\documentclass{article}
\usepackage{url}
%s
\begin{document}
\input{comparison}
\input{published}
\nocite{*}
\bibliographystyle{plain}
\bibliography{references}
\end{document}
"""


def test_every_file_is_listed_on_the_provenance_page(site: Path) -> None:
    page = (site / "provenance.html").read_text(encoding="utf-8")
    files = [path.relative_to(site).as_posix() for path in (site / "downloads").rglob("*") if path.is_file()]
    assert len(files) > 8
    for name in files:
        assert f'href="{name}" download' in page, name


def test_every_file_of_figures_says_which_are_generated_and_which_reconstructed(site: Path) -> None:
    downloads = site / "downloads" / "small"
    with (downloads / "comparison.csv").open(encoding="utf-8", newline="") as opened:
        lines = list(csv.DictReader(opened))
    assert {(line["dataset"], line["data"]) for line in lines} == {
        ("mosi:unaligned", "real"),
        ("sims:unaligned", "twin"),
    }
    assert {line["row"] for line in lines if line["reconstruction"] == "True"} == {"setgf"}
    for name in ("comparison.tex", "comparison.md", "comparison.html"):
        text = (downloads / name).read_text(encoding="utf-8")
        assert "SYNTHETIC TWIN" in text and "reconstruction" in text.lower(), name


def test_latex_and_bibtex_make_a_paper(site: Path, tmp_path: Path) -> None:
    needed = ["pdflatex", "bibtex", "kpsewhich"]
    if any(shutil.which(tool) is None for tool in needed):
        pytest.skip(f"{', '.join(needed)}: not all are installed")
    for path in (*(site / "downloads").glob("*.bib"), *(site / "downloads" / "small").glob("*.tex")):
        shutil.copy(path, tmp_path)
    asked = {
        package
        for path in tmp_path.glob("*.tex")
        for found in re.findall(r"\\usepackage\{(.*?)\}", path.read_text(encoding="utf-8").splitlines()[0])
        for package in found.split(",")
    }
    if subprocess.run(["kpsewhich", *(f"{each}.sty" for each in asked)], capture_output=True).returncode:
        pytest.skip(f"LaTeX packages: not all of {', '.join(sorted(asked))} are installed")
    (tmp_path / "paper.tex").write_text(PAPER % f"\\usepackage{{{','.join(sorted(asked))}}}")
    for command in (["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper"], ["bibtex", "paper"],
                    ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper"]):  # fmt: skip
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
        assert done.returncode == 0, done.stdout[-2000:]
        assert "Warning" not in done.stdout or command[0] != "bibtex", done.stdout
    cited = (tmp_path / "paper.bbl").read_text(encoding="utf-8")
    assert r"\bibitem{setgf}" in cited and r"\bibitem{zadeh2016mosi}" in cited


def test_bibtex_keeps_capitals_and_leaves_out_what_was_not_found() -> None:
    entry = bibtex.of_method(METHODS.card("setgf"))
    assert "title  = {{" in entry and "key    = {setgf}" in entry and "not found" not in entry
    assert "author = {" in bibtex.of_method(METHODS.card("tfn"))


def test_a_key_of_bibtex_stands_once() -> None:
    joined = bibtex.joined(["@misc{a, title={x}}", "", "@article{ a , title={y}}", "@misc{b, title={x}}"])
    assert joined == "@misc{a, title={x}}\n\n@misc{b, title={x}}\n"
