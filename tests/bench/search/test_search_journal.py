"""Optuna's journal mirrors the trials: whatever happens to it, a study goes on and no trial is lost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from msabench.registry import METHODS
from msabench.run import RunSpec
from msabench.search import Search, SearchSpec, Trial, optuna_journal, space_of
from msabench.search.optuna_journal import JOURNAL, join, mirror, write

CARD = METHODS.card("lf_dnn")


@pytest.fixture(scope="module")
def made() -> Search:
    spec = SearchSpec(trials=4)
    template = RunSpec(
        method="lf_dnn", method_version=CARD.version, hyperparameters=CARD.values("mosi:unaligned"),
        dataset="mosi:unaligned", data_kind="twin", data_hash="0" * 64, seed=spec.seed, text_encoder="tiny",
        text_mode="frozen", track="trial",
    )  # fmt: skip
    return Search(template=template, space=space_of(CARD, "mosi:unaligned"), spec=spec)


def trial(made: Search, number: int, **changes: Any) -> Trial:
    values = changes.pop("values", made.space.configuration(number, made.spec.seed))
    given = {"status": "finished", "value": 1.0 + number, "epochs": 2, "seconds": 3.0, **changes}
    return Trial(number=number, key=made.run(values).key, values=values, **given)


def held(folder: Path, made: Search) -> list[optuna.trial.FrozenTrial]:
    backend = optuna.storages.journal.JournalFileBackend(str(folder / JOURNAL))
    storage = optuna.storages.JournalStorage(backend)
    return optuna.load_study(study_name=made.name, storage=storage).trials


def cut_short(path: Path) -> None:
    """As a process leaves it that is killed while it writes."""
    path.write_bytes(path.read_bytes()[:-25])


def one_line_lost(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:1], b"{x\n", *lines[2:]]))


HARMS: dict[str, Callable[[Path], object]] = {
    "cut short": cut_short,
    "one line lost": one_line_lost,
    "zeros at its end": lambda path: path.write_bytes(path.read_bytes() + bytes(50)),
    "no text": lambda path: path.write_bytes(b"\x00\xff" * 200),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_journal_is_set_aside_and_made_anew(harm: str, made: Search, tmp_path: Path) -> None:
    trials = [trial(made, number) for number in range(3)]
    assert mirror(tmp_path, [(made, trials[:2])]) == ""
    HARMS[harm](tmp_path / JOURNAL)
    said = mirror(tmp_path, [(made, trials)])
    (aside,) = tmp_path.glob(f".damaged-{JOURNAL}-*")
    assert aside.name in said and "made anew" in said
    assert [each.value for each in held(tmp_path, made)] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_journal_stops_no_merge(harm: str, made: Search, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, [(made, [trial(made, 0)])])
    HARMS[harm](tmp_path / "a" / JOURNAL)
    (tmp_path / "out").mkdir()
    join(tmp_path / "out", [tmp_path / "a", tmp_path / "b"])
    assert mirror(tmp_path / "out", [(made, [trial(made, 0)])]) == "", "what it brought is sound"
    assert [each.value for each in held(tmp_path / "out", made)] == [1.0]


def test_a_lock_that_a_killed_process_left_is_waited_for_and_then_taken(
    made: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optuna_journal, "LOCKED", 3)
    (tmp_path / f"{JOURNAL}.lock").touch()
    assert mirror(tmp_path, [(made, [trial(made, 0)])]) == ""
    assert len(held(tmp_path, made)) == 1 and not (tmp_path / f"{JOURNAL}.lock").exists()


def test_a_trial_that_tries_another_setting_than_before_is_added(made: Search, tmp_path: Path) -> None:
    """As under TPE, where a trial made again changes what those after it try."""
    first = trial(made, 1)
    other = trial(made, 1, values=made.space.configuration(2, 9), value=0.5)
    for each in (first, other, other):
        write(tmp_path, [(made, [each])])
    assert [each.value for each in held(tmp_path, made)] == [2.0, 0.5]


def test_a_trial_that_failed_and_was_made_again_stands_there_as_both(made: Search, tmp_path: Path) -> None:
    failed = trial(made, 1, status="failed", value=float("inf"), cause="loss became nan")
    for each in (failed, trial(made, 1), trial(made, 1)):
        write(tmp_path, [(made, [each])])
    assert [each.state.name for each in held(tmp_path, made)] == ["FAIL", "COMPLETE"]


def test_a_setting_that_two_trials_sample_stands_there_for_both(made: Search, tmp_path: Path) -> None:
    values = made.space.configuration(3, 9)
    both = [trial(made, number, values=values) for number in (1, 2)]
    for trials in (both[:1], both, both):
        write(tmp_path, [(made, trials)])
    assert [each.user_attrs["msabench_trial"] for each in held(tmp_path, made)] == [1, 2]


def test_the_disk_refusing_is_not_mended_by_a_new_journal(made: Search, tmp_path: Path) -> None:
    (tmp_path / JOURNAL).mkdir()
    with pytest.raises(IsADirectoryError):
        mirror(tmp_path, [(made, [trial(made, 0)])])
    assert not list(tmp_path.glob(".damaged*"))
