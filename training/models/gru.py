"""Gated recurrent units that run side by side over a window: one batched product a step.

The backward is written out, as for the LSTMs of ``layers.py``: products in the type of the input,
state in float32, each weight gradient one product over the whole window.

Shapes: G groups (directions), T steps, B batch, E inputs, H hidden. torch's gates r, z, n, with
the bias of the state inside the reset, as in torch and in ONNX with ``linear_before_reset``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor


def _forward(pre: Tensor, state: Tensor, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One step: input and state parts ``(G, B, 3H)``, h -> next h, the same low, gates.

    Gates are r, z, n and the state's part of n, ``(G, B, 4H)``.
    """
    in_r, in_z, in_n = pre.float().chunk(3, dim=-1)
    st_r, st_z, st_n = state.float().chunk(3, dim=-1)
    r, z = torch.sigmoid(in_r + st_r), torch.sigmoid(in_z + st_z)
    n = torch.tanh(in_n + r * st_n)
    h = n + z * (h - n)
    return h, h.to(pre.dtype), torch.cat((r, z, n, st_n), dim=-1).to(pre.dtype)


def _backward(
    kept: Tensor, product: Tensor, grad_out: Tensor, gates: Tensor, h: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradient of a step with respect to both parts, and what goes past it to the h before."""
    grad = kept + product.float() + grad_out.float()
    r, z, n, st_n = gates.float().chunk(4, dim=-1)
    grad_n = grad * (1 - z) * (1 - n * n)
    grad_z = grad * (h.float() - n) * z * (1 - z)
    grad_r = grad_n * st_n * r * (1 - r)
    grad_pre = torch.cat((grad_r, grad_z, grad_n), dim=-1).to(gates.dtype)
    grad_state = torch.cat((grad_r, grad_z, grad_n * r), dim=-1).to(gates.dtype)
    return grad_pre, grad_state, grad * z


@lru_cache(maxsize=2)
def _cells(compiled: bool) -> tuple[Callable[..., Any], Callable[..., Any]]:
    if not compiled:
        return _forward, _backward
    return torch.compile(_forward), torch.compile(_backward)


class _Gru(torch.autograd.Function):
    """The recurrence with a backward of our own; see :func:`gru`."""

    @staticmethod
    def forward(ctx: Any, pre: Tensor, w_state: Tensor, b_state: Tensor, compiled: bool) -> Tensor:
        cell, _ = _cells(compiled)
        groups, steps, batch, _ = pre.shape
        w, b = w_state.to(pre.dtype), b_state.to(pre.dtype)[:, None]
        hidden = w.shape[1]
        states = pre.new_zeros(groups, steps + 1, batch, hidden)
        gates = pre.new_empty(steps, groups, batch, 4 * hidden)
        h = torch.zeros(groups, batch, hidden, device=pre.device)
        for t in range(steps):
            state = torch.baddbmm(b, states[:, t], w)
            h, states[:, t + 1], gates[t] = cell(pre[:, t], state, h)
        ctx.save_for_backward(w, states, gates)
        ctx.compiled = compiled
        return states[:, 1:]

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        _, cell = _cells(ctx.compiled)
        w, states, gates = ctx.saved_tensors
        groups, rows, batch, hidden = states.shape
        steps = rows - 1
        w_t = w.transpose(1, 2).contiguous()
        grad_pre = w.new_empty(groups, steps, batch, 3 * hidden)
        grad_state = torch.empty_like(grad_pre)
        kept = torch.zeros(groups, batch, hidden, device=w.device)
        product = kept.to(w.dtype)
        for t in reversed(range(steps)):
            grad_pre[:, t], part, kept = cell(kept, product, grad_out[:, t], gates[t], states[:, t])
            grad_state[:, t] = part
            product = torch.bmm(part, w_t)
        flat = grad_state.view(groups, steps * batch, -1)
        before = states[:, :-1].reshape(groups, steps * batch, hidden)
        grad_w = torch.bmm(before.transpose(1, 2), flat).float()
        return grad_pre, grad_w, flat.sum(dim=1).float(), None


def gru(
    x: Tensor,
    w_in: Tensor,
    w_state: Tensor,
    b_in: Tensor,
    b_state: Tensor,
    *,
    compiled: bool = False,
) -> Tensor:
    """Run G units from a state of zeros.

    Args:
        x: ``(G, T, B, E)``; its type is that of the products and of the result.
        w_in: ``(G, E, 3H)`` float32, as are the others.
        w_state: ``(G, H, 3H)``.
        b_in: ``(G, 3H)``.
        b_state: ``(G, 3H)``.
        compiled: Fuse the cell with ``torch.compile``.

    Returns:
        The state after each step, ``(G, T, B, H)``.
    """
    groups, steps, batch, inputs = x.shape
    flat = x.reshape(groups, steps * batch, inputs)
    pre = torch.baddbmm(b_in.to(x.dtype)[:, None], flat, w_in.to(x.dtype))
    pre = pre.view(groups, steps, batch, -1)
    return _Gru.apply(pre, w_state, b_state, compiled)  # type: ignore[no-untyped-call, no-any-return]
