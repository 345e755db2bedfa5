"""Checks of a method's card against its code. They train nothing."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any

from msabench.data.cards import DATASETS
from msabench.errors import SpecError
from msabench.method import Hyperparameters, InputForm, InputSizes
from msabench.metrics import CONVENTIONS
from msabench.registry import AS_PUBLISHED, NEEDS, MethodCard
from msabench.search import space_of
from msabench.selection import SELECTIONS
from msabench.testing.outcome import CheckFailed, attempting
from msabench.testing.subject import Subject
from msabench.testing.synthetic import TASKS

CITATION = ("title", "authors", "venue", "url")
ENCODER_WIDTH = 768


def card(subject: Subject) -> None:
    """The card says who made the method, what ours departs from, and where each published figure is from."""
    made = subject.card
    problems = [
        *_identity(subject),
        *(f"[citation] has no `{key}`" for key in CITATION if not made.citation.get(key)),
        *_reference(made),
        *_deviations(made),
        *_published(made),
    ]
    _refuse(problems, made, "a card that a reader can check the method by")


def hyperparameters(subject: Subject) -> None:
    """The card and the dataclass name the same hyperparameters, with values the dataclass accepts."""
    cls, made = subject.method.hyperparameters, subject.card
    if not is_dataclass(cls) or not issubclass(cls, Hyperparameters) or not _frozen(cls):
        raise CheckFailed(
            saw=f"`hyperparameters` is {cls!r}",
            expected="a frozen dataclass that extends msabench.method.Hyperparameters",
            cause="@dataclass(frozen=True, kw_only=True) is missing above the class",
        )
    declared = {field.name for field in fields(cls)}
    needed = {field.name for field in fields(cls) if _required(field)}
    given = made.hyperparameters.get("default", {})
    problems = [
        *(f"[hyperparameters.default] lacks `{name}`" for name in sorted(needed - set(given))),
        *(
            f"[{where}] has `{name}`, which {cls.__name__} does not"
            for where, name in _foreign(made, declared)
        ),
        *(
            f"[hyperparameters.{name}] is no dataset"
            for name in made.hyperparameters
            if not _is_dataset(name)
        ),
        *(f"the field `{name}` of {cls.__name__} has no docstring under it" for name in _undocumented(cls)),
    ]
    _refuse(problems, made, "one list of hyperparameters in card.toml and in the dataclass")
    for dataset in made.hyperparameters:
        with attempting(f"{cls.__name__} with [hyperparameters.{dataset}]"):
            subject.hp(dataset)
    _refuse(_search(made), made, "a search space around the published setting, for the equal-budget search")


def parameter_count(subject: Subject) -> None:
    """At each dataset's real sizes the network has as many parameters, fixed ones too, as the card says."""
    stated = subject.card.parameters
    if not stated:
        found = "; ".join(f"{name} = {_count(subject, name)}" for name in ("mosi", "mosei"))
        raise CheckFailed(
            saw="the card states no parameter count",
            expected="[parameters] in card.toml with a count per dataset, from the paper or the reference",
            cause=f"the section is missing; the network as it is has {found}",
        )
    for dataset, count in stated.items():
        if not _is_dataset(dataset):
            raise CheckFailed(
                saw=f"[parameters] names '{dataset}'",
                expected=f"a dataset that msabench knows: {', '.join(DATASETS)}",
                cause="a misspelt name",
            )
        actual = _count(subject, dataset)
        if actual != count:
            raise CheckFailed(
                saw=f"{actual:,} parameters for {dataset}, {actual - count:+,} against the card's {count:,}",
                expected="the card's count, without the text encoder",
                cause="a layer too many or too few, a bias that the reference does not have, a constant "
                "registered as a parameter, or hyperparameters in the card that belong to another dataset",
            )


def _identity(subject: Subject) -> list[str]:
    made, cls = subject.card, subject.method
    problems = []
    if made.name != subject.name:
        problems.append(f"name = '{made.name}', but the method is registered as '{subject.name}'")
    if not made.title:
        problems.append("title is empty")
    if made.version < 1:
        problems.append(f"version = {made.version}, but versions count from 1")
    if set(made.tasks) != set(cls.tasks):
        problems.append(f"tasks = {list(made.tasks)}, but {cls.__name__}.tasks is {list(cls.tasks)}")
    if not made.tasks or not set(made.tasks) <= set(TASKS):
        problems.append(f"tasks = {list(made.tasks)}, but known are {', '.join(TASKS)}")
    if set(made.needs) != set(cls.needs) or not set(made.needs) <= set(NEEDS):
        problems.append(
            f"needs = {list(made.needs)} and {cls.__name__}.needs is {list(cls.needs)}, "
            f"but both must name the same of {', '.join(NEEDS)}"
        )
    form = cls.inputs(subject.hp())
    if made.text != form.text:
        problems.append(f"text = '{made.text}', but {cls.__name__}.inputs asks for {form.text} text")
    for where, rule in {"as_published": made.as_published, **made.selections}.items():
        if rule.partition("(")[0] not in SELECTIONS:
            problems.append(f"{where} = '{rule}', but known selections are {', '.join(SELECTIONS)}")
    for dataset, convention in made.conventions.items():
        if convention not in CONVENTIONS:
            problems.append(
                f"[conventions] {dataset} = '{convention}', but known are {', '.join(CONVENTIONS)}"
            )
    problems += [
        f"[{table}] names '{dataset}', which is no dataset"
        for table, names in (("selections", made.selections), ("conventions", made.conventions))
        for dataset in names
        if dataset.partition(":")[0] not in DATASETS
    ]
    return problems


