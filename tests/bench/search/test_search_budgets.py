"""Hours and pruning: what counts, what is chosen and what is said, from records alone."""

import itertools
from collections.abc import Sequence
from dataclasses import asdict, replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest

from msabench.errors import SpecError
from msabench.records import Store
from msabench.registry import METHODS
from msabench.report.blocks import RowTitle
from msabench.report.ledger import search_notes
from msabench.run import Budget, Failure, RunRecord, RunSpec, Task, Truths
from msabench.search import Ledger, Search, SearchSpec, read_ledgers, space_of, unequal, write_ledgers
from msabench.search.asking import Asking
from msabench.search.curve import expected_best
from msabench.search.optuna_journal import importances, suggest, write
from msabench.search.pruning import pace, pruned_at
from msabench.search.space import Choice, Space

CARD = METHODS.card("lf_dnn")
TRUTHS = Truths(
    valid_ids=np.array(["a"]), valid=np.array([0.5], np.float32),
    test_ids=np.array(["c"]), test=np.array([2.0], np.float32),
).without_test  # fmt: skip


def search(row: str = "", **spec: object) -> Search:
    made = SearchSpec(**{"trials": 8, **spec})  # type: ignore[arg-type]
    template = RunSpec(
        method="lf_dnn", method_version=CARD.version, hyperparameters=CARD.values("mosi:unaligned"),
        dataset="mosi:unaligned", data_kind="twin", data_hash="0" * 64, seed=made.seed, text_encoder="tiny",
        text_mode="frozen", track="trial", variant=row, budget=Budget(epochs=4),
    )  # fmt: skip
    return Search(template=template, space=space_of(CARD, "mosi:unaligned"), spec=made)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "search")


def train(
    run: RunSpec,
    store: Store,
    curve: Sequence[float],
    allowed: Sequence[float] = (),
    each: float = 900.0,
    **changes: Any,
) -> None:
    """Write the record that training under a pace leaves; an empty curve is a failure."""
    at = pruned_at(curve, allowed)
    kept = tuple(curve[: at or None])
    record = RunRecord(
        spec=run, status="failed", task=Task(kind="regression"), convention="mmsa",
        truths_hash=TRUTHS.fingerprint, failure=Failure(cause="nan", message="loss became nan"),
    )  # fmt: skip
    if kept:
        record = replace(
            record, status="finished", failure=None, valid_criterion=kept, seconds=(each,) * len(kept),
            stopped="pruned" if at else "epochs", valid_predictions=np.zeros((len(kept), 1), np.float32),
        )  # fmt: skip
    store.write(replace(record, **changes), TRUTHS)


def carry_out(made: Search, store: Store, curves: Sequence[Sequence[float]], *, last: bool = False) -> None:
    """Make all trials, one at a time: the first of those that are asked, or the last."""
    numbers = {made.run(made.space.configuration(i, made.spec.seed)).key: i for i in range(made.spec.trials)}
    asking = Asking([made], store)
    waiting = asking.more()
    while waiting:
        run = waiting.pop(-1 if last else 0)
        train(run, store, curves[numbers[run.key]], asking.pace(run.key), each=900.0)
        asking.ended(run.key)
        waiting += asking.more()


WARM = [(4, 3, 2, 1), (5, 4, 3, 2), (6, 5, 4, 3), (7, 6, 5, 4), (8, 7, 6, 5)]
LATER = [(9, 9, 3.5, 0.5), (9, 9, 4.5, 0.1), (9, 9, 4, 4)]
"""Of these the second is behind the warm-up's median of 4 at epoch 3, the last at epoch 4"""


@pytest.mark.parametrize("last", [False, True])
def test_pruning_is_the_same_whichever_trial_ends_first(store: Store, last: bool) -> None:
    made = search(prune="median")
    assert len(made.missing(store)) == 5, "the warm-up sets the pace"
    carry_out(made, store, [*WARM, *LATER], last=last)
    trials = made.trials(store)
    assert [trial.status for trial in trials] == ["finished"] * 6 + ["pruned"] * 2
    assert [trial.epochs for trial in trials] == [4, 4, 4, 4, 4, 4, 3, 4]
    assert made.chosen(store).number == 5, "what a pruned trial would have reached is not known"
    ledger = made.ledger(store)
    assert (ledger.trials, ledger.pruned, ledger.failed, ledger.epochs) == (8, 2, 0, 31)


def test_a_pruned_trial_is_never_chosen_and_counts_as_what_it_had_reached(store: Store) -> None:
    made = search(prune="median")
    carry_out(made, store, [*WARM, *[(9, 9, 9, 0)] * 3])
    assert made.chosen(store).number == 0
    assert [trial.value for trial in made.trials(store)[5:]] == [9, 9, 9]
    assert expected_best(made.trials(store))[-1].low == 1


