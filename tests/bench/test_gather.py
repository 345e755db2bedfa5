"""Gathered rows are those of `index_select` to the last bit, and no batch that is kept is written over."""

import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from msabench.gather import ALIGNMENT, BLOCK, KEPT, Blocks, Buffers, blocks, gather


def known(x: Tensor) -> Blocks:
    return Blocks(of=x, table=torch.from_numpy(blocks(x.numpy())))


def same_bits(left: Tensor, right: Tensor) -> bool:
    same = left.dtype == right.dtype and left.shape == right.shape
    return same and left.numpy().tobytes() == right.numpy().tobytes()


@st.composite
def padded(draw: st.DrawFn) -> Tensor:
    """(N, L, d) with frames of zeros before, after or between the others, or none, or nothing else."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, length = draw(st.integers(1, 9)), draw(st.integers(1, 30))
    width = draw(st.sampled_from([1, 3, 20, 300, 1100]))
    values = rng.standard_normal((n, length, width)) * 100
    frames = np.arange(length)
    lengths = rng.integers(0, length + 1, (n, 1))
    kept = {
        "after": frames < lengths,
        "before": frames >= lengths,
        "between": rng.random((n, length)) < 0.5,
        "none": np.ones((n, length), bool),
        "all": np.zeros((n, length), bool),
    }[draw(st.sampled_from(["after", "before", "between", "none", "all"]))]
    values[~kept] = 0
    # such a frame is no padding to the bit, though it equals zero
    values[0, 0] = draw(st.sampled_from([1.0, -0.0, np.nan, 0.0]))
    dtype = draw(st.sampled_from([np.float32, np.float64, np.float16, np.int32, np.int64, np.bool_]))
    with np.errstate(invalid="ignore"):
        return torch.from_numpy(values.astype(dtype))


@settings(deadline=None, max_examples=150)
@given(x=padded(), data=st.data())
def test_rows_are_the_same_to_the_last_bit(x: Tensor, data: st.DataObject) -> None:
    buffers, table = Buffers(), known(x)
    for _ in range(3):  # the later ones are written where others were
        rows = torch.tensor(data.draw(st.lists(st.integers(0, len(x) - 1), max_size=20)), dtype=torch.int64)
        expected = x.index_select(0, rows)
        assert same_bits(gather(x, rows, buffers, table), expected)
        assert same_bits(gather(x, rows, buffers), expected)


def test_blocks_of_zeros_are_read_from_one_place() -> None:
    x = torch.ones(4, 6, BLOCK // 4)  # a frame fills a block
    x[1, 2:], x[3, :] = 0, 0
    table = blocks(x.numpy())
    assert table.shape == (4, 6)
    assert set(table[1, 2:]) | set(table[3]) == {8}, "the first block of zeros: frame 2 of row 1"
    assert table[2].tolist() == [12, 13, 14, 15, 16, 17]


def test_rows_that_are_not_there_are_refused() -> None:
    x = torch.zeros(3, 2, 4)
    for rows in (torch.tensor([3]), torch.tensor([-1])):
        with pytest.raises(IndexError):
            gather(x, rows, Buffers(), known(x))


def test_memory_is_used_again_once_nothing_refers_to_it() -> None:
    buffers = Buffers()
    first = buffers.empty((10, 7), torch.float32)
    place = first.data_ptr()
    kept = first[2:].t()
    del first
    assert buffers.empty((10, 7), torch.float32).data_ptr() != place, "a view still shows it"
    del kept
    places = {buffers.empty((9, 7), torch.float32).data_ptr() for _ in range(3)}
    assert place in places, "a shorter batch fits there"


def keep(way: str, batch: Tensor) -> object:
    if way == "view":
        return batch[1:, 0]
    if way == "numpy":
        return batch.numpy()
    if way == "graph":
        weight = torch.ones(batch.shape[2], requires_grad=True)
        return (weight, (batch * weight).sum())
    return batch.detach()


@pytest.mark.parametrize("way", ["view", "numpy", "graph", "detached"])
def test_a_batch_that_is_kept_is_never_written_over(way: str) -> None:
    x = torch.arange(60.0)[:, None, None].expand(60, 4, 5).contiguous()
    buffers, table = Buffers(), known(x)
    kept = {}
    for i, rows in enumerate(torch.randperm(60, generator=torch.Generator().manual_seed(1)).split(5)):
        batch = gather(x, rows, buffers, table)
        if i % 3 == 0:
            kept[i] = rows, keep(way, batch)
    for rows, what in kept.values():
        expected = x[rows]
        if way == "graph":
            weight, loss = what  # type: ignore[misc]
            loss.backward()
            assert torch.equal(weight.grad, expected.sum((0, 1)))
        else:
            assert np.array_equal(np.asarray(what), (expected[1:, 0] if way == "view" else expected).numpy())


def test_a_method_that_kept_many_batches_leaves_few_behind() -> None:
    buffers = Buffers()
    many = [buffers.empty((100,), torch.float32) for _ in range(5 * KEPT)]
    places = {x.data_ptr() for x in many}
    assert len(places) == 5 * KEPT
    many.clear()
    assert sum(len(free) for free in buffers._free.values()) == KEPT


def test_memory_is_aligned_as_torchs_own() -> None:
    buffers = Buffers()
    made = [buffers.empty((n, 3), torch.float32) for n in (1, 5, 1000, 300_000)]
    assert all(x.data_ptr() % ALIGNMENT == 0 for x in made)


def test_threads_that_cut_batches_at_once_do_not_share_memory() -> None:
    x = torch.arange(64.0)[:, None, None].expand(64, 8, 16).contiguous()
    buffers, table, wrong = Buffers(), known(x), []

    def cut(seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for _ in range(100):
            rows = torch.randint(64, (16,), generator=generator)
            batch = gather(x, rows, buffers, table)
            if not torch.equal(batch[:, -1, -1], rows.float()):
                wrong.append(rows)

    threads = [threading.Thread(target=cut, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
