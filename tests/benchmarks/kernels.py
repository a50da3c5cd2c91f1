"""What the hand-written backwards of training/kernels save beside torch's own ways.

``python -m tests.benchmarks.kernels [--compile]``: one update (forward and backward) of each
recurrence at the size of its preset, on one CPU thread, CPU time, the best of several. The ways:
the kernel; the same cell in a loop under autograd; that loop through ``torch.compile`` (minutes);
torch's ``nn.LSTM`` or ``nn.GRU``, which cannot reset state inside a window and know no highway.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from training.kernels.gru import gru
from training.kernels.highway import highway, highway_cell
from training.kernels.layers import cell_forward, stacked_lstm

REPEATS = 5


def best(update: Callable[[], Tensor]) -> float:
    """Return the least CPU time of an update, ms; the first is not counted."""
    seconds = []
    for _ in range(REPEATS + 1):
        began = time.process_time()
        update().sum().backward()
        seconds.append(time.process_time() - began)
    return 1000 * min(seconds[1:])


def leaf(*shape: int) -> Tensor:
    return (0.1 * torch.randn(*shape)).requires_grad_()


def of_chain() -> dict[str, Callable[[], Tensor]]:
    """Five LSTMs of 150 units over 64 notes of 32 rows."""
    groups, steps, batch, hidden = 5, 64, 32, 150
    pre, w = leaf(groups, steps, batch, 4 * hidden), leaf(groups, hidden, 4 * hidden)
    bias = leaf(groups, 4 * hidden)
    zeros = (torch.zeros(groups, batch, hidden), torch.zeros(groups, batch, hidden))
    keep = torch.ones(steps, batch)
    # Of its input one number: the kernel is given what the input comes to.
    given = leaf(groups, steps, batch, 1)
    whole = nn.ModuleList([nn.LSTM(1, hidden) for _ in range(groups)])

    def loop() -> Tensor:
        h, c = zeros
        out = []
        for t in range(steps):
            h, c = h * keep[t, :, None], c * keep[t, :, None]
            h, c, _ = cell_forward(pre[:, t] + bias[:, None] + torch.bmm(h, w), c)
            out.append(h)
        return torch.stack(out)

    return {
        "kernel": lambda: stacked_lstm(pre, w, bias, zeros, keep)[0],
        "loop": loop,
        "nn.LSTM, five": lambda: torch.stack([one(given[i])[0] for i, one in enumerate(whole)]),
    }


def of_tunes() -> dict[str, Callable[[], Tensor]]:
    """A highway of three micro-layers and 256 units over 128 notes of 32 rows."""
    steps, batch, hidden, depth = 128, 32, 256, 3
    pre, s = leaf(steps, batch, 2 * hidden), leaf(batch, hidden)
    w, bias = leaf(depth, hidden, 2 * hidden), leaf(depth, 2 * hidden)

    def loop() -> Tensor:
        state, out = s, []
        for t in range(steps):
            state = highway_cell(pre[t] + state @ w[0], state)[0]
            for layer in range(1, depth):
                state = highway_cell(bias[layer] + state @ w[layer], state)[0]
            out.append(state)
        return torch.stack(out)

    return {"kernel": lambda: highway(pre, s, w, bias)[0], "loop": loop}


def of_encoder() -> dict[str, Callable[[], Tensor]]:
    """A GRU of 128 units in both directions over 256 notes of 32 rows."""
    groups, steps, batch, inputs, hidden = 2, 256, 32, 48, 128
    x, w_in = leaf(groups, steps, batch, inputs), leaf(groups, inputs, 3 * hidden)
    w_state, b_in = leaf(groups, hidden, 3 * hidden), leaf(groups, 3 * hidden)
    b_state = leaf(groups, 3 * hidden)
    whole = nn.GRU(inputs, hidden, bidirectional=True)
    return {
        "kernel": lambda: gru(x, w_in, w_state, b_in, b_state),
        "nn.GRU": lambda: whole(x[0])[0],
    }


def main(arguments: list[str]) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for name, make in (("chain", of_chain), ("tunes", of_tunes), ("encoder", of_encoder)):
        ways = make()
        if "--compile" in arguments and "loop" in ways:
            began = time.monotonic()
            ways["loop, compiled"] = torch.compile(ways["loop"])
            ways["loop, compiled"]().sum().backward()
            print(f"{name}: compiled in {time.monotonic() - began:.0f} s", flush=True)
        for way, update in ways.items():
            print(f"{name}: {way} {best(update):.1f} ms", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
