"""Which runs share an array element. Pure: nothing here knows of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from msabench.run import RunSpec

T = TypeVar("T")
Seconds = Callable[[RunSpec], float | None]
"""How long a run may take; None where nothing tells"""


def bundles(
    runs: Sequence[T], seconds: Callable[[T], float | None], *, runs_per_job: int | None, minutes: float
) -> list[list[T]]:
    """Runs in the order given, cut into bundles.

    Parameters
    ----------
    runs_per_job
        So many in each; None fills a bundle up to `minutes`. A run of unknown time has one of its own.

    >>> bundles([5, 5, 50, 5, 70], lambda run: run * 60, runs_per_job=None, minutes=60)
    [[5, 5, 50], [5], [70]]
    >>> bundles([1, 2, 3], lambda run: None, runs_per_job=None, minutes=60)
    [[1], [2], [3]]
    """
    if runs_per_job:
        return [list(runs[i : i + runs_per_job]) for i in range(0, len(runs), runs_per_job)]
    made: list[list[T]] = []
    filled = 0.0
    for run in runs:
        long = seconds(run)
        if made and long is not None and filled + long <= minutes * 60:
            made[-1].append(run)
            filled += long
        else:
            made.append([run])
            filled = long if long is not None else float("inf")
    return made


def spread(parts: Sequence[Sequence[T]], most: int) -> list[list[T]]:
    """At most so many bundles, the later ones joined to the first in turn.

    >>> spread([[1], [2], [3]], 2)
    [[1, 3], [2]]
    """
    return [[run for part in parts[i::most] for run in part] for i in range(min(most, len(parts)))]


def shares(sizes: Sequence[int], most: int | None) -> list[int]:
    """How many elements of each of several arrays may run at a time, so that all together keep to `most`.

    Every array gets one at least: `most` below their number is kept by letting them run one after another.

    >>> shares([30, 10], None), shares([30, 10], 8), shares([30, 1], 2), shares([3, 3], 1)
    ([30, 10], [6, 2], [1, 1], [1, 1])
    """
    if most is None:
        return list(sizes)
    total, left, found = sum(sizes), most, []
    for i, size in enumerate(sizes):
        after = len(sizes) - i - 1
        share = max(1, min(size, left - after, round(most * size / total)))
        found.append(share)
        left -= share
    return found
