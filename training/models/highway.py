"""The recurrent highway cell over a window (Zilly 2017, as paper 003 uses it), and its gradient.

One step is D micro-layers on one state s: candidate h = tanh(a), transform gate t = sigmoid(a),
s += t ⊙ (h − s). The input enters the first micro-layer only, so all that the input gives is
computed before the loop, for every step at once, and D products a step are left inside. The
backward is written out: each weight gradient is one product over the whole window. Products run
in the type of the input, float32 or bfloat16; the state is float32.

Shapes: T steps, B batch, H hidden, D depth. Pre-activations ``(..., 2H)``: candidate, then gate.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor


def highway_cell(a: Tensor, s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One micro-layer: pre-activations ``(B, 2H)``, state ``(B, H)`` -> next state, h, t."""
    a_h, a_t = a.float().chunk(2, dim=-1)
    h, t = torch.tanh(a_h), torch.sigmoid(a_t)
    return s + t * (h - s), h, t


def _forward(a: Tensor, s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A micro-layer -> next state in float32, the same and the gates in the type of ``a``."""
    s, h, t = highway_cell(a, s)
    return s, s.to(a.dtype), torch.cat((h, t), dim=-1).to(a.dtype)


def _backward(kept: Tensor, product: Tensor, gates: Tensor, s_in: Tensor) -> tuple[Tensor, Tensor]:
    """Gradient of a micro-layer.

    The gradient of its next state is ``kept + product``: what went past the micro-layer above,
    and what came through it. Returns the gradient of ``a``, and what goes past this one.
    """
    grad = kept + product.float()
    h, t = gates.float().chunk(2, dim=-1)
    grad_h = grad * t * (1 - h * h)
    grad_t = grad * (h - s_in.float()) * t * (1 - t)
    return torch.cat((grad_h, grad_t), dim=-1).to(gates.dtype), grad * (1 - t)


@lru_cache(maxsize=2)
def _cells(compiled: bool) -> tuple[Callable[..., Any], Callable[..., Any]]:
    if not compiled:
        return _forward, _backward
    return torch.compile(_forward), torch.compile(_backward)


class _Highway(torch.autograd.Function):
    """The recurrence with a backward of our own; see :func:`highway`."""

    @staticmethod
    def forward(
        ctx: Any, pre: Tensor, s: Tensor, weights: Tensor, bias: Tensor, compiled: bool
    ) -> tuple[Tensor, Tensor]:
        cell, _ = _cells(compiled)
        steps, batch, _ = pre.shape
        depth, hidden = weights.shape[:2]
        w, b = weights.to(pre.dtype), bias.to(pre.dtype)
        # Row t, l is what micro-layer l of step t starts from; one row more for what is left.
        states = pre.new_empty(steps * depth + 1, batch, hidden)
        gates = pre.new_empty(steps * depth, batch, 2 * hidden)
        states[0] = s
        low = states[0]
        for row in range(steps * depth):
            t, layer = divmod(row, depth)
            a = torch.addmm(b[layer] if layer else pre[t], low, w[layer])
            s, low, gates[row] = cell(a, s)
            states[row + 1] = low
        ctx.save_for_backward(w, states, gates)
        ctx.compiled = compiled
        return states[depth::depth], s

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor, grad_s: Tensor) -> tuple[Tensor | None, ...]:
        _, cell = _cells(ctx.compiled)
        w, states, gates = ctx.saved_tensors
        depth, hidden = w.shape[:2]
        rows, batch, _ = gates.shape
        w_t = w.transpose(1, 2).contiguous()
        grad_a = torch.empty_like(gates)
        kept, product = grad_s, torch.zeros_like(gates[0, :, :hidden])
        for row in reversed(range(rows)):
            t, layer = divmod(row, depth)
            if layer == depth - 1:
                product = product + grad_out[t]
            grad_a[row], kept = cell(kept, product, gates[row], states[row])
            product = torch.mm(grad_a[row], w_t[layer])
        by_layer = grad_a.view(-1, depth, batch, 2 * hidden)
        grad_w, grad_b = [], []
        for layer in range(depth):
            flat = by_layer[:, layer].reshape(-1, 2 * hidden)
            before = states[layer:-1:depth].reshape(-1, hidden)
            grad_w.append((before.T @ flat).float())
            # Row 0 of the bias is in the input.
            grad_b.append(flat.sum(dim=0).float() if layer else grad_s.new_zeros(2 * hidden))
        grad_start = kept + product.float()
        return by_layer[:, 0], grad_start, torch.stack(grad_w), torch.stack(grad_b), None


def highway(
    pre: Tensor, s: Tensor, weights: Tensor, bias: Tensor, *, compiled: bool = False
) -> tuple[Tensor, Tensor]:
    """Run the cell over a window from the input's pre-activations.

    Args:
        pre: What the input gives to the first micro-layer, its bias included, ``(T, B, 2H)``;
            its type is that of the products and of the output.
        s: State before the window, ``(B, H)`` float32; a gradient flows into it.
        weights: ``(D, H, 2H)`` float32.
        bias: ``(D, 2H)`` float32; row 0 is not used, ``pre`` holds it.
        compiled: Fuse the cell with ``torch.compile`` (needs a C++ compiler on a CPU).

    Returns:
        The state after each step ``(T, B, H)``, and after the last ``(B, H)`` in float32.
    """
    return _Highway.apply(pre, s, weights, bias, compiled)  # type: ignore[no-untyped-call, no-any-return]
