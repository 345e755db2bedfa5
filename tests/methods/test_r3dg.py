"""R3DG against its reference: golden values and steps, its optimiser, each switch in both settings."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msabench.errors import SpecError
from msabench.method import METHODS, Batch, InputSizes, Method, Progress, build
from msabench.run import Task

# ((L, d) of text, audio, vision)
SIZES = {
    "mosi": ((50, 768), (375, 5), (500, 20)),
    "mosi:mag": ((50, 768), (50, 74), (50, 47)),
    "mosei": ((50, 768), (500, 74), (500, 35)),
    "mosei:mag": ((50, 768), (50, 74), (50, 35)),
    "sims": ((39, 768), (400, 33), (55, 709)),
    "cherma": ((80, 1024), (50, 1024), (16, 2048)),
}
SCORES = Task(kind="regression")
EMOTIONS = Task(kind="multiclass", classes=7, label_range=(0, 6))
SMALL: dict[str, Any] = {"width": 8, "heads": 2, "layers": 1, "audio_count": 4, "vision_count": 4}
NO_DROPOUT = dict.fromkeys(("dropout", "attn_dropout", "relu_dropout", "res_dropout", "embed_dropout"), 0.0)
PROGRESS = Progress(epoch=1, epochs=50, batch=0, batches=1)

# In double precision, without dropout, with the weights of `fill`, the batch of `chirped` and the draws of
# `fixed_draws`: predictions in evaluation with these draws and with uniform weights (of classes, the first
# two), then in training the gradient's norm at the first step, and before each of two steps at rate 1e-3 and
# decay 1e-2 (CHERMA: none) the task's loss and the sum of both reconstruction terms. Made by the reference's
# own classes and transformers 4.30.2's AdamW (YetZzzzzz/R3DG at 0a659ac, torch 2.13), their BERT replaced by
# the hidden states and their two casts to single precision (softmax, CHERMA's inputs) left out; unaligned
# frames were prepared as its loader does. "reference" is unaligned MOSI with the README's lengths.
GOLDEN: dict[str, dict[str, Any]] = {
    "mosi": {
        "random": (0.0624444670718, 0.284968830766),
        "uniform": (0.0706174973945, 0.232792566609),
        "gradient": 25.7776048702,
        "task": (1.82629335108, 2.23575757426),
        "rebuilt": (1.47281826917, 1.28272898318),
    },
    "mosi:mag": {
        "random": (0.0269680541287, 0.26666184304),
        "uniform": (0.0336552089987, 0.267458828949),
        "gradient": 25.693675605,
        "task": (1.85318505142, 2.3412563629),
        "rebuilt": (0.975347177741, 0.907485926062),
    },
    "mosei": {
        "random": (0.0722247629688, 0.234456181813),
        "uniform": (0.0504543026287, 0.213365480183),
        "gradient": 26.3704433042,
        "task": (1.84665952761, 2.12070680587),
        "rebuilt": (5.41396647894, 4.79862375806),
    },
    "mosei:mag": {
        "random": (0.450154812902, -0.215837117284),
        "uniform": (0.505263851284, -0.286782366889),
        "gradient": 24.645578454,
        "task": (1.88284115219, 2.05016481717),
        "rebuilt": (0.993946992801, 0.919925801073),
    },
    "cherma": {
        "random": (0.52426457441, 0.151950775349, 0.765177207761, -0.203262741289),
        "uniform": (0.600049951262, 0.178296008567, 0.724158784001, -0.210764072522),
        "gradient": 34.7872075543,
        "task": (3.10162035198, 0.666588028215),
        "rebuilt": (0.407777797063, 0.374010535122),
    },
    "mosi reference": {
        "random": (0.0588860650812, 0.250401947103),
        "uniform": (0.0883726226685, 0.207795660621),
        "gradient": 25.9274862022,
        "task": (1.84535599391, 2.18627689195),
        "rebuilt": (1.42364600281, 1.22613618678),
    },
}


def made(dataset: str, **overrides: Any) -> Method:
    """The method as the harness would build it at a dataset's real sizes."""
    text, audio, vision = SIZES[dataset]
    return build("r3dg", sized(text, audio, vision, dataset), METHODS.card("r3dg").values(dataset, overrides))


