"""Layers that several methods share. Whatever one method alone uses stays in that method's folder."""

from msabench.nn.lstm import LastStateLSTM
from msabench.nn.subnets import MeanSubnet, TextSubnet

__all__ = ["LastStateLSTM", "MeanSubnet", "TextSubnet"]
