"""Outputs of a text encoder that is not trained: computed once per dataset, then memory-mapped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from msabench.data.types import Dataset, Split, SplitName
from msabench.encoders.ref import FEATURES, EncoderRef
from msabench.encoders.store import building, folder_of, opened, written
from msabench.encoders.tokenise import token_length, tokens
from msabench.errors import DataError
from msabench.run import Array

Report = Callable[[int, int], None]
"""Told (samples done, samples in all) after each batch"""


def frozen(
    ref: EncoderRef,
    dataset: Dataset,
    *,
    length: int = 0,
    device: str = "cpu",
    batch_size: int = 64,
    progress: Report | None = None,
) -> dict[SplitName, Array]:
    """Last hidden states of every split, in evaluation mode and float32.

    They are computed once and kept beside the dataset's cache under the encoder's identity, split by
    split, so that an interrupted computation goes on where it stood; of several processes that ask at
    once, one computes and the others wait. For `features` they are the file's own.

    Parameters
    ----------
    length
        As in `tokens`.
    device
        Where they are computed, if they are not there yet.
    batch_size
        Sequences at a time; memory grows with it, results do not depend on it (to rounding).
    progress
        Called while computing; not called for what is there already.

    Returns
    -------
    For each split (N, L, d) float32, memory-mapped read-only. Rows of padding hold what the encoder
    computes there, not zeros: the reference methods go on with them. `mask` tells them apart.

    Raises
    ------
    DataError
        If the file has no features of its own (`features`), no ids or transcripts that the encoder can
        read, or the cache cannot be written.
    SpecError
        If the encoder cannot be loaded.
    """
    if ref == FEATURES:
        return {split.name: _features(split, dataset) for split in dataset.splits}
    inputs = tokens(ref, dataset, length)
    folder = folder_of(ref, dataset, token_length(ref, dataset, length))
    found = _stored(folder, inputs, ref)
    if len(found) < len(inputs):
        with building(folder):
            found = _stored(folder, inputs, ref)
            missing = {name: array for name, array in inputs.items() if name not in found}
            if missing:
                found |= _compute(folder, ref, missing, device, batch_size, progress)
    return {split.name: found[split.name] for split in dataset.splits}


def mask(ref: EncoderRef, dataset: Dataset, length: int = 0) -> dict[SplitName, Array]:
    """Which rows of a text sequence are words, not padding. `length` is as in `tokens`.

    Returns
    -------
    For each split (N, L) bool, L as in `frozen`. For `features`, which bring no mask, it is that of the
    file's token ids if they are as long, else True where a row is not all zero; sequences of length 1
    are all True. Each sample has at least its first row.

    Raises
    ------
    DataError
        As `frozen`.
    """
    if ref == FEATURES:
        return {split.name: _features_mask(split, dataset) for split in dataset.splits}
    return {name: _with_first(array[:, 1] == 1) for name, array in tokens(ref, dataset, length).items()}


def _features(split: Split, dataset: Dataset) -> Array:
    if split.text_features is None:
        raise DataError(
            f"{dataset.name} has no text features of its own",
            where=f"split {split.name}, key text",
            fix="choose another --text-encoder: bert, minilm, a folder",
        )
    return split.text_features


def _features_mask(split: Split, dataset: Dataset) -> Array:
    features, own = _features(split, dataset), split.text_tokens  # (N, L, d)
    if features.shape[1] == 1:
        return np.ones(features.shape[:2], bool)
    if own is not None and own.shape[2] == features.shape[1]:
        return _with_first(own[:, 1] == 1)
    return _with_first(np.any(features, axis=2))


def _with_first(words: Array) -> Array:
    # a sample without any word would make NaN of every masked softmax
    words = np.array(words, bool)
    words[:, :1] = True
    return words


def _stored(folder: Path, inputs: dict[SplitName, Array], ref: EncoderRef) -> dict[SplitName, Array]:
    shapes = {name: (len(array), array.shape[2], ref.width) for name, array in inputs.items()}
    arrays = {name: opened(folder / f"frozen-{name}.npy", shape) for name, shape in shapes.items()}
    return {name: array for name, array in arrays.items() if array is not None}


def _compute(
    folder: Path,
    ref: EncoderRef,
    inputs: dict[SplitName, Array],
    device: str,
    batch_size: int,
    progress: Report | None,
) -> dict[SplitName, Array]:
    import torch

    from msabench.encoders.model import load

    encoder = load(ref).to(device)
    done, total = 0, sum(map(len, inputs.values()))
    found: dict[SplitName, Array] = {}
    for name, ids in inputs.items():

        def fill(target: Array, ids: Array = ids) -> None:
            nonlocal done
            for start in range(0, len(ids), batch_size):
                # whole length, not the batch's longest: rows of padding are outputs too
                batch = torch.from_numpy(np.array(ids[start : start + batch_size], np.int64))  # (B, 3, L)
                target[start : start + batch_size] = encoder(batch.to(device)).cpu().numpy()  # (B, L, d)
                done += len(batch)
                if progress is not None:
                    progress(done, total)

        shape = (len(ids), ids.shape[2], ref.width)
        with torch.inference_mode():
            found[name] = written(folder / f"frozen-{name}.npy", shape, np.float32, fill)
    return found
