"""What a job of engine slurm does with its runs when one cannot be recorded, or gets nowhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from msabench import encoders
from msabench.data import source
from msabench.engines.job import UNFINISHED, Job
from msabench.errors import DataError, WriteError
from msabench.run import RunSpec

pytest.importorskip("submitit", reason="the extra [slurm] is not installed")
from msabench.engines import slurm_element
from msabench.engines.slurm_element import STALLED, Element
from msabench.engines.slurm_marks import Mark, marks, write_mark


@pytest.fixture
def job(tmp_path: Path) -> Job:
    found = source("demo", tmp_path / "data")
    spec = RunSpec(
        method="lf_dnn", method_version=1, hyperparameters={}, dataset=found.name, data_kind="twin",
        data_hash=found.fingerprint, seed=1, text_encoder="tiny", text_mode="frozen",
    )  # fmt: skip
    return Job(spec=spec, source=found, encoder=encoders.resolve("tiny", "en"), study=tmp_path / "s")


def queued_again(element: Element) -> Element:
    function = element.checkpoint().function
    assert isinstance(function, Element)
    return function


def test_an_element_that_finishes_no_epoch_is_given_up_and_says_so(job: Job) -> None:
    write_mark(job.study, Mark(key=job.key, job="4000_0", host="node7"))
    element, checkpoint = Element(jobs=(job,)), job.study / UNFINISHED / f"{job.key}.pt"
    checkpoint.parent.mkdir()
    for epoch in range(STALLED):  # it may be queued again for ever as long as it gets on
        checkpoint.write_text(str(epoch))
        element = queued_again(element)
    for _ in range(STALLED - 1):
        element = queued_again(element)
    with pytest.raises(SystemExit):
        element.checkpoint()
    (mark,) = marks(job.study)
    assert mark.reason == f"no epoch finished in {STALLED} jobs in a row"


def test_a_run_that_cannot_be_trained_does_not_stop_the_next_but_a_full_disk_does(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("SUBMITIT_EXECUTOR", "slurm"), ("SLURM_JOB_ID", "4000")):
        monkeypatch.setenv(name, value)
    other, begun = replace(job, spec=replace(job.spec, seed=2)), list[str]()

    def perform(job: Job) -> str:
        begun.append(job.key)
        if job.spec.seed == 1:
            raise DataError("the file is gone")
        raise WriteError("the disk is full")

    monkeypatch.setattr(slurm_element, "perform", perform)
    with pytest.raises(WriteError):
        Element(jobs=(job, other))()
    assert begun == [job.key, other.key]
    (mark,) = marks(job.study)  # no run is at fault for a full disk
    assert (mark.key, mark.reason) == (job.key, "the file is gone")
