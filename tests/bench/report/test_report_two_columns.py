"""LaTeX tables inside documents of the field's two-column styles: nothing runs over its box."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from msabench.report import render_latex
from msabench.report.comparison import assemble
from msabench.report.significance import Verdicts, mark
from msabench.run import RunRecord

IEEE = r"""\documentclass[journal]{IEEEtran}
\usepackage{booktabs,graphicx}
"""
# the measures of ACL's style: A4, margins of 2.5 cm, two columns 6 mm apart, 11 pt
ACL = r"""\documentclass[11pt,a4paper,twocolumn]{article}
\usepackage[a4paper,margin=2.5cm,heightrounded=true]{geometry}
\setlength{\columnsep}{0.6cm}
\usepackage[T1]{fontenc}
\usepackage{booktabs,graphicx}
"""
METRICS = ("acc7", "acc5", "has0_acc2", "non0_acc2", "has0_f1", "non0_f1", "mae", "corr")


def _needs(*files: str) -> pytest.MarkDecorator:
    """Skipped where TeX or one of these files of it is not installed."""
    found = shutil.which("pdflatex") is not None and all(
        subprocess.run(["kpsewhich", name], capture_output=True, check=False).returncode == 0
        for name in files
    )
    return pytest.mark.skipif(not found, reason=f"pdflatex with {', '.join(files)} is not installed")


@pytest.mark.parametrize(
    "style",
    [
        pytest.param(IEEE, marks=_needs("IEEEtran.cls", "ptmr8t.tfm"), id="ieee"),
        pytest.param(ACL, marks=_needs("geometry.sty"), id="acl"),
    ],
)
def test_a_wide_table_fits_both_columns(
    style: str, scores: Callable[..., pd.DataFrame], failed: Callable[..., RunRecord], tmp_path: Path
) -> None:
    names = ["tfn", "lf_dnn", "almt", "setgf", "almt[fusion=off]", "cmcbep_cl"]
    rows = {name: {metric: [0.61, 0.83, 0.55] for metric in METRICS} for name in names}
    frames = [
        scores(rows, dataset=dataset, selection=rule, oracle=rule == "best-epoch")
        for dataset in ("mosi:unaligned", "mosei:unaligned")
        for rule in ("same-epoch", "best-epoch")
    ]
    table = assemble(pd.concat(frames), failures=[failed("tfn", seed=1119, message="out of luck")])
    where = ("same-epoch", "mosi:unaligned", "real", "mmsa", "paper", "minilm@53aa5117")
    found = Verdicts(
        tied=frozenset({(*where, "tfn", "acc7")}),
        stars={(*where, "almt", "mae"): "**"},
        reference="lf_dnn",
        unjudged={},
    )
    text = render_latex.render(mark(table, found))
    assert "^{**}" in text
    body = r"\begin{document}\section{Results}Text.\input{comparison}\end{document}"
    (tmp_path / "comparison.tex").write_text(text, encoding="utf-8")
    (tmp_path / "paper.tex").write_text(style + body, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=120)
    log = (tmp_path / "paper.log").read_text(encoding="latin-1")
    assert done.returncode == 0, log[-2000:]
    assert not re.findall(r"Overfull.*|Float too large.*", log)
