"""Memory and cores that this machine lends: what its container allows counts, not only what it has."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

_CGROUPS = Path("/sys/fs/cgroup")
_MEMORY = (
    # limit, use, and what of the use is files that the system gives back: cgroup v2, then v1
    (_CGROUPS, "memory.max", "memory.current", "inactive_file"),
    (_CGROUPS / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
_KILLS = Path("/proc/vmstat")
_LENT = "SLURM_CPUS_ON_NODE"
"""Cores of the job that this process runs in; not every cluster binds processes to them"""


def free_memory() -> int:
    """Bytes that processes of this machine may still fill: its free memory, or less if a cgroup says so."""
    free = int(psutil.virtual_memory().available)
    for root, limit, used, given_back in _MEMORY:
        for folder in _cgroups(root):
            with suppress(OSError, ValueError):  # absent, or 'max'
                allowed = int((folder / limit).read_text())
                cached = _counter(folder / "memory.stat", given_back)
                free = min(free, max(0, allowed - int((folder / used).read_text()) + cached))
    return free


def oom_kills() -> int:
    """Processes that the system has killed for memory, in cgroups too; 0 where it does not say."""
    return _counter(_KILLS, "oom_kill")


def cores() -> int:
    """Cores that this process may use: those it is bound to, or fewer if a cgroup or SLURM says so."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for folder in _cgroups(_CGROUPS):
        with suppress(OSError, ValueError):  # absent, or 'max'
            quota, period = (folder / "cpu.max").read_text().split()
            bound = min(bound, math.ceil(int(quota) / int(period)))
    for folder in _cgroups(_CGROUPS / "cpu"):
        with suppress(OSError):
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
            bound = min(bound, math.ceil(int(quota) / int(period)) if int(quota) > 0 else bound)
    with suppress(KeyError, ValueError):
        bound = min(bound, int(os.environ[_LENT]))
    return max(1, bound)


def _cgroups(root: Path) -> Iterator[Path]:
    """This process's group below a hierarchy's root, and all groups above it: the tightest limit holds."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    kind = "" if root == _CGROUPS else root.name  # as in `4:cpu,cpuacct:/path`, and `0::/path` of v2
    found = (path for _, kinds, path in (x.split(":", 2) for x in lines) if kind in kinds.split(","))
    path = root / next(found, "/").lstrip("/")
    yield from (folder for folder in (path, *path.parents) if folder.is_relative_to(root))


def _counter(path: Path, name: str) -> int:
    with suppress(OSError, ValueError):
        for line in path.read_text().splitlines():
            if line.startswith(f"{name} "):
                return int(line.split()[1])
    return 0
