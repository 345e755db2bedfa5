"""The battery: every check by name, and two ways to run them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from msabench.errors import unknown
from msabench.method import Method
from msabench.testing.checks import cards, network, training
from msabench.testing.outcome import CheckFailed, CheckResult, attempting
from msabench.testing.subject import Subject
from msabench.testing.subject import subject as find

Check = Callable[[Subject], None]

CHECKS: Mapping[str, Check] = {
    check.__name__: check
    for check in (
        cards.card,
        cards.hyperparameters,
        cards.parameter_count,
        network.shapes,
        training.loss_terms,
        network.gradient_reaches_parameters,
        network.gradient_reaches_modalities,
        network.evaluation,
        network.padding,
        training.labels,
        training.determinism,
        training.resume,
        training.overfits,
    )
}
"""What every method must pass, cheapest first. Iterating gives names, for `pytest.mark.parametrize`."""


def run_check(
    method: str | type[Method] | Subject, check: str, *, hyperparameters: Mapping[str, Any] | None = None
) -> None:
    """Run one check; returns if the method passes. Made to be the body of a test.

    Parameters
    ----------
    method
        A registered name, or a class whose `card.toml` lies beside its source file.
    check
        A name of `CHECKS`.
    hyperparameters
        Values that make a large method small; they are laid over the card's wherever the network is
        trained, but not where parameters are counted.

    Raises
    ------
    CheckFailed
        With what was seen, what was expected and what usually causes it. It is an `AssertionError`.
    SpecError
        If there is no such method or check.

    Examples
    --------
    >>> import pytest
    >>> from msabench.testing import CHECKS, run_check
    >>> @pytest.mark.parametrize("check", CHECKS)
    ... def test_method(check):
    ...     run_check("lf_dnn", check)
    """
    __tracebackhide__ = True  # pytest then points at the test, and prints the message alone
    if check not in CHECKS:
        raise unknown("check", check, CHECKS)
    under_test = find(method, overrides=hyperparameters)
    with _undisturbed(), attempting(f"the check '{check}'"):
        CHECKS[check](under_test)


def run_battery(
    method: str | type[Method] | Subject,
    *,
    checks: Iterable[str] | None = None,
    hyperparameters: Mapping[str, Any] | None = None,
    on_start: Callable[[str], None] | None = None,
) -> list[CheckResult]:
    """Run the battery, or the checks named, and report on each.

    Parameters
    ----------
    method, hyperparameters
        As for `run_check`.
    checks
        Names of `CHECKS`; None runs all.
    on_start
        Called with each check's name before it runs.

    Raises
    ------
    SpecError
        If there is no such method or check, or the method's card cannot be read.
    """
    names = list(CHECKS) if checks is None else list(checks)
    for name in names:
        if name not in CHECKS:
            raise unknown("check", name, CHECKS)
    under_test = find(method, overrides=hyperparameters)
    return [_timed(under_test, name, on_start) for name in names]


def _timed(under_test: Subject, name: str, on_start: Callable[[str], None] | None) -> CheckResult:
    if on_start:
        on_start(name)
    started, message = time.perf_counter(), ""
    try:
        run_check(under_test, name)
    except CheckFailed as failed:
        message = str(failed)
    seconds = time.perf_counter() - started
    return CheckResult(name=name, passed=not message, message=message, seconds=seconds)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """One thread, the fastest for small tensors and the same everywhere; the caller's generator is kept."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(threads)
