"""SETGF's training: against Self-MM's trainer, its switches, heads while their losses are zero."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from msabench.errors import SpecError
from msabench.method import METHODS, Batch, InputSizes, Progress, Step
from msabench.run import Task
from msabench_methods.setgf.model import SETGF

ROWS, BATCH, EPOCHS = 38, 4, 5
SMALL: dict[str, Any] = {
    **{"batch_size": BATCH, "width": 8, "heads": 2, "audio_hidden": 4, "vision_hidden": 6},
    **{"audio_out": 3, "vision_out": 5, "post_fusion_width": 8, "post_text_width": 6},
    **{"post_audio_width": 4, "post_vision_width": 5},
    **{f"post_{name}_dropout": 0.0 for name in ("fusion", "text", "audio", "vision")},
    **{"attn_dropout": 0.0, "relu_dropout": 0.0, "res_dropout": 0.0},
}
SIZES = InputSizes(text=(4, 6), audio=(7, 3), vision=(5, 4), task=Task(kind="regression"), train_samples=ROWS)

# Five epochs of thuiar/MMSA's own Self-MM trainer (`trains/multiTask/SELF_MM.py` at a94e65d, `do_train`) in
# double precision, with this network and encoder in place of its model and these batches in place of its
# loaders, no other change. Per epoch: the four loss terms, the mean absolute label of text, audio and vision,
# the sums of the eight centres (positive, negative of M, T, A, V); at the end the norms of the weights of
# network and encoder.
GOLDEN: dict[bool, dict[str, Any]] = {
    False: {
        "losses": (
            (1.541413368, 0.0, 0.0, 0.0),
            (1.523994094, 0.0, 0.0, 0.0),
            (1.506700846, 0.494576772, 0.829571144, 0.654987925),
            (1.496294672, 0.659264157, 0.897154565, 0.891626410),
            (1.466942712, 0.798548352, 0.794996341, 0.971487342),
        ),
        "labels": (
            (1.502529630, 1.502529630, 1.502529630),
            (1.037646062, 1.437640911, 0.942948997),
            (0.739056791, 1.558324212, 1.152949334),
            (0.928760480, 1.378532057, 1.245175499),
            (1.042498813, 1.426295635, 1.325663843),
        ),
        "centres": (
            (
                4.732600762,
                5.599367130,
                1.666146784,
                1.902369050,
                *(0.021302938, 0.025009033, 0.629529074, 0.633930282),
            ),
            (
                4.646128437,
                5.648747138,
                1.726186178,
                1.751284444,
                *(0.018140311, 0.025487884, 0.620997754, 0.628896999),
            ),
            (
                4.779309594,
                6.074011748,
                1.598493995,
                1.797355285,
                *(0.019943434, 0.025374954, 0.618675939, 0.628927721),
            ),
            (
                4.677198145,
                5.986239705,
                1.714721608,
                1.748357955,
                *(0.022988682, 0.028979210, 0.633517359, 0.631095012),
            ),
            (
                4.622018259,
                6.021229850,
                1.554392686,
                1.895893906,
                *(0.024885389, 0.032924762, 0.637128711, 0.640470723),
            ),
        ),
        "norms": (32.040823570, 3.033752653),
    },
    True: {
        "losses": (
            (1.541413368, 0.0, 0.0, 0.0),
            (1.523994094, 0.0, 0.0, 0.0),
            (1.506705118, 0.625962904, 0.783430677, 0.661324768),
            (1.496298058, 0.580923986, 0.992516308, 1.100027835),
            (1.466947402, 0.653782778, 0.948024324, 1.224287686),
        ),
        "labels": (
            (1.502529630, 1.502529630, 1.502529630),
            (1.299681070, 1.425870847, 1.130896902),
            (1.129525278, 1.474057362, 1.558240979),
            (1.150011175, 1.354243659, 1.594080782),
            (1.237196335, 1.388143603, 1.635932807),
        ),
        "centres": (
            (
                5.422487075,
                5.599367130,
                1.753817779,
                1.902369050,
                *(0.021126134, 0.025009033, 0.625145538, 0.633930282),
            ),
            (
                5.313783201,
                5.648747138,
                1.801031591,
                1.681722877,
                *(0.017384579, 0.025369546, 0.591189419, 0.652730128),
            ),
            (
                5.468076738,
                6.074183056,
                2.231348654,
                1.178476866,
                *(0.018280072, 0.024250705, 0.586122451, 0.646488403),
            ),
            (
                5.331887819,
                5.986655100,
                2.036622488,
                1.314287396,
                *(0.019761223, 0.027261274, 0.590698048, 0.655150543),
            ),
            (
                5.210028988,
                6.021499865,
                2.181270810,
                1.179361914,
                *(0.021425407, 0.031316067, 0.600044103, 0.664242609),
            ),
        ),
        "norms": (32.041225366, 3.033764054),
    },
}


class Encoder(nn.Module):
    """Stands in for a text encoder: names as BERT has them."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(6, 6)
        self.LayerNorm = nn.LayerNorm(6)

    def forward(self, text: Tensor) -> Tensor:
        """(B, L, 6) -> (B, L, 6)"""
        return self.LayerNorm(self.dense(text))


