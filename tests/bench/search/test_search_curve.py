"""The expected best of k trials, against going through every way of drawing them."""

from __future__ import annotations

from itertools import combinations, product
from math import inf

import numpy as np
import pytest

from msabench.search.curve import best_of_k

VALUES = [0.9, 0.7, 0.8, 0.75, 0.75]


def test_with_replacement_it_is_that_of_all_draws() -> None:
    for best in best_of_k(VALUES):
        bests = np.array([min(drawn) for drawn in product(VALUES, repeat=best.k)])
        assert best.expected == pytest.approx(bests.mean())
        ranked = np.sort(bests)
        assert best.low == ranked[int(np.ceil(0.05 * len(ranked))) - 1]
        assert best.high == ranked[int(np.ceil(0.95 * len(ranked))) - 1]


def test_without_replacement_it_is_unbiased_and_ends_at_the_best() -> None:
    curve = best_of_k(VALUES)
    for best in curve:
        assert best.unbiased == pytest.approx(np.mean([min(c) for c in combinations(VALUES, best.k)]))
        assert best.unbiased <= best.expected + 1e-12
    assert curve[-1].unbiased == 0.7 and curve[0].unbiased == pytest.approx(np.mean(VALUES))


def test_a_draw_that_may_be_all_failures_has_no_expectation() -> None:
    curve = best_of_k([0.5, inf, 0.4, inf])
    assert [best.unbiased for best in curve] == [inf, inf, pytest.approx(0.45 - 0.05 / 2 * 1), 0.4]
    assert all(best.expected == inf for best in curve) and curve[0].high == inf
    assert best_of_k([inf, inf]) == [] == best_of_k([])
