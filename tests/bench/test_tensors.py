"""A dataset in a method's input form: means, windows, sizes, and labels that are not there."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from msabench import encoders, tensors
from msabench.data import Dataset, load
from msabench.method import InputForm

CPU = torch.device("cpu")
FEATURES = encoders.resolve("features", "en")


@pytest.fixture
def demo(tmp_path: Path) -> Dataset:
    return load("demo", tmp_path)


def form(**options: object) -> InputForm:
    return InputForm(**{"text": "frozen", **options})  # type: ignore[arg-type]


def test_means_are_over_all_frames_padding_included(demo: Dataset) -> None:
    data = tensors.prepare(demo, form(audio="mean"), FEATURES, finetuned=False, device=CPU)
    assert data.sizes.audio == (1, 12) and data.sizes.vision == (40, 16)
    np.testing.assert_allclose(data.train.audio[:, 0], demo.train.audio.mean(1), atol=1e-6)
    assert data.train.audio_lengths.eq(1).all()


def test_what_is_derived_is_computed_once(demo: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tensors.prepare(demo, form(audio="mean"), FEATURES, finetuned=False, device=CPU)
    monkeypatch.setattr(tensors, "_mean", lambda values: pytest.fail("computed again"))
    again = tensors.prepare(demo, form(audio="mean"), FEATURES, finetuned=False, device=CPU)
    assert torch.equal(first.test.audio, again.test.audio)


def test_a_window_begins_at_the_first_frame_that_is_not_zero(demo: Dataset) -> None:
    audio = np.zeros((len(demo.train), 60, 12), np.float32)
    audio[0, 10:30], audio[1, 55:], audio[2, :] = 1, 2, 3
    front = replace(demo, train=replace(demo.train, audio=audio))
    data = tensors.prepare(front, form(frame_window=20), FEATURES, finetuned=False, device=CPU)
    assert data.sizes.audio == (20, 12) and data.sizes.vision == (20, 16)
    assert data.train.audio[0].eq(1).all(), "frames 10 to 29"
    assert data.train.audio[1, :, 0].tolist() == [0.0] * 15 + [2.0] * 5, "the last 20 where fewer follow"
    assert data.train.audio[3].eq(0).all(), "a sample without a frame is left as it is"
    assert data.train.audio_lengths.max() <= 20


def test_a_window_longer_than_the_sequence_changes_nothing(demo: Dataset) -> None:
    data = tensors.prepare(demo, form(frame_window=50), FEATURES, finetuned=False, device=CPU)
    assert data.sizes.vision == (40, 16) and data.sizes.audio == (50, 12)


def test_the_test_split_has_no_labels(demo: Dataset) -> None:
    data = tensors.prepare(demo, form(), FEATURES, finetuned=False, device=CPU)
    assert data.test.labels.isnan().all() and not data.test.unimodal_labels
    assert torch.equal(data.valid.labels, torch.from_numpy(np.array(demo.valid.labels)))


def test_batches_hold_the_rows_that_were_asked_for(demo: Dataset) -> None:
    data = tensors.prepare(demo, form(), FEATURES, finetuned=False, device=CPU)
    rows = torch.tensor([5, 0, 7])
    batch = data.train.batch(rows)
    assert len(batch) == 3 and torch.equal(batch.index, rows)
    assert torch.equal(batch.vision, data.train.vision[rows])
    assert torch.equal(batch.text, data.train.text[rows]) if data.train.text is not None else False
    assert batch.tokens is None and batch.text.shape == (3, *data.sizes.text)


def test_batches_of_a_mapped_file_are_its_rows_to_the_last_bit(demo: Dataset) -> None:
    for options in ({}, {"audio": "mean"}, {"frame_window": 20}):
        data = tensors.prepare(demo, form(**options), FEATURES, finetuned=False, device=CPU)
        assert data.train.blocks, "the demo has sequences large enough to be looked at in blocks"
        for split in (data.train, data.valid, data.test):
            for rows in torch.randperm(len(split)).split(32):  # type: ignore[no-untyped-call]
                batch = split.batch(rows)
                for name in ("text", "audio", "vision"):
                    expected = getattr(split, name).index_select(0, rows)
                    assert getattr(batch, name).numpy().tobytes() == expected.numpy().tobytes()


def test_where_a_file_is_zero_is_found_out_once(demo: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tensors.prepare(demo, form(), FEATURES, finetuned=False, device=CPU)
    monkeypatch.setattr(tensors, "blocks", lambda values: pytest.fail("looked at again"))
    again = tensors.prepare(demo, form(), FEATURES, finetuned=False, device=CPU)
    assert [known.table.tolist() for known in again.train.blocks] == [
        known.table.tolist() for known in first.train.blocks
    ]


def test_a_split_with_other_tensors_gives_those(demo: Dataset) -> None:
    data = tensors.prepare(demo, form(), FEATURES, finetuned=False, device=CPU)
    assert data.train.text is not None
    text, rows = torch.rand_like(data.train.text), torch.tensor([3, 1])
    assert torch.equal(replace(data.train, text=text).batch(rows).text, text[rows])
