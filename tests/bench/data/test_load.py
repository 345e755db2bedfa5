import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msabench.data import find, load, locate, source
from msabench.errors import DataError, SpecError

SHARED = Path(__file__).parents[4] / "shared" / "data"
Content = dict[str, dict[str, Any]]


def test_the_file_is_found_below_the_data_root(
    content: Content, write: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "MOSI" / "Processed").mkdir(parents=True)
    path = write(content, "MOSI/Processed/aligned_50.pkl")
    assert locate("mosi:aligned", tmp_path) == path
    assert find("mosi:aligned", tmp_path) == path
    data = load("mosi:aligned", tmp_path)
    assert data.name == "mosi:aligned"
    assert data.cache.parent == tmp_path / ".cache"


def test_missing_data_says_where_how_and_what_else(tmp_path: Path) -> None:
    assert find("sims", tmp_path) is None
    with pytest.raises(DataError) as caught:
        load("sims", tmp_path)
    message = str(caught.value)
    for words in (
        "sims:unaligned",
        str(tmp_path / "sims" / "unaligned_39.pkl"),
        str(tmp_path / "SIMS" / "Processed" / "unaligned_39.pkl"),
        "Download",
        "--data-root",
        "--twin",
    ):
        assert words in message


def test_a_named_file_that_is_absent(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"at the path given for it[\s\S]*absent\.pkl"):
        load("mosi", file=tmp_path / "absent.pkl")


def test_an_unknown_name() -> None:
    with pytest.raises(SpecError, match="did you mean 'mosi'"):
        load("mosii")


def test_a_file_and_a_twin_contradict_each_other(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="a twin is generated"):
        source("mosi", tmp_path, twin=True, file=tmp_path / "x.pkl")


def test_demo_is_a_twin_made_on_first_use(tmp_path: Path) -> None:
    data = load("demo", tmp_path)
    assert (data.name, data.kind) == ("demo:unaligned", "twin")
    assert [len(split) for split in data.splits] == [240, 60, 100]
    assert data.train.audio.shape[1:] == (60, 12)
    assert data.notes == ()
    assert load("demo", tmp_path).fingerprint == data.fingerprint


def test_a_scaled_twin_is_not_held_to_the_official_sizes(tmp_path: Path) -> None:
    data = load("sims", tmp_path, twin=True, scale=0.05)
    assert data.kind == "twin"
    assert set(data.train.unimodal_labels) == {"text", "audio", "vision"}
    assert not any("official" in note or "published" in note for note in data.notes)


@pytest.mark.skipif(not (SHARED / "mosei_video.pkl").is_file(), reason="the mosei-video sample is not here")
def test_the_real_sample(tmp_path: Path) -> None:
    data = load("mosei-video", SHARED, cache_root=tmp_path)
    assert (data.name, data.kind, data.notes) == ("mosei-video:video", "real", ())
    assert [len(split) for split in data.splits] == [629, 83, 176]
    assert data.train.audio.shape == (629, 1, 40)
    assert data.train.vision.shape == (629, 1, 35)
    assert data.train.text_features is not None and data.train.text_features.shape == (629, 1, 768)
    assert data.train.text_tokens is not None and data.train.text_tokens.shape == (629, 3, 50)
    assert data.train.raw_text is not None and len(data.train.raw_text) == 629
    assert (data.train.audio_lengths == 1).all()
    # the figure that the sample's own description gives for a constant prediction
    constant = np.median(data.train.labels)
    assert np.abs(data.test.labels - constant).mean() == pytest.approx(0.564, abs=5e-3)


def test_reading_data_imports_no_torch() -> None:
    program = "import sys, msabench.data, msabench.data.describe; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
