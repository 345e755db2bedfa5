"""Which modality leads: three dependence scores to the roles of vision, text and audio.

Notation: B batch. Modalities are numbered 0 vision, 1 text, 2 audio; roles are x, y (the lead) and z.
"""

from __future__ import annotations

import torch
from torch import Tensor

RULES = ("per_sample", "batch_first", "argmax")

V, T, A = 0, 1, 2
TABLE = {  # modalities by ascending score -> modalities of x, y, z (D3)
    (T, V, A): (V, T, A),
    (T, A, V): (V, A, T),
    (V, T, A): (T, V, A),
    (V, A, T): (T, A, V),
    (A, T, V): (A, V, T),
    (A, V, T): (A, T, V),
}


def table() -> Tensor:
    """(9, 3) int64: row 3 i + j has the roles for an order that begins with modalities i, j."""
    rows = torch.zeros(9, 3, dtype=torch.long)
    for (first, second, _), roles in TABLE.items():
        rows[3 * first + second] = torch.tensor(roles)
    return rows


def assign(dependence: Tensor, words: Tensor, rows: Tensor, rule: str) -> Tensor:
    """The modality of each role for each sample; no gradient passes.

    Parameters
    ----------
    dependence
        (3, B): scores of the pairs vision-text, text-audio, audio-vision. A modality's own score is the sum
        over the two pairs that it is in; of equal scores, the modality with the lower number counts as lower.
    words
        (B,): length of each sample's text; the first of the longest decides for all under `batch_first`, as
        it comes first in the reference, which sorts each batch by its number of words.
    rows
        What `table` gives.
    rule
        `per_sample`: the table for each sample; `batch_first`: the table for the deciding sample, its roles
        for all; `argmax`: for each sample x, y, z are the modalities with the lowest, highest and middle
        score, as the table has it where it lets the highest lead.

    Returns
    -------
    (3, B) int64, a permutation of 0, 1, 2 in each column.
    """
    pairs = dependence.detach()
    scores = pairs + pairs.roll(1, 0)  # (3, B): vision in pairs 0 and 2, text in 1 and 0, audio in 2 and 1
    order = scores.argsort(dim=0, stable=True)  # (3, B)
    if rule == "argmax":
        low, middle, high = order
        return torch.stack([low, high, middle])
    if rule == "batch_first":
        order = order[:, words.argmax()][:, None].expand_as(order)
    return rows[3 * order[0] + order[1]].t()