def test_failures_set_no_pace_and_too_few_prune_nothing() -> None:
    assert pace([(3, 2), (2, 1)]) == ()
    assert pace([(5, 1), (4, 4, 4, 4), (3, 3, 3, 2)]) == (inf, inf, 3, 2), "the first stays at its best of 1"
    assert pruned_at([9, 9, 3, 2.5], (inf, inf, 3, 2)) == 4 and pruned_at([9, 9, 3, 2], (inf, inf, 3, 2)) == 0
    assert pace([(3, 2, 2, 1), (4, 4, 3, 3), (2, 5, 5, 4)]) == (inf, inf, 2, 2), "what each had reached"
    assert pruned_at([5, 4, 1, 3], (inf, inf, 2, 2)) == 0, "it has been better"
    assert pruned_at([9, 9, 3, 2, 2], (inf, inf, 3, 2)) == 0, "the last value holds from then on"


def test_a_warm_up_trial_made_again_makes_those_again_that_it_would_have_kept(store: Store) -> None:
    made = search(trials=6, prune="median")
    carry_out(made, store, [*WARM[:4], (), (9, 9, 3.8, 1)])
    assert made.trials(store)[5].status == "pruned", "against a median of 3.5"
    failed = frozenset(store.keys("failed"))
    asking = Asking([made], store, failed)
    (again,) = asking.more()
    assert again.key in failed and asking.more() == []
    train(again, store, WARM[4], (), each=900.0)
    asking.ended(again.key)
    (stale,) = asking.more()
    train(stale, store, (9, 9, 3.8, 1), asking.pace(stale.key), each=900.0)
    assert [trial.status for trial in made.trials(store)] == ["finished"] * 6, "the median is 4 now"


def test_what_a_trial_reached_after_it_would_have_been_ended_is_not_looked_at(store: Store) -> None:
    made = search(trials=6, prune="median")
    carry_out(made, store, [(), (), *WARM[2:], (9, 9, 4.5, 0.5)])
    assert made.chosen(store).number == 5, "against a median of 5 at epoch 3"
    for number in (0, 1):  # they failed, and are made again
        key = made.places(store)[number].run.key
        store.set_aside(key)
        train(made.run(made.space.configuration(number, made.spec.seed)), store, WARM[number])
    late = made.trials(store)[5]
    assert (late.status, late.value, late.curve) == ("pruned", 4.5, (9, 9, 4.5)), "against 4 now"
    assert late.epochs == 4 and made.ledger(store).epochs == 24, "that they were spent is not forgotten"
    assert made.chosen(store).number == 0


def test_setup_and_failures_count_against_the_hours(store: Store) -> None:
    made = search(trials=20, hours=2.4)
    first = made.missing(store)
    train(first[0].run, store, WARM[0][:1], each=600.0, setup_seconds=3000.0)
    train(first[1].run, store, (), seconds=(5400.0,), valid_criterion=(1.0,))
    train(first[2].run, store, WARM[0])
    assert [trial.number for trial in made.trials(store)] == [0, 1] and made.missing(store) == []
    ledger = made.ledger(store)
    assert (ledger.failed, ledger.epochs, ledger.seconds) == (1, 2, 9000.0)


def test_a_setting_that_is_sampled_twice_is_trained_and_paid_once(store: Store) -> None:
    space = Space(dimensions={"batch_size": Choice(values=(16, 32))}, published={"batch_size": 32})
    made = replace(search(trials=6, hours=1.0), space=space)
    assert len(made.missing(store)) == 2
    for place in made.missing(store):
        train(place.run, store, WARM[0][:1])
    ledger = made.ledger(store)
    assert (ledger.trials, ledger.repeated, ledger.epochs, ledger.seconds) == (6, 4, 2, 1800.0)


def test_trials_count_until_their_hours_are_spent_in_the_order_of_their_numbers(store: Store) -> None:
    made = search(trials=20, hours=2.5)
    first = made.missing(store)
    assert len(first) == 8, "some begin before any has shown how long it takes"
    for place in reversed(first):
        train(place.run, store, WARM[0], (), each=900.0)
    assert [trial.number for trial in made.trials(store)] == [0, 1, 2], "3 h: the third passed the limit"
    assert made.missing(store) == [] and made.chosen(store).number == 0
    ledger = made.ledger(store)
    assert (ledger.trials, ledger.seconds, ledger.cap) == (3, 3 * 3600.0, 20)


def test_trials_that_would_not_fit_are_not_begun(store: Store) -> None:
    made = search(trials=20, hours=4.5)
    train(made.missing(store)[0].run, store, WARM[0], (), each=900.0)
    assert [place.number for place in made.missing(store)] == [1, 2, 3, 4]
    with pytest.raises(SpecError, match="1 of 20 trials"):
        made.chosen(store)


