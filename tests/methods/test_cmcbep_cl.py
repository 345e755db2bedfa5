"""CMCBEP-CL against its reference: golden values, parameter counts, lead rules, schedule, switches."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from msabench.errors import SpecError
from msabench.method import METHODS, Batch, Method, Progress, build
from msabench.run import Task, TaskKind
from msabench_methods.cmcbep_cl import lead
from msabench_methods.cmcbep_cl.lstm import RaggedLSTM

PROGRESS = Progress(epoch=1, epochs=90, batch=0, batches=1)
AUDIO_LENGTHS, VISION_LENGTHS, WORDS = [7, 20, 11, 30, 2], [9, 3, 25, 14, 1], [2, 4, 3, 5, 4]

# Made by the reference's own classes (zbxshangqiu/CMCBEP-CL at c39f704, torch 2.13) in evaluation mode and
# double precision, with the weights of `fill` and the batches of `golden_batch`; its encoder was stubbed.
# Two samples: I_vt, I_ta, I_av of each; modalities of x, y, z; p_sem, p_fus, p_x, p_y, p_z of each; outputs;
# both discrepancies. Five samples: outputs when the one with most words decides (the reference was given them
# sorted), and of each sample alone (given twice); weighted loss terms, and InfoNCE, for labels 2 sin(b + 1);
# the gradient's norm at the first Adamax step, and the loss before each of four.
GOLDEN: dict[str, dict[str, Any]] = {
    "mosi": {
        "dependence": (
            (-0.456964763, -0.450445498),
            (-0.520456222, -0.516502171),
            (-0.582510893, -0.579467908),
        ),
        "roles": [lead.A, lead.T, lead.V],
        "scores": (
            (0.021181010, 0.092962630, -1.387052257, 0.087663085, -0.830750721),
            (0.021182486, 0.092946047, -1.281094650, 0.107291963, -0.863720482),
        ),
        "pair": (-0.425262438, -0.403111658),
        "discrepancy": (0.218910565, 0.382335626),
        "outputs": (-0.425262437913, -0.403111658319, -0.406363945816, -0.424084854014, -0.454458209603),
        "alone": (-0.425262437913, -0.403111658319, -0.406363945816, -0.424084854014, -0.454458209603),
        "terms": {
            "task": 1.365309094406,
            "fusion": 0.660110860170,
            "difference": 0.000451178243,
            "dependence": 0.512726568627,
            "discrepancy": 0.300136706408,
            "nce": 1.627759116545,
        },
        "gradient": 10.140405825126,
        "losses": (2.838734407853, 1.964366154450, 1.423576343598, 0.847273112855),
    },
    "mosei": {
        "dependence": (
            (-0.662229131, -0.625528337),
            (-0.520456543, -0.516502021),
            (-0.577833308, -0.581340147),
        ),
        "roles": [lead.T, lead.V, lead.A],
        "scores": (
            (0.021172256, 0.093073775, -1.573014472, 0.196132370, -0.680938120),
            (0.021173998, 0.093052877, -1.567355589, 0.227844338, -0.709483241),
        ),
        "pair": (-0.417240466, -0.415156138),
        "discrepancy": (0.365588908, 0.438896144),
        "outputs": (-0.289091335551, -0.308552843449, -0.297407585392, -0.386904340518, -0.350709154929),
        "alone": (-0.417240465793, -0.415156137543, -0.410890441618, -0.386904340518, -0.383110474696),
        "terms": {
            "task": 1.322937791395,
            "fusion": 0.660033005106,
            "difference": 0.000503507895,
            "dependence": 0.558323335872,
            "discrepancy": 0.287027690431,
            "nce": 2.339609098768,
        },
        "gradient": 10.503629613592,
        "losses": (2.828825330698, 1.927896627069, 1.379120402882, 0.763109968591),
    },
    "sims": {
        "dependence": (
            (-0.452301870, -0.447804132),
            (-0.520466398, -0.516498348),
            (-0.690737058, -0.489319038),
        ),
        "roles": [lead.A, lead.T, lead.V],
        "scores": (
            (0.021182085, 0.092950581, -0.612769590, 0.088123041, -0.854587498),
            (0.021182923, 0.092941471, -1.270242811, 0.107443798, -0.874047542),
        ),
        "pair": (-0.255088056, -0.402627896),
        "discrepancy": (0.176342806, 0.380648295),
        "outputs": (-0.255088056459, -0.402627896246, -0.320132221815, -0.305358820113, -0.288106256470),
        "alone": (-0.255088056459, -0.335287418489, -0.320132221815, -0.305358820113, -0.288106256470),
        "terms": {
            "task": 1.380977972226,
            "fusion": 0.660116389664,
            "difference": 0.000422675495,
            "dependence": 0.519681579611,
            "discrepancy": 0.273947576931,
            "nce": 1.607902714755,
        },
        "gradient": 10.122661331477,
        "losses": (2.835146193926, 1.842347529409, 1.219815418548, 0.763297159599),
    },
}

Built = Callable[..., Method]
Waves = Callable[..., Batch]


def live_tensors(method: Any) -> Iterator[list[Tensor]]:
    """The reference's 278 live tensors in order, each as the parts that it consists of here."""

    def linear(layer: Any, copy: int | None = None) -> Iterator[list[Tensor]]:
        for tensor in (layer.weight, layer.bias):
            yield [tensor if copy is None else tensor[copy]]

    def norm(layer: Any, copy: int) -> Iterator[list[Tensor]]:
        yield [layer.gain[copy]]
        yield [layer.bias[copy]]

    def attention(layer: Any, copy: int) -> Iterator[list[Tensor]]:
        for part in (layer.value, layer.key, layer.query, layer.out):
            yield from linear(part, copy)

    def feed_forward(layer: Any, copy: int) -> Iterator[list[Tensor]]:
        yield from linear(layer.linear_1, copy)
        yield from linear(layer.linear_2, copy)

    def sequence(encoder: Any) -> Iterator[list[Tensor]]:
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
            yield [getattr(encoder.rnn, name)]
        yield from linear(encoder.linear)

    def refinement(block: Any, copy: int) -> Iterator[list[Tensor]]:
        yield from attention(block.attention, copy)
        yield from feed_forward(block.feed_forward, copy)
        yield from norm(block.norm, copy)

    def fusion(block: Any) -> Iterator[list[Tensor]]:
        yield from linear(block.shared, 0)
        yield from linear(block.gate, 0)
        yield from attention(block.attention_1, 0)
        yield from attention(block.attention_2, 0)
        yield from feed_forward(block.feed_forward, 0)
        yield from norm(block.norm, 0)

    def head(layers: Any) -> Iterator[list[Tensor]]:
        for layer in (layers.linear_1, layers.linear_2, layers.linear_3):
            yield from linear(layer, 0)

    yield from linear(method.text)
    yield from sequence(method.vision)
    yield from sequence(method.audio)
    for pair in range(3):
        estimator = method.dependence
        yield from linear(estimator.shared, pair)
        for layer in (estimator.norm_0, estimator.norm_1, estimator.norm_2):
            yield from norm(layer, pair)
        yield from attention(estimator.attention, pair)
        yield from feed_forward(estimator.feed_forward, pair)
        yield from norm(estimator.norm_3, pair)
        yield from linear(estimator.score, pair)
    for layer in method.transformer:
        yield [layer.query_key.weight[0], layer.value.weight[0]]
        yield [layer.query_key.bias[0], layer.value.bias[0]]
        for part in (layer.out, layer.linear_1, layer.linear_2):
            yield from linear(part, 0)
        yield from linear(layer.norm_1)
        yield from linear(layer.norm_2)
    yield from attention(method.supplement, 0)
    for block in method.refinement:
        yield from refinement(block, 0)
    for role in range(3):
        yield from linear(method.projection, role)
    yield from fusion(method.fusion)
    yield from head(method.fusion_head)
    for role in range(3):
        yield from linear(method.filter.linear, role)
        yield from norm(method.filter.norm, role)
        for block in method.filter.blocks:
            yield from refinement(block, role)
    for role in range(3):
        yield from linear(method.classifier, role)
    yield from fusion(method.particular_fusion)
    yield from head(method.final_head)
    yield from linear(method.mixture)