def small(task: Task = SCORES, **overrides: Any) -> Method:
    """A method of width 8 in double precision for sequences of 6, 30 and 25."""
    sizes = replace(sized((6, 12), (30, 3), (25, 5), ""), task=task)
    torch.manual_seed(0)
    return build("r3dg", sizes, METHODS.card("r3dg").values("", {**SMALL, **overrides})).double()


def sized(text: Any, audio: Any, vision: Any, dataset: str) -> InputSizes:
    task = EMOTIONS if dataset == "cherma" else SCORES
    return InputSizes(text=text, audio=audio, vision=vision, task=task, train_samples=10)


def chirp(shape: tuple[int, ...], phase: float) -> Tensor:
    """Entry k of the flat tensor is sin(0.1 (k^2 mod 10007) + phase)."""
    k = torch.arange(math.prod(shape))
    return (0.1 * (k * k % 10007).double() + phase).sin().view(shape)


def fill(method: Method) -> None:
    """Parameter i, in order of registration: 0.1 chirp(0.3 i), plus 1 for the gain of a norm."""
    with torch.no_grad():
        for i, (name, p) in enumerate(method.named_parameters()):
            gain = p.dim() == 1 and not name.endswith("bias")
            p.copy_(0.1 * chirp(tuple(p.shape), 0.3 * i) + (1.0 if gain else 0.0))


