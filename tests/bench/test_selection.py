"""Epoch selection on records: every rule, ties, NaN epochs, oracle flags, errors."""

import doctest
import math
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import msabench.selection.curves
import msabench.selection.reference
from msabench.errors import MsabenchError, SpecError, unknown
from msabench.metrics import CONVENTIONS, score
from msabench.registry import METHODS
from msabench.run import Failure, RunRecord, RunSpec, Task, Truths
from msabench.selection import (
    SELECTIONS,
    Curves,
    bind,
    is_oracle,
    optimism,
    reference,
    scored,
    select,
    table,
)


def _record(*, epochs=6, convention="mmsa", method="somebody", seed=0, **changes):
    """A run whose predictions are random; `changes` replace fields of the record."""
    rng = np.random.default_rng(seed)
    if convention == "cherma":
        task = Task(kind="multiclass", classes=7, label_range=(0, 6))
        draw = lambda n: rng.integers(0, 7, n).astype(np.float32)  # noqa: E731
    else:
        task = Task(kind="regression")
        draw = lambda n: (rng.integers(-9, 10, n) / 3).astype(np.float32)  # noqa: E731
    width = () if task.kind == "regression" else (7,)
    truths = Truths(valid_ids=np.arange(20), valid=draw(20), test_ids=np.arange(30), test=draw(30))
    spec = RunSpec(
        method=method, method_version=1, hyperparameters={}, dataset="mosi:unaligned", data_kind="twin",
        data_hash="0", seed=seed, text_encoder="features", text_mode="frozen",
    )  # fmt: skip
    fields = {
        "spec": spec, "status": "finished", "task": task, "convention": convention,
        "truths_hash": truths.fingerprint, "truths": truths,
        "valid_loss": tuple(rng.random(epochs)), "valid_criterion": tuple(rng.random(epochs)),
        "valid_predictions": rng.normal(size=(epochs, 20, *width)).astype(np.float32),
        "test_predictions": rng.normal(size=(epochs, 30, *width)).astype(np.float32),
        "seconds": (1.0,) * epochs,
    }  # fmt: skip
    return RunRecord(**{**fields, **changes})


def _curves(loss=(), convention="mmsa", **test):
    return Curves(
        convention=CONVENTIONS[convention],
        valid_loss=np.array(loss, dtype=float),
        test_loss=np.array(test.pop("test_loss", ()), dtype=float),
        test={key: np.array(values, dtype=float) for key, values in test.items()},
    )


def _one(rule, curves):
    (epoch,) = set(bind(rule).pick(curves).values())
    return epoch


def test_same_epoch_takes_the_lowest_criterion_and_the_earlier_of_two():
    record = _record(epochs=4, valid_criterion=(0.5, 0.3, 0.3, math.nan), valid_loss=(0.1, 0.2, 0.3, 0.0))
    picks = select(record, "same-epoch", "mmsa")
    assert picks == {metric.key: 2 for metric in CONVENTIONS["mmsa"].figures}


def test_same_epoch_by_a_metric_takes_that_metrics_best_on_validation():
    record = _record()
    for metric in CONVENTIONS["mmsa"].figures:
        values = [score("mmsa", p, record.truths.valid)[metric.key] for p in record.valid_predictions]
        wanted = 1 + (np.argmin(values) if metric.better == "lower" else np.argmax(values))
        assert set(select(record, f"same-epoch:{metric.key}", "mmsa").values()) == {wanted}
        assert select(record, "valid-per-metric", "mmsa")[metric.key] == wanted


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000), epochs=st.integers(1, 7), convention=st.sampled_from(["mmsa", "sims", "mag"])
)
def test_best_epoch_is_the_best_there_is_and_joint_follows_mae(seed, epochs, convention):
    record = _record(seed=seed, epochs=epochs)
    figures = [score(convention, p, record.truths.test) for p in record.test_predictions]
    best = scored(record, "best-epoch", convention)
    for metric in CONVENTIONS[convention].figures:
        column = [row[metric.key] for row in figures]
        assert best[metric.key].value == pytest.approx(
            min(column) if metric.better == "lower" else max(column), abs=1e-12
        )
    joint = scored(record, "best-epoch-joint", convention)
    assert joint["mae"] == best["mae"]
    assert len({selected.epoch for selected in joint.values()}) == 1


