"""Imported predictions put in the order of a dataset's split; whatever does not fit is named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from msabench.errors import DataError
from msabench.external.submission import Part
from msabench.external.target import Target
from msabench.run import Array, Task

SHOWN = 3
TRUTH_TOLERANCE = 1e-3
"""Labels in a text file are rounded"""


@dataclass(frozen=True, kw_only=True)
class Matched:
    """The predictions of one seed, in the order of the splits."""

    test: Array
    """(E, Nt[, C]) float32, finite"""
    valid: Array | None
    """(E, Nv[, C]) float32, finite; None where the file has none"""
    remarks: tuple[str, ...] = ()
    """What is odd, and no reason to refuse"""


def matched(parts: Sequence[Part], target: Target) -> Matched:
    """One seed's predictions.

    Raises
    ------
    DataError
        If ids are missing, unknown or there twice, in another split than said; the file's truths are not the
        dataset's; values are not finite or not what the task predicts; or epochs do not fit together.
    """
    expected = {"test": target.truths.test_ids, "valid": target.truths.valid_ids}
    index = {name: {str(each): i for i, each in enumerate(ids)} for name, ids in expected.items()}
    found, left_out = _sorted(parts, index, target)
    remarks = [f"{left_out} rows of the training split are left out"] if left_out else []
    made: dict[str, Array] = {}
    for split, part in found.items():
        order = _order(part, index[split], split, target)
        _check_truths(part, order, getattr(target.truths, split), split)
        made[split] = _outputs(part.rows(order), target.task)
    if "test" not in made:
        raise DataError(
            "the file has no predictions of the test split",
            where=parts[0].where if parts else "",
            fix="its ids must be those of the test split; msabench show lists a dataset's splits",
        )
    test, valid = made["test"], made.get("valid")
    if len(test) > 1 and valid is None:
        raise DataError(
            f"{len(test)} epochs come without predictions of the validation split: "
            "the epoch could be chosen on the test split alone",
            where=found["test"].where,
            fix="add those of the validation split, or import the one epoch that you chose",
        )
    if valid is not None and len(valid) != len(test):
        raise DataError(
            f"there are {len(test)} epochs of test predictions, but {len(valid)} of validation predictions",
            where=found["valid"].where,
            fix="give both splits of every epoch",
        )
    return Matched(test=test, valid=valid, remarks=(*remarks, *_odd(made, target.task)))


def _sorted(
    parts: Sequence[Part], index: Mapping[str, Mapping[str, int]], target: Target
) -> tuple[dict[str, Part], int]:
    """One part a split, and how many rows of the training split were left out."""
    where = parts[0].where if parts else ""
    wrong: list[str] = []
    unknown: list[str] = []
    rows: dict[str, list[tuple[Part, int]]] = {"test": [], "valid": []}
    left_out = 0
    for part in parts:
        for i, name in enumerate(part.ids.tolist()):
            split = next((split for split in index if name in index[split]), "")
            if part.split == "train" or (not split and name in target.train_ids):
                left_out += 1
            elif not split:
                unknown.append(name)
            elif part.split not in ("", split):
                wrong.append(f"'{name}' is said to be of {part.split}, and is of {split}")
            else:
                rows[split].append((part, i))
    if wrong:
        raise DataError(
            f"{len(wrong)} ids stand in another split: {_some(wrong)}",
            where=where,
            fix="mend the file's splits, or leave them out: ids tell which split a sample is of",
        )
    if unknown:
        own = [str(name) for name in target.truths.test_ids[:SHOWN]]
        raise DataError(
            f"{len(unknown)} of {sum(len(part.ids) for part in parts)} ids are of no evaluated split of "
            f"{target.dataset}{' (SYNTHETIC TWIN)' * (target.data_kind == 'twin')}: {_some(unknown)}",
            where=where,
            fix=f"its test ids are written {', '.join(own)}; another variant may have others (msabench show)",
        )
    joined = {
        split: _joined([(part, [i for p, i in held if p is part]) for part in parts])
        for split, held in rows.items()
        if held
    }
    return joined, left_out


def _joined(pieces: Iterable[tuple[Part, list[int]]]) -> Part:
    parts = [part.rows(np.array(rows)) for part, rows in pieces if rows]
    if len(parts) == 1:
        return parts[0]
    truths = [part.truths for part in parts]
    return Part(
        ids=np.concatenate([part.ids for part in parts]),
        values=np.concatenate([part.values for part in parts], axis=1),
        where=parts[0].where,
        truths=None
        if any(t is None for t in truths)
        else np.concatenate([t for t in truths if t is not None]),
    )


def _order(part: Part, index: Mapping[str, int], split: str, target: Target) -> Array:
    """Places in the part, in the order of the split."""
    counts = Counter(part.ids.tolist())
    twice = [name for name, count in counts.items() if count > 1]
    missing = [name for name in index if name not in counts]
    problems = []
    if twice:
        problems.append(f"{len(twice)} ids are there more than once: {_some(twice)}")
    if missing:
        problems.append(
            f"{len(missing)} of {len(index)} ids of the {split} split are missing: {_some(missing)}"
        )
    if problems:
        raise DataError(
            f"the predictions do not cover the {split} split of {target.dataset}: {'; '.join(problems)}",
            where=part.where,
            fix="give one prediction for each sample of the split; a file of several seeds needs a column "
            "'seed', one of several epochs is an .npz",
        )
    places = {name: i for i, name in enumerate(part.ids.tolist())}
    return np.array([places[name] for name in index], dtype=int)


def _check_truths(part: Part, order: Array, truths: Array, split: str) -> None:
    if part.truths is None:
        return
    given = part.truths[order]
    odd = np.flatnonzero(~(np.abs(given - truths) <= TRUTH_TOLERANCE))
    if len(odd):
        first = int(odd[0])
        raise DataError(
            f"{len(odd)} of {len(truths)} truths in the file are not those of the {split} split: "
            f"'{part.ids[order][first]}' is {given[first]:g} there, and {truths[first]:g} here",
            where=part.where,
            fix="these predictions were made for another version of the labels, or the ids are mixed up",
        )


def _outputs(part: Part, task: Task) -> Array:
    """(E, N) scores or logits, or (E, N, C) logits, as the task has them."""
    values = part.values
    if len(odd := np.argwhere(~np.isfinite(values))):
        epoch, row = int(odd[0][0]), int(odd[0][1])
        raise DataError(
            f"{len(odd)} predictions are not finite numbers",
            where=f"{part.where}, epoch {epoch + 1}, id '{part.ids[row]}'",
            fix="a result with gaps cannot stand beside whole ones: predict every sample",
        )
    if task.kind == "multiclass":
        return _class_logits(part, task.classes)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim == 3 and values.shape[2] == 2 and task.kind == "binary":
        values = values[..., 1] - values[..., 0]
    if values.ndim != 2:
        raise DataError(
            f"a {task.kind} task has one output a sample, but there are {values.shape[2]}",
            where=part.where,
            fix="give one column 'prediction'" + ", or 'logit_0' and 'logit_1'" * (task.kind == "binary"),
        )
    return (_binary_logits(part, values) if task.kind == "binary" else values).astype(np.float32)


def _binary_logits(part: Part, values: Array) -> Array:
    """Logits as they are; numbers of classes as logits of -1 and 1; what can be neither is refused."""
    if np.isin(values, (0, 1)).all():
        return 2 * values - 1
    if values.min() >= 0 and values.max() <= 1:
        raise DataError(
            "all predictions lie between 0 and 1, as probabilities do; "
            "a logit is expected, which is above 0 for class 1, or the class itself, 0 or 1",
            where=part.where,
            fix="give log(p / (1 - p)), or two columns 'logit_0' and 'logit_1'",
        )
    if values.min() >= 0 and (values == np.rint(values)).all():
        raise DataError(
            f"the classes of a binary task are 0 and 1, but the predictions go up to {values.max():g}",
            where=part.where,
            fix="number the classes from 0, or give logits",
        )
    return values


def _class_logits(part: Part, classes: int) -> Array:
    values = part.values
    if values.ndim == 3 and values.shape[2] == classes:
        return values.astype(np.float32)
    if values.ndim == 2 and (values == np.rint(values)).all() and 0 <= values.min() <= values.max() < classes:
        one_hot: Array = np.eye(classes, dtype=np.float32)[values.astype(int)]
        return one_hot
    raise DataError(
        f"a task of {classes} classes needs {classes} logits a sample, or the number of its class from 0",
        where=part.where,
        fix=f"name the columns 'logit_0' to 'logit_{classes - 1}', in the order of the classes' numbers",
    )


def _odd(made: Mapping[str, Array], task: Task) -> list[str]:
    """Values that no sound result would have."""
    remarks = []
    low, high = task.label_range
    room = high - low
    for split, values in made.items():
        if task.kind == "regression":
            far = (values < low - room) | (values > high + room)
            if far.any():
                remarks.append(
                    f"{int(far.sum())} predictions of the {split} split lie far outside the labels' range "
                    f"{low:g} to {high:g}, as {values[far][0]:g}: are they on another scale?"
                )
        same = values if task.kind == "regression" else _classes(values)
        if any((epoch == epoch[:1]).all() for epoch in same):
            one = f"all predictions of the {split} split are "
            one += "equal: correlations will be undefined" if task.kind == "regression" else "of one class"
            remarks.append(one if len(values) == 1 else f"in some epochs {one.partition(':')[0]}")
    return remarks


def _classes(values: Array) -> Array:
    """(E, N) numbers of the classes that logits stand for."""
    classes: Array = values.argmax(axis=2) if values.ndim == 3 else values > 0
    return classes


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return f"{shown}, …" if len(names) > SHOWN else shown