def chirped(sizes: InputSizes, samples: int = 2) -> Batch:
    """A batch whose second sample has a last third of padding in audio and vision."""
    shapes = {"text": sizes.text, "audio": sizes.audio, "vision": sizes.vision}
    values = {name: chirp((samples, *shapes[name]), float(i)) for i, name in enumerate(shapes, start=1)}
    lengths = {name: torch.full((samples,), values[name].shape[1]) for name in ("audio", "vision")}
    for name, found in lengths.items():
        found[1:2] = 2 * values[name].shape[1] // 3
        values[name][1:2, 2 * values[name].shape[1] // 3 :] = 0
    scores = torch.linspace(1.5, 2.5, samples, dtype=torch.float64)
    return Batch(
        **values,
        text_mask=torch.ones(samples, sizes.text[0], dtype=torch.bool),
        audio_lengths=lengths["audio"],
        vision_lengths=lengths["vision"],
        labels=torch.tensor([3, 5]) if sizes.task.kind == "multiclass" else scores,
        index=torch.arange(samples),
    )


@pytest.fixture
def fixed_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Normal draws become sin(1 + 2.3 k)."""

    def draw(*shape: int, **_: Any) -> Tensor:
        return torch.sin(1 + 2.3 * torch.arange(math.prod(shape), dtype=torch.float64)).view(shape)

    monkeypatch.setattr(torch, "randn", draw)


def without_dropout(method: Method) -> Method:
    for module in method.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, nn.MultiheadAttention):
            module.dropout = 0.0
    return method


@pytest.mark.usefixtures("fixed_draws")
@pytest.mark.parametrize("case", list(GOLDEN))
def test_golden_values_and_steps(case: str) -> None:
    golden, dataset = GOLDEN[case], case.partition(" ")[0]
    decay = {} if dataset == "cherma" else {"weight_decay": 1e-2}
    lengths = "reference" if case.endswith("reference") else "data"
    overrides = {"learning_rate": 1e-3, "sequence_lengths": lengths, **decay, **NO_DROPOUT}
    method = without_dropout(made(dataset, **overrides, eval_weights="same")).double()
    fill(method)
    batch = chirped(method.sizes)
    uniform = made(dataset, **overrides).double().eval()
    uniform.load_state_dict(method.state_dict())
    with torch.no_grad():
        for name, model in (("random", method.eval()), ("uniform", uniform)):
            found = model(batch).prediction.view(2, -1)[:, :2].flatten()
            assert found.tolist() == pytest.approx(golden[name], abs=1e-10), name
    method.train()
    (optimizer,) = method.optimizers(method.parameter_groups(None))
    for step in range(len(golden["task"])):
        optimizer.zero_grad()
        terms = method.losses(method(batch), batch, PROGRESS)
        assert terms["task"].item() == pytest.approx(golden["task"][step], rel=1e-9)
        rebuilt = terms["rebuilt_audio"] + terms["rebuilt_vision"]
        assert rebuilt.item() == pytest.approx(golden["rebuilt"][step], rel=1e-9)
        (terms["task"] + rebuilt).backward()
        if step == 0:
            norm = nn.utils.get_total_norm([p.grad for p in method.parameters() if p.grad is not None])
            assert norm.item() == pytest.approx(golden["gradient"], rel=1e-9)
        optimizer.step()


@pytest.mark.parametrize("dataset", list(SIZES))
def test_parameter_count_is_the_references(dataset: str) -> None:
    method = made(dataset)
    assert sum(p.numel() for p in method.parameters()) == METHODS.card("r3dg").parameters[dataset]


def test_parameter_count_of_the_cherma_scripts_defaults() -> None:
    assert sum(p.numel() for p in made("cherma", width=128, layers=5).parameters()) == 7_019_527


def test_every_parameter_is_live() -> None:
    method = small()
    batch = chirped(method.sizes, 4)
    sum(method.losses(method(batch), batch, PROGRESS).values()).backward()
    assert [name for name, p in method.named_parameters() if not p.grad.any()] == []


# -- the optimiser ------------------------------------------------------------------------------------------


def stated_plainly(p: Tensor, gradients: list[Tensor], *, rate: float, decay: float) -> Tensor:
    """transformers 4.30's AdamW, a tensor at a time."""
    mean, square = torch.zeros_like(p), torch.zeros_like(p)
    for t, g in enumerate(gradients, start=1):
        mean = 0.9 * mean + 0.1 * g
        square = 0.999 * square + 0.001 * g * g
        size = rate * math.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        p = p - size * mean / (square.sqrt() + 1e-8)
        p = p - rate * decay * p
    return p


def test_optimizer_is_that_of_transformers() -> None:
    method = small(learning_rate=1e-2, weight_decay=0.3)
    groups = method.parameter_groups(None)
    (optimizer,) = method.optimizers(groups)
    before = [[p.detach().clone() for p in group["params"]] for group in groups]
    # gradients near the optimiser's epsilon show where that stands
    rows = [[[chirp(tuple(p.shape), t) * 1e-7 for t in range(3)] for p in g["params"]] for g in groups]
    for t in range(3):
        for group, gradients in zip(groups, rows, strict=True):
            for p, series in zip(group["params"], gradients, strict=True):
                p.grad = series[t].clone()
        optimizer.step()
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.3, 0.0]
    assert [group["lr"] for group in optimizer.param_groups] == [1e-2, 1e-2]
    for group, old, gradients in zip(groups, before, rows, strict=True):
        for p, first, series in zip(group["params"], old, gradients, strict=True):
            expected = stated_plainly(first, series, rate=1e-2, decay=group["weight_decay"])
            torch.testing.assert_close(p.detach(), expected, rtol=0, atol=1e-12)


class Bert(nn.Module):
    """Has the names of BERT's parameters that the rule looks at."""

    def __init__(self) -> None:
        super().__init__()
        self.LayerNorm = nn.LayerNorm(4)
        self.dense = nn.Linear(4, 4)


@pytest.mark.parametrize(("decayed", "count"), [(True, 22), (False, 0)])
def test_decay_goes_by_names(decayed: bool, count: int) -> None:
    method, encoder = made("mosi:mag", decay_norm_gains=decayed), Bert()
    with_decay, without = method.parameter_groups(encoder)
    assert (with_decay["weight_decay"], without["weight_decay"]) == (1e-4, 0)
    gains = {id(m.weight) for m in method.modules() if isinstance(m, nn.LayerNorm)}
    assert len(gains) == 22
    assert sum(id(p) in gains for p in with_decay["params"]) == count
    spared = {id(p) for p in without["params"]}
    named = [*method.named_parameters(), *encoder.named_parameters()]
    assert all(id(p) in spared for name, p in named if name.endswith("bias"))
    assert id(encoder.LayerNorm.weight) in spared
    assert id(encoder.dense.weight) not in spared
    assert len(with_decay["params"]) + len(without["params"]) == len(named)


