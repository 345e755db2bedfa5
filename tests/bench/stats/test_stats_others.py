"""Tests that see less than the primary one, effect sizes, corrections, power and ranks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from msabench.errors import DataError, SpecError
from msabench.stats import (
    TESTS,
    Draws,
    Sources,
    compare,
    crossed_interval,
    friedman,
    hedges_g,
    holm,
    minimum_detectable,
    power_of,
    probability_of_improvement,
    rank_intervals,
    resample,
    seeds_needed,
    two_source,
)
from msabench.stats.simulation import Setting, study

Array = NDArray[np.float32]


@pytest.fixture(scope="module")
def six() -> tuple[Array, Array, Array]:
    return study(Setting(samples=200, seeds=6, effect=0.6), np.random.default_rng(8))


@pytest.mark.parametrize("test", ["welch", "permutation", "mann-whitney", "wilcoxon"])
def test_seed_only_tests_say_what_they_hold_for(test: str, six: tuple[Array, Array, Array]) -> None:
    found = compare(*six, "mae", "mmsa", test=test)
    assert found.scope == TESTS[test].scope == "this test set only"
    assert found.significant and found.winner == "a"


@pytest.mark.parametrize(
    ("test", "seeds", "smallest"),
    [
        ("wilcoxon", 5, "0.0625"),
        ("permutation", 3, "0.1"),
        ("mann-whitney", 3, "0.1"),
        ("permutation", 1, "1"),
    ],
)
def test_a_test_that_cannot_reach_the_level_is_refused(
    test: str, seeds: int, smallest: str, six: tuple[Array, Array, Array]
) -> None:
    a, b, y = six
    with pytest.raises(DataError, match=f"cannot reach 0.05 with {seeds} and {seeds} seeds: .* {smallest}\n"):
        compare(a[:seeds], b[:seeds], y, "mae", "mmsa", test=test)


def test_wilcoxon_needs_pairs(six: tuple[Array, Array, Array]) -> None:
    a, b, y = six
    with pytest.raises(DataError, match="A has 6 and B has 5"):
        compare(a, b[:5], y, "mae", "mmsa", test="wilcoxon")


def test_two_checkpoints_are_compared_as_such(six: tuple[Array, Array, Array]) -> None:
    a, b, y = six
    for test in ("randomisation", "mcnemar"):
        found = compare(a[:1], b[:1], y, "non0_acc2", "mmsa", test=test)
        assert found.scope == "these checkpoints" and found.a.n == 1 and 0 < found.p <= 1
    assert compare(a[0], b[0], y, "mae", "mmsa", test="randomisation").p < 0.01
    assert compare(a[:1], a[:1], y, "mae", "mmsa", test="randomisation").p == 1
    with pytest.raises(DataError, match="A has 6 seeds"):
        compare(a, b, y, "mae", "mmsa", test="randomisation")
    with pytest.raises(DataError, match="MAE is no share"):
        compare(a[:1], b[:1], y, "mae", "mmsa", test="mcnemar")


def test_mcnemar_counts_what_one_alone_has_right() -> None:
    y = np.array([1.0] * 10 + [0.0])
    a = np.where(np.arange(11) < 8, 1.0, -1.0)
    b = np.where(np.arange(11) < 2, 1.0, -1.0)
    found = compare(a, b, y, "non0_acc2", "mmsa", test="mcnemar")
    assert found.notes == ("A alone is right on 6 examples, B alone on 0",)
    assert found.p == pytest.approx(2 * 0.5**6)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    found = holm([0.01, math.nan])
    assert found[0] == pytest.approx(0.02) and math.isnan(found[1])  # a test that was made counts
    assert len(holm([])) == 0


def _draws(values: list[float], better: str = "higher", spread: float = 0.01, seed: int = 0) -> Draws:
    rng = np.random.default_rng(seed)
    resampled = np.array(values) + rng.normal(0, spread, (1000, 1))
    return Draws(
        metric="acc7",
        convention="mmsa",
        better=better,
        values=np.array(values),
        resampled=resampled,
        samples=500,
    )  # type: ignore[arg-type]


def test_effect_sizes_point_to_the_better_method() -> None:
    high, low = _draws([0.50, 0.52, 0.51]), _draws([0.40, 0.41, 0.43])
    assert hedges_g(high, low).low > 0 > hedges_g(low, high).high
    assert probability_of_improvement(high, low).value == 1.0
    error = _draws([0.50, 0.52, 0.51], "lower"), _draws([0.40, 0.41, 0.43], "lower")
    assert hedges_g(*error).value < 0 and probability_of_improvement(*error).value == 0.0
    same = _draws([0.4, 0.5])
    assert probability_of_improvement(same, same).value == 0.5


def test_hedges_g_by_hand() -> None:
    found = hedges_g(_draws([1.0, 2.0, 3.0]), _draws([0.0, 1.0, 2.0]))
    assert found.value == pytest.approx(1 - 3 / 15)
    assert found.low < 0 < found.value < found.high


def test_the_crossed_interval_is_near_that_of_the_t() -> None:
    a, b, y = study(Setting(samples=686, seeds=10, effect=0.2), np.random.default_rng(3))
    pair = [resample(side, y, "mmsa", ["mae"])["mae"] for side in (a, b)]
    crossed, t = crossed_interval(pair[0], pair[1]), two_source(pair[0], pair[1])
    assert crossed.value == t.difference
    assert 0.75 < (crossed.high - crossed.low) / (t.interval[1] - t.interval[0]) < 1.1


def test_power_and_its_inverses_agree() -> None:
    pilot = Sources(sd_examples=0.01, sd_a=0.01, sd_b=0.012, samples=686)
    seen = minimum_detectable(pilot, 5)
    assert power_of(seen, pilot, 5) == pytest.approx(0.8, abs=1e-3)
    assert minimum_detectable(pilot, 10) < seen < minimum_detectable(pilot, 3)
    need = seeds_needed(0.035, pilot)
    assert need is not None and power_of(0.035, pilot, need) >= 0.8 > power_of(0.035, pilot, need - 1)
    assert power_of(0.0, pilot, 5) == pytest.approx(0.05, abs=1e-6)


@pytest.mark.parametrize("sd_b", [0.0, 0.002, 0.01])
def test_two_seeds_have_a_detectable_difference(sd_b: float) -> None:
    pilot = Sources(sd_examples=0.0001, sd_a=0.01, sd_b=sd_b, samples=686)  # one to two degrees of freedom
    assert power_of(minimum_detectable(pilot, 2), pilot, 2) == pytest.approx(0.8, abs=1e-3)


def test_no_number_of_seeds_mends_a_small_test_set() -> None:
    assert seeds_needed(0.02, Sources(sd_examples=0.01, sd_a=0.01, sd_b=0.01, samples=686)) is None
    with pytest.raises(SpecError, match="not be 0"):
        seeds_needed(0.0, Sources(sd_examples=0.01, sd_a=0.01, sd_b=0.01, samples=686))
    with pytest.raises(SpecError, match="two seeds or more"):
        power_of(0.1, Sources(sd_examples=0.01, sd_a=0.01, sd_b=0.01, samples=686), 1)


def test_power_is_what_simulated_normal_figures_show() -> None:
    rng = np.random.default_rng(4)
    seeds, sd, shift = 5, 1.0, 2.0
    found = 0
    for _ in range(400):
        sides = [_draws(list(rng.normal(mean, sd, seeds)), spread=0.0) for mean in (shift, 0.0)]
        found += two_source(sides[0], sides[1]).p < 0.05
    expected = power_of(shift, Sources(sd_examples=0.0, sd_a=sd, sd_b=sd, samples=500), seeds)
    assert found / 400 == pytest.approx(expected, abs=0.06)


def test_ranks_with_intervals() -> None:
    methods = {
        "a": _draws([0.9, 0.91], seed=1),
        "b": _draws([0.7, 0.5], seed=2),
        "c": _draws([0.6, 0.6], seed=3),
    }
    ranks = rank_intervals(methods)
    assert [(r.rank, r.low, r.high) for r in ranks.values()] == [(1, 1, 1), (2.5, 2, 3), (2.5, 2, 3)]


def _scores(datasets: int) -> dict[str, dict[str, float]]:
    rng = np.random.default_rng(1)
    quality = {"good": 0.8, "fair": 0.7, "poor": 0.6}
    return {m: {f"d{i}": q + rng.normal(0, 0.01) for i in range(datasets)} for m, q in quality.items()}


def test_friedman_from_eight_datasets_on() -> None:
    found = friedman(_scores(8), "higher")
    assert found.mean_ranks == (1, 2, 3) and found.p < 1e-6
    assert found.critical_difference == pytest.approx(
        2.343 * math.sqrt(3 * 4 / 48), rel=1e-3
    )  # Demšar's table
    assert found.groups == (("good", "fair"), ("fair", "poor"))
    with pytest.raises(DataError, match="need 8 datasets or more, but there are 7"):
        friedman(_scores(7), "higher")


def test_seeds_and_feature_files_are_no_datasets() -> None:
    scores = {m: {f"mosi:{d}": v for d, v in figures.items()} for m, figures in _scores(8).items()}
    with pytest.raises(DataError, match="mosi is there with several feature files"):
        friedman(scores, "higher")
    gap = _scores(8)
    del gap["fair"]["d3"]
    with pytest.raises(DataError, match="fair has no figure on d3"):
        friedman(gap, "higher")
