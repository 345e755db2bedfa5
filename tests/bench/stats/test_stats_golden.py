"""Figures computed elsewhere: by statsmodels 0.15 and scipy, or here by going through every case.

statsmodels: `multipletests(p, method="holm")`, `CompareMeans(...).ttest_ind(usevar="unequal")` and
`tconfint_diff`, `effectsize_smd`, `TTestIndPower().power` and `solve_power`, `mcnemar(table, exact=True)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2, norm, rankdata
from scipy.stats import t as student

from msabench.errors import DataError
from msabench.metrics import score_epochs
from msabench.stats import (
    Draws,
    Sources,
    compare,
    crossed_interval,
    detectable_by_examples,
    examples_needed,
    friedman,
    hedges_g,
    holm,
    mann_whitney,
    mean_interval,
    minimum_detectable,
    permutation,
    power_of,
    probability_of_improvement,
    resample,
    seeds_needed,
    two_source,
    welch,
    wilcoxon,
)
from msabench.stats.noncentral import share_below

Floats = NDArray[np.float64]
A = [0.772, 0.781, 0.790, 0.768, 0.801]
B = [0.755, 0.779, 0.762, 0.748]


def _draws(values: list[float] | Floats, seed: int = 0, spread: float = 0.01) -> Draws:
    v = np.asarray(values, dtype=np.float64)
    noise = np.random.default_rng(seed).normal(0, spread, (400, len(v)))
    return Draws(metric="acc7", convention="mmsa", better="higher", values=v, resampled=v + noise, samples=90)


def test_holm_is_that_of_statsmodels() -> None:
    found = holm([0.3, 0.02, 0.001, 0.012, 0.02])
    assert found == pytest.approx([0.3, 0.06, 0.005, 0.048, 0.06])


def test_welch_is_that_of_statsmodels() -> None:
    found = welch(_draws(A), _draws(B))
    assert (found.p, found.df) == pytest.approx((0.050346891383861885, 6.59923750241722))
    assert found.interval == pytest.approx((-4.333386119263413e-05, 0.042843333861192365))


def test_two_source_by_its_formula() -> None:
    a, b = _draws(A, 1), _draws(B, 2)
    parts = np.array([
        np.var(a.resampled.mean(axis=1) - b.resampled.mean(axis=1), ddof=1),
        np.var(A, ddof=1) / 5,
        np.var(B, ddof=1) / 4,
    ])  # fmt: skip
    df = parts.sum() ** 2 / (parts**2 / [89, 4, 3]).sum()
    se, gap = parts.sum() ** 0.5, np.mean(A) - np.mean(B)
    found = two_source(a, b, alpha=0.1)
    assert (found.df, found.se, found.examples) == pytest.approx((df, se, parts[0]))
    assert found.p == pytest.approx(2 * student.sf(gap / se, df))
    half = student.ppf(0.95, df) * se
    assert found.interval == pytest.approx((gap - half, gap + half))


def test_hedges_g_is_that_of_statsmodels_and_its_interval_inverts_the_noncentral_t() -> None:
    found = hedges_g(_draws(A), _draws(B))
    assert found.value == pytest.approx(1.4228099808509262)
    # the noncentralities with 97.5 and 2.5 % of T below t, by quadrature over 400 000 quantiles of chi²
    assert (found.low, found.high) == pytest.approx((0.010367191767, 3.111679757426), abs=1e-5)


def test_an_effect_of_two_seeds_far_apart_has_an_interval() -> None:
    """scipy's noncentral t is nan on the way to it."""
    for gap in (3.0, 4.2, 10.0, 30.0, 300.0):
        found = hedges_g(_draws([gap, gap + 1.0]), _draws([0.0, 1.0]))
        assert 0 <= found.low < found.value < found.high or (gap == 3.0 and found.low < 0)


def test_intervals_of_an_effect_cover_the_true_one() -> None:
    rng, covered = np.random.default_rng(4), 0
    for _ in range(300):
        found = hedges_g(_draws(rng.normal(1, 1, 2)), _draws(rng.normal(0, 1, 2)))
        covered += found.low <= 1 <= found.high
    assert 0.92 < covered / 300 < 0.98