@pytest.mark.parametrize("rule", [name for name in SELECTIONS if name != "as-published"])
@pytest.mark.parametrize("convention", ["mmsa", "sims", "cherma"])
def test_every_rule_gives_every_figure_the_score_of_its_epoch(rule, convention):
    record = _record(convention=convention)
    if rule == "test_best_mae" and convention == "cherma":
        with pytest.raises(SpecError, match="best-epoch-joint"):
            select(record, rule, convention)
        return
    picks, figures = select(record, rule, convention), scored(record, rule, convention)
    assert list(figures) == [metric.key for metric in CONVENTIONS[convention].figures]
    for key, (value, epoch) in figures.items():
        assert epoch == picks[key] and 1 <= epoch <= 6
        alone = score(convention, record.test_predictions[epoch - 1], record.truths.test)[key]
        assert value == pytest.approx(alone, abs=1e-12)


def test_joint_selection_of_classes_follows_accuracy():
    record = _record(convention="cherma")
    assert scored(record, "best-epoch-joint")["acc"] == scored(record, "best-epoch")["acc"]


def test_record_is_read_under_its_own_convention_by_default():
    assert set(select(_record(convention="sims"), "last")) == {m.key for m in CONVENTIONS["sims"].figures}


@pytest.mark.parametrize(
    "rule", [n for n in SELECTIONS if n not in ("last", "log_all", "mhd_last", "as-published")]
)
def test_an_epoch_of_nan_never_wins(rule):
    record = _record(epochs=3)
    broken = [0, 2]
    for predictions in (record.valid_predictions, record.test_predictions):
        predictions[broken] = np.nan
        predictions[0] = np.sign(record.truths.valid if len(predictions[0]) == 20 else record.truths.test)
        predictions[0, 0] = np.nan  # would win by accuracy, as mmsa counts a NaN as negative
    losses = (math.nan, 0.5, math.nan)
    record = _record(
        epochs=3, valid_predictions=record.valid_predictions, test_predictions=record.test_predictions,
        valid_loss=losses, valid_criterion=losses,
    )  # fmt: skip
    assert set(select(record, rule, "mmsa").values()) == {2}


def test_nothing_to_choose_from_gives_no_epoch_and_nan():
    record = _record(epochs=2, valid_criterion=(math.nan, math.nan), valid_loss=(math.nan, math.nan))
    for rule in ("same-epoch", "valid_strict", "valid_latest", "valid_early_stop", "misa_patience(1)"):
        assert select(record, rule, "mmsa") == {}
        assert all(math.isnan(v) and e == 0 for v, e in scored(record, rule, "mmsa").values())
    for rule in ("valid_gate_test_loss", "valid_gate_test_acc"):
        assert select(record, rule, "mmsa") == {}


def test_an_undefined_figure_is_absent_while_others_are_chosen():
    record = _record(epochs=2, test_predictions=np.ones((2, 30), np.float32))
    assert "corr" not in select(record, "best-epoch", "mmsa")
    assert math.isnan(scored(record, "same-epoch", "mmsa")["corr"].value)
    assert scored(record, "same-epoch", "mmsa")["mae"].epoch in (1, 2)


def test_optimism_is_positive_for_errors_and_accuracies_alike():
    record = _record(epochs=12)
    gaps = optimism(record, "mmsa")
    assert all(gap >= 0 for gap in gaps.values())
    best, honest = scored(record, "best-epoch", "mmsa"), scored(record, "same-epoch", "mmsa")
    assert gaps["mae"] == honest["mae"].value - best["mae"].value > 0
    assert gaps["acc7"] == best["acc7"].value - honest["acc7"].value


# -- the rules of the code bases, where the golden runs leave room -----------------------------------------


@pytest.mark.parametrize(
    ("rule", "loss", "epoch"),
    [
        ("valid_strict", [3, 1, 1, 2], 2),
        ("valid_latest", [3, 1, 1, 2], 3),
        ("valid_early_stop(2)", [3, 1, 2, 2, 0], 2),
        ("valid_early_stop(3)", [3, 1, 2, 2, 0], 5),
        ("valid_early_stop", [1.00004, 1.00001, 0.9999], 3),
        ("valid_early_stop", [1.00004, 1.00001], 1),  # equal after rounding
        ("misa_patience", [1, *[2] * 7, 0], 1),
        ("misa_patience", [1, *[2] * 6, 0], 8),
        ("misa_patience", [1, *[2] * 6, 1], 8),  # a tie is a record
        ("mhd_last", [1, 2, 3], 3),
        ("last", [1, 2, 3], 3),
    ],
)
def test_rules_that_read_the_validation_loss(rule, loss, epoch):
    assert _one(rule, _curves(loss)) == epoch


