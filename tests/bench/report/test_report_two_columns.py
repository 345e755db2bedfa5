"""LaTeX inside documents of the field's two-column styles: nothing runs over its box, and points align."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from msabench.cli import app
from msabench.records import Store
from msabench.report import render_latex
from msabench.report.comparison import assemble
from msabench.report.judging import verdicts
from msabench.report.latex_figures import Latex, Numbers
from msabench.report.render_verdicts import to_latex
from msabench.report.significance import Verdicts, mark
from msabench.report.table import Table
from msabench.report.verdicts import Question
from msabench.run import Array, RunRecord, RunSpec, Task, Truths

IEEE = r"\documentclass[journal]{IEEEtran}"
# the measures of ACL's style: A4, margins of 2.5 cm, two columns 6 mm apart, 11 pt, Times
ACL = r"""\documentclass[11pt,a4paper,twocolumn]{article}
\usepackage[a4paper,margin=2.5cm,heightrounded=true]{geometry}
\setlength{\columnsep}{0.6cm}
\usepackage[T1]{fontenc}
\usepackage{times}"""
STYLES = {"ieee": (IEEE, ("IEEEtran.cls", "ptmr8t.tfm")), "acl": (ACL, ("geometry.sty", "ptmr8t.tfm"))}
# version 2 is what TeX Live had until 2021; later ones carry it along
SIUNITX = {"3": r"\usepackage{siunitx}", "2": r"\usepackage{siunitx}[=v2]"}
METRICS = ("acc7", "acc5", "has0_acc2", "non0_acc2", "has0_f1", "non0_f1", "mae", "corr")
LABELS = np.round(np.random.default_rng(7).uniform(-3, 3, 120), 1).astype(np.float32)
CLASSES = np.arange(120, dtype=np.float32) % 7


def _paper(style: str, numbers: Numbers, version: str, *snippets: str) -> tuple[str, list[str]]:
    """A document of a style that `\\input`s snippets, and the files that it needs."""
    head, needs = STYLES[style]
    packages = r"\usepackage{array,booktabs,graphicx}"
    if numbers == "siunitx":
        packages += SIUNITX[version]
        needs = (*needs, "siunitx.sty" if version == "3" else "siunitx-v2.sty")
    inputs = "".join(rf"\input{{{name}}}\clearpage " for name in snippets)
    body = rf"\begin{{document}}\section{{Results}}Text.{inputs}\end{{document}}"
    return f"{head}\n{packages}\n{body}", [*needs, "booktabs.sty", "array.sty"]


# -- a table with all that a cell can hold -----------------------------------------------------------------


@pytest.fixture(scope="module")
def table(scores: Callable[..., pd.DataFrame], failed: Callable[..., RunRecord]) -> Table:
    """Two layouts, the oracle's gap, marks, signs, figures of unequal width, undefined and absent ones."""
    names = ["tfn", "lf_dnn", "almt", "setgf", "almt[fusion=off]", "cmcbep_cl"]
    values = {metric: [0.61, 0.83, 0.55] for metric in METRICS}
    rows = {name: {**values, "acc7": [0.05 + at / 9] * 3} for at, name in enumerate(names)}
    rows["tfn"] |= {"mae": [12.5, 0.9, 1.1], "corr": [-0.2, -0.3, 0.1]}
    rows["setgf"] |= {"corr": [0.5, float("nan"), 0.4]}
    sims = {metric: [0.44, 0.4] for metric in ("acc2", "acc3", "acc5", "f1", "mae", "corr")}
    frames = [
        scores(found, dataset=dataset, convention=convention, selection=rule, oracle=rule == "best-epoch")
        for dataset, convention, found in (
            ("mosi:unaligned", "mmsa", rows),
            ("mosei:unaligned", "mmsa", rows),
            ("sims:unaligned", "sims", {"tfn": sims, "almt": {"mae": [0.4]}}),
        )
        for rule in ("same-epoch", "best-epoch")
    ]
    made = assemble(pd.concat(frames), failures=[failed("tfn", seed=1119, message="out of luck")])
    made = replace(
        made, failures=(*made.failures, replace(made.failures[0], method="tfn" + "[a_name=7]" * 6))
    )
    where = ("same-epoch", "mosi:unaligned", "real", "mmsa", "paper", "minilm@53aa5117")
    found = Verdicts(
        tied=frozenset({(*where, "tfn", "acc7"), (*where, "tfn", "non0_f1")}),
        stars={(*where, "almt", "mae"): "**", (*where, "tfn", "acc7"): "*"},
        reference="lf_dnn",
        unjudged={},
    )
    return mark(made, found)


