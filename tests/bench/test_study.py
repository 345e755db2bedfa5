"""What a study is: names, seeds, frozen settings, and the runs it needs."""

from dataclasses import replace
from pathlib import Path

import pytest

from msabench.errors import MsabenchError, SpecError
from msabench.records import Store
from msabench.registry import METHODS
from msabench.run import Budget
from msabench.search import SearchSpec
from msabench.study import (
    StudySpec,
    expand_datasets,
    expand_seeds,
    freeze,
    plan,
    read_study,
)
from msabench.variants import expand_methods

DEMO = StudySpec(
    methods=("lf_dnn", "tfn"), datasets=("demo:unaligned",), seeds=(1, 2), text_encoder="tiny",
    budget=Budget(epochs=2),
)  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("1", (1111,)), ("5", tuple(range(1111, 1116))), ("3,4", (3, 4)), ("7-9", (7, 8, 9)), ("1111,", (1111,)),
     ("1111", (1111,)), ("1,1,2", (1, 2)), ("0,", (0,))],
)  # fmt: skip
def test_seeds_are_a_count_a_range_or_a_list(text: str, seeds: tuple[int, ...]) -> None:
    assert expand_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "x", "1-", "1.5", "-3", ",", "0", "00"])
def test_other_seeds_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(SpecError, match=r"seed"):
        expand_seeds(text)


def test_methods_expand_wildcards_and_hyphens() -> None:
    assert set(expand_methods("all")) >= {"almt", "lf_dnn", "tfn"}
    assert expand_methods("LF-DNN,tf*") == ("lf_dnn", "tfn")
    with pytest.raises(SpecError, match="did you mean 'almt'"):
        expand_methods("amlt")
    with pytest.raises(SpecError, match="did you mean 'mosi'"):
        expand_datasets("mosii")


def test_a_plan_has_a_run_for_each_method_dataset_and_seed(root: Path) -> None:
    made = plan(DEMO, root)
    assert [(r.method, r.dataset, r.seed) for r in made.runs] == [
        (m, "demo:unaligned", s) for m in ("lf_dnn", "tfn") for s in (1, 2)
    ]
    assert {r.data_kind for r in made.runs} == {"twin"}, "the demo is generated, and says so"
    assert len({r.key for r in made.runs}) == 4
    assert [r.key for r in plan(DEMO, root).runs] == [r.key for r in made.runs], "keys are stable"


def test_hyperparameters_come_from_the_card_and_brackets_override_them(root: Path) -> None:
    runs = plan(replace(DEMO, methods=("lf_dnn", "lf_dnn[learning_rate=0.5]"), seeds=(1,)), root).runs
    assert runs[0].hyperparameters["learning_rate"] != 0.5
    assert runs[1].hyperparameters == {**runs[0].hyperparameters, "learning_rate": 0.5}
    assert runs[1].row == "lf_dnn[learning_rate=0.5]"
    for row, words in {
        "lf_dnn[learning_rat=1]": "did you mean 'learning_rate'",
        "lf_dnn[batch_size=big]": "takes a whole number",
        "lf_dnn[": "form",
    }.items():
        with pytest.raises(SpecError, match=words):
            plan(replace(DEMO, methods=(row,)), root)


def test_missing_data_says_where_it_was_looked_for_and_how_to_go_on(root: Path) -> None:
    with pytest.raises(MsabenchError) as error:
        plan(replace(DEMO, datasets=("mosi:unaligned",)), root)
    text = str(error.value)
    assert str(root) in text and "unaligned_50.pkl" in text and "--twin" in text


def test_a_study_is_frozen_grows_and_refuses_other_conditions(root: Path, tmp_path: Path) -> None:
    made = plan(DEMO, root)
    freeze(made, tmp_path)
    assert read_study(tmp_path / "study.toml") == replace(DEMO, name=DEMO.folder)
    freeze(plan(replace(DEMO, seeds=(3,)), root), tmp_path)
    assert read_study(tmp_path / "study.toml").seeds == (1, 2, 3)
    assert len(Store(tmp_path).planned()) == 6
    for change in ({"text_encoder": "features"}, {"budget": Budget(epochs=3)}):
        with pytest.raises(SpecError, match="could not be compared"):
            freeze(plan(replace(DEMO, **change), root), tmp_path)  # type: ignore[arg-type]
    assert read_study(tmp_path / "study.toml").text_encoder == "tiny"