@pytest.mark.parametrize("df", [1, 2, 8])
def test_the_noncentral_t_by_quadrature(df: int) -> None:
    spread = np.sqrt(chi2.ppf((np.arange(20_000) + 0.5) / 20_000, df) / df)
    for reach in (2.1, 12.7, 60.0):
        for shift in (0.0, 1.5, 7.7, 30.0, 90.0):
            below = norm.cdf(reach * spread - shift).mean()
            assert share_below(reach, df, shift) == pytest.approx(below, abs=1e-4)
            above = norm.cdf(-reach * spread - shift).mean()
            assert share_below(-reach, df, shift) == pytest.approx(above, abs=1e-4)


def test_power_is_that_of_statsmodels_where_examples_add_nothing() -> None:
    pilot = Sources(sd_examples=0.0, sd_a=1.0, sd_b=1.0, samples=500)
    assert power_of(1.5, pilot, 6) == pytest.approx(0.6495814802297614)
    assert minimum_detectable(pilot, 6) == pytest.approx(1.7955408960343293, rel=1e-3)
    assert minimum_detectable(pilot, 2) == pytest.approx(5.653489341914222, rel=1e-3)
    assert seeds_needed(1.5, pilot) == 9  # 8.06
    # one method without spread, of other seeds: `TTestPower().power(1.1, 9, 0.05)`, eight degrees of freedom
    one = Sources(sd_examples=0.0, sd_a=0.0, sd_b=1.0, samples=500)
    assert power_of(1.1, one, 3, 9) == pytest.approx(0.8230350773844639)
    # one method without spread: one degree of freedom at two seeds, where tails are nan in scipy
    alone = Sources(sd_examples=0.0, sd_a=1.0, sd_b=0.0, samples=500)
    seen = minimum_detectable(alone, 2, alpha=0.001)
    rng = np.random.default_rng(1)
    t = (rng.normal(size=100_000) + seen * 2**0.5) / np.sqrt(rng.chisquare(1, 100_000))
    assert (np.abs(t) > student.ppf(1 - 0.0005, 1)).mean() == pytest.approx(0.8, abs=0.01)


def test_what_examples_alone_can_show() -> None:
    seen = detectable_by_examples(0.01)
    assert seen == pytest.approx(0.01 * (1.959963985 + 0.841621234))
    assert examples_needed(seen, 0.01, 686) == 686 and examples_needed(-seen / 2, 0.01, 686) == 4 * 686


def test_friedman_with_ties_is_that_of_scipy_in_iman_and_davenports_form() -> None:
    table = np.array(
        [[3, 1, 2, 4], [1, 2, 3, 4], [2, 1, 3, 3], [4, 2, 1, 3], [1, 2, 4, 3], [2, 1, 4, 4], [1, 3, 2, 4],
         [1, 2, 3, 4]], dtype=float,
    )  # fmt: skip
    scores = {f"m{j}": {f"d{i}": table[i, j] for i in range(8)} for j in range(4)}
    found = friedman(scores, "lower")
    # friedmanchisquare gives 11.2308; F = 7 · 11.2308 / (24 - 11.2308) with 3 and 21 degrees of freedom
    assert (found.statistic, found.p) == pytest.approx((6.156626506024084, 0.0035959922542236214))
    assert found.mean_ranks == (1.875, 1.75, 2.75, 3.625)
    assert found.critical_difference == pytest.approx(2.569 * np.sqrt(20 / 48), rel=1e-3)
    assert found.groups == (("m1", "m0", "m2"), ("m2", "m3"))


def test_probability_of_improvement_counts_pairs() -> None:
    found = probability_of_improvement(_draws([0.5, 0.6, 0.7]), _draws([0.6, 0.4]))
    assert found.value == pytest.approx((1 + 1.5 + 2) / 6)


Statistic = Callable[[Floats, Floats], float]


def _arranged(x: Floats, y: Floats, statistic: Statistic) -> float:
    """Twice the smaller tail over every way of sharing the figures out between two methods."""
    both, seen = np.concatenate([x, y]), statistic(x, y)
    found = []
    for chosen in combinations(range(len(both)), len(x)):
        mine = np.isin(np.arange(len(both)), chosen)
        found.append(statistic(both[mine], both[~mine]))
    every = np.round(found, 9)
    return min(1.0, 2 * min((every >= round(seen, 9)).mean(), (every <= round(seen, 9)).mean()))