@torch.no_grad()
def fill(method: Method) -> None:
    """Tensor n from 1: 0.05 sin(0.37 k + n), k its flat index; plus 1 for the gain of a norm."""
    gains = {
        tensor.data_ptr()
        for name, p in method.named_parameters()
        if name.endswith("gain") or ("norm" in name and name.endswith("weight"))
        for tensor in (p if p.dim() == 2 else [p])
    }
    count = 0
    for n, parts in enumerate(live_tensors(method), 1):
        k, count = 0, count + 1
        for part in parts:
            index = torch.arange(k, k + part.numel(), dtype=torch.float64)
            base = 1.0 if part.data_ptr() in gains else 0.0
            part.copy_((base + 0.05 * torch.sin(0.37 * index + n)).view_as(part))
            k += part.numel()
    assert count == 278


def golden(build: Built, dataset: str, **overrides: Any) -> Method:
    method = build("cmcbep_cl", dataset, **overrides).double().eval()
    fill(method)
    return method


def golden_batch(wave_batch: Waves, method: Method, samples: int) -> Batch:
    length = method.sizes.text[0]
    return wave_batch(
        method.sizes,
        samples,
        audio_lengths=torch.tensor(AUDIO_LENGTHS[:samples]),
        vision_lengths=torch.tensor(VISION_LENGTHS[:samples]),
        # of two samples the first decides, as in the golden check; of five the fourth
        text_mask=torch.arange(length) < torch.tensor(WORDS if samples == 5 else [3, 2])[:, None],
    )


