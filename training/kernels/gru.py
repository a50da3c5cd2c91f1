"""Gated recurrent units that run side by side over a window: one batched product a step.

The backward is written out as for the highway cell: what a step's gradient is multiplied with is
computed for the whole window at once, each weight gradient is one product over the whole window,
and on a GPU both loops are recorded and replayed (replay.py). All in float32.

Shapes: G groups (directions), T steps, B batch, E inputs, H hidden. torch's gates r, z, n, with
the bias of the state inside the reset, as in torch and in ONNX with ``linear_before_reset``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from training.kernels.replay import Recordings


def _forward(pre: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The loop over ``(T, G, B, 3H)``: states ``(T + 1, G, B, H)``, gates ``(T, 4, G, B, H)``.

    Gates are r, z, n, and the state's part of n.
    """
    steps, groups, batch, _ = pre.shape
    hidden = w.shape[1]
    states = pre.new_zeros(steps + 1, groups, batch, hidden)
    gates = pre.new_empty(steps, 4, groups, batch, hidden)
    bias = b[:, None].expand(-1, batch, -1)
    for t in range(steps):
        state = torch.baddbmm(bias, states[t], w)
        both = (pre[t, ..., : 2 * hidden] + state[..., : 2 * hidden]).sigmoid_()
        gates[t, :2] = both.view(groups, batch, 2, hidden).movedim(2, 0)
        gates[t, 3] = state[..., 2 * hidden :]
        n = torch.addcmul(pre[t, ..., 2 * hidden :], gates[t, 0], gates[t, 3])
        torch.tanh(n, out=gates[t, 2])
        torch.lerp(gates[t, 2], states[t], gates[t, 1], out=states[t + 1])
    return states, gates


def _backward(w: Tensor, states: Tensor, gates: Tensor, grad_out: Tensor) -> tuple[Tensor]:
    """The loop back: ``(T, G, B, 5H)``, gradients to r, z, the state's part of n, n, the state."""
    groups, hidden = w.shape[:2]
    r, z, n, state_n = gates.unbind(dim=1)
    to_n = (1 - z) * (1 - n * n)
    parts = torch.cat(
        (to_n * state_n * r * (1 - r), (states[:-1] - n) * z * (1 - z), to_n * r, to_n, z), dim=-1
    )
    w_t = w.transpose(1, 2).contiguous()
    grad = torch.zeros_like(states[0])
    for t in reversed(range(len(gates))):
        grad = grad + grad_out[t]
        parts[t].view(groups, -1, 5, hidden).mul_(grad[..., None, :])
        grad = torch.baddbmm(parts[t, ..., 4 * hidden :], parts[t, ..., : 3 * hidden], w_t)
    return (parts,)


_RECORDED = Recordings(_forward, _backward, wanted=(1, 3, 4))
"""Of w, states and gates the backward is made."""


class _Gru(torch.autograd.Function):
    """The recurrence with a backward of our own; see :func:`gru`."""

    @staticmethod
    def forward(ctx: Any, pre: Tensor, w: Tensor, b: Tensor, grad: bool) -> Tensor:
        hidden = w.shape[1]
        ctx.window, (states, gates) = _RECORDED.forward(grad, (pre, w, b), (pre[..., :hidden],))
        ctx.save_for_backward(w, states, gates)
        return states[1:].clone()

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        w, states, gates = ctx.saved_tensors
        groups, hidden = w.shape[:2]
        (parts,) = _RECORDED.backward(ctx.window, (w, states, gates), (grad_out,))
        flat = parts[..., : 3 * hidden].movedim(1, 0).reshape(groups, -1, 3 * hidden)
        before = states[:-1].movedim(1, 0).reshape(groups, -1, hidden)
        grad_w = torch.bmm(before.transpose(1, 2), flat)
        grad_pre = torch.cat((parts[..., : 2 * hidden], parts[..., 3 * hidden : 4 * hidden]), -1)
        return grad_pre, grad_w, flat.sum(dim=1), None


def gru(x: Tensor, w_in: Tensor, w_state: Tensor, b_in: Tensor, b_state: Tensor) -> Tensor:
    """Run G units from a state of zeros, in float32.

    Args:
        x: ``(G, T, B, E)``.
        w_in: ``(G, E, 3H)``.
        w_state: ``(G, H, 3H)``.
        b_in: ``(G, 3H)``.
        b_state: ``(G, 3H)``.

    Returns:
        The state after each step, ``(G, T, B, H)``.
    """
    groups, steps, batch, inputs = x.shape
    flat = x.float().reshape(groups, steps * batch, inputs)
    pre = torch.baddbmm(b_in[:, None], flat, w_in).view(groups, steps, batch, -1)
    states: Tensor = _Gru.apply(  # type: ignore[no-untyped-call]
        pre.movedim(1, 0).contiguous(), w_state, b_state, torch.is_grad_enabled()
    )
    return states.movedim(1, 0)
