"""What an engine adds to a run: wall seconds of a study less those that its records spent in training.

The first run of each engine starts its workers, which load torch; it is made before the clock starts. The
rest is what the harness costs: sending jobs, setting up models, writing records, telling of them. One run at
a time, so that wall and training seconds are of the same clock.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from msabench.engines.job import Engine, Job
from msabench.engines.local import LocalEngine
from msabench.engines.ray import RayEngine
from msabench.records import Store
from msabench.run import Budget
from msabench.study import StudySpec, expand_datasets, plan

TARGETS = {"local": 1.0, "ray": 2.0}
"""Seconds a run, at most"""
WARM_UP = 1
"""Runs whose time is not counted"""


def main(runs: int = 10) -> None:
    """Measure both engines and print a table."""
    print(
        "| engine | runs | training s a run | overhead s a run | target s |\n| --- | --- | --- | --- | --- |"
    )
    engines: dict[str, Engine] = {
        "local": LocalEngine(slots=["cpu"]),
        "ray": RayEngine(max_running=1),
    }
    with TemporaryDirectory() as folder:
        jobs = jobs_of(Path(folder), runs + WARM_UP)
        for name, engine in engines.items():
            study = Path(folder) / name
            wall, training = measured(engine, [replace(job, study=study) for job in jobs], study)
            overhead, training = (wall - training) / runs, training / runs
            print(
                f"| {name} | {runs} | {training:.2f} | {overhead:.3f} | {TARGETS[name]:g} |",
                flush=True,
            )


def jobs_of(folder: Path, count: int) -> list[Job]:
    """Short runs of one method on the embedded dataset, a seed each."""
    spec = StudySpec(
        name="overhead",
        methods=("lf_dnn",),
        datasets=expand_datasets("demo"),
        seeds=tuple(range(1, count + 1)),
        text_encoder="tiny",
        budget=Budget(epochs=3, patience=0),
    )
    made = plan(spec, folder / "data", None)
    return [
        Job(spec=run, source=made.sources[run.dataset], encoder=made.encoders[run.dataset], study=folder)
        for run in made.runs
    ]


def measured(engine: Engine, jobs: Sequence[Job], study: Path) -> tuple[float, float]:
    """Wall seconds from the end of the warm-up to the end, and those of them spent in epochs."""
    study.mkdir()
    store, begun, wall, training = Store(study), 0.0, 0.0, 0.0
    for number, ended in enumerate(engine.run(jobs, poll=lambda: None), 1):
        if ended.status != "finished":
            raise SystemExit(f"a run did not finish: {ended.reason}")
        if number == WARM_UP:
            begun = time.perf_counter()
        elif number > WARM_UP:
            wall = time.perf_counter() - begun
            training += sum(store.get(ended.job.key, arrays=False).seconds)
    return wall, training


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    main(parser.parse_args().runs)
