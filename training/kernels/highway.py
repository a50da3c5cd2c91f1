"""The recurrent highway cell over a window, and its gradient.

Source: [Zilly2017], as [Yamshchikov2020] uses it.

One step is D micro-layers on one state s: candidate h = tanh(a), transform gate t = sigmoid(a),
s += t ⊙ (h − s). The input enters the first micro-layer only, so all that the input gives is
computed before the loop, for every step at once, and D products a step are left inside.

The backward is written out. What a micro-layer's gradient is multiplied with does not depend on
the gradient, and is computed for the whole window at once; inside the loop are one product by
elements and one by a matrix. Each weight gradient is one product over the whole window. On a GPU
both loops are recorded and replayed (replay.py). All in float32: at the batches of tunes bfloat16
is no faster.

Shapes: T steps, B batch, H hidden, D depth. Pre-activations ``(..., 2H)``: candidate, then gate.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from training.kernels.replay import Recordings


def highway_cell(a: Tensor, s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One micro-layer: pre-activations ``(B, 2H)``, state ``(B, H)`` -> next state, h, t."""
    a_h, a_t = a.chunk(2, dim=-1)
    h, t = torch.tanh(a_h), torch.sigmoid(a_t)
    return s + t * (h - s), h, t


def _forward(pre: Tensor, s: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The loop: states ``(TD + 1, B, H)``, row r what micro-layer r starts from; gates."""
    steps, batch, _ = pre.shape
    depth, hidden = w.shape[:2]
    states = pre.new_empty(steps * depth + 1, batch, hidden)
    gates = pre.new_empty(steps * depth, 2, batch, hidden)
    states[0] = s
    for row in range(steps * depth):
        t, layer = divmod(row, depth)
        a = torch.addmm(b[layer] if layer else pre[t], states[row], w[layer])
        torch.tanh(a[:, :hidden], out=gates[row, 0])
        torch.sigmoid(a[:, hidden:], out=gates[row, 1])
        torch.lerp(states[row], gates[row, 0], gates[row, 1], out=states[row + 1])
    return states, gates


def _backward(
    w: Tensor, states: Tensor, gates: Tensor, grad_out: Tensor, grad_s: Tensor
) -> tuple[Tensor, Tensor]:
    """The loop back: gradients of all pre-activations ``(TD, B, 2H)`` and of the first state."""
    depth, hidden = w.shape[:2]
    rows = len(gates)
    h, t = gates[:, 0], gates[:, 1]
    # Of the gradient of a micro-layer's next state: to candidate, to gate, past the micro-layer.
    parts = torch.cat((t * (1 - h * h), (h - states[:-1]) * t * (1 - t), 1 - t), dim=-1)
    w_t = w.transpose(1, 2).contiguous()
    grad = grad_s
    for row in reversed(range(rows)):
        if row % depth == depth - 1:
            grad = grad + grad_out[row // depth]
        part = parts[row].view(-1, 3, hidden)
        part.mul_(grad[:, None])
        flat = parts[row]
        grad = torch.addmm(flat[:, 2 * hidden :], flat[:, : 2 * hidden], w_t[row % depth])
    return parts[..., : 2 * hidden], grad


_RECORDED = Recordings(_forward, _backward, wanted=(2, 4, 5))
"""Of w, states and gates the backward is made."""


class _Highway(torch.autograd.Function):
    """The recurrence with a backward of our own; see :func:`highway`."""

    @staticmethod
    def forward(
        ctx: Any, pre: Tensor, s: Tensor, w: Tensor, b: Tensor, grad: bool
    ) -> tuple[Tensor, Tensor]:
        depth = len(w)
        ctx.window, (states, gates) = _RECORDED.forward(
            grad, (pre, s, w, b), (pre[..., : pre.shape[-1] // 2], s)
        )
        ctx.save_for_backward(w, states, gates)
        return states[depth::depth].clone(), states[-1].clone()

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor, grad_s: Tensor) -> tuple[Tensor | None, ...]:
        w, states, gates = ctx.saved_tensors
        depth, hidden = w.shape[:2]
        grad_a, grad_first = _RECORDED.backward(ctx.window, (w, states, gates), (grad_out, grad_s))
        by_layer = grad_a.view(-1, depth, *grad_a.shape[1:])
        grad_w, grad_b = [], []
        for layer in range(depth):
            flat = by_layer[:, layer].reshape(-1, 2 * hidden)
            before = states[layer:-1:depth].reshape(-1, hidden)
            grad_w.append(before.T @ flat)
            # Row 0 of the bias is in the input.
            grad_b.append(flat.sum(dim=0) if layer else grad_s.new_zeros(2 * hidden))
        grads = (by_layer[:, 0].clone(), grad_first.clone())
        return *grads, torch.stack(grad_w), torch.stack(grad_b), None


def highway(pre: Tensor, s: Tensor, weights: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Run the cell over a window from the input's pre-activations, in float32.

    Args:
        pre: What the input gives to the first micro-layer, its bias included, ``(T, B, 2H)``.
        s: State before the window, ``(B, H)``; a gradient flows into it.
        weights: ``(D, H, 2H)``.
        bias: ``(D, 2H)``; row 0 is not used, ``pre`` holds it.

    Returns:
        The state after each step ``(T, B, H)``, and after the last ``(B, H)``.
    """
    return _Highway.apply(pre.float(), s, weights, bias, torch.is_grad_enabled())  # type: ignore[no-untyped-call, no-any-return]
