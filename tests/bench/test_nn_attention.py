"""Dropout with cheap draws, and attention in blocks."""

import pytest
import torch
from torch import Tensor

import msabench.nn.attention as attention
from msabench.nn.attention import attend
from msabench.nn.dropout import Keep, dropout


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize("p", [0.5, 0.3, 0.1, 0.25, 0.001, 0.999])
def test_so_many_entries_are_dropped_and_the_mean_is_kept(p: float) -> None:
    torch.manual_seed(0)
    x = dropout(torch.ones(1_000_000, dtype=torch.float64), p, True)
    assert (x == 0).double().mean().item() == pytest.approx(p, abs=0.002)
    assert x.unique().tolist() == pytest.approx([0, 1 / (1 - p)], rel=1e-2)
    assert x.mean().item() == pytest.approx(1, abs=0.01 if p < 0.9 else 0.2)


def test_draws_of_neighbours_are_independent() -> None:
    torch.manual_seed(0)
    kept = Keep(0.5).draw(torch.Size([1_000_000])).double() - 0.5
    for lag in (1, 2, 3, 4, 7, 8, 16):
        assert abs(4 * (kept[:-lag] * kept[lag:]).mean().item()) < 0.005, lag


def test_dropout_is_off_where_it_should_be() -> None:
    x = random(4, 3)
    assert torch.equal(dropout(x, 0.5, False), x)
    assert torch.equal(dropout(x, 0.0, True), x)
    with pytest.raises(ValueError, match="probability < 1"):
        Keep(1.0)


def test_dropout_follows_the_seed_and_passes_its_gradient() -> None:
    x = random(50).requires_grad_()
    torch.manual_seed(1)
    first = dropout(x, 0.3, True)
    torch.manual_seed(1)
    assert torch.equal(dropout(x, 0.3, True), first)
    assert not torch.equal(dropout(x, 0.3, True), first)
    first.sum().backward()
    torch.testing.assert_close(x.grad * x.detach(), first.detach())


def seeded(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, p: float) -> Tensor:
    torch.manual_seed(3)
    return attend(q, k, v, mask=mask, dropout=p)


@pytest.mark.parametrize("block", [1, 40, 2**18])
@pytest.mark.parametrize("masked", [False, True])
def test_attention_drops_weights_of_the_softmax(
    block: int, masked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "BLOCK", block)
    torch.manual_seed(0)
    batch, heads, queries, keys, width = 3, 2, 4, 5, 6
    q, k, v = random(batch, heads, queries, width), *(random(batch, heads, keys, width) for _ in range(2))
    mask = torch.arange(keys) < torch.tensor([[2], [5], [1]]) if masked else None
    identity = torch.eye(keys, dtype=torch.float64).expand(batch, heads, keys, keys)
    padded = torch.nn.functional.pad(identity, (0, width - keys))
    weights = seeded(q, k, padded, mask, 0.4)[..., :keys]  # as they were dropped
    scores = q @ k.transpose(2, 3) / width**0.5
    if mask is not None:
        scores = scores.masked_fill(~mask[:, None, None], -torch.inf)
    whole = scores.softmax(3)
    kept = weights != 0
    assert 0 < kept.sum() < (whole != 0).sum()
    torch.testing.assert_close(weights[kept], (whole / Keep(0.4).share)[kept])
    torch.testing.assert_close(seeded(q, k, v, mask, 0.4), weights @ v)


@pytest.mark.parametrize("masked", [False, True])
def test_gradient_of_dropped_attention(masked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "BLOCK", 40)
    torch.manual_seed(0)
    q, k, v = (random(3, 2, n, 2).requires_grad_() for n in (3, 5, 5))
    mask = torch.arange(5) < torch.tensor([[2], [5], [1]]) if masked else None
    assert torch.autograd.gradcheck(lambda q, k, v: seeded(q, k, v, mask, 0.4), (q, k, v))


def test_attention_without_dropout_is_torchs() -> None:
    q, k, v = (random(2, 2, n, 3) for n in (3, 5, 5))
    mask = torch.tensor([[True, False, True, True, False], [True] * 5])
    whole = (q @ k.transpose(2, 3) / 3**0.5).masked_fill(~mask[:, None, None], -torch.inf).softmax(3) @ v
    torch.testing.assert_close(attend(q, k, v, mask=mask), whole)