def _gap(x: Floats, y: Floats) -> float:
    return float(x.mean() - y.mean())


def _u(x: Floats, y: Floats) -> float:
    return float((np.sign(x[:, None] - y[None, :]) + 1).sum() / 2)


@pytest.mark.parametrize("decimals", [2, 6])
@pytest.mark.parametrize("sizes", [(4, 4), (3, 6), (5, 4)])
def test_tests_over_seeds_are_exact_with_and_without_ties(sizes: tuple[int, int], decimals: int) -> None:
    rng = np.random.default_rng([*sizes, decimals])
    for _ in range(4):
        x, y = (
            rng.normal(centre, 0.02, n).round(decimals) for centre, n in zip((0.5, 0.52), sizes, strict=True)
        )
        assert mann_whitney(_draws(x), _draws(y)).p == pytest.approx(_arranged(x, y, _u))
        assert permutation(_draws(x), _draws(y)).p == pytest.approx(_arranged(x, y, _gap))


def test_tied_seeds_give_no_p_below_the_smallest_possible() -> None:
    found = mann_whitney(_draws([0.8] * 4), _draws([0.7] * 4))
    assert found.p == pytest.approx(2 / 70) == found.smallest  # the normal approximation says 0.013


@pytest.mark.parametrize("pairs", [6, 9])
@pytest.mark.parametrize("decimals", [2, 6])
def test_signed_ranks_are_exact_with_ties_and_equal_pairs(pairs: int, decimals: int) -> None:
    rng = np.random.default_rng([pairs, decimals])
    for _ in range(5):
        x, y = (rng.normal(centre, 0.02, pairs).round(decimals) for centre in (0.5, 0.51))
        d = np.round(x - y, 9)
        d = d[d != 0]
        ranks = rankdata(np.abs(d))
        every = np.array([ranks @ signs for signs in product((0, 1), repeat=len(d))])
        seen = ranks @ (d > 0)
        expected = min(1.0, 2 * min((every >= seen).mean(), (every <= seen).mean()))
        found = wilcoxon(_draws(x), _draws(y))
        assert found.p == pytest.approx(expected)
        assert found.smallest == pytest.approx(2.0 ** (1 - len(d)))


def test_gaps_that_differ_by_rounding_alone_are_tied() -> None:
    """0.02 - 0.09 and 0.07 - 0.0 are one gap and two floats; taken for two they give 0.375."""
    x = [0.08, 0.04, 0.08, 0.07, 0.07, 0.02, 0.07]
    y = [0.0, 0.05, 0.04, 0.09, 0.01, 0.09, 0.0]
    assert abs(x[5] - y[5]) != x[6] - y[6]
    ranks = np.array([7, 1, 3, 2, 4, 5.5, 5.5])
    every = np.array([ranks @ signs for signs in product((0, 1), repeat=7)])
    seen = ranks @ [1, 0, 1, 0, 1, 0, 1]
    assert wilcoxon(_draws(x), _draws(y)).p == pytest.approx(2 * (every >= seen).mean()) == 0.40625


@pytest.mark.parametrize("seeds", [2, 3])
def test_bootstraps_over_seeds_have_the_variance_of_a_mean(seeds: int) -> None:
    """Drawing S of S seeds would make it too small by (S - 1) / S: by half for two."""
    values = np.linspace(0.4, 0.5, seeds)
    flat = Draws(metric="acc7", convention="mmsa", better="higher", values=values, samples=90,
                 resampled=np.tile(values, (20_000, 1)))  # fmt: skip
    other = replace(flat, values=values - 0.2, resampled=flat.resampled - 0.2)
    se = values.std(ddof=1) / seeds**0.5
    # the extremes of the few means that S - 1 of S seeds can have
    possible = sorted({round(float(np.mean(c)), 9) for c in product(values, repeat=seeds - 1)})
    assert np.std([np.mean(c) for c in product(values, repeat=seeds - 1)]) == pytest.approx(se)
    found = mean_interval(flat, alpha=0.05)
    assert (found.low, found.high) == pytest.approx((possible[0], possible[-1]))
    crossed = crossed_interval(flat, other, alpha=0.01)
    width = possible[-1] - possible[0]
    assert (crossed.low, crossed.high) == pytest.approx((0.2 - width, 0.2 + width))
    if seeds == 3:  # of three drawn seeds all are the lowest once in 27, of two once in 9
        assert mean_interval(flat, alpha=0.16).low == pytest.approx(possible[0])
        narrow = crossed_interval(flat, other, alpha=0.02)
        assert narrow.low == pytest.approx(0.2 - width)