@pytest.mark.parametrize("restart", [True, False])
def test_optimizer_may_begin_anew_each_epoch(restart: bool) -> None:
    assert small(restart_optimizer=restart).restarts_optimizers(replace(PROGRESS, epoch=2)) is restart


def test_cherma_keeps_its_optimizer() -> None:
    card = METHODS.card("r3dg")
    assert card.values("mosi")["restart_optimizer"]
    assert not card.values("cherma:features")["restart_optimizer"]


def test_card_names_the_references_own_evaluation() -> None:
    card = METHODS.card("r3dg")
    assert card.published == ()  # the paper's tables could not be read
    assert (card.selection("mosi:mag"), card.convention("mosi:mag", "mmsa")) == ("valid_strict", "r3dg")
    assert (card.selection("cherma"), card.convention("cherma", "cherma")) == ("log_all", "cherma")


# -- retrieval ----------------------------------------------------------------------------------------------


def twice(method: Method, batch: Batch) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        return method(batch).prediction, method(batch).prediction


@pytest.mark.parametrize(("weights", "same"), [("uniform", True), ("same", False)])
def test_published_weights_are_random_in_evaluation_too(weights: str, same: bool) -> None:
    method = small(eval_weights=weights).eval()
    first, second = twice(method, chirped(method.sizes))
    assert torch.equal(first, second) is same
    assert method.evaluation_batch == (256 if same else 128)


@pytest.mark.parametrize(("weights", "same"), [("random", False), ("uniform", True), ("learned", True)])
def test_training_draws_random_weights_alone(weights: str, same: bool) -> None:
    method = without_dropout(small(weights=weights, **NO_DROPOUT)).train()
    first, second = twice(method, chirped(method.sizes))
    assert torch.equal(first, second) is same


def test_as_published_brings_back_random_weights_and_swapped_lengths() -> None:
    values = METHODS.card("r3dg").values("mosi", {"as_published": True})
    assert (values["eval_weights"], values["sequence_lengths"]) == ("same", "reference")


def retrieved(text: Tensor, local: Tensor, **overrides: Any) -> Tensor:
    retrieval = small(audio_count=2, **overrides).retrieve_audio.eval()
    found: Tensor = retrieval(text, local)
    return found


