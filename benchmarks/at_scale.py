"""Ten thousand runs: time and peak memory of planning, status, report and of the driver, against targets.

`python -m benchmarks --only scale`, or `python -m benchmarks.at_scale --seeds 5` for a quick look. Records
are generated: written by a store, as large as the real datasets', with predictions of made-up quality.
Each verb runs in a process of its own, first without an index ("cold"), then with the one it has left.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import numpy as np
import psutil

from msabench.engines.job import Ended, Job
from msabench.execute import Machine, execute
from msabench.metrics import criterion
from msabench.records import Store
from msabench.run import RunRecord, RunSpec, Task, Truths
from msabench.study import Plan, StudySpec, freeze, plan
from msabench.variants import expand_methods

DATASETS = (
    *("mosi:unaligned", "mosi:aligned", "mosi:mag", "mosei:unaligned", "mosei:aligned", "mosei:mag"),
    *("sims:unaligned", "simsv2:unaligned"),
)
SIZES = {"mosi": (229, 686), "mosei": (1871, 4659), "sims": (456, 457), "simsv2": (647, 1034)}
"""Validation and test samples of the real datasets"""
MIB = 1 << 20
METHODS = expand_methods(
    ",".join(f"{name}[batch_size={size}]" for size in (8, 12, 20, 40, 56) for name in
             ("lf_dnn", "tfn", "almt", "r3dg", "mlcl"))
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is measured, and what it must stay under."""

    name: str
    command: Sequence[str]
    seconds: float
    mib: float


