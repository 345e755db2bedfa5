"""Every registered method: a job cut off after an epoch goes on from there, and leaves the same record."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msabench import encoders
from msabench.data import source
from msabench.engines import job as jobs
from msabench.engines.job import UNFINISHED, Job, perform
from msabench.records import Store
from msabench.registry import METHODS
from msabench.run import Budget
from msabench.study import StudySpec, plan

EPOCHS, CUT = 2, 1


class Cut(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def job_of(root: Path, tmp_path: Path) -> Callable[[str], Job]:
    def make(method: str) -> Job:
        spec = StudySpec(
            methods=(method,),
            datasets=("demo:unaligned",),
            seeds=(1111,),
            text_encoder="tiny",
            budget=Budget(epochs=EPOCHS, patience=0),
        )
        planned = plan(spec, root)
        run = planned.runs[0]
        return Job(
            spec=run,
            source=source("demo", root),
            encoder=encoders.resolve("tiny", "en"),
            study=tmp_path / "whole",
            checkpoint_seconds=0,
        )

    return make


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_cut_run_leaves_the_same_record(
    method: str, job_of: Callable[[str], Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = job_of(method)
    assert perform(whole) == "finished"
    cut = replace(whole, study=tmp_path / "cut")

    def stop(job: Job, report: Any) -> None:
        if report.epoch == CUT:
            raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "_tell", stop)
        with pytest.raises(Cut):
            perform(cut)
    assert (tmp_path / "cut" / UNFINISHED / f"{cut.key}.pt").is_file()
    seen: list[int] = []
    monkeypatch.setattr(jobs, "_tell", lambda job, report: seen.append(report.epoch))
    assert perform(cut) == "finished"
    assert seen == list(range(CUT + 1, EPOCHS + 1)), "it began anew"
    one, other = Store(whole.study).get(whole.key), Store(cut.study).get(cut.key)
    assert np.array_equal(one.valid_predictions, other.valid_predictions)
    assert np.array_equal(one.test_predictions, other.test_predictions)
    assert (one.losses, one.valid_loss) == (other.losses, other.valid_loss)
    assert not (tmp_path / "cut" / UNFINISHED / f"{cut.key}.pt").exists()