def test_no_resample_of_a_large_test_set_is_drawn_twice() -> None:
    """Resamples are made in chunks, of 225 for MOSEI's 4659 examples."""
    rng = np.random.default_rng(1)
    y = rng.normal(0, 1.5, 4659)
    drawn = resample(y[None] + rng.normal(0, 1, (1, 4659)), y, "mmsa", ["mae"], resamples=500)["mae"]
    assert len(np.unique(drawn.resampled)) == 500


def test_the_bootstrap_of_the_pair_takes_each_example_with_both_methods() -> None:
    """Two methods wrong on the same examples: what is common to them cancels."""
    rng = np.random.default_rng(6)
    y = rng.normal(0, 1.5, 300)
    hard = y + rng.normal(0, 1, 300)
    a, b = (hard + rng.normal(0, 0.05, (3, 300)) for _ in range(2))
    found = compare(a, b, y, "mae", "mmsa")
    alone = np.abs(a.mean(axis=0) - y).std() / 300**0.5
    assert found.examples**0.5 < alone / 3


def test_what_rounding_leaves_is_no_variance() -> None:
    """Three equal seeds: their mean is rounded, and numpy's standard deviation is 1e-17."""
    flat, other = _draws([0.1] * 3, spread=0.0), _draws([0.3] * 3, spread=0.0)
    assert np.std([0.1] * 3, ddof=1) > 0
    for test in (welch, two_source):
        assert np.isnan(test(flat, other).p) and not test(flat, other).significant
        assert "no variance" in test(flat, other).notes[0]
    assert np.isnan(hedges_g(flat, other).value)
    same = two_source(_draws([0.1] * 3, spread=0.0), _draws([0.1] * 4, spread=0.0))
    assert same.p == 1.0 and same.se == 0


def test_mcnemar_is_that_of_statsmodels() -> None:
    y = np.ones(20)
    a = np.array([1.0] * 9 + [-1.0] * 2 + [1.0] * 9)
    b = np.array([-1.0] * 9 + [1.0] * 2 + [1.0] * 9)
    found = compare(a, b, y, "has0_acc2", "mmsa", test="mcnemar")
    assert found.p == pytest.approx(0.0654296875) and found.se == pytest.approx(11**0.5 / 20)
    one = compare(a[[0, 12]], b[[0, 12]], y[:2], "has0_acc2", "mmsa", test="mcnemar")
    assert one.p == 1.0
    assert compare(a, a, y, "has0_acc2", "mmsa", test="mcnemar").p == 1.0


@pytest.mark.parametrize("metric", ["mae", "corr", "acc7", "non0_f1"])
def test_randomisation_is_near_all_exchanges_of_ten_examples(metric: str) -> None:
    rng = np.random.default_rng(3)
    y = np.round(rng.normal(0, 1.5, 10), 1)
    a, b = ((y + rng.normal(0, sd, 10)).astype(np.float32) for sd in (0.4, 1.5))
    swap = np.array(list(product((False, True), repeat=10)))
    sides = [score_epochs("mmsa", np.where(s, a, b), y)[metric] for s in (swap, ~swap)]
    gaps = np.abs(sides[0] - sides[1])
    seen = gaps[0]
    found = compare(a, b, y, metric, "mmsa", test="randomisation")
    assert found.p == pytest.approx((gaps >= seen - 1e-7).mean(), abs=0.025)
    assert found.se == pytest.approx(np.sqrt((gaps**2).mean()), rel=0.05)


def test_no_number_of_exchanges_makes_a_p_of_nothing() -> None:
    rng = np.random.default_rng(3)
    y = rng.normal(0, 1.5, 200)
    a, b = (y + rng.normal(0, sd, 200) for sd in (0.1, 3.0))
    assert compare(a, b, y, "mae", "mmsa", test="randomisation").p == pytest.approx(1 / 5000)


def test_one_test_example_is_refused() -> None:
    with pytest.raises(DataError, match="two test examples or more"):
        compare(np.ones((3, 1)), np.zeros((3, 1)), [1.0], "mae", "mmsa")
