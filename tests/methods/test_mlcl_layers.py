"""Layers of MLCL against plain statements of what they do."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msabench_methods.mlcl.contrast import info_nce
from msabench_methods.mlcl.layers import CrossAttention, TextConvolution, last_rows


@pytest.mark.parametrize(
    ("q", "k", "value"),
    [
        ([[1, 0], [0, 1], [1, 1]], [[2, 1], [0, 1], [1, 0]], 1.31281),
        ([[2, 1], [0, 1], [1, 0]], [[1, 0], [0, 1], [1, 1]], 1.34605),
        ([[1, 0], [0, 1], [1, 1]], [[1, 0], [0, 1], [1, 1]], 0.068602),
        ([[3, 4]], [[-1, 2]], 0.0),
    ],
)
def test_contrast_of_small_cases(q: list[Any], k: list[Any], value: float) -> None:
    queries, keys = torch.tensor([q, k], dtype=torch.float64), torch.tensor([k, q], dtype=torch.float64)
    assert info_nce(queries, keys, 0.1)[0].item() == pytest.approx(value, abs=5e-6)
    # pairings do not see one another
    assert info_nce(queries[:1], keys[:1], 0.1)[0].item() == pytest.approx(value, abs=5e-6)


def plain_attention(layer: CrossAttention, latent: Tensor, context: Tensor) -> Tensor:
    """The reference's cross attention, softmax and all, without dropout."""
    query = layer.to_query(layer.norm_latent(latent)).unflatten(2, (layer.heads, -1)).transpose(1, 2)
    context = layer.norm_context(context)
    key = layer.to_key(context).unflatten(2, (layer.heads, -1)).transpose(1, 2)
    value = layer.to_value(context).unflatten(2, (layer.heads, -1)).transpose(1, 2)
    weights = (query @ key.transpose(2, 3) * query.shape[3] ** -0.5).softmax(3)
    return layer.out((weights @ value).transpose(1, 2).flatten(2))


@pytest.mark.parametrize(("latents", "tokens"), [(1, 1), (3, 1), (1, 4), (3, 4)])
def test_cross_attention_is_attention(latents: int, tokens: int) -> None:
    torch.manual_seed(0)
    layer = CrossAttention(6, heads=2, head_width=5, dropout=0.5).double().eval()
    latent = torch.randn(2, latents, 6, dtype=torch.float64)
    context = torch.randn(2, tokens, 6, dtype=torch.float64)
    torch.testing.assert_close(layer(latent, context), plain_attention(layer, latent, context))


def test_over_one_token_dropout_takes_whole_heads() -> None:
    torch.manual_seed(0)
    layer = CrossAttention(6, heads=2, head_width=3, dropout=0.25).double()
    nn.init.eye_(layer.out.weight)
    nn.init.zeros_(layer.out.bias)
    latent, context = torch.randn(2000, 1, 6), torch.randn(1, 1, 6)
    found = layer(latent.double(), context.double().expand(2000, -1, -1))[:, 0]  # (B, h c)
    whole = layer.eval()(latent[:1].double(), context.double())[0, 0]
    share = (found / whole).view(2000, 2, 3)
    assert torch.allclose(share, share[..., :1].expand(-1, -1, 3))
    kept = share[..., 0] > 0
    assert torch.allclose(share[..., 0][kept], torch.tensor(4 / 3, dtype=torch.float64))
    assert kept.double().mean().item() == pytest.approx(0.75, abs=0.03)
    assert (kept[:, 0] & ~kept[:, 1]).any()


@pytest.mark.parametrize("length", [1, 2, 7])
@pytest.mark.parametrize("pool", ["last", "cls", "mean"])
def test_text_vector_is_the_convolution_at_its_positions(pool: str, length: int) -> None:
    torch.manual_seed(0)
    layer = TextConvolution(12, 4, pool=pool).double()
    x = torch.randn(3, length, 12, dtype=torch.float64)
    mask = torch.arange(length) < torch.tensor([[length], [1], [max(1, length - 2)]])
    whole = F.conv1d(x.transpose(1, 2), layer.conv.weight, padding=1)  # (B, d, T)
    mean = (whole * mask[:, None]).sum(2) / mask.sum(1, keepdim=True)
    expected = {"last": whole[:, :, -1], "cls": whole[:, :, 0], "mean": mean}[pool]
    torch.testing.assert_close(layer(x, mask), expected)


def test_reference_alignment_repeats_the_last_row_of_each_segment() -> None:
    masks = [[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 0, 0]]
    segments = [[0, 0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0, 0]]
    # a pair, a pair with an empty context and padding, and a single text
    tokens = torch.stack([torch.ones(3, 7, dtype=torch.long), torch.tensor(masks), torch.tensor(segments)], 1)
    rows = torch.arange(7.0).expand(3, 7)[..., None]
    assert last_rows(rows, tokens)[..., 0].tolist() == [
        [0, 2, 2, 3, 5, 5, 6],
        [0, 1, 3, 3, 4, 5, 6],
        [0, 1, 2, 3, 4, 5, 6],
    ]
