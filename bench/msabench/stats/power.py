"""What a study can see: power of the two-source test, smallest detectable difference, seeds needed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from msabench.errors import SpecError
from msabench.stats.comparison import Comparison
from msabench.stats.noncentral import share_below
from msabench.stats.two_source import satterthwaite

MOST_SEEDS = 10_000
POWER = 0.8


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where a difference gets its variance from."""

    sd_examples: float
    """Standard error of the difference that is due to the examples of the test set, in the metric's unit"""
    sd_a: float
    """Standard deviation of method A over seeds"""
    sd_b: float
    samples: int
    """Examples of the test set"""

    def __post_init__(self) -> None:
        sds = (self.sd_examples, self.sd_a, self.sd_b)
        if any(not math.isfinite(sd) or sd < 0 for sd in sds) or not any(sds):
            raise SpecError(f"standard deviations must be 0 or more, and not all 0, but got {sds}")
        if self.samples < 2:
            raise SpecError(f"a test set has two examples or more, but got {self.samples}")

    @classmethod
    def of(cls, found: Comparison) -> Sources | None:
        """As estimated by a test over seeds; None where it had no variance to go by.

        Tests that hold for this test set only have none of its examples: theirs is Welch's t.
        """
        examples = math.sqrt(found.examples) if found.scope == "seeds and examples" else 0.0
        if not examples + found.a.sd + found.b.sd > 0 or found.samples < 2:
            return None
        return cls(sd_examples=examples, sd_a=found.a.sd, sd_b=found.b.sd, samples=found.samples)

    def error(self, seeds_a: int, seeds_b: int) -> tuple[float, float]:
        """Standard error of the difference with so many seeds, and its degrees of freedom."""
        parts = (self.sd_examples**2, self.sd_a**2 / seeds_a, self.sd_b**2 / seeds_b)
        return math.sqrt(sum(parts)), satterthwaite(parts, (self.samples - 1, seeds_a - 1, seeds_b - 1))


def power_of(
    difference: float, sources: Sources, seeds_a: int, seeds_b: int | None = None, *, alpha: float = 0.05
) -> float:
    """The chance that the two-source test finds a true difference, two-sided at `alpha`.

    Examples
    --------
    >>> pilot = Sources(sd_examples=0.01, sd_a=0.008, sd_b=0.008, samples=686)
    >>> round(power_of(0.04, pilot, 5), 2)
    0.94
    """
    from scipy.stats import t

    se, df = sources.error(_seeds(seeds_a), _seeds(seeds_b if seeds_b is not None else seeds_a))
    reach = float(t.ppf(1 - alpha / 2, df))
    shift = abs(difference) / se
    return 1 - share_below(reach, df, shift) + share_below(-reach, df, shift)


def minimum_detectable(
    sources: Sources,
    seeds_a: int,
    seeds_b: int | None = None,
    *,
    alpha: float = 0.05,
    power: float = POWER,
) -> float:
    """The smallest true difference that the test finds with this power, in the metric's unit."""
    from scipy.optimize import brentq

    _check_power(alpha, power)
    se, _ = sources.error(_seeds(seeds_a), _seeds(seeds_b if seeds_b is not None else seeds_a))

    def lack(difference: float) -> float:
        return power_of(difference, sources, seeds_a, seeds_b, alpha=alpha) - power

    high = se
    while lack(high) < 0:
        high *= 2
    return float(brentq(lack, 0.0, high, xtol=se * 1e-4))


def seeds_needed(
    difference: float, sources: Sources, *, alpha: float = 0.05, power: float = POWER
) -> int | None:
    """Seeds of each method with which a true difference is found with this power.

    Returns
    -------
    The number, 2 or more; None if not even 10 000 would do: then it is the test set that is too small, and
    no number of seeds mends that.

    Raises
    ------
    SpecError
        If the difference is 0, or alpha or power no share.
    """
    _check_power(alpha, power)
    if not difference or not math.isfinite(difference):
        raise SpecError(f"the difference to be found must not be 0, but got {difference}")

    def enough(seeds: int) -> bool:
        return power_of(difference, sources, seeds, alpha=alpha) >= power

    if not enough(MOST_SEEDS):
        return None
    low, high = 1, 2
    while not enough(high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def detectable_by_examples(se: float, *, alpha: float = 0.05, power: float = POWER) -> float:
    """The smallest true difference that a test of two checkpoints finds with this power.

    By the normal approximation, from the standard error that examples alone give the difference.

    >>> round(detectable_by_examples(0.01), 4)
    0.028
    """
    from scipy.stats import norm

    _check_power(alpha, power)
    return float(norm.ppf(1 - alpha / 2) + norm.ppf(power)) * se


def examples_needed(
    difference: float, se: float, samples: int, *, alpha: float = 0.05, power: float = POWER
) -> int:
    """Examples like the `samples` at hand on which two checkpoints' true difference is found.

    Raises
    ------
    SpecError
        If the difference is 0, or alpha or power no share.
    """
    if not difference or not math.isfinite(difference):
        raise SpecError(f"the difference to be found must not be 0, but got {difference}")
    return math.ceil(samples * (detectable_by_examples(se, alpha=alpha, power=power) / difference) ** 2)


def _seeds(number: int) -> int:
    if number < 2:
        raise SpecError(f"the two-source test needs two seeds or more, but got {number}")
    return number


def _check_power(alpha: float, power: float) -> None:
    if not 0 < alpha < power < 1:
        raise SpecError(f"`0 < alpha < power < 1` must hold, but got (alpha={alpha}, power={power})")
