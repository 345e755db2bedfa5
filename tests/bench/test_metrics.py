"""What holds of every convention, and what is refused."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import msabench.metrics
from msabench.errors import DataError, MsabenchError, SpecError
from msabench.metrics import CONVENTIONS, criterion, fitting, score, score_epochs
from msabench.run import Task

REGRESSION = [name for name, c in CONVENTIONS.items() if "regression" in c.tasks]
CLASSES = {"hkt": 1, "mhd": 2, "misa_humor": 2, "mustard": 2, "cherma": 7, "mmsa_cls": 3}
AWKWARD = st.sampled_from([0.0, -0.0, 0.5, -0.5, 1.5, 2.5, 3.0, -3.5, 0.1, -0.1, 0.7, 1e-30, float("inf")])


def _inputs(convention, seed=0, epochs=4, samples=40):
    rng = np.random.default_rng(seed)
    if convention in REGRESSION:
        return rng.normal(size=(epochs, samples)), rng.integers(-9, 10, samples) / 3
    classes = CLASSES[convention]
    shape = (epochs, samples) if classes == 1 else (epochs, samples, classes)
    return rng.normal(size=shape), rng.integers(0, max(classes, 2), samples)


def _same(convention, predictions, truths):
    together = score_epochs(convention, predictions, truths)
    for epoch, one in enumerate(predictions):
        alone = score(convention, one, truths)
        assert list(alone) == list(together)
        for key, value in alone.items():
            expected = np.nan if value is None else value
            assert together[key][epoch] == pytest.approx(expected, abs=1e-12, nan_ok=True), key


@settings(max_examples=60, deadline=None)
@given(data=st.data(), convention=st.sampled_from(REGRESSION))
def test_epochs_at_once_equal_one_by_one_for_scores(data, convention):
    epochs, samples = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 25))
    values = st.one_of(AWKWARD, st.floats(-4, 4, width=32))
    if not CONVENTIONS[convention].refuses_nan:
        values = st.one_of(values, st.just(float("nan")))
    predictions = data.draw(arrays(np.float32, (epochs, samples), elements=values))
    truths = data.draw(arrays(np.float32, samples, elements=st.floats(-3, 3, width=32)))
    _same(convention, predictions, truths)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), convention=st.sampled_from(sorted(CLASSES)))
def test_epochs_at_once_equal_one_by_one_for_classes(data, convention):
    epochs, samples, classes = (
        data.draw(st.integers(1, 4)),
        data.draw(st.integers(1, 25)),
        CLASSES[convention],
    )
    shape = (epochs, samples) if classes == 1 else (epochs, samples, classes)
    predictions = data.draw(arrays(np.float32, shape, elements=st.sampled_from([-1.0, 0.0, 1e-8, 2.0])))
    truths = data.draw(arrays(np.int64, samples, elements=st.integers(0, max(classes, 2) - 1)))
    _same(convention, predictions, truths)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_figures_do_not_depend_in_a_single_bit_on_the_epochs_beside_them(convention):
    # else a study's figures would depend on which epoch rules were asked for together
    predictions, truths = _inputs(convention, epochs=50, samples=687)
    together = score_epochs(convention, predictions.astype(np.float32), truths.astype(np.float32))
    for epochs in ([3], [3, 7, 9]):
        alone = score_epochs(convention, predictions[epochs].astype(np.float32), truths.astype(np.float32))
        for key, values in alone.items():
            np.testing.assert_array_equal(values, together[key][epochs], err_msg=key)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_perfect_predictions_score_best_and_order_does_not_matter(convention):
    predictions, truths = _inputs(convention)
    order = np.random.default_rng(1).permutation(len(truths))
    before = score(convention, predictions[0], truths)
    after = score(convention, predictions[0][order], truths[order])
    for key, value in before.items():
        assert after[key] == pytest.approx(value, abs=1e-6)
    if convention in REGRESSION:
        perfect = score(convention, truths, truths)
        for metric in CONVENTIONS[convention].figures:
            if metric.key != "f1_mixed":  # compares different classes on purpose
                assert perfect[metric.key] == pytest.approx(0 if metric.better == "lower" else 1)


@pytest.mark.parametrize("convention", CONVENTIONS.values(), ids=lambda c: c.name)
def test_description_is_complete(convention):
    keys = [metric.key for metric in convention.figures]
    predictions, truths = _inputs(convention.name)
    assert list(score(convention.name, predictions[0], truths)) == keys
    assert len(set(keys)) == len(keys)
    assert convention.accuracy in keys and convention.headline.key in ("mae", convention.accuracy)
    assert convention.doc and convention.datasets and convention.title
    for metric in convention.figures:
        assert metric.label and metric.doc
        assert metric.follows in ("", *keys)
        assert metric.percent == (metric.key not in ("mae", "corr"))
        assert (metric.better == "lower") == (metric.key == "mae")


def test_the_table_of_mosi_is_in_the_order_of_papers():
    assert [m.label for m in CONVENTIONS["mmsa"].metrics] == [
        *("Acc-7", "Acc-5", "Acc-2 has0", "Acc-2 non0", "F1 has0", "F1 non0", "MAE", "Corr")
    ]


def test_a_nan_prediction_is_negative_and_wrong_under_mmsa():
    figures = score("mmsa", [np.nan, 1.0, -1.0], [2.0, 1.0, -1.0])
    assert figures["has0_acc2"] == figures["non0_acc2"] == figures["acc7"] == pytest.approx(2 / 3)
    assert figures["mae"] is figures["corr"] is None
    assert score("mmsa", [np.nan, 1.0], [-2.0, 1.0])["has0_acc2"] == 1


@pytest.mark.parametrize("convention", ["sims", *CLASSES])
def test_a_nan_prediction_is_refused_by_sample_and_leaves_its_epoch_undefined(convention):
    predictions, truths = _inputs(convention)
    truths = np.clip(truths, -1, 1) if convention == "sims" else truths
    whole = score_epochs(convention, predictions, truths)
    predictions[2, 5] = np.nan
    with pytest.raises(DataError, match="sample 5"):
        score(convention, predictions[2], truths)
    for key, values in score_epochs(convention, predictions, truths).items():
        assert np.isnan(values[2])
        np.testing.assert_array_equal(np.delete(values, 2), np.delete(whole[key], 2))


def test_infinite_predictions_leave_what_they_spoil_undefined():
    figures = score("mmsa", [np.inf, -1.0], [3.0, -1.0])
    assert figures["acc7"] == 1 and figures["mae"] is None and figures["corr"] is None


@pytest.mark.parametrize("value", [0.1, -0.7, 1 / 3])
def test_corr_of_a_constant_is_undefined_even_if_its_mean_is_inexact(value):
    truths = np.linspace(-1, 1, 457)
    for convention in ("mmsa", "sims", "mag", "r3dg"):
        assert score(convention, np.full(457, value), truths)["corr"] is None


def test_one_negative_constant_on_ch_sims_gives_the_figures_of_a_collapsed_model():
    truths = np.array([-1.0] * 317 + [1.0] * 140)  # 317 of the 457 test labels are negative or 0
    figures = score("sims", np.full(457, -0.3), truths)
    assert round(100 * figures["acc2"], 2) == 69.37 and round(100 * figures["f1"], 2) == 56.82


def test_zero_predictions_on_the_mosi_like_split_show_how_far_conventions_part():
    zeros, truths = np.zeros(100), np.array([1.0] * 40 + [-1.0] * 50 + [0.0] * 10)
    assert score("mmsa", zeros, truths)["has0_acc2"] == pytest.approx(0.5)
    assert score("mmsa", zeros, truths)["non0_acc2"] == pytest.approx(50 / 90)
    assert score("mag", zeros, truths)["acc2"] == pytest.approx(40 / 90)
    assert score("mag", zeros, truths)["mae"] == 1.0
    assert score("mmsa", zeros, truths)["mae"] == pytest.approx(0.9)


@pytest.mark.parametrize("convention", ["mhd", "misa_humor", "mustard"])
def test_one_logit_reads_as_two(convention):
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=30).astype(np.float32), rng.integers(0, 2, 30)
    z[3] = 0.0
    assert score(convention, z, y) == score(convention, np.stack([np.zeros_like(z), z], axis=1), y)


@pytest.mark.parametrize(
    ("convention", "predictions", "truths", "says"),
    [
        ("mmsa", [1.0, 2.0], [1.0], "shape"),
        ("mmsa", [[1.0, 2.0]], [1.0], r"got \(1, 2\)"),
        ("mmsa", 1.0, [1.0], "one number"),
        ("mmsa", [1.0], 1.0, "truths must have the shape"),
        ("mmsa", [], [], "N >= 1"),
        ("mmsa", ["good"], [1.0], "numbers"),
        ("mmsa", [1.0], ["good"], "numbers"),
        ("mmsa", [1.0, 2.0], [1.0, np.nan], "sample 1"),
        ("sims", [1.0 + 0j], [1.0], "numbers"),
        ("hkt", [[1.0, 0.0]], [1], "hkt takes"),
        ("mhd", [[1.0, 0.0, 0.0]], [1], r"\(1, 2\)"),
        ("mmsa_cls", [[1.0, 0.0]], [1], r"\(1, 3\)"),
        ("cherma", [0.3], [1], r"\(1, C\)"),
        ("cherma", [[0.3]], [0], r"\(1, C\)"),
        ("hkt", [1.0], [2], "no class"),
        ("mhd", [[1.0, 0.0]], [0.5], "no class"),
        ("mhd", [[1.0, 0.0]], [-1], "no class"),
    ],
)
def test_wrong_inputs_are_refused(convention, predictions, truths, says):
    with pytest.raises(DataError, match=says):
        score(convention, predictions, truths)


def test_unknown_convention_suggests_the_nearest():
    with pytest.raises(SpecError, match="did you mean 'mmsa'"):
        score("mmsaa", [1.0], [1.0])


def test_no_epochs_give_empty_figures():
    assert all(values.shape == (0,) for values in score_epochs("mmsa", np.zeros((0, 3)), [1, 2, 3]).values())


def test_inputs_are_left_as_they_were():
    for convention in CONVENTIONS:
        predictions, truths = _inputs(convention)
        predictions[0, 0] = np.nan
        predictions, kept = predictions.astype(np.float32), predictions.astype(np.float32)
        score_epochs(convention, predictions, truths)
        np.testing.assert_array_equal(predictions, kept)


def test_fitting_goes_by_shape_and_truths():
    assert fitting([0.5, 2.0], [1.2, -3.0]) == tuple(n for n in REGRESSION if n != "sims")
    assert fitting([0.5, 2.0], [0.2, -1.0]) == tuple(REGRESSION)
    assert "sims" not in fitting([np.nan, 2.0], [0.2, -1.0])
    assert fitting([[0.0, 1.0]], [1]) == ("mhd", "misa_humor", "mustard", "cherma")
    assert "hkt" in fitting([np.nan, 0.0], [0, 1])


def test_criterion_is_mae_or_cross_entropy():
    assert criterion(Task(kind="regression"), [1.0, -1.0], [0.0, -1.0]) == 0.5
    assert criterion(Task(kind="binary"), [0.0, 1000.0], [0, 1]) == pytest.approx(np.log(2) / 2)
    three = Task(kind="multiclass", classes=3, label_range=(0, 2))
    assert criterion(three, np.zeros((4, 3)), [0, 1, 2, 0]) == pytest.approx(np.log(3))
    assert criterion(three, [[1000.0, 0.0, 0.0]], [0]) == 0
    assert np.isnan(criterion(Task(kind="regression"), [np.nan], [0.0]))
    for task, predictions, truths in [
        (Task(kind="regression"), [[1.0]], [1.0]),
        (Task(kind="binary"), [0.0], [2]),
        (three, [0.0], [2]),
    ]:
        with pytest.raises(MsabenchError):
            criterion(task, predictions, truths)


@pytest.mark.parametrize("name", [m.name for m in pkgutil.iter_modules(msabench.metrics.__path__)] + [""])
def test_doctests(name):
    module = importlib.import_module(f"msabench.metrics.{name}".rstrip("."))
    assert doctest.testmod(module).failed == 0


def test_every_convention_shows_an_example():
    for convention in CONVENTIONS.values():
        text = convention.compute.__doc__
        assert ">>>" in text and "github.com/" in text
