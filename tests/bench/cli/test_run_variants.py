"""`msabench run` and `plan` with variants of methods, before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from msabench.cli import app
from msabench.errors import SpecError

ROOTS = ("--text-encoder", "tiny", "--seeds", "1")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("almt[ahl=off]", "language has no way to the prediction"),
        ("almt[tokens=0]", "`tokens >= 1` must hold"),
        ("almt[fusion_readout=max]", "fusion_readout is one of cls"),
        ("almt[fusionn=off]", "did you mean 'fusion'"),
    ],
)
def test_contradictions_are_refused_before_the_first_run(
    row: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["run", "--methods", f"almt,{row}", "--datasets", "demo", *ROOTS])
    assert isinstance(done.exception, SpecError) and words in str(done.exception)
    assert not (tmp_path / "results").exists()


def test_a_plan_names_variants_and_what_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "almt,almt[fusion=off],almt[fusion=on],lf_dnn[text_hidden=128],r3dg[audio_segments=[1,5,10]]"
    arguments = ["plan", "--methods", rows, "--datasets", "demo", *ROOTS]
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.exception
    text = done.output
    assert "almt[fusion=false]" in text and "r3dg[audio_segments=[1,5,10]]" in text
    assert "left out: almt[fusion=true] on demo:unaligned: the same run as almt" in text
    assert "note: lf_dnn[text_hidden=128] is lf_dnn on demo:unaligned" in text
