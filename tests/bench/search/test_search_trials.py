"""What a search chooses and what it says it has spent, from records alone."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest

from msabench.errors import SpecError
from msabench.records import Store
from msabench.registry import METHODS
from msabench.run import Failure, RunRecord, RunSpec, Task, Truths
from msabench.search import Search, SearchSpec, space_of
from msabench.search.optuna_journal import importances, suggest, write

CARD = METHODS.card("lf_dnn")
TRUTHS = Truths(
    valid_ids=np.array(["a", "b"]), valid=np.array([0.5, 1.0], np.float32),
    test_ids=np.array(["c"]), test=np.array([2.0], np.float32),
)  # fmt: skip
Record = Callable[[int, float | None], None]


def search(trials: int = 4, sampler: str = "qmc") -> Search:
    spec = SearchSpec(trials=trials, sampler=sampler)  # type: ignore[arg-type]
    template = RunSpec(
        method="lf_dnn", method_version=CARD.version, hyperparameters=CARD.values("mosi:unaligned"),
        dataset="mosi:unaligned", data_kind="twin", data_hash="0" * 64, seed=spec.seed, text_encoder="tiny",
        text_mode="frozen", track="trial",
    )  # fmt: skip
    return Search(template=template, space=space_of(CARD, "mosi:unaligned"), spec=spec)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "search")


def record(made: Search, store: Store, number: int, value: float | None) -> None:
    """Write trial `number`: two epochs of which the second reaches `value`, or a failure."""
    spec = made.places(store)[number].run
    kept = RunRecord(
        spec=spec, status="failed", task=Task(kind="regression"), convention="mmsa",
        truths_hash=TRUTHS.without_test.fingerprint, failure=Failure(cause="nan", message="loss became nan"),
    )  # fmt: skip
    if value is not None:
        kept = replace(
            kept, status="finished", failure=None, valid_criterion=(value + 1, value), seconds=(1.0, 2.0),
            valid_predictions=np.zeros((2, 2), np.float32),
        )  # fmt: skip
    store.write(kept, TRUTHS.without_test)


def test_the_lowest_validation_value_is_chosen_and_of_equal_ones_the_first(store: Store) -> None:
    made = search()
    for number, value in enumerate([0.9, 0.7, 0.7, None]):
        record(made, store, number, value)
    assert made.chosen(store).number == 1
    ledger = made.ledger(store)
    assert (ledger.trials, ledger.failed, ledger.epochs, ledger.seconds) == (4, 1, 6, 9.0)


def test_a_trial_is_worth_its_best_epoch_wherever_that_was(store: Store) -> None:
    made = search(2)
    record(made, store, 0, 0.8)
    record(made, store, 1, None)
    spec = made.places(store)[1].run
    first = store.get(made.places(store)[0].run.key, arrays=False)
    early = replace(
        first, spec=spec, valid_criterion=(0.5, 0.9), valid_predictions=np.zeros((2, 2), np.float32)
    )
    store.write(early, TRUTHS.without_test)
    assert made.chosen(store).number == 1 and made.chosen(store).value == 0.5


def test_a_failed_trial_is_a_failure_and_never_a_bad_score(store: Store) -> None:
    made = search(2)
    for number in range(2):
        record(made, store, number, None)
    with pytest.raises(SpecError, match=r"every trial .* failed: loss became nan"):
        made.chosen(store)


def test_an_unfinished_search_chooses_nothing(store: Store) -> None:
    made = search(3)
    record(made, store, 0, 0.5)
    assert len(made.missing(store)) == 2
    with pytest.raises(SpecError, match="1 of 3 trials"):
        made.chosen(store)


def test_tpe_waits_for_results_and_goes_on_the_same_way(store: Store, tmp_path: Path) -> None:
    made = search(8, "tpe")
    for number in range(8):
        assert len(made.missing(store)) == 1, "one at a time"
        record(made, store, number, 1 / (1 + number))
    assert made.missing(store) == [] and made.chosen(store).number == 7
    tried = made.trials(store)
    assert [suggest(made.space, tried[:n], made.spec.seed, n) for n in range(8)] == [t.values for t in tried]
    assert len({trial.key for trial in tried}) > 5
    CARD_TYPES = {name: type(value) for name, value in CARD.values("mosi:unaligned").items()}
    assert all(type(v) is CARD_TYPES[name] for trial in tried for name, v in trial.values.items())


def test_the_journal_holds_every_trial_once_for_optunas_own_tools(store: Store, tmp_path: Path) -> None:
    made = search(4)
    for number, value in enumerate([0.9, None, 0.8]):
        record(made, store, number, value)
    for _ in range(2):
        path = write(tmp_path, [(made, made.trials(store))])
    record(made, store, 3, 0.1)
    write(tmp_path, [(made, made.trials(store))])
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    study = optuna.load_study(study_name="lf_dnn on mosi:unaligned", storage=storage)
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert study.best_value == 0.1 and study.best_trial.user_attrs["msabench_trial"] == 3
    assert study.trials[0].params["learning_rate"] == CARD.values("mosi:unaligned")["learning_rate"]


def test_the_hyperparameter_that_decides_is_the_important_one(store: Store) -> None:
    made = search(48)
    for place in made.places(store):
        record(made, store, place.number, abs(np.log10(place.values["learning_rate"]) + 3))
    found = importances(made.space, made.trials(store))
    assert max(found, key=lambda name: found[name]) == "learning_rate"
    assert sum(found.values()) == pytest.approx(1)
    assert importances(made.space, made.trials(store)[:5]) == {}, "too few to say"
