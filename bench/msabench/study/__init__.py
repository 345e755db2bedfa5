"""A study: what one benchmark compares, frozen into its folder, and the runs it needs."""

from msabench.study.names import FIRST_SEED, checked_name, expand_datasets, expand_seeds
from msabench.study.planning import Plan, Skipped, freeze, plan, plan_line, write_plan
from msabench.study.remaining import Work, remaining
from msabench.study.searched import searched
from msabench.study.spec import StudySpec, read_study

__all__ = [
    "FIRST_SEED",
    "Plan",
    "Skipped",
    "StudySpec",
    "Work",
    "checked_name",
    "expand_datasets",
    "expand_seeds",
    "freeze",
    "plan",
    "plan_line",
    "read_study",
    "remaining",
    "searched",
    "write_plan",
]
