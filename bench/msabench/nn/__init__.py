"""Layers that several methods share. Whatever one method alone uses stays in that method's folder."""

from msabench.nn.attention import attend
from msabench.nn.dropout import Keep, dropout
from msabench.nn.init import init_as_bert
from msabench.nn.losses import task_loss
from msabench.nn.lstm import LastStateLSTM
from msabench.nn.mult import MulTEncoder, sinusoids
from msabench.nn.subnets import MeanSubnet, TextSubnet

__all__ = [
    "Keep",
    "LastStateLSTM",
    "MeanSubnet",
    "MulTEncoder",
    "TextSubnet",
    "attend",
    "dropout",
    "init_as_bert",
    "sinusoids",
    "task_loss",
]
