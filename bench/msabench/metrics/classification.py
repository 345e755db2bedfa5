"""Conventions for classes: humour (UR-FUNNY), sarcasm (MUStARD), emotions (CHERMA), MMSA's three classes.

`z` logits, (E, N) for one output per sample or (E, N, C); `y` classes from 0,
`w` (R, N) weights of resamples, or None. Argmax gives the earlier class
on a tie. A NaN logit is refused.
"""

from __future__ import annotations

import numpy as np

from msabench.metrics.primitives import Counts, Figures, count
from msabench.metrics.types import Convention, Metric
from msabench.run import Array


def _argmax(z: Array, y: Array, w: Array | None) -> Counts:
    return count(z.argmax(axis=2), y, range(z.shape[2]), w)


def hkt(z: Array, y: Array, w: Array | None = None) -> Figures:
    """HKT's figures, from one logit: class rne(sigmoid(z)), with the sigmoid in float32.

    So 0.5 is class 0, and so are logits up to about 8.9e-8, whose sigmoid float32 rounds to 0.5.

    References
    ----------
    github.com/matalvepu/HKT at 4818be5

    Examples
    --------
    >>> hkt(np.array([[0.0, 2.0]], np.float32), np.array([0, 1]))["acc"]
    array([1.])
    """
    with np.errstate(over="ignore"):
        # through float64, because numpy's float32 exp may differ by a unit in the last place between machines
        decay = np.exp(-z.astype(np.float64)).astype(np.float32)
    counts = count(np.rint(1 / (1 + decay)), y, (0, 1), w)
    return {"acc": counts.accuracy(), "f1": counts.weighted_f1()}


def mhd(z: Array, y: Array, w: Array | None = None) -> Figures:
    """MLCL's figures for humour and sarcasm, from two logits: accuracy, F1 weighted by predicted counts.

    Its "average" F1 is the micro F1, which equals the accuracy.

    References
    ----------
    github.com/YetZzzzzz/MLCL at 7cc0f25

    Examples
    --------
    >>> mhd(np.array([[[0.0, 0.0], [1.0, 0.0]]]), np.array([0, 1]))["f1_swapped"].round(4)
    array([0.6667])
    """
    counts = _argmax(z, y, w)
    accuracy = counts.accuracy()
    return {"acc": accuracy, "f1_swapped": counts.weighted_f1(swapped=True), "f1_micro": accuracy.copy()}


def misa_humor(z: Array, y: Array, w: Array | None = None) -> Figures:
    """MISA's figure for UR-FUNNY, from two logits: accuracy alone.

    References
    ----------
    github.com/declare-lab/MISA at ec42fad

    Examples
    --------
    >>> misa_humor(np.array([[[0.0, 1.0], [1.0, 0.0]]]), np.array([1, 1]))["acc"]
    array([0.5])
    """
    return {"acc": _argmax(z, y, w).accuracy()}


def mustard(z: Array, y: Array, w: Array | None = None) -> Figures:
    """The figures of MUStARD's own baseline: precision, recall and F1, weighted by truth counts.

    No accuracy is printed; the weighted recall is the accuracy. Its protocol (five folds, or one split by
    speaker) is another matter: figures of a fixed split do not compare with it.

    References
    ----------
    github.com/soujanyaporia/MUStARD at b34b513

    Examples
    --------
    >>> mustard(np.array([[[0.0, 1.0], [0.0, 1.0]]]), np.array([1, 0]))["precision"]
    array([0.25])
    """
    counts = _argmax(z, y, w)
    return {
        "precision": counts.weighted_precision(),
        "recall": counts.accuracy(),
        "f1": counts.weighted_f1(),
    }


def cherma(z: Array, y: Array, w: Array | None = None) -> Figures:
    """Figures for emotions, from C logits: accuracy, macro F1 and F1 weighted by truth counts.

    Macro F1 averages over the classes that occur in the truths or in the predictions.

    References
    ----------
    github.com/sunjunaimer/LFMIM at 1cb69e0; github.com/YetZzzzzz/R3DG at 0a659ac

    Examples
    --------
    >>> cherma(np.array([[[3.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]), np.array([0, 1]))["macro_f1"]
    array([1.])
    """
    counts = _argmax(z, y, w)
    return {"acc": counts.accuracy(), "macro_f1": counts.macro_f1(), "weighted_f1": counts.weighted_f1()}


