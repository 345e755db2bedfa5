"""MulT's encoder, BERT's initial weights and the losses of the tasks."""

import math

import pytest
import torch
from torch import Tensor, nn

from msabench.nn import MulTEncoder, init_as_bert, sinusoids, task_loss
from msabench.run import Task


def encoder(width: int = 8, heads: int = 2, layers: int = 2, **dropouts: float) -> MulTEncoder:
    torch.manual_seed(0)
    made = MulTEncoder(width, heads=heads, layers=layers, **dropouts).double()
    for p in made.parameters():  # biases and gains that are not 0 and 1
        nn.init.normal_(p, std=0.3)
    return made


def stated_plainly(made: MulTEncoder, x: Tensor, mask: Tensor | None = None) -> Tensor:
    """The encoder without dropout, from torch's own attention."""
    batch, length, width = x.shape
    half = width // 2
    position = torch.zeros_like(x)
    for b in range(batch):
        for i in range(length):
            if x[b, i, 0] != 0:
                for j in range(half):
                    angle = (i + 1) * 10000 ** (-j / (half - 1))
                    position[b, i, j], position[b, i, half + j] = math.sin(angle), math.cos(angle)
    x = math.sqrt(width) * x + position
    for layer in made.layers:
        attention = nn.MultiheadAttention(width, layer.self_attn.heads, batch_first=True).double()
        attention.load_state_dict(layer.self_attn.state_dict())
        y = layer.layer_norms[0](x)
        x = x + attention(y, y, y, key_padding_mask=None if mask is None else ~mask)[0]
        x = x + layer.fc2(torch.relu(layer.fc1(layer.layer_norms[1](x))))
    return made.layer_norm(x)


def test_sinusoid_of_position_one() -> None:
    expected = [0.84147, 0.046399, 0.0021544, 0.0001, 0.54030, 0.99892, 1.0, 1.0]
    assert sinusoids(3, 8)[0].tolist() == pytest.approx(expected, rel=2e-5)
    assert sinusoids(3, 7)[:, 6].tolist() == [0, 0, 0]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_encoder_is_the_published_one(masked: bool, training: bool) -> None:
    made = encoder().train(training)
    x = torch.randn(3, 5, 8, dtype=torch.float64)
    x[0, 3:] = 0  # padding
    x[1, 2, 0] = 0  # a frame whose first channel alone is 0 has no position either
    mask = torch.arange(5) < torch.tensor([[3], [5], [1]]) if masked else None
    # positions are in single precision
    torch.testing.assert_close(made(x, mask), stated_plainly(made, x, mask), rtol=0, atol=1e-6)


def test_gradients_are_those_of_the_published_encoder() -> None:
    made, weight = encoder(), torch.randn(2, 4, 8, dtype=torch.float64)
    x = torch.randn(2, 4, 8, dtype=torch.float64, requires_grad=True)
    ours = torch.autograd.grad((made(x) * weight).sum(), [x, *made.layers[0].fc1.parameters()])
    theirs = torch.autograd.grad(
        (stated_plainly(made, x) * weight).sum(), [x, *made.layers[0].fc1.parameters()]
    )
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_without_a_mask_padding_is_attended_to() -> None:
    made = encoder()
    x = torch.randn(1, 3, 8, dtype=torch.float64)
    padded = torch.cat([x, torch.zeros(1, 2, 8, dtype=torch.float64)], dim=1)
    assert not torch.allclose(made(padded)[:, :3], made(x))
    real = torch.tensor([[True, True, True, False, False]])
    torch.testing.assert_close(made(padded, real)[:, :3], made(x))


def test_a_sample_without_any_frame_gives_finite_numbers() -> None:
    made = encoder()
    none = torch.zeros(2, 4, dtype=torch.bool)
    x = torch.zeros(2, 4, 8, dtype=torch.float64, requires_grad=True)
    out = made(x, none)
    assert torch.isfinite(out).all()
    assert torch.isfinite(torch.autograd.grad(out.sum(), x)[0]).all()


