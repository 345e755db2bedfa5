"""MLCL against its reference: golden values, parameter counts, contrast, and both settings of each switch."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msabench.errors import SpecError
from msabench.method import METHODS, Batch, InputSizes, Method, Output, Progress, Step, build
from msabench.run import Task
from msabench_methods.mlcl.contrast import info_nce

PROGRESS = Progress(epoch=1, epochs=1, batch=0, batches=1)
NO_DROPOUT = {
    f"{part}_dropout": 0.0 for part in ("branch", "attention", "relu", "residual", "input", "fusion")
}
SMALL = {"width": 16, "heads": 4, "layers": 1, "cross_depth": 2, "cross_head_width": 8}
# tokens, audio and vision width of the feature files that the reference reads; sizes are checked by counts
FILES = {
    "mosi:mag": (60, 74, 47),
    "mosei:mag": (80, 74, 35),
    "sims": (39, 33, 709),
    "ur-funny": (50, 60, 36),
    "mustard": (50, 60, 36),
}

# Four samples of `wave_batch` (labels above 0 are class 1), double precision, dropouts 0, weights of `fill`:
# outputs in evaluation mode; in training mode the nine contrasts and the gradient's norm at the first step,
# and the whole loss before each of four Adam steps. Made by the reference's own classes (YetZzzzzz/MLCL at
# 7cc0f25; transformers 4.30.2, torch 2.13), whose forward pass makes the steps itself, with BERT's hidden
# states given instead of tokens and its attention weights kept in double precision.
GOLDEN = {
    "mosi:mag": {
        "outputs": (-0.035541302501, -0.005953704148, -0.008830103317, -0.045988887861),
        "contrasts": (
            1.478887066448, 3.447903128918, 1.393761462456, 1.391651874245, 1.376439840709, 1.346619540817,
            1.530669475980, 1.394945400652, 1.439226223589,
        ),
        "gradient": 23.082713594177,
        "losses": (1.616267825715, 1.577488289101, 1.662244173030, 1.493092816511),
    },
    "mosei:mag": {
        "outputs": (0.348888854898, 0.344694031046, 0.348532643230, 0.349681717984),
        "contrasts": (
            1.392126722929, 1.613707846601, 1.395763277423, 1.386249570035, 1.386707589882, 1.384283240692,
            1.388899124364, 1.392535172756, 1.407875147143,
        ),
        "gradient": 6.713859342105,
        "losses": (1.463523068054, 1.490291002562, 1.479167449588, 1.459538238864),
    },
    "ur-funny": {
        "outputs": (-0.032965805084, -0.032535479034, -0.033111745004, -0.032362255777),
        "contrasts": (
            1.386560530961, 2.781369969984, 1.503739541735, 1.386999243259, 1.379183695133, 1.374392292343,
            1.912462558981, 1.551655890546, 1.416251532888,
        ),
        "gradient": 230.530042023258,
        "losses": (2.305201752409, 2.276422842380, 2.150836133661, 2.088431056256),
    },
}  # fmt: skip


def sizes_of(dataset: str, **fields: Any) -> InputSizes:
    length, audio, vision = FILES[dataset]
    binary = dataset in ("ur-funny", "mustard")
    sizes = InputSizes(
        text=(length, 768),
        audio=(length, audio),
        vision=(length, vision),
        task=Task(kind="binary", label_range=(0.0, 1.0)) if binary else Task(kind="regression"),
        train_samples=100,
    )
    return replace(sizes, **fields)


def mlcl(dataset: str, sizes: InputSizes | None = None, **overrides: Any) -> Method:
    return build("mlcl", sizes or sizes_of(dataset), METHODS.card("mlcl").values(dataset, overrides))


def small(dataset: str = "mosi:mag", task: Task | None = None, **overrides: Any) -> Method:
    """A small network without dropout, in double precision, with random weights that are not near 0."""
    sizes = InputSizes(
        text=(7, 12),
        audio=(9, 5),
        vision=(6, 4),
        task=task or sizes_of(dataset).task,
        train_samples=100,
    )
    torch.manual_seed(0)
    values = {**SMALL, **NO_DROPOUT, **overrides}
    method = mlcl(dataset, sizes, **values).double()
    with torch.no_grad():
        for p in method.parameters():
            p.add_(torch.randn_like(p), alpha=0.3)
    return method


def fill(method: Method) -> None:
    """Parameter i, in order of registration: 0.05 sin(0.37 k + 0.3 i) over its flat index k, gains 1 more."""
    gains = {id(layer.weight) for layer in method.modules() if isinstance(layer, nn.LayerNorm)}
    with torch.no_grad():
        for i, p in enumerate(method.parameters()):
            k = torch.arange(p.numel(), dtype=torch.float64)
            p.copy_((float(id(p) in gains) + 0.05 * torch.sin(0.37 * k + 0.3 * i)).view_as(p))


def total(method: Method, output: Output, batch: Batch) -> Tensor:
    return torch.stack(list(method.losses(output, batch, PROGRESS).values())).sum()


def zero_gradients(method: Method, batch: Batch) -> set[str]:
    """Names of parameters that the loss of one batch does not move."""
    total(method, method(batch), batch).backward()
    return {name for name, p in method.named_parameters() if p.grad is None or not p.grad.any()}


@pytest.mark.parametrize("dataset", list(GOLDEN))
def test_golden_values(dataset: str, wave_batch: Callable[..., Batch]) -> None:
    method = mlcl(dataset, **NO_DROPOUT).double()
    fill(method)
    batch = wave_batch(method.sizes, 4)
    if method.sizes.task.kind == "binary":
        batch = replace(batch, labels=(batch.labels > 0).double())
    golden = GOLDEN[dataset]
    with torch.no_grad():
        outputs = method.eval()(batch).prediction.tolist()
    assert outputs == pytest.approx(golden["outputs"], abs=1e-11, rel=0)

    method.train()
    (optimizer,) = method.optimizers(method.parameter_groups(None))
    contrasts, norms, losses = [], [], []
    for _ in range(4):
        optimizer.zero_grad()
        output = method(batch)
        contrasts.append(info_nce(output.extras["queries"], output.extras["keys"], 0.1).tolist())
        loss = total(method, output, batch)
        loss.backward()
        gradients = [p.grad for p in method.parameters() if p.grad is not None]
        norms.append(nn.utils.get_total_norm(gradients).item())
        losses.append(loss.item())
        optimizer.step()
    assert contrasts[0] == pytest.approx(golden["contrasts"], abs=1e-10, rel=0)
    assert norms[0] == pytest.approx(golden["gradient"], rel=1e-10)
    assert losses == pytest.approx(golden["losses"], rel=1e-8)


@pytest.mark.parametrize(
    ("dataset", "overrides", "count"),
    [
        ("mosi:mag", {}, 6_228_027),
        ("mosei:mag", {}, 35_504_715),
        ("mosi:mag", {"width": 384, "layers": 3}, 99_920_523),
        ("mosei:mag", {"width": 384, "layers": 3}, 99_906_699),
        ("ur-funny", {}, 2_311_908),
        ("mustard", {}, 2_311_908),
        ("ur-funny", {"heads": 4}, 2_066_148),
        ("sims", {}, 20_702_987),
    ],
)
def test_parameter_count(dataset: str, overrides: dict[str, Any], count: int) -> None:
    with torch.device("meta"):
        method = mlcl(dataset, **overrides)
    assert sum(p.numel() for p in method.parameters()) == count


def test_what_the_reference_leaves_untrained_is_untrained_here(wave_batch: Callable[..., Batch]) -> None:
    method = mlcl("mosi:mag", layers=1).double()
    dead = zero_gradients(method, wave_batch(method.sizes, 4))
    own = dict(method.named_parameters())

    def count(*parts: str) -> int:
        return sum(own[name].numel() for name in dead if any(part in name for part in parts))

    assert count("cross.vision_text.") == 900_192
    assert count("automatic_weights") == 10
    # per running network, of five: query weights and the latent's norm, and the keys, which are as inert
    inert = {name for name in dead if not name.startswith(("cross.vision_text.", "automatic"))}
    assert all(".to_query." in n or ".to_key." in n or ".norm_latent." in n for n in inert)
    assert sum(own[name].numel() for name in inert if ".to_key." not in name) == 5 * 4 * (48 * 1024 + 2 * 48)
    assert sum(own[name].numel() for name in inert if ".to_key." in name) == 5 * 4 * 48 * 1024
    third_tap = own["text.conv.weight"].grad[:, :, 2]
    assert third_tap.numel() == 768 * 48
    assert not third_tap.any()


@pytest.mark.parametrize(("gamma", "bi"), [(0.9, 0.9), (0.09, 0.09)])
def test_loss_terms_carry_their_weights(gamma: float, bi: float, wave_batch: Callable[..., Batch]) -> None:
    method = small("ur-funny", gamma=gamma)
    batch = wave_batch(method.sizes, 4)
    batch = replace(batch, labels=(batch.labels > 0).double())
    output = method(batch)
    terms = method.losses(output, batch, PROGRESS)
    nine = info_nce(output.extras["queries"], output.extras["keys"], 0.1)
    assert list(terms) == ["task", "uni", "tri", "bi"]
    assert terms["uni"].item() == pytest.approx(0.03 / 3 * nine[:3].sum().item())
    assert terms["tri"].item() == pytest.approx(0.06 / 3 * nine[3:6].sum().item())
    assert terms["bi"].item() == pytest.approx(bi / 3 * nine[6:].sum().item())


def test_published_weight_of_the_bimodal_contrast() -> None:
    values = METHODS.card("mlcl").values
    assert values("ur-funny")["gamma"] == values("mustard")["gamma"] == 0.9
    assert values("mosi:mag")["gamma"] == 0.11


@pytest.mark.parametrize("tokens", [False, True])
def test_queries_matter_over_sequences_alone(tokens: bool, wave_batch: Callable[..., Batch]) -> None:
    method = small(cross_tokens=tokens).eval()
    batch = wave_batch(method.sizes, 3)
    with torch.no_grad():
        before = method(batch).prediction
        for name, p in method.named_parameters():
            if any(part in name for part in (".to_query.", ".to_key.", ".norm_latent.")):
                p.normal_()
        same = torch.equal(method(batch).prediction, before)
    assert same is not tokens


@pytest.mark.parametrize("tokens", [False, True])
def test_cross_modal_networks_see_other_frames_through_sequences(
    tokens: bool, wave_batch: Callable[..., Batch]
) -> None:
    method = small(cross_tokens=tokens, layers=2)
    dead = zero_gradients(method, wave_batch(method.sizes, 4))
    inert = {name for name in dead if name.startswith("cross.") and "vision_text" not in name}
    assert bool(inert) is not tokens


@pytest.mark.parametrize("tied", [True, False])
def test_video_to_text_may_have_its_own_network(tied: bool, wave_batch: Callable[..., Batch]) -> None:
    method = small(tie_vt_to_av=tied)
    batch = wave_batch(method.sizes, 4)
    keys = method(batch).extras["keys"]
    one = {name: method.branch_1[name] for name in ("text", "vision")}
    text = one["text"](method.text(batch.text, batch.text_mask))[:, None]
    vision = one["vision"](method.vision(batch.vision))[:, None]
    network = method.cross["audio_vision" if tied else "vision_text"]
    torch.testing.assert_close(keys[7], network(vision, text))
    dead = zero_gradients(method, batch)
    assert ("cross.vision_text.norm.weight" in dead) is tied


def test_ties_are_the_references() -> None:
    values = METHODS.card("mlcl").values
    assert [values(d)["tie_vt_to_av"] for d in ("mosi:mag", "mosei:mag", "ur-funny", "mustard")] == [
        True, True, False, False,
    ]  # fmt: skip


def test_only_the_last_two_tokens_reach_the_text(wave_batch: Callable[..., Batch]) -> None:
    method = small()
    batch = wave_batch(method.sizes, 3)
    batch.text.requires_grad_()
    method(batch).prediction.sum().backward()
    reached = batch.text.grad.abs().sum((0, 2)) > 0
    assert reached.tolist() == [False] * 5 + [True] * 2


@pytest.mark.parametrize("wrong", [False, True])
def test_audio_and_vision_follow_the_words_unless_as_published(
    wrong: bool, wave_batch: Callable[..., Batch]
) -> None:
    sizes = InputSizes(
        text=(7, 12), audio=(7, 5), vision=(7, 4), task=sizes_of("ur-funny").task, train_samples=100
    )
    torch.manual_seed(0)
    method = mlcl("ur-funny", sizes, **SMALL, as_published=wrong).double().eval()
    assert method.hp.reference_alignment is wrong
    mask, segments = torch.ones(2, 7, dtype=torch.long), torch.zeros(2, 7, dtype=torch.long)
    segments[0, 4:] = 1  # a pair, and a single text
    batch = replace(wave_batch(sizes, 2), tokens=torch.stack([mask, mask, segments], dim=1))
    batch.audio.requires_grad_()
    method(batch).prediction.sum().backward()
    reached = batch.audio.grad.abs().sum(2) > 0
    assert reached[0].tolist() == [True, not wrong, True, True, not wrong, True, True]
    assert reached[1].all()


def test_reference_alignment_needs_tokens(wave_batch: Callable[..., Batch]) -> None:
    method = small("ur-funny", reference_alignment=True)
    with pytest.raises(SpecError, match="there are no tokens"):
        method(wave_batch(method.sizes, 3))


@pytest.mark.parametrize(("value", "clipped"), [(0.0, False), (1e-6, True)])
def test_clipping_is_off_unless_asked_for(
    value: float, clipped: bool, wave_batch: Callable[..., Batch]
) -> None:
    assert METHODS.card("mlcl").values("ur-funny")["clip_value"] == 0
    method = small(clip_value=value)
    batch = wave_batch(method.sizes, 4)
    optimizers = method.optimizers(method.parameter_groups(None))
    parameters = list(method.parameters())
    method.step(batch, Step(forward=method, optimizers=optimizers, parameters=parameters, progress=PROGRESS))
    largest = max(p.grad.abs().max().item() for p in parameters if p.grad is not None)
    assert (largest <= 1e-6) is clipped


def test_contrast_is_for_training_alone(wave_batch: Callable[..., Batch]) -> None:
    method = small().eval()
    batch = wave_batch(method.sizes, 4)
    output = method(batch)
    assert set(output.extras) == {"fused"}
    error = output.prediction - batch.labels
    assert method.validation_loss(output, batch, PROGRESS).item() == pytest.approx(
        error.square().mean().item()
    )
    assert method.losses(output, batch, PROGRESS)["task"].item() == pytest.approx(error.abs().mean().item())


def test_one_logit_has_the_cross_entropy_of_two(wave_batch: Callable[..., Batch]) -> None:
    method = small("ur-funny").eval()
    batch = wave_batch(method.sizes, 5)
    batch = replace(batch, labels=(batch.labels > 0).double())
    output = method(batch)
    two = method.head(output.extras["fused"])
    assert two.shape == (5, 2)
    expected = F.cross_entropy(two, batch.labels.long()).item()
    assert method.losses(output, batch, PROGRESS)["task"].item() == pytest.approx(expected)
    assert method.validation_loss(output, batch, PROGRESS).item() == pytest.approx(expected)


def test_several_classes(wave_batch: Callable[..., Batch]) -> None:
    method = small(task=Task(kind="multiclass", classes=7, label_range=(0.0, 6.0)))
    batch = replace(wave_batch(method.sizes, 5), labels=torch.arange(5))
    output = method(batch)
    assert output.prediction.shape == (5, 7)
    expected = F.cross_entropy(output.prediction, batch.labels).item()
    assert method.losses(output, batch, PROGRESS)["task"].item() == pytest.approx(expected)


def test_one_plain_adam_over_everything() -> None:
    method, encoder = mlcl("ur-funny"), nn.Linear(2, 2)
    (group,) = method.parameter_groups(encoder)
    (optimizer,) = method.optimizers([group])
    assert isinstance(optimizer, torch.optim.Adam)
    assert (optimizer.defaults["betas"], optimizer.defaults["eps"]) == ((0.9, 0.999), 1e-8)
    assert (group["lr"], group["weight_decay"]) == (2e-5, 0)
    assert {id(p) for p in group["params"]} == {id(p) for p in (*method.parameters(), *encoder.parameters())}
    assert not method.hp.patience
    assert method.rate(replace(PROGRESS, epoch=70, epochs=70)) == 1


def test_initial_weights_are_berts() -> None:
    torch.manual_seed(0)
    method = mlcl("mosi:mag")
    for name in ("head.0", "cross.audio_vision.attentions.0.to_value", "audio.encoder.layers.0.fc1"):
        layer = method.get_submodule(name)
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05), name
        assert layer.bias is None or not layer.bias.any()
    packed = method.audio.encoder.layers[0].self_attn.in_proj_weight
    assert packed.abs().max().item() == pytest.approx(math.sqrt(6 / (4 * 48)), rel=0.01)
    assert method.text.conv.weight.abs().max().item() == pytest.approx(1 / math.sqrt(3 * 768), rel=0.01)
    first, second = method.fusion.layers
    assert torch.equal(first.self_attn.in_proj_weight, second.self_attn.in_proj_weight)
    assert not torch.equal(first.linear1.weight, second.linear1.weight)


@pytest.mark.parametrize(
    ("dataset", "tokens"),
    [("mosi:mag", 60), ("mosei:mag", 80), ("ur-funny", 0), ("mustard", 0), ("sims", 0)],
)
def test_token_length_is_a_setting(dataset: str, tokens: int) -> None:
    method = METHODS["mlcl"]
    values = METHODS.card("mlcl").values(dataset)
    assert method.inputs(method.hyperparameters(**values)).token_length == tokens


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("heads", 5, "heads must divide width"),
        ("text_pool", "max", "text_pool is one of"),
        ("temperature", 0.0, "`temperature > 0` must hold"),
        ("cross_depth", 0, "`cross_depth >= 1` must hold"),
        ("relu_dropout", 1.0, "`0 <= relu_dropout < 1` must hold"),
    ],
)
def test_contradictions_are_refused(name: str, value: Any, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        mlcl("mosi:mag", **{name: value})
