"""Self-MM's label generation: tables over the training rows, class centres, pseudo-labels.

Yu, Xu, Yuan, Wu, AAAI 2021 (arXiv 2102.04830), as thuiar/Self-MM does it at 1786283 (D6 to D9, D12 of
`model.py`). Tasks are in the order M (fusion), T, A, V. Notation: N training rows, B batch, f width of a
task's feature.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

EPSILON = 1e-8


class LabelTables(nn.Module):
    """A label per training row and task, the feature last seen of it, and the two centres of each task.

    All state is in buffers. Rows are NaN until they are seen: whoever asks for the label of such a row gets
    y_m. That equals filling the tables before the first epoch, as Self-MM does, because every row's label
    is y_m all through epoch 1, every row is seen in it, and centres are not used before epoch 2 (D12).

    Parameters
    ----------
    widths
        Of the features of M, T, A, V.
    bound
        Pseudo-labels are clamped to [-bound, bound].
    exclude_zero
        Whether labels of 0 belong to neither centre; else to the positive one (D6).
    """

    labels: Tensor
    """(4, N): M's are the dataset's own"""
    features: Tensor
    """(N, sum of f)"""
    centres: Tensor
    """(2, sum of f): positive, negative"""
    sums: Tensor
    """(2, sum of f) double: of the features of each class"""
    counts: Tensor
    """(2, 4) double: rows of each class"""

    def __init__(self, rows: int, widths: Sequence[int], *, bound: float, exclude_zero: bool) -> None:
        super().__init__()
        self.widths, self.bound, self.exclude_zero = list(widths), bound, exclude_zero
        total = sum(widths)
        self.register_buffer("labels", torch.full((len(widths), rows), torch.nan))
        self.register_buffer("features", torch.zeros(rows, total))
        self.register_buffer("centres", torch.zeros(2, total))
        self.register_buffer("sums", torch.zeros(2, total, dtype=torch.float64))
        self.register_buffer("counts", torch.zeros(2, len(widths), dtype=torch.float64))

    def of(self, rows: Tensor, labels: Tensor) -> Tensor:
        """Labels of these rows (B,), (4, B); y_m, `labels` (B,), where a row was not seen before."""
        known = self.labels[:, rows]
        return torch.where(known.isnan(), labels.to(known.dtype), known)

    @torch.no_grad()
    def observe(self, rows: Tensor, labels: Tensor, features: Sequence[Tensor], epoch: int) -> None:
        """What follows a batch's backward pass: new labels from epoch 2 on, features written, centres moved.

        Centres are means over the whole table, kept as sums: the batch's old rows are taken out and
        its new ones put in, in double precision, instead of going over all N rows again.

        Parameters
        ----------
        rows, labels
            (B,) rows of the training split, each once, and their y_m.
        features
            (B, f) of M, T, A, V, in training mode.
        epoch
            From 1.
        """
        before = self.labels[:, rows]  # (4, B)
        after = self.of(rows, labels)
        if epoch > 1:
            after = self.generated(after, features, epoch)
        whole = torch.cat([x.detach() for x in features], dim=1).to(self.features.dtype)  # (B, sum of f)
        old, new = self._members(before), self._members(after)  # (2, 4, B)
        self.counts += new.sum(2) - old.sum(2)
        self.sums += self._total(new, whole) - self._total(old, self.features[rows])
        self.labels[:, rows], self.features[rows] = after, whole
        counts = self._per_column(self.counts)  # (2, sum of f)
        means = (self.sums / counts).to(self.centres.dtype)
        self.centres.copy_(torch.where(counts > 0, means, self.centres))  # D9

    def generated(self, labels: Tensor, features: Sequence[Tensor], epoch: int) -> Tensor:
        """(4, B) labels with those of T, A, V moved: y_s <- ((n - 1) y_s + 2 y_new)/(n + 1)."""
        positive, negative = (torch.split(centre, self.widths) for centre in self.centres)
        nearness = []
        for x, up, down in zip(features, positive, negative, strict=True):
            to_up, to_down = (torch.linalg.vector_norm(x.detach() - c, dim=1) for c in (up, down))
            nearness.append((to_down - to_up) / (to_up + EPSILON))
        delta = torch.stack(nearness)  # (4, B)
        y_m, own = labels[0], labels[1:]
        ratio = delta[1:] / (delta[0] + EPSILON)  # D7
        target = (0.5 * ratio * y_m + 0.5 * (y_m + delta[1:] - delta[0])).clamp(-self.bound, self.bound)
        moved = (epoch - 1) / (epoch + 1) * own + 2 / (epoch + 1) * target
        return torch.cat([labels[:1], moved])

    def _members(self, labels: Tensor) -> Tensor:
        """(4, B) -> (2, 4, B) double, 1 where a label is of the class; an unseen row is of neither"""
        positive = labels > 0 if self.exclude_zero else labels >= 0
        return torch.stack([positive, labels < 0]).double()

    def _total(self, members: Tensor, features: Tensor) -> Tensor:
        """(2, 4, B), (B, sum of f) -> (2, sum of f): the features of each class, added up"""
        parts = torch.split(features.double(), self.widths, dim=1)
        return torch.cat([members[:, i] @ part for i, part in enumerate(parts)], dim=1)

    def _per_column(self, values: Tensor) -> Tensor:
        """(2, 4) -> (2, sum of f)"""
        widths = torch.tensor(self.widths, device=values.device)
        return values.repeat_interleave(widths, dim=1, output_size=sum(self.widths))
