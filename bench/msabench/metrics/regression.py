"""Conventions for sentiment scores: MOSI and MOSEI on [-3, 3], CH-SIMS on [-1, 1].

`p` prediction and `y` truth, in float32; `w` (R, N) weights of resamples, or None. `has0` keeps samples of
truth 0 (negative against non-negative), `non0` drops them (negative against positive).
"""

from __future__ import annotations

import numpy as np

from msabench.metrics.primitives import (
    Counts,
    Figures,
    count,
    mean_absolute_error,
    pearson,
    rounded_accuracy,
)
from msabench.metrics.types import Convention, Metric
from msabench.run import Array

_SIGNS = (False, True)

ACC7 = Metric(key="acc7", label="Acc-7", doc="both sides clipped to [-3, 3] and rounded half to even")
ACC5 = Metric(key="acc5", label="Acc-5", doc="both sides clipped to [-2, 2] and rounded half to even")
ACC3 = Metric(key="acc3", label="Acc-3", doc="both sides clipped to [-1, 1] and rounded half to even")
HAS0_ACC2 = Metric(key="has0_acc2", label="Acc-2 has0", doc="p >= 0 against y >= 0, all samples")
NON0_ACC2 = Metric(key="non0_acc2", label="Acc-2 non0", doc="p > 0 against y > 0, without y = 0")
HAS0_F1 = Metric(
    key="has0_f1", label="F1 has0", follows="has0_acc2", doc="weighted by truth counts, all samples"
)
NON0_F1 = Metric(
    key="non0_f1", label="F1 non0", follows="non0_acc2", doc="weighted by truth counts, without y = 0"
)
NON0_F1_SWAPPED = Metric(
    key="non0_f1_swapped",
    label="F1 non0 (swapped)",
    follows="non0_acc2",
    doc="weighted by predicted counts, without y = 0",
)
MAE = Metric(key="mae", label="MAE", better="lower", percent=False, doc="mean of |p - y|")
CORR = Metric(key="corr", label="Corr", percent=False, doc="Pearson's r, in float64")


def _has0(p: Array, y: Array, w: Array | None) -> Counts:
    return count(p >= 0, y >= 0, _SIGNS, w)


def _non0(p: Array, y: Array, w: Array | None) -> Counts:
    kept = np.flatnonzero(y)
    return count(p[:, kept] > 0, y[kept] > 0, _SIGNS, _of(w, kept))


def _of(w: Array | None, kept: Array) -> Array | None:
    return None if w is None else w[:, kept]


def mmsa(p: Array, y: Array, w: Array | None = None) -> Figures:
    """MMSA's figures for MOSI and MOSEI.

    has0: classes p >= 0 and y >= 0 over all samples. non0: classes p > 0 and y > 0 over samples with y != 0.
    F1 is weighted by truth counts. Acc-(2L+1) compares rne(clip(., -L, L)). MAE and Corr use all samples,
    unclipped, MAE in float32. A prediction of exactly 0 is positive for has0 and negative for non0; a NaN
    is negative, wrong for Acc-k, and leaves MAE and Corr undefined.

    References
    ----------
    github.com/thuiar/MMSA at a94e65d; also used by Self-MM, SETGF, ALMT and LNLN.

    Examples
    --------
    >>> figures = mmsa(np.array([[0.0, -1.2, 2.4]]), np.array([1.0, -1.0, 0.0]))
    >>> {key: round(float(value[0]), 3) for key, value in figures.items()}["non0_acc2"]
    0.5
    """
    has0, non0 = _has0(p, y, w), _non0(p, y, w)
    return {
        "acc7": rounded_accuracy(p, y, 3, w),
        "acc5": rounded_accuracy(p, y, 2, w),
        "acc3": rounded_accuracy(p, y, 1, w),
        "has0_acc2": has0.accuracy(),
        "non0_acc2": non0.accuracy(),
        "has0_f1": has0.weighted_f1(),
        "non0_f1": non0.weighted_f1(),
        "mae": mean_absolute_error(p, y, w),
        "corr": pearson(p, y, w),
    }