def test_golden_forward_values(dataset: str, build_at_real_sizes: Built, wave_batch: Waves) -> None:
    method = golden(build_at_real_sizes, dataset, as_published=True)
    with torch.no_grad():
        output = method(golden_batch(wave_batch, method, 2))
    want, extras = GOLDEN[dataset], output.extras
    close = {"abs": 5.1e-10, "rel": 0}
    for pair, values in zip(extras["dependence"].tolist(), want["dependence"], strict=True):
        assert pair == pytest.approx(values, **close)
    assert extras["roles"].t().tolist() == [want["roles"]] * 2
    for sample, values in zip(extras["scores"].tolist(), want["scores"], strict=True):
        assert sample == pytest.approx(values, **close)
    assert output.prediction.tolist() == pytest.approx(want["pair"], **close)
    x, y, z = extras["projected"].sigmoid().mean(1)
    assert [(x - y).norm().item(), (z - y).norm().item()] == pytest.approx(want["discrepancy"], **close)


@pytest.mark.parametrize(("published", "key"), [(True, "outputs"), (False, "alone")])
def test_golden_outputs_under_both_lead_rules(
    dataset: str, build_at_real_sizes: Built, wave_batch: Waves, published: bool, key: str
) -> None:
    changes = {"as_published": True} if published else {}
    method = golden(build_at_real_sizes, dataset, **changes)
    with torch.no_grad():
        found = method(golden_batch(wave_batch, method, 5)).prediction.tolist()
    assert found == pytest.approx(GOLDEN[dataset][key], abs=1e-11, rel=0)


def test_golden_training_steps(dataset: str, build_at_real_sizes: Built, wave_batch: Waves) -> None:
    method = golden(build_at_real_sizes, dataset, as_published=True)
    batch, want = golden_batch(wave_batch, method, 5), GOLDEN[dataset]
    (optimizer,) = method.optimizers(method.parameter_groups(None))
    losses, norms = [], []
    for step in range(4):
        optimizer.zero_grad()
        terms = method.losses(method(batch), batch, PROGRESS)
        if step == 0:
            found = {name: term.item() for name, term in terms.items()}
            assert found == pytest.approx(
                {name: value for name, value in want["terms"].items() if name != "nce"}, abs=1e-11, rel=0
            )
        loss = torch.stack(list(terms.values())).sum()
        loss.backward()
        norms.append(nn.utils.get_total_norm([p.grad for p in method.parameters() if p.grad is not None]))
        losses.append(loss.item())
        method.clip(list(method.parameters()))
        optimizer.step()
    assert norms[0].item() == pytest.approx(want["gradient"], rel=1e-10)
    assert losses == pytest.approx(want["losses"], rel=1e-9)


