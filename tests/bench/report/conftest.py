"""Scored runs and failures made by hand, and LaTeX compiled."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest

from msabench.run import Failure, RunRecord, RunSpec, Task


def _line(row: str, dataset: str, metric: str, seed: int, value: float, **other: object) -> dict[str, object]:
    line: dict[str, object] = {
        "row": row,
        "method": row.split("[")[0],
        "dataset": dataset,
        "data_kind": "real",
        "track": "paper",
        "text_encoder": "minilm@53aa5117",
        "text_mode": "frozen",
        "seed": seed,
        "key": f"{row}-{dataset}-{seed}",
        "metric": metric,
        "value": value,
        "epoch": 3,
        "epochs": 9,
        "convention": "mmsa",
        "selection": "same-epoch",
        "oracle": False,
        "notes": "",
    }
    return {**line, **other}


@pytest.fixture(scope="session")
def scores() -> Callable[..., pd.DataFrame]:
    """`scores({"tfn": {"acc7": [0.3, 0.4]}}, **columns)`: one line for each row, metric and seed."""

    def make(
        rows: Mapping[str, Mapping[str, Sequence[float]]], dataset: str = "mosi:unaligned", **columns: object
    ) -> pd.DataFrame:
        return pd.DataFrame(
            [
                _line(row, dataset, metric, 1111 + place, value, **columns)
                for row, metrics in rows.items()
                for metric, values in metrics.items()
                for place, value in enumerate(values)
            ]
        )

    return make


@pytest.fixture(scope="session")
def failed() -> Callable[..., RunRecord]:
    """`failed("tfn", seed=1113)`: the record of a run that failed."""

    def make(
        method: str,
        *,
        seed: int = 1111,
        dataset: str = "mosi:unaligned",
        message: str = "the loss is nan in epoch 2",
    ) -> RunRecord:
        spec = RunSpec(
            method=method,
            method_version=1,
            hyperparameters={},
            dataset=dataset,
            data_kind="real",
            data_hash="0" * 64,
            seed=seed,
            text_encoder="minilm@53aa5117",
            text_mode="frozen",
        )
        return RunRecord(
            spec=spec,
            status="failed",
            task=Task(kind="regression"),
            convention="mmsa",
            truths_hash="",
            failure=Failure(cause="nan", message=message),
        )

    return make


@functools.cache
def _lacking(name: str) -> bool:
    return subprocess.run(["kpsewhich", name], capture_output=True, check=False).returncode != 0


@pytest.fixture
def fits(tmp_path: Path) -> Callable[..., Path]:
    """`fits(document, needs=["siunitx.sty"], comparison=snippet)`: the PDF, after nothing ran over its box.

    Snippets are written beside the document under their names. Where TeX is not installed, or lacks a file,
    the test is skipped and says what is missing.
    """

    def run(document: str, needs: Collection[str] = ("booktabs.sty", "siunitx.sty"), **snippets: str) -> Path:
        if shutil.which("pdflatex") is None:
            pytest.skip("pdflatex is not installed (texlive-latex-base)")
        if missing := [name for name in needs if _lacking(name)]:
            pytest.skip(f"TeX has no {', '.join(missing)} (texlive-science has siunitx)")
        for name, text in {"t": document, **snippets}.items():
            (tmp_path / f"{name}.tex").write_text(text, encoding="ascii")
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=120)
        log = (tmp_path / "t.log").read_text(encoding="latin-1")
        assert done.returncode == 0, log[-2000:]
        assert not re.findall(r"Overfull.*|Float too large.*", log)
        assert "siunitx Warning" not in log, "an option that this siunitx does not know"
        return tmp_path / "t.pdf"

    return run
