"""How one set of predictions is scored: the metric conventions of the literature, as pure functions.

Which epoch's predictions are scored is another question (`msabench.selection`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from msabench.errors import DataError, unknown
from msabench.metrics import classification, regression
from msabench.metrics.checks import checked, checked_truths, first_nan, numbers
from msabench.metrics.criteria import criterion
from msabench.metrics.primitives import Figures
from msabench.metrics.types import Convention, Metric
from msabench.run import Array

__all__ = [
    "CONVENTIONS",
    "Convention",
    "Figures",
    "Metric",
    "convention_named",
    "criterion",
    "fitting",
    "score",
    "score_epochs",
    "score_resamples",
]

CONVENTIONS: Mapping[str, Convention] = MappingProxyType(
    {convention.name: convention for convention in regression.CONVENTIONS + classification.CONVENTIONS}
)


def convention_named(name: str) -> Convention:
    """The convention of that name.

    Raises
    ------
    SpecError
        If there is none; it names the nearest one.
    """
    if name not in CONVENTIONS:
        raise unknown("convention", name, CONVENTIONS, "msabench list conventions")
    return CONVENTIONS[name]


def score(convention: str, predictions: Any, truths: Any) -> dict[str, float | None]:
    """Score one set of predictions.

    Parameters
    ----------
    convention
        A name of `CONVENTIONS`.
    predictions
        (N,) scores or logits, or (N, C) logits; read into float32.
    truths
        (N,) scores, or classes from 0.

    Returns
    -------
    dict
        Every figure of the convention as a fraction, never in percent; None where it is undefined (Corr of
        a constant, anything over no samples).

    Raises
    ------
    SpecError
        If the convention is unknown.
    DataError
        If types or shapes are wrong, a truth is not finite or no class, or the convention refuses a NaN
        prediction.

    Examples
    --------
    >>> figures = score("mmsa", [1.2, -0.4, 0.1], [1.0, -1.0, 0.0])
    >>> figures["non0_acc2"], round(figures["mae"], 4)
    (1.0, 0.3)
    """
    used = convention_named(convention)
    p = numbers(predictions, "predictions", f"convention '{convention}'")
    if not p.ndim:
        raise DataError("predictions must be an array of samples, but got one number")
    sample = first_nan(p) if used.refuses_nan else None
    if sample is not None:
        raise DataError(
            f"the prediction of sample {sample} (from 0) is nan, which {convention} cannot score",
            where=f"convention '{convention}'",
            fix="mend or drop the sample; its reference code stops here too",
        )
    figures = score_epochs(convention, p[None], truths)
    return {key: None if np.isnan(value[0]) else float(value[0]) for key, value in figures.items()}


def score_epochs(convention: str, predictions: Any, truths: Any) -> Figures:
    """Score the predictions of many epochs at once; equals `score` epoch by epoch.

    Parameters
    ----------
    predictions
        (E, N), or (E, N, C).
    truths
        (N,)

    Returns
    -------
    dict
        Every figure of the convention, (E,) float64, nan where undefined. An epoch with a NaN prediction is
        all nan where the convention refuses NaN.

    Raises
    ------
    SpecError, DataError
        As `score`, except that a NaN prediction is never an error.

    Examples
    --------
    >>> score_epochs("mmsa", [[1.0, -1.0], [1.0, 1.0]], [2.0, -2.0])["has0_acc2"]
    array([1. , 0.5])
    """
    return _scored(convention_named(convention), predictions, truths, None)


def score_resamples(convention: str, predictions: Any, truths: Any, weights: Array) -> Figures:
    """Score the predictions of many epochs on many resamples of the samples.

    Parameters
    ----------
    predictions
        (E, N), or (E, N, C).
    truths
        (N,)
    weights
        (R, N): how often each sample occurs in each resample; whole numbers in float32, or float64.

    Returns
    -------
    dict
        Every figure of the convention, (R, E) float64: what `score_epochs` gives for the samples repeated so.

    Raises
    ------
    SpecError, DataError
        As `score_epochs`.

    Examples
    --------
    >>> twice = np.array([[2.0, 0.0], [1.0, 1.0]])
    >>> score_resamples("mmsa", [[1.0, 1.0]], [2.0, -2.0], twice)["has0_acc2"]
    array([[1. ],
           [0.5]])
    """
    return _scored(convention_named(convention), predictions, truths, weights)


def _scored(used: Convention, predictions: Any, truths: Any, weights: Array | None) -> Figures:
    p, y = checked(used, predictions, truths)
    refused = None
    if used.refuses_nan and len(p):
        refused = np.isnan(p).reshape(len(p), -1).any(axis=1)
        if refused.any():
            p = p.copy()
            p[refused] = 0
    computed = used.compute(p, y, weights)
    figures = {metric.key: computed[metric.key] for metric in used.figures}
    for values in figures.values():
        values[~np.isfinite(values)] = np.nan
        if refused is not None:
            values[..., refused] = np.nan
    return figures


def fitting(predictions: Any, truths: Any) -> tuple[str, ...]:
    """Conventions that can score predictions and truths of this form.

    (N, C) fits the conventions for C classes. (N,) fits those for two classes if every truth is 0 or 1, else
    those for scores; `sims` only if no truth lies beyond [-1, 1]. With a NaN prediction, conventions that
    refuse it are left out, unless none would be left.

    >>> fitting([0.3, -2.0], [1.0, 0.0])
    ('hkt', 'mhd', 'misa_humor', 'mustard')
    >>> fitting([[0.1, 0.2, 0.3]], [2])
    ('cherma', 'mmsa_cls')
    """
    p, y = numbers(predictions, "predictions", ""), checked_truths(truths, "")
    if p.ndim == 2:
        fits = [c for c in CONVENTIONS.values() if "multiclass" in c.tasks and c.classes in (0, p.shape[1])]
    else:
        task = "binary" if np.isin(y, (0, 1)).all() else "regression"
        fits = [c for c in CONVENTIONS.values() if task in c.tasks]
        if np.abs(y).max() > 1:
            fits = [c for c in fits if c.name != "sims"]
    if np.isnan(p).any():
        fits = [c for c in fits if not c.refuses_nan] or fits
    return tuple(c.name for c in fits)
