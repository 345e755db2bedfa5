"""Which columns a convention's table has, and in which order: the field's own layout."""

from __future__ import annotations

from msabench.metrics import Convention, Metric
from msabench.report.table import Column

_DATASETS = ("mosi", "mosei", "sims", "simsv2", "ur_funny", "mustard", "cherma")


def columns_of(convention: Convention) -> tuple[Column, ...]:
    """What a convention's papers print, in their order, with `has0 / non0` pairs in one column."""
    by_key = {metric.key: metric for metric in convention.metrics}
    columns = []
    for key, metric in by_key.items():
        bare = key.removeprefix("has0_").removeprefix("non0_")
        pair = [by_key[name] for name in (f"has0_{bare}", f"non0_{bare}") if name in by_key]
        if len(pair) < 2:
            columns.append(column_of(metric))
        elif metric is pair[0]:
            columns.append(column_of(*pair))
    return tuple(columns)


def column_of(*metrics: Metric) -> Column:
    """The column of one metric, or of a `has0 / non0` pair."""
    first = metrics[0]
    label = first.label if len(metrics) == 1 else f"{_bare(first)} (has0/non0)"
    return Column(
        label=label, metrics=tuple(m.key for m in metrics), better=first.better, percent=first.percent
    )


def _bare(metric: Metric) -> str:
    """A pair names its halves once: `Acc-2 (has0)` and `has0 Acc-2` are both `Acc-2` here."""
    words = metric.label.replace("(", " ").replace(")", " ").replace(",", " ").split()
    return " ".join(word for word in words if word.lower() != "has0") or metric.label


def dataset_order(name: str) -> tuple[int, str]:
    """Sort key: the order in which papers list the datasets, then by name."""
    base = name.split(":")[0]
    return (_DATASETS.index(base) if base in _DATASETS else len(_DATASETS), name)