def test_test_loss_counts_only_among_validation_records():
    curves = _curves([5, 4, 6, 3], test_loss=[2, 1, 0, 1])
    assert _one("valid_gate_test_loss", curves) == 2
    assert _one("valid_gate_test_loss(1)", _curves([5, 6, 3], test_loss=[2, 1, 0])) == 1


def test_test_accuracy_counts_only_among_validation_records_and_a_tie_goes_to_the_later():
    curves = _curves([5, 4, 6, 3], non0_acc2=[0.5, 0.70001, 0.9, 0.70004])
    assert _one("valid_gate_test_acc", curves) == 4
    assert _one("valid_gate_test_acc", _curves([5, 4], non0_acc2=[0.8, 0.7])) == 1


def test_almt_takes_corr_from_the_last_mae_record_on():
    figures = {"mae": [0.9, 0.8, 0.85, 0.95], "corr": [0.9, 0.4, 0.6, 0.5]}
    assert bind("test_best_per_metric").pick(_curves([0] * 4, **figures)) == {"mae": 2, "corr": 3}
    assert bind("test_best_per_metric_free").pick(_curves([0] * 4, **figures)) == {"mae": 2, "corr": 1}


def test_almt_passes_over_an_undefined_corr():
    figures = {"mae": [0.9, 0.8, 0.85], "corr": [0.9, math.nan, 0.2]}
    assert bind("test_best_per_metric").pick(_curves([0] * 3, **figures))["corr"] == 3


def test_f1_travels_with_its_accuracy_in_almt_but_not_in_the_maxima_of_mlcl():
    curves = _curves([0] * 3, has0_acc2=[0.5, 0.7, 0.7], has0_f1=[0.9, 0.1, 0.8])
    assert bind("test_best_per_metric").pick(curves) == {"has0_acc2": 2, "has0_f1": 2}
    assert bind("mhd_max").pick(curves) == {"has0_acc2": 2, "has0_f1": 1}


def test_log_all_reads_the_summary_of_a_log():
    picks = bind("log_all").pick(_curves([0] * 3, convention="cherma", acc=[0.5, 0.7, 0.6]))
    assert picks == {"acc": 2, "macro_f1": 3, "weighted_f1": 3}


def test_test_loss_of_a_record_is_the_mae_of_scores():
    record = _record(epochs=5, valid_loss=(5.0, 4.0, 3.0, 2.0, 1.0))  # each epoch is a record
    by_mae = select(record, "best-epoch-joint", "mmsa")
    assert select(record, "valid_gate_test_loss", "mmsa") == by_mae


# -- names, flags, errors ----------------------------------------------------------------------------------


def test_the_table_of_selections():
    assert list(SELECTIONS)[:6] == [
        *("same-epoch", "valid-per-metric", "best-epoch", "best-epoch-joint", "last", "as-published")
    ]
    theirs = list(SELECTIONS)[6:]
    assert len(theirs) == 12
    for name, selection in SELECTIONS.items():
        assert selection.name == name and selection.title and selection.doc
    readers_of_test = {name for name in theirs if SELECTIONS[name].oracle}
    assert readers_of_test == {
        *("valid_gate_test_loss", "valid_gate_test_acc", "test_best_per_metric", "test_best_per_metric_free"),
        *("test_best_mae", "log_all", "mhd_max"),
    }


@pytest.mark.parametrize("rule", [n for n, s in SELECTIONS.items() if not s.oracle])
def test_a_rule_that_is_no_oracle_never_reads_test_figures(rule):
    record = _record()
    other = _record(test_predictions=np.roll(record.test_predictions, 2, axis=0) * 3)
    for text in (rule, "same-epoch:acc7"):
        assert select(record, text, "mmsa") == select(other, text, "mmsa")
    trial = _record(test_predictions=np.zeros((0, 0), np.float32))
    assert select(trial, rule, "mmsa") == select(record, rule, "mmsa")