# -- sizes -------------------------------------------------------------------------------------------------


def dead_parameters_of_the_reference() -> dict[str, int]:
    """Parameters that the reference registers and that never reach an output, from their modules' shapes."""

    def linear(inputs: int, outputs: int) -> int:
        return inputs * outputs + outputs

    def mlp(inputs: int, hidden: int, outputs: int) -> int:
        return linear(inputs, hidden) + linear(hidden, outputs)

    def gru(layers: int) -> int:
        """Bidirectional, and two linear layers."""
        inputs = [64] + [128] * (layers - 1)
        return sum(2 * 3 * (64 * i + 64 * 64 + 2 * 64) for i in inputs) + 2 * linear(128, 64)

    d, norm, square = 64, 2 * 64, linear(64, 64)
    attention, wide, flat = 4 * square, mlp(d, 2560, d), mlp(d, 2560, 60)
    middle, discriminator = mlp(d, 2 * d, d), mlp(d, 128, 1)
    common = 2 * attention + 2 * wide + 6 * norm + square + middle
    split = common + square + linear(d, 1) + 2 * square
    fuse = common + discriminator + 3 * square
    live_in_fuse = 2 * attention + wide + norm + 2 * square
    refinement = attention + 2 * square + 2 * norm
    return {
        "split blocks": 4 * (2 * split + 2 * norm) + 3 * (3 * flat + 3 * norm),
        "fusion stacks": 2 * (2 * (2 * fuse + 3 * flat + norm) + 2 * fuse - live_in_fuse),
        "estimators": 3
        * (gru(4) + attention + wide + 4 * norm + mlp(d, 2 * d, d) + discriminator + 3 * square),
        "GRU encoders": 2 * gru(4),
        "filters": 3 * (square + attention + norm + refinement + norm),
        "enhancer": mlp(d, 128, 128) + 3 * linear(128, 128) + linear(128, d),
        "shared encoders": 3 * square,
        "reconstruction": 3 * (square + attention),
        "alternative heads": linear(4 * d, d) + square + linear(d, 1) + linear(3 * d, d),
        "second norms of refinement": 2 * norm,
    }


@pytest.mark.parametrize(
    ("name", "live", "registered"),
    [
        ("mosi", 2_080_966, 25_654_282),
        ("mosei", 2_086_342, 25_659_658),
        ("sims", 2_126_854, 25_700_170),
    ],
)
def test_parameter_counts(build_at_real_sizes: Built, name: str, live: int, registered: int) -> None:
    method = build_at_real_sizes("cmcbep_cl", name)
    assert sum(p.numel() for p in method.parameters()) == live
    assert sum(part.numel() for parts in live_tensors(method) for part in parts) == live
    dead = dead_parameters_of_the_reference()
    assert dead["split blocks"] == 8_706_212
    assert dead["fusion stacks"] == 11_933_020
    assert dead["estimators"] == 2_024_643
    assert live + sum(dead.values()) == registered


def test_query_and_key_of_the_one_token_transformer_are_inert(
    build_at_real_sizes: Built, wave_batch: Waves
) -> None:
    method = golden(build_at_real_sizes, "mosi")
    batch = golden_batch(wave_batch, method, 5)
    before = method(batch).prediction
    before.sum().backward()
    inert = {name: p for name, p in method.named_parameters() if ".query_key." in name}
    assert sum(p.numel() for p in inert.values()) == 16_640
    assert all(p.grad is None for p in inert.values())
    with torch.no_grad():
        for p in inert.values():
            p.fill_(7)
        assert torch.equal(method(batch).prediction, before)


