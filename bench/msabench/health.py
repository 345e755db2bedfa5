"""What this machine has and lacks for a benchmark, and what to do about it; `msabench doctor` prints it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal, get_args

from packaging.requirements import Requirement

from msabench.errors import MsabenchError

State = Literal["ok", "missing", "broken"]
_DEVELOPMENT = ("test", "lint")
_LITTLE_DISK_GIB = 2.0


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    section: str
    name: str
    state: State
    """`missing` is something that can be done without; `broken` stops a benchmark"""
    found: str
    """A version, a place, a size"""
    advice: str = ""
    """What to do; empty if nothing needs doing"""


def examine(data_root: Path, results_root: Path, tracking_uri: str | None = None) -> list[Check]:
    """Look at everything. Imports torch, to ask it for GPUs; reads no weights and no feature file."""
    checks = [*_software(), *_machine(results_root), _mlflow(results_root, tracking_uri)]
    return [*checks, *_methods(), *_datasets(data_root), *_encoders()]


def _software() -> Iterator[Check]:
    python = platform.python_version()
    old = sys.version_info < (3, 11)
    yield Check(
        section="software",
        name="python",
        state="broken" if old else "ok",
        found=python,
        advice="install Python 3.11 or newer" if old else "",
    )
    yield Check(section="software", name="msabench", state="ok", found=version("msabench"))
    for line in requires("msabench") or ():
        requirement = Requirement(line)
        extra = next((e for e in _extras(requirement) if e not in _DEVELOPMENT), "")
        if requirement.marker is None or extra:
            yield _package(requirement, extra)
    yield _torch()


def _extras(requirement: Requirement) -> list[str]:
    """The extras of msabench that ask for a requirement."""
    marker = str(requirement.marker or "")
    return [part.strip("'\" ") for part in marker.split("extra ==")[1:]]


def _package(requirement: Requirement, extra: str) -> Check:
    fix = f"pip install 'msabench[{extra}]'" if extra else f"pip install '{requirement}'"
    lack: State = "missing" if extra else "broken"
    name, optional = requirement.name, " (optional)" if extra else ""
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return Check(section="software", name=name, state=lack, found=f"not installed{optional}", advice=fix)
    if not requirement.specifier.contains(found, prereleases=True):
        found = f"{found}, but {requirement.specifier} is needed{optional}"
        return Check(section="software", name=name, state=lack, found=found, advice=fix)
    return Check(section="software", name=name, state="ok", found=f"{found}{optional}")


def _torch() -> Check:
    try:
        import torch

        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        gpus = [torch.cuda.get_device_properties(at) for at in range(count)]
        devices = [f"{gpu.name} ({gpu.total_memory / 2**30:.0f} GiB)" for gpu in gpus]
    except Exception as error:  # a torch that does not load fails in many ways
        why = str(error).strip().splitlines() or [type(error).__name__]
        fix = "install torch again, for this Python and this machine: https://pytorch.org/get-started"
        return Check(section="machine", name="device", state="broken", found=why[0], advice=fix)
    built = (
        f"torch is built for CUDA {torch.version.cuda}"
        if torch.version.cuda
        else "torch is built for the CPU"
    )
    found = ", ".join(devices) or f"CPU ({built}; no GPU in sight)"
    return Check(section="machine", name="device", state="ok", found=found)


def _machine(results_root: Path) -> Iterator[Check]:
    import psutil

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Check(section="machine", name="cores", state="ok", found=f"{usable} of {os.cpu_count()}")
    memory = psutil.virtual_memory()
    yield Check(
        section="machine",
        name="memory",
        state="ok",
        found=f"{memory.available / 2**30:.1f} GiB free of {memory.total / 2**30:.1f}",
    )
    root = results_root.resolve()
    place = next(folder for folder in (root, *root.parents) if folder.exists())
    yield _writable(root, place)
    free = shutil.disk_usage(place).free / 2**30
    little = free < _LITTLE_DISK_GIB
    yield Check(
        section="machine",
        name="disk",
        state="missing" if little else "ok",
        found=f"{free:.1f} GiB free below {place}",
        advice="make room, or give another --results-root: a run keeps the predictions of every epoch"
        if little
        else "",
    )


def _writable(root: Path, place: Path) -> Check:
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        return Check(
            section="machine",
            name="results root",
            state="broken",
            found=f"{root} cannot be written to: {error.strerror}",
            advice="give another --results-root, or set MSABENCH_RESULTS",
        )
    made = "" if root.exists() else " (made on first use)"
    return Check(section="machine", name="results root", state="ok", found=f"{root}{made}")


def _mlflow(results_root: Path, tracking_uri: str | None) -> Check:
    from msabench.tracking import Tracker

    try:
        tracker = Tracker(tracking_uri, results_root)
    except MsabenchError as error:
        return Check(section="machine", name="MLflow", state="missing", found=error.what, advice=error.fix)
    if problem := tracker.unreachable():
        fix = "runs are recorded all the same; `msabench sync` mirrors them once this is mended"
        return Check(section="machine", name="MLflow", state="missing", found=problem, advice=fix)
    return Check(section="machine", name="MLflow", state="ok", found=tracker.address)


def _methods() -> Iterator[Check]:
    from msabench.registry import METHODS

    for name in METHODS:
        try:
            title = METHODS.card(name).title
        except MsabenchError as error:
            found = f"{error.what} {error.where}".strip()
            fix = error.fix or "mend its card.toml, or uninstall the package that brings it"
            yield Check(section="methods", name=name, state="broken", found=found, advice=fix)
        else:
            yield Check(section="methods", name=name, state="ok", found=title)


def _datasets(data_root: Path) -> Iterator[Check]:
    from msabench.data import find
    from msabench.data.cards import DATASETS

    for each in DATASETS:
        try:
            card = DATASETS[each]
        except MsabenchError as error:  # of the user's own
            found = f"{error.what} {error.where}".strip()
            yield Check(section="datasets", name=each, state="broken", found=found, advice=error.fix)
            continue
        if card.embedded:
            yield Check(section="datasets", name=card.name, state="ok", found="made on first use")
            continue
        places = {name: find(f"{card.name}:{name}", data_root) for name in card.variants}
        for name, place in places.items():
            if place is not None:
                yield Check(section="datasets", name=f"{card.name}:{name}", state="ok", found=str(place))
        if not any(places.values()):
            fix = f"msabench show {card.name} says how to get it"
            fix += "; --twin runs without it" * card.has_twin(card.variant())
            looked = f"no file of any of its variants below {data_root}"
            yield Check(section="datasets", name=card.name, state="missing", found=looked, advice=fix)


def _encoders() -> Iterator[Check]:
    from msabench.data.types import Language
    from msabench.encoders import available

    seen = {}
    for language in get_args(Language):
        seen.update({status.name: status for status in available(language)})
    for status in seen.values():
        yield Check(
            section="text encoders",
            name=status.name,
            state="ok" if status.found else "missing",
            found=status.where if status.found else "not found",
            advice=status.advice,
        )
