"""What is drawn is what the records hold: heights, marks and counts equal the frames' figures."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.container import BarContainer, ErrorbarContainer

from msabench.plots import Asked, plots, scenes
from msabench.plots.look import RC
from msabench.plots.predicted import counted
from msabench.records import Store
from msabench.run import Task
from msabench.selection import optimism, select
from msabench.stats import critical_difference, mean_interval, resample

METHODS = (("almt", 0.9), ("setgf", 1.1), ("tfn", 1.6))
TITLES = {"almt": "ALMT (n = 3)", "setgf": "SETGF ‡ (n = 3)", "tfn": "TFN (n = 3)"}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, make: Any) -> Path:
    store = Store(tmp_path_factory.mktemp("figures") / "s")
    for method, noise in METHODS:
        for seed in (1, 2, 3):
            store.write(*make(method, seed, noise=noise, epochs=3 + seed))
    return store.path


def _axes(study: Path, kind: str, **asked: Any) -> list[Any]:
    with rc_context(RC):
        figures = [plot.figure for plot in plots(study, Asked(**asked), (kind,))]
    return [axes for figure in figures for part in figure.subfigs for axes in part.axes]


def _value(study: Path, row: str, metric: str, selection: str = "same-epoch") -> Any:
    frame = Store(study).frame("mmsa", selection)
    return frame[(frame["row"] == row) & (frame["metric"] == metric)].sort_values("seed")["value"].to_numpy()


def test_means_stand_within_their_intervals_and_are_the_tables(study: Path) -> None:
    accuracy, mae = _axes(study, "intervals", metrics=("has0_acc2", "mae"))
    for axes, metric, scale in ((accuracy, "has0_acc2", 100), (mae, "mae", 1)):
        bars = [c for c in axes.containers if isinstance(c, ErrorbarContainer)]
        assert len(bars) == 3
        for bar, (row, _) in zip(bars, METHODS, strict=True):
            mean = scale * _value(study, row, metric).mean()
            (x,) = bar.lines[0].get_xdata()
            assert x == pytest.approx(mean)
            ((low, _), (high, _)) = bar.lines[2][0].get_segments()[0]
            own = sorted((r for r in Store(study).runs() if r.spec.row == row), key=lambda r: r.spec.seed)
            chosen = [r.test_predictions[select(r, "same-epoch")[metric] - 1] for r in own]
            drawn = resample(chosen, _truth(own), "mmsa", [metric])[metric]
            found = mean_interval(drawn)
            assert (low, high) == pytest.approx((scale * found.low, scale * found.high))
            # about a normal 95 % interval of the two variances; few seeds and examples make it coarse
            se = scale * np.hypot(drawn.mean_resampled.std(), drawn.values.std(ddof=1) / len(own) ** 0.5)
            assert 0.7 < (high - low) / (2 * 1.96 * se) < 1.4 and low < mean < high


def _truth(own: list[Any]) -> Any:
    assert own[0].truths is not None
    return own[0].truths.test


def test_axes_say_unit_and_direction_and_rows_stand_in_order(study: Path) -> None:
    for kind, labels in (
        ("intervals", ["Acc-7 (%) ↑", "MAE ↓", "Corr ↑"]),
        ("seeds", ["Acc-7 (%) ↑", "MAE ↓", "Corr ↑"]),
        ("gap", ["Acc-7 gap (points)", "MAE gap", "Corr gap"]),
    ):
        panels = _axes(study, kind, metrics=("acc7", "mae", "corr"))
        assert [axes.get_xlabel() for axes in panels] == labels
        for axes in panels:
            low, high = axes.get_xlim()
            assert low < high, "larger figures to the right"
            assert axes.get_ylim()[0] > axes.get_ylim()[1], "the first row on top"
        names = [text.get_text() for text in panels[0].get_yticklabels()]
        assert names == ["ALMT (n = 3)", "SETGF ‡ (n = 3)", "TFN (n = 3)"]
    panels = _axes(study, "cost", metrics=("mae",))
    assert [axes.get_xlabel() for axes in panels] == ["seconds a run", "trainable parameters"]
    assert {axes.get_ylabel() for axes in panels} == {"MAE ↓"}
    assert all(axes.get_xscale() == "log" and axes.get_ylim()[0] < axes.get_ylim()[1] for axes in panels)
    left, right = _axes(study, "curves", metrics=("mae",))[:2]
    assert (left.get_ylabel(), right.get_ylabel()) == ("training loss", "validation criterion")
    (panel, *_) = _axes(study, "truth")
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("truth", "prediction")
    assert panel.lines[0].get_xdata() == pytest.approx([-3, 3]) == panel.lines[0].get_ydata()
    (panel, *_) = _axes(study, "confusion")
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("predicted", "true")


def test_an_interval_over_more_seeds_is_narrower(make: Any, tmp_path: Path) -> None:
    def width(seeds: int) -> float:
        store = Store(tmp_path / str(seeds))
        for seed in range(seeds):
            store.write(*make("tfn", seed, epochs=1))
            store.write(*make("almt", seed, epochs=1))
        (axes,) = _axes(store.path, "intervals", metrics=("mae",))
        ((low, _), (high, _)) = axes.containers[0].lines[2][0].get_segments()[0]
        return float(high - low)

    assert width(8) < width(2)


def test_every_seed_has_its_mark_and_rows_their_mean(study: Path) -> None:
    (axes,) = _axes(study, "seeds", metrics=("mae",))
    marks = [line for line in axes.lines if line.get_linestyle() == "None"]
    means = [line for line in axes.lines if line.get_linestyle() == "-"]
    for mark, mean, (row, _) in zip(marks, means, METHODS, strict=True):
        assert mark.get_xdata() == pytest.approx(_value(study, row, "mae"))
        assert mean.get_xdata()[0] == pytest.approx(_value(study, row, "mae").mean())


def test_bars_of_the_gap_are_the_optimism_of_the_records(study: Path) -> None:
    axes, mae = _axes(study, "gap", metrics=("acc7", "mae"))
    store = Store(study)
    for panel, metric, scale in ((axes, "acc7", 100), (mae, "mae", 1)):
        (bars,) = zip(*[c.patches for c in panel.containers if isinstance(c, BarContainer)], strict=True)
        for bar, (row, _) in zip(bars, METHODS, strict=True):
            gaps = [optimism(record)[metric] for record in store.runs() if record.spec.row == row]
            assert bar.get_width() == pytest.approx(scale * np.mean(gaps)) and bar.get_width() >= 0
        assert len({bar.get_hatch() for bar in bars}) == 3


def test_marks_of_the_curves_are_at_the_selected_epochs(study: Path) -> None:
    panels = _axes(study, "curves", metrics=("mae",))
    records = sorted(Store(study).runs(), key=lambda r: (r.spec.row, r.spec.seed))
    for place, (row, _) in enumerate(METHODS):
        left, right = panels[2 * place], panels[2 * place + 1]
        own = [record for record in records if record.spec.row == row]
        assert left.get_title(loc="left") == TITLES[row]
        marked = {line.get_label(): line for line in right.lines if line.get_markerfacecolor() == "none"}
        assert {"same-epoch", "best-epoch (ORACLE)", "as-published"} <= set(marked)
        for label, line in marked.items():
            rule = label.removesuffix(" (ORACLE)")
            epochs = [select(record, rule)["mae"] for record in own]
            assert list(line.get_xdata()) == epochs
            assert line.get_ydata() == pytest.approx(
                [record.valid_criterion[epoch - 1] for record, epoch in zip(own, epochs, strict=True)]
            )
        lengths = Counter(len(line.get_xdata()) for line in left.lines)
        assert lengths == {4: 2, 5: 1, 6: 1}, (
            "three seeds of unequal length, and a mean as long as the shortest"
        )
        mean = next(line for line in left.lines if line.get_label() == "mean")
        assert mean.get_ydata()[0] == pytest.approx(np.mean([0.5 + 1 / (1 + s) for s in (1, 2, 3)]))


def test_cost_stands_where_the_records_say(study: Path) -> None:
    seconds, parameters = _axes(study, "cost", metrics=("mae",))
    spent = np.mean([(2.0 + seed) * (3 + seed) for seed in (1, 2, 3)])
    for bar, (row, _) in zip(seconds.containers, METHODS, strict=True):
        assert bar.lines[0].get_xdata()[0] == pytest.approx(spent)
        assert bar.lines[0].get_ydata()[0] == pytest.approx(_value(study, row, "mae").mean())
        across, up = (lines.get_segments()[0] for lines in bar.lines[2])
        sd = np.std([(2.0 + seed) * (3 + seed) for seed in (1, 2, 3)], ddof=1)
        assert across[1][0] - across[0][0] == pytest.approx(2 * sd)
        assert up[1][1] - up[0][1] == pytest.approx(2 * _value(study, row, "mae").std(ddof=1))
    assert parameters.containers[0].lines[0].get_xdata()[0] == 1000


def test_confusion_counts_rounded_and_clipped_scores(study: Path) -> None:
    panels = _axes(study, "confusion")
    record = [r for r in Store(study).runs() if r.spec.row == "tfn"]
    counts = np.zeros((7, 7))
    for run in record:
        guesses = np.clip(np.rint(run.test_predictions[select(run, "same-epoch")["acc7"] - 1]), -3, 3)
        assert run.truths is not None
        for true, guess in zip(np.clip(np.rint(run.truths.test), -3, 3), guesses, strict=True):
            counts[int(true) + 3, int(guess) + 3] += 1
    shown = panels[2].images[0].get_array()
    assert [panel.get_title(loc="left") for panel in panels] == list(TITLES.values())
    assert np.asarray(shown) == pytest.approx(100 * counts / counts.sum(axis=1, keepdims=True))
    accuracy = np.trace(counts) / counts.sum()
    assert accuracy == pytest.approx(_value(study, "tfn", "acc7").mean())


def test_every_prediction_is_set_against_its_truth(study: Path) -> None:
    panels = _axes(study, "truth")
    points = np.asarray(panels[0].collections[0].get_offsets())
    own = sorted((r for r in Store(study).runs() if r.spec.row == "almt"), key=lambda r: r.spec.seed)
    expected = np.concatenate([r.test_predictions[select(r, "same-epoch")["mae"] - 1] for r in own])
    assert points[:, 1] == pytest.approx(expected) and len(points) == 3 * 80
    assert points[:, 0] == pytest.approx(np.concatenate([_truth(own)] * 3))
    heads = [panel.get_title(loc="left").splitlines()[0] for panel in panels]
    assert heads == list(TITLES.values())


def test_confusion_of_ch_sims_is_over_its_five_classes(make: Any, tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    labels = np.round(np.random.default_rng(3).uniform(-1, 1, 80), 1).astype(np.float32)
    task = Task(kind="regression", label_range=(-1.0, 1.0))
    predictions = np.clip(labels + np.random.default_rng(4).normal(0, 0.3, (1, 80)), -1, 1).round(1)
    store.write(
        *make("tfn", 1, epochs=1, dataset="sims:unaligned", task=task, convention="sims", labels=labels,
              test=predictions.astype(np.float32))
    )  # fmt: skip
    (axes,) = _axes(store.path, "confusion")
    (scene,) = scenes(store.path, Asked())
    counts, names, lost = counted(scene, scene.rows[0], scene.metrics[0])
    assert len(names) == 5 and lost == 0 and counts.sum() == 80
    frame = store.frame("sims", "same-epoch").set_index("metric")["value"]
    assert np.trace(counts) / 80 == pytest.approx(frame["acc5"])
    assert np.asarray(axes.images[0].get_array()).shape == (5, 5)


def test_a_rank_diagram_draws_ranks_groups_and_what_friedman_found(make: Any, tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    for place in range(8):
        for method, noise in (("almt", 0.5), ("tfn", 2.0), ("setgf", 1.0)):
            store.write(*make(method, 1, noise=noise, epochs=1, dataset=f"set{place}:all"))
    (axes,) = _axes(store.path, "ranks", metrics=("mae",))
    texts = [text.get_text() for text in axes.texts]
    assert {"ALMT  1.00", "SETGF ‡  2.00", "3.00  TFN"} <= set(texts), "1 is best, whatever the metric"
    lines = {line.get_label(): line for line in axes.lines}
    start, end = lines["critical difference"].get_xdata()
    assert end - start == pytest.approx(critical_difference(3, 8))
    bars = [line.get_xdata() for line in axes.lines if line.get_label() == "group"]
    assert [tuple(np.round(bar, 2)) for bar in bars] == [(0.95, 2.05), (1.95, 3.05)]
    stems = {round(float(line.get_xdata()[0]), 2) for line in axes.lines if len(line.get_xdata()) == 3}
    assert stems == {1.0, 2.0, 3.0}


def test_ranks_that_friedman_does_not_tell_apart_are_said_to_be_so(make: Any, tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    for place in range(8):
        for i, method in enumerate(("almt", "tfn", "setgf")):
            noise = 0.5 + 0.5 * ((place + i) % 3)
            store.write(*make(method, 1, noise=noise, epochs=1, dataset=f"set{place}:all"))
    with rc_context(RC):
        (found,) = plots(store.path, Asked(metrics=("mae",)), ("ranks",))
    said = " ".join(" ".join(t.get_text() for part in found.figure.subfigs for t in part.texts).split())
    assert "none of these ranks may be said to differ" in said
    assert said.count("real") == 1 and "set0:all, set1:all" in said