def test_weights_start_as_the_reference_redraws_them(build_at_real_sizes: Built) -> None:
    torch.manual_seed(0)
    method = build_at_real_sizes("cmcbep_cl", "sims")
    for parts in live_tensors(method):
        weight = torch.cat(parts).detach()
        if weight.dim() > 1 and weight.numel() > 2000:
            assert weight.std().item() == pytest.approx(math.sqrt(2 / weight.shape[1]), rel=0.1)
        elif weight.dim() == 1 and weight.numel() >= 64 and not torch.equal(weight, torch.ones_like(weight)):
            assert weight.abs().max() <= 1 / 4  # biases: uniform within 1/sqrt(inputs), 16 or more


# -- who leads ---------------------------------------------------------------------------------------------

ORDERS = {  # ascending scores of vision, text, audio -> modalities of x, y, z
    (2, 1, 3): (lead.V, lead.T, lead.A),
    (3, 1, 2): (lead.V, lead.A, lead.T),
    (1, 2, 3): (lead.T, lead.V, lead.A),
    (1, 3, 2): (lead.T, lead.A, lead.V),
    (3, 2, 1): (lead.A, lead.V, lead.T),
    (2, 3, 1): (lead.A, lead.T, lead.V),
}


def pair_scores(own: list[tuple[int, int, int]]) -> Tensor:
    """(3, B) scores of the pairs vt, ta, av whose sums are the modalities' own scores."""
    v, t, a = torch.tensor(own, dtype=torch.float64).t()
    return torch.stack([v + t - a, t + a - v, a + v - t]) / 2


def test_table_gives_each_sample_its_roles() -> None:
    roles = lead.assign(pair_scores(list(ORDERS)), torch.ones(6), lead.table(), "per_sample")
    assert [tuple(column) for column in roles.t().tolist()] == list(ORDERS.values())


def test_first_of_the_longest_texts_decides_for_its_batch() -> None:
    for words, decides in (([3, 9, 1, 9, 2, 0], 1), ([5] * 6, 0), ([0, 1, 2, 3, 4, 9], 5)):
        roles = lead.assign(pair_scores(list(ORDERS)), torch.tensor(words), lead.table(), "batch_first")
        assert {tuple(column) for column in roles.t().tolist()} == {list(ORDERS.values())[decides]}


def test_argmax_lets_the_highest_lead_and_agrees_with_the_table_where_that_does() -> None:
    roles = lead.assign(pair_scores(list(ORDERS)), torch.ones(6), lead.table(), "argmax")
    for own, found in zip(ORDERS, roles.t().tolist(), strict=True):
        assert found[1] == max(range(3), key=own.__getitem__)
        assert sorted(found) == [0, 1, 2]
        if ORDERS[own][1] == found[1]:
            assert tuple(found) == ORDERS[own]


def varied(wave_batch: Waves, method: Method, samples: int = 24) -> Batch:
    """Random inputs of short lengths, for which modalities lead in turn."""
    generator = torch.Generator().manual_seed(1)

    def noise(size: tuple[int, int]) -> Tensor:
        return torch.randn(samples, 12, size[1], generator=generator, dtype=torch.float64)

    sizes = method.sizes
    lengths = torch.randint(1, 13, (2, samples), generator=generator)
    small = replace(sizes, text=(12, sizes.text[1]), audio=(12, sizes.audio[1]), vision=(12, sizes.vision[1]))
    return wave_batch(
        small,
        samples,
        text=noise(sizes.text),
        audio=noise(sizes.audio),
        vision=noise(sizes.vision),
        audio_lengths=lengths[0],
        vision_lengths=lengths[1],
        text_mask=torch.arange(12) < torch.randint(1, 13, (samples, 1), generator=generator),
    )


def rows_of(batch: Batch, rows: list[int]) -> Batch:
    fields = {name: value[rows] for name, value in vars(batch).items() if isinstance(value, Tensor)}
    return replace(batch, **fields)