def _cards(monkeypatch, more=types.MappingProxyType({}), **rules):
    def card(name):
        if name not in rules:
            raise unknown("method", name, rules)
        path = Path(f"{name}/card.toml")
        return replace(METHODS.card("lf_dnn"), name=name, as_published=rules[name], path=path, **more)

    monkeypatch.setattr(table, "METHODS", types.SimpleNamespace(card=card))


def test_as_published_asks_the_methods_card(monkeypatch):
    _cards(monkeypatch, almt="test_best_per_metric", lf_dnn="valid_early_stop(8)")
    for method, rule, oracle in [
        ("almt", "test_best_per_metric", True),
        ("lf_dnn", "valid_early_stop(8)", False),
    ]:
        record = _record(method=method)
        assert select(record, "as-published", "mmsa") == select(record, rule, "mmsa")
        assert is_oracle("as-published", method) is oracle


def test_as_published_may_be_another_rule_for_each_dataset(monkeypatch):
    rules = {"mosi": "test_best_mae", "mosi:mag": "last"}
    _cards(monkeypatch, {"selections": rules}, odd="valid_strict")
    for dataset, rule in {
        "mosi:mag": "last",
        "mosi:unaligned": "test_best_mae",
        "sims": "valid_strict",
    }.items():
        made = _record(method="odd")
        record = replace(made, spec=replace(made.spec, dataset=dataset))
        assert select(record, "as-published", "mmsa") == select(record, rule, "mmsa")
        assert is_oracle("as-published", "odd", dataset) is (rule == "test_best_mae")


def test_as_published_of_a_method_that_is_not_installed(monkeypatch):
    _cards(monkeypatch, almt="last")
    with pytest.raises(SpecError, match=r"as-published needs the card of 'almtt'.*did you mean 'almt'"):
        select(_record(method="almtt"), "as-published", "mmsa")
    with pytest.raises(SpecError, match="none is named"):
        is_oracle("as-published")


@pytest.mark.parametrize("rule", ["as-published", "valid_strickt", "last(3)"])
def test_a_card_with_a_wrong_rule_is_named(monkeypatch, rule):
    _cards(monkeypatch, odd=rule)
    with pytest.raises(SpecError, match=r"odd/card\.toml"):
        select(_record(method="odd"), "as-published", "mmsa")


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("same_epoch", "did you mean 'same-epoch'"),
        ("valid_strickt", "did you mean 'valid_strict'"),
        ("", "unknown selection"),
        ("same-epoch:maee", "did you mean 'mae'"),
        ("same-epoch(3)", "same-epoch:mae"),
        ("valid_early_stop:mae", r"valid_early_stop\(8\)"),
        ("valid_early_stop(0)", "patience >= 1"),
        ("valid_early_stop(x)", "unknown selection"),
        ("last(2)", "cannot be written"),
        ("as-published(2)", "takes no argument"),
    ],
)
def test_unknown_or_misused_rules(rule, says):
    with pytest.raises(SpecError, match=says):
        select(_record(), rule, "mmsa")


def test_records_that_cannot_be_read():
    failure = Failure(cause="nan", message="loss became nan in epoch 3")
    with pytest.raises(MsabenchError, match="loss became nan in epoch 3"):
        select(_record(status="failed", failure=failure), "last", "mmsa")
    with pytest.raises(MsabenchError, match="no epoch"):
        select(_record(epochs=0), "last", "mmsa")
    with pytest.raises(MsabenchError, match="truths"):
        select(_record(truths=None), "best-epoch", "mmsa")
    with pytest.raises(MsabenchError, match="validation criterion of 1"):
        select(_record(valid_criterion=(0.1,)), "same-epoch", "mmsa")
    with pytest.raises(MsabenchError, match="trial"):
        scored(_record(test_predictions=np.zeros((0, 0), np.float32)), "same-epoch", "mmsa")
    with pytest.raises(SpecError, match="did you mean 'mmsa'"):
        select(_record(), "last", "mmsaa")


def test_early_stop_tells_how_many_epochs_ran():
    assert reference.early_stop(np.array([1.0, 2.0, 2.0, 0.5]), 2) == (1, 3)
    assert reference.early_stop(np.array([1.0, 0.5]), 8) == (2, 2)


def test_doctests():
    for module in (msabench.selection.curves, msabench.selection.reference):
        assert doctest.testmod(module).failed == 0
