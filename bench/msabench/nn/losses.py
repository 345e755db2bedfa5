"""The loss that belongs to a kind of task."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from msabench.run import Task


def task_loss(
    prediction: Tensor, labels: Tensor, task: Task, *, regression: Literal["l1", "mse"] = "l1"
) -> Tensor:
    """Mean loss of a batch for the task's kind.

    Parameters
    ----------
    prediction
        (B,) scores or binary logits, or (B, C) logits.
    labels
        (B,) scores, (B,) 0 or 1, or (B,) int64 classes.
    regression
        Absolute or squared error, where a score is predicted. A binary task takes the binary cross-entropy
        of one logit, a task of C classes the cross-entropy.

    Returns
    -------
    Tensor
        A scalar.
    """
    if task.kind == "multiclass":
        return F.cross_entropy(prediction, labels)
    labels = labels.to(prediction.dtype)
    if task.kind == "binary":
        return F.binary_cross_entropy_with_logits(prediction, labels)
    return F.l1_loss(prediction, labels) if regression == "l1" else F.mse_loss(prediction, labels)
