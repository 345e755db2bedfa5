"""An LSTM over sequences of unequal length. Notation: see `model.py`.

T is the length of the longest sequence of a batch, M the number of its frames without padding, n_t how many
of its sequences reach step t.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence

NOTHING = 1e-30
"""Gradients that have vanished this far are taken for 0: CPUs are slow at numbers close to the smallest."""


class SequenceEncoder(nn.Module):
    """Frames to a vector: a one-way, one-layer LSTM's state after the last real frame, then a linear
    layer."""

    def __init__(self, features: int, hidden: int, width: int) -> None:
        super().__init__()
        self.rnn = RaggedLSTM(features, hidden)
        self.linear = nn.Linear(hidden, width)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(B, L, features), (B,) -> (B, d)"""
        state: Tensor = self.linear(self.rnn(x, lengths))
        return state


class RaggedLSTM(nn.LSTM):
    """`nn.LSTM`, one-way and of one layer, that gives each sequence's state after its own last frame.

    Padding lies behind the frames, so that no sequence's own states feel it: nothing needs to be packed. A
    length of 0 counts as 1 (D16). In training on a CPU, for an input that needs no gradient, the gradient of
    the weights is written out here over the frames that exist; `nn.LSTM` would also work out the input's, for
    all the padding too. Outputs and gradients equal a packed `nn.LSTM`'s up to rounding.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__(width, hidden, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:  # type: ignore[override]
        """(B, L, features), (B,) -> (B, h)"""
        lengths = lengths.clamp(min=1)
        if x.device.type == "cpu":
            x = x[:, : int(lengths.max())]  # (B, T, features)
        own = x.device.type == "cpu" and not x.requires_grad and torch.is_grad_enabled()
        with torch.set_grad_enabled(torch.is_grad_enabled() and not own):
            states, _ = super().forward(x)  # (B, T, h)
        if own:
            last: Tensor = _LastState.apply(  # type: ignore[no-untyped-call]
                states, x, lengths, self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0
            )
            return last
        return _last(states, lengths)


def _last(states: Tensor, lengths: Tensor) -> Tensor:
    return states[torch.arange(len(states), device=states.device), lengths - 1]


class _LastState(torch.autograd.Function):
    """Picks each sequence's last state, and knows its gradient for the LSTM's weights.

    The backward pass packs sequences as `PackedSequence` does: longest first, the n_t rows of step t behind
    those of step t - 1, of which they continue the first n_t. Gates are made again from the states in one
    product over all rows; only cells and their gradients are worked out step by step. Gates lie in PyTorch's
    order i, f, g, o.
    """

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        x: Tensor,
        lengths: Tensor,
        w_in: Tensor,
        w_state: Tensor,
        b_in: Tensor,
        b_state: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(states, x, lengths, w_in, w_state, b_in + b_state)
        return _last(states, lengths)  # (B, h)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_last: Tensor) -> tuple[None, None, None, Tensor, Tensor, Tensor, Tensor]:
        states, x, lengths, w_in, w_state, bias = ctx.saved_tensors
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        before = pack_padded_sequence(  # the state that each row starts from
            F.pad(states, (0, 0, 1, -1)), lengths, batch_first=True, enforce_sorted=False
        ).data  # (M, h)
        sizes, first = packed.batch_sizes, int(packed.batch_sizes[0])
        gates = torch.addmm(bias, packed.data, w_in.t()).addmm_(before, w_state.t())  # (M, 4h)
        i, f, g, o = gates.chunk(4, dim=1)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()  # (M, h) each
        cells, steps = i * g, sizes.tolist()
        by_step = torch.split_with_sizes(cells, steps)
        for forgotten, earlier, cell in zip(
            torch.split_with_sizes(f, steps)[1:], by_step[:-1], by_step[1:], strict=True
        ):
            cell.addcmul_(forgotten, earlier[: len(cell)])
        squashed = cells.tanh()
        # row r of step t continues row r - n_(t - 1)
        continued = torch.arange(first, len(cells)) - sizes[:-1].repeat_interleave(sizes[1:])
        cells_before = torch.cat([torch.zeros_like(cells[:first]), cells[continued]])
        # what a step's d_state and d_cell are multiplied by
        to_cell = o * (1 - squashed.square())
        d_gates = torch.stack(
            [g * i * (1 - i), cells_before * f * (1 - f), i * (1 - g.square()), squashed * o * (1 - o)], 1
        )
        _walk_back(d_last[packed.sorted_indices], w_state, steps, d_gates, to_cell, f)
        flat = d_gates.flatten(1)  # (M, 4h)
        d_bias = flat.sum(0)
        return None, None, None, flat.t() @ packed.data, flat.t() @ before, d_bias, d_bias


def _walk_back(
    d_state: Tensor, w_state: Tensor, steps: list[int], d_gates: Tensor, to_cell: Tensor, forget: Tensor
) -> None:
    """Turn the factors in `d_gates`, (M, 4, h), into the gates' gradients, from the last step to the first.

    `d_state` (B, h) holds what comes from behind each sequence; rows of sequences that are shorter than the
    current step wait in it for their own last step.
    """
    both = torch.stack([d_state, torch.zeros_like(d_state)])
    walk = zip(
        torch.split_with_sizes(d_gates[:, :3], steps),
        torch.split_with_sizes(d_gates[:, 3], steps),
        torch.split_with_sizes(d_gates.flatten(1), steps),
        torch.split_with_sizes(to_cell, steps),
        torch.split_with_sizes(forget, steps),
        strict=True,
    )
    for step, (d_ifg, d_o, d_gate, factor, f) in reversed(list(enumerate(walk))):
        state, cell = both[:, : len(f)]  # (n_t, h)
        cell.addcmul_(state, factor)
        d_ifg.mul_(cell[:, None])
        d_o.mul_(state)
        torch.mm(d_gate, w_state, out=state)
        cell.mul_(f)
        if step % 8 == 0:
            both.copy_(F.hardshrink(both, NOTHING))
