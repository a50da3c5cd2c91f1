"""The recurrent highway cell over a window (Zilly 2017, as paper 003 uses it), and its gradient.

One step is D micro-layers on one state s: candidate h = tanh(a), transform gate t = sigmoid(a),
s += t ⊙ (h − s). The input enters the first micro-layer only, so all that the input gives is
computed before the loop, for every step at once, and D products a step are left inside. The
backward is written out: each weight gradient is one product over the whole window. Products run
in the type of the input, float32 or bfloat16; the state is float32.

Shapes: T steps, B batch, H hidden, D depth. Pre-activations ``(..., 2H)``: candidate, then gate.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def highway_cell(a: Tensor, s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One micro-layer: pre-activations ``(B, 2H)``, state ``(B, H)`` -> next state, h, t."""
    a_h, a_t = a.float().chunk(2, dim=-1)
    h, t = torch.tanh(a_h), torch.sigmoid(a_t)
    return s + t * (h - s), h, t


class _Highway(torch.autograd.Function):
    """The recurrence with a backward of our own; see :func:`highway`."""

    @staticmethod
    def forward(
        ctx: Any, pre: Tensor, s: Tensor, weights: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        steps, batch, _ = pre.shape
        depth, hidden = weights.shape[:2]
        w, b = weights.to(pre.dtype), bias.to(pre.dtype)
        s_in = pre.new_empty(steps, depth, batch, hidden)
        gates = pre.new_empty(steps, depth, batch, 2 * hidden)
        out = pre.new_empty(steps, batch, hidden)
        for t in range(steps):
            for layer in range(depth):
                s_in[t, layer] = s
                a = torch.addmm(b[layer] if layer else pre[t], s_in[t, layer], w[layer])
                s, h, gate = highway_cell(a, s)
                gates[t, layer, :, :hidden], gates[t, layer, :, hidden:] = h, gate
            out[t] = s
        ctx.save_for_backward(w, s_in, gates)
        return out, s

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor, grad_s: Tensor | None) -> tuple[Tensor, ...]:
        w, s_in, gates = ctx.saved_tensors
        steps, depth, batch, hidden = s_in.shape
        w_t = w.transpose(1, 2).contiguous()
        grad_a = torch.empty_like(gates)
        grad = grad_out.new_zeros(batch, hidden, dtype=torch.float32) if grad_s is None else grad_s
        for t in reversed(range(steps)):
            grad = grad + grad_out[t]
            for layer in reversed(range(depth)):
                h, gate = gates[t, layer].float().chunk(2, dim=-1)
                grad_h = grad * gate * (1 - h * h)
                grad_t = grad * (h - s_in[t, layer]) * gate * (1 - gate)
                grad_a[t, layer] = torch.cat((grad_h, grad_t), dim=-1)
                grad = grad * (1 - gate) + grad_a[t, layer] @ w_t[layer]
        flat_a = grad_a.transpose(0, 1).reshape(depth, steps * batch, 2 * hidden)
        flat_s = s_in.transpose(0, 1).reshape(depth, steps * batch, hidden)
        grad_w = torch.bmm(flat_s.transpose(1, 2), flat_a).float()
        grad_b = flat_a.float().sum(dim=1)
        grad_b[0] = 0.0  # that row came in with the input
        return grad_a[:, 0], grad, grad_w, grad_b


def highway(pre: Tensor, s: Tensor, weights: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Run the cell over a window from the input's pre-activations.

    Args:
        pre: What the input gives to the first micro-layer, its bias included, ``(T, B, 2H)``;
            its type is that of the products and of the output.
        s: State before the window, ``(B, H)`` float32; a gradient flows into it.
        weights: ``(D, H, 2H)`` float32.
        bias: ``(D, 2H)`` float32; row 0 is not used, ``pre`` holds it.

    Returns:
        The state after each step ``(T, B, H)``, and after the last ``(B, H)`` in float32.
    """
    return _Highway.apply(pre, s, weights, bias)  # type: ignore[no-untyped-call, no-any-return]
