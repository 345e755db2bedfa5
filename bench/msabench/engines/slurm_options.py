"""What jobs of the `slurm` engine ask the cluster for; read from the command line and a TOML file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from msabench.errors import SpecError, unknown

Group = Literal["gpu", "cpu"]
"""Runs that ask for the same resources"""
Executor = Literal["slurm", "local"]
GpuFor = Literal["all", "finetuned"]

NOTICE_SECONDS = 90
"""Before the end of its time, in which a job is to be queued again"""
TABLES = ("all", "gpu", "cpu")
OURS = ("array", "dependency", "error", "open_mode", "output", "signal", "wrap")
"""Options of sbatch that the engine sets itself"""
SUBMITIT = ("setup", "signal_delay_s", "srun_args", "teardown", "use_srun")
"""Settings of submitit, which are no options of sbatch"""


@dataclass(frozen=True, kw_only=True)
class SlurmOptions:
    """What is asked for, and how runs are shared out; never part of what a run computes."""

    executor: Executor = "slurm"
    """`local` starts the same jobs as processes of this machine, to try them without a cluster"""
    minutes: int = 240
    """Time limit of an array element, which is queued again if it has not ended by then"""
    partition: str = ""
    account: str = ""
    qos: str = ""
    gpus_per_job: int = 0
    gres: str = ""
    """Instead of `gpus_per_job`, as in `gpu:a100:1`"""
    gpu_for: GpuFor = "all"
    """Which runs ask for a GPU, if there are any: all, or those that fine-tune the text encoder"""
    cpus: int = 1
    mem: str = ""
    """As sbatch takes it: `16G`"""
    max_jobs: int | None = None
    """Array elements that may run at a time"""
    runs_per_job: int | None = None
    """Runs in an array element; None goes by their estimated time"""
    element_minutes: float = 60.0
    """What an element should last, where the time of its runs is known"""
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Further options of sbatch: for `all` jobs, those with a `gpu`, those without (`cpu`)"""

    def __post_init__(self) -> None:
        if self.executor not in get_args(Executor):
            raise SpecError(f"--slurm-executor takes slurm or local, but got '{self.executor}'")
        if self.gpu_for not in get_args(GpuFor):
            raise SpecError(f"--gpu-for takes all or finetuned, but got '{self.gpu_for}'")
        if self.gpus_per_job and self.gres:
            raise SpecError("--gpus-per-job and --gres both ask for GPUs", fix="give one of them")
        least = {"cpus": 1, "gpus_per_job": 0, "minutes": 1, "max_jobs": 1, "runs_per_job": 1}
        for name, low in least.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise SpecError(f"`{name} >= {low}` must hold, but got {name}={value}")
        if self.element_minutes <= 0:
            raise SpecError(
                f"`element_minutes > 0` must hold, but got element_minutes={self.element_minutes}"
            )

    def group(self, text_mode: str) -> Group:
        """Where a run belongs, by what it does with the text encoder."""
        wants = bool(self.gpus_per_job or self.gres)
        return "gpu" if wants and (self.gpu_for == "all" or text_mode == "finetuned") else "cpu"

    def parameters(self, group: Group) -> dict[str, Any]:
        """The parameters of submitit's executor for jobs of a group."""
        made: dict[str, Any] = {"time": self.minutes, "cpus_per_task": self.cpus}
        made |= {
            name: getattr(self, name)
            for name in ("partition", "account", "qos", "mem")
            if getattr(self, name)
        }
        if group == "gpu":
            made |= {"gres": self.gres} if self.gres else {"gpus_per_node": self.gpus_per_job}
        # a job that its node or a more urgent one ended goes on by itself
        extra: dict[str, Any] = {"requeue": True}
        for name, value in {**self.tables.get("all", {}), **self.tables.get(group, {})}.items():
            if name == "time":
                made["time"] = minutes_of(value)
            elif name in made or name in SUBMITIT:
                made[name] = value
            else:
                extra[name] = value
        # no sooner than half-way, or a short job would be told to end as it begins
        made.setdefault("signal_delay_s", min(NOTICE_SECONDS, 30 * made["time"]))
        flags = {name: value for name, value in extra.items() if value is not False}
        return {**made, "additional_parameters": flags}


def read_config(path: Path) -> dict[str, dict[str, Any]]:
    """The tables of a `--slurm-config` file, names as submitit has them.

    Raises
    ------
    SpecError
        If it cannot be read, has other tables, or sets what the engine sets itself.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpecError(f"the SLURM settings cannot be read: {error}", where=str(path)) from error
    for name, table in raw.items():
        if name not in TABLES:
            raise SpecError(f"{unknown('table', name, TABLES)}", where=str(path))
        if not isinstance(table, dict):
            raise SpecError(f"'{name}' is no table: write [{name}]", where=str(path))
    tables = {
        name: {option.replace("-", "_"): value for option, value in table.items()}
        for name, table in raw.items()
    }
    taken = sorted({option for table in tables.values() for option in table if option in OURS})
    if taken:
        raise SpecError(f"msabench sets these options of sbatch itself: {', '.join(taken)}", where=str(path))
    return tables


def minutes_of(text: str | int) -> int:
    """Minutes of a time as sbatch takes it, rounded up.

    Raises
    ------
    SpecError
        If it is of no form that sbatch knows.

    >>> minutes_of("90"), minutes_of("30:30"), minutes_of("4:00:00"), minutes_of("1-12"), minutes_of("1-0:30")
    (90, 31, 240, 2160, 1470)
    """
    found = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", str(text).strip())
    if not found:
        raise SpecError(
            f"'{text}' is no time that sbatch takes",
            fix="minutes (90), hours:minutes:seconds (4:00:00), or days-hours (1-12)",
        )
    days, *parts = (int(part) if part else None for part in found.groups())
    first, second, third = parts[0] or 0, parts[1], parts[2]
    if days is not None:
        hours, minutes, seconds = first, second or 0, third or 0
    elif third is not None:
        hours, minutes, seconds = first, second or 0, third
    else:
        hours, minutes, seconds = 0, first, second or 0
    return (days or 0) * 1440 + hours * 60 + minutes + (seconds > 0)