def fill(module: nn.Module) -> None:
    """Parameter tensor n, from 1: 0.4 sin(k^1.5 + n), k its flat index from 1; gains of norms 1 more."""
    with torch.no_grad():
        for n, (name, p) in enumerate(module.named_parameters(), 1):
            values = 0.4 * torch.sin(torch.arange(1, p.numel() + 1) ** 1.5 + n)
            p.copy_(values.view_as(p) + float("norm" in name.lower() and name.endswith("weight")))


def wave(shape: tuple[int, ...], speed: float) -> Tensor:
    """Entries of a tensor, by their flat index."""
    return torch.sin(speed * torch.arange(1, 1 + torch.Size(shape).numel()) ** 1.5).view(shape)


def samples() -> Batch:
    """All rows of the training split, double; some labels are 0."""
    rows = torch.arange(ROWS)
    lengths = {"audio": 1 + rows % 7, "vision": 1 + 3 * rows % 5}
    return Batch(
        text=wave((ROWS, 4, 6), 0.9),
        text_mask=torch.arange(4) < (1 + rows % 4)[:, None],
        audio=wave((ROWS, 7, 3), 0.5),
        audio_lengths=lengths["audio"],
        vision=wave((ROWS, 5, 4), 0.7),
        vision_lengths=lengths["vision"],
        labels=(3 * torch.sin(1.7 * (rows + 1))) * (rows % 5 != 0),
        index=rows,
    )


def pick(data: Batch, rows: Tensor) -> Batch:
    """Some rows of it."""
    return replace(data, **{k: v[rows] for k, v in vars(data).items() if isinstance(v, Tensor)})


