"""Every method that comes with msabench passes the battery."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from msabench.method import METHODS
from msabench.testing import CHECKS, run_check

OURS = [name for name in METHODS if METHODS.entry(name).module.startswith("msabench_methods.")]
SMALLER: Mapping[str, Mapping[str, Any]] = {
    "mlcl": {"width": 16, "heads": 4, "layers": 1, "cross_depth": 1, "learning_rate": 1e-3},
    "r3dg": {"width": 32, "heads": 4, "layers": 1, "learning_rate": 1e-3},
}
"""Hyperparameters of methods that take long at their own size, where they pass too"""


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", OURS)
def test_method(name: str, check: str) -> None:
    run_check(name, check, hyperparameters=SMALLER.get(name))