def _reference(made: MethodCard) -> list[str]:
    if made.reconstruction:
        return []  # there is no public code to refer to, and every table says so
    return [f"[reference] has no `{key}`" for key in ("repository", "commit") if not made.reference.get(key)]


def _deviations(made: MethodCard) -> Iterable[str]:
    values = made.hyperparameters.get("default", {})
    for number, deviation in enumerate(made.deviations, 1):
        if deviation.id != f"D{number}":
            yield f"deviation {number} has id = '{deviation.id}', but they count D1, D2, … without gaps"
        if not deviation.text.strip():
            yield f"deviation {deviation.id} has no text"
        if deviation.switch and deviation.switch not in values:
            yield f"deviation {deviation.id} has switch = '{deviation.switch}', which is no hyperparameter"


def _published(made: MethodCard) -> Iterable[str]:
    for figure in made.published:
        what = f"the published {figure.metric} = {figure.value} on {figure.dataset}"
        if not figure.source.strip():
            yield f"{what} has no source"
        if figure.dataset.partition(":")[0] not in DATASETS:
            yield f"{what} is on no dataset that msabench knows"
        elif not (figure.not_comparable or figure.withdrawn):
            name = made.convention(figure.dataset, DATASETS.resolve(figure.dataset)[0].convention)
            known = [metric.key for metric in CONVENTIONS[name].figures] if name in CONVENTIONS else []
            if figure.metric not in known:
                yield f"{what} is no figure of the convention {name}, and no `not_comparable` says why"
        for setting in set(figure.settings) - set(made.hyperparameters.get("default", {})):
            yield f"{what} has the setting `{setting}`, which is no hyperparameter"


def _required(field: Any) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _frozen(cls: type) -> bool:
    return bool(getattr(cls, "__dataclass_params__").frozen)  # noqa: B009 - typeshed does not know it


def _foreign(made: MethodCard, declared: set[str]) -> list[tuple[str, str]]:
    tables: dict[str, Mapping[str, Any]] = {
        **{f"hyperparameters.{name}": table for name, table in made.hyperparameters.items()},
        "search": made.search,
    }
    return [(where, name) for where, table in tables.items() for name in table if name not in declared]


def _search(made: MethodCard) -> list[str]:
    """What keeps the card's hyperparameters from being searched, on any dataset."""
    problems: dict[str, None] = {}
    for name, space in made.search.items():
        if "choices" in space and len(set(map(str, space["choices"]))) < 2:
            problems[f"[search] {name}: choices = {space['choices']} leave nothing to choose"] = None
    for dataset in (f"{each.name}:{variant}" for each in DATASETS.values() for variant in each.variants):
        try:
            space_of(made, dataset)
        except SpecError as error:
            # once, though several datasets may share the value
            problems.setdefault(error.what.replace(f" for {dataset}", ""), None)
    return [text.removeprefix(f"{made.name}: ") for text in problems]


def _undocumented(cls: type) -> list[str]:
    """Own fields of a dataclass that no string follows; none if the source is not at hand."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError, SyntaxError):
        return []
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    missing = []
    for statement, following in zip(body, [*body[1:], None], strict=True):
        documented = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and not documented:
            missing.append(statement.target.id)
    return missing


def _is_dataset(name: str) -> bool:
    return name in ("default", AS_PUBLISHED) or name.partition(":")[0] in DATASETS


def _count(subject: Subject, dataset: str) -> int:
    """Parameters at the sizes of a dataset; its text features are as wide as BERT-base if it has none."""
    plain = replace(subject, overrides={})
    hp = plain.hp(dataset)
    made, variant = DATASETS.resolve(dataset)
    form = subject.method.inputs(hp)
    task = made.task if made.task.kind in subject.method.tasks else TASKS[subject.method.tasks[0]]
    sizes = InputSizes(
        text=(max(1, variant.token_length), variant.text[1] or ENCODER_WIDTH),
        audio=_after(form, form.audio, variant.audio),
        vision=_after(form, form.vision, variant.vision),
        task=task,
        train_samples=made.sizes(variant).get("train", 1),
    )
    with attempting(f"building the method at the sizes of {dataset}"):
        method = subject.method(sizes=sizes, hp=hp)
    return sum(p.numel() for p in method.parameters())


def _after(form: InputForm, how: str, shape: tuple[int, int]) -> tuple[int, int]:
    length, width = shape
    if how == "mean" or not length:  # a card's length of 0 is not fixed
        return 1, width
    return min(length, form.frame_window) if form.frame_window else length, width


def _refuse(problems: list[str], made: MethodCard, expected: str) -> None:
    if problems:
        raise CheckFailed(
            saw="; ".join(problems), expected=expected, cause=f"to be mended in {made.path.name}"
        )


__all__ = ["card", "hyperparameters", "parameter_count"]