def mmsa_cls(z: Array, y: Array, w: Array | None = None) -> Figures:
    """MMSA's figures for its three-class mode: negative 0, neutral 1, positive 2.

    Acc-3 and F1 by argmax. has0: argmax of the negative and the positive logit against 1[y = 2], so that
    neutral counts as negative. non0 is defective and is kept so: without neutral samples the truths stay
    0 and 2 while the predictions are 0 and 1, so that no positive sample can ever be right.

    References
    ----------
    github.com/thuiar/MMSA at a94e65d

    Examples
    --------
    >>> figures = mmsa_cls(np.array([[[0.0, 0.0, 9.0], [9.0, 0.0, 0.0]]]), np.array([2, 0]))
    >>> float(figures["acc3"][0]), float(figures["has0_acc2"][0]), float(figures["non0_acc2"][0])
    (1.0, 1.0, 0.5)
    """
    three = _argmax(z, y, w)
    positive = z[:, :, 2] > z[:, :, 0]
    kept = np.flatnonzero(y != 1)
    has0 = count(positive, y == 2, (False, True), w)
    non0 = count(positive[:, kept].astype(np.int64), y[kept], range(3), None if w is None else w[:, kept])
    return {
        "acc3": three.accuracy(),
        "f1_3": three.weighted_f1(),
        "has0_acc2": has0.accuracy(),
        "non0_acc2": non0.accuracy(),
        "has0_f1": has0.weighted_f1(),
        "non0_f1": non0.weighted_f1(),
    }


_ACC = Metric(key="acc", label="Acc", doc="share of samples in the right class")
_F1 = Metric(key="f1", label="F1", follows="acc", doc="weighted by truth counts")
_TWO = ("binary", "multiclass")
_HUMOUR = ("UR-FUNNY", "MUStARD")

CONVENTIONS = (
    Convention(
        name="hkt",
        title="HKT",
        tasks=("binary",),
        datasets=_HUMOUR,
        metrics=(_ACC, _F1),
        accuracy="acc",
        classes=1,
        refuses_nan=True,
        compute=hkt,
        doc="One logit through a float32 sigmoid.",
    ),
    Convention(
        name="mhd",
        title="MLCL, humour and sarcasm",
        tasks=_TWO,
        datasets=_HUMOUR,
        metrics=(
            _ACC,
            Metric(key="f1_swapped", label="F1 (swapped)", follows="acc", doc="weighted by predicted counts"),
            Metric(key="f1_micro", label="F1 micro", follows="acc", doc="equals the accuracy"),
        ),
        accuracy="acc",
        classes=2,
        decimals=4,
        refuses_nan=True,
        compute=mhd,
        doc="Two logits; one logit z is read as (0, z).",
    ),
    Convention(
        name="misa_humor",
        title="MISA, humour",
        tasks=_TWO,
        datasets=("UR-FUNNY",),
        metrics=(_ACC,),
        accuracy="acc",
        classes=2,
        refuses_nan=True,
        compute=misa_humor,
        doc="Accuracy alone, from two logits; one logit z is read as (0, z).",
    ),
    Convention(
        name="mustard",
        title="MUStARD's baseline",
        tasks=_TWO,
        datasets=("MUStARD",),
        metrics=(
            Metric(key="precision", label="Precision", doc="weighted by truth counts"),
            Metric(key="recall", label="Recall", doc="weighted by truth counts; equals the accuracy"),
            Metric(key="f1", label="F1", follows="recall", doc="weighted by truth counts"),
        ),
        accuracy="recall",
        classes=2,
        decimals=3,
        refuses_nan=True,
        compute=mustard,
        doc="Two logits; one logit z is read as (0, z). The published figures average five folds.",
    ),
    Convention(
        name="cherma",
        title="LFMIM and R3DG, emotions",
        tasks=("multiclass",),
        datasets=("CHERMA",),
        metrics=(
            _ACC,
            Metric(key="macro_f1", label="F1 macro", follows="acc", doc="mean over the classes that occur"),
            Metric(key="weighted_f1", label="F1 weighted", follows="acc", doc="weighted by truth counts"),
        ),
        accuracy="acc",
        decimals=4,
        refuses_nan=True,
        compute=cherma,
        doc="Any number of classes; CHERMA has seven.",
    ),
    Convention(
        name="mmsa_cls",
        title="MMSA, three classes",
        tasks=("multiclass",),
        datasets=("MOSI", "MOSEI", "CH-SIMS"),
        metrics=(
            Metric(key="acc3", label="Acc-3", doc="argmax of three logits"),
            Metric(key="f1_3", label="F1 (3 classes)", follows="acc3", doc="weighted by truth counts"),
            Metric(key="has0_acc2", label="Acc-2 has0", doc="neutral counts as negative"),
            Metric(key="non0_acc2", label="Acc-2 non0", doc="defective: a positive sample is never right"),
            Metric(key="has0_f1", label="F1 has0", follows="has0_acc2", doc="neutral counts as negative"),
            Metric(
                key="non0_f1",
                label="F1 non0",
                follows="non0_acc2",
                doc="defective: a positive sample is never right",
            ),
        ),
        accuracy="acc3",
        classes=3,
        decimals=4,
        refuses_nan=True,
        compute=mmsa_cls,
        doc="Deprecated in MMSA, but half of its table of results; its non0 columns are an artefact.",
    ),
)
