"""ALMT against its reference: golden forward values, parameter counts, schedule, switches."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from msabench.errors import SpecError
from msabench.method import METHODS, Batch, InputSizes, Method, Progress, build
from msabench.run import Task

# Stages in double precision with the weights of `fill` below: mean absolute value of the three embeddings,
# of the last language scale, of the hyper state and of the read-out; both outputs; for labels 2 sin(b + 1)
# the gradient's norm at the first AdamW step at the recipe's base rate, and the loss before each of four.
# Made by the reference's own classes (Haoyu-ha/ALMT at da94610, torch 2.13) with its text encoder stubbed.
GOLDEN = {
    "mosi": {
        "embeddings": (0.24059967, 0.17846096, 0.20250116),
        "scale": 0.55375859,
        "hyper": 0.89909036,
        "joint": 0.37981265,
        "outputs": (-0.901643614, -0.901643610),
        "gradient": 237.059832815267,
        "losses": (7.039889967437, 3.003870314497, 7.168588971863, 6.329622648829),
    },
    "mosei": {
        "embeddings": (0.24059967, 0.17817399, 0.20287631),
        "scale": 0.55375859,
        "hyper": 0.89909173,
        "joint": 0.59818893,
        "outputs": (-1.354882192, -1.354882217),
        "gradient": 387.496593869905,
        "losses": (9.649666176921, 2.597856193501, 0.945034578797, 4.004917320372),
    },
    "sims": {
        "embeddings": (0.24059967, 0.17871451, 0.20249983),
        "scale": 0.55375859,
        "hyper": 0.89909031,
        "joint": 0.59818905,
        "outputs": (-1.354881928, -1.354881947),
        "gradient": 387.494663678339,
        "losses": (9.649664518749, 2.597795299921, 0.946982465759, 4.007975526100),
    },
}


def fill(method: Method) -> None:
    """Each tensor: base + 0.05 sin(0.37 k + phase), k its flat index; base 1 for norm gains, hyper state."""

    def put(tensor: Tensor, phase: float, base: float = 0.0) -> None:
        k = torch.arange(tensor.numel(), dtype=torch.float64)
        tensor.copy_((base + 0.05 * torch.sin(0.37 * k + phase)).view_as(tensor))

    def norm(layer: nn.LayerNorm, phase: float) -> None:
        put(layer.weight, phase, 1.0)
        put(layer.bias, phase)

    def linear(layer: nn.Linear, phase: float, bias: float) -> None:
        put(layer.weight, phase)
        put(layer.bias, bias)

    def wide(block: Any, start: float) -> None:
        a = block.attention
        for weight, phase in ((a.to_query, 0.1), (a.to_key, 0.2), (a.to_value, 0.3)):
            put(weight.weight, start + phase)
        linear(a.out, start + 0.4, start + 0.45)
        linear(block.linear_1, start + 0.5, start + 0.55)
        linear(block.linear_2, start + 0.6, start + 0.65)
        for layer, phase in (
            (a.norm_query, 0.7),
            (a.norm_key, 0.72),
            (a.norm_value, 0.74),
            (block.norm, 0.76),
        ):
            norm(layer, start + phase)

    def stack(blocks: Any, start: float) -> None:
        for i, block in enumerate(blocks):
            wide(block, start + 0.3 * i)

    for name, start in (("text", 0.0), ("audio", 2.0), ("vision", 4.0)):
        embedding = method.embeddings[name]
        linear(embedding.linear, start + 0.8, start + 0.85)
        put(embedding.positions, start + 0.9)
        put(embedding.tokens, start + 0.95)
        stack(embedding.blocks, start)
    put(method.scale_positions, 6.9)
    stack(method.scales, 6.0)
    for i, layer in enumerate(method.hyper_layers):
        start = 8.0 + 0.3 * i
        put(layer.to_query.weight, start + 0.1)
        for name, shift in (("audio", 0.0), ("vision", 0.05)):
            put(layer.to_key[name].weight, start + 0.2 + shift)
            put(layer.to_value[name].weight, start + 0.3 + shift)
        linear(layer.out, start + 0.4, start + 0.45)
        norm(layer.norm_language, start + 0.71)
        norm(layer.norm_other["audio"], start + 0.73)
        norm(layer.norm_other["vision"], start + 0.75)
        norm(layer.norm_hyper, start + 0.77)
    put(method.fusion.positions_source, 10.9)
    put(method.fusion.positions_target, 10.92)
    put(method.fusion.token, 10.95)
    stack(method.fusion.blocks, 10.0)
    put(method.hyper, 1.0, 1.0)
    linear(method.head, 1.1, 1.15)


def mean_abs(x: Tensor) -> float:
    return x.abs().mean().item()


def test_golden_forward_values(
    dataset: str, build_at_real_sizes: Callable[..., Method], wave_batch: Callable[..., Batch]
) -> None:
    method = build_at_real_sizes("almt", dataset).double().eval()
    batch = wave_batch(method.sizes, 2)
    with torch.no_grad():
        fill(method)
        embeddings = [method.embeddings[name](getattr(batch, name)) for name in ("text", "audio", "vision")]
        output = method(batch)
    golden = GOLDEN[dataset]
    assert [mean_abs(x) for x in embeddings] == pytest.approx(golden["embeddings"], abs=5.1e-9, rel=0)
    for stage in ("scale", "hyper", "joint"):
        assert mean_abs(output.extras[stage]) == pytest.approx(golden[stage], abs=5.1e-9, rel=0), stage
    assert output.prediction.tolist() == pytest.approx(golden["outputs"], abs=5.1e-10, rel=0)


def test_golden_training_steps(
    dataset: str, build_at_real_sizes: Callable[..., Method], wave_batch: Callable[..., Batch]
) -> None:
    method = build_at_real_sizes("almt", dataset).double()
    with torch.no_grad():
        fill(method)
    batch = wave_batch(method.sizes, 2)
    progress = Progress(epoch=1, epochs=200, batch=0, batches=1)
    (optimizer,) = method.optimizers(method.parameter_groups(None))
    norms, losses = [], []
    for _ in range(4):
        optimizer.zero_grad()
        loss = sum(method.losses(method(batch), batch, progress).values())
        loss.backward()
        norms.append(
            nn.utils.get_total_norm([p.grad for p in method.parameters() if p.grad is not None]).item()
        )
        losses.append(loss.item())
        optimizer.step()
    assert norms[0] == pytest.approx(GOLDEN[dataset]["gradient"], rel=1e-9)
    assert losses == pytest.approx(GOLDEN[dataset]["losses"], rel=1e-8)


@pytest.mark.parametrize(
    ("dataset", "window", "count"),
    [
        ("mosi", 0, 2_603_649),
        ("mosei", 0, 3_223_041),
        ("sims", 0, 3_232_897),
        ("mosi", 50, 2_504_449),
        ("mosei", 50, 3_107_841),
        ("sims", 50, 3_188_865),
    ],
)
def test_parameter_count(
    build_at_real_sizes: Callable[..., Method], dataset: str, window: int, count: int
) -> None:
    method = build_at_real_sizes("almt", dataset, frame_window=window)
    assert sum(p.numel() for p in method.parameters()) == count


def rates(method: Method, epochs: int, batches: int = 1) -> list[float]:
    return [
        method.rate(Progress(epoch=e, epochs=epochs, batch=b, batches=batches))
        for e in range(1, epochs + 1)
        for b in range(batches)
    ]


def test_schedule_is_the_references(build_at_real_sizes: Callable[..., Method]) -> None:
    factor = rates(build_at_real_sizes("almt", "mosi"), 200)
    assert factor[:21] == pytest.approx([e / 20 for e in range(21)], abs=1e-15)
    assert factor[21:] == pytest.approx(
        [(1 + math.cos(math.pi * (e - 22) / 180)) / 2 for e in range(22, 201)], abs=1e-15
    )
    assert factor[0] == 0
    assert factor[20] == factor[21] == 1
    assert 1e-4 * factor[199] == pytest.approx(3.05e-8, rel=2e-3)


@pytest.mark.parametrize("epochs", [1, 2, 3, 5, 9, 10, 15, 37])
def test_schedule_fits_any_budget(build_at_real_sizes: Callable[..., Method], epochs: int) -> None:
    factor = rates(build_at_real_sizes("almt", "mosi"), epochs, batches=20)
    assert max(factor) == 1
    assert min(factor) >= 0
    first = sorted(factor[: factor.index(1)])
    assert first == factor[: factor.index(1)]
    falling = factor[factor.index(1) :]
    assert falling == sorted(falling, reverse=True)
    if epochs < 10:
        assert 0 < factor[0] < 1  # an epoch at rate 0 would be wasted
        assert factor.index(1) < 20


def test_prediction_ignores_the_language_half_of_the_fusion_target(
    build_at_real_sizes: Callable[..., Method], wave_batch: Callable[..., Batch]
) -> None:
    method = build_at_real_sizes("almt", "mosi", frame_window=50)
    batch = wave_batch(method.sizes, 2)
    method.double()
    method(batch).prediction.sum().backward()
    rows = method.fusion.positions_target.grad[0].abs().sum(1)
    assert rows[0] > 0
    assert rows[1:].sum() == 0


@pytest.mark.parametrize("readout", ["mean_language", "cls_selfattn"])
def test_other_readouts_hear_the_language_directly(
    build_at_real_sizes: Callable[..., Method], wave_batch: Callable[..., Batch], readout: str
) -> None:
    method = build_at_real_sizes("almt", "mosi", frame_window=50, fusion_readout=readout).double()
    for layer in method.hyper_layers:  # audio and vision say nothing any more
        for value in layer.to_value.values():
            nn.init.zeros_(value.weight)
    batch = wave_batch(method.sizes, 2)
    batch.text.requires_grad_()
    method(batch).prediction.sum().backward()
    assert batch.text.grad.abs().sum() > 0
    assert method.fusion.positions_target.grad[0, 1:].abs().sum() > 0


def test_masked_padding_does_not_change_the_prediction(
    build_at_real_sizes: Callable[..., Method], wave_batch: Callable[..., Batch]
) -> None:
    for masked in (True, False):
        method = build_at_real_sizes("almt", "mosi", mask_padding=masked).double().eval()
        whole = wave_batch(method.sizes, 2)
        lengths = torch.tensor([100, 300])
        text_mask = torch.arange(50) < torch.tensor([[20], [50]])
        short = {"audio_lengths": lengths, "vision_lengths": lengths, "text_mask": text_mask}
        clean, noisy = (wave_batch(method.sizes, 2, **short) for _ in range(2))
        noisy.audio[0, 100:] = 7
        noisy.text[0, 20:] = -3
        with torch.no_grad():
            first, second, unpadded = (method(b).prediction for b in (clean, noisy, whole))
        assert torch.equal(first, second) is masked
        assert torch.equal(first, unpadded) is not masked


@pytest.mark.parametrize("absent", ["audio", "vision"])
def test_a_modality_can_be_left_out(
    build_at_real_sizes: Callable[..., Method], wave_batch: Callable[..., Batch], absent: str
) -> None:
    method = build_at_real_sizes("almt", "mosi", **{f"use_{absent}": False}).double().eval()
    batch = wave_batch(method.sizes, 2)
    with torch.no_grad():
        before = method(batch).prediction
        getattr(batch, absent).zero_()
        assert torch.equal(method(batch).prediction, before)


@pytest.mark.parametrize(("rate", "groups"), [(0.0, [1e-4]), (2e-5, [1e-4, 2e-5])])
def test_text_encoder_may_have_a_rate_of_its_own(
    build_at_real_sizes: Callable[..., Method], rate: float, groups: list[float]
) -> None:
    method = build_at_real_sizes("almt", "mosi", encoder_learning_rate=rate)
    encoder = nn.Linear(2, 2)
    found = method.parameter_groups(encoder)
    assert [group["lr"] for group in found] == groups
    assert [group["weight_decay"] for group in found] == [1e-4] * len(groups)
    every = {id(p) for group in found for p in group["params"]}
    assert every == {id(p) for p in (*method.parameters(), *encoder.parameters())}
    assert any(p is encoder.weight for p in found[-1]["params"])


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("fusion_readout", "max", "fusion_readout is one of"),
        ("tokens", 0, "`tokens >= 1` must hold"),
        ("warm_up", 1.5, "`0 <= warm_up < 1` must hold"),
    ],
)
def test_contradictions_are_refused(
    build_at_real_sizes: Callable[..., Method], name: str, value: Any, words: str
) -> None:
    # `inputs` needs the dataclass, so the plain error of the dataclass is what a caller of it sees
    with pytest.raises((SpecError, ValueError), match=words):
        build_at_real_sizes("almt", "mosi", **{name: value})


ABLATIONS = [
    {"ahl": False, "fusion_readout": "mean_language"},
    {"ahl": False, "fusion": False},
    {"fusion": False},
    {"fusion_query": "hyper", "fusion_readout": "mean_language"},
    {"fusion_query": "hyper", "fusion_readout": "cls_selfattn"},
    {"use_audio": False},
    {"use_vision": False},
    {"use_audio": False, "use_vision": False, "fusion": False},
    {"use_audio": False, "use_vision": False, "fusion_readout": "mean_language"},
    {"use_audio": False, "use_vision": False, "fusion_query": "hyper"},
]


@pytest.mark.parametrize("switches", ABLATIONS, ids=lambda switches: ",".join(switches))
def test_ablations_hear_every_modality_they_keep(
    build_at_real_sizes: Callable[..., Method], wave_batch: Callable[..., Batch], switches: dict[str, Any]
) -> None:
    torch.manual_seed(0)
    method = build_at_real_sizes("almt", "mosi", frame_window=50, **switches).double()
    batch = wave_batch(method.sizes, 2)
    inputs = {name: getattr(batch, name).requires_grad_() for name in ("text", "audio", "vision")}
    output = method(batch)
    assert output.prediction.shape == (2,)
    method.losses(output, batch, Progress(epoch=1, epochs=2, batch=0, batches=1))["mse"].backward()
    for name, values in inputs.items():
        heard = values.grad is not None and bool(values.grad.any())
        assert heard is switches.get(f"use_{name}", True), name


def test_ablations_remove_what_they_name(build_at_real_sizes: Callable[..., Method]) -> None:
    def count(**switches: Any) -> int:
        return sum(p.numel() for p in build_at_real_sizes("almt", "mosi", **switches).parameters())

    whole = count()
    # parts as the reference's own modules count them: three layers, hyper state, fusion, embeddings
    assert whole - count(fusion=False) == 595_072
    assert count(fusion=False) - count(fusion=False, ahl=False) == 298_368 + 1_024
    assert whole - count(use_audio=False) == 347_136 + 3 * (2 * 128 * 128 + 2 * 128)
    assert count(fusion_query="hyper", fusion_readout="mean_language") == whole


def test_without_ahl_the_hyper_state_is_the_sum_of_tokens(
    build_at_real_sizes: Callable[..., Method], wave_batch: Callable[..., Batch]
) -> None:
    method = build_at_real_sizes("almt", "mosi", frame_window=50, ahl=False, fusion=False).double().eval()
    batch = wave_batch(method.sizes, 2)
    with torch.no_grad():
        extras = method(batch).extras
        audio, vision = (method.embeddings[name](getattr(batch, name)) for name in ("audio", "vision"))
    assert torch.allclose(extras["hyper"], audio + vision)
    tokens = torch.cat([extras["scale"], extras["hyper"]], dim=1)
    assert torch.allclose(extras["joint"], tokens.mean(1))


@pytest.mark.parametrize(
    ("switches", "words"),
    [
        ({"ahl": False}, "ahl is false: language has no way"),
        (
            {"use_audio": False, "use_vision": False},
            "use_audio and use_vision are false: language has no way",
        ),
        ({"fusion_query": "hyper"}, "audio and vision have no way"),
        ({"fusion_query": "audio"}, "fusion_query is one of language, hyper"),
    ],
)
def test_a_modality_without_a_way_to_the_prediction_is_refused(
    build_at_real_sizes: Callable[..., Method], switches: dict[str, Any], words: str
) -> None:
    with pytest.raises((SpecError, ValueError), match=words):
        build_at_real_sizes("almt", "mosi", **switches)


@pytest.mark.parametrize("window", [0, 50])
@pytest.mark.parametrize(
    ("text", "audio", "vision"),
    [((50, 768), (50, 5), (50, 20)), ((50, 768), (50, 74), (50, 47)), ((60, 384), (60, 74), (60, 35))],
    ids=["mosi:aligned", "mosi:mag", "mosei:mag with another encoder"],
)
def test_aligned_files_suit_it_too(
    wave_batch: Callable[..., Batch],
    window: int,
    text: tuple[int, int],
    audio: tuple[int, int],
    vision: tuple[int, int],
) -> None:
    sizes = InputSizes(text=text, audio=audio, vision=vision, task=Task(kind="regression"), train_samples=9)
    method = build("almt", sizes, METHODS.card("almt").values("mosi", {"frame_window": window})).double()
    assert torch.isfinite(method(wave_batch(sizes, 2)).prediction).all()


def test_as_published_is_the_model_of_the_paper() -> None:
    card = METHODS.card("almt")
    for dataset in ("mosi", "mosei", "sims"):
        changed = {**card.values(dataset), "frame_window": 50}
        assert card.values(dataset, {"as_published": True}) == changed
