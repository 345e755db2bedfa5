"""Reaching a Ray cluster, or starting one on this machine: quietly, and in bounded time."""

from __future__ import annotations

import logging
import math
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msabench.engines.local import default_workers
from msabench.errors import SpecError

KNOCK_SECONDS = 5.0
TRIAL_SECONDS = 60.0
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
}
"""Ray's own switches: nothing is reported to anybody, nothing is said about coming versions"""
TOKEN, TOKEN_PATH, AUTH = "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"
_TRIAL = "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='ERROR')"


@contextmanager
def connected(address: str, cpus: float) -> Iterator[Any]:
    """The module `ray`, connected to a cluster; disconnected afterwards, unless it was before.

    Parameters
    ----------
    address
        `auto`, `host:port` or `ray://host:port`; empty starts a Ray of this machine's own.
    cpus
        Cores that a run needs; a Ray of this machine's own has at least these.

    Raises
    ------
    SpecError
        If Ray is not installed, or the cluster does not answer.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if address and _has_token():
        # a head that finds a token asks for it; a driver that is given an address sends none by itself
        os.environ.setdefault(AUTH, "token")
    try:
        import ray
    except ImportError as error:
        raise SpecError(
            "the engine 'ray' needs the package ray, which is not installed",
            fix='pip install "msabench[ray]"',
        ) from error
    if ray.is_initialized():
        yield ray
        return
    quietly = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address:
        check(address)
    else:
        cores = max(default_workers(0), math.ceil(cpus))
        quietly |= {"num_cpus": cores, "include_dashboard": False}
    try:
        ray.init(address=address or "local", **quietly)
    except Exception as error:
        raise _unreachable(address, str(error)) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def slots(ray: Any, cpus: float, gpus: float) -> int:
    """Runs that fit on the nodes of the cluster at once, by what the nodes have."""
    found = 0
    for node in ray.nodes():
        if node["Alive"]:
            has = node["Resources"]
            fits = int(has.get("CPU", 0) / cpus)
            if 0 < gpus < 1:  # a run's share is of one GPU
                fits = min(fits, int(has.get("GPU", 0)) * int(1 / gpus))
            elif gpus:
                fits = min(fits, int(has.get("GPU", 0) / gpus))
            found += fits
    return found


def check(address: str) -> None:
    """Connect in a process that can be given up: Ray itself waits for an address without end.

    Raises
    ------
    SpecError
        If it is no address, or nothing there answers as Ray does.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if address != "auto":
        if not (colon and host and port.isdecimal()):
            raise SpecError(
                f"'{address}' is no address of a Ray cluster", fix="auto, host:port, or ray://host:port"
            )
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise _unreachable(address, str(error)) from error
    try:
        trial = subprocess.run(
            [sys.executable, "-c", _TRIAL, address],
            capture_output=True,
            text=True,
            timeout=TRIAL_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise _unreachable(address, f"no answer in {TRIAL_SECONDS:g} s") from error
    if trial.returncode:
        said = trial.stderr.strip().splitlines()
        raise _unreachable(address, said[-1] if said else f"exit code {trial.returncode}")


def _has_token() -> bool:
    """Whether this machine knows the token of a cluster, at one of the places where Ray looks for it."""
    named = os.environ.get(TOKEN) or os.environ.get(TOKEN_PATH)
    return bool(named) or (Path.home() / ".ray" / "auth_token").is_file()


def _unreachable(address: str, why: str) -> SpecError:
    what = f"no Ray cluster answers at '{address}'" if address else "Ray does not start on this machine"
    fix = "ray status --address HOST:PORT on its head; without --address, msabench starts a Ray of its own"
    if address and not _has_token():
        fix = f"{fix}; if it asks for a token, {TOKEN} or ~/.ray/auth_token is where Ray looks for it"
    return SpecError(f"{what}: {why.strip().splitlines()[0] if why.strip() else 'no reason given'}", fix=fix)
