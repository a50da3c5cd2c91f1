"""Layers that several families share: a stack of LSTMs that advance side by side.

:func:`stacked_lstm` runs G independent LSTMs (the five submodels of the chain) as one batched
matrix product a step. Its backward is written out: products run in bfloat16 where that is asked
for, state stays float32, and each weight gradient is one product over the whole window. State can
be reset inside a window, so that pieces follow each other in a batch row without padding.

Shapes: G groups, T steps, B batch, H hidden. Groups come first, so that a group's window is one
contiguous block. torch's gate order i, f, g, o.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor


def cell_forward(a: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One LSTM cell: pre-activations ``(..., 4H)`` and cell ``(..., H)`` -> h, c, gates.

    h and gates come in the type of ``a``; the cell in its own, float32.
    """
    i, f, g, o = a.float().chunk(4, dim=-1)
    i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
    c_next = f * c + i * g
    h = o * torch.tanh(c_next)
    return h.to(a.dtype), c_next, torch.cat((i, f, g, o), dim=-1).to(a.dtype)


def cell_backward(
    grad_out: Tensor, grad_h: Tensor, grad_c: Tensor, gates: Tensor, c: Tensor, c_next: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of :func:`cell_forward` with respect to ``a`` and ``c``.

    The gradient of h is ``grad_out + grad_h``: from the layer above and from the next step.
    """
    i, f, g, o = gates.float().chunk(4, dim=-1)
    grad = grad_out.float() + grad_h.float()
    tanh_c = torch.tanh(c_next)
    grad_c = grad_c + grad * o * (1 - tanh_c * tanh_c)
    grad_a = torch.cat(
        (
            grad_c * g * i * (1 - i),
            grad_c * c * f * (1 - f),
            grad_c * i * (1 - g * g),
            grad * tanh_c * o * (1 - o),
        ),
        dim=-1,
    )
    return grad_a.to(gates.dtype), grad_c * f


@lru_cache(maxsize=2)
def _cells(compiled: bool) -> tuple[Callable[..., Any], Callable[..., Any]]:
    if not compiled:
        return cell_forward, cell_backward
    return torch.compile(cell_forward), torch.compile(cell_backward)


class _StackedLstm(torch.autograd.Function):
    """The recurrence with a backward of our own; see :func:`stacked_lstm`."""

    @staticmethod
    def forward(
        ctx: Any, pre: Tensor, w_hh: Tensor, bias: Tensor, h: Tensor, c: Tensor, keep: Tensor,
        compiled: bool,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        step, _ = _cells(compiled)
        groups, steps, batch, _ = pre.shape
        # The bias rides along as one more row of the weights, behind an input that is always 1.
        w = torch.cat((w_hh, bias[:, None]), dim=1).to(pre.dtype)
        h_in = pre.new_ones(groups, steps, batch, w.shape[1])
        out = pre.new_empty(groups, steps, batch, w_hh.shape[1])
        gates = torch.empty_like(pre)
        cells_in, cells_out = [], []
        resets = (keep.amin(dim=1) < 1).tolist()
        for t in range(steps):
            if resets[t]:
                k = keep[t].view(1, -1, 1)
                h, c = h * k, c * k
            h_in[:, t, :, :-1] = h
            cells_in.append(c)
            h, c, gates[:, t] = step(torch.baddbmm(pre[:, t], h_in[:, t], w), c)
            out[:, t] = h
            cells_out.append(c)
        ctx.save_for_backward(w, keep, h_in, gates, *cells_in, *cells_out)
        ctx.resets, ctx.compiled = resets, compiled
        return out, c

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor, _grad_c: Tensor) -> tuple[Tensor | None, ...]:
        _, step_back = _cells(ctx.compiled)
        w, keep, h_in, gates, *cells = ctx.saved_tensors
        groups, steps, batch, inputs = h_in.shape
        w_t = w[:, :-1].transpose(1, 2).contiguous()
        grad_c = torch.zeros_like(cells[0])
        grad_h = grad_c.to(w.dtype)
        grad_pre = torch.empty_like(gates)
        for t in reversed(range(steps)):
            grad_a, grad_c = step_back(
                grad_out[:, t], grad_h, grad_c, gates[:, t], cells[t], cells[steps + t]
            )
            grad_pre[:, t] = grad_a
            grad_h = torch.bmm(grad_a, w_t)
            if ctx.resets[t]:
                k = keep[t].view(1, -1, 1)
                grad_h, grad_c = grad_h * k.to(grad_h.dtype), grad_c * k
        flat_h = h_in.view(groups, steps * batch, inputs).transpose(1, 2)
        grad_w = torch.bmm(flat_h, grad_pre.view(groups, steps * batch, -1)).float()
        return grad_pre, grad_w[:, :-1], grad_w[:, -1], None, None, None, None


def stacked_lstm(
    pre: Tensor,
    w_hh: Tensor,
    bias: Tensor,
    state: tuple[Tensor, Tensor],
    keep: Tensor,
    *,
    compiled: bool = False,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Run G LSTMs over a window from their input pre-activations.

    Args:
        pre: Input part of the gates without bias, ``(G, T, B, 4H)``; its type, float32 or
            bfloat16, is that of the products and of the output.
        w_hh: Recurrent weights, ``(G, H, 4H)`` float32.
        bias: ``(G, 4H)`` float32.
        state: h and c before the window, each ``(G, B, H)`` float32; no gradient flows into
            them (truncated back-propagation).
        keep: ``(T, B)``: 0 where a new piece begins at that step, else 1.
        compiled: Fuse the cell with ``torch.compile`` (needs a C++ compiler on a CPU).

    Returns:
        Outputs ``(G, T, B, H)`` and the state after the window, float32, detached.
    """
    h, c = state
    out, c = _StackedLstm.apply(pre, w_hh, bias, h, c, keep, compiled)  # type: ignore[no-untyped-call]
    return out, (out[:, -1].detach().float(), c.detach())


def grouped_product(x: Tensor, w: Tensor) -> Tensor:
    """``(G, T, B, H) @ (G, H, K) -> (G, T, B, K)`` in the type of ``x``, one product a group."""
    groups, steps, batch, hidden = x.shape
    flat = x.reshape(groups, steps * batch, hidden)
    return torch.bmm(flat, w.to(x.dtype)).view(groups, steps, batch, -1)


def window_dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """Drop units of ``(G, T, B, H)`` for a whole window at once: one mask for all its steps."""
    if not training or p == 0.0:
        return x
    mask = torch.rand(x.shape[0], 1, x.shape[2], x.shape[3], device=x.device) >= p
    return x * (mask.to(x.dtype) / (1 - p))
