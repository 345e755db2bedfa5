"""SETGF's layers over rows without padding, against torch's own over padded and packed tensors."""

import pytest
import torch
from torch import Tensor, nn

from msabench_methods.setgf import attention
from msabench_methods.setgf.attention import attend
from msabench_methods.setgf.lstm import RowLSTM
from msabench_methods.setgf.rows import Layout


def test_rows_are_the_valid_steps_in_order() -> None:
    layout = Layout.of(torch.tensor([2, 0, 3]), 4)
    x = torch.arange(24.0).view(3, 4, 2)
    assert layout.take(x).tolist() == [*x[0, :2].tolist(), *x[1, :1].tolist(), *x[2, :3].tolist()]
    assert layout.take(x)[layout.last].tolist() == [x[0, 1].tolist(), x[1, 0].tolist(), x[2, 2].tolist()]
    padded = layout.pad(layout.take(x))
    assert torch.equal(padded, x[:, :3] * layout.mask[..., None])
    assert layout.mean(layout.take(x))[2].tolist() == x[2, :3].mean(0).tolist()


@pytest.mark.parametrize("gradient", [False, True])
def test_lstm_over_rows_is_a_packed_lstm(gradient: bool) -> None:
    torch.manual_seed(0)
    lstm, plain = RowLSTM(5, 7).double(), nn.LSTM(5, 7, batch_first=True).double()
    plain.load_state_dict(lstm.state_dict())
    x = torch.randn(4, 9, 5, dtype=torch.float64)
    layout = Layout.of(torch.tensor([3, 9, 1, 6]), 9)
    rows = layout.take(x).requires_grad_(gradient)
    packed = nn.utils.rnn.pack_padded_sequence(x, layout.lengths, batch_first=True, enforce_sorted=False)
    expected = nn.utils.rnn.pad_packed_sequence(plain(packed)[0], batch_first=True)[0]
    found = layout.pad(lstm(rows, layout))
    torch.testing.assert_close(found, expected, atol=1e-14, rtol=0)
    target = torch.randn(4, 9, 7, dtype=torch.float64)
    for states in (found, expected):
        (states * target * layout.mask[..., None]).sum().backward()
    for a, b in zip(lstm.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-13, rtol=0)


def attention_inputs() -> tuple[list[Tensor], Layout, Layout]:
    torch.manual_seed(0)
    of, to = Layout.of(torch.tensor([3, 2, 1]), 3), Layout.of(torch.tensor([2, 1, 4]), 5)
    tensors = [torch.randn(n, 4, dtype=torch.float64, requires_grad=True) for n in (6, 7, 7)]
    return tensors, of, to


def test_both_ways_of_attending_are_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    (q, k, v), of, to = attention_inputs()
    found = []
    for path in (attention._by_sample, attention.padded):
        monkeypatch.setattr(attention, "_by_sample", path)
        out = attend(q, k, v, of=of, to=to, heads=2, dropout=0.0)
        found.append((out, *torch.autograd.grad(out.square().sum(), (q, k, v))))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, atol=1e-13, rtol=0)


def test_gradient_of_attention_with_dropout() -> None:
    tensors, of, to = attention_inputs()

    def seeded(*x: Tensor) -> Tensor:
        torch.manual_seed(1)
        return attend(*x, of=of, to=to, heads=2, dropout=0.3)

    assert torch.autograd.gradcheck(seeded, tensors)


def test_attention_with_dropout_keeps_its_mean() -> None:
    (q, k, v), of, to = attention_inputs()
    with torch.no_grad():
        whole = attend(q, k, v, of=of, to=to, heads=2, dropout=0.0)
        draws = torch.stack([attend(q, k, v, of=of, to=to, heads=2, dropout=0.4) for _ in range(1500)])
    assert draws.std(0).min() > 0.01
    errors = (draws.mean(0) - whole).abs() / (draws.std(0) / 1500**0.5)
    assert errors.max() < 5