def test_a_study_without_a_name_takes_one_from_its_conditions() -> None:
    assert DEMO.folder.startswith("demo-")
    assert replace(DEMO, budget=Budget(epochs=9)).folder != DEMO.folder
    assert replace(DEMO, seeds=(1, 2, 3)).folder == DEMO.folder, "more seeds are the same study"


@pytest.mark.parametrize(
    ("change", "words"),
    [({"seeds": ()}, "seeds"), ({"methods": ("tfn", "tfn")}, "twice"), ({"scale": 0.5}, "twin"),
     ({"twin": True, "scale": 2.0}, "scale"), ({"budget": Budget(epochs=0)}, "epochs"),
     ({"name": "a/b"}, "folder")],
)  # fmt: skip
def test_contradictions_are_refused_at_construction(change: dict[str, object], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        replace(DEMO, **change)  # type: ignore[arg-type]


def test_limits_are_kept_in_the_study_file_and_their_absence_leaves_no_trace(tmp_path: Path) -> None:
    plain = replace(DEMO, tracks=("tuned",), search=SearchSpec(trials=3))
    assert not any(word in plain.to_toml() for word in ("seconds", "hours", "prune"))
    assert plain.folder == "demo-194e40", "as before there were limits"
    limited = replace(
        plain,
        budget=Budget(epochs=2, seconds=30.0),
        search=SearchSpec(trials=3, hours=0.5, prune="median"),
        name="s",
    )
    (tmp_path / "study.toml").write_text(limited.to_toml())
    assert read_study(tmp_path / "study.toml") == limited
    with pytest.raises(SpecError, match="seconds > 0"):
        replace(DEMO, budget=Budget(seconds=-1.0))


@pytest.mark.parametrize(
    ("text", "words"),
    [("methods = [", "cannot be read"), ('metods = ["tfn"]', "did you mean 'methods'"),
     ("seeds = [1]", "needs"), ('methods=["tfn"]\ndatasets=["demo"]\nseeds=3', "form")],
)  # fmt: skip
def test_a_study_file_with_a_mistake_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "study.toml"
    path.write_text(text)
    with pytest.raises(SpecError, match=words) as error:
        read_study(path)
    assert str(path) in str(error.value)


def test_missing_runs_are_those_without_a_record(root: Path, tmp_path: Path) -> None:
    made = plan(DEMO, root)
    assert made.missing(Store(tmp_path)) == list(made.runs)


def test_two_rows_with_equal_settings_are_one_run(root: Path) -> None:
    own = METHODS.card("lf_dnn").values("demo")["batch_size"]
    same, other = f"lf_dnn[batch_size={own}]", "lf_dnn[batch_size=7]"
    made = plan(replace(DEMO, methods=(same, "lf_dnn", other)), root)
    assert {run.row for run in made.runs} == {"lf_dnn", other}
    assert [(skip.method, skip.dataset) for skip in made.skipped] == [(same, "demo:unaligned")]
    assert "the same run as lf_dnn" in made.skipped[0].reason and not made.notes
    alone = plan(replace(DEMO, methods=(same,)), root)
    assert {run.row for run in alone.runs} == {same}
    assert alone.notes == (f"{same} is lf_dnn on demo:unaligned: the card has these values already",)


def test_a_method_that_needs_labels_per_modality_is_left_out_where_there_are_none(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = replace(METHODS.card("lf_dnn"), needs=("unimodal_labels",))
    monkeypatch.setattr(type(METHODS), "card", lambda self, name: card)
    made = plan(replace(DEMO, methods=("lf_dnn",), datasets=("mosi:unaligned", "sims:unaligned"), twin=True,
                        scale=0.01), root)  # fmt: skip
    assert {run.dataset for run in made.runs} == {"sims:unaligned"}
    assert [skip.reason for skip in made.skipped] == [
        "needs labels per modality, which CMU-MOSI does not have"
    ]