def test_searches_of_unequal_budgets_are_told_apart(store: Store, tmp_path: Path) -> None:
    whole, limited = search(trials=6, hours=1.5), search("batch_size=7", trials=6, hours=1.5)
    carry_out(whole, store, [WARM[0]] * 6)
    carry_out(limited, store, [WARM[0][:1]] * 6)
    ledgers = [whole.ledger(store), limited.ledger(store)]
    assert [ledger.trials for ledger in ledgers] == [2, 6] and unequal(ledgers) == ""
    write_ledgers(tmp_path, ledgers)
    assert read_ledgers(tmp_path) == ledgers
    for name, value in {"hours": 2.0, "prune": "median", "seconds": 9.0, "epochs": 5, "seed": 1}.items():
        other = replace(ledgers[1], allowed={**ledgers[1].allowed, name: value})
        assert f"{name} {value}" in unequal([ledgers[0], other])
    before = {name: value for name, value in asdict(search_ledger()).items() if name != "allowed"}
    assert unequal([Ledger(**before), search_ledger()]) == "", "ledgers from before there were limits"


def test_a_ledger_from_before_there_were_limits_still_names_its_sampler_and_trials() -> None:
    old = replace(search_ledger(), allowed={})
    assert unequal([old, replace(old, row="tfn")]) == ""
    assert "8 tpe trials" in unequal([old, replace(old, row="tfn", sampler="tpe")])
    assert "9 qmc trials" in unequal([old, replace(old, row="tfn", trials=9)])


def test_ledgers_of_rows_that_were_searched_before_are_kept(tmp_path: Path) -> None:
    write_ledgers(tmp_path, [search_ledger(), replace(search_ledger(), row="tfn")])
    later = replace(search_ledger(), chosen=5)
    write_ledgers(tmp_path, [later])
    assert read_ledgers(tmp_path) == [later, replace(search_ledger(), row="tfn")]


def search_ledger() -> Ledger:
    return Ledger(
        row="lf_dnn", dataset="mosi:unaligned", sampler="qmc", trials=8, failed=1, repeated=0, epochs=20,
        pruned=2, seconds=40.0, chosen=3, allowed={"trials": 8, "sampler": "qmc", "epochs": 4},
    )  # fmt: skip


def test_the_note_under_a_tuned_table_counts_what_was_spent() -> None:
    frame = pd.DataFrame({"track": ["tuned"], "row": ["lf_dnn"], "dataset": ["mosi:unaligned"]})
    titles = {"lf_dnn": RowTitle(title="LF-DNN", reconstruction=False)}
    (note,) = search_notes(frame, [search_ledger()], titles, allow_unequal=False)
    assert "LF-DNN on mosi:unaligned 8 qmc trials (1 failed, 2 pruned), 20 epochs, 40 s" in note.text
    limited = replace(search_ledger(), allowed={"trials": 20, "hours": 2.0})
    (note,) = search_notes(frame, [limited], titles, allow_unequal=False)
    assert "8 of at most 20 qmc trials (1 failed, 2 pruned) within 2 h" in note.text
    assert "depends on the machine" in note.text


def test_the_journal_holds_states_and_values_of_every_epoch(store: Store, tmp_path: Path) -> None:
    made = search(prune="median")
    carry_out(made, store, [*WARM[:4], (), *LATER])
    path = write(tmp_path, [(made, made.trials(store))])
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    trials = optuna.load_study(study_name=made.name, storage=storage).trials
    assert [trial.state.name for trial in trials] == [
        *["COMPLETE"] * 4,
        "FAIL",
        "COMPLETE",
        "PRUNED",
        "PRUNED",
    ]
    assert trials[6].intermediate_values == {1: 9, 2: 9, 3: 4.5} and trials[6].value is None
    assert trials[0].intermediate_values == {1: 4, 2: 3, 3: 2, 4: 1}


def test_tpe_and_importances_take_pruned_trials(store: Store) -> None:
    made = search(trials=16, sampler="tpe", prune="median")
    curves = itertools.chain(WARM, itertools.cycle(LATER))
    asking = Asking([made], store)
    for curve in itertools.islice(curves, 16):
        (run,) = asking.more()
        train(run, store, curve, asking.pace(run.key), each=1.0)
        asking.ended(run.key)
    tried = made.trials(store)
    assert "pruned" in {trial.status for trial in tried}
    assert [suggest(made.space, tried[:n], made.spec.seed, n) for n in range(16)] == [t.values for t in tried]
    assert suggest(made.space, tried, 1, 16) != suggest(made.space, tried, 2, 16), "the seed has its say"
    assert sum(importances(made.space, tried).values()) == pytest.approx(1)
    assert importances(made.space, tried[:15]) == {}, "too few to say"


@pytest.mark.parametrize(
    ("spec", "words"),
    [({"hours": 0.0}, "hours > 0"), ({"hours": inf}, "hours > 0"), ({"prune": "halving"}, "none, median")],
)
def test_limits_that_make_no_sense_are_refused(spec: dict[str, object], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        search(**spec)