def order(epoch: int) -> list[Tensor]:
    """Rows of an epoch's batches: nine of 4, one of 2."""
    return list((torch.arange(ROWS) * 7 + epoch).remainder(ROWS).split(BATCH))


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    """New tensors in double precision, as the golden figures."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def build(**overrides: Any) -> SETGF:
    values = METHODS.card("setgf").values("mosi", {**SMALL, **overrides})
    return SETGF(sizes=SIZES, hp=SETGF.hyperparameters(**values))


def train(method: SETGF, encoder: nn.Module, epochs: int = EPOCHS) -> list[dict[str, Any]]:
    """Epochs over `order`; what `GOLDEN` holds of each."""
    data = samples()
    (optimizer,) = method.optimizers(method.parameter_groups(encoder))
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    found = []
    for epoch in range(1, epochs + 1):
        losses: dict[str, float] = {}
        batches = order(epoch)
        for i, rows in enumerate(batches):
            step = Step(
                forward=lambda b: method(replace(b, text=encoder(b.text))),
                optimizers=[optimizer],
                parameters=parameters,
                progress=Progress(epoch=epoch, epochs=epochs, batch=i, batches=len(batches)),
            )
            for name, term in method.step(pick(data, rows), step).items():
                losses[name] = losses.get(name, 0.0) + term.item() * len(rows) / ROWS
        tables = method.tables
        row: dict[str, Any] = {"losses": list(losses.values())}
        row["steps"] = int(optimizer.state[parameters[-1]]["step"])
        if tables is not None:
            row["labels"] = tables.labels[1:].abs().mean(1).tolist()
            up, down = (centre.split(tables.widths) for centre in tables.centres)
            row["centres"] = [c.sum().item() for pair in zip(up, down, strict=True) for c in pair]
        found.append(row)
    return found


def norm(module: nn.Module) -> float:
    return nn.utils.parameters_to_vector(module.parameters()).norm().item()


def filled(**overrides: Any) -> tuple[SETGF, Encoder]:
    method, encoder = build(**overrides), Encoder()
    fill(method)
    fill(encoder)
    return method, encoder


@pytest.mark.parametrize("exclude_zero", [False, True])
def test_as_published_is_self_mms_training(exclude_zero: bool) -> None:
    method, encoder = filled(as_published=True, exclude_zero=exclude_zero)
    found, golden = train(method, encoder), GOLDEN[exclude_zero]
    for key in ("losses", "labels", "centres"):
        for epoch, expected in enumerate(golden[key], 1):
            assert found[epoch - 1][key] == pytest.approx(expected, abs=6e-9), (key, epoch)
    assert (norm(method), norm(encoder)) == pytest.approx(golden["norms"], abs=2e-9)


@pytest.mark.parametrize("change", [{"protect_heads": True}, {"clip_norm": 1.0}, {"step_on_remainder": True}])
def test_each_switch_departs_from_self_mm(change: dict[str, Any]) -> None:
    method, encoder = filled(as_published=True, **change)
    train(method, encoder)
    assert norm(method) != pytest.approx(GOLDEN[False]["norms"][0], abs=1e-6)


@pytest.mark.parametrize(("remainder", "steps"), [(False, 2), (True, 3)])
def test_batches_left_over_at_an_epochs_end(remainder: bool, steps: int) -> None:
    found = train(*filled(step_on_remainder=remainder), epochs=2)
    assert [row["steps"] for row in found] == [steps, 2 * steps]


def test_an_epoch_of_fewer_batches_than_are_summed_makes_one_step() -> None:
    found = train(*filled(accumulate=16), epochs=2)
    assert [row["steps"] for row in found] == [1, 2]


def test_unimodal_losses_are_zero_for_two_epochs() -> None:
    found = train(*filled(), epochs=3)
    assert [row["losses"][1:] for row in found[:2]] == [[0.0] * 3] * 2
    assert min(found[2]["losses"][1:]) > 0


def test_filling_tables_at_first_sight_equals_filling_them_before() -> None:
    lazy, before = filled(), filled()
    y, tables = samples().labels, before[0].tables
    tables.labels.copy_(y.expand(4, -1))
    # Self-MM's centres of epoch 1 count rows that were not seen yet, with features of 0
    tables.counts.copy_(torch.stack([(y >= 0).sum(), (y < 0).sum()])[:, None].expand(-1, 4))
    train(*lazy)
    train(*before)
    for (name, a), b in zip(lazy[0].state_dict().items(), before[0].state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def silent(dataset: str, protect: bool, steps: int) -> float:
    """Mean |w| of head T's first layer after steps with no gradient, at the real width and rates."""
    torch.set_default_dtype(torch.float32)
    sizes = InputSizes(
        text=(4, 768), audio=(7, 3), vision=(5, 4), task=Task(kind="regression"), train_samples=ROWS
    )
    values = METHODS.card("setgf").values(dataset, {"width": 8, "heads": 2, "protect_heads": protect})
    torch.manual_seed(1)
    method = SETGF(sizes=sizes, hp=SETGF.hyperparameters(**values))
    (optimizer,) = method.optimizers(method.parameter_groups(None))
    for p in method.heads["text"].parameters():
        p.grad = torch.zeros_like(p)
    for _ in range(steps):
        method.protect(optimizer, Progress(epoch=1, epochs=9, batch=0, batches=1))
        optimizer.step()
    return method.heads["text"].linear_1.weight.abs().mean().item()