def main(options: argparse.Namespace) -> None:
    """Generate the two studies, measure, print a table and remove them."""
    work = options.work / "scale"
    shutil.rmtree(work, ignore_errors=True)
    wide = _plan("wide", DATASETS, options.seeds, work)
    large = _plan("large", ("mosi:unaligned", "mosei:unaligned", "sims:unaligned", "simsv2:unaligned"),
                  max(1, options.seeds // 5), work)  # fmt: skip
    print(
        f"\n{_machine()}\n\n| what | s | target | CPU s | peak MiB | target |\n" + "| --- " * 6 + "|",
        flush=True,
    )
    _measure(work, [Case(name=f"plan, {len(wide.runs)} runs", command=_planning(wide), seconds=5, mib=1024)])
    fill(wide, work / "results" / "wide", epochs=30, sizes=lambda dataset: SIZES["mosi"])
    verbs = {"status": ["status", "wide"], "report": ["report", "wide"]}
    cases = [Case(name=f"{name}, {len(wide.runs)} records", command=verb, seconds=10, mib=1024)
             for name, verb in verbs.items()]  # fmt: skip
    cases += [Case(name=f"plan, {len(wide.runs)} recorded", command=_planning(wide), seconds=5, mib=1024)]
    for case in cases:
        for state in ("cold", "again"):
            if state == "cold":
                shutil.rmtree(work / "results" / "wide" / "index", ignore_errors=True)
            _measure(work, [case], f", {state}")
    shutil.rmtree(work / "results" / "wide")
    fill(large, work / "results" / "large", epochs=50, sizes=lambda dataset: SIZES[dataset.split(":")[0]])
    report = Case(
        name=f"report, {len(large.runs)} runs of 50 epochs", command=["report", "large"], seconds=20, mib=1536
    )
    for state in ("cold", "again"):
        _measure(work, [report], f", {state}")
    driver(work, max(1, options.seeds // 5))
    shutil.rmtree(work)


def _plan(name: str, datasets: Sequence[str], seeds: int, work: Path) -> Plan:
    study = StudySpec(
        methods=METHODS, datasets=tuple(datasets), seeds=tuple(range(1111, 1111 + seeds)), name=name,
        text_encoder="tiny", twin=True, scale=0.02,
    )  # fmt: skip
    return plan(study, work / "data")


def _planning(made: Plan) -> list[str]:
    study = made.study
    return [
        *("plan", "--methods", ",".join(study.methods), "--datasets", ",".join(study.datasets)),
        *("--seeds", str(len(study.seeds)), "--twin", "--scale", str(study.scale), "--text-encoder", "tiny"),
        *("--name", study.name),
    ]


def fill(made: Plan, folder: Path, epochs: int, sizes: Callable[[str], tuple[int, int]]) -> None:
    """A finished record for every run of a plan."""
    freeze(made, folder)
    store = Store(folder)
    makers = {name: Maker(*sizes(name), epochs=epochs) for name in made.study.datasets}
    with mock.patch("os.fsync"):  # nothing here must outlive a power cut
        for run in made.runs:
            maker = makers[run.dataset]
            store.write(maker.record(run), maker.truths)
    os.sync()  # nor is the disk still busy with them, as it would not be when a study is read


@dataclass
class Maker:
    """Makes records of one dataset: truths with noise that becomes less."""

    valid: int
    test: int
    epochs: int
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    task: Task = field(default_factory=lambda: Task(kind="regression"))

    def __post_init__(self) -> None:
        labels = np.clip(self.rng.normal(0, 1.6, self.valid + self.test), -3, 3).astype(np.float32).round(1)
        ids = np.array([f"video_{i // 9}$_${i % 9}" for i in range(len(labels))])
        v = self.valid
        self.truths = Truths(valid_ids=ids[:v], valid=labels[:v], test_ids=ids[v:], test=labels[v:])
        self.fingerprint = self.truths.fingerprint

    def record(self, run: RunSpec) -> RunRecord:
        """What the run might have left."""
        noise = np.linspace(1.5, 0.7, self.epochs, dtype=np.float32)[:, None]
        valid = self.truths.valid + noise * self.rng.standard_normal((self.epochs, self.valid), np.float32)
        test = self.truths.test + noise * self.rng.standard_normal((self.epochs, self.test), np.float32)
        losses = tuple(self.rng.random(self.epochs).tolist())
        return RunRecord(
            spec=run, status="finished", task=self.task, convention="mmsa", truths_hash=self.fingerprint,
            losses=tuple({"task": loss, "auxiliary": loss} for loss in losses), valid_loss=losses,
            valid_criterion=tuple(criterion(self.task, p, self.truths.valid) for p in valid),
            valid_predictions=valid, test_predictions=test, seconds=losses, setup_seconds=1.0,
            peak_memory_mib=512.0, parameters={"method": 10**6, "encoder": 0, "trainable": 10**6},
            stopped="epochs", environment={"python": "3.11", "torch": "2.13", "host": "generated"},
            started="2026-01-01T00:00:00+00:00",
        )  # fmt: skip


class Instant:
    """An engine whose runs take no time: what is left is the driver."""

    def __init__(self, made: Plan) -> None:
        self._makers = {name: Maker(*SIZES["mosi"], epochs=30) for name in made.study.datasets}

    def run(
        self, jobs: Sequence[Job], poll: Callable[[], None], more: Callable[[], Sequence[Job]] | None = None
    ) -> Iterator[Ended]:
        """Write a record for each job."""
        for job in jobs:
            maker = self._makers[job.spec.dataset]
            Store(job.study).write(maker.record(job.spec), maker.truths)
            yield Ended(job=job, status="finished")


class Memory:
    """An observer that notes the driver's resident memory as runs end."""

    def __init__(self) -> None:
        self.mib: list[float] = []
        self._process = psutil.Process()

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *values: None

    def ended(self, record: RunRecord) -> None:
        """Note it."""
        self.mib.append(self._process.memory_info().rss / MIB)


def driver(work: Path, seeds: int) -> None:
    """Carry out a study of instant runs, and print the driver's memory at a tenth of them and at the end."""
    made, memory = _plan("driver", DATASETS, seeds, work), Memory()
    with mock.patch("os.fsync"):
        execute(made, work / "results", Machine(engine=Instant(made), tracking=False), memory)
    early, late = memory.mib[len(memory.mib) // 10], memory.mib[-1]
    what = f"driver of {len(memory.mib)} instant runs: MiB at a tenth, at the end"
    print(f"| {what} | | | | {early:.0f}, {late:.0f} | {early * 1.1:.0f} |", flush=True)


def _measure(work: Path, cases: Sequence[Case], state: str = "") -> None:
    script = Path(sys.executable).with_name("msabench")
    roots = {"MSABENCH_RESULTS": str(work / "results"), "MSABENCH_DATA": str(work / "data")}
    # bytecode is kept, as it is where people work: some machines for tests switch that off
    environment = {**os.environ, **roots, "PYTHONDONTWRITEBYTECODE": ""}
    for case in cases:
        done = subprocess.run(
            [sys.executable, "-c", _LAUNCH, script, *case.command],
            env=environment, stdout=subprocess.PIPE, cwd=work, text=True, check=True,
        )  # fmt: skip
        seconds, busy, mib, status = map(float, done.stdout.split())
        failed = "" if status == 0 else " (failed)"
        took = f"{seconds:.1f} | {case.seconds:g} | {busy:.1f} | {mib:.0f} | {case.mib:g}"
        print(f"| {case.name}{state}{failed} | {took} |", flush=True)


# a process starts with its parent's peak for its own: this one is small
_LAUNCH = """
import os, sys, time
started = time.perf_counter()
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, used = os.wait4(child, 0)
print(time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, status)
"""


def _machine() -> str:
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.at_scale", description=__doc__)
    parser.add_argument("--seeds", type=int, default=50, help="of 25 rows on 8 datasets; 50 make 10,000 runs")
    parser.add_argument("--work", type=Path, default=Path("benchmarks/.work"), help="scratch folder")
    chosen = parser.parse_args()
    chosen.work = chosen.work.resolve()
    main(chosen)