@pytest.mark.parametrize("tie", ["role", "modality"])
def test_per_sample_is_the_published_rule_on_each_sample_alone(
    build_at_real_sizes: Built, wave_batch: Waves, tie: str
) -> None:
    torch.manual_seed(0)
    ours = build_at_real_sizes("cmcbep_cl", "mosi", tie=tie).double().eval()
    theirs = build_at_real_sizes("cmcbep_cl", "mosi", tie=tie, as_published=True).double().eval()
    theirs.load_state_dict(ours.state_dict())
    batch = varied(wave_batch, ours)
    with torch.no_grad():
        output = ours(batch)
        alone = torch.cat([theirs(rows_of(batch, [i])).prediction for i in range(len(batch))])
        together = theirs(batch)
    assert len({tuple(column) for column in output.extras["roles"].t().tolist()}) >= 4
    assert output.prediction.tolist() == pytest.approx(alone.tolist(), rel=1e-12)
    # with one lead for all, a sample's prediction depends on who else is in its batch
    assert len({tuple(column) for column in together.extras["roles"].t().tolist()}) == 1
    assert (together.prediction - alone).abs().max() > 0.1


def test_evaluation_batch_is_the_trainings_only_where_batches_have_one_lead(
    build_at_real_sizes: Built,
) -> None:
    assert build_at_real_sizes("cmcbep_cl", "mosi").evaluation_batch == 256
    assert build_at_real_sizes("cmcbep_cl", "mosi", as_published=True).evaluation_batch == 120


# -- switches ----------------------------------------------------------------------------------------------


def terms_and_gradient(method: Method, batch: Batch) -> tuple[dict[str, float], set[str]]:
    """Loss terms, and the parts of the method that get a gradient."""
    terms = method.losses(method(batch), batch, PROGRESS)
    torch.stack(list(terms.values())).sum().backward()
    reached = {
        name.split(".")[0]
        for name, p in method.named_parameters()
        if p.grad is not None and bool(p.grad.any())
    }
    return {name: term.item() for name, term in terms.items()}, reached


@pytest.mark.parametrize("name", list(GOLDEN))
def test_contrastive_loss_is_left_out_unless_weighted(
    build_at_real_sizes: Built, wave_batch: Waves, name: str
) -> None:
    off = golden(build_at_real_sizes, name, as_published=True, cmd_weight=0.0)
    batch = golden_batch(wave_batch, off, 5)
    terms, reached = terms_and_gradient(off, batch)
    assert "nce" not in terms
    assert "projection" not in reached
    on = golden(build_at_real_sizes, name, as_published=True, cmd_weight=0.0, nce_weight=0.5)
    terms, reached = terms_and_gradient(on, batch)
    assert terms["nce"] == pytest.approx(0.5 * GOLDEN[name]["terms"]["nce"], abs=1e-11)
    assert "projection" in reached


def test_without_its_reward_nothing_trains_the_dependence(
    build_at_real_sizes: Built, wave_batch: Waves
) -> None:
    for weight, trained in ((1 / 3, True), (0.0, False)):
        method = golden(build_at_real_sizes, "mosi", dep_weight=weight)
        terms, reached = terms_and_gradient(method, golden_batch(wave_batch, method, 5))
        assert ("dependence" in terms) is trained
        assert ("dependence" in reached) is trained


@pytest.mark.parametrize("name", ["fusion", "diff", "cmd"])
def test_loss_weights_scale_their_terms(build_at_real_sizes: Built, wave_batch: Waves, name: str) -> None:
    term = {"fusion": "fusion", "diff": "difference", "cmd": "discrepancy"}[name]
    plain = METHODS.card("cmcbep_cl").values("mosi")[f"{name}_weight"]
    for weight in (0.0, 1.5):
        method = golden(build_at_real_sizes, "mosi", as_published=True, **{f"{name}_weight": weight})
        terms, _ = terms_and_gradient(method, golden_batch(wave_batch, method, 5))
        wanted = GOLDEN["mosi"]["terms"][term] * weight / plain
        assert terms.get(term, 0.0) == pytest.approx(wanted, abs=1e-9)


