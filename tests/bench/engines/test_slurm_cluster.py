"""What `--engine slurm` would send to a cluster: programs on the path stand in for those of SLURM."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from typer.testing import CliRunner, Result

from msabench.engines.job import UNFINISHED
from msabench.records import Store

pytest.importorskip("submitit", reason="the extra [slurm] is not installed")
from msabench.cli import app
from msabench.engines.claim import claim
from msabench.engines.slurm_bundles import bundles, shares
from msabench.engines.slurm_marks import Mark, write_mark
from msabench.engines.slurm_options import SlurmOptions, minutes_of, read_config
from msabench.engines.slurm_submissions import run_again, submissions
from msabench.errors import SpecError

STUDY = ["--datasets", "demo", "--text-encoder", "tiny", "--name", "s", "--no-tracking", "--engine", "slurm"]
SBATCH = """\
import pathlib, shutil, sys
here = pathlib.Path(__file__).parent
number = 4000 + len(list(here.glob("*.sh")))
shutil.copy(sys.argv[1], here / f"{number}.sh")
print(f"Submitted batch job {number}")
"""
ANSWER = """\
import pathlib, sys
answer = pathlib.Path(__file__).with_suffix(".answer").read_text()
if answer.startswith("error"):
    sys.exit(answer)
print(answer)
"""


class Cluster:
    """SLURM's programs, what they were given, and what they answer."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.bin, self.root, self.cache = folder / "bin", folder / "results", cache
        self.bin.mkdir()
        for name, text in {"sbatch": SBATCH, "srun": "", "squeue": ANSWER, "sacct": ANSWER}.items():
            program = self.bin / name
            program.write_text(f"#!{sys.executable}\n{text}")
            program.chmod(0o755)
        self.tell(squeue="", sacct="")

    def tell(self, **answers: str) -> None:
        """What a program answers from now on."""
        for name, answer in answers.items():
            (self.bin / f"{name}.answer").write_text(answer)

    def sent(self) -> list[dict[str, str]]:
        """The options of each batch file that was submitted, in order."""
        texts = [path.read_text() for path in sorted(self.bin.glob("*.sh"))]
        return [dict(re.findall(r"^#SBATCH --([\w-]+)(?:=(.*))?$", text, re.M)) for text in texts]

    def run(self, *options: str) -> Result:
        return self._msabench("run", *STUDY, *options, "--cache-root", str(self.cache))

    def collect(self) -> str:
        return self._msabench("collect", "s", "--no-tracking").output

    def _msabench(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "--results-root", str(self.root)])


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def cluster(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster(tmp_path, cache)
    monkeypatch.setenv("PATH", f"{made.bin}{os.pathsep}{os.environ['PATH']}")
    return made


def test_runs_are_grouped_by_resources_bundled_and_capped(cluster: Cluster, tmp_path: Path) -> None:
    config = tmp_path / "slurm.toml"
    config.write_text('[all]\nmail-type = "FAIL"\n[gpu]\npartition = "big"\ntime = "8:00:00"\n')
    options = ["--gpus-per-job", "1", "--gpu-for", "finetuned", "--runs-per-job", "2", "--max-jobs", "3"]
    options += ["--partition", "main", "--mem", "16G", "--cpus", "4", "--account", "lab", "--qos", "low"]
    result = cluster.run("--methods", "lf_dnn,almt", "--seeds", "5", *options, "--slurm-config", str(config))
    assert result.exit_code == 0, result.output
    gpu, cpu = cluster.sent()
    # five runs, two in each element; three elements at a time over both arrays
    assert gpu["array"] == "0-2%2" and cpu["array"] == "0-2%1"
    assert gpu["gpus-per-node"] == "1" and "gpus-per-node" not in cpu
    assert (gpu["partition"], cpu["partition"]) == ("big", "main")
    assert (gpu["time"], cpu["time"]) == ("480", "240")
    for sent in (gpu, cpu):
        expected = {"mem": "16G", "cpus-per-task": "4", "account": "lab", "qos": "low", "mail-type": "FAIL"}
        assert expected.items() <= sent.items()
        assert "requeue" in sent and sent["job-name"] == "msabench-s"
    assert sorted(len(each.keys) for each in submissions(cluster.root / "s")) == [1, 1, 2, 2, 2, 2]
    assert "to look: msabench status s" in result.output and "4000" in result.output


def test_what_is_queued_is_not_submitted_again_and_what_is_lost_is(cluster: Cluster) -> None:
    command = ["--methods", "lf_dnn", "--seeds", "3"]
    cluster.run(*command)
    cluster.tell(squeue="4000_0|RUNNING\n4000_2|PENDING")
    assert "2 runs were queued or running before" in cluster.run(*command).output
    assert len(cluster.sent()) == 2 and "array" not in cluster.sent()[1], "one run was lost, and no other"
    cluster.tell(squeue="error: the controller is down")
    result = cluster.run(*command)
    assert result.exit_code and "controller is down" in str(result.exception)
    assert len(cluster.sent()) == 2


@pytest.mark.parametrize(
    ("state", "cause", "says"),
    [
        ("TIMEOUT", "timeout", "--time"),
        ("OUT_OF_MEMORY", "out-of-memory", "--mem"),
        ("FAILED", "killed", "log"),
    ],
)
def test_a_job_that_ended_takes_the_run_with_it(cluster: Cluster, state: str, cause: str, says: str) -> None:
    cluster.run("--methods", "lf_dnn", "--seeds", "2", "--runs-per-job", "2")
    study = cluster.root / "s"
    (begun, waiting), job = submissions(study)[0].keys, submissions(study)[0].job
    write_mark(study, Mark(key=begun, job=job, host="node7"))
    cluster.tell(sacct=f"{job}|{state}")
    output = cluster.collect()
    assert (
        "1 failed" in output
        and "1 lost" in output
        and f"missing: lf_dnn demo:unaligned seed 1112 ({waiting})" in output
    )
    record = Store(study).get(begun)
    assert record.failure and record.failure.cause == cause and says in record.failure.message


def test_a_job_that_was_taken_away_is_submitted_again(cluster: Cluster) -> None:
    command = ["--methods", "lf_dnn", "--seeds", "1,"]
    cluster.run(*command)
    study = cluster.root / "s"
    (key,) = submissions(study)[0].keys
    write_mark(study, Mark(key=key, job="4000", host="node7"))
    cluster.tell(sacct="4000|PREEMPTED")
    assert "0 failed" in cluster.collect() and not Store(study).has(key)
    assert "submitted: 1 runs" in cluster.run(*command).output


def test_where_nothing_is_accounted_squeue_tells_how_a_job_ended(cluster: Cluster) -> None:
    cluster.run("--methods", "lf_dnn", "--seeds", "2", "--time", "1")
    study = cluster.root / "s"
    assert cluster.sent()[0]["signal"] == "USR2@30"
    for submission in submissions(study):
        write_mark(study, Mark(key=submission.keys[0], job=submission.job, host="node7"))
    cluster.tell(sacct="error: accounting storage is disabled", squeue="4000_0|CANCELLED\n4000_1|PENDING")
    assert "0 failed, 0 running, 1 queued, 1 lost" in cluster.collect(), (
        "a job that waits again trains nothing"
    )
    cluster.tell(squeue="4000_0|NODE_FAIL\n4000_1|TIMEOUT", sacct="4000_[0-1]|RUNNING")  # it lags behind
    assert "1 failed, 0 running, 0 queued, 1 lost" in cluster.collect()
    (record,) = Store(study).runs("failed")
    assert record.failure and record.failure.cause == "timeout"


def test_a_search_submits_the_job_that_goes_on_with_it_once(cluster: Cluster) -> None:
    command = ["--methods", "lf_dnn", "--seeds", "1,", "--trials", "3", "--track", "paper,tuned"]
    cluster.run(*command)
    trials, paper, follow = cluster.sent()
    assert trials["array"] == "0-2%3" and "array" not in paper, "the track 'paper' need not wait"
    assert follow["dependency"] == "afterany:4000"
    cluster.tell(squeue="4000_0|RUNNING\n4000_1|PENDING\n4000_2|PENDING\n4001|PENDING\n4002|PENDING")
    assert "a waiting job goes on" in cluster.run(*command).output
    assert len(cluster.sent()) == 3


def test_the_data_can_be_prepared_by_a_first_job(cluster: Cluster) -> None:
    cluster.run("--methods", "lf_dnn", "--prepare-job", "--mem", "8G")
    (first,) = cluster.sent()
    assert first["mem"] == "8G" and (cluster.root / "s" / "plan.json").exists()
    kept = json.loads((cluster.root / "s" / "slurm" / "command.json").read_text())
    assert "--prepare-job" not in kept["arguments"]


def test_a_command_that_goes_on_reaches_the_cluster_and_takes_nothing_else_from_its_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SLURM_CONF", "SLURM_JOB_ID", "SLURM_CPUS_PER_TASK", "SUBMITIT_EXECUTOR"):
        monkeypatch.setenv(name, "here")
    keep = f"import json, os; json.dump(dict(os.environ), open({str(tmp_path / 'seen')!r}, 'w'))"
    (tmp_path / "sitecustomize.py").write_text(keep)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    assert run_again(["list", "conventions"], tmp_path) == 0
    seen = json.loads((tmp_path / "seen").read_text())
    assert {name for name in seen if name.startswith(("SLURM_", "SUBMITIT_"))} == {"SLURM_CONF"}


def test_without_a_cluster_one_message_says_what_to_do(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    result = cluster.run("--methods", "lf_dnn")
    assert isinstance(result.exception, SpecError)
    assert "no `sbatch`" in str(result.exception) and "--slurm-executor local" in str(result.exception)


def test_options_of_other_engines_are_refused(cluster: Cluster) -> None:
    assert "--max-jobs caps" in str(cluster.run("--workers", "2").exception)
    assert "of --engine slurm alone" in str(cluster.run("--engine", "local", "--mem", "1G").exception)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"executor": "pbs"}, "--slurm-executor takes"),
        ({"gpus_per_job": 1, "gres": "gpu:1"}, "both ask"),
        ({"max_jobs": 0}, "max_jobs >= 1"),
        ({"element_minutes": 0.0}, "element_minutes > 0"),
    ],
)
def test_contradictions_are_refused(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        SlurmOptions(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["[nodes]\na = 1", "[all]\narray = '0-3'", "all = 3", "[all"])
def test_settings_that_cannot_be_meant_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "slurm.toml"
    path.write_text(text)
    with pytest.raises(SpecError):
        read_config(path)


def test_bundles_last_about_as_long_as_asked() -> None:
    times = {"a": 600.0, "b": 3000.0, "c": 200.0, "d": None, "e": 100.0}
    assert bundles(list(times), times.get, runs_per_job=None, minutes=60) == [["a", "b"], ["c"], ["d"], ["e"]]
    assert [minutes_of(text) for text in ("90", "4:00:00", "1-12", "0:30")] == [90, 240, 2160, 1]
    with pytest.raises(SpecError):
        minutes_of("soon")
    assert sum(shares([30, 10, 1], 8)) <= 8


def test_a_run_that_another_process_trains_is_left_to_it(tmp_path: Path) -> None:
    folder = tmp_path / UNFINISHED
    folder.mkdir()
    with FileLock(folder / "key.lock"), claim(folder, "key", wait=False) as mine:
        assert not mine
    with claim(folder, "key", wait=False) as mine, claim(folder, "key") as again:
        assert mine and again
    assert not list(folder.iterdir())
