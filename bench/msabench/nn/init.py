"""Initial weights."""

from __future__ import annotations

from torch import nn


def init_as_bert(module: nn.Module, *, std: float = 0.02) -> None:
    """Set a module's layers as Hugging Face's BERT classes do when a checkpoint lacks them.

    Weights of `nn.Linear` (output projections of attention too) and `nn.Embedding` from N(0, std²), biases 0;
    gains of `nn.LayerNorm` 1, biases 0. Whatever else there is, such as convolutions and packed attention
    input projections, keeps what its constructor gave it (`BertPreTrainedModel._init_weights` of
    transformers 4.30).
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Embedding):
            nn.init.normal_(layer.weight, std=std)
        if isinstance(layer, nn.LayerNorm):
            nn.init.ones_(layer.weight)
        if isinstance(layer, nn.Linear | nn.LayerNorm) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
