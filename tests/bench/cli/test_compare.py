"""`msabench compare` and `msabench power` on studies written by hand, through the command line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from msabench.cli import app
from msabench.errors import MsabenchError
from msabench.judge import against, against_best, entries
from msabench.records import Store
from msabench.report.judging import verdicts
from msabench.report.render_verdicts import show
from msabench.report.verdicts import Question
from msabench.run import Failure, RunRecord, RunSpec, Task, Truths

N, NV, SEEDS = 250, 60, (1, 2, 3, 4, 5)


def _labels(size: int, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    return np.clip(np.rint(rng.normal(0, 1.6, size) * 5) / 5, -3, 3).astype(np.float32)


def _write(
    study: Path, method: str, noise: float, seeds: Sequence[int] = SEEDS, *, labels: int = 0, **spec: Any
) -> None:
    """Runs of two epochs; validation prefers the first, the test split the second."""
    y, v = _labels(N, labels), _labels(NV, 1)
    truths = Truths(
        valid_ids=np.array([f"v{i}" for i in range(NV)]), valid=v,
        test_ids=np.array([f"t{i}" for i in range(N)]), test=y,
    )  # fmt: skip
    for seed in seeds:
        rng = np.random.default_rng([seed, len(method), int(100 * noise)])
        p = 0.8 * y + rng.normal(0, 0.05) + noise * rng.normal(0, 1, (2, N)) * [[1.0], [0.8]]
        if noise == 0:
            p = np.full((2, N), 0.5)
        settings: dict[str, Any] = {
            "method": method, "method_version": 1, "hyperparameters": {}, "dataset": "mosi:unaligned",
            "data_kind": "real", "data_hash": "a" * 64, "seed": seed, "text_encoder": "minilm@53aa5117",
            "text_mode": "frozen",
        }  # fmt: skip
        record = RunRecord(
            spec=RunSpec(**{**settings, **spec}),
            status="finished",
            task=Task(kind="regression"),
            convention="mmsa",
            truths_hash=truths.fingerprint,
            losses=({"task": 1.0},) * 2,
            valid_loss=(0.5, 0.6),
            valid_criterion=(0.5, 0.6),
            valid_predictions=np.stack([v, v]),
            test_predictions=p.astype(np.float32),
            seconds=(1.0, 1.0),
            stopped="epochs",
        )
        Store(study).write(record, truths)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("results")
    for method, noise in (("tfn", 0.6), ("lf_dnn", 1.2), ("almt", 0.62)):
        _write(root / "main", method, noise)
    return root


def _run(results: Path, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--results-root", str(results)])


def _refusal(results: Path, *words: str) -> str:
    found = _run(results, *words)
    assert isinstance(found.exception, MsabenchError), found.output
    return str(found.exception)


def _json(results: Path, *words: str) -> Any:
    found = _run(results, "compare", *words, "--format", "json")
    assert found.exit_code == 0, found.exception
    return json.loads(found.stdout)


def test_the_better_method_is_named_with_interval_and_p(results: Path) -> None:
    found = _json(results, "main", "tfn", "lf_dnn", "--selection", "same-epoch")
    mae = next(line for line in found["verdicts"] if line["metric"] == "mae")
    assert mae["verdict"] == "tfn is better" and mae["winner"] == "tfn"
    assert mae["low"] < mae["difference"] < mae["high"] < 0 and mae["p"] < 0.01
    assert mae["hedges_g"] > 1 and mae["p_improvement"] == 1
    frame = Store(results / "main").frame()
    mean = frame[(frame["row"] == "tfn") & (frame["metric"] == "mae")]["value"].mean()
    assert mae["a_mean"] == pytest.approx(mean, abs=1e-6)


def test_what_is_not_significant_says_what_could_be_seen(results: Path) -> None:
    found = _json(results, "main", "tfn", "almt", "-m", "mae")["verdicts"][0]
    assert found["winner"] == "" and found["detectable"] > abs(found["difference"])
    assert found["verdict"].startswith("not distinguishable; detectable with these seeds: 0.")
    assert "seeds" in found["verdict"].split("; for ")[1]


def test_verdicts_stand_below_the_figures_where_the_terminal_is_narrow(results: Path) -> None:
    found = verdicts(results / "main", Question(rows=("tfn", "almt"), selections=("same-epoch",)))
    arrows = {"higher": "↑", "lower": "↓"}
    words = {f"{v.metric.label} {arrows[v.metric.better]}": v.words for v in found.verdicts}
    for width in (80, 250):
        out = io.StringIO()
        show(found, Console(file=out, force_terminal=True, color_system=None, width=width))
        lines = [" ".join(line.split()) for line in out.getvalue().splitlines()]
        assert max(map(len, lines)) <= width
        for metric, said in words.items():
            assert (f"{metric}: {said}" in " ".join(lines)) == (width == 80)
            assert any(line.startswith(metric) and line.endswith(said) for line in lines) == (width == 250)


def test_metrics_may_be_named_with_commas(results: Path) -> None:
    found = _json(results, "main", "tfn", "almt", "-m", "mae,corr", "-m", "acc7", "-s", "same-epoch")
    assert {v["metric"] for v in found["verdicts"]} == {"mae", "corr", "acc7"}


def test_other_epoch_rules_stand_beside(results: Path) -> None:
    text = _run(results, "compare", "main", "tfn", "lf_dnn").stdout
    assert "best-epoch (ORACLE)" in text and "same-epoch" in text and "changes?" in text
    for said in ("two-source t", "n seeds (ddof = 1)", "track paper", "minilm@53aa5117", "version 1", "Holm"):
        assert said in text, said
    best = [v for v in _json(results, "main", "tfn", "lf_dnn")["other_selections"] if v["metric"] == "mae"]
    assert next(v for v in best if v["selection"] == "best-epoch")["oracle_for"] == "tfn and lf_dnn"


def test_every_format_holds_the_same_figures(results: Path) -> None:
    words = ("compare", "main", "tfn", "lf_dnn", "-m", "mae", "-s", "same-epoch", "--format")
    line = json.loads(_run(results, *words, "json").stdout)["verdicts"][0]
    (row,) = csv.DictReader(io.StringIO(_run(results, *words, "csv").stdout))
    assert float(row["difference"]) == line["difference"] and row["verdict"] == line["verdict"]
    shown = f"{line['difference']:+.3f} [{line['low']:+.3f}, {line['high']:+.3f}]"
    assert (
        shown in _run(results, *words, "markdown").stdout
        and shown in _run(results, *words, "terminal").stdout
    )
    latex = _run(results, *words, "latex").stdout.replace("$-$", "-")
    assert f"{line['difference']:+.3f} & {{[}}{line['low']:+.3f}" in latex


def test_holm_corrects_over_the_rows_of_one_reference(results: Path) -> None:
    lines = _json(results, "main", "--reference", "tfn", "-m", "mae", "-s", "same-epoch")["verdicts"]
    assert {line["a"] for line in lines} == {"almt", "lf_dnn"} and {line["b"] for line in lines} == {"tfn"}
    smallest = min(lines, key=lambda line: line["p"])
    assert smallest["p_holm"] == pytest.approx(2 * smallest["p"]) and smallest["comparisons"] == 2
    frame = against(entries(Store(results / "main")), "tfn")
    mae = frame[frame["metric"] == "mae"].set_index("row")
    assert mae.loc["lf_dnn", "p_holm"] == pytest.approx(smallest["p_holm"])
    assert mae.loc["lf_dnn", "winner"] == "reference" and not mae.loc["almt", "significant"]
    best = against_best(entries(Store(results / "main")))
    told = best[(best["metric"] == "mae") & best["significant"]]
    assert set(told["row"]) == {"lf_dnn"}


@pytest.mark.parametrize("test", ["welch", "permutation", "mann-whitney", "randomisation"])
def test_weaker_tests_are_labelled(results: Path, test: str) -> None:
    found = _json(results, "main", "tfn", "lf_dnn", "-m", "mae", "--test", test, "-s", "same-epoch")
    assert found["scope"] in ("this test set only", "these checkpoints")
    assert found["scope"].split()[0] in found["notes"][0] and found["verdicts"][0]["winner"] == "tfn"


def test_bad_input_is_answered_with_a_sentence(results: Path) -> None:
    assert "did you mean 'tfn'" in _refusal(results, "compare", "main", "tfm", "almt")
    assert "did you mean 'main'" in _refusal(results, "compare", "mian", "tfn", "almt")
    assert "two different rows" in _refusal(results, "compare", "main", "tfn")
    assert "smallest p is 0.0625" in _refusal(results, "compare", "main", "tfn", "almt", "--test", "wilcoxon")
    assert "did you mean 'corr'" in _refusal(results, "compare", "main", "tfn", "almt", "-m", "cor")
    assert "unknown dataset 'sims'" in _refusal(results, "compare", "main", "tfn", "almt", "-d", "sims")
    assert "did you mean 'same-epoch'" in _refusal(
        results, "compare", "main", "tfn", "almt", "-s", "same-epok"
    )
    assert "takes all seeds" in _refusal(results, "compare", "main", "tfn", "almt", "--seed", "1")


def test_one_seed_is_refused_and_checkpoints_are_offered(tmp_path: Path) -> None:
    _write(tmp_path / "one", "tfn", 0.6, [1])
    _write(tmp_path / "one", "lf_dnn", 1.2, [1, 2])
    said = _refusal(tmp_path, "compare", "one", "tfn", "lf_dnn")
    assert "tfn has one: one seed says nothing of what training varies by" in said and "randomisation" in said
    found = _json(tmp_path, "one", "tfn", "lf_dnn", "--test", "randomisation", "-m", "mae")
    assert found["scope"] == "these checkpoints" and found["verdicts"][0]["winner"] == "tfn"


def test_unequal_and_missing_seeds_are_said(tmp_path: Path) -> None:
    _write(tmp_path / "gaps", "tfn", 0.6)
    _write(tmp_path / "gaps", "lf_dnn", 1.2, SEEDS[:4])
    done = next(Store(tmp_path / "gaps").runs())
    spec = RunSpec(**{**done.spec.to_json(), "method": "lf_dnn", "seed": 5, "budget": done.spec.budget})
    failed = RunRecord(
        spec=spec, status="failed", task=done.task, convention="mmsa", truths_hash=done.truths_hash,
        failure=Failure(cause="nan", message="the loss is nan"),
    )  # fmt: skip
    assert done.truths is not None
    Store(tmp_path / "gaps").write(failed, done.truths)
    found = _json(tmp_path, "gaps", "tfn", "lf_dnn", "-m", "mae")
    assert found["refused"] == ["lf_dnn on mosi:unaligned lacks seeds 5 (nan): they are in no figure"]
    assert any(
        "seeds differ: tfn has 1, 2, 3, 4, 5 and lf_dnn has 1, 2, 3, 4" in note for note in found["notes"]
    )


def test_constant_predictions_have_no_corr_but_the_rest(tmp_path: Path) -> None:
    _write(tmp_path / "flat", "tfn", 0.6)
    _write(tmp_path / "flat", "lf_dnn", 0.0)
    lines = {v["metric"]: v for v in _json(tmp_path, "flat", "tfn", "lf_dnn", "-s", "same-epoch")["verdicts"]}
    assert lines["corr"]["verdict"] == "undefined: corr of lf_dnn is undefined for 5 of 5 seeds"
    assert lines["corr"]["p"] is None and lines["mae"]["winner"] == "tfn"


def test_other_labels_encoders_and_data_are_refused_or_said(tmp_path: Path) -> None:
    _write(tmp_path / "mixed", "tfn", 0.6)
    _write(tmp_path / "mixed", "almt", 0.9, labels=7)
    assert "different examples or labels" in _refusal(tmp_path, "compare", "mixed", "tfn", "almt")
    _write(tmp_path / "mixed", "lf_dnn", 1.2, text_encoder="tiny@0")
    notes = _json(tmp_path, "mixed", "tfn", "lf_dnn")["notes"]
    assert any("method and encoder together" in note for note in notes)
    _write(tmp_path / "mixed", "lf_dnn", 1.2)
    said = _refusal(tmp_path, "compare", "mixed", "tfn", "lf_dnn")
    assert "lf_dnn on mosi:unaligned has several settings" in said
    assert _json(tmp_path, "mixed", "tfn", "lf_dnn", "--text-encoder", "minilm@53aa5117")["verdicts"]
    _write(tmp_path / "mixed", "setgf", 0.9, [1, 2])
    _write(tmp_path / "mixed", "setgf", 0.9, [3, 4], data_hash="b" * 64)
    assert "different data files" in _refusal(tmp_path, "compare", "mixed", "tfn", "setgf")


def test_power_goes_by_the_records_of_a_pilot(results: Path, tmp_path: Path) -> None:
    found = json.loads(_run(results, "power", "main", "-m", "mae", "--format", "json").stdout)[0]
    frame = Store(results / "main").frame()
    spreads = frame[frame["metric"] == "mae"].groupby("row")["value"].var()
    assert found["sd_seeds"] == pytest.approx(spreads.mean() ** 0.5, rel=1e-4) and found["samples"] == N
    compared = _json(results, "main", "tfn", "almt", "-m", "mae", "-s", "same-epoch")["verdicts"][0]
    assert 0.4 < found["detectable"]["5"] / compared["detectable"] < 2.5
    larger = json.loads(_run(results, "power", "main", "-m", "mae", "--n-test", "1000", "-f", "json").stdout)[
        0
    ]
    assert larger["se_examples"] == pytest.approx(found["se_examples"] / 2)
    assert "shown by 5 seeds" in _run(results, "power", "main", "--difference", "1", "-m", "acc7").stdout
    assert "name the metric" in _refusal(results, "power", "main", "--difference", "1")
    assert "did you mean 'tfn'" in _refusal(results, "power", "main", "tfm")
    _write(tmp_path / "one", "tfn", 0.6, [1])
    assert "0 of 1 rows have them" in _refusal(tmp_path, "power", "one")
