"""The contrastive loss of MLCL."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def info_nce(queries: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of picking each query's own key among the keys of its batch.

    With rows of unit length (divided by at least 1e-12), logits S = q k^T / temperature, and for each pairing
    the mean over i of logsumexp_j S_ij - S_ii. A batch of one gives 0. Both sides get gradients.

    Parameters
    ----------
    queries, keys
        (M, B, d): M pairings of B samples.

    Returns
    -------
    Tensor
        (M,)
    """
    q, k = F.normalize(queries, dim=2), F.normalize(keys, dim=2)
    logits = q @ (k / temperature).transpose(1, 2)  # (M, B, B)
    own = logits.diagonal(dim1=1, dim2=2)  # (M, B)
    return (logits.logsumexp(dim=2) - own).mean(dim=1)