@pytest.mark.parametrize(
    ("style", "numbers", "version"),
    [("ieee", "siunitx", "3"), ("acl", "siunitx", "3"), ("acl", "siunitx", "2"), ("ieee", "plain", "")],
)
def test_a_wide_table_fits_both_columns(
    style: str, numbers: Numbers, version: str, table: Table, fits: Callable[..., Path]
) -> None:
    text = render_latex.render(table, Latex(numbers=numbers))
    assert "^{**}" in text and "-- (1/3)" in text
    # under one rule the three datasets share a float, and two layouts a box
    one = render_latex.render(
        replace(table, blocks=table.blocks[:1]), Latex(numbers=numbers), label="tab:one"
    )
    assert (text.count(r"\label"), one.count(r"\label")) == (4, 2) and one.count(r"\begin{tabular}") == 4
    document, needs = _paper(style, numbers, version, "comparison", "one")
    fits(document, needs, comparison=text, one=one)


@pytest.mark.parametrize(("numbers", "version"), [("siunitx", "3"), ("siunitx", "2"), ("plain", "")])
def test_points_stand_below_each_other(
    numbers: Numbers, version: str, scores: Callable[..., pd.DataFrame], fits: Callable[..., Path]
) -> None:
    """Plain, bold, underlined, of one and of three digits, with and without a sign: one point."""
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed (poppler-utils)")
    # of corr the highest is best and the widest, of mae the lowest and one of the narrowest
    means = {"a": (0.053, 2.653), "b": (0.723, 10.403), "c": (0.613, 0.153), "d": (1.003, 3.753)}
    rows = {
        name: {"acc7": [high] * 2, "corr": [high] * 2, "mae": [low] * 2}
        for name, (high, low) in means.items()
    }
    made = assemble(scores(rows))
    where = ("same-epoch", "mosi:unaligned", "real", "mmsa", "paper", "minilm@53aa5117")
    found = Verdicts(
        tied=frozenset({(*where, name, metric) for name in "ab" for metric in ("acc7", "corr", "mae")}),
        stars={(*where, "c", "acc7"): "**"},
        reference="a",
        unjudged={},
    )
    document, needs = _paper("ieee", numbers, version, "comparison")
    pdf = fits(document, needs, comparison=render_latex.render(mark(made, found), Latex(numbers=numbers)))
    done = subprocess.run(["pdftotext", "-bbox", str(pdf), "-"], capture_output=True, text=True, check=True)
    ends = {
        word: float(end)
        for end, word in re.findall(r'xMax="([\d.]+)" yMax="[\d.]+">([\d.]+)</word>', done.stdout)
    }
    for column in (
        ("5.30", "72.30", "61.30", "100.30"),
        ("0.053", "0.723", "0.613", "1.003"),
        ("2.653", "10.403", "0.153", "3.753"),
    ):
        found_ends = [ends[word] for word in column]
        assert max(found_ends) - min(found_ends) < 0.4, dict(zip(column, found_ends, strict=True))


def _record(method: str, seed: int, dataset: str, convention: str, task: Task, guesses: Array) -> RunRecord:
    spec = RunSpec(
        method=method,
        method_version=1,
        hyperparameters={},
        dataset=dataset,
        data_kind="twin",
        data_hash="0" * 64,
        seed=seed,
        text_encoder="minilm@53aa5117",
        text_mode="frozen",
    )
    return RunRecord(
        spec=spec,
        status="finished",
        task=task,
        convention=convention,
        truths_hash=_truths(task).fingerprint,
        valid_loss=(1.0,),
        valid_criterion=(1.0,),
        valid_predictions=guesses[None],
        test_predictions=guesses[None],
        seconds=(1.0,),
        losses=({"task": 1.0},),
    )


