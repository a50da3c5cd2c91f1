"""Gated recurrent units that run side by side over a window: one batched product a step.

Shapes: G groups (directions), T steps, B batch, E inputs, H hidden. torch's gates r, z, n, with
the bias of the state inside the reset, as in torch and in ONNX with ``linear_before_reset``.
"""

from __future__ import annotations

import torch
from torch import Tensor


def gru(x: Tensor, w_in: Tensor, w_state: Tensor, b_in: Tensor, b_state: Tensor) -> Tensor:
    """Run G units from a state of zeros.

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
    pre = torch.bmm(x.reshape(groups, steps * batch, inputs), w_in) + b_in[:, None]
    pre = pre.view(groups, steps, batch, -1)
    h = x.new_zeros(groups, batch, w_state.shape[1])
    out = []
    for t in range(steps):
        state = torch.baddbmm(b_state[:, None], h, w_state)
        in_r, in_z, in_n = pre[:, t].chunk(3, dim=-1)
        r, z, n = state.chunk(3, dim=-1)
        z = torch.sigmoid(in_z + z)
        new = torch.tanh(in_n + torch.sigmoid(in_r + r) * n)
        h = new + z * (h - new)
        out.append(h)
    return torch.stack(out, dim=1)
