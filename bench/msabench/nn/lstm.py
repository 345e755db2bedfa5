"""An LSTM over features.

Notation: B batch, L steps, d input width, h hidden width, M rows that are not zero.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class LastStateLSTM(nn.LSTM):
    """A one-way, one-layer `nn.LSTM` that gives its last hidden state alone.

    Parameters, their names and their initial values are those of `nn.LSTM`. On a CPU, for an input that needs
    no gradient (features, a frozen encoder), the steps are written out here: the gradient for the input, as
    dear as the whole forward pass, is never computed, and rows of zeros (the padding of precomputed features)
    take their bias without a product. Outputs and gradients equal `nn.LSTM`'s up to rounding.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__(width, hidden, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """(B, L, d) -> (B, h)"""
        if x.device.type == "cpu" and not x.requires_grad:
            state: Tensor = _WeightGradientLSTM.apply(  # type: ignore[no-untyped-call]
                x, self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0
            )
            return state
        _, (last, _) = super().forward(x)
        return last[0]


class _WeightGradientLSTM(torch.autograd.Function):
    """Last state of an LSTM, differentiable in its weights only.

    Gates lie in PyTorch's order i, f, g, o. All is time-major, so that each step works on contiguous memory;
    the two large products run once over the rows of all steps that are not zero.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, w_in: Tensor, w_state: Tensor, b_in: Tensor, b_state: Tensor) -> Tensor:
        batch, steps, _ = x.shape
        h = w_state.shape[1]
        filled = torch.linalg.vector_norm(x, dim=2).t() > 0  # (L, B)
        rows = filled.flatten().nonzero()[:, 0]  # (M,)
        inputs = x.transpose(0, 1)[filled]  # (M, d)
        # tanh(z) = 2 sigmoid(2 z) - 1: with the rows of g doubled, one pass squashes all four gates
        double = torch.ones_like(b_in).index_fill_(0, torch.arange(2 * h, 3 * h), 2)
        bias, recurrent = (b_in + b_state) * double, w_state.t() * double
        gates = torch.addmm(bias, inputs, w_in.t() * double)  # (M, 4h)
        if len(rows) < steps * batch:
            gates = bias.repeat(steps * batch, 1).index_copy_(0, rows, gates)
        gates = gates.view(steps, batch, 4 * h)  # (L, B, 4h)
        states = x.new_zeros(steps + 1, batch, h)
        cells = x.new_zeros(steps + 1, batch, h)
        squashed = x.new_empty(steps, batch, h)  # tanh of the cells
        for t in range(steps):
            gate = gates[t].addmm_(states[t], recurrent).sigmoid_()  # (B, 4h)
            i, f, g, o = gate.chunk(4, dim=1)
            g.mul_(2).sub_(1)
            torch.mul(f, cells[t], out=cells[t + 1]).addcmul_(i, g)
            torch.tanh(cells[t + 1], out=squashed[t])
            torch.mul(o, squashed[t], out=states[t + 1])
        ctx.save_for_backward(inputs, rows, w_state, gates, states, cells, squashed)
        return states[steps].clone()  # (B, h)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_state: Tensor) -> tuple[None, Tensor, Tensor, Tensor, Tensor]:
        inputs, rows, w_state, gates, states, cells, squashed = ctx.saved_tensors
        steps, _, h4 = gates.shape
        d_gates = torch.empty_like(gates)  # before the squashing
        d_cell = torch.zeros_like(d_state)
        for t in reversed(range(steps)):
            i, f, g, o = gates[t].chunk(4, dim=1)
            d_i, d_f, d_g, d_o = d_gates[t].chunk(4, dim=1)
            torch.mul(d_state, squashed[t], out=d_o)
            d_cell.addcmul_(d_state * o, 1 - squashed[t].square())
            torch.mul(d_cell, g, out=d_i)
            torch.mul(d_cell, cells[t], out=d_f)
            torch.mul(d_cell, i, out=d_g)
            d_cell.mul_(f)
            d_i.mul_(i).mul_(1 - i)
            d_f.mul_(f).mul_(1 - f)
            d_g.mul_(1 - g.square())
            d_o.mul_(o).mul_(1 - o)
            d_state = d_gates[t] @ w_state  # (B, h)
        flat = d_gates.view(-1, h4)  # (L B, 4h)
        before = states[:-1].flatten(0, 1)  # (L B, h)
        d_bias = flat.sum(0)
        used = flat if len(rows) == len(flat) else flat[rows]  # (M, 4h)
        return None, used.t() @ inputs, flat.t() @ before, d_bias, d_bias
