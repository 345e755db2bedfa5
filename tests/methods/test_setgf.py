"""SETGF's network: the reconstruction's golden values and counts, the same by other means, switches."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from msabench.errors import SpecError
from msabench.method import METHODS, Batch, InputSizes, Method, Progress, build
from msabench.run import Task

# M, T, A, V of two samples in double precision: a second, scratch implementation of the reconstruction (torch
# 2.13), with the weights of `fill`. No public model exists to compare with. Its positions were in single
# precision, where ours are double: outputs move by up to 3e-10.
GOLDEN = {
    "mosi": (
        (0.095796873, 0.096898545),
        (0.071314811, 0.071286824),
        (0.056693662, 0.056697424),
        (0.049587305, 0.049601770),
    ),
    "mosei": (
        (0.096099904, 0.096480040),
        (0.059248630, 0.059424139),
        (0.056682583, 0.056693531),
        (0.052412016, 0.052441004),
    ),
    "sims": (
        (0.095358540, 0.096729571),
        (0.071314811, 0.071286824),
        (0.056509097, 0.056663640),
        (0.049587036, 0.049600172),
    ),
}
COUNTS = {
    "mosi": {32: 394_500, 64: 819_908, 128: 2_408_004},
    "mosei": {32: 354_868, 64: 779_252, 128: 2_365_300},
    "sims": {32: 567_332, 64: 992_228, 128: 2_579_300},
}
UNIMODAL = ("text", "audio", "vision")
SMALL: dict[str, Any] = {
    **{"width": 8, "heads": 2, "audio_hidden": 4, "vision_hidden": 6, "audio_out": 3, "vision_out": 5},
    **{"post_fusion_width": 8, "post_text_width": 6, "post_audio_width": 4, "post_vision_width": 5},
}
STILL = {f"post_{name}_dropout": 0.0 for name in ("fusion", *UNIMODAL)} | {
    f"{name}_dropout": 0.0 for name in ("attn", "relu", "res")
}
SIZES = InputSizes(text=(9, 6), audio=(12, 3), vision=(7, 4), task=Task(kind="regression"), train_samples=5)


def fill(method: Method) -> None:
    """Tensor n, from 1 in order of registration, is 0.05 sin(0.37 k + n), and 1 more for gains of norms."""
    with torch.no_grad():
        for n, (name, p) in enumerate(method.named_parameters(), 1):
            wave = 0.05 * torch.sin(0.37 * torch.arange(p.numel(), dtype=torch.float64) + n)
            p.copy_(wave.view_as(p) + float("norm" in name and name.endswith("weight")))


def small(**overrides: Any) -> Method:
    """At small sizes, in double precision, weights of a fixed seed."""
    torch.manual_seed(3)
    return build("setgf", SIZES, METHODS.card("setgf").values("mosi", {**SMALL, **overrides})).double()


def small_batch() -> Batch:
    """Five samples of various lengths, with noise where padding is."""
    torch.manual_seed(4)
    return Batch(
        text=torch.randn(5, 9, 6, dtype=torch.float64),
        text_mask=torch.arange(9) < torch.tensor([3, 9, 1, 5, 4])[:, None],
        audio=torch.randn(5, 12, 3, dtype=torch.float64),
        audio_lengths=torch.tensor([12, 1, 5, 7, 7]),
        vision=torch.randn(5, 7, 4, dtype=torch.float64),
        vision_lengths=torch.tensor([1, 6, 7, 2, 3]),
        labels=torch.tensor([1.5, -2.0, 0.0, 0.4, -1.0], dtype=torch.float64),
        index=torch.arange(5),
    )


def test_golden_forward_values(
    dataset: str, build_at_real_sizes: Callable[..., Method], wave_batch: Callable[..., Batch]
) -> None:
    method = build_at_real_sizes("setgf", dataset).double().eval()
    fill(method)
    assert len(list(method.parameters())) == 177
    sizes = replace(
        method.sizes, text=(6, 768), audio=(20, method.sizes.audio[1]), vision=(9, method.sizes.vision[1])
    )
    batch = wave_batch(
        sizes,
        2,
        text_mask=torch.arange(6) < torch.tensor([[6], [4]]),
        audio_lengths=torch.tensor([7, 20]),
        vision_lengths=torch.tensor([9, 3]),
    )
    with torch.no_grad():
        output = method(batch)
    found = [output.prediction, *(output.extras[name] for name in UNIMODAL)]
    for scores, golden in zip(found, GOLDEN[dataset], strict=True):
        assert scores.tolist() == pytest.approx(golden, abs=8e-10, rel=0)
    widths = [output.extras[f"feature_{name}"].shape for name in ("fusion", *UNIMODAL)]
    text, vision = (32, 16) if dataset == "mosei" else (64, 32)
    assert widths == [(2, 128), (2, text), (2, 16), (2, vision)]


@pytest.mark.parametrize(("width", "heads"), [(32, 2), (64, 4), (128, 8)])
def test_parameter_count(
    dataset: str, width: int, heads: int, build_at_real_sizes: Callable[..., Method]
) -> None:
    method = build_at_real_sizes("setgf", dataset, width=width, heads=heads)
    assert sum(p.numel() for p in method.parameters()) == COUNTS[dataset][width]


def test_parameter_count_of_the_parts(build_at_real_sizes: Callable[..., Method]) -> None:
    method = build_at_real_sizes("setgf", "mosi")
    found = {name: sum(p.numel() for p in part.parameters()) for name, part in method.named_modules()}
    expected = {
        "representations.audio": 7_120,
        "representations.vision": 30_368,
        "fusion.projections.text": 49_152,
        "fusion.projections.audio": 2_048,
        "fusion.projections.vision": 4_096,
        "heads.fusion": 170_369,
        "heads.text": 53_441,
        "heads.audio": 561,
        "heads.vision": 2_145,
    }
    assert {name: found[name] for name in expected} == expected
    blocks = [found[f"fusion.blocks.{name}"] for name in method.fusion.blocks]
    assert blocks == [50_112] * 2 + [100_096] * 4


# -- the same by other means: one sample at a time, cut to its length, with torch's own layers


def copied(layer: nn.Module, source: nn.Module) -> nn.Module:
    """A layer of torch with the weights of ours; gradients go to ours."""
    layer = layer.double()
    for (name, _), value in zip(list(layer.named_parameters()), source.parameters(), strict=True):
        *path, last = name.split(".")
        owner = layer.get_submodule(".".join(path))
        delattr(owner, last)
        setattr(owner, last, value)
    return layer


def straight_cross(block: Any, query: Tensor, source: Tensor, heads: int) -> Tensor:
    """(n, d), (m, d) -> (n, d)"""
    for layer in block.layers:
        attention_ = copied(nn.MultiheadAttention(query.shape[1], heads), layer.attention)
        read = layer.norm_1(source)
        query = query + attention_(layer.norm_1(query), read, read)[0]
        query = query + layer.linear_2(torch.relu(layer.linear_1(layer.norm_2(query))))
    return block.norm(query)


def straight_positions(steps: int, width: int) -> Tensor:
    rows = []
    for step in range(steps):
        angles = [step / 10000 ** (2 * i / width) for i in range(width // 2)]
        rows.append([f(angle) for angle in angles for f in (math.sin, math.cos)])
    return torch.tensor(rows, dtype=torch.float64)


def straight(method: Any, batch: Batch, b: int) -> dict[str, Tensor]:
    """Everything that leaves `forward`, for sample b."""
    hp, fusion = method.hp, method.fusion
    lengths = {"text": batch.text_mask.sum(1), "audio": batch.audio_lengths, "vision": batch.vision_lengths}
    frames = {name: getattr(batch, name)[b, : int(lengths[name][b])] for name in UNIMODAL}
    represented = {"text": batch.text[b, 0]}
    for name in ("audio", "vision"):
        part = method.representations[name]
        lstm = nn.LSTM(frames[name].shape[1], getattr(hp, f"{name}_hidden"))
        states = copied(lstm, part.lstm)(frames[name])[0]
        share = torch.softmax(part.score(torch.tanh(part.attend(states)))[:, 0], 0)
        pooled = sum(weight * state for weight, state in zip(share, states, strict=True))
        represented[name] = part.linear(torch.cat([states[-1], pooled]))
        frames[name] = states
    e = {
        name: frames[name] @ fusion.projections[name].weight.T
        + straight_positions(len(frames[name]), hp.width)
        for name in UNIMODAL
    }

    def cross(target: str, source: str, query: Tensor, x: Tensor) -> Tensor:
        return straight_cross(fusion.blocks[f"{target}_from_{source}"], query, x, hp.heads)

    audio = cross("audio", "text", e["audio"], e["text"])
    vision = cross("vision", "text", e["vision"], e["text"])
    pooled = [
        cross("text", "audio", e["text"], audio).mean(0),
        cross("text", "vision", e["text"], vision).mean(0),
        audio.mean(0),
        cross("audio", "vision", e["audio"], vision).mean(0),
        vision.mean(0),
        cross("vision", "audio", e["vision"], audio).mean(0),
    ]
    inputs = {"fusion": torch.cat([*pooled, *represented.values()]), **represented}
    found = {}
    for name, x in inputs.items():
        head = method.heads[name]
        feature = torch.relu(head.linear_1(x))
        found[f"feature_{name}"] = feature
        found[name] = head.linear_3(torch.relu(head.linear_2(feature)))[0]
    return found


def test_forward_losses_and_gradients_equal_a_straight_recomputation() -> None:
    method, batch = small(**STILL, toma_layers=2), small_batch()
    own = {name: batch.labels + shift for name, shift in zip(UNIMODAL, (0.3, -0.7, 1.1), strict=True)}
    method.tables.labels = torch.stack([batch.labels, *own.values()])
    output = method(batch)
    rows = [straight(method, batch, b) for b in range(5)]
    expected = {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
    found = {"fusion": output.prediction, **output.extras}
    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], atol=1e-12, rtol=0)
    terms = method.losses(output, batch, Progress(epoch=3, epochs=9, batch=0, batches=1))
    loss = sum(abs(row["fusion"] - y) for row, y in zip(rows, batch.labels, strict=True)) / 5
    assert terms["fusion"].item() == pytest.approx(loss.item(), abs=1e-12)
    for name, labels in own.items():
        errors = (
            math.tanh(abs(labels[b] - batch.labels[b])) * abs(rows[b][name] - labels[b]) for b in range(5)
        )
        term = sum(errors) / 5
        assert terms[name].item() == pytest.approx(term.item(), abs=1e-12)
        loss = loss + term
    parameters = list(method.parameters())
    ours = torch.autograd.grad(sum(terms.values()), parameters)
    theirs = torch.autograd.grad(loss, parameters)
    for (name, _), a, b in zip(method.named_parameters(), ours, theirs, strict=True):
        assert a.any(), f"no gradient for {name}"
        torch.testing.assert_close(a, b, atol=1e-12, rtol=0, msg=name)


def test_padding_and_company_change_nothing() -> None:
    method, batch = small().eval(), small_batch()
    with torch.no_grad():
        whole = method(batch).prediction
        noisy = replace(
            batch, text=batch.text.clone(), audio=batch.audio.clone(), vision=batch.vision.clone()
        )
        noisy.text[~batch.text_mask] = 9
        noisy.audio[torch.arange(12) >= batch.audio_lengths[:, None]] = -5
        noisy.vision[torch.arange(7) >= batch.vision_lengths[:, None]] = 7
        assert torch.equal(method(noisy).prediction, whole)
        for b in range(5):
            values = {k: v[b : b + 1] for k, v in vars(batch).items() if isinstance(v, Tensor)}
            cut = {name: values[name][:, : int(values[f"{name}_lengths"])] for name in ("audio", "vision")}
            steps = int(values["text_mask"].sum())
            cut |= {"text": values["text"][:, :steps], "text_mask": values["text_mask"][:, :steps]}
            alone = method(replace(batch, **{**values, **cut})).prediction
            torch.testing.assert_close(alone, whole[b : b + 1], atol=1e-14, rtol=0)


def test_a_length_below_one_counts_as_one() -> None:
    method, batch = small().eval(), small_batch()
    none = replace(batch, audio_lengths=torch.zeros(5, dtype=torch.int64))
    one = replace(batch, audio_lengths=torch.ones(5, dtype=torch.int64))
    with torch.no_grad():
        assert torch.equal(method(none).prediction, method(one).prediction)


# -- switches

SWITCHES: list[tuple[dict[str, Any], int]] = [
    ({"toma": False}, -2 * 50_112),
    ({"tgcm": False}, -4 * 100_096 - 4 * 64 * 128),
    ({"toma": False, "tgcm": False}, -2 * 50_112 - 4 * 100_096 - 4 * 64 * 128 - 49_152),
    ({"urlm_global": False}, -(32 * 32 + 32 + 32 + 32 * 16) - (64 * 64 + 64 + 64 + 64 * 32)),
    ({"unimodal_tasks": False}, -53_441 - 561 - 2_145),
    ({"fuse_representations": False}, -(768 + 16 + 32) * 128),
    (
        {"fuse_representations": False, "unimodal_tasks": False},
        -(768 + 16 + 32) * 128 - 53_441 - 561 - 2_145 - (7_120 - 4_992) - (30_368 - 22_016),
    ),
]


@pytest.mark.parametrize(("switch", "change"), SWITCHES)
def test_ablations_leave_out_their_part(
    switch: dict[str, Any], change: int, build_at_real_sizes: Callable[..., Method]
) -> None:
    method = build_at_real_sizes("setgf", "mosi", **switch)
    assert sum(p.numel() for p in method.parameters()) == COUNTS["mosi"][64] + change
    method, batch = small(**switch), small_batch()
    if method.tables is not None:
        method.tables.labels = torch.stack([batch.labels + shift for shift in (0.0, 0.3, -0.7, 1.1)])
    terms = method.losses(method(batch), batch, Progress(epoch=3, epochs=9, batch=0, batches=1))
    gradients = torch.autograd.grad(sum(terms.values()), list(method.parameters()))
    for (name, _), gradient in zip(method.named_parameters(), gradients, strict=True):
        assert gradient.any(), f"no gradient for {name}"


@pytest.mark.parametrize("switch", ["toma", "tgcm", "urlm_global", "fuse_representations"])
def test_ablations_change_the_prediction(switch: str) -> None:
    batch = small_batch()
    with torch.no_grad():
        on, off = (small(**{switch: value}).eval()(batch).prediction for value in (True, False))
    assert not torch.allclose(on, off)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"toma": False, "tgcm": False, "fuse_representations": False},
            "text would not reach the prediction",
        ),
        ({"width": 12, "heads": 8}, "even and a multiple of `heads`"),
        ({"width": 7, "heads": 7}, "even and a multiple of `heads`"),
        ({"unimodal_labels": "mine"}, "'generated' or 'human'"),
        ({"label_bound": -1.0}, "`label_bound >= 0` must hold"),
        ({"tgcm_layers": 0}, "`tgcm_layers >= 1` must hold"),
    ],
)
def test_contradictions_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        small(**values)


@pytest.mark.parametrize("task", [Task(kind="binary"), Task(kind="multiclass", classes=7)])
def test_other_tasks_are_refused(task: Task) -> None:
    with pytest.raises(SpecError, match="setgf is defined for regression, but the task is"):
        build("setgf", replace(SIZES, task=task), METHODS.card("setgf").values("mosi"))