def sims(p: Array, y: Array, w: Array | None = None) -> Figures:
    """MMSA's figures for CH-SIMS.

    Both p and y are clipped to [-1, 1] first, for MAE and Corr too. The class of a value is the number of
    thresholds strictly below it: Acc-2 {0}, Acc-3 {-0.1, 0.1}, Acc-5 {-0.7, -0.1, 0.1, 0.7}, in float32.
    F1 is that of the two classes, weighted by truth counts. Nothing is dropped. A NaN is refused.

    References
    ----------
    github.com/thuiar/MMSA at a94e65d; also used by Self-MM, SETGF, ALMT and LNLN.

    Examples
    --------
    >>> predictions = np.array([[0.0, 0.1, 5.0]], np.float32)
    >>> sims(predictions, np.array([-0.2, 0.0, 1.0], np.float32))["acc3"].round(4)
    array([0.6667])
    """
    p, y = np.clip(p, -1, 1), np.clip(y, -1, 1)

    def classes(thresholds: tuple[float, ...]) -> Counts:
        edges = np.array(thresholds, dtype=np.float32)
        return count(_above(p, edges), _above(y, edges), range(len(edges) + 1), w)

    two = classes((0.0,))
    return {
        "acc2": two.accuracy(),
        "acc3": classes((-0.1, 0.1)).accuracy(),
        "acc5": classes((-0.7, -0.1, 0.1, 0.7)).accuracy(),
        "f1": two.weighted_f1(),
        "mae": mean_absolute_error(p, y, w),
        "corr": pearson(p, y, w),
    }


def _above(values: Array, edges: Array) -> Array:
    passed = np.zeros(values.shape, dtype=np.int8)
    for edge in edges:  # a few comparisons, several times faster than a binary search per value
        passed += values > edge
    return passed


def mult(p: Array, y: Array, w: Array | None = None) -> Figures:
    """MulT's figures: `mmsa` without has0, and its F1 weighted by predicted counts.

    References
    ----------
    github.com/yaohungt/Multimodal-Transformer at a670936

    Examples
    --------
    >>> mult(np.array([[1.0, 1.0]]), np.array([2.0, -2.0]))["non0_f1_swapped"].round(4)
    array([0.6667])
    """
    non0 = _non0(p, y, w)
    return {
        "acc7": rounded_accuracy(p, y, 3, w),
        "acc5": rounded_accuracy(p, y, 2, w),
        "non0_acc2": non0.accuracy(),
        "non0_f1_swapped": non0.weighted_f1(swapped=True),
        "mae": mean_absolute_error(p, y, w),
        "corr": pearson(p, y, w),
    }


def misa(p: Array, y: Array, w: Array | None = None) -> Figures:
    """MISA's figures: those of `mmsa`; a swapped F1 is computed beside and never printed.

    References
    ----------
    github.com/declare-lab/MISA at ec42fad

    Examples
    --------
    >>> misa(np.array([[1.0, 1.0]]), np.array([2.0, 0.0]))["has0_f1"]
    array([1.])
    """
    figures = mmsa(p, y, w) | {"non0_f1_swapped": _non0(p, y, w).weighted_f1(swapped=True)}
    del figures["acc3"]
    return figures


def mag(p: Array, y: Array, w: Array | None = None) -> Figures:
    """MAG-BERT's figures: samples with y = 0 are dropped before everything, MAE and Corr included.

    Classes are p >= 0 and y >= 0, so a prediction of exactly 0 is positive. Arithmetic in float64. All
    undefined where every truth is 0.

    References
    ----------
    github.com/WasifurRahman/BERT_multimodal_transformer at dc7876f

    Examples
    --------
    >>> mag(np.array([[0.0, 3.0]]), np.array([1.0, 0.0]))["mae"]
    array([1.])
    """
    kept = np.flatnonzero(y)
    # in rows: a sum over columns would round otherwise, as it does where epochs are scored one at a time
    p, y, w = p[:, kept].astype(np.float64, order="C"), y[kept].astype(np.float64), _of(w, kept)
    signs = _has0(p, y, w)
    return {
        "acc2": signs.accuracy(),
        "f1": signs.weighted_f1(),
        "mae": mean_absolute_error(p, y, w),
        "corr": pearson(p, y, w),
    }


def mib(p: Array, y: Array, w: Array | None = None) -> Figures:
    """MIB's and MCL's figures: `mag`, and Acc-7 over all samples, zeros included.

    References
    ----------
    github.com/TmacMai/Multimodal-Information-Bottleneck at f6d006b

    Examples
    --------
    >>> mib(np.array([[0.0, 3.0]]), np.array([1.0, 0.0]))["acc7"]
    array([0.])
    """
    return {"acc7": rounded_accuracy(p, y, 3, w)} | mag(p, y, w)


def r3dg(p: Array, y: Array, w: Array | None = None) -> Figures:
    """R3DG's and MLCL's figures: `mmsa` in float64.

    `f1_mixed` (classes p > 0 against y >= 0, weighted by predicted counts) is computed and discarded there.

    References
    ----------
    github.com/YetZzzzzz/R3DG at 0a659ac

    Examples
    --------
    >>> r3dg(np.array([[0.0, 1.0]]), np.array([0.0, 1.0]))["f1_mixed"].round(4)
    array([0.3333])
    """
    p, y = p.astype(np.float64), y.astype(np.float64)
    figures = mmsa(p, y, w) | {"f1_mixed": count(p > 0, y >= 0, _SIGNS, w).weighted_f1(swapped=True)}
    del figures["acc3"]
    return figures