@pytest.mark.parametrize("name", ["attn_dropout", "relu_dropout", "res_dropout", "embed_dropout"])
def test_each_dropout_acts_in_training_alone(name: str) -> None:
    made = encoder(**{name: 0.5})
    x = torch.randn(2, 6, 8, dtype=torch.float64)
    assert not torch.equal(made(x), made(x))
    made.eval()
    assert torch.equal(made(x), made(x))


def test_attention_dropout_keeps_the_expectation() -> None:
    made = encoder(layers=1, attn_dropout=0.5)
    x = torch.randn(1, 6, 8, dtype=torch.float64)
    attention = made.layers[0].self_attn
    many = attention(x.expand(20000, -1, -1))
    made.eval()
    torch.testing.assert_close(many.mean(0, keepdim=True), attention(x), rtol=0, atol=0.02)


def test_parameters_are_the_references() -> None:
    d, layers = 128, 3
    made = MulTEncoder(d, heads=16, layers=layers)
    assert sum(p.numel() for p in made.parameters()) == layers * (12 * d * d + 13 * d) + 2 * d
    assert {n for n in made.state_dict() if n.startswith("layers.2.self_attn")} == {
        f"layers.2.self_attn.{n}"
        for n in ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")
    }
    bound = math.sqrt(6 / (3 * d + d))  # Xavier, over the packed matrix
    assert 0.95 * bound < made.layers[0].self_attn.in_proj_weight.abs().max() <= bound


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="heads must divide the width"):
        MulTEncoder(10, heads=4, layers=1)


def test_initial_weights_are_berts() -> None:
    torch.manual_seed(0)
    kept = nn.Conv1d(3, 4, 1)
    before = kept.weight.clone()
    module = nn.Sequential(nn.Linear(300, 300), nn.Embedding(300, 300), nn.LayerNorm(9), kept)
    made = nn.MultiheadAttention(64, 4)
    packed = made.in_proj_weight.clone()
    nn.init.normal_(module[2].weight)
    init_as_bert(module)
    init_as_bert(made)
    for weight in (module[0].weight, module[1].weight, made.out_proj.weight):
        assert weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not module[0].bias.any()
    assert (module[2].weight == 1).all()
    assert torch.equal(kept.weight, before)
    assert torch.equal(made.in_proj_weight, packed)


def test_task_loss_follows_the_task() -> None:
    score, binary = Task(kind="regression"), Task(kind="binary", label_range=(0, 1))
    classes = Task(kind="multiclass", classes=3, label_range=(0, 2))
    x, y = torch.tensor([1.0, -2.0]), torch.tensor([0.0, 1.0])
    assert task_loss(x, y, score).item() == 2
    assert task_loss(x, y, score, regression="mse").item() == 5
    expected = (math.log(1 + math.e) + math.log(1 + math.exp(2))) / 2
    assert task_loss(x, y, binary).item() == pytest.approx(expected)
    assert task_loss(torch.zeros(2, 3), torch.tensor([2, 0]), classes).item() == pytest.approx(math.log(3))
    assert task_loss(x.double(), y, binary).dtype == torch.float64


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("frames", [1, 5])
def test_last_frame_alone_is_the_encoders_last_frame(frames: int, masked: bool) -> None:
    made = encoder()
    x = torch.randn(3, frames, 8, dtype=torch.float64)
    mask = torch.arange(frames) < torch.tensor([[3], [5], [1]]) if masked else None
    weight = torch.randn(3, 8, dtype=torch.float64)
    whole = torch.autograd.grad((made(x, mask)[:, -1] * weight).sum(), list(made.parameters()))
    alone = torch.autograd.grad((made.last(x, mask) * weight).sum(), list(made.parameters()))
    torch.testing.assert_close(made.last(x, mask), made(x, mask)[:, -1])
    torch.testing.assert_close(alone, whole)
