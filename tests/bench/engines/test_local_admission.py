"""Which slots there are, and which run may start beside those that run."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from msabench import encoders
from msabench.cli.engines import seconds
from msabench.data import source
from msabench.engines import free
from msabench.engines.admission import MIB, PROCESS, Admission, estimate
from msabench.engines.free import cores, free_memory, oom_kills
from msabench.engines.job import Job
from msabench.engines.local import devices
from msabench.errors import SpecError
from msabench.run import RunSpec


@pytest.fixture
def job(tmp_path: Path) -> Job:
    found = source("demo", tmp_path / "data")
    spec = RunSpec(
        method="lf_dnn", method_version=1, hyperparameters={}, dataset=found.name, data_kind="twin",
        data_hash=found.fingerprint, seed=1, text_encoder="tiny", text_mode="frozen",
    )  # fmt: skip
    return Job(spec=spec, source=found, encoder=encoders.resolve("tiny", "en"), study=tmp_path / "s")


def test_a_run_waits_until_memory_covers_it_and_the_growth_of_its_neighbours(job: Job) -> None:
    needed = estimate(job)
    assert needed >= PROCESS
    running = [(job, needed - 100 * MIB)]  # which will take 100 MiB more
    for spare, admitted in ((101, True), (99, False)):
        admission = Admission(free=lambda spare=spare: needed + spare * MIB)  # type: ignore[misc]
        assert admission.admits(job, running) is admitted
    assert Admission(free=lambda: 100 * MIB).admits(job, running, reused=needed), "its worker has it already"


def test_one_run_starts_whatever_is_free(job: Job) -> None:
    assert Admission(free=lambda: 0).admits(job, [])


def test_what_a_run_took_replaces_the_estimate(job: Job, tmp_path: Path) -> None:
    from msabench.data import open_source
    from msabench.records import Store
    from msabench.run import Failure
    from msabench.train import failed_record

    dataset = open_source(job.source)
    failure = Failure(cause="out-of-memory", message="as much as this")
    record = replace(failed_record(job.spec, dataset, failure), peak_memory_mib=4321.0)
    Store(job.study).write(record, dataset.truths)
    admission = Admission()
    assert admission.need(replace(job, device="cuda:0")) == estimate(job), "that is another memory"
    admission.learn(job)
    assert admission.need(job) == 4321 * MIB
    assert Admission().need(replace(job, study=tmp_path / "other")) == estimate(job)


def test_the_machine_answers() -> None:
    assert free_memory() > 0 and cores() >= 1 and oom_kills() >= 0


def test_a_process_bound_to_one_core_has_one() -> None:
    bind = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"
    told = f"{bind}; from msabench.engines.local import devices; print(devices(None, 0))"
    assert subprocess.check_output([sys.executable, "-c", told], text=True).strip() == "['cpu']"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "250000 100000"}, 3),
        ({"cpu.max": "max 100000"}, 64),
        ({"cpu/cpu.cfs_quota_us": "150000", "cpu/cpu.cfs_period_us": "100000"}, 2),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 64),
    ],
)
def test_a_containers_quota_of_cores_counts(
    files: dict[str, str], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(free, "_CGROUPS", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)))
    monkeypatch.delenv("SLURM_CPUS_ON_NODE", raising=False)
    assert cores() == expected
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "2")  # of a job whose node binds no process to its cores
    assert cores() == 2


@pytest.mark.parametrize("arguments", [(0, 1, None), (None, 1, 0), (None, 0, 2)])
def test_impossible_slots_are_refused(arguments: tuple[int | None, int, int | None]) -> None:
    with pytest.raises(SpecError):
        devices(*arguments)


def test_slots_fill_gpus_in_turn() -> None:
    assert devices(None, 2, 2) == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]
    assert devices(3, 2, 2) == ["cuda:0", "cuda:1", "cuda:0"]
    assert devices(4, 1) == ["cuda:0"] * 4
    assert devices(None, 3) == ["cuda:0", "cuda:1", "cuda:2"]


@pytest.mark.parametrize("text", ["0", "soon", "-3", "2w", ""])
def test_a_time_limit_is_a_duration(text: str) -> None:
    with pytest.raises(SpecError, match="--time-limit"):
        seconds(text)
    assert [seconds(x) for x in ("90", "1.5m", "2h", None)] == [90, 90, 7200, None]