_MOSI = ("MOSI", "MOSEI")
_TABLE = (ACC7, ACC5, HAS0_ACC2, NON0_ACC2, HAS0_F1, NON0_F1, MAE, CORR)
_F1_MIXED = Metric(key="f1_mixed", label="F1 mixed", doc="p > 0 against y >= 0, weighted by predicted counts")
_ACC2_DROPPED = Metric(key="acc2", label="Acc-2", doc="p >= 0 against y >= 0, without y = 0")
_F1_DROPPED = Metric(key="f1", label="F1", follows="acc2", doc="weighted by truth counts, without y = 0")
_MAE_DROPPED = Metric(
    key="mae", label="MAE", better="lower", percent=False, doc="mean of |p - y| over samples with y != 0"
)
_CORR_DROPPED = Metric(key="corr", label="Corr", percent=False, doc="Pearson's r over samples with y != 0")
_DROPPED = (_ACC2_DROPPED, _F1_DROPPED, _MAE_DROPPED, _CORR_DROPPED)
_SIMS = (
    Metric(key="acc2", label="Acc-2", doc="threshold 0; exactly 0 is negative"),
    Metric(key="acc3", label="Acc-3", doc="thresholds -0.1 and 0.1"),
    Metric(key="acc5", label="Acc-5", doc="thresholds -0.7, -0.1, 0.1 and 0.7"),
    Metric(key="f1", label="F1", follows="acc2", doc="of the two classes, weighted by truth counts"),
    Metric(key="mae", label="MAE", better="lower", percent=False, doc="both sides clipped to [-1, 1]"),
    Metric(key="corr", label="Corr", percent=False, doc="Pearson's r, both sides clipped to [-1, 1]"),
)


CONVENTIONS = (
    Convention(
        name="mmsa",
        title="MMSA, sentiment on [-3, 3]",
        tasks=("regression",),
        datasets=_MOSI,
        metrics=_TABLE,
        extras=(ACC3,),
        accuracy="non0_acc2",
        classes=1,
        decimals=4,
        compute=mmsa,
        doc="Used by MMSA, Self-MM, SETGF, ALMT and LNLN, and unrounded by MMIM, CMCBEP-CL, R3DG and MLCL.",
    ),
    Convention(
        name="sims",
        title="MMSA, sentiment on [-1, 1]",
        tasks=("regression",),
        datasets=("CH-SIMS", "CH-SIMS v2"),
        metrics=_SIMS,
        accuracy="acc2",
        classes=1,
        decimals=4,
        refuses_nan=True,
        compute=sims,
        doc="Clips both sides to [-1, 1] before every figure; MMSA rounds, Self-MM, ALMT and LNLN do not.",
    ),
    Convention(
        name="mult",
        title="MulT",
        tasks=("regression",),
        datasets=_MOSI,
        metrics=(ACC7, ACC5, NON0_ACC2, NON0_F1_SWAPPED, MAE, CORR),
        accuracy="non0_acc2",
        classes=1,
        compute=mult,
        doc="Two classes without zero labels alone; F1 weighted by predicted counts.",
    ),
    Convention(
        name="misa",
        title="MISA, sentiment",
        tasks=("regression",),
        datasets=_MOSI,
        metrics=(ACC7, HAS0_ACC2, NON0_ACC2, HAS0_F1, NON0_F1, MAE, CORR),
        extras=(ACC5, NON0_F1_SWAPPED),
        accuracy="non0_acc2",
        classes=1,
        decimals=5,
        compute=misa,
        doc="What it prints equals `mmsa`.",
    ),
    Convention(
        name="mag",
        title="MAG-BERT",
        tasks=("regression",),
        datasets=_MOSI,
        metrics=_DROPPED,
        accuracy="acc2",
        classes=1,
        compute=mag,
        doc="Drops zero labels before everything, so MAE and Corr are not comparable with `mmsa`.",
    ),
    Convention(
        name="mib",
        title="MIB and MCL",
        tasks=("regression",),
        datasets=_MOSI,
        metrics=(ACC7, *_DROPPED),
        accuracy="acc2",
        classes=1,
        decimals=4,
        compute=mib,
        doc="As `mag`, with Acc-7 over all samples.",
    ),
    Convention(
        name="r3dg",
        title="R3DG and MLCL, sentiment",
        tasks=("regression",),
        datasets=_MOSI,
        metrics=_TABLE,
        extras=(_F1_MIXED,),
        accuracy="non0_acc2",
        classes=1,
        decimals=4,
        compute=r3dg,
        doc="As `mmsa`, in float64.",
    ),
)
