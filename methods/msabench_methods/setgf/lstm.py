"""An LSTM over sequences without padding.

Notation: B batch, M valid steps in it, n sequences that have the step at hand, D input width, h hidden width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils.rnn import PackedSequence

from msabench_methods.setgf.rows import Layout


class RowLSTM(nn.LSTM):
    """A one-way, one-layer `nn.LSTM` over rows.

    Parameters, their names and their initial values are those of `nn.LSTM`, and outputs those of a packed
    sequence. On a CPU, for an input that needs no gradient, the steps are written out here: the gradient for
    the input is never computed, and the large products run once over the rows of all steps.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__(width, hidden)

    def forward(self, rows: Tensor, layout: Layout) -> Tensor:  # type: ignore[override]
        """(M, D) -> (M, h), the hidden state after each step"""
        order, sizes = layout.by_step
        packed = rows.index_select(0, order)
        if rows.device.type == "cpu" and not rows.requires_grad:
            states: Tensor = _WeightGradientLSTM.apply(  # type: ignore[no-untyped-call]
                packed, sizes, self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0
            )
        else:
            states = super().forward(PackedSequence(packed, torch.tensor(sizes)))[0].data
        return torch.empty_like(states).index_copy(0, order, states)


class _WeightGradientLSTM(torch.autograd.Function):
    """All states of an LSTM, differentiable in its weights only. Gates in PyTorch's order i, f, g, o."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, sizes: list[int], w_in: Tensor, w_state: Tensor, b_in: Tensor, b_state: Tensor
    ) -> Tensor:
        h = w_state.shape[1]
        # tanh(z) = 2 sigmoid(2 z) - 1: with the rows of g doubled, one pass squashes all four gates
        double = torch.ones_like(b_in).index_fill_(0, torch.arange(2 * h, 3 * h), 2)
        recurrent = w_state.t() * double
        gates = torch.addmm((b_in + b_state) * double, rows, w_in.t() * double)  # (M, 4h)
        states, cells, squashed = (rows.new_empty(len(rows), h) for _ in range(3))  # squashed: tanh of cells
        state = cell = rows.new_zeros(sizes[0], h)
        for gate, new_state, new_cell, tanh in zip(
            *(torch.split(x, sizes) for x in (gates, states, cells, squashed)), strict=True
        ):
            n = len(gate)
            i, f, g, o = gate.addmm_(state[:n], recurrent).sigmoid_().chunk(4, dim=1)  # (n, h) each
            torch.mul(f, cell[:n], out=new_cell).addcmul_(i, g, value=2).sub_(i)
            torch.tanh(new_cell, out=tanh)
            torch.mul(o, tanh, out=new_state)
            state, cell = new_state, new_cell
        gates[:, 2 * h : 3 * h].mul_(2).sub_(1)
        ctx.sizes = sizes
        ctx.save_for_backward(rows, w_state, gates, states, cells, squashed)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_states: Tensor) -> tuple[Tensor | None, ...]:
        rows, w_state, gates, states, cells, squashed = ctx.saved_tensors
        sizes: list[int] = ctx.sizes
        # what each row starts from: the row of the step before, zero at the first step
        first = states.new_zeros(sizes[0], states.shape[1])
        before, cells_before = (
            torch.cat([first] + [p[:n] for p, n in zip(torch.split(x, sizes), sizes[1:], strict=False)])
            for x in (states, cells)
        )
        i, f, g, o = gates.chunk(4, dim=1)  # (M, h) each
        # gradients before squashing: of i, f, g by the cell's, of o and of the cell by the state's
        by_cell = torch.stack([g * i * (1 - i), cells_before * f * (1 - f), i * (1 - g.square())], dim=1)
        by_state, to_cell = squashed * o * (1 - o), o * (1 - squashed.square())
        d_gates = torch.empty_like(gates).view(len(gates), 4, -1)  # (M, 4, h)
        # what later steps hand back; zero for sequences that end here
        d_state, d_cell = (torch.zeros_like(first) for _ in range(2))
        parts = (torch.split(x, sizes) for x in (by_cell, by_state, to_cell, f, d_gates, d_states))
        for by_c, by_s, to_c, forget, d_gate, own in reversed(list(zip(*parts, strict=True))):
            d_s, d_c = d_state[: len(own)].add_(own), d_cell[: len(own)]
            d_c.addcmul_(d_s, to_c)
            torch.mul(by_c, d_c[:, None], out=d_gate[:, :3])
            torch.mul(by_s, d_s, out=d_gate[:, 3])
            d_c.mul_(forget)
            torch.mm(d_gate.flatten(1), w_state, out=d_s)
        d_gates = d_gates.flatten(1)  # (M, 4h)
        d_bias = d_gates.sum(0)
        return None, None, d_gates.t() @ rows, d_gates.t() @ before, d_bias, d_bias
