"""The values a convention is described by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from msabench.metrics.primitives import Figures
from msabench.run import Array, Task


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One figure of a convention."""

    key: str
    """Name in code, as in `has0_acc2`; figures with and without zero labels differ by the prefix alone"""
    label: str
    """Name in a table, as in `Acc-2 has0`"""
    better: Literal["higher", "lower"] = "higher"
    percent: bool = True
    """Whether papers print it times 100; values are fractions everywhere in code"""
    follows: str = ""
    """Key of the accuracy whose epoch this figure is taken from where a code base keeps the best accuracy
    and lets its F1 travel along"""
    doc: str = ""


@dataclass(frozen=True, kw_only=True)
class Convention:
    """A named set of metric definitions: how one code base scores a set of predictions."""

    name: str
    title: str
    tasks: tuple[str, ...]
    """Kinds of task it can score: `regression`, `binary`, `multiclass`"""
    datasets: tuple[str, ...]
    """Datasets that the code base scores with it, as its papers call them"""
    metrics: tuple[Metric, ...]
    """What a paper's table prints, in its order"""
    accuracy: str
    """Key of the accuracy that stands for the convention where a rule needs one"""
    compute: Callable[[Array, Array, Array | None], Figures]
    """(E, N) or (E, N, C) float32 predictions, (N,) truths, (R, N) weights or None to figures"""
    classes: int = 0
    """Logits per sample that it takes; 0 for any number, 1 for one output per sample"""
    extras: tuple[Metric, ...] = ()
    """What the code base computes beside, without printing it"""
    decimals: int | None = None
    """Places that the code base itself rounds to; None prints all"""
    refuses_nan: bool = False
    """Whether a NaN prediction leaves a set of predictions without any figure"""
    doc: str = ""

    @property
    def figures(self) -> tuple[Metric, ...]:
        """Everything that is computed: `metrics`, then `extras`."""
        return self.metrics + self.extras

    @property
    def headline(self) -> Metric:
        """The figure that judges an epoch as a whole: MAE where there is one, else the accuracy."""
        by_key = {metric.key: metric for metric in self.figures}
        return by_key.get("mae", by_key[self.accuracy])

    def takes(self, task: Task) -> bool:
        """Whether it can score predictions of this task: of its kind and, of classes, of their number."""
        return task.kind in self.tasks and (task.kind != "multiclass" or self.classes in (0, task.classes))

    def rounded(self, figures: Mapping[str, float | None]) -> dict[str, float | None]:
        """The printed figures, rounded as the code base rounds them.

        Parameters
        ----------
        figures
            As `score` gives them.
        """
        return {
            metric.key: value if value is None or self.decimals is None else round(value, self.decimals)
            for metric in self.metrics
            for value in (figures[metric.key],)
        }
