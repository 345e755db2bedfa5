"""The subnets that MMSA's LF-DNN, TFN and LMF share.

Notation: B batch, L steps, d input width, h hidden width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from msabench.nn.lstm import LastStateLSTM


class MeanSubnet(nn.Module):
    """A vector to a vector: batch normalisation, dropout, three linear layers with ReLU.

    The subnet that MMSA's LF-DNN, TFN and LMF give to time-averaged audio and vision
    (thuiar/MMSA, `models/subNets/FeatureNets.py`).
    """

    def __init__(self, width: int, hidden: int, *, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)
        self.dropout = nn.Dropout(dropout)
        self.linear_1 = nn.Linear(width, hidden)
        self.linear_2 = nn.Linear(hidden, hidden)
        self.linear_3 = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, d) or (B, d) -> (B, h). In training B must be at least 2."""
        x = x.flatten(1)  # (B, d)
        x = self.linear_1(self.dropout(self.norm(x))).relu()  # (B, h)
        x = self.linear_2(x).relu()
        return torch.relu(self.linear_3(x))


class TextSubnet(nn.Module):
    """A token sequence to a vector: the LSTM's state after the last position, then a linear layer.

    As in MMSA's LF-DNN, TFN and LMF. Padding at the back is read like any other position.
    """

    def __init__(self, width: int, hidden: int, out: int) -> None:
        super().__init__()
        self.rnn = LastStateLSTM(width, hidden)
        self.linear = nn.Linear(hidden, out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, d) -> (B, out)"""
        state: Tensor = self.linear(self.rnn(x))
        return state
