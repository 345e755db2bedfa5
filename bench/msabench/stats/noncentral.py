"""The noncentral t distribution, also where scipy's has no answer."""

from __future__ import annotations

import math


def share_below(t: float, df: float, shift: float) -> float:
    """P(T <= t) of the noncentral t with noncentrality `shift`.

    scipy's is nan here and there far out in either tail, where the true value is 0 or 1 to nine digits.
    """
    from scipy.stats import nct

    if t <= 0 and shift > 6:  # below Φ(-6)
        return 0.0
    if t >= 0 and shift < -6:
        return 1.0
    found = float(nct.cdf(t, df, shift))
    if math.isnan(found):
        return 1.0 if shift < t else 0.0
    return found
