"""The options that say where runs are carried out, and the engine that they stand for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from msabench.engines.job import Engine

ENGINES = ("local", "ray", "slurm")
RAY_PANEL = "With --engine ray"
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """What a command line says of the machines that train; no result depends on it."""

    engine: Annotated[
        str, typer.Option(help="local (this machine), ray or slurm; a study may change between them.")
    ] = "local"
    workers: Annotated[
        int | None, typer.Option(help="Runs at a time; default: one a GPU, or one a core.")
    ] = None
    jobs_per_gpu: Annotated[int | None, typer.Option(help="Runs that share a GPU at a time; default: 1.")] = (
        None
    )
    time_limit: Annotated[
        str | None,
        typer.Option(
            help="What a run may take, as in 90 (seconds), 30m, 2h; it fails when it takes longer. "
            "Default: no limit."
        ),
    ] = None
    address: Annotated[
        str,
        typer.Option(
            help="Of a Ray cluster: auto, host:port, ray://host:port; without it, Ray starts here.",
            rich_help_panel=RAY_PANEL,
        ),
    ] = ""
    gpus_per_run: Annotated[
        float | None,
        typer.Option(
            help="Share of a GPU that a run gets, as 0.25; default: a GPU where this machine has any.",
            rich_help_panel=RAY_PANEL,
        ),
    ] = None
    cpus_per_run: Annotated[
        float, typer.Option(help="Cores that a run takes of a node.", rich_help_panel=RAY_PANEL)
    ] = 1.0

    def engine_of(self, gpus: int) -> Engine:
        """The engine.

        Parameters
        ----------
        gpus
            Of this machine.

        Raises
        ------
        SpecError
            At unknown names, contradictions, or if what an engine needs is not installed.
        """
        from msabench.errors import SpecError, unknown

        if self.engine != "ray" and (self.address or self.gpus_per_run or self.cpus_per_run != 1):
            raise SpecError("--address, --gpus-per-run and --cpus-per-run are of --engine ray alone")
        if self.engine == "local":
            from msabench.engines.local import LocalEngine, devices

            slots = devices(self.workers, gpus, self.jobs_per_gpu)
            return LocalEngine(slots=slots, time_limit=seconds(self.time_limit))
        if self.engine == "ray":
            return self._ray(gpus)
        raise unknown("engine", self.engine, ENGINES)

    def _ray(self, gpus: int) -> Engine:
        from importlib.util import find_spec

        from msabench.engines.ray import RayEngine
        from msabench.errors import SpecError

        if find_spec("ray") is None:  # said before any data is prepared
            raise SpecError("--engine ray needs the package ray", fix='pip install "msabench[ray]"')

        share = self.gpus_per_run
        if share is None:
            # of a cluster's GPUs this machine knows nothing
            use = bool(self.jobs_per_gpu or (gpus and not self.address))
            share = 1 / (self.jobs_per_gpu or 1) if use else 0.0
        return RayEngine(
            address=self.address,
            cpus_per_run=self.cpus_per_run,
            gpus_per_run=share,
            max_running=self.workers,
            time_limit=seconds(self.time_limit),
        )


def seconds(text: str | None) -> float | None:
    """Seconds that a duration stands for; None stays None.

    Raises
    ------
    SpecError
        If it is not of the form 90, 90s, 30m, 2h or 1d, or not above 0.

    >>> seconds("90"), seconds("1.5h"), seconds(None)
    (90.0, 5400.0, None)
    """
    from msabench.errors import SpecError

    if text is None:
        return None
    parts = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([smhd]?)\s*", text)
    if not parts or not float(parts[1]):
        raise SpecError(f"--time-limit takes a duration such as 90, 30m or 2h, but got '{text}'")
    return float(parts[1]) * _SECONDS[parts[2]]
