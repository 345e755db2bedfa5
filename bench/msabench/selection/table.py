"""Every rule by name, and how a rule's text (`valid_early_stop(8)`, `same-epoch:mae`) is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Literal

from msabench.errors import SpecError, unknown
from msabench.registry import METHODS
from msabench.run import RunRecord, RunSpec
from msabench.selection import reference, rules
from msabench.selection.curves import Evidence, Picks

EPOCH_SELECTION, CHOSEN_ON_TEST = "epoch_selection", "test"
"""Where the spec of an external run says how its authors chose the epoch, and the word for the worst way"""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """A rule that says which epoch a figure is taken from."""

    name: str
    title: str
    oracle: bool
    """Whether it looks at the test split to choose. For `as-published` true, as it may: `is_oracle` knows."""
    pick: Callable[..., Picks] | None
    """The rule itself; None for `as-published`, which stands for another rule"""
    takes: Literal["", "metric", "patience"] = ""
    """`metric`: as in `same-epoch:mae`; `patience`: as in `valid_early_stop(8)`; both may be left out"""
    doc: str = ""


@dataclass(frozen=True, kw_only=True)
class BoundRule:
    """A rule with its argument, ready to be applied."""

    selection: Selection
    pick: Callable[[Evidence], Picks]


def _ours(
    name: str,
    title: str,
    pick: Callable[..., Picks] | None,
    doc: str,
    *,
    oracle: bool = False,
    takes: Literal["", "metric"] = "",
) -> Selection:
    return Selection(name=name, title=title, oracle=oracle, pick=pick, takes=takes, doc=doc)


def _theirs(
    pick: Callable[..., Picks], title: str, *, oracle: bool = False, patience: bool = False
) -> Selection:
    return Selection(
        name=pick.__name__,
        title=title,
        oracle=oracle,
        pick=pick,
        takes="patience" if patience else "",
        doc=(pick.__doc__ or "").split("\n\n")[0].strip(),
    )


_ALL = (
    _ours(
        "same-epoch",
        "validation criterion",
        rules.same_epoch,
        "The epoch with the lowest validation criterion, or with `same-epoch:METRIC` the best METRIC on the "
        "validation split; all figures from that epoch.",
        takes="metric",
    ),
    _ours(
        "valid-per-metric",
        "per metric on validation",
        rules.valid_per_metric,
        "Each figure at the epoch where it is best on the validation split.",
    ),
    _ours(
        "best-epoch",
        "best test epoch per metric",
        rules.best_epoch,
        "Each figure at the epoch where it is best on the test split.",
        oracle=True,
    ),
    _ours(
        "best-epoch-joint",
        "best test epoch",
        rules.best_epoch_joint,
        "The epoch with the lowest test MAE, or the highest test accuracy; all figures from it.",
        oracle=True,
    ),
    _ours("last", "last epoch", rules.last, "The last epoch trained."),
    _ours(
        "as-published",
        "the method's own rule",
        None,
        "The rule that the method's card names.",
        oracle=True,
    ),
    _theirs(reference.valid_early_stop, "MMSA, Self-MM", patience=True),
    _theirs(reference.valid_strict, "MulT, MIB, MCL, R3DG, MLCL"),
    _theirs(reference.valid_latest, "HKT"),
    _theirs(reference.misa_patience, "MISA", patience=True),
    _theirs(reference.valid_gate_test_loss, "MMIM", oracle=True, patience=True),
    _theirs(reference.valid_gate_test_acc, "CMCBEP-CL", oracle=True, patience=True),
    _theirs(reference.test_best_per_metric, "ALMT, all epochs", oracle=True),
    _theirs(reference.test_best_per_metric_free, "LNLN", oracle=True),
    _theirs(reference.test_best_mae, "ALMT, one epoch", oracle=True),
    _theirs(reference.log_all, "MAG-BERT, LFMIM, R3DG on CHERMA", oracle=True),
    _theirs(reference.mhd_last, "MLCL on UR-FUNNY and MUStARD"),
    _theirs(reference.mhd_max, "MLCL on UR-FUNNY and MUStARD, maxima", oracle=True),
)

SELECTIONS: Mapping[str, Selection] = MappingProxyType({selection.name: selection for selection in _ALL})

_FORM = re.compile(r"(?P<name>[\w-]+)(?::(?P<metric>\w+)|\((?P<patience>\d+)\))?")


def bind(rule: str, method: str = "", dataset: str = "") -> BoundRule:
    """Read a rule's text.

    Parameters
    ----------
    rule
        A name of `SELECTIONS`, with its argument if it takes one: `same-epoch:METRIC`, `valid_early_stop(P)`.
    method, dataset
        Whose card to ask for `as-published`, and for which dataset: some methods have a rule for each.

    Raises
    ------
    SpecError
        If the rule is unknown, has an argument that it does not take, or is `as-published` and the method
        is not installed, or its card names no rule.
    """
    form = _FORM.fullmatch(rule.strip())
    name = form["name"] if form else rule
    if not form or name not in SELECTIONS:
        raise unknown("selection", name, SELECTIONS, "msabench list selections")
    selection = SELECTIONS[name]
    if selection.pick is None:
        return _published(rule, method, dataset)
    if form["metric"] is None and form["patience"] is None:
        return BoundRule(selection=selection, pick=selection.pick)
    if not selection.takes or form[selection.takes] is None:
        example = {"metric": f"{name}:mae", "patience": f"{name}(8)", "": name}[selection.takes]
        raise SpecError(f"the selection {name} cannot be written '{rule}'", fix=f"write it as in {example}")
    if selection.takes == "metric":
        return BoundRule(selection=selection, pick=partial(selection.pick, metric=form["metric"]))
    patience = int(form["patience"])
    if patience < 1:
        raise SpecError(f"`patience >= 1` must hold, but got '{rule}'")
    return BoundRule(selection=selection, pick=partial(selection.pick, patience=patience))


def is_oracle(rule: str, method: str = "", dataset: str = "") -> bool:
    """Whether a rule looks at the test split to choose; for `as-published`, whether the method's does.

    Raises
    ------
    SpecError
        As `bind`.
    """
    return bind(rule, method, dataset).selection.oracle


def bound(rule: str, spec: RunSpec) -> BoundRule:
    """`bind` for a run; external ones have no card, and `as-published` is what their import says.

    Raises
    ------
    SpecError
        As `bind`.
    """
    if spec.external and rule.strip() == "as-published":
        rule = str(spec.hyperparameters.get(EPOCH_SELECTION) or "same-epoch")
    return bind(rule, spec.method, spec.dataset)


def oracle_of(record: RunRecord, rule: str) -> bool:
    """Whether the epoch of a record's figures is chosen on the test split under a rule.

    Of an external result of one epoch only its import can know: it is where the authors said `test`.

    Raises
    ------
    SpecError
        As `bind`.
    """
    if record.chosen_outside:
        return record.spec.hyperparameters.get(EPOCH_SELECTION) == CHOSEN_ON_TEST
    return bound(rule, record.spec).selection.oracle


def _published(rule: str, method: str, dataset: str) -> BoundRule:
    if rule.strip() != "as-published":
        raise SpecError(f"as-published takes no argument, but got '{rule}'")
    if not method:
        raise SpecError("as-published depends on the method, and none is named")
    try:
        card = METHODS.card(method)
    except SpecError as error:
        raise SpecError(
            f"as-published needs the card of '{method}': {error.what}",
            where=error.where,
            fix="install the package that provides the method, or choose another selection",
        ) from error
    own = card.selection(dataset)
    if own.strip().startswith("as-published"):
        raise SpecError("a card's `as_published` must name another rule", where=str(card.path))
    try:
        return bind(own)
    except SpecError as error:
        raise SpecError(error.what, where=str(card.path), fix=error.fix) from error
