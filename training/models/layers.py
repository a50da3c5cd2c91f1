"""Layers that several families share: a stack of LSTMs that advance side by side.

``StackedLstm`` runs G independent LSTMs (the five submodels of the chain) as one batched matrix
product a step. On a CPU it is about twice as fast to train as G ``nn.LSTM`` calls, because the
products run in bfloat16 (state and gates stay float32) and every weight gradient is one product
over the whole window. State can be reset inside a window, so that pieces follow each other in a
batch row without padding.

Shapes: T steps, G groups, B batch, H hidden. torch's gate order i, f, g, o.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor


def cell_forward(a: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One LSTM cell: pre-activations ``(G, B, 4H)`` and cell ``(G, B, H)`` -> h, c, gates."""
    i, f, g, o = a.chunk(4, dim=-1)
    i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
    c_next = f * c + i * g
    return o * torch.tanh(c_next), c_next, torch.cat((i, f, g, o), dim=-1)


def cell_backward(
    grad_h: Tensor, grad_c: Tensor, gates: Tensor, c: Tensor, c_next: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of :func:`cell_forward` with respect to ``a`` and ``c``."""
    i, f, g, o = gates.chunk(4, dim=-1)
    tanh_c = torch.tanh(c_next)
    grad_c = grad_c + grad_h * o * (1 - tanh_c * tanh_c)
    grad_a = torch.cat(
        (
            grad_c * g * i * (1 - i),
            grad_c * c * f * (1 - f),
            grad_c * i * (1 - g * g),
            grad_h * tanh_c * o * (1 - o),
        ),
        dim=-1,
    )
    return grad_a, grad_c * f


@lru_cache(maxsize=2)
def _cells(compiled: bool) -> tuple[Callable[..., Any], Callable[..., Any]]:
    if not compiled:
        return cell_forward, cell_backward
    return torch.compile(cell_forward, dynamic=False), torch.compile(cell_backward, dynamic=False)


class _StackedLstm(torch.autograd.Function):
    """The recurrence with a backward of our own; see :func:`stacked_lstm`."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        pre: Tensor,
        w_hh: Tensor,
        h: Tensor,
        c: Tensor,
        keep: Tensor,
        low_precision: bool,
        compiled: bool,
    ) -> tuple[Tensor, Tensor]:
        step, _ = _cells(compiled)
        dtype = torch.bfloat16 if low_precision else pre.dtype
        w = w_hh.to(dtype)
        outputs, h_in, cells_in, cells_out, gates = [], [], [], [], []
        for t in range(pre.shape[0]):
            k = keep[t].view(1, -1, 1)
            h, c = (h * k).to(dtype), c * k
            h_in.append(h)
            cells_in.append(c)
            a = torch.bmm(h, w).float() + pre[t].float()
            h, c, gate = step(a, c)
            outputs.append(h)
            cells_out.append(c)
            gates.append(gate)
        ctx.save_for_backward(w, keep, torch.stack(h_in), *cells_in, *cells_out, *gates)
        ctx.pre_dtype, ctx.compiled = pre.dtype, compiled
        return torch.stack(outputs), c

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor, _grad_c: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        _, step_back = _cells(ctx.compiled)
        w, keep, h_in, *rest = ctx.saved_tensors
        steps = h_in.shape[0]
        cells_in, cells_out, gates = rest[:steps], rest[steps : 2 * steps], rest[2 * steps :]
        w_t = w.transpose(1, 2).contiguous()
        grad_h = torch.zeros_like(cells_in[0])
        grad_c = torch.zeros_like(cells_in[0])
        grads: list[Tensor] = [grad_h] * steps
        for t in reversed(range(steps)):
            grad_a, grad_c = step_back(
                grad_out[t] + grad_h, grad_c, gates[t], cells_in[t], cells_out[t]
            )
            grads[t] = grad_a.to(w.dtype)
            k = keep[t].view(1, -1, 1)
            grad_h = torch.bmm(grads[t], w_t).float() * k
            grad_c = grad_c * k
        grad_pre = torch.stack(grads)
        groups, hidden = w.shape[0], w.shape[1]
        flat_h = h_in.transpose(0, 1).reshape(groups, -1, hidden)
        flat_a = grad_pre.transpose(0, 1).reshape(groups, -1, 4 * hidden)
        grad_w = torch.bmm(flat_h.transpose(1, 2), flat_a).float()
        return grad_pre.to(ctx.pre_dtype), grad_w, None, None, None, None, None


def stacked_lstm(
    pre: Tensor,
    w_hh: Tensor,
    state: tuple[Tensor, Tensor],
    keep: Tensor,
    *,
    low_precision: bool = False,
    compiled: bool = False,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Run G LSTMs over a window from their input pre-activations.

    Args:
        pre: Input part of the gates with bias, ``(T, G, B, 4H)``.
        w_hh: Recurrent weights, ``(G, H, 4H)``.
        state: h and c before the window, each ``(G, B, H)`` float32; no gradient flows into
            them (truncated back-propagation).
        keep: ``(T, B)``: 0 where a new piece begins at that step, else 1.
        low_precision: Products in bfloat16; state and gates stay float32.
        compiled: Fuse the cell with ``torch.compile`` (needs a C++ compiler).

    Returns:
        Outputs ``(T, G, B, H)`` and the state after the window, detached.
    """
    h, c = state
    out, c = _StackedLstm.apply(pre, w_hh, h, c, keep, low_precision, compiled)  # type: ignore[no-untyped-call]
    return out, (out[-1].detach(), c.detach())
