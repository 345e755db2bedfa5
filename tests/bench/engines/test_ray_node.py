"""What a node checks before it trains, and how long an address that nobody answers is waited for."""

from __future__ import annotations

import shutil
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from msabench import encoders
from msabench.data.load import source
from msabench.engines import ray_cluster
from msabench.engines.job import UNFINISHED, Job
from msabench.engines.ray_node import Errand, carry_out, placed, versions
from msabench.errors import DataError, SpecError
from msabench.run import RunSpec


@pytest.fixture
def errand(tmp_path: Path) -> Errand:
    """A job on a file that has not been converted yet."""
    found = source("demo", tmp_path / "driver")
    spec = RunSpec(
        method="lf_dnn", method_version=1, hyperparameters={}, dataset=found.name, data_kind=found.kind,
        data_hash=found.fingerprint, seed=1, text_encoder="tiny", text_mode="frozen",
    )  # fmt: skip
    job = Job(spec=spec, source=found, encoder=encoders.resolve("tiny", "en"), study=tmp_path / "study")
    return Errand(job=job, mark="driver-1", versions=versions())


def test_a_node_that_has_the_data_elsewhere_converts_it_there(errand: Errand, tmp_path: Path) -> None:
    own = tmp_path / "node"
    here = own / errand.job.source.variant.files[0] if errand.job.source.variant.files else own / "demo.pkl"
    here.parent.mkdir(parents=True)
    shutil.move(errand.job.source.path, here)
    shutil.rmtree(tmp_path / "driver")
    variant = replace(errand.job.source.variant, files=(str(here.relative_to(own)),))
    job = replace(errand.job, source=replace(errand.job.source, variant=variant))
    found = placed(replace(errand, job=job), own).source
    assert found.path == here and found.cache_root == own / ".cache"
    assert placed(replace(errand, job=job), own, tmp_path / "cache").source.cache_root == tmp_path / "cache"


def test_a_node_without_the_data_says_so_and_the_run_is_not_blamed(errand: Errand, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "driver")
    returned = carry_out(errand)
    assert returned.ended is None and isinstance(returned.obstacle, DataError)
    assert "neither converted nor to be found here" in str(returned.obstacle)
    assert socket.gethostname() in str(returned.obstacle) and "MSABENCH_DATA" in str(returned.obstacle)


def test_another_file_in_the_place_of_the_data_is_refused(errand: Errand) -> None:
    with errand.job.source.path.open("ab") as file:
        file.write(b" ")
    with pytest.raises(DataError, match="another one than the driver's"):
        placed(errand)


def test_other_versions_of_packages_are_refused(errand: Errand) -> None:
    with pytest.raises(SpecError, match=r"the driver has 1\.0"):
        placed(replace(errand, versions={**errand.versions, "torch": "1.0"}))


def test_the_studys_folder_is_used_where_the_drivers_mark_is_seen(errand: Errand) -> None:
    study = errand.job.study
    own = placed(errand).study
    assert own != study and own.is_dir() and own == placed(errand).study
    (study / UNFINISHED).mkdir(parents=True)
    (study / UNFINISHED / errand.mark).touch()
    assert placed(errand).study == study
    own.rmdir()


def test_another_text_encoder_under_the_same_name_is_refused(errand: Errand, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    elsewhere = replace(errand.job.encoder, name=str(folder), path=folder, identity="encoder@00000000")
    with pytest.raises(SpecError):
        placed(replace(errand, job=replace(errand.job, encoder=elsewhere)))


@pytest.mark.parametrize("address", ["nonsense", "host:", "ray://:1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(SpecError, match="is no address of a Ray cluster"):
        ray_cluster.check(address)


def test_an_address_that_nobody_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # something, but not Ray
        address = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setattr(ray_cluster, "TRIAL_SECONDS", 2.0)
        with pytest.raises(SpecError, match="no answer in 2 s"):
            ray_cluster.check(address)
    with pytest.raises(SpecError, match=f"no Ray cluster answers at '{address}'.*refused"):
        ray_cluster.check(address)