def test_unimodal_loss_is_the_mean_over_the_roles_own_scores(
    build_at_real_sizes: Built, wave_batch: Waves
) -> None:
    assert (
        "unimodal"
        not in terms_and_gradient(
            plain := golden(build_at_real_sizes, "mosi"), golden_batch(wave_batch, plain, 5)
        )[0]
    )
    method = golden(build_at_real_sizes, "mosi", unimodal_weight=0.3)
    batch = golden_batch(wave_batch, method, 5)
    scores = method(batch).extras["scores"][:, 2:]
    error = (scores - batch.labels[:, None]).abs()
    smooth = torch.where(error < 1, 0.5 * error.square(), error - 0.5)
    terms, _ = terms_and_gradient(method, batch)
    assert terms["unimodal"] == pytest.approx(0.3 * smooth.mean().item())


def test_tie_says_whose_weights_are_used(build_at_real_sizes: Built, wave_batch: Waves) -> None:
    torch.manual_seed(0)
    by_role = build_at_real_sizes("cmcbep_cl", "mosi").double().eval()
    by_modality = build_at_real_sizes("cmcbep_cl", "mosi", tie="modality").double().eval()
    by_modality.load_state_dict(by_role.state_dict())
    batch = varied(wave_batch, by_role)
    with torch.no_grad():
        # only the copies with number 1 say anything: the lead's, or the text's
        for method in (by_role, by_modality):
            for copy in (0, 2):
                method.classifier.weight[copy] = 0
                method.classifier.bias[copy] = 0
        role, modality = by_role(batch), by_modality(batch)
    roles = role.extras["roles"].t()  # (B, 3)
    assert torch.equal(role.extras["scores"][:, 2:] != 0, torch.tensor([[False, True, False]] * len(batch)))
    assert torch.equal(modality.extras["scores"][:, 2:] != 0, roles == lead.T)


@torch.no_grad()
def test_with_equal_weights_it_does_not_matter_whose_they_are(
    build_at_real_sizes: Built, wave_batch: Waves
) -> None:
    torch.manual_seed(0)
    by_role = build_at_real_sizes("cmcbep_cl", "mosi").double().eval()
    for part in (by_role.projection, by_role.filter, by_role.classifier):
        for tensor in part.parameters():
            tensor.copy_(tensor[:1].expand_as(tensor))
    by_modality = build_at_real_sizes("cmcbep_cl", "mosi", tie="modality").double().eval()
    by_modality.load_state_dict(by_role.state_dict())
    batch = varied(wave_batch, by_role)
    role, modality = by_role(batch), by_modality(batch)
    turned = {(lead.T, lead.A, lead.V), (lead.A, lead.V, lead.T)}  # not their own inverses
    assert turned & {tuple(column) for column in role.extras["roles"].t().tolist()}
    assert modality.prediction.tolist() == pytest.approx(role.prediction.tolist(), rel=1e-12)


def test_dropout_acts_in_training_alone(build_at_real_sizes: Built, wave_batch: Waves) -> None:
    for body, heads in ((0.0, 0.0), (0.3, 0.0), (0.0, 0.3)):
        method = golden(build_at_real_sizes, "mosi", dropout=body, head_dropout=heads)
        batch = golden_batch(wave_batch, method, 5)
        with torch.no_grad():
            still = [method(batch).prediction for _ in range(2)]
            moving = [method.train()(batch).prediction for _ in range(2)]
        assert torch.equal(*still)
        assert torch.equal(*moving) is not bool(body or heads)
        assert torch.equal(still[0], moving[0]) is not bool(body or heads)


@pytest.mark.parametrize(
    "wrong",
    [
        {"lead_rule": "loudest"},
        {"tie": "sample"},
        {"heads": 7},
        {"dropout": 1.0},
        {"nce_weight": -0.1},
        {"temperature": 0.0},
        {"filter_depth": 0},
    ],
)
def test_hyperparameters_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    values = METHODS.card("cmcbep_cl").values("mosi", wrong)
    with pytest.raises(ValueError, match=next(iter(wrong))):
        METHODS["cmcbep_cl"].hyperparameters(**values)