def _truths(task: Task) -> Truths:
    labels = CLASSES if task.kind == "multiclass" else LABELS
    ids = np.array([f"v{i}" for i in range(len(labels))])
    return Truths(valid_ids=ids, valid=labels, test_ids=ids, test=labels)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MOSI with three methods, and CHERMA with two."""
    root = tmp_path_factory.mktemp("results")
    mosi, cherma = Store(root / "mosi"), Store(root / "cherma")
    score, emotion = Task(kind="regression"), Task(kind="multiclass", classes=7, label_range=(0.0, 6.0))
    for seed in (1, 2, 3):
        rng = np.random.default_rng(seed)
        for method, noise in (("tfn", 0.8), ("almt", 0.82), ("setgf", 2.5)):
            guesses = (LABELS + rng.normal(0, noise, len(LABELS))).astype(np.float32)
            mosi.write(_record(method, seed, "mosi:unaligned", "mmsa", score, guesses), _truths(score))
        for method, noise in (("tfn", 0.5), ("r3dg", 0.9)):
            logits = np.eye(7)[CLASSES.astype(int)] + rng.normal(0, noise, (len(CLASSES), 7))
            record = _record(method, seed, "cherma:lfmim", "cherma", emotion, logits.astype(np.float32))
            cherma.write(record, _truths(emotion))
    return root


COMMANDS = {
    "comparison": ["report", "mosi", "--significance", "--reference", "setgf", "-s", "best-epoch"],
    "published": ["report", "mosi", "--published"],
    "lens": ["report", "mosi", "--conventions", "all"],
    "perclass": ["report", "cherma", "--per-class"],
    "emotions": ["report", "cherma"],
    "verdicts": ["compare", "mosi", "--reference", "setgf"],
}


def _written(results: Path, out: Path, numbers: Numbers, *more: str) -> dict[str, str]:
    common = ["-f", "latex", "--latex-numbers", numbers, "--results-root", str(results), *more, "--out"]
    texts = {}
    for name, command in COMMANDS.items():
        path = out / name
        done = CliRunner().invoke(app, [*command, *common, str(path)])
        assert done.exit_code == 0, done.output
        (file,) = [path] if path.is_file() else path.iterdir()
        texts[name] = file.read_text(encoding="ascii")
    return texts


@pytest.fixture(scope="module")
def snippets(results: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return _written(results, tmp_path_factory.mktemp("snippets"), "siunitx")


@pytest.mark.parametrize(("style", "version"), [("ieee", "3"), ("acl", "3"), ("acl", "2")])
def test_every_table_of_a_study_fits_both_columns(
    style: str, version: str, snippets: dict[str, str], fits: Callable[..., Path]
) -> None:
    for text in snippets.values():
        assert "S[table-format" in text
        assert re.match(r"% msabench \S+; \\usepackage\{booktabs,graphicx,siunitx\}", text)
    document, needs = _paper(style, "siunitx", version, *snippets)
    fits(document, needs, **snippets)


def test_every_table_can_do_without_siunitx_and_be_a_document(results: Path, tmp_path: Path) -> None:
    for name, text in _written(results, tmp_path, "plain", "--standalone").items():
        assert text.startswith(r"\documentclass"), name
        for needed in (r"S[", "siunitx", r"\num", r"\best"):
            assert needed not in text, name


def test_more_verdicts_than_a_page_holds_go_to_several(results: Path, fits: Callable[..., Path]) -> None:
    found = verdicts(results / "mosi", Question(rows=("almt", "tfn"), selections=("same-epoch",)))
    assert "not distinguishable" in found.verdicts[0].words
    many = replace(found, verdicts=found.verdicts * 8, notes=found.notes * 2)
    text = to_latex(many)
    assert text.count("not distinguishable") == 8 * len(found.verdicts) and r"\label{tab:verdicts-3}" in text
    document, needs = _paper("acl", "siunitx", "3", "verdicts")
    fits(document, needs, verdicts=text)