def test_mean_is_of_the_most_similar_directions() -> None:
    text = torch.tensor([[2.0, 0.0]]).double()
    local = torch.tensor([[[0.0, 9.0], [5.0, 5.0], [-3.0, 0.0], [7.0, 0.0]]]).double()
    root = math.sqrt(0.5)
    expected = torch.tensor([[(1 + root) / 2, root / 2]]).double()
    torch.testing.assert_close(retrieved(text, local), expected)
    torch.testing.assert_close(retrieved(100 * text, local), expected)
    assert retrieved(text, local, eval_weights="same").norm() <= 1
    # similarities of the two are 1 and sqrt(1/2); at half the temperature they count double
    share = torch.tensor([2.0, 2 * root]).softmax(0).double()
    by_similarity = share[0] * torch.tensor([1.0, 0.0]) + share[1] * torch.tensor([root, root])
    found = retrieved(text, local, weights="similarity", temperature=0.5)
    torch.testing.assert_close(found[0], by_similarity.double(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("weights", ["random", "learned", "uniform", "similarity"])
@pytest.mark.parametrize("retrieval", ["top-k", "soft"])
def test_ranking_has_a_gradient_only_where_similarities_weigh(weights: str, retrieval: str) -> None:
    module = small(weights=weights, retrieval=retrieval).retrieve_audio
    text = torch.randn(3, 8, dtype=torch.float64, requires_grad=True)
    local = torch.randn(3, 20, 8, dtype=torch.float64)
    found = module(text, local)
    assert (found.norm(dim=1) <= 1 + 1e-12).all()
    reached = torch.autograd.grad(found.sum(), text, allow_unused=True)[0] if found.requires_grad else None
    by_similarity = retrieval == "soft" or weights == "similarity"
    assert (reached is not None and bool(reached.any())) is by_similarity


def test_soft_retrieval_weighs_every_segment() -> None:
    torch.manual_seed(0)
    text, local = torch.randn(2, 8).double(), torch.randn(2, 5, 8).double()
    found = retrieved(text, local, retrieval="soft", temperature=0.1)
    share = (F.cosine_similarity(text[:, None], local, dim=2) / 0.1).softmax(1)
    torch.testing.assert_close(found, (share[..., None] * F.normalize(local, dim=2)).sum(1))


def test_learned_weights_are_one_per_rank() -> None:
    method = small(weights="learned")
    assert method.retrieve_audio.logits.shape == (4,)
    batch = chirped(method.sizes)
    sum(method.losses(method(batch), batch, PROGRESS).values()).backward()
    assert method.retrieve_audio.logits.grad.any()


# -- lengths, padding, targets ------------------------------------------------------------------------------


def frames_of(method: Method, batch: Batch) -> dict[int, Tensor]:
    """What the networks of audio and vision are given, by width."""
    seen: dict[int, Tensor] = {}
    for network in (method.audio, method.vision):
        network.register_forward_pre_hook(lambda _, given: seen.update({given[0].shape[2]: given[0]}))
    with torch.no_grad():
        method.eval()(batch)
    return seen


@pytest.mark.parametrize(
    ("dataset", "lengths", "audio", "vision"),
    [
        ("mosi", "data", 377, 502),
        ("mosi", "reference", 500, 375),
        ("mosi:mag", "data", 50, 50),
        ("mosi:mag", "reference", 50, 50),
        ("cherma", "data", 50, 16),
        ("cherma", "reference", 50, 16),
    ],
)
def test_lengths(dataset: str, lengths: str, audio: int, vision: int) -> None:
    shape = {"width": 8, "heads": 2, "layers": 1, "sequence_lengths": lengths}
    method = made(dataset, **shape).double()
    batch = chirped(method.sizes)
    seen = frames_of(method, batch)
    (_, d_a), (_, d_v) = SIZES[dataset][1:]
    assert (seen[d_a].shape[1], seen[d_v].shape[1]) == (audio, vision)
    if dataset == "mosi":
        frames = seen[d_v]
        kept = min(500, vision - 2)
        assert torch.equal(frames[:, 1 : kept + 1], batch.vision[:, :kept])
        assert not frames[:, 0].any()
        assert not frames[:, kept + 1 :].any()
    if (dataset, lengths) == ("mosi", "reference"):
        assert not seen[d_a][:, 376:].any()  # 375 frames, then 124 rows and the one before them


def test_masked_padding_does_not_change_the_prediction() -> None:
    for masked in (True, False):
        method = small(mask_padding=masked).eval()
        clean = chirped(method.sizes)
        noisy = replace(clean, audio=clean.audio.clone(), vision=clean.vision.clone())
        # beyond the zero row that ends the sequence, and out of the convolution's reach
        noisy.audio[1, 24:] = 7
        noisy.vision[1, 20:] = -3
        with torch.no_grad():
            assert torch.equal(method(clean).prediction, method(noisy).prediction) is masked


def test_masked_samples_may_have_fewer_segments_than_are_retrieved() -> None:
    method = small(mask_padding=True, audio_segments=[20], audio_count=15, border_rows=False)
    batch = replace(chirped(method.sizes), audio_lengths=torch.tensor([0, 2]))
    for training in (True, False):
        output = method.train(training)(batch)
        terms = method.losses(output, batch, PROGRESS)
        assert all(torch.isfinite(value) for value in (*output.prediction, *terms.values()))
    method.zero_grad()
    sum(terms.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in method.parameters() if p.grad is not None)


@pytest.mark.parametrize("detached", [True, False])
def test_target_of_reconstruction_may_be_held(detached: bool) -> None:
    method = small(detach_target=detached)
    batch = chirped(method.sizes)
    output = method(batch)
    term = method.losses(output, batch, PROGRESS)["rebuilt_audio"]
    reached = torch.autograd.grad(term, output.extras["audio"], allow_unused=True)[0]
    assert (reached is None) is detached


def test_global_vector_is_the_maximum_over_the_segments_of_each_granularity() -> None:
    method = small(audio_segments=[3, 40, 7], audio_count=4).eval()
    x = chirped(method.sizes).audio
    local, whole = method._pooled("audio", x, torch.tensor([30, 30]))
    frames = method.audio(F.pad(x, (0, 0, 1, 1)))
    torch.testing.assert_close(whole, frames.max(dim=1).values)
    start = 0
    for g in (3, 40, 7):
        for i in range(g):
            first, last = i * 32 // g, -(-(i + 1) * 32 // g)
            torch.testing.assert_close(local[:, start + i], frames[:, first:last].max(dim=1).values)
        torch.testing.assert_close(local[:, start : start + g].max(dim=1).values, whole)
        start += g


# -- tasks, validation, first weights, contradictions -------------------------------------------------------


def test_validation_is_on_squared_errors_without_reconstruction() -> None:
    method = small().eval()
    batch = chirped(method.sizes, 3)
    output = method(batch)
    expected = (output.prediction - batch.labels).square().mean()
    torch.testing.assert_close(method.validation_loss(output, batch, PROGRESS), expected)
    task = method.losses(output, batch, PROGRESS)["task"]
    torch.testing.assert_close(task, (output.prediction - batch.labels).abs().mean())


def test_reconstruction_terms_are_weighted_means() -> None:
    method = small(alpha=0.25)
    batch = chirped(method.sizes)
    output = method(batch)
    difference = output.extras["rebuilt_vision"] - output.extras["vision"]
    term = method.losses(output, batch, PROGRESS)["rebuilt_vision"]
    torch.testing.assert_close(term, 0.25 * difference.square().mean())


@pytest.mark.parametrize("task", [EMOTIONS, Task(kind="binary", label_range=(0, 1))], ids=lambda t: t.kind)
def test_classification(task: Task) -> None:
    method = small(task)
    batch = chirped(method.sizes)
    if task.kind == "binary":
        batch = replace(batch, labels=torch.tensor([0.0, 1.0]))
    output = method(batch)
    assert output.prediction.shape == ((2, 7) if task.kind == "multiclass" else (2,))
    expected = (
        F.cross_entropy(output.prediction, batch.labels)
        if task.kind == "multiclass"
        else F.binary_cross_entropy_with_logits(output.prediction, batch.labels.double())
    )
    torch.testing.assert_close(method.losses(output, batch, PROGRESS)["task"], expected)


def test_a_batch_of_one_is_like_any_other() -> None:
    method = small()
    batch = chirped(method.sizes, 1)
    terms = method.train().losses(method(batch), batch, PROGRESS)
    sum(terms.values()).backward()
    assert method.eval()(batch).prediction.shape == (1,)


@pytest.mark.parametrize("rule", ["bert", "torch"])
def test_first_weights(rule: str) -> None:
    torch.manual_seed(0)
    method = made("mosi:mag", initial_weights=rule)
    like_bert = rule == "bert"
    for fusion in (method.fusion_others, method.fusion):
        one, two = fusion.encoder.layers
        assert torch.equal(one.self_attn.in_proj_weight, two.self_attn.in_proj_weight)
        assert torch.equal(one.linear1.weight, two.linear1.weight) is not like_bert
    for linear in (method.head, method.audio.encoder.layers[0].fc1, method.rebuild_audio):
        assert (linear.weight.std().item() == pytest.approx(0.02, rel=0.2)) is like_bert
    assert (not method.text.bias.any()) is like_bert
    bound = 1 / math.sqrt(3 * 74)  # PyTorch's for convolutions, under both rules
    assert 0.98 * bound < method.audio.conv.weight.abs().max() <= bound
    xavier = math.sqrt(6 / (4 * 128))
    assert 0.98 * xavier < method.vision.encoder.layers[2].self_attn.in_proj_weight.abs().max() <= xavier


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weights": "max"}, "weights is one of random, learned"),
        ({"heads": 3}, "heads must divide the width"),
        ({"audio_segments": [1, 2], "audio_count": 4}, r"`audio_count <= sum\(audio_segments\)` must hold"),
        ({"vision_segments": [0, 20]}, "vision_segments is a list of whole numbers"),
        ({"layers": 0}, "`layers >= 1` must hold"),
        ({"temperature": 0.0}, "`temperature > 0` must hold"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        small(**changes)