# -- recipe ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_classes_are_refused(build_at_real_sizes: Built, kind: TaskKind) -> None:
    sizes = build_at_real_sizes("cmcbep_cl", "mosi", feed_forward=8).sizes
    task = Task(kind=kind, classes=4 if kind == "multiclass" else 1)
    with pytest.raises(SpecError, match="regression"):
        build("cmcbep_cl", replace(sizes, task=task), METHODS.card("cmcbep_cl").values("mosi"))


def test_text_encoder_has_a_rate_of_its_own(build_at_real_sizes: Built) -> None:
    method = build_at_real_sizes("cmcbep_cl", "mosi")
    encoder = nn.Linear(3, 3)
    own, encoders = method.parameter_groups(encoder)
    assert (own["lr"], own["weight_decay"]) == (1e-3, 3e-4)
    assert (encoders["lr"], encoders["weight_decay"]) == (5e-5, 3e-4)
    assert len(own["params"]) == len(list(method.parameters()))
    assert encoders["params"] == list(encoder.parameters())
    (optimizer,) = method.optimizers([own, encoders])
    assert isinstance(optimizer, torch.optim.Adamax)


@pytest.mark.parametrize("halve_after", [0, 2, 20])
def test_rates_are_halved_as_pytorch_does_on_a_plateau(build_at_real_sizes: Built, halve_after: int) -> None:
    method = build_at_real_sizes("cmcbep_cl", "mosi", halve_after=halve_after, feed_forward=8)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=halve_after, factor=0.5, eps=0)
    generator = torch.Generator().manual_seed(0)
    losses = (1 + 0.3 * torch.rand(90, generator=generator)).tolist()
    losses[10], losses[11] = 0.9, 0.9 * (1 - 5e-5)  # the second is too little better to count
    for epoch, loss in enumerate(losses, 1):
        progress = replace(PROGRESS, epoch=epoch)
        assert method.rate(progress) == optimizer.param_groups[0]["lr"]
        method.on_epoch_end(progress, loss)
        reference.step(loss)
        if epoch == 30:  # a resumed run goes on where it was
            resumed = build_at_real_sizes("cmcbep_cl", "mosi", halve_after=halve_after, feed_forward=8)
            resumed.load_state_dict(method.state_dict())
            method = resumed
    assert method.rate(PROGRESS) < 1


def test_validation_loss_is_the_mixtures_alone(build_at_real_sizes: Built, wave_batch: Waves) -> None:
    method = golden(build_at_real_sizes, "mosi", as_published=True)
    batch = golden_batch(wave_batch, method, 5)
    loss = method.validation_loss(method(batch), batch, PROGRESS)
    assert loss.item() == pytest.approx(0.75 * GOLDEN["mosi"]["terms"]["task"], abs=1e-11)


# -- the LSTM ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("longest", [1, 40])
def test_ragged_lstm_is_a_packed_lstm(longest: int) -> None:
    torch.manual_seed(0)
    lstm = RaggedLSTM(5, 3).double()
    lengths = torch.randint(1, longest + 1, (9,))
    lengths[4] = longest
    x = torch.randn(9, longest + 2, 5, dtype=torch.float64)  # what lies behind the lengths is not zero
    weights = torch.randn(9, 3, dtype=torch.float64)
    parameters = list(lstm.parameters())

    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    _, (wanted, _) = nn.LSTM.forward(lstm, packed)
    gradients = torch.autograd.grad((wanted[0] * weights).sum(), parameters)

    with torch.no_grad():
        assert (lstm(x, lengths) - wanted[0]).abs().max() < 1e-14
    for needs_gradient in (False, True):  # code of our own, and PyTorch's
        found = lstm(x.clone().requires_grad_(needs_gradient), lengths)
        assert (found - wanted[0]).abs().max() < 1e-14
        for ours, theirs in zip(
            torch.autograd.grad((found * weights).sum(), parameters), gradients, strict=True
        ):
            assert (ours - theirs).abs().max() < 1e-12


def test_a_length_of_zero_counts_as_one() -> None:
    lstm = RaggedLSTM(4, 3)
    x = torch.randn(2, 6, 4)
    assert torch.equal(lstm(x, torch.tensor([0, 6])), lstm(x, torch.tensor([1, 6])))