@pytest.mark.parametrize(("dataset", "steps", "left"), [("mosi", 20, 5e-3), ("mosei", 254, 1e-6)])
def test_decay_shrinks_silent_heads_unless_they_are_protected(dataset: str, steps: int, left: float) -> None:
    start = silent(dataset, True, 0)
    assert start == pytest.approx(0.018, rel=0.02)
    assert silent(dataset, False, steps) < left
    assert silent(dataset, True, steps) == start


def test_decay_of_protected_heads_begins_with_their_losses() -> None:
    method, encoder = filled()
    (optimizer,) = method.optimizers(method.parameter_groups(encoder))
    decays = []
    for epoch in (1, 2, 3, 4):
        method.protect(optimizer, Progress(epoch=epoch, epochs=9, batch=0, batches=1))
        decays.append({group["name"]: group["weight_decay"] for group in optimizer.param_groups})
    assert [row.pop("heads") for row in decays] == [0, 0, 1e-3, 1e-3]
    assert decays == decays[:1] * 4


@pytest.mark.parametrize("protect", [True, False])
def test_parameter_groups_are_self_mms(protect: bool) -> None:
    method, encoder = build(protect_heads=protect), Encoder()
    groups = {group["name"]: group for group in method.parameter_groups(encoder)}
    names = ["encoder", "encoder_plain", "audio", "vision", "other"]
    assert sorted(groups) == sorted(names + ["heads"] * protect)
    assert [(groups[name]["lr"], groups[name]["weight_decay"]) for name in names] == [
        (5e-5, 1e-3),
        (5e-5, 0.0),
        (1e-3, 1e-2),
        (1e-4, 1e-3),
        (1e-3, 1e-3),
    ]
    assert [p.shape for p in groups["encoder"]["params"]] == [encoder.dense.weight.shape]
    assert len(groups["encoder_plain"]["params"]) == 3
    held = [id(p) for group in groups.values() for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in (*method.parameters(), *encoder.parameters()))


def test_human_labels_take_the_place_of_generated_ones() -> None:
    method = build(unimodal_labels="human")
    assert method.tables is None
    own = {name: torch.full((3,), value) for name, value in (("text", 0.5), ("audio", 1.0), ("vision", -1.0))}
    batch = replace(pick(samples(), torch.arange(3)), unimodal_labels=own)
    progress = Progress(epoch=1, epochs=9, batch=0, batches=1)
    output = method(batch)
    terms = method.losses(output, batch, progress)
    for name, label in own.items():
        weight = torch.tanh((label - batch.labels).abs())
        torch.testing.assert_close(terms[name], (weight * (output.extras[name] - label).abs()).mean())
    with pytest.raises(SpecError, match="needs labels of text, audio, vision"):
        method.losses(output, replace(batch, unimodal_labels={}), progress)


def test_without_unimodal_tasks_only_the_fused_score_is_trained() -> None:
    method, encoder = filled(unimodal_tasks=False)
    assert method.tables is None
    assert list(method.heads) == ["fusion"]
    found = train(method, encoder, epochs=1)
    assert len(found[0]["losses"]) == 1


@pytest.mark.parametrize(("bound", "expected"), [(0.0, 3.0), (1.5, 1.5)])
def test_the_bound_is_the_datasets_where_none_is_given(bound: float, expected: float) -> None:
    assert build(label_bound=bound).tables.bound == expected


def test_validation_loss_is_that_of_the_fused_score() -> None:
    method, encoder = filled()
    batch = samples()
    with torch.no_grad():
        output = method.eval()(replace(batch, text=encoder(batch.text)))
    loss = method.validation_loss(output, batch, Progress(epoch=5, epochs=9, batch=0, batches=0))
    torch.testing.assert_close(loss, (output.prediction - batch.labels).abs().mean())
